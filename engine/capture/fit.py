# SPDX-License-Identifier: GPL-3.0-or-later
"""Identity, focal length and motion of a head from the landmarks of a whole clip.

First what all frames share is found from key frames, unlike each other: identity, focal length and
this subject's own correspondence offsets. Then the motion is, for the whole clip, in windows that
go on from each other, so that time grows with the number of frames.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch

from ..cores import shared_out
from ..head.model import JAW, HeadModel
from .chain import Chain, Term
from .hair import Hair
from .landmark_head import LandmarkHead
from .landmark_rows import CAMERA_FROM_WORLD, LEFT_EYE_OUTER, RIGHT_EYE_OUTER, Points
from .landmark_terms import LandmarkTerms
from .outline import Outlines, OutlineTerms, outwards
from .pose import FOCAL_GUESS, first_subject, rigid_frames
from .priors import Priors
from .shared import KeyFrames
from .unknowns import RIGID, Frames, Subject, rotation_vectors

# What moves of the key frames' own, whether the offsets do, and how many steps at most.
STAGES = ((RIGID, False, 12), (None, False, 25), (None, True, 15))
FRAME_STAGES = ((RIGID, 4), (None, 15))
KEY_FRAMES = 80
WINDOW, OVERLAP = 2000, 32  # frames; the more expressions a model has, the fewer at once:
USUAL = 50  # of so many expressions half of WINDOW
STEPS, MEETING = 100, 50  # what `report` is told of, and the share of what all frames share


@dataclass(frozen=True)
class Fit:
    """What explains the clip. The camera stands at (0, 0, distance) in the world, looking at 0."""

    beta: np.ndarray  # [B] float32
    lens: np.ndarray  # [2] float64: focal length in px of the clip, distance in m
    psi: np.ndarray  # [N, E] float32
    theta: np.ndarray  # [N, J, 3] float32 rad
    translation: np.ndarray  # [N, 3] float32 m
    offset: np.ndarray  # [L, 3] float32 m, the subject's correspondences, beyond the model's
    hair: np.ndarray  # [V] float32 m, how far vertices stand off the model's along `outwards`
    error: np.ndarray  # [N, 2] float32 px of the clip: landmarks' mean without, with `offset`
    eye_distance: np.ndarray  # [N] float32 px of the clip, between the outer corners as seen
    held_out: (
        np.ndarray
    )  # [N] uint8, 1 for every other frame, from which nothing shared was learned

    @property
    def focal(self) -> float:
        """Focal length, px of the clip."""
        return float(self.lens[0])

    @property
    def distance(self) -> float:
        """From the camera to the world's origin, m."""
        return float(self.lens[1])

    def only(self, kept: np.ndarray) -> "Fit":
        """The same with some of its frames [N] bool."""
        shared = ("beta", "lens", "offset", "hair")
        arrays = self.to_arrays()
        return Fit(**{n: a if n in shared else a[kept] for n, a in arrays.items()})

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The arrays as a file holds them."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "Fit":
        """Undo `to_arrays`; KeyError where one is missing."""
        return cls(**{field.name: arrays[field.name] for field in fields(cls)})


def choose_keys(points: np.ndarray) -> np.ndarray:
    """Which frames [K] speak for the clip: unlike each other, and every other frame left out.

    The frames between them stay unseen by all that is shared, so that a fit is measured on them.

    Args:
        points: [N, L, 2] px, the landmarks.
    """
    usable = np.arange(0, len(points), 2)
    shapes = points[usable] - points[usable].mean(1, keepdims=True)
    shapes = shapes / np.linalg.norm(shapes, axis=(1, 2), keepdims=True)
    flat = shapes.reshape(len(usable), -1)
    chosen = [int(np.argmin(((flat - np.median(flat, 0)) ** 2).sum(1)))]
    away = ((flat - flat[chosen[0]]) ** 2).sum(1)
    while len(chosen) < min(KEY_FRAMES, len(usable)):
        away[chosen[-1]] = -1  # frames may repeat, a key may not
        chosen.append(int(away.argmax()))
        away = np.minimum(away, ((flat - flat[chosen[-1]]) ** 2).sum(1))
    return np.sort(usable[chosen])


