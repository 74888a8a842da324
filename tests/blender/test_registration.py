# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension comes and goes without a trace, and everything in it is described."""

import os
import time


def traces():
    """Everything of ours that Blender knows of."""
    import bpy

    found = [name for name in dir(bpy.types) if "PARTNERFACE" in name.upper()]
    found += [f"{owner}.partnerface" for owner in ("Object", "Scene", "WindowManager")
              if hasattr(getattr(bpy.types, owner), "partnerface")]  # fmt: skip
    for name in ("STATUSBAR_HT_header", "TOPBAR_MT_file_external_data"):
        drawn = getattr(getattr(bpy.types, name).draw, "_draw_funcs", [])
        found += [f"drawn in {name}" for draw in drawn if "partnerface" in draw.__module__]
    groups = bpy.types.PropertyGroup.__subclasses__()
    found += [
        kind.__name__ for kind in groups if "partnerface" in kind.__module__ and kind.is_registered
    ]
    found += [f"operator {name}" for name in dir(bpy.ops.partnerface)]
    for name in dir(bpy.app.handlers):
        handlers = getattr(bpy.app.handlers, name)
        if isinstance(handlers, list):
            found += [f"{name}: {h}" for h in handlers if "partnerface" in str(h.__module__)]
    for name in dir(bpy.types):
        if "PARTNERFACE" in getattr(getattr(bpy.types, name), "COMPAT_ENGINES", ()):
            found.append(f"engine of {name}")
    if "bl_ext.user_default.partnerface" in bpy.context.preferences.addons:
        found.append("preferences")
    return found


def blender_comes_and_goes():
    import bpy

    package = "bl_ext.user_default.partnerface"
    seen = [len(traces())]
    for _ in range(2):
        bpy.ops.preferences.addon_disable(module=package)
        seen.append(traces())
        bpy.ops.preferences.addon_enable(module=package)
        seen.append(len(traces()))
    return seen


def test_it_can_be_switched_off_and_on_again(in_blender):
    on, off, on_again, off_again, on_at_last = in_blender(blender_comes_and_goes)
    assert on > 20
    assert off == off_again == []
    assert on == on_again == on_at_last


def blender_uninstalls(avatar):
    import bpy
    from blender_side import PACKAGE, addon, load_avatar

    load_avatar(avatar)
    engine = addon("connection.engine_link").running_engine()
    assert engine is not None
    process, poll = engine.process.pid, addon("viewport.view")._poll
    folders = [addon("preferences").EXTENSION_FOLDER, addon("preferences").user_folder("logs")]
    assert all(folder.is_dir() for folder in folders)
    index = next(i for i, repo in enumerate(bpy.context.preferences.extensions.repos)
                 if repo.module == "user_default")  # fmt: skip
    bpy.ops.extensions.package_uninstall(repo_index=index, pkg_id="partnerface")
    for _ in range(50):
        if not os.path.exists(f"/proc/{process}"):
            break
        time.sleep(0.1)
    return {
        "traces": traces(),
        "engine": os.path.exists(f"/proc/{process}"),
        "files": [str(folder) for folder in folders if folder.exists()],
        "package": PACKAGE in bpy.context.preferences.addons,
        "timers": bpy.app.timers.is_registered(poll),
    }


def test_uninstalling_leaves_nothing_behind(in_blender, avatar):
    left = in_blender(blender_uninstalls, str(avatar))
    assert left == {"traces": [], "engine": False, "files": [], "package": False, "timers": False}


def blender_lacks_descriptions():
    import bpy
    from blender_side import addon

    missing = []
    for name in dir(bpy.ops.partnerface):
        kind = getattr(bpy.ops.partnerface, name).get_rna_type()
        missing += [name] if not kind.description else []
        missing += [f"{name}.{p.identifier}" for p in kind.properties
                    if p.identifier != "rna_type" and not p.description]  # fmt: skip
    rooms = ("properties", "preferences", "jobs.listing")
    for kind in (kind for room in rooms for kind in addon(room).CLASSES):
        own = [p for p in kind.bl_rna.properties if p.identifier in kind.__annotations__]
        assert own
        missing += [f"{kind.__name__}.{p.identifier}" for p in own if not p.description]
    return missing


def test_every_operator_and_property_is_described(in_blender):
    assert in_blender(blender_lacks_descriptions) == []
