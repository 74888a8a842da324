# SPDX-License-Identifier: GPL-3.0-or-later
"""The capture command: clip → landmarks → whole-clip fit → pictures and mattes → overlay → folder.

Nothing is written before the clip has proved usable. Every stage leaves its result in the folder,
so that the same command goes on where it was stopped; capture.json comes last.
"""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ..config import Capture as CaptureConfig
from ..devices import resolve_device
from ..errors import Cancelled, CaptureError, ClipError
from ..head.library import load_head_model
from ..head.model import Head, HeadModel, fingerprint
from ..head.motion import Motion
from ..head.skinning import HeadTensors, posed_vertices
from ..jobs import Job
from ..render.camera import Camera
from .crop import Crop, choose_crop
from .fit import ITERATIONS, Fit, figures, fit_clip
from .folder import MIN_FRAMES, Capture, read_capture, write_capture, write_frame
from .gaze import eye_rotations
from .landmarks import FACE_POINTS, Track, track_clip
from .matte import NeckCut, head_matte
from .mediapipe_models import MediaPipeFaces, MediaPipeMatte
from .outline import SIZE as OUTLINE_SIZE
from .outline import Outlines, key_frames, outside_distance
from .overlay import progress, write_overlay
from .pose import WORLD_AXES
from .stages import check_writable, claim_pictures, has_pictures, keep, kept, key_of
from .video import Clip, open_clip, parse_range

METHOD = 1  # raised when a stage computes something else than before
MIN_SIZE = 32  # px
TEST_SHARE = 8  # the last eighth of the frames is the test set
LOST = 0.10  # of the outer-eye distance: a frame fitted worse than this shows no usable face


def run(config: CaptureConfig, job: Job, clip: Clip | None = None) -> dict:
    """Track the head in a clip and write a capture folder.

    Args:
        config: what the user asked for.
        job: told the progress.
        clip: read instead of the file `config.clip`: anything with a clip's attributes.

    Raises:
        ClipError, HeadError, DeviceError, DependencyError, SpaceError, Cancelled: as they say.
    """
    started = time.time()
    clip = open_clip(config.clip) if clip is None else clip
    first, last = parse_range(config.frames)
    if config.size < MIN_SIZE:
        raise ClipError(
            f"Pictures of {config.size} px are too small.", f"Use --size {MIN_SIZE} or more."
        )
    device = resolve_device(config.device)
    model = load_head_model(config.head)
    check_writable(config.out)

    clip_key = key_of(method=METHOD, clip=clip.digest(), first=first, last=last)
    fit_key = key_of(clip=clip_key, head=model.mean.model_fingerprint, points=_points_digest(model))
    key = key_of(fit=fit_key, size=config.size)
    done = _finished(config.out, key)
    if done is not None:
        return dict(done.figures)

    track = _landmarks(clip, first, last, config.out, clip_key, job)
    fit, numbers = _fit(model, track, clip, config.out, fit_key, device, job)
    crop = choose_crop(
        np.stack([track.points[i] for i in numbers]), clip.width, clip.height, config.size
    )
    subject = _subject(model, fit)
    capture = Capture(
        path=config.out,
        camera=_camera(fit, clip, crop),
        fps=clip.fps,
        head=subject,
        motion=Motion(fit.psi, fit.theta, fit.translation),
        train=tuple(range(_train_count(len(numbers)))),
        test=tuple(range(_train_count(len(numbers)), len(numbers))),
    )
    tensors = HeadTensors.of(subject, device)
    frames = [track.frames[i] for i in numbers]
    claim_pictures(config.out, key)
    _pictures(capture, clip, frames, crop, tensors, job)
    _overlay(capture, tensors, job)
    result = {
        "frames_used": len(frames),
        "frames_total": track.seen,
        **figures(fit),
        "seconds": round(time.time() - started, 2),
    }
    source = {
        "kind": "clip", "clip": str(clip.path.resolve()), "frames": frames, "key": key,
        "crop": {"left": crop.left, "top": crop.top, "side": crop.side},
    }  # fmt: skip
    write_capture(replace(capture, source=source, figures=result))
    return result


def _finished(out: Path, key: str) -> Capture | None:
    """The capture of the same clip and settings, if it is there already."""
    try:
        capture = read_capture(out)
    except CaptureError:
        return None
    return capture if capture.source.get("key") == key else None


def _landmarks(clip: Clip, first: int, last: int | None, out: Path, key: str, job: Job) -> Track:
    arrays = kept(out, "landmarks", key)
    track = Track([], []) if arrays is None else Track.from_arrays(arrays)
    if track.complete:
        return track
    provider = MediaPipeFaces()
    try:
        track_clip(clip, first, last, provider, job, track)
    except Cancelled:
        if track.frames:
            keep(out, "landmarks", key, track.to_arrays())
        raise
    finally:
        provider.close()
    keep(out, "landmarks", key, track.to_arrays())
    return track


