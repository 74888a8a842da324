# SPDX-License-Identifier: GPL-3.0-or-later
"""The capture folder: what capture writes and training reads.

    capture.json              schema_version, size, fps, camera, splits, head model, source, figures
    head.safetensors          the subject's own head (identity baked in)
    parameters.safetensors    expression, joints and translation of every frame
    images/00000.png          colour, display-referred sRGB, as filmed
    mattes/00000.png          8-bit alpha of the head, cut where the head model's neck ends
    depth/00000.png           16-bit, 0.1 mm, 0 = empty; only where the truth is known
    overlay.mp4               the fitted mesh over the clip, for the eye
    timeline.png              which frames were used, and why others were not
    quality.safetensors       what was measured frame by frame, where a clip was tracked
    report.html               how well the clip was followed, and what to film again

World space is head space at rest: metres, x to the subject's left, y up. The camera stands still
and the head moves: x_camera = camera_from_world · (skinned head + translation).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from ..errors import CaptureError, InputError
from ..files import check_schema, read_tensors, write_atomic, write_tensors, write_text_atomic
from ..head.model import Head
from ..head.motion import Motion
from ..render.camera import Camera
from .picture_file import read_picture

SCHEMA_VERSION = 2
DEPTH_UNIT = 1e-4  # m
MIN_FRAMES = 20
MIN_SIZE = 32  # px


@dataclass(frozen=True)
class Capture:
    """A finished capture folder. Pictures are read on demand."""

    path: Path
    camera: Camera
    fps: float
    head: Head
    motion: Motion  # N frames, the ones with pictures
    train: tuple[int, ...]  # frame indices
    test: tuple[int, ...]
    source: Mapping = field(
        default_factory=dict
    )  # where it came from: clip path, frame numbers, seed …
    figures: Mapping = field(default_factory=dict)  # what was measured while capturing
    times: tuple[float, ...] = ()  # s in the clip of each frame; empty = index / fps
    marks: Mapping[str, list[list[int]]] = field(
        default_factory=dict
    )  # `marks.Mark` key → runs [first, last] of the clip's frames; empty where nobody looked

    @property
    def seconds(self) -> np.ndarray:
        """When each frame was filmed: [N] float64 s."""
        return np.asarray(self.times or np.arange(len(self.motion)) / self.fps, np.float64)

    def image(self, index: int) -> np.ndarray:
        """Frame `index` as filmed: [H, W, 3] uint8 RGB."""
        return self._picture("images", index, cv2.IMREAD_COLOR)[..., ::-1]

    def matte(self, index: int) -> np.ndarray:
        """The head's alpha in frame `index`: [H, W] uint8."""
        return self._picture("mattes", index, cv2.IMREAD_GRAYSCALE)

    def depth(self, index: int) -> np.ndarray | None:
        """True depth [H, W] float32 m (inf where empty), or None where it is not known."""
        if not (self.path / "depth").is_dir():
            return None
        raw = self._picture("depth", index, cv2.IMREAD_UNCHANGED).astype(np.float32)
        return np.where(raw == 0, np.inf, raw * DEPTH_UNIT)

    def _picture(self, folder: str, index: int, flags: int) -> np.ndarray:
        path = self.path / folder / f"{index:05d}.png"
        picture = read_picture(path, flags)
        if picture is None:
            raise CaptureError(
                f"The picture {path} is missing or damaged.",
                "Delete it and run the capture again: it makes what is missing.",
            )
        return picture


def write_frame(
    folder: Path, index: int, image: np.ndarray, matte: np.ndarray, depth: np.ndarray | None = None
) -> None:
    """Write one frame's pictures: image [H, W, 3] uint8 RGB, matte [H, W] uint8, depth [H, W] m.

    Raises:
        SpaceError: a picture could not be written.
    """
    pictures = {"images": image[..., ::-1], "mattes": matte}
    if depth is not None:
        units = np.nan_to_num(depth / DEPTH_UNIT, posinf=0)
        pictures["depth"] = np.clip(units + 0.5, 0, 65535).astype(np.uint16)
    for name, picture in pictures.items():
        done, buffer = cv2.imencode(".png", picture)
        assert done
        path = folder / name / f"{index:05d}.png"
        write_atomic(
            path, lambda temporary, data=buffer: temporary.write_bytes(data.tobytes()) and None
        )


