# SPDX-License-Identifier: GPL-3.0-or-later
"""PartNerFace for Blender: a neural head avatar from one ordinary video, keyed like any rig.

This file is the roof: it registers every module's CLASSES in order and takes them back in the
opposite one. The engine in `engine/` runs in a process of its own and is never imported here.
"""

# The repository root is the extension root, so that tools which know nothing of Blender (pytest)
# import this file as well. Hence nothing of Blender is imported before it is asked for.

# In the order in which Blender must learn of them: data, then operators, then panels. A module may
# have CLASSES, an `attach` for what is no class, and a `detach` that undoes it.
MODULES = (
    "partnerface_blender.main_thread",
    "partnerface_blender.viewport.settings",
    "partnerface_blender.preferences",
    "partnerface_blender.properties",
    "partnerface_blender.rig.parts",
    "partnerface_blender.rendering.settings",
    "partnerface_blender.rendering.render_engine",
    "partnerface_blender.connection.engine_link",
    "partnerface_blender.colour.looks",
    "partnerface_blender.compositing.upkeep",
    "partnerface_blender.relinking.links",
    "partnerface_blender.jobs.listing",
    "partnerface_blender.jobs.shown",
    "partnerface_blender.jobs.watch",
    "partnerface_blender.viewport.view",
    "operators.engine",
    "operators.installing",
    "operators.jobs",
    "operators.job_control",
    "operators.relinking",
    "operators.avatar",
    "operators.viewport",
    "operators.posing",
    "operators.expressions",
    "operators.motion",
    "operators.overrides",
    "operators.render",
    "operators.sequences",
    "operators.compositor",
    "panels.installing",
    "panels.relinking",
    "panels.sidebar",
    "panels.jobs",
    "panels.rig",
    "panels.motion",
    "panels.compositing",
    "panels.viewport",
    "panels.properties_editor",
    "panels.render_passes",
)


def modules() -> list:
    """The modules, imported."""
    from importlib import import_module

    return [import_module(f".{name}", __package__) for name in MODULES]


def register() -> None:
    """Add the add-on to Blender."""
    import bpy

    for module in modules():
        for cls in getattr(module, "CLASSES", ()):
            bpy.utils.register_class(cls)
        getattr(module, "attach", lambda: None)()


def unregister() -> None:
    """Take everything back: classes, properties, handlers, timers, and the engine's process."""
    import bpy

    for module in reversed(modules()):
        getattr(module, "detach", lambda: None)()
        for cls in reversed(getattr(module, "CLASSES", ())):
            bpy.utils.unregister_class(cls)
