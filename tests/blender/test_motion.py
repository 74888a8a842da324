# SPDX-License-Identifier: GPL-3.0-or-later
"""Motion from elsewhere, on a rig in real Blender, through the real engine."""

import math

import pytest


def read(rig, names):
    """What the engine would get in this frame."""
    import bpy
    from blender_side import addon

    bpy.context.view_layer.update()
    depsgraph = bpy.context.evaluated_depsgraph_get()
    return addon("rig.parameters").read_parameters(rig, depsgraph, names)


def opened(path):
    from pathlib import Path

    from blender_side import addon

    link = addon("connection.engine_link")
    return link.open_avatar(link.read_settings(), Path(path))


def errors(rig, scene, names, wanted, frames):
    """The largest errors of psi, theta (as rotations) and translation over (scene frame, row)."""
    import numpy as np
    from blender_side import addon

    turns = addon("rig.rotations").matrix_of_axis_angle
    worst = dict.fromkeys(("psi", "theta", "translation"), 0.0)
    for frame, row in frames:
        scene.frame_set(frame)
        found = read(rig, names)
        for name in worst:
            one, other = getattr(found, name), wanted[name][row]
            if name == "theta":
                one, other = turns(one), turns(other)
            worst[name] = max(worst[name], float(np.abs(one - other).max()))
    return worst


def blender_same_capture(avatar, capture):
    import bpy
    import numpy as np
    from blender_side import addon, load_avatar

    scene, rig, _ = load_avatar(avatar)
    found = opened(avatar)
    names = found.header["expression_names"]
    wanted = {n: found.arrays[f"motion.{n}"] for n in ("psi", "theta", "translation")}
    count, old = len(wanted["psi"]), rig.animation_data.action
    every = [(n + 11, n) for n in range(count)]
    say = bpy.ops.partnerface.import_motion
    out = {"old": old.name}
    # As tracked, the same motion comes back, ten frames later.
    assert say(filepath=capture, neutral="NONE", start=11) == {"FINISHED"}
    action = rig.animation_data.action
    out["tracked"] = errors(rig, scene, names, wanted, every)
    out["action"] = [action.name, action != old, old.use_fake_user, scene.frame_end, count + 10]
    # From the same neutral frame on both sides, it is the same motion again.
    rig.animation_data.action = old
    assert say(filepath=f"{capture}/capture.json", neutral="FRAME", source_frame=4, target_frame=4,
               start=11, name="again") == {"FINISHED"}  # fmt: skip
    out["relative"] = errors(rig, scene, names, wanted, every)
    out["again"] = rig.animation_data.action.name
    # Nothing of it, with both gains 0: the neutral frame all along.
    rig.animation_data.action = old
    say(filepath=avatar, neutral="FRAME", source_frame=4, target_frame=4, gain=0.0, pose_gain=0.0)
    still = {n: np.repeat(rows[3:4], count, 0) for n, rows in wanted.items()}
    out["still"] = errors(rig, scene, names, still, [(n + 1, n) for n in range(count)])
    # Only the expression: the pose of the action that played goes on beside it.
    rig.animation_data.action = old
    say(
        filepath=capture,
        neutral="NONE",
        start=6,
        jaw=False,
        head=False,
        eyes=False,
        translation=False,
    )
    late = [n for n in range(6, count + 1)]
    mixed = {
        "psi": wanted["psi"][[n - 6 for n in late]],
        "theta": wanted["theta"][[n - 1 for n in late]],
        "translation": wanted["translation"][[n - 1 for n in late]],
    }
    jawless = [e for e, name in enumerate(names) if not name.startswith(("jaw", "eyeLook"))]
    out["mixed"] = []
    for row, frame in enumerate(late):
        scene.frame_set(frame)
        values = read(rig, names)
        out["mixed"].append(float(np.abs(values.psi - mixed["psi"][row])[jawless].max()))
        out["mixed"].append(float(np.abs(values.theta - mixed["theta"][row]).max()))
    out["mixed"] = max(out["mixed"])
    # As a strip it lies on top, and what was there below it.
    rig.animation_data.action = old
    say(filepath=capture, neutral="NONE", start=count + 21, as_strip=True, name="more")
    tracks = rig.animation_data.nla_tracks
    out["tracks"] = [track.strips[0].action.name for track in tracks]
    out["strip"] = errors(rig, scene, names, wanted, [(n + count + 21, n) for n in range(count)])
    out["below"] = errors(rig, scene, names, wanted, [(1, 0), (5, 4)])
    addon("connection.engine_link").stop_engine()
    return out


def test_a_capture_comes_back_as_it_was_tracked(in_blender, avatar):
    capture = avatar.parents[1] / "capture"
    found = in_blender(blender_same_capture, str(avatar), str(capture))
    for case in ("tracked", "relative", "still", "strip", "below"):
        assert max(found[case].values()) < 2e-4, (case, found[case])
    name, new, kept, end, wanted_end = found["action"]
    assert name == "capture"
    assert new
    assert kept
    assert end == wanted_end
    assert found["again"] == "again"
    assert found["mixed"] < 2e-4
    assert found["tracks"] == [found["old"], "more"]