def write_capture(capture: Capture) -> None:
    """Write everything but the pictures; capture.json comes last and makes the folder valid.

    Raises:
        SpaceError: a file could not be written.
    """
    header, arrays = capture.head.to_arrays()
    write_tensors(
        capture.path / "head.safetensors", {"kind": "head", "schema_version": 1, **header}, arrays
    )
    write_tensors(
        capture.path / "parameters.safetensors",
        {"kind": "motion", "schema_version": 1},
        capture.motion.to_arrays(),
    )
    data = {
        "schema_version": SCHEMA_VERSION,
        "frames": len(capture.motion),
        "fps": capture.fps,
        "camera": capture.camera.to_json(),
        "head": {"model": capture.head.model_name, "fingerprint": capture.head.model_fingerprint},
        "splits": {"train": list(capture.train), "test": list(capture.test)},
        "source": dict(capture.source),
        "figures": dict(capture.figures),
        "times": capture.seconds.tolist(),
        "marks": dict(capture.marks),
    }
    write_text_atomic(capture.path / "capture.json", json.dumps(data, indent=1))


def read_capture(path: Path) -> Capture:
    """Open a capture folder.

    Raises:
        CaptureError: unfinished, damaged, or written by a newer PartNerFace.
        HeadError: its head is damaged.
    """
    file = path / "capture.json"
    if not file.is_file():
        raise CaptureError(
            f"{path} is no finished capture folder.", "Run the capture first, or to its end."
        )
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        check_schema(file, data, SCHEMA_VERSION, CaptureError)
        data = _migrate(data)
        head_header, head_arrays = read_tensors(path / "head.safetensors", "head", 1, CaptureError)
        motion_file = read_tensors(path / "parameters.safetensors", "motion", 1, CaptureError)
        capture = Capture(
            path=path,
            camera=Camera.from_json(data["camera"]),
            fps=float(data["fps"]),
            head=Head.from_arrays(head_header, head_arrays),
            motion=Motion.from_arrays(motion_file[1]),
            train=tuple(data["splits"]["train"]),
            test=tuple(data["splits"]["test"]),
            source=data["source"],
            figures=data["figures"],
            times=tuple(float(time) for time in data["times"]),
            marks=dict(data["marks"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CaptureError(f"{file} is damaged ({error!r}).", "Run the capture again.") from error
    if any(not 0 <= index < len(capture.motion) for index in capture.train + capture.test):
        raise CaptureError(f"{file} names frames that are not there.", "Run the capture again.")
    if len(capture.times) not in (0, len(capture.motion)):
        raise CaptureError(f"{file} does not tell every frame's time.", "Run the capture again.")
    return capture


def _migrate(data: dict) -> dict:
    """What an older PartNerFace wrote, as this one would have.

    Schema 2 added `times` and `marks`; without them frames follow each other at `fps`.
    """
    if data["schema_version"] < 2:
        return {**data, "schema_version": 2, "times": [], "marks": {}}
    return data


def finished_capture(path: Path, key: str) -> Capture | None:
    """The capture of the same source and settings, if all of it is there already."""
    try:
        capture = read_capture(path)
    except InputError:
        return None
    whole = all(has_pictures(path, index) for index in range(len(capture.motion)))
    return capture if whole and capture.source.get("key") == key else None


def has_pictures(path: Path, index: int) -> bool:
    """Whether frame `index` is done: pictures are written whole or, as far as we can, not at all.

    Where the machine went down, one may be there and empty.
    """
    for name in ("images", "mattes"):
        try:
            if (path / name / f"{index:05d}.png").stat().st_size == 0:
                return False
        except OSError:
            return False
    return True
