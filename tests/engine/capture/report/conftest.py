# SPDX-License-Identifier: GPL-3.0-or-later
"""A capture of the generic head with a motion that the tests make up."""

from pathlib import Path

import numpy as np
import pytest

from engine.capture.folder import Capture
from engine.capture.pose import WORLD_AXES
from engine.head.model import EYE_LEFT, EYE_RIGHT, JAW, NECK
from engine.head.motion import Motion
from engine.render.camera import Camera

FRAMES = 300


@pytest.fixture(scope="session")
def made_up(generic_model):
    """Makes captures whose motion shows everything that training wants, but what is left out."""
    head = generic_model.mean
    names = list(head.expression_names)

    def make(*without: str, path: Path = Path("nowhere"), size: int = 96) -> Capture:
        psi = np.zeros((FRAMES, len(names)), np.float32)
        theta = np.zeros((FRAMES, len(head.joints), 3), np.float32)
        wave = np.sin(np.linspace(0, 4 * np.pi, FRAMES))
        turn = np.radians(35) * wave
        theta[:, NECK, 1] = np.clip(turn, np.radians(-5), None) if "right" in without else turn
        theta[:, 0, 0] = 0 if "nod" in without else np.radians(14) * np.roll(wave, 40)
        if "gaze" not in without:
            theta[:, [EYE_LEFT, EYE_RIGHT], 1] = 0.3 * np.roll(wave, 20)[:, None]
        acts = {
            "blink": (10, {"eyeBlinkLeft": 1, "eyeBlinkRight": 1}, 0.0),
            "open": (40, {"eyeWideLeft": 1, "eyeWideRight": 1}, 0.0),
            "yawn": (80, {}, 0.5),
            "smile": (120, {"mouthSmileLeft": 1, "mouthSmileRight": 1, "mouthStretchLeft": 0.6,
                            "mouthStretchRight": 0.6}, 0.0),
            "pucker": (160, {"mouthPucker": 1}, 0.0),
            "brows up": (200, {"browInnerUpLeft": 1, "browInnerUpRight": 1, "browOuterUpLeft": 1,
                         "browOuterUpRight": 1}, 0),
            "brows down": (240, {"browDownLeft": 1, "browDownRight": 1}, 0.0),
        }  # fmt: skip
        for act, (start, shape, jaw) in acts.items():
            if act not in without:
                for name, value in shape.items():
                    psi[start : start + 20, names.index(name)] = value
                theta[start : start + 20, JAW, 0] = jaw
        pose = np.eye(4)
        pose[:3, :3] = WORLD_AXES
        pose[2, 3] = 0.8
        camera = Camera(size, size, 2 * size, 2 * size, size / 2, size / 2, pose)
        motion = Motion(psi, theta, np.zeros((FRAMES, 3), np.float32))
        return Capture(path, camera, 25.0, head, motion, tuple(range(260)), tuple(range(260, 300)))

    return make
