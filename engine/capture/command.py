# SPDX-License-Identifier: GPL-3.0-or-later
"""The capture command: clip → landmarks → whole-clip fit → pictures and mattes → overlay → folder.

Nothing is written before the clip has proved usable. Every stage leaves its result in the folder,
so that the same command goes on where it was stopped; capture.json comes last.
"""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from ..config import Capture as CaptureConfig
from ..cores import in_order, shared_out
from ..devices import resolve_device
from ..errors import ClipError
from ..files import check_writable
from ..head.library import load_head_model
from ..head.model import HeadModel, fingerprint
from ..head.motion import Motion
from ..head.skinning import HeadTensors
from ..jobs import Job
from .crop import Crop, choose_crop
from .fit import figures
from .fitting import fit_track, fitted_camera, fitted_subject
from .folder import (
    MIN_SIZE,
    Capture,
    finished_capture,
    has_pictures,
    write_capture,
    write_frame,
)
from .marks import FACE_POINTS, runs
from .matte import NeckCut, whole_matte
from .matte_source import REFINED, Mattes
from .overlay import write_overlay
from .posed import posed_frame
from .priors import Priors
from .quality import measure_quality, write_quality
from .report.page import write_report
from .silhouette import Silhouettes, silhouette_figures
from .slide import measured_slide
from .source import Source, open_source, select
from .stages import check_place, claim_pictures, key_of, sweep
from .timeline import write_timeline
from .tracking import check_landmarks, find_face, notes

METHOD = 5  # raised when a stage computes something else than before
MATTE_METHOD = 2  # the same for mattes alone
TEST_SHARE = 8  # the last eighth of the frames is the test set


def run(config: CaptureConfig, job: Job, clip: Source | None = None) -> dict:
    """Track the head in a clip and write a capture folder.

    Args:
        config: what the user asked for.
        job: told the progress.
        clip: read instead of the file `config.clip`: any other source.

    Raises:
        ClipError, HeadError, DeviceError, DependencyError, SpaceError, Cancelled: as they say.
    """
    started = time.time()
    clip = open_source(config.clip, config.fps) if clip is None else clip
    selection = select(config.frames, config.stride)
    landmarks = check_landmarks(config.landmarks, config.person)
    if config.size < MIN_SIZE:
        raise ClipError(
            f"Pictures of {config.size} px are too small.", f"Use --size {MIN_SIZE} or more."
        )
    device = resolve_device(config.device)
    model = load_head_model(config.head)
    wanted = None if selection.last is None else range(selection.first, selection.last + 1)
    mattes = Mattes(config.matte, (clip.width, clip.height), clip.frames, wanted)
    check_writable(config.out)
    given = [] if config.matte in REFINED else [Path(config.matte)]
    check_place(config.out, config.clip, *given)

    clip_key = key_of(
        method=METHOD, clip=clip.digest(), landmarks=landmarks, person=config.person,
        first=selection.first, last=selection.last, stride=selection.stride,
    )  # fmt: skip
    fit_key = key_of(
        clip=clip_key, head=model.mean.model_fingerprint, points=_points_digest(model),
        priors=asdict(Priors()), slide=fingerprint(measured_slide()),
    )  # fmt: skip
    key = key_of(fit=fit_key, size=config.size, mattes=mattes.key(), cut=config.cut,
                 method=MATTE_METHOD)  # fmt: skip
    done = finished_capture(config.out, key)
    if done is not None:
        return dict(done.figures)

    track = find_face(clip, selection, config.landmarks, config.person, config.out, clip_key, job)
    sweep(config.out)
    fit, fitted = fit_track(model, track, clip, config.out, fit_key, device, job)
    marks, numbers = track.with_misfits(fitted), np.flatnonzero(fitted)
    crop = choose_crop(track.points[numbers, :FACE_POINTS], clip.width, clip.height, config.size)
    subject = fitted_subject(model, fit)
    capture = Capture(
        path=config.out,
        camera=fitted_camera(fit, clip, crop),
        fps=track.fps(clip.fps) / selection.stride,
        head=subject,
        motion=Motion(fit.psi, fit.theta, fit.translation),
        train=tuple(range(_train_count(len(numbers)))),
        test=tuple(range(_train_count(len(numbers)), len(numbers))),
        times=tuple(track.times[numbers].tolist()),
        marks=runs(track.numbers, marks),
    )
    tensors = HeadTensors.of(subject, device)
    frames = [track.frames[i] for i in numbers]
    claim_pictures(config.out, key)
    _pictures(capture, clip, frames, crop, tensors, mattes, config.cut, job)
    write_overlay(capture, tensors, job)
    job.update("Measuring", 0, 1)
    write_timeline(config.out / "timeline.png", track.numbers, marks)
    quality = measure_quality(capture, fit.error, fit.eye_distance)
    result = {
        "frames_used": len(frames),
        "frames_total": track.seen,
        **figures(fit),
        **silhouette_figures(Silhouettes(*quality.silhouettes)),
        "seconds": round(time.time() - started, 2),
        **notes(clip, selection, track, marks, crop),
    }
    source = {
        "kind": "clip", "clip": str(clip.path.resolve()), "frames": frames, "key": key,
        "crop": {"left": crop.left, "top": crop.top, "side": crop.side},
    }  # fmt: skip
    capture = replace(capture, source=source, figures=result)
    write_quality(config.out, quality)
    write_report(capture, quality)
    write_capture(capture)
    return result


def _pictures(
    capture: Capture, clip: Source, frames: list[int], crop: Crop, tensors: HeadTensors,
    mattes: Mattes, ends: str, job: Job,
) -> None:  # fmt: skip
    """Write images and mattes of the frames that lack them."""
    missing = {
        number: index
        for index, number in enumerate(frames)
        if not has_pictures(capture.path, index)
    }
    if not missing:
        return
    cut = NeckCut.of(capture.head)
    inside = np.where(crop.outside(clip.width, clip.height), 0, 1).astype(np.float32)
    source = mattes.open()

    def seen() -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        for number, frame in clip.read_only(missing):
            picture = crop.picture(frame)
            yield missing[number], picture, source.person(number, picture, crop)

    def write(one: tuple[int, np.ndarray, np.ndarray]) -> int:
        index, picture, person = one
        alpha, keep = source.alpha(picture, person), inside
        if ends == "neck":
            posed = posed_frame(tensors, capture.motion, index)
            keep = inside * cut.mask(posed, capture.camera, picture, alpha)
        write_frame(capture.path, index, picture, whole_matte(alpha, keep))
        return index

    try:
        with shared_out(), closing(in_order(write, seen())) as written:
            for index in written:
                job.update("Writing pictures", index + 1, len(frames))
    finally:
        source.close()


def _train_count(frames: int) -> int:
    return frames - max(frames // TEST_SHARE, 1)


def _points_digest(model: HeadModel) -> str:
    points = model.mean.landmarks468
    return fingerprint(points.vertices, points.weights, points.offset)