def blender_other_rates(avatar, capture):
    import bpy
    import numpy as np
    from blender_side import load_avatar

    scene, rig, _ = load_avatar(avatar)
    found = opened(avatar)
    names = found.header["expression_names"]
    psi, fps = found.arrays["motion.psi"], found.header["fps"]
    scene.render.fps, scene.render.fps_base = 60, 1.0
    bpy.ops.partnerface.import_motion(filepath=capture, neutral="NONE", start=100)
    worst = 0.0
    last = int((len(psi) - 1) / fps * 60)
    for frame in range(last + 1):
        scene.frame_set(100 + frame)
        time = min(frame / 60 * fps, len(psi) - 1)
        before = int(time)
        after = min(before + 1, len(psi) - 1)
        wanted = psi[before] + (time - before) * (psi[after] - psi[before])
        worst = max(worst, float(np.abs(read(rig, names).psi - wanted).max()))
    return {"worst": worst, "end": scene.frame_end - 100 - last}


def test_the_scene_s_rate_counts(in_blender, avatar):
    found = in_blender(blender_other_rates, str(avatar), str(avatar.parents[1] / "capture"))
    assert found["worst"] < 2e-3
    assert found["end"] == 0


def blender_neutral(avatar, capture):
    """A rig that stands elsewhere and frowns a little in its neutral frame."""
    import bpy
    import numpy as np
    from blender_side import addon, load_avatar

    scene, rig, head = load_avatar(avatar)
    found = opened(avatar)
    names, arrays = found.header["expression_names"], found.arrays
    lowest = [min(0.0, head.data.shape_keys.key_blocks[name].slider_min) for name in names]
    rig.animation_data.action = None
    sliders = addon("rig.sliders")
    for name in sliders.all_slider_names(rig):
        sliders.set_slider(rig, name, 0.25 if name == "mouthFrownLeft" else 0.0)
    for bone in rig.pose.bones:
        bone.location, bone.rotation_euler = (0, 0, 0), (0, 0, 0)
        bone.rotation_mode = {"neck": "QUATERNION", "eye.L": "ZYX", "jaw": "AXIS_ANGLE"}.get(
            bone.name, "XYZ"
        )
    root = rig.pose.bones["root"]
    root.location, root.rotation_euler = (0.1, 0.2, 0.3), (0.0, 0.4, 0.1)
    begin = read(rig, names)
    bpy.ops.partnerface.import_motion(
        filepath=capture, neutral="FRAME", source_frame=3, target_frame=1, start=1
    )
    retarget = addon("motion.retarget")
    source = retarget.Posed(
        *(arrays[f"motion.{n}"].astype(float) for n in ("psi", "theta", "translation"))
    )
    target = retarget.Posed(
        *(getattr(begin, n).astype(float) for n in ("psi", "theta", "translation"))
    )
    moved = retarget.relative_motion(source, source[2], target)
    wanted = {n: getattr(moved, n) for n in ("psi", "theta", "translation")}
    wanted["psi"] = np.maximum(wanted["psi"], lowest)  # less than none of a shape is none
    frames = [(n + 1, n) for n in range(len(source.psi))]
    return {
        **errors(rig, scene, names, wanted, frames),
        "frown": float(moved.psi[2, names.index("mouthFrownLeft")]),
        "turn": float(np.abs(moved.theta[2, 0]).max()),
        "paths": sorted({c.data_path for c in addon("blender_versions").find_fcurves(
            rig, rig.animation_data.action) if "neck" in c.data_path or "jaw" in c.data_path}),
    }  # fmt: skip


def test_motion_begins_at_the_rig_s_own_neutral_frame(in_blender, avatar):
    found = in_blender(blender_neutral, str(avatar), str(avatar.parents[1] / "capture"))
    assert max(found["psi"], found["theta"], found["translation"]) < 2e-4
    assert found["frown"] == pytest.approx(0.25)
    assert found["turn"] > 0.3
    assert 'pose.bones["neck"].rotation_quaternion' in found["paths"]
    assert 'pose.bones["jaw"].rotation_axis_angle' in found["paths"]


def blender_refusals(avatar, folder):
    from pathlib import Path

    import bpy
    from blender_side import load_avatar, sentence_of

    say, take = bpy.ops.partnerface.import_motion, bpy.ops.partnerface.import_face_recording
    scene, rig, _ = load_avatar(avatar)
    before, end = rig.animation_data.action.name, scene.frame_end
    (Path(folder) / "odd.csv").write_text("Timecode,JawOpen\n00:00:00:00,0.1\n00:00:00:01,x\n")
    off = dict.fromkeys(("jaw", "head", "eyes", "translation", "expression"), False)
    out = {
        "nothing": sentence_of(say, filepath=folder),
        "frame": sentence_of(say, filepath=avatar, source_frame=5000),
        "off": sentence_of(say, filepath=avatar, **off),
        "odd": sentence_of(take, filepath=f"{folder}/odd.csv"),
        "none": sentence_of(take, filepath=f"{folder}/none.csv"),
        "kept": rig.animation_data.action.name == before and scene.frame_end == end,
    }
    bpy.data.objects.remove(rig)
    out["poll"] = sentence_of(say, filepath=avatar)
    return out


