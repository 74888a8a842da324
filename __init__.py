# SPDX-License-Identifier: GPL-3.0-or-later
"""PartNerFace for Blender: a neural head avatar from one ordinary video, keyed like any rig.

This file is the roof: it registers every module's CLASSES in order and takes them back in the
opposite one. The engine in `engine/` runs in a process of its own and is never imported here.
"""

# The repository root is the extension root, so that tools which know nothing of Blender (pytest)
# import this file as well. Hence nothing of Blender is imported before it is asked for.


def modules() -> tuple:
    """The modules that have CLASSES, in the order in which Blender must learn of them."""
    from .operators import (
        avatar,
        compositor,
        engine,
        installing,
        job_control,
        jobs,
        relinking,
        render,
        sequences,
    )
    from .panels import properties_editor, sidebar
    from .partnerface_blender import preferences, properties
    from .partnerface_blender.jobs import listing
    from .partnerface_blender.rendering import render_engine

    parts = (preferences, properties, render_engine, listing)
    parts = (*parts, engine, installing, jobs, job_control, relinking, avatar, render, sequences)
    parts = (*parts, compositor)
    return (*parts, sidebar, properties_editor)


def register() -> None:
    """Add the add-on to Blender."""
    import bpy

    from .panels import installing, jobs, relinking
    from .partnerface_blender import properties
    from .partnerface_blender.connection import engine_link
    from .partnerface_blender.jobs import listing, shown, watch
    from .partnerface_blender.relinking import links
    from .partnerface_blender.rendering import render_engine

    for module in modules():
        for cls in module.CLASSES:
            bpy.utils.register_class(cls)
    properties.attach()
    render_engine.attach()
    engine_link.attach()
    for part in (links, relinking, installing, jobs, listing, shown, watch):
        part.attach()


def unregister() -> None:
    """Take everything back: classes, properties, timers, and the engine's process."""
    import bpy

    from .panels import installing, jobs, relinking
    from .partnerface_blender import properties
    from .partnerface_blender.connection import engine_link
    from .partnerface_blender.jobs import listing, watch
    from .partnerface_blender.relinking import links
    from .partnerface_blender.rendering import render_engine
    from .partnerface_blender.viewport import view as viewport

    for part in (watch, listing, jobs, installing, relinking, links):
        part.detach()
    viewport.detach()
    engine_link.detach()
    render_engine.detach()
    properties.detach()
    for module in reversed(modules()):
        for cls in reversed(module.CLASSES):
            bpy.utils.unregister_class(cls)
