# SPDX-License-Identifier: GPL-3.0-or-later
"""The head mesh throws shadows, shows in mirrors and cuts holes, and is not seen itself."""

import pytest

# EEVEE takes minutes without a graphics card.
ENGINES = ["CYCLES", pytest.param("EEVEE", marks=pytest.mark.newest)]


def blender_proxies(avatar, folder, engine):
    """How the scene's picture changes with each switch, in the places where it should."""
    import bpy
    import numpy as np
    from blender_side import deformed_vertices, eevee, load_avatar, neutral, render
    from mathutils import Matrix, Vector

    scene, rig, head = load_avatar(avatar)
    neutral(scene, rig, head)
    points = deformed_vertices(head)
    centre = Vector(((points.min(0) + points.max(0)) / 2).tolist())
    camera = scene.camera.matrix_world.copy()
    towards = (camera.translation - centre).normalized()
    # From farther away; behind the head, side by side, a white screen and a mirror, both slanted.
    scene.camera.matrix_world = Matrix.Translation(towards * 0.5 + Vector((0, 0, 0.1))) @ camera
    turn = camera.to_quaternion().to_matrix().to_4x4()
    for name, side, metal in (("screen", -1, 0.0), ("mirror", 1, 1.0)):
        bpy.ops.mesh.primitive_plane_add(size=1)
        plane = bpy.context.object
        slant = Matrix.Rotation(-side * 0.5, 4, "Y")
        place = turn @ Vector((side * 0.27, 0, -0.25))
        plane.matrix_world = (
            Matrix.Translation(centre + place) @ turn @ slant @ Matrix.Scale(0.6, 4)
        )
        material = bpy.data.materials.new(name)
        material.use_nodes = True
        shader = material.node_tree.nodes["Principled BSDF"]
        shader.inputs["Base Color"].default_value = (0.8, 0.8, 0.8, 1)
        shader.inputs["Metallic"].default_value = metal
        shader.inputs["Roughness"].default_value = 0.0 if metal else 1.0
        plane.data.materials.append(material)
    bpy.ops.object.light_add(type="SUN")
    lamp = bpy.context.object
    lamp.data.energy = 3
    shine = turn @ Vector((-0.35, 0, -0.6))  # from the camera's right, onto the screen
    lamp.rotation_euler = shine.to_track_quat("-Z", "Y").to_euler()
    scene.render.engine = eevee() if engine == "EEVEE" else engine
    scene.render.film_transparent = True
    scene.render.resolution_percentage = 75
    if engine == "CYCLES":
        scene.cycles.samples, scene.cycles.use_denoising, scene.cycles.seed = 16, False, 1
    else:
        scene.eevee.taa_render_samples, scene.eevee.use_raytracing = 4, True
        bpy.ops.object.lightprobe_add(type="PLANE")
        probe = bpy.context.object
        nudge = Matrix.Translation((0, 0, 0.005))
        probe.matrix_world = plane.matrix_world @ nudge @ Matrix.Scale(0.5, 4)
        plane.hide_probe_plane = True  # or the mirror would stand before its own probe
    scene.world = bpy.data.worlds.new("dim")

    pictures = {"none": render(scene, folder, "none")}
    switches = ("casts_shadow", "holds_out", "shows_in_reflections")
    for name in switches:
        setattr(rig.partnerface, name, True)
        pictures[name] = render(scene, folder, name)
        setattr(rig.partnerface, name, False)
    none = pictures["none"]
    middle = none.shape[1] // 2
    found = {"hidden again": bool(head.hide_render), "solid": float((none[..., 3] > 0.9).mean())}
    for name in switches:
        change = pictures[name] - none
        left, right = change[:, :middle], change[:, middle:]
        mirrored = np.abs(right[..., :3]).max(-1) > 0.02
        found[name] = {
            "darker": float((left[..., :3].max(-1) < -0.05).mean()),
            "mirrored": float(mirrored.mean()),
            "screen": float((np.abs(left[..., :3]).max(-1) > 0.02).mean()),
            "holes": float((change[..., 3] < -0.9).mean()),
            "skin": float(pictures[name][:, middle:, 0][mirrored].sum()),
        }  # fmt: skip
    # It follows: the shadow moves with the head.
    rig.partnerface.casts_shadow = True
    rig.pose.bones["root"].location[0] += 0.04
    bpy.context.view_layer.update()
    found["moved"] = float(
        np.abs(render(scene, folder, "moved") - pictures["casts_shadow"])[..., :3].mean()
    )
    return found


@pytest.mark.ends
@pytest.mark.parametrize("engine", ENGINES)
def test_switches(in_blender, avatar, tmp_path, engine):
    found = in_blender(blender_proxies, str(avatar), str(tmp_path), engine)
    print(found)
    assert found["hidden again"]
    assert found["casts_shadow"]["darker"] > 0.02
    assert found["casts_shadow"]["holes"] == 0
    assert found["holds_out"]["holes"] > 0.05
    assert found["moved"] > 1e-4
    assert found["casts_shadow"]["mirrored"] < 0.01
    assert found["shows_in_reflections"]["mirrored"] > 0.02
    assert found["shows_in_reflections"]["darker"] < 0.01
    assert found["shows_in_reflections"]["skin"] > 1