def test_what_cannot_be_brought_is_a_sentence_and_changes_nothing(in_blender, avatar, tmp_path):
    found = in_blender(blender_refusals, str(avatar), str(tmp_path))
    assert "no finished capture folder" in found["nothing"]
    assert "5000" in found["frame"]
    assert "Nothing of the motion is wanted" in found["off"]
    assert "Line 3 of odd.csv" in found["odd"]
    assert "There is no file" in found["none"]
    assert found["poll"]
    assert found["kept"]


NAMES = ("BrowInnerUp", "EyeBlinkLeft", "EyeLookDownLeft", "JawOpen", "MouthSmileRight")


def write_take(path, frames, rate=60):
    """A take: a smile grows over a neutral 0.1, the jaw opens, the head turns, nods and tilts."""
    lines = [",".join(["Timecode", "BlendshapeCount", *NAMES, "HeadYaw", "HeadPitch", "HeadRoll"])]
    for n in range(frames):
        whole, part = divmod(n, rate)
        share = n / (frames - 1)
        cells = [0.3, 0.2, share, share, 0.1 + 0.8 * share, 0.4 * share, 0.2 * share, 0.1 * share]
        if n not in (7, 8, 20):  # dropped
            lines.append(f"10:00:{whole:02d}:{part:02d}.000,61," + ",".join(map(str, cells)))
    path.write_text("\n".join(lines))


def blender_take(avatar, take, frames):
    import bpy
    import numpy as np
    from blender_side import addon, load_avatar

    scene, rig, _ = load_avatar(avatar)
    names = opened(avatar).header["expression_names"]
    scene.render.fps, scene.render.fps_base = 30, 1.0
    say = bpy.ops.partnerface.import_face_recording
    assert say(filepath=take, start=10) == {"FINISHED"}
    worst, last = 0.0, (frames - 1) // 2
    smile, blink = names.index("mouthSmileRight"), names.index("eyeBlinkLeft")
    brow = names.index("browInnerUpLeft")
    for frame in range(last + 1):
        scene.frame_set(10 + frame)
        psi, share = read(rig, names).psi, 2 * frame / (frames - 1)
        for e, value in ((smile, 0.1 + 0.8 * share), (blink, 0.2), (brow, 0.3)):
            worst = max(worst, abs(float(psi[e]) - value))
    scene.frame_set(10 + last)
    theta = read(rig, names).theta
    rotation = addon("rig.rotations").matrix_of_axis_angle(theta)
    out = {"worst": worst, "end": scene.frame_end, "jaw": float(theta[2, 0]),
           "eye": float(theta[3, 0]), "faces": rotation[1, :, 2].tolist(),
           "crown": rotation[1, :, 1].tolist(), "others": float(np.abs(np.delete(psi, [
               smile, blink, brow, names.index("browInnerUpRight")])).max())}  # fmt: skip
    # From a neutral frame, twice as strong, and the other way round.
    assert say(filepath=take, start=10, neutral_frame=1, gain=2.0, flip_yaw=True, flip_pitch=True,
               bone="root", smoothing=1.0) == {"FINISHED"}  # fmt: skip
    scene.frame_set(10 + last // 2)
    values = read(rig, names)
    turned = addon("rig.rotations").matrix_of_axis_angle(values.theta)
    out |= {"half": float(values.psi[smile]), "calm": float(values.psi[blink]),
            "flipped": turned[0, :, 2].tolist(),
            "neck": float(np.abs(values.theta[1]).max())}  # fmt: skip
    # Drivers go on to be heard where the take keys nothing, and a driven slider wins.
    path = addon("rig.sliders").slider_path(rig, "cheekPuff")[1]
    out["keyed"] = path in {c.data_path for c in addon("blender_versions").find_fcurves(
        rig, rig.animation_data.action)}  # fmt: skip
    return out


def test_a_live_link_face_take(in_blender, avatar, tmp_path):
    frames = 91
    write_take(tmp_path / "take.csv", frames)
    found = in_blender(blender_take, str(avatar), str(tmp_path / "take.csv"), frames)
    assert found["worst"] < 2e-3
    assert found["others"] < 1e-6
    assert found["end"] >= 10 + 45
    assert found["jaw"] > 0.2
    assert found["eye"] > 0.2  # looks down
    assert found["faces"][0] < -0.3  # to the subject's right
    assert found["faces"][1] < -0.15  # and down
    assert found["crown"][0] > 0.0  # tilted to the subject's left
    assert found["faces"][2] == pytest.approx(math.cos(0.4) * math.cos(0.2), abs=2e-3)
    assert found["half"] == pytest.approx(0.8, abs=0.03)
    assert found["calm"] == pytest.approx(0.0, abs=1e-6)
    assert found["flipped"][0] > 0.1
    assert found["flipped"][1] > 0.05
    assert found["neck"] == pytest.approx(0.0, abs=0.5)
    assert found["keyed"]
