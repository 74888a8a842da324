# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension comes and goes without a trace, and everything in it is described."""


def blender_comes_and_goes():
    import bpy
    from blender_side import traces

    package = "bl_ext.user_default.partnerface"
    seen = [len(traces())]
    for _ in range(2):
        bpy.ops.preferences.addon_disable(module=package)
        seen.append(traces())
        bpy.ops.preferences.addon_enable(module=package)
        seen.append(len(traces()))
    return seen


def test_it_can_be_switched_off_and_on_again(in_new_blender):
    on, off, on_again, off_again, on_at_last = in_new_blender(blender_comes_and_goes)
    assert on > 20
    assert off == off_again == []
    assert on == on_again == on_at_last


def blender_uninstalls(avatar):
    from blender_side import addon, finish, load_avatar, uninstall

    load_avatar(avatar)
    engine = addon("connection.engine_link").running_engine()
    ran = engine.alive
    left = finish(uninstall())
    return {"ran": ran, "left": left, "engine": engine.process.poll() is None}


def test_uninstalling_leaves_nothing_behind(in_new_blender, avatar):
    found = in_new_blender(blender_uninstalls, str(avatar))
    assert found == {"ran": True, "left": [], "engine": False}


def blender_lacks_descriptions():
    import bpy
    from blender_side import addon

    missing = []
    for name in dir(bpy.ops.partnerface):
        kind = getattr(bpy.ops.partnerface, name).get_rna_type()
        missing += [name] if not kind.description else []
        missing += [f"{name}.{p.identifier}" for p in kind.properties
                    if p.identifier != "rna_type" and not p.description]  # fmt: skip
    for kind in (*addon("properties").CLASSES, *addon("preferences").CLASSES):
        own = [p for p in kind.bl_rna.properties if p.identifier in kind.__annotations__]
        assert own
        missing += [f"{kind.__name__}.{p.identifier}" for p in own if not p.description]
    return missing


def test_every_operator_and_property_is_described(in_new_blender):
    assert in_new_blender(blender_lacks_descriptions) == []
