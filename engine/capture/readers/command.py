# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `import`: a dataset → its conventions found → one still camera → a capture folder.

Nothing is written before the dataset has proved to fit its pictures; capture.json comes last.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import numpy as np

from ...config import Import
from ...cores import in_order, shared_out
from ...errors import CaptureError
from ...files import check_writable
from ...head.library import load_head_model
from ...head.model import fingerprint
from ...head.skinning import HeadTensors
from ...jobs import Job
from ...render.camera import Camera
from ..folder import (
    MIN_SIZE,
    Capture,
    finished_capture,
    has_pictures,
    write_capture,
    write_frame,
)
from ..matte import NeckCut, whole_matte
from ..matte_source import REFINED
from ..overlay import write_overlay
from ..posed import posed_frame
from ..stages import check_place, claim_pictures, key_of
from . import nerface
from .conventions import Convention, detect
from .dataset import Dataset
from .formats import READERS, format_of
from .options import ReadOptions
from .pictures import Frames, PictureReader, square
from .still_camera import hold_still

METHOD = 1  # raised when the same dataset becomes another capture than before
FPS = 25.0  # 1/s; none of the formats says it


def run(config: Import, job: Job) -> dict:
    """Write the capture folder of a dataset; what was found and made.

    Raises:
        CaptureError: not a known dataset, incomplete, damaged, or its pictures and parameters do
            not belong together.
        HeadError, SpaceError, Cancelled: as they say.
    """
    started = time.time()
    name = format_of(config.dataset, config.format)
    if not config.quiet:
        print(f"import: {config.dataset} is read as {name}", file=sys.stderr)
    if config.size < MIN_SIZE:
        raise CaptureError(
            f"Pictures of {config.size} px are too small.", f"Use --size {MIN_SIZE} or more."
        )
    check_writable(config.out)
    _check_place(config)
    if name == nerface.NAME:
        return nerface.retrack(config, job)
    model = load_head_model(config.head)
    options = ReadOptions(
        config.camera, config.eyelids,
        lambda done, total: job.update("Reading parameters", done, total),
    )  # fmt: skip
    try:
        dataset = READERS[name].read(config.dataset, model, options)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise CaptureError(
            f"The dataset {config.dataset} is damaged, or is no {name} dataset ({error!r}).",
            "Use an intact copy, or say its --format.",
        ) from error
    if not dataset.train or not dataset.test:
        raise CaptureError(
            f"{config.dataset} has too few frames ({len(dataset.names)}) to train and test with.",
            "Use the complete dataset.",
        )
    reader = PictureReader()
    try:
        job.update("Finding the conventions", 0, 1)
        tensors = HeadTensors.of(dataset.head)
        found = detect(dataset, reader, tensors)
        job.update("Finding the conventions", 1, 1, overlap=found.overlap)
        if not config.quiet:
            print(f"import: {found.convention}; overlap {found.overlap:.2f}", file=sys.stderr)
        capture, frames = plan(dataset, found.convention, config, tensors)
        key = _key(dataset, capture, config)
        done = finished_capture(config.out, key)
        if done is not None:
            return dict(done.figures)
        claim_pictures(config.out, key)
        computed = _pictures(capture, dataset, found.convention, frames, tensors, reader, job)
    finally:
        reader.close()
    write_overlay(capture, tensors, job)
    result = {
        "format": name,
        "frames": len(dataset.names),
        "train": len(capture.train),
        "test": len(capture.test),
        "overlap": round(found.overlap, 4),
        "inside": round(found.inside, 4),
        "conventions": str(found.convention),
        "mattes": "computed" if computed else "the dataset's",
        **dataset.said,
        "seconds": round(time.time() - started, 2),
    }
    source = {
        "kind": "dataset", "format": name, "path": str(config.dataset.resolve()), "key": key,
        "conventions": found.to_json(), "mattes": result["mattes"], "names": list(dataset.names),
        "head_file": config.head, **dataset.said,
        "crop": {"left": frames.crop.left, "top": frames.crop.top, "side": frames.crop.side},
    }  # fmt: skip
    write_capture(replace(capture, source=source, figures=result))
    return result