def fit_clip(
    model: HeadModel,
    points: np.ndarray,
    numbers: np.ndarray,
    picture: tuple[int, int],
    device: torch.device,
    report: Callable[[int], None] = lambda step: None,
    outlines: Outlines | None = None,
    slide: np.ndarray | None = None,
    priors: Priors | None = None,
) -> Fit:
    """The head's shape, lens and motion that explain the landmarks.

    Args:
        model: the head model.
        points: [N, L, 2] px of the clip.
        numbers: [N] ascending frame numbers.
        picture: the clip's width and height, px; its centre is the principal point.
        device: where to compute.
        report: told how much is done, of `STEPS`.
        outlines: the person's masks in all frames; without them cranium and ears stay the mean's,
            and landmarks alone tell the pose.
        slide: [L, 5, 3] m, how the landmarks slide as the head turns (`slide.py`).
        priors: their strengths.
    """
    with torch.no_grad(), shared_out():
        centre = torch.tensor(picture, dtype=torch.float32, device=device) / 2
        seen = torch.as_tensor(points, dtype=torch.float32, device=device) - centre
        priors = priors or Priors()
        head = LandmarkHead.of(model, model.mean.landmarks468, device)
        terms = LandmarkTerms.of(Points.of(head, slide), seen, priors)
        chain = Chain.of(priors, numbers, model.mean.expression_names)
        keys = torch.as_tensor(choose_keys(points))
        outline = at_keys = None
        if outlines is not None:
            outline = OutlineTerms.of(outlines, model, terms.points, centre, priors)
            at_keys = outline[keys]
        key_frames = KeyFrames(terms[keys], at_keys, chain, FOCAL_GUESS * max(picture))
        subject, hair = _meet(key_frames, model, report)
        whole = [terms]
        if outline is not None:
            whole.append(outline.with_hair(hair, outwards(model)).settled(subject))
        frames = _follow(whole, chain, subject, report)
        return _finish(frames, subject, hair, terms, chain, points)


