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
        expressions,
        jobs,
        motion,
        overrides,
        posing,
        render,
    )
    from .panels import motion as motion_panels
    from .panels import properties_editor, rig, sidebar
    from .partnerface_blender import preferences, properties
    from .partnerface_blender.rendering import render_engine
    from .partnerface_blender.rig import parts

    data = (preferences, properties, parts, render_engine)
    operators = (engine, jobs, avatar, posing, expressions, motion, overrides, render, compositor)
    return (*data, *operators, sidebar, rig, motion_panels, properties_editor)


def register() -> None:
    """Add the add-on to Blender."""
    import bpy

    from .partnerface_blender import properties
    from .partnerface_blender.connection import engine_link
    from .partnerface_blender.rendering import render_engine
    from .partnerface_blender.rig import parts

    for module in modules():
        for cls in module.CLASSES:
            bpy.utils.register_class(cls)
    properties.attach()
    parts.attach()
    render_engine.attach()
    engine_link.attach()


def unregister() -> None:
    """Take everything back: classes, properties, timers, and the engine's process."""
    import bpy

    from .partnerface_blender import properties
    from .partnerface_blender.connection import engine_link
    from .partnerface_blender.jobs import watch as job_watch
    from .partnerface_blender.rendering import render_engine
    from .partnerface_blender.rig import parts
    from .partnerface_blender.viewport import view as viewport

    job_watch.detach()
    viewport.detach()
    engine_link.detach()
    render_engine.detach()
    parts.detach()
    properties.detach()
    for module in reversed(modules()):
        for cls in reversed(module.CLASSES):
            bpy.utils.unregister_class(cls)
