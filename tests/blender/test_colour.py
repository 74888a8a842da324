# SPDX-License-Identifier: GPL-3.0-or-later
"""Under every view transform the avatar looks as in the video, or not, as the scene says."""

import json
import subprocess

import pytest

# View transform, look, exposure, gamma; those that a Blender lacks are left out.
SHOWN = (
    ("Standard", "None", 0.0, 1.0),
    ("Standard", "None", 1.0, 1.3),
    ("Filmic", "None", 0.0, 1.0),
    ("AgX", "None", 0.0, 1.0),
    ("AgX", "AgX - Punchy", -0.7, 1.1),
    ("Khronos PBR Neutral", "None", 0.0, 1.0),
)
DELTA_E = (
    "import sys, json, numpy; from skimage.color import rgb2lab, deltaE_ciede2000 as difference; "
    "data = numpy.load(sys.argv[1]); mask = data['mask']; lab = rgb2lab(data['filmed'][mask]); "
    "print(json.dumps({name: float(difference(lab, rgb2lab(data[name][mask])).mean()) "
    "for name in data.files if name not in ('mask', 'filmed')}))"
)


def blender_shows(avatar, folder, shown):
    """Renders the avatar to PNG in each way; the pictures and the video's colours in a file."""
    import numpy as np
    from blender_side import addon, avatar_planes, load_avatar

    scene, rig, _ = load_avatar(avatar)
    scene.frame_set(3)
    settings = scene.render.image_settings
    settings.file_format, settings.color_mode, settings.color_depth = "PNG", "RGBA", "16"
    colour, _ = avatar_planes(scene, rig)  # scene-linear sRGB
    alpha = colour[..., 3:]
    straight = colour[..., :3] / np.maximum(alpha, 1e-4)
    filmed = np.where(
        straight <= 0.0031308,
        straight * 12.92,
        1.055 * np.maximum(straight, 1e-6) ** (1 / 2.4) - 0.055,
    )
    pictures = {"filmed": filmed.clip(0, 1), "mask": alpha[..., 0] > 0.98}
    look = None
    for view, look, exposure, gamma in shown:
        try:
            scene.view_settings.view_transform = view
        except TypeError:
            continue
        scene.view_settings.look = look
        scene.view_settings.exposure, scene.view_settings.gamma = exposure, gamma
        pictures[f"{view} {look} {exposure}"] = png(scene, folder)
    scene.view_settings.view_transform, scene.view_settings.look = "AgX", "None"
    scene.view_settings.exposure, scene.view_settings.gamma = 0.0, 1.0
    scene.partnerface.colour = "SCENE_REFERRED"
    pictures["scene-referred"] = png(scene, folder)
    np.savez(f"{folder}/pictures.npz", **pictures)
    import bpy

    return {
        "scenes": len(bpy.data.scenes),
        "images": [image.name for image in bpy.data.images if "PartNerFace" in image.name],
        "kept": len(addon("colour.looks")._kept),
    }


def png(scene, folder):
    """F12 to a PNG; its pixels [H, W, 3]."""
    import bpy
    from blender_side import read_picture

    scene.render.filepath = f"{folder}/shown.png"
    bpy.ops.render.render(write_still=True)
    return read_picture(scene.render.filepath)[..., :3]


@pytest.mark.ends
def test_the_avatar_looks_as_filmed(in_blender, avatar, engine_python, tmp_path):
    found = in_blender(blender_shows, str(avatar), str(tmp_path), SHOWN)
    command = [engine_python, "-c", DELTA_E, tmp_path / "pictures.npz"]
    told = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    differences = json.loads(told.stdout)
    print(differences)
    assert differences.pop("scene-referred") > 2
    assert len(differences) >= 5
    assert differences == pytest.approx(dict.fromkeys(differences, 0), abs=1.0)
    assert found == {"scenes": 1, "images": [], "kept": len(differences) - 2}
