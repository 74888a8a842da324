# SPDX-License-Identifier: GPL-3.0-or-later
"""Clips that the tests make themselves: the painted generic head, filmed once."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from engine.capture.landmark_head import LandmarkHead
from engine.capture.landmark_rows import Points
from engine.capture.unknowns import Frames, Subject
from engine.head.generic import build_generic_head
from engine.head.generic.paint import base_colours
from engine.head.model import JAW
from engine.head.skinning import HeadTensors, posed_vertices, rotation_matrix
from engine.jobs import Job
from engine.render.camera import Camera
from engine.render.mesh import shade

SIZE = 256  # px
FRAMES = 24


@pytest.fixture(scope="session")
def generic_model():
    return build_generic_head()


@pytest.fixture(scope="session")
def head_pictures(generic_model):
    """Pictures [24] of [256, 256, 3] uint8 RGB: the generic head turns and speaks."""
    head = generic_model.mean
    tensors, colours = HeadTensors.of(head), base_colours(head)
    centre = head.vertices.mean(0)
    pose = np.eye(4)
    pose[:3, :3] = np.diag([1.0, -1.0, -1.0])
    pose[:3, 3] = pose[:3, :3] @ -centre + (0, 0, 0.7)
    camera = Camera(SIZE, SIZE, 430, 430, SIZE / 2, SIZE / 2, pose)
    pictures = []
    for n in range(FRAMES):
        theta = torch.zeros(1, len(head.joints), 3)
        theta[0, 0, 1] = 0.3 * np.sin(2 * np.pi * n / FRAMES)
        theta[0, JAW, 0] = 0.1 * (1 - np.cos(4 * np.pi * n / FRAMES))
        psi = torch.zeros(1, len(head.expression_names))
        posed = posed_vertices(tensors, psi, theta, torch.zeros(1, 3))[0].numpy()
        pictures.append(shade(posed, head.faces, camera, colours))
    return pictures


@pytest.fixture(scope="session")
def write_clip(tmp_path_factory):
    """Writes pictures [H, W, 3] uint8 RGB to a clip; its path."""
    folder = tmp_path_factory.mktemp("clips")

    def write(name, pictures, fps=25.0):
        path = folder / name
        height, width = pictures[0].shape[:2]
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), fps, (width, height))
        assert writer.isOpened()
        for picture in pictures:
            writer.write(np.ascontiguousarray(picture[..., ::-1]))
        writer.release()
        return path

    return write


@pytest.fixture(scope="session")
def ffmpeg():
    """Runs the ffmpeg that comes with the engine, on pictures [H, W, 3] uint8 RGB or on files."""
    from engine.capture.probe import ffmpeg_program

    def run(pictures, *arguments, fps=20):
        source, data = [], b""
        if pictures is not None:
            height, width = pictures[0].shape[:2]
            source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}",
                      "-r", str(fps), "-i", "-"]  # fmt: skip
            data = b"".join(picture.tobytes() for picture in pictures)
        command = [ffmpeg_program(), "-v", "error", "-y", *source, *map(str, arguments)]
        subprocess.run(command, input=data, check=True, capture_output=True)

    return run


@pytest.fixture(scope="session")
def head_clip(write_clip, head_pictures):
    return write_clip("head.mp4", head_pictures)


@pytest.fixture
def job():
    with Job("capture", quiet=True) as job:
        yield job


@pytest.fixture(scope="session")
def shared():
    """The folder with real clips and head models for measurements; not part of the product."""
    folder = Path(os.environ.get("PARTNERFACE_SHARED", Path(__file__).parents[3].parent / "shared"))
    if not (folder / "videos" / "talk_512.mp4").is_file():
        pytest.skip(
            f"There are no real clips in {folder}; set PARTNERFACE_SHARED to test with them."
        )
    return folder


@pytest.fixture(scope="session")
def landmark_scene(generic_model):
    """The generic head's landmarks in three frames, float64: points, frames, subject."""
    torch.manual_seed(4)
    head = LandmarkHead.of(generic_model, generic_model.mean.landmarks468, torch.device("cpu"))

    def double(thing):
        tensors = {name: value for name, value in vars(thing).items() if torch.is_tensor(value)}
        return replace(thing, **{name: value.double() for name, value in tensors.items()
                                 if value.is_floating_point()})  # fmt: skip

    head = replace(double(head), mean=double(head.mean))
    slide = np.random.default_rng(2).normal(0, 0.003, (468, 5, 3))
    points = Points.of(head, slide)
    count, modes = len(generic_model.mean.expression_names), len(generic_model.identities)
    turn = torch.tensor([[0.1, -0.5, 0.05], [-0.2, 0.3, 0.1], [0.0, 0.0, 0.0]], dtype=torch.float64)
    frames = Frames(
        rotation=rotation_matrix(turn),
        place=torch.tensor([[20.0, -30.0], [0.0, 0.0], [55.0, 10.0]], dtype=torch.float64),
        size=torch.full((3,), -6.6, dtype=torch.float64),
        jaw=torch.tensor([[0.2, 0.01, 0.0], [0.0, 0.0, 0.0], [0.1, -0.02, 0.01]],
                         dtype=torch.float64),
        psi=0.3 * torch.rand(3, count, dtype=torch.float64),
    )  # fmt: skip
    subject = Subject(0.5 * torch.randn(modes, dtype=torch.float64),
                      torch.tensor(700.0, dtype=torch.float64).log(),
                      0.001 * torch.randn(468, 3, dtype=torch.float64))  # fmt: skip
    return points, frames, subject
