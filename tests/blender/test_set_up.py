# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's set-up from Blender: what is refused, and, with the wheels at hand, all of it.

PARTNERFACE_WHEELS names a folder with the wheels of requirements/engine.txt, of capture.txt and
of uv (docs/manual/first-avatar.md says how to fetch them); tests/engine/test_set_up.py runs the
same set-up with tiny packages everywhere.
"""

import os
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.newest


def blender_without_engine(folder):
    """What a Blender that has no engine says."""
    import bpy
    from blender_side import addon, sentence_of

    setup, call = addon("installing.setup_job"), bpy.ops.partnerface
    told = {"state": setup.state(), "online": bpy.app.online_access, "size": setup.size_sentence()}
    said = {
        "check": sentence_of(call.check_engine),
        "set up": sentence_of(call.set_up_engine),
        "no folder": sentence_of(call.set_up_engine_offline, directory=folder + "/nowhere"),
        "no python": sentence_of(call.choose_engine, filepath=folder),
        "wrong python": sentence_of(call.choose_engine, filepath="/bin/false"),
    }
    # A folder without wheels is only found out by the job.
    assert call.set_up_engine_offline(directory=folder) == {"FINISHED"}
    watch = addon("jobs.watch")
    busy = sentence_of(call.set_up_engine_offline, directory=folder)
    until = time.monotonic() + 60
    while setup.current_job() and time.monotonic() < until:
        watch.look_at_all()
        time.sleep(0.1)
    (job,) = watch.look_at_all()
    said["no wheels"] = job.sentence
    assert not addon("preferences").has_engine()
    assert call.remove_engine() == {"FINISHED"}
    told |= {"busy": busy, "job": job.state, "kind": job.kind, "left": setup.state()}
    return told | {"said": said}


def test_without_an_engine_every_way_is_a_sentence(in_new_blender, tmp_path):
    found = in_new_blender(blender_without_engine, str(tmp_path), python="")
    assert found["state"] == found["left"] == "none"
    assert "GB" in found["size"]
    assert found["job"] == "failed"
    assert found["kind"] == "setup"
    if not found["online"]:
        assert "online access is off" in found["said"]["set up"]
    for sentence in found["said"].values():
        assert sentence.endswith(".")
        assert "\n" not in sentence
        assert "Traceback" not in sentence
    assert "no engine yet" in found["said"]["check"]
    assert "holds no wheels" in found["said"]["no wheels"]


def blender_chooses(python):
    import bpy
    from blender_side import addon

    assert bpy.ops.partnerface.choose_engine(filepath=python) == {"FINISHED"}
    return [str(addon("preferences").find_engine_python()), addon("preferences").has_engine()]


def test_an_environment_of_ones_own_is_taken_once_it_is_checked(in_new_blender, engine_python):
    folder = engine_python.parents[1]
    assert in_new_blender(blender_chooses, str(folder), python="") == [str(engine_python), True]


def blender_sets_up(wheels, avatar):
    """Set up, stop on the way, go on, render."""
    import bpy
    from blender_side import addon, load_avatar, render

    setup, watch, call = addon("installing.setup_job"), addon("jobs.watch"), bpy.ops.partnerface
    told: dict = {"seen": []}

    def finish(stop_at=2.0):
        until = time.monotonic() + 900
        while (job := watch.look_at_all()[0]).active and time.monotonic() < until:
            if job.fraction > stop_at and not job.cancel_asked:
                call.cancel_job(folder=str(job.folder))
            told["seen"].append(round(job.fraction, 2))
            time.sleep(0.5)
        return watch.look_at_all()[0]

    assert call.set_up_engine_offline(directory=wheels) == {"FINISHED"}
    stopped = finish(stop_at=0.3)
    told["stopped"] = [stopped.state, setup.state(), addon("preferences").has_engine()]
    assert call.resume_job(folder=str(stopped.folder)) == {"FINISHED"}
    told["done"] = [(job := finish()).state, job.sentence, setup.state()]
    assert call.check_engine() == {"FINISHED"}
    scene, _rig, _head = load_avatar(avatar)
    scene.render.resolution_x = scene.render.resolution_y = 32
    told["alpha"] = float(render(scene, str(Path(wheels).parent), "set-up")[..., 3].max())

    return told


def blender_repairs(wheels):
    """Another session: delete a package, be told, repair, remove."""
    import shutil

    import bpy
    from blender_side import addon, sentence_of

    setup, watch, call = addon("installing.setup_job"), addon("jobs.watch"), bpy.ops.partnerface
    told: dict = {"found": addon("preferences").has_engine()}
    packages = setup.places().python.parents[1] / "lib" / "python3.11" / "site-packages"
    shutil.rmtree(packages / "safetensors")
    told["lacks"] = sentence_of(call.check_engine)
    assert call.set_up_engine_offline(directory=wheels, repair=True) == {"FINISHED"}
    while (job := watch.look_at_all()[0]).active:
        time.sleep(0.5)
    told["repaired"] = [job.state, sorted(call.check_engine())]
    root = setup.places().root
    assert call.remove_engine() == {"FINISHED"}
    told["left"] = [root.exists(), *map(str, root.parent.glob("engine*"))]
    return told


@pytest.mark.slow
def test_a_folder_of_wheels_becomes_an_engine(in_new_blender, avatar, tmp_path):
    wheels = os.environ.get("PARTNERFACE_WHEELS")
    if not wheels:
        pytest.skip("NOT TESTED: set PARTNERFACE_WHEELS to a folder with the engine's wheels")
    (tmp_path / "wheels").symlink_to(wheels, target_is_directory=True)
    found = in_new_blender(blender_sets_up, str(tmp_path / "wheels"), str(avatar), python="")
    assert found["stopped"] == ["cancelled", "broken", False]
    assert found["done"][0] == "done", found["done"]
    assert found["done"][2] == "ready"
    assert found["alpha"] > 0.5
    assert len(set(found["seen"])) > 5  # the bar moves
    found = in_new_blender(blender_repairs, str(tmp_path / "wheels"), python="")
    assert found["found"]
    assert "safetensors" in found["lacks"]
    assert found["repaired"] == ["done", ["FINISHED"]]
    assert found["left"] == [False]
