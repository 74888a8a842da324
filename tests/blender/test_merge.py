# SPDX-License-Identifier: GPL-3.0-or-later
"""The merged picture, pixel by pixel: no fringes, mattes that add up, before and behind."""

import numpy as np
import pytest

# EEVEE takes minutes without a graphics card.
ENGINES = ["CYCLES", pytest.param("EEVEE", marks=pytest.mark.newest)]
BACKDROP = 5.0  # scene-linear, as bright as a lamp
MATTES = ("Avatar Alpha", "Avatar Visible", "Scene Visible")
BAR = (0.02, 0.1, 0.3)


def blender_before_a_lamp(avatar, folder, engine):
    """A bar in front of the head, a glowing wall behind: the picture, and what it is made of."""
    import bpy
    from blender_side import avatar_planes, load_avatar, neutral, render

    scene, rig, head = load_avatar(avatar)
    neutral(scene, rig, head)
    scene.render.resolution_percentage = 150
    wall, bar = add_glowing(scene, head, "wall"), add_glowing(scene, head, "bar")
    choose(scene, engine)
    bar.hide_render = True
    behind = render(scene, folder, "behind")
    bar.hide_render, wall.hide_render = False, True
    front = render(scene, folder, "front")
    wall.hide_render = False
    alone = render(scene, folder, "alone")
    assert bpy.ops.partnerface.set_up_compositor() == {"FINISHED"}
    together = render(scene, folder, "together")
    colour, _ = avatar_planes(scene, rig)
    mattes = {}
    for name in MATTES if engine == "CYCLES" else ():
        show_matte(scene, name)
        mattes[name.replace(" ", "_")] = render(scene, folder, "matte")[..., 0]
    pictures = {"behind": behind, "front": front, "alone": alone, "together": together}
    np.savez(f"{folder}/found.npz", avatar=colour, **pictures, **mattes)
    return True


def add_glowing(scene, head, what):
    """A plane that only shines: a wall behind the head, or a slanted bar before its face."""
    import bpy
    from blender_side import deformed_vertices
    from mathutils import Matrix, Vector

    points = deformed_vertices(head)
    centre = Vector(((points.min(0) + points.max(0)) / 2).tolist())
    camera = scene.camera.matrix_world
    towards = (camera.translation - centre).normalized()
    bpy.ops.mesh.primitive_plane_add(size=1)
    plane = bpy.context.object
    plane.name = what
    turn = camera.to_quaternion().to_matrix().to_4x4()
    if what == "wall":
        plane.matrix_world = Matrix.Translation(centre - towards * 0.6) @ turn @ Matrix.Scale(5, 4)
        colour = (BACKDROP, BACKDROP, BACKDROP)
    else:
        slant = Matrix.Rotation(0.35, 4, "Z") @ Matrix.Diagonal((2.0, 0.03, 1, 1))
        plane.matrix_world = Matrix.Translation(centre + towards * 0.2) @ turn @ slant
        colour = BAR
    material = bpy.data.materials.new(what)
    material.use_nodes = True
    nodes = material.node_tree.nodes
    nodes.clear()
    shine, output = nodes.new("ShaderNodeEmission"), nodes.new("ShaderNodeOutputMaterial")
    shine.inputs["Color"].default_value = (*colour, 1)
    material.node_tree.links.new(shine.outputs[0], output.inputs[0])
    plane.data.materials.append(material)
    return plane


def choose(scene, engine):
    """Cycles or EEVEE, quick, on a transparent ground."""
    from blender_side import eevee

    scene.render.engine = eevee() if engine == "EEVEE" else engine
    scene.render.film_transparent = True
    if engine == "CYCLES":
        scene.cycles.samples, scene.cycles.use_denoising = 48, False
        scene.cycles.max_bounces = 0
    else:
        scene.eevee.taa_render_samples = 4


def show_matte(scene, name):
    """The merge's matte becomes the picture."""
    from blender_side import addon

    versions, merge = addon("blender_versions"), addon("compositing.merge")
    tree = versions.find_compositor_tree(scene)
    node = merge.find_node(tree, "merge")
    tree.links.new(node.outputs[name], versions.find_output(tree).inputs[0])


def check_picture(folder, engine):
    found = {
        name.replace("_", " "): plane for name, plane in np.load(f"{folder}/found.npz").items()
    }
    front, avatar, behind = found["front"], found["avatar"], found["behind"]
    under = avatar + behind * (1 - avatar[..., 3:])
    truth = front + under * (1 - front[..., 3:])
    plain = found["alone"] * front[..., 3:].round() + (1 - front[..., 3:].round()) * (
        avatar + found["alone"] * (1 - avatar[..., 3:])
    )
    rim = (front[..., 3] > 0.02) & (front[..., 3] < 0.98) & (avatar[..., 3] > 0.9)
    hair = (avatar[..., 3] > 0.05) & (avatar[..., 3] < 0.95) & (front[..., 3] == 0)
    error = np.abs(found["together"] - truth)[..., :3].max(-1)
    told = {
        "rim pixels": int(rim.sum()), "hair pixels": int(hair.sum()),
        "rim": float(error[rim].max()), "rim mean": float(error[rim].mean()),
        "rim of a plain over": float(np.abs(plain - truth)[..., :3].max(-1)[rim].max()),
        "hair": float(error[hair].max()), "everywhere": float(error.mean()),
        "alpha": float(np.abs(found["together"] - truth)[..., 3].max()),
    }  # fmt: skip
    print(told)
    assert told["rim pixels"] > 20
    assert told["hair pixels"] > 20
    assert told["hair"] < 0.02
    assert told["rim"] < 0.08 * BACKDROP
    assert told["rim"] < 0.2 * told["rim of a plain over"]
    assert told["rim mean"] < 0.015 * BACKDROP
    assert told["alpha"] < 0.01
    if engine != "CYCLES":
        return
    visible, scene_visible = found["Avatar Visible"], found["Scene Visible"]
    assert np.abs(found["Avatar Alpha"] - avatar[..., 3]).max() < 2e-3
    assert np.abs(visible + scene_visible - found["together"][..., 3]).max() < 0.01
    true_share = (1 - front[..., 3]) * avatar[..., 3]
    assert np.abs(visible - true_share).max() < 0.12


@pytest.mark.ends
@pytest.mark.parametrize("engine", ENGINES)
def test_no_fringes(in_blender, avatar, tmp_path, engine):
    assert in_blender(blender_before_a_lamp, str(avatar), str(tmp_path), engine)
    check_picture(tmp_path, engine)