def _meet(
    keys: KeyFrames, model: HeadModel, report: Callable[[int], None]
) -> tuple[Subject, np.ndarray]:
    """What all frames share: the subject, and how far the hair [V] m stands off the skull."""
    points, done = keys.landmarks.points, 0
    hair = np.zeros(len(model.mean.vertices), np.float32)

    def tell() -> None:
        nonlocal done
        done += 1
        report(done * MEETING // sum(steps for _, _, steps in STAGES))

    subject = first_subject(points.head, keys.first_focal)
    frames = rigid_frames(points, subject, keys.landmarks.seen, len(keys.chain.one_sided))
    for free, offsets, steps in STAGES:
        if offsets and keys.outlines is not None:  # the skull was found under hair as usual
            hair = Hair.of(model).fit(keys.outlines, model, frames, subject)
            keys = replace(keys, outlines=keys.outlines.with_hair(hair, outwards(model)))
        frames, subject = keys.settle(frames, subject, steps, tell, free=free, offsets=offsets)
    if keys.outlines is not None:
        hair = Hair.of(model).fit(keys.outlines, model, frames, subject)
    return subject, hair


def _follow(
    terms: list[LandmarkTerms | OutlineTerms], chain: Chain, subject: Subject,
    report: Callable[[int], None],
) -> Frames:  # fmt: skip
    """The motion of the whole clip for a known subject, window by window; landmarks come first."""
    landmarks = terms[0]
    count, start = len(landmarks.seen), 0
    most = max(WINDOW * USUAL // (USUAL + len(chain.one_sided)), 2 * OVERLAP)
    whole = rigid_frames(landmarks.points, subject, landmarks.seen, len(chain.one_sided))
    while True:
        window = slice(start, min(start + most, count))

        def tell(share: float, window: slice = window) -> None:
            frames = window.start + (window.stop - window.start) * share
            report(MEETING + int((STEPS - MEETING) * frames / count))

        seen = [term[window] for term in terms]
        part = _settled(whole[window], chain[window], subject, seen, 2 if start else 0, tell)
        whole = whole.put(start, part)
        tell(1.0)
        if window.stop == count:
            return whole
        start = window.stop - OVERLAP


def _settled(
    frames: Frames, chain: Chain, subject: Subject, terms: Sequence[Term], held: int,
    report: Callable[[float], None],
) -> Frames:  # fmt: skip
    """A window's motion; its first `held` frames are known already."""
    done = 0

    def tell() -> None:
        nonlocal done
        done += 1
        report(done / sum(steps for _, steps in FRAME_STAGES))

    for free, steps in FRAME_STAGES:
        frames = chain.settle(frames, subject, terms, steps, tell, free=free, held=held)
    return frames


def _finish(
    frames: Frames, subject: Subject, hair: np.ndarray, terms: LandmarkTerms, chain: Chain,
    points: np.ndarray,
) -> Fit:  # fmt: skip
    """Clamp what the priors only discourage, measure, and place the camera."""
    device = frames.psi.device
    one_sided, most = chain.one_sided.to(frames.psi), chain.most.to(frames.psi)
    jaw = torch.cat([frames.jaw[:, :1].clamp(min=0), frames.jaw[:, 1:]], 1)
    psi = torch.minimum(torch.maximum(frames.psi, -most * (1 - one_sided)), most)
    frames = replace(frames, psi=psi, jaw=jaw)
    root = rotation_vectors(frames.rotation)
    head = terms.points.head.subject(subject.beta)
    anchor = head.joints_of(psi)[..., 0, :]  # [3] or [N, 3] m, the root joint
    theta = torch.zeros(len(frames), len(head.joints), 3, device=device)
    theta[:, 0], theta[:, JAW] = root, jaw
    depth = frames.size.exp() * subject.focal
    place = torch.cat([frames.place * frames.size.exp()[:, None], depth[:, None]], 1)
    place = place * place.new_tensor(CAMERA_FROM_WORLD)
    arm = (frames.rotation @ (anchor - terms.points.middle)[..., None])[..., 0]
    translation = place - anchor + arm
    distance = -translation[:, 2].mean()
    translation = translation + translation.new_tensor([0, 0, 1]) * distance
    errors = []
    for offset in (torch.zeros_like(subject.offset), subject.offset):
        view = terms.points.view(frames, replace(subject, offset=offset))
        known = terms.weights > 0
        errors.append((view.pixels - terms.seen)[:, known].norm(dim=-1).mean(1))
    eyes = np.linalg.norm(points[:, RIGHT_EYE_OUTER] - points[:, LEFT_EYE_OUTER], axis=-1)
    arrays = {
        "beta": subject.beta, "psi": psi, "theta": theta, "translation": translation,
        "offset": subject.offset, "error": torch.stack(errors, 1),
    }  # fmt: skip
    lens = np.array([float(subject.focal), float(distance)])
    numbers = {name: value.cpu().numpy().astype(np.float32) for name, value in arrays.items()}
    held_out = (np.arange(len(points)) % 2).astype(np.uint8)
    return Fit(
        hair=hair, lens=lens, eye_distance=eyes.astype(np.float32), held_out=held_out, **numbers
    )


def figures(fit: Fit) -> dict[str, float]:
    """How far the model's landmarks lie from those found, mean over landmarks and frames.

    Measured with the subject's correspondence offsets, on the frames that these were not learned
    from. The share is of the outer-eye distance seen in the same frame, or half the clip's median
    where a profile is seen.
    """
    eyes = np.maximum(fit.eye_distance, 0.5 * np.median(fit.eye_distance))
    unseen = fit.held_out > 0
    pixels, share = fit.error[unseen], fit.error[unseen] / eyes[unseen, None]
    return {
        "reprojection_px": float(pixels[:, 1].mean()),
        "reprojection_eye_fraction": float(share[:, 1].mean()),
        "reprojection_eye_fraction_without_offsets": float(share[:, 0].mean()),
        "offset_mm": float(np.linalg.norm(fit.offset, axis=1).mean() * 1000),
    }
