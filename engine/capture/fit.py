# SPDX-License-Identifier: GPL-3.0-or-later
"""Identity, focal length and motion of a head from the landmarks of a whole clip.

Everything is solved for at once by L-BFGS on a robust landmark error and Gaussian priors, in three
stages that free more and more of the unknowns: the rigid head and its identity, then expression
and jaw, then this subject's own correspondence offsets.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from ..head.model import HeadModel
from .outline import Outlines
from .problem import LEFT_EYE_OUTER, RIGHT_EYE_OUTER, Problem

RIGID = ("beta", "focal", "rotation", "ray", "depth")
STAGES = (
    (RIGID, 40),
    ((*RIGID, "psi", "jaw"), 150),
    ((*RIGID, "psi", "jaw", "offset"), 150),
)  # what is free, and for how many iterations
ITERATIONS = sum(count for _, count in STAGES)
PSI_MOST = 1.2
MANY_FRAMES = 1000  # from which on tensors are large enough to be worth several threads
MOST_OFFSET = 0.002  # m, mean over the landmarks: beyond it the offsets would hide a bad fit


@dataclass(frozen=True)
class Fit:
    """What explains the clip. The camera stands at (0, 0, distance) in the world, looking at 0."""

    beta: np.ndarray  # [B] float32
    lens: np.ndarray  # [2] float64: focal length in px of the clip, distance in m
    psi: np.ndarray  # [N, E] float32
    theta: np.ndarray  # [N, J, 3] float32 rad
    translation: np.ndarray  # [N, 3] float32 m
    offset: (
        np.ndarray
    )  # [L, 3] float32 m, this subject's correspondence offsets, beyond the model's
    error: (
        np.ndarray
    )  # [N, 2] float32 px of the clip: mean over the landmarks without, with `offset`
    eye_distance: (
        np.ndarray
    )  # [N] float32 px of the clip, between the outer corners as they were seen

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
        shared = ("beta", "lens", "offset")
        arrays = self.to_arrays()
        return Fit(**{n: a if n in shared else a[kept] for n, a in arrays.items()})

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The arrays as a file holds them."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "Fit":
        """Undo `to_arrays`; KeyError where one is missing."""
        return cls(**{field.name: arrays[field.name] for field in fields(cls)})


def fit_clip(
    model: HeadModel,
    points: np.ndarray,
    frames: np.ndarray,
    picture: tuple[int, int],
    device: torch.device,
    report: Callable[[int, float], None] = lambda step, loss: None,
    outlines: Outlines | None = None,
) -> Fit:
    """The head's shape, lens and motion that explain the landmarks.

    Args:
        model: the head model.
        points: [N, L, 2] px of the clip.
        frames: [N] ascending frame numbers.
        picture: the clip's width and height, px.
        device: where to compute.
        report: told the iterations done (of `ITERATIONS`) and the loss per frame.
        outlines: the person's masks in some frames; without them cranium and ears stay the mean's.
    """
    problem = Problem(model, points, frames, picture, device, outlines)
    done, threads = 0, torch.get_num_threads()
    if len(points) < MANY_FRAMES:
        torch.set_num_threads(1)  # more would only wait for each other
    try:
        for free, iterations in STAGES:
            start = done
            solve(problem, free, iterations, lambda i, loss, start=start: report(start + i, loss))
            done += iterations
    finally:
        torch.set_num_threads(threads)
    report(ITERATIONS, float(problem.loss()) / len(points))
    with torch.no_grad():
        return _finish(problem)


def solve(
    problem: Problem, free: tuple[str, ...], iterations: int, report: Callable[[int, float], None]
) -> None:
    """Lower the loss over the unknowns named in `free`."""
    variables = [problem.unknowns[name].requires_grad_() for name in free]
    optimiser = torch.optim.LBFGS(
        variables,
        max_iter=10,
        history_size=20,
        tolerance_grad=1e-5,
        tolerance_change=1e-9,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = problem.loss()
        loss.backward()
        return loss

    last = float("inf")
    for done in range(0, iterations, 10):
        value = float(optimiser.step(closure).detach())
        report(done, value / len(problem.points))
        if last - value < 1e-4 * value:
            break
        last = value
    for variable in variables:
        variable.requires_grad_(False)
        variable.grad = None


def _finish(problem: Problem) -> Fit:
    """Clamp what the priors only discourage, measure, and place the camera."""
    p = problem.parameters()
    one_sided = problem.one_sided > 0
    p["psi"] = torch.where(one_sided, p["psi"].clamp(0, PSI_MOST), p["psi"])
    p["jaw"] = torch.cat([p["jaw"][:, :1].clamp(min=0), p["jaw"][:, 1:]], 1)
    mean_offset = p["offset"].norm(dim=1).mean()
    p["offset"] = p["offset"] * (MOST_OFFSET / mean_offset.clamp(min=MOST_OFFSET))
    head, _ = problem.posed(p)
    theta, translation = problem.motion(p, head)
    distance = -translation[:, 2].mean()
    translation = translation + translation.new_tensor([0, 0, 1]) * distance
    errors = []
    for offset in (torch.zeros_like(p["offset"]), p["offset"]):
        _, seen = problem.posed({**p, "offset": offset})
        errors.append((problem.pixels(seen, p) - problem.points).norm(dim=-1).mean(1))
    eyes = (problem.points[:, RIGHT_EYE_OUTER] - problem.points[:, LEFT_EYE_OUTER]).norm(dim=-1)
    arrays = {
        "beta": p["beta"], "psi": p["psi"], "theta": theta, "translation": translation,
        "offset": p["offset"], "error": torch.stack(errors, 1), "eye_distance": eyes,
    }  # fmt: skip
    focal = problem.first_focal * float(p["log_focal"].exp())
    lens = np.array([focal, float(distance)])
    return Fit(lens=lens, **{name: value.cpu().numpy() for name, value in arrays.items()})


def figures(fit: Fit) -> dict[str, float]:
    """How far the model's landmarks lie from those found, mean over landmarks and frames.

    The headline figures leave the subject's own correspondence offsets out. The share is of the
    outer-eye distance seen in the same frame, or half the clip's median where a profile is seen.
    """
    eyes = np.maximum(fit.eye_distance, 0.5 * np.median(fit.eye_distance))
    return {
        "reprojection_px": float(fit.error[:, 0].mean()),
        "reprojection_eye_fraction": float((fit.error[:, 0] / eyes).mean()),
        "reprojection_eye_fraction_with_offsets": float((fit.error[:, 1] / eyes).mean()),
        "offset_mm": float(np.linalg.norm(fit.offset, axis=1).mean() * 1000),
    }
