# SPDX-License-Identifier: GPL-3.0-or-later
"""The capture's head stands where the actor's did, and is seen where it was."""

import numpy as np

from tests.engine.capture.readers.actor import in_camera, posed


def check(capture, actor, frames=slice(None)):
    motion = capture.motion
    mesh = posed(capture.head, motion.psi, motion.theta, motion.translation)
    place, pixels = in_camera(capture.camera, mesh)
    true_place, true_pixels = actor.seen()
    true_place, true_pixels = true_place[frames], true_pixels[frames]
    assert place.shape == true_place.shape
    assert np.linalg.norm(place - true_place, axis=-1).max() < 1e-4  # m
    crop = capture.source.get("crop", {"left": 0, "top": 0, "side": capture.camera.width})
    scale = capture.camera.width / crop["side"]
    expected = (true_pixels - (crop["left"], crop["top"])) * scale
    assert np.abs(pixels - expected).max() < 0.1  # px