def _check_place(config: Import) -> None:
    """Refuse a folder with files that are no capture's."""
    out = config.out
    check_place(out, config.dataset)
    capture = (out / "capture.json").is_file() or (out / "stages").is_dir()
    if out.resolve() == config.dataset.resolve() or (
        out.is_dir() and not capture and any(out.iterdir())
    ):
        raise CaptureError(f"{out} holds other files.", "Choose an empty folder for the capture.")


def plan(
    dataset: Dataset, convention: Convention, config: Import, tensors: HeadTensors
) -> tuple[Capture, Frames]:
    """The capture without its pictures, and how these are made."""
    pose, motion = hold_still(dataset, convention, tensors)
    lens = np.median(dataset.intrinsics[convention.intrinsics], axis=0)
    whole = Camera(*dataset.size, *lens, pose)
    capture = Capture(config.out, whole, FPS, dataset.head, motion, dataset.train, dataset.test)
    low, high = _extent(capture, tensors)
    frames = Frames(lens, square(low, high, dataset.size, config.size))
    return replace(capture, camera=frames.camera(pose)), frames


def _extent(capture: Capture, tensors: HeadTensors) -> tuple[np.ndarray, np.ndarray]:
    """The corners [2] px of what the head without its neck covers over all frames."""
    chosen = capture.head.vertices_in("face", "scalp", "ear")[::20]
    corners = []
    for posed in _posed(capture, tensors):
        pixels, _ = capture.camera.project(posed[chosen])
        corners.append((pixels.min(0), pixels.max(0)))
    low, high = np.array(corners).transpose(1, 0, 2)
    return low.min(0), high.max(0)


def _posed(capture: Capture, tensors: HeadTensors) -> Iterator[np.ndarray]:
    """The head's vertices [V, 3] m in every frame, world space."""
    return (posed_frame(tensors, capture.motion, n) for n in range(len(capture.motion)))


def _key(dataset: Dataset, capture: Capture, config: Import) -> str:
    """What tells this import from another: parameters, head, pictures, size."""
    motion = capture.motion
    parameters = fingerprint(motion.psi, motion.theta, motion.translation, dataset.head.vertices,
                             dataset.head.expressions)  # fmt: skip
    paths = [*dataset.images, *(matte for matte in dataset.mattes if matte is not None)]
    files = [(path.name, path.stat().st_size if path.is_file() else -1) for path in paths]
    return key_of(method=METHOD, format=dataset.format, parameters=parameters, files=files,
                  camera=capture.camera.to_json(), size=config.size,
                  splits=[dataset.train, dataset.test])  # fmt: skip


def _pictures(
    capture: Capture, dataset: Dataset, convention: Convention, frames: Frames,
    tensors: HeadTensors, reader: PictureReader, job: Job,
) -> bool:  # fmt: skip
    """Write images and mattes of the frames that lack them; whether mattes are computed."""
    cut = NeckCut.of(capture.head)
    inside = np.where(frames.crop.outside(*dataset.size), 0, 1).astype(np.float32)
    lens, refined = dataset.intrinsics[convention.intrinsics], REFINED["guided"]
    count = len(dataset.names)
    missing = [index for index in range(count) if not has_pictures(capture.path, index)]

    def seen() -> Iterator[tuple[int, np.ndarray, np.ndarray, bool]]:
        for index in missing:
            image, alpha = reader.read(dataset, index)
            image = frames.picture(image, lens[index])
            person = reader.person(image) if alpha is None else frames.picture(alpha, lens[index])
            yield index, image, person, alpha is None

    def write(one: tuple[int, np.ndarray, np.ndarray, bool]) -> int:
        index, image, person, segmented = one
        person = refined(image, person) if segmented else person.astype(np.float32) / 255
        posed = posed_frame(tensors, capture.motion, index)
        keep = inside * cut.mask(posed, capture.camera, image, person)
        write_frame(capture.path, index, image, whole_matte(person, keep))
        return index

    with shared_out(), closing(in_order(write, seen())) as written:
        for index in written:
            job.update("Writing pictures", index + 1, count)
    return reader.read(dataset, 0)[1] is None
