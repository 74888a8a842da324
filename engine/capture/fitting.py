# SPDX-License-Identifier: GPL-3.0-or-later
"""The fit as a stage of a capture: key frames' masks, the fit, gaze, neck, and who was lost."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ..errors import ClipError
from ..head.model import Head, HeadModel
from ..jobs import Job
from ..render.camera import Camera
from .crop import Crop, choose_crop
from .fit import STEPS, Fit, fit_clip
from .folder import MIN_FRAMES
from .gaze import eye_rotations
from .marks import FACE_POINTS
from .mediapipe_models import MediaPipeMatte
from .outline import MASK_SIZE, Outlines, outside_distance, outwards
from .outline import SIZE as OUTLINE_SIZE
from .pose import WORLD_AXES
from .posture import bend_neck
from .slide import measured_slide
from .source import Source
from .stages import Chunks, keep, kept
from .track import CHUNK, Usable

LOST = 0.10  # of the outer-eye distance: a frame fitted worse than this shows no usable face


def fit_track(
    model: HeadModel, track: Usable, clip: Source, out: Path, key: str, device: torch.device,
    job: Job,
) -> tuple[Fit, np.ndarray]:  # fmt: skip
    """The fit of the frames that could be fitted, and which of the track's [N] bool those are.

    Raises:
        ClipError: too few frames could be fitted.
        SpaceError, Cancelled: as they say.
    """
    arrays = kept(out, "fit", key)
    outlines = Chunks(out, "outlines", key)
    if arrays is None:
        fit = fit_clip(
            model,
            track.points[:, :FACE_POINTS],
            np.asarray(track.frames),
            (clip.width, clip.height),
            device,
            lambda step: job.update("Fitting the head", step, STEPS),
            _outlines(track, clip, outlines, job),
            measured_slide(),
        )
        fit = _with_neck(_with_gaze(fit, model, track.points, clip), model)
        keep(out, "fit", key, fit.to_arrays())
    else:
        fit = Fit.from_arrays(arrays)
    outlines.discard()  # here, for a run that was killed after its fit
    usable = fit.error[:, 1] <= np.maximum(
        LOST * np.median(fit.eye_distance), 4 * np.median(fit.error[:, 1])
    )
    if usable.sum() < MIN_FRAMES:
        raise ClipError(
            f"Only {usable.sum()} frames show a face that can be followed; "
            f"at least {MIN_FRAMES} are needed.",
            "Use a steadier or sharper clip.",
        )
    return fit.only(usable), usable


def fitted_subject(model: HeadModel, fit: Fit) -> Head:
    """The subject's head, with its own hair and correspondence offsets."""
    head = model.subject(fit.beta)
    points, hair = head.landmarks468, fit.hair[:, None] * outwards(model)
    return replace(
        head, vertices=head.vertices + hair, static_offset=hair,
        landmarks468=replace(points, offset=(points.offset + fit.offset).astype(np.float32)),
    )  # fmt: skip


def fitted_camera(fit: Fit, clip: Source, crop: Crop) -> Camera:
    """The stored pictures' camera: the clip's; its axis meets the middle of the whole frame."""
    focal = fit.focal * crop.scale
    cx, cy = crop.points(np.array([clip.width / 2, clip.height / 2]))
    pose = np.eye(4)
    pose[:3, :3] = WORLD_AXES
    pose[2, 3] = fit.distance
    return Camera(crop.size, crop.size, focal, focal, float(cx), float(cy), pose)


def _outlines(track: Usable, clip: Source, chunks: Chunks, job: Job) -> Outlines:
    """Where the person is in every frame, from where the kept chunks end."""
    faces = track.points[:, :FACE_POINTS]
    crop = choose_crop(faces, clip.width, clip.height, MASK_SIZE)
    row = {number: n for n, number in enumerate(track.frames)}
    outside = np.zeros((len(row), OUTLINE_SIZE, OUTLINE_SIZE), np.float16)  # no edge, no say
    saved = 0
    for arrays in chunks.read():
        outside[saved : saved + len(arrays["outside"])] = arrays["outside"]
        saved += len(arrays["outside"])
    model = MediaPipeMatte()
    try:
        for number, frame in clip.read_only(track.frames[saved:]):
            seen = row[number] + 1
            outside[seen - 1] = outside_distance(model.person(crop.picture(frame)), OUTLINE_SIZE)
            if seen >= saved + CHUNK:
                chunks.add({"outside": outside[saved:seen]})
                saved = seen
            job.update("Looking at the outline", seen, len(row))
    finally:
        model.close()
    return Outlines(outside, crop)


def _with_gaze(fit: Fit, model: HeadModel, points: np.ndarray, clip: Source) -> Fit:
    if not np.isfinite(points).all():  # landmarks without irises: the eyes look straight ahead
        return fit
    theta = fit.theta.copy()
    eyes = eye_rotations(model.subject(fit.beta), points, theta[:, 0], fit.translation,
                         (fit.focal, fit.distance), (clip.width / 2, clip.height / 2))  # fmt: skip
    for joint, rotation in eyes.items():
        theta[:, joint] = rotation
    return replace(fit, theta=theta)


def _with_neck(fit: Fit, model: HeadModel) -> Fit:
    theta, translation = bend_neck(model.subject(fit.beta), fit.theta, fit.translation)
    return replace(fit, theta=theta, translation=translation)