def _fit(
    model: HeadModel, track: Track, clip: Clip, out: Path, key: str, device: torch.device, job: Job
) -> tuple[Fit, np.ndarray]:
    """The fit of the usable frames, and which of the track's frames those are."""
    points = np.stack(track.points)
    arrays = kept(out, "fit", key)
    if arrays is None:
        fit = fit_clip(
            model,
            points[:, :FACE_POINTS],
            np.asarray(track.frames),
            (clip.width, clip.height),
            device,
            lambda step, loss: job.update("Fitting the head", step, ITERATIONS, loss=loss),
            _outlines(track, clip),
        )
        fit = _with_gaze(fit, model, points, clip)
        keep(out, "fit", key, fit.to_arrays())
    else:
        fit = Fit.from_arrays(arrays)
    usable = fit.error[:, 1] <= np.maximum(
        LOST * np.median(fit.eye_distance), 4 * np.median(fit.error[:, 1])
    )
    if usable.sum() < MIN_FRAMES:
        raise ClipError(
            f"Only {usable.sum()} frames show a face that can be followed; "
            f"at least {MIN_FRAMES} are needed.",
            "Use a steadier or sharper clip.",
        )
    return fit.only(usable), np.flatnonzero(usable)


def _outlines(track: Track, clip: Clip) -> Outlines:
    """Where the person is in a few frames."""
    crop = choose_crop(np.stack(track.points), clip.width, clip.height, OUTLINE_SIZE)
    chosen = key_frames(len(track.frames))
    model = MediaPipeMatte()
    try:
        maps = [outside_distance(model.person(crop.picture(frame)))
                for _, frame in clip.read_only(track.frames[i] for i in chosen)]  # fmt: skip
    finally:
        model.close()
    return Outlines(chosen[: len(maps)], np.stack(maps), crop)


def _with_gaze(fit: Fit, model: HeadModel, points: np.ndarray, clip: Clip) -> Fit:
    theta = fit.theta.copy()
    eyes = eye_rotations(model.subject(fit.beta), points, theta[:, 0], fit.translation,
                         (fit.focal, fit.distance), (clip.width / 2, clip.height / 2))  # fmt: skip
    for joint, rotation in eyes.items():
        theta[:, joint] = rotation
    return replace(fit, theta=theta)


def _subject(model: HeadModel, fit: Fit) -> Head:
    """The subject's head, with its own correspondence offsets."""
    head = model.subject(fit.beta)
    points = head.landmarks468
    return replace(
        head, landmarks468=replace(points, offset=(points.offset + fit.offset).astype(np.float32))
    )


def _camera(fit: Fit, clip: Clip, crop: Crop) -> Camera:
    """The stored pictures' camera: the clip's; its axis meets the middle of the whole frame."""
    focal = fit.focal * crop.scale
    cx, cy = crop.points(np.array([clip.width / 2, clip.height / 2]))
    pose = np.eye(4)
    pose[:3, :3] = WORLD_AXES
    pose[2, 3] = fit.distance
    return Camera(crop.size, crop.size, focal, focal, float(cx), float(cy), pose)


def _pictures(
    capture: Capture, clip: Clip, frames: list[int], crop: Crop, tensors: HeadTensors, job: Job
) -> None:
    """Write images and mattes of the frames that lack them."""
    missing = {
        number: index
        for index, number in enumerate(frames)
        if not has_pictures(capture.path, index)
    }
    if not missing:
        return
    cut = NeckCut.of(capture.head)
    outside = crop.outside(clip.width, clip.height)
    model = MediaPipeMatte()
    try:
        for number, frame in clip.read_only(missing):
            index = missing[number]
            picture = crop.picture(frame)
            keep_mask = np.where(
                outside, 0, cut.mask(_posed(capture, tensors, index), capture.camera)
            )
            matte = head_matte(picture, model.person(picture), keep_mask.astype(np.float32))
            write_frame(capture.path, index, picture, matte)
            job.update("Writing pictures", index + 1, len(frames))
    finally:
        model.close()


def _overlay(capture: Capture, tensors: HeadTensors, job: Job) -> None:
    count = len(capture.motion)

    def frames() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for index in range(count):
            yield capture.image(index), _posed(capture, tensors, index)

    write_overlay(capture.path / "overlay.mp4",
                  progress(frames(), lambda done: job.update("Drawing the overlay", done, count)),
                  capture.head.skin_faces, capture.camera, capture.fps)  # fmt: skip


def _posed(capture: Capture, tensors: HeadTensors, index: int) -> np.ndarray:
    """The head's vertices [V, 3] m in frame `index`, world space."""
    motion = capture.motion[[index]]
    arrays = (torch.as_tensor(array, device=tensors.vertices.device)
              for array in (motion.psi, motion.theta, motion.translation))  # fmt: skip
    with torch.no_grad():
        return posed_vertices(tensors, *arrays)[0].cpu().numpy()


def _train_count(frames: int) -> int:
    return frames - max(frames // TEST_SHARE, 1)


def _points_digest(model: HeadModel) -> str:
    points = model.mean.landmarks468
    return fingerprint(points.vertices, points.weights, points.offset)
