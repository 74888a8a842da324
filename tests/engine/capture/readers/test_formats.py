# SPDX-License-Identifier: GPL-3.0-or-later
"""Every format there and back: what was written of the actor is found again in the capture."""

import numpy as np
import pytest

from tests.engine.capture.readers import formats_written as written
from tests.engine.capture.readers.actor import in_camera, posed


def check(capture, actor, frames=None):
    """The capture's head stands where the actor's did, and is seen where it was."""
    motion = capture.motion
    mesh = posed(capture.head, motion.psi, motion.theta, motion.translation)
    place, pixels = in_camera(capture.camera, mesh)
    true_place, true_pixels = actor.seen()
    if frames is not None:
        true_place, true_pixels = true_place[frames], true_pixels[frames]
    assert place.shape == true_place.shape
    assert np.linalg.norm(place - true_place, axis=-1).max() < 1e-4  # m
    left, top, side = (capture.source["crop"][key] for key in ("left", "top", "side"))
    scale = capture.camera.width / side
    assert np.abs(pixels - (true_pixels - (left, top)) * scale).max() < 0.1  # px


VARIANTS = {
    "imavatar": lambda a, f: written.imavatar(a, f),
    "imavatar, positive focal length": lambda a, f: written.imavatar(a, f, negative=False),
    "imavatar, legacy intrinsics": lambda a, f: written.imavatar(a, f, legacy=True),
    "imavatar, in metres": lambda a, f: written.imavatar(a, f, unit=1.0),
    "imavatar, OpenCV": lambda a, f: written.imavatar(a, f, axes=written.OPENCV),
    "metrical-tracker": lambda a, f: written.metrical(a, f),
    "metrical-tracker, old torch": lambda a, f: written.metrical(a, f, legacy=True),
    "metrical-tracker, OpenGL": lambda a, f: written.metrical(a, f, axes=written.OPENGL),
    "insta": lambda a, f: written.insta(a, f),
    "insta, OpenGL, negative": lambda a, f: written.insta(a, f, axes=written.OPENGL, negative=True),
    "insta of VHAP": lambda a, f: written.vhap(a, f, mesh_mode=True),
    "flashavatar": lambda a, f: written.flashavatar(a, f),
    "vhap": lambda a, f: written.vhap(a, f),
    "vhap, cy from the top": lambda a, f: written.vhap(a, f, from_bottom=False),
    "vhap, OpenCV": lambda a, f: written.vhap(a, f, axes=written.OPENCV),
    "nha": lambda a, f: written.nha(a, f, matrix=True),
    "nha, OpenCV": lambda a, f: written.nha(a, f, matrix=True, axes=written.OPENCV),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_round_trip(variant, actor, stiff_actor, bring, tmp_path):
    if variant.startswith(("metrical", "flash")):
        actor = stiff_actor
    folder = VARIANTS[variant](actor, tmp_path / "data")
    capture, result = bring(folder)
    assert result["format"] == variant.split(",")[0].split(" of")[0]
    check(capture, actor)
    assert result["overlap"] > 0.95
    assert result["mattes"] == "the dataset's"
    axes = "opencv" if "OpenCV" in variant else "opengl" if "OpenGL" in variant else None
    if axes is not None:
        assert capture.source["conventions"]["axes"] == axes
