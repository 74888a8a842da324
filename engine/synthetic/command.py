# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `synth`: a procedural person's capture folder, with the truth beside it."""

import time
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import torch

from ..capture.folder import Capture, write_capture, write_frame
from ..capture.stages import check_place, claim_pictures, key_of
from ..config import Synth
from ..errors import InputError
from ..files import check_writable, space_error, write_atomic
from ..head.library import load_head_model
from ..head.model import NECK
from ..head.motion import Motion
from ..head.skinning import HeadTensors, joint_transforms
from ..jobs import Job
from ..render.camera import Camera
from .motion import FPS, whole_motion
from .person import Person, make_person
from .picture import Studio
from .truth import make_truth, write_truth

VIEW_ANGLE = np.radians(27.0)  # of the whole picture: a phone held for a portrait
FILL = 0.70  # share of the picture's height from the chin to the top of the hair
MARGIN = 0.03  # of the picture that hair never enters
SMALLEST = 16  # px


def run(config: Synth, job: Job) -> dict:
    """Write the capture folder of person `config.seed`; what was made.

    Raises:
        InputError: the settings ask for no frames or no picture.
        SpaceError: a file could not be written.
        Cancelled: stopped; the folder is left unfinished.
    """
    if config.frames < 1 or config.test_frames < 0 or config.size < SMALLEST:
        raise InputError(
            f"A synthetic capture needs at least one frame of at least {SMALLEST} px.",
            "Give larger --frames or --size.",
        )
    job.update("growing the person", 0, 1)
    person = make_person(config.seed, load_head_model("generic"), config.glasses)
    motion = whole_motion(
        person.head.expression_names, config.frames, config.test_frames, config.seed
    )
    camera = frame_camera(person, motion, config.size)
    check_writable(config.out)
    check_place(config.out)
    claim_pictures(config.out, key_of(person=config.seed, size=config.size, at=time.time()))
    studio = Studio(person, camera)
    total = len(motion)
    for index in range(total):
        job.update("rendering", index, total)
        picture = studio.frame(motion.psi[index], motion.theta[index], motion.translation[index])
        write_frame(config.out, index, picture.image, picture.matte, picture.depth)
    job.update("rendering", total, total)
    write_truth(config.out, make_truth(person))
    capture = Capture(
        path=config.out,
        camera=camera,
        fps=FPS,
        head=person.head,
        motion=motion,
        train=tuple(range(config.frames)),
        test=tuple(range(config.frames, total)),
        source={
            "kind": "synthetic",
            "seed": config.seed,
            "style": person.look.style,
            "glasses": person.look.frame is not None,
        },
    )
    if config.video is not None:
        write_video(config.video, capture, job)
    write_capture(capture)
    return {"capture": str(config.out), "frames": config.frames, "test_frames": config.test_frames}


def frame_camera(person: Person, motion: Motion, size: int) -> Camera:
    """A camera before the face: the head fills the picture and stays inside it in every frame."""
    chin = person.face.chin
    head = np.concatenate(
        [person.surface.rest[person.surface.rest[:, 1] > chin][::20], person.hair.vertices[::7]]
    )
    joints = HeadTensors.of(person.head).joints
    moved = joint_transforms(
        torch.from_numpy(motion.theta), torch.from_numpy(motion.translation), joints
    ).numpy()[:, NECK]
    points = np.einsum("nab,vb->nva", moved[..., :3], head) + moved[:, None, :, 3]  # [N, S, 3]
    top = head[:, 1].max()
    span = (top - chin) / FILL
    for _ in range(20):
        camera = _portrait(span, top + 0.10 * span, head, size)
        pixels, _ = camera.project(points.reshape(-1, 3))
        inside = (
            (pixels[:, 0] > MARGIN * size)
            & (pixels[:, 0] < (1 - MARGIN) * size)
            & (pixels[:, 1] > MARGIN * size)
        )
        if inside.all():
            break
        span *= 1.03
    return camera


def _portrait(span: float, upper: float, head: np.ndarray, size: int) -> Camera:
    """A camera that shows `span` m of the head's middle plane, from the height `upper` down."""
    distance = span / 2 / np.tan(VIEW_ANGLE / 2)
    pose = np.diag([1.0, -1.0, -1.0, 1.0])
    centre = np.array([0.0, upper - span / 2, np.median(head[:, 2])])
    pose[:3, 3] = -pose[:3, :3] @ centre + (0, 0, distance)
    focal = size / 2 / np.tan(VIEW_ANGLE / 2)
    return Camera(size, size, focal, focal, size / 2, size / 2, pose)


def write_video(path: Path, capture: Capture, job: Job) -> None:
    """Write a capture's pictures as an H.264 video.

    Raises:
        SpaceError: the file could not be written.
    """
    size = (capture.camera.width, capture.camera.height)
    total = len(capture.motion)

    def encode(temporary: Path) -> None:
        writer = imageio_ffmpeg.write_frames(
            str(temporary), size, fps=capture.fps, codec="libx264", macro_block_size=2,
            output_params=["-crf", "14", "-preset", "medium"],
        )  # fmt: skip
        writer.send(None)
        try:
            for index in range(total):
                job.update("encoding", index, total)
                writer.send(np.ascontiguousarray(capture.image(index)))
        finally:
            writer.close()

    write_atomic(path, encode)
    if not path.is_file() or path.stat().st_size == 0:
        raise space_error(path, OSError("the encoder wrote nothing"))
