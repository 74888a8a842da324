# SPDX-License-Identifier: GPL-3.0-or-later
"""A scene's frames, written by Blender and rendered without it.

The sequence file is an npz without pickle:

    schema_version     int
    frames [N]         the scene's frame numbers, which name the pictures
    expressions [E]    names of psi's columns
    psi [N, …, E], theta [N, J, 3] rad, translation [N, 3] m
    cameras [N]        each frame's camera as JSON
    depth_scale [N]    scene units per metre of the head
"""

import hashlib
import json
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..avatar.model import Avatar
from ..config import Render
from ..errors import InputError
from ..files import space_error, write_text_atomic
from ..jobs import Job
from .camera import Camera
from .frame import render_frame
from .pictures import write_planes

SCHEMA_VERSION = 1
RECORD = "sequence.json"  # beside the pictures: what they were made from


@dataclass(frozen=True)
class Sequence:
    """N frames of a scene."""

    frames: np.ndarray  # [N] int
    expressions: tuple[str, ...]
    psi: np.ndarray  # [N, …, E]
    theta: np.ndarray  # [N, J, 3]
    translation: np.ndarray  # [N, 3]
    cameras: tuple[Camera, ...]
    depth_scale: np.ndarray  # [N]

    def psi_for(self, names: list[str]) -> np.ndarray:
        """The expressions [N, …, E'] in another order; what the scene does not know is 0."""
        known = {name: column for column, name in enumerate(self.expressions)}
        empty = np.zeros(self.psi.shape[:-1], np.float32)
        columns = [self.psi[..., known[name]] if name in known else empty for name in names]
        return np.stack(columns, axis=-1)


def read_sequence(path: Path) -> Sequence:
    """The sequence in a file.

    Raises:
        InputError: there is none, it is damaged, or of a newer PartNerFace.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            data = {name: file[name] for name in file.files}
        if int(data["schema_version"]) > SCHEMA_VERSION:
            raise InputError(f"{path} was written by a newer PartNerFace.", "Update PartNerFace.")
        sequence = Sequence(
            data["frames"].astype(int),
            tuple(map(str, data["expressions"])),
            *(data[name].astype(np.float32) for name in ("psi", "theta", "translation")),
            tuple(Camera.from_json(json.loads(str(text))) for text in data["cameras"]),
            data["depth_scale"].astype(np.float64),
        )
        counts = {len(value) for value in (sequence.frames, sequence.psi, sequence.theta,
                  sequence.translation, sequence.cameras, sequence.depth_scale)}  # fmt: skip
        if len(counts) != 1 or not len(sequence.frames):
            raise ValueError("its arrays do not have the same length")
        numbers = sequence.psi, sequence.theta, sequence.translation, sequence.depth_scale
        if not all(np.isfinite(array).all() for array in numbers):
            raise ValueError("it holds numbers that are not finite")
    except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(
            f"The sequence {path} cannot be used ({error}).", "Start it again from Blender."
        ) from error
    return sequence


def render_sequence(config: Render, avatar: Avatar, job: Job) -> dict:
    """Render what is not there yet to OUT/0001.png and so on.

    Raises:
        InputError: the sequence file cannot be used.
        SpaceError: OUT cannot be written.
    """
    sequence = read_sequence(config.sequence)
    psi = sequence.psi_for(list(avatar.head.expression_names))
    keep_what_fits(config, sequence, psi)
    count, made, began = len(sequence.frames), 0, time.time()
    for index, frame in enumerate(sequence.frames.tolist()):
        job.update("rendering", index, count, frame=frame)
        path = config.out / picture_name(frame, config)
        if path.is_file():
            continue
        planes = render_frame(
            avatar, sequence.cameras[index], psi[index], sequence.theta[index],
            sequence.translation[index], quality=config.quality,
        )  # fmt: skip
        write_planes(path, planes, job.preview, float(sequence.depth_scale[index]))
        made += 1
    job.update("rendering", count, count)
    return {"frames": count, "rendered_now": made, "out": str(config.out),
            "seconds_per_frame": (time.time() - began) / max(made, 1)}  # fmt: skip


def keep_what_fits(config: Render, sequence: Sequence, psi: np.ndarray) -> None:
    """Of the pictures that this sequence will write, only those stay that would come out the same.

    What they were made from stands beside them, and is written before they are: a picture that is
    there afterwards is as the record says.
    """
    status, record = config.avatar.stat(), config.out / RECORD
    shared = f"{status.st_size} {status.st_mtime_ns} {config.quality}"
    wanted = {}
    for index, frame in enumerate(sequence.frames.tolist()):
        digest = hashlib.sha256(shared.encode())
        for array in (psi[index], sequence.theta[index], sequence.translation[index]):
            digest.update(np.ascontiguousarray(array).tobytes())
        camera = json.dumps(sequence.cameras[index].to_json(), sort_keys=True)
        digest.update(f"{camera} {sequence.depth_scale[index]}".encode())
        wanted[picture_name(frame, config)] = digest.hexdigest()
    try:
        known = dict(json.loads(record.read_text(encoding="utf-8"))["pictures"])
    except (OSError, ValueError, KeyError, TypeError):
        known = {}
    try:
        for name, key in wanted.items():
            if known.get(name) != key:
                (config.out / name).unlink(missing_ok=True)
    except OSError as error:
        raise space_error(config.out / name, error) from error
    told = {"schema_version": SCHEMA_VERSION, "pictures": known | wanted}
    write_text_atomic(record, json.dumps(told))


def picture_name(frame: int, config: Render) -> str:
    """The file of one frame."""
    return f"{frame:04d}.{config.file_format}"
