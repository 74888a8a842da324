# SPDX-License-Identifier: GPL-3.0-or-later
"""One step's gradients, worked out in shares: some of the step's frames each, on a core each.

Small matrices on many cores mostly wait for each other; whole shares of a step do not. A CPU has
always the same number of shares, whatever cores it has, so that the same numbers come out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..avatar.model import Avatar
from ..cores import over_cores
from ..devices import autocast
from ..kernels.compositing import composite
from ..render.camera import Camera
from ..render.posing import FrameCells, Pose, Poser
from ..render.sampling import frame_rows, sample
from .floating import heights_at
from .frames import TrainingFrames, pixel_boxes, random_rays
from .losses import losses
from .per_frame import PerFrame
from .settings import TrainSettings

SHARES = 2  # of a step on a CPU
SURVEYS = 2000  # frames whose coarse cells are kept, about a megabyte each
OLD = 300  # steps after which a frame's cells are looked at anew: its pose is being corrected


@dataclass(frozen=True)
class Moment:
    """What a step's shares have in common."""

    settings: TrainSettings
    frames: TrainingFrames
    avatar: Avatar
    per_frame: PerFrame
    grown: Tensor  # [G, G, G] from `Poser.grown_occupancy`
    heights: Tensor  # [G, G, G] from `floating_heights`
    step: int
    stage_two: bool


@dataclass(frozen=True)
class Share:
    """What one core has to do in a step."""

    poser: Poser  # its own
    chosen: np.ndarray  # [n] rows of training frames
    kept: Tensor  # [n] one where a frame is told what is its own, else zero
    rays: int
    seed: int  # of its pixels and backgrounds


@dataclass(frozen=True)
class Found:
    """What came of a step, or of a share of it."""

    gradients: list[Tensor | None]  # of the parameters, in their order
    loss: float
    mse: float
    alpha: Tensor  # [R] of the rays
    matte: Tensor  # [R], their pixels' true coverage
    samples: int
    surveys: list["Survey"]  # of the frames


@dataclass(frozen=True)
class Survey:
    """What is looked at once per frame and stays good for a while, as poses hardly change."""

    cells: FrameCells
    box: np.ndarray  # [4] of pixels that may show the head
    step: int  # when it was made


class Steps:
    """Works steps out; remembers the frames' surveys.

    Args:
        avatar: the avatar that is trained.
        parameters: what gradients are wanted of.
    """

    def __init__(self, avatar: Avatar, parameters: Sequence[Tensor]) -> None:
        self.parameters = list(parameters)
        shares = SHARES if avatar.device.type == "cpu" else 1
        self._posers = [Poser(avatar) for _ in range(shares)]
        self.surveys: dict[int, Survey] = {}  # by row of the training frames, the oldest first

    def grown_occupancy(self) -> Tensor:
        """See `Poser.grown_occupancy`."""
        return self._posers[0].grown_occupancy()

    def work_out(
        self,
        moment: Moment,
        chosen: np.ndarray,
        kept: Tensor,
        rays: int,
        random: np.random.Generator,
    ) -> Found:
        """Losses and gradients of some frames' rays.

        Args:
            moment: the step.
            chosen: [n] rows of training frames.
            kept: [n] one where a frame is told what is its own, else zero.
            rays: how many, about.
            random: seeds the shares' own.
        """
        parts = np.array_split(np.arange(len(chosen)), min(len(self._posers), len(chosen)))
        shares = [
            Share(
                poser, chosen[part], kept[torch.from_numpy(part)],
                max(rays * len(part) // len(chosen), 1), int(random.integers(1 << 62)),
            )
            for poser, part in zip(self._posers, parts, strict=False)
        ]  # fmt: skip
        done = over_cores(lambda share: self._of(moment, share), shares, moment.avatar.device)
        found = put_together(list(done), [len(part) / len(chosen) for part in parts])
        for row, survey in zip(chosen.tolist(), found.surveys, strict=True):
            if self.surveys.get(row) is not survey:
                self.surveys.pop(row, None)
                self.surveys[row] = survey
        while len(self.surveys) > SURVEYS:
            del self.surveys[next(iter(self.surveys))]
        return found

    def _of(self, moment: Moment, share: Share) -> Found:
        """A share's losses and their gradients."""
        settings, frames, avatar = moment.settings, moment.frames, moment.avatar
        per_frame, poser, kept = moment.per_frame, share.poser, share.kept
        rows = torch.from_numpy(share.chosen).to(avatar.device)
        random = np.random.default_rng(share.seed)
        with torch.enable_grad():
            psi, theta, translation = per_frame.corrected(
                rows, frames.psi[rows], frames.theta[rows], frames.translation[rows], kept
            )
            pose = poser.pose(psi, theta, translation)
            known = self._surveyed(share, pose, frames.camera, moment.step)
            cell_map = poser.cell_map([survey.cells for survey in known], moment.grown)
            boxes = np.stack([survey.box for survey in known])
            rays, target = random_rays(frames, share.chosen, boxes, share.rays, random)
            samples = sample(poser, pose, rays, cell_map, settings.samples_per_ray)

            condition = per_frame.condition(avatar.tracking, rows, psi, theta, translation, kept)
            labels = None if moment.stage_two else samples.surface_part.argmax(1)
            with autocast(avatar.device):
                frame = frame_rows(samples.frame, len(rows))
                result = avatar.evaluate(
                    samples.x_canonical, samples.view, frame, condition, labels
                )
            height = heights_at(moment.heights, avatar.unit(samples.x_canonical))
            seen, alpha, weights = composite(
                result.sigma * samples.length, torch.cat([result.rgb, height[:, None]], 1),
                samples.ray_start, samples.ray_count,
            )  # fmt: skip
            colour, floating = seen.split([3, 1], 1)
            background = torch.from_numpy(random.random((len(target), 3), np.float32))
            loss = losses(
                settings, colour, alpha, weights, target, background.to(target.device), samples,
                result.deformed, *per_frame.size(rows), avatar.tracking.size(), floating,
                stage_two=moment.stage_two,
            )  # fmt: skip
            gradients = torch.autograd.grad(loss.total, self.parameters, allow_unused=True)
        gradients = [value if value is None else value.contiguous() for value in gradients]
        return Found(
            gradients, loss.value, loss.mse, alpha.detach(), target[:, 3], len(samples), known
        )

    def _surveyed(self, share: Share, pose: Pose, camera: Camera, step: int) -> list[Survey]:
        """The share's frames' surveys, made where there is none or it is too old."""
        surveys = []
        for n, row in enumerate(share.chosen.tolist()):
            survey = self.surveys.get(row)
            if survey is None or step - survey.step > OLD:
                box = pixel_boxes(pose.vertices[n : n + 1].cpu().numpy(), camera)[0]
                survey = Survey(share.poser.frame_cells(pose, n), box, step)
            surveys.append(survey)
        return surveys


def put_together(found: Sequence[Found], weights: Sequence[float]) -> Found:
    """The whole of shares with so much weight each; sums keep the shares' order.

    Means over rays come out as those of the whole, where frames have as many rays as each other;
    means over samples are means of the shares' means.
    """
    if len(found) == 1:
        return found[0]
    gradients: list[Tensor | None] = []
    for of_shares in zip(*(share.gradients for share in found), strict=True):
        total = None
        for gradient, weight in zip(of_shares, weights, strict=True):
            if gradient is not None:
                total = gradient * weight if total is None else total.add_(gradient, alpha=weight)
        gradients.append(total)
    loss, mse = (
        sum(getattr(share, name) * weight for share, weight in zip(found, weights, strict=True))
        for name in ("loss", "mse")
    )
    alpha, matte = (
        torch.cat([getattr(share, name) for share in found]) for name in ("alpha", "matte")
    )
    surveys = [survey for share in found for survey in share.surveys]
    samples = sum(share.samples for share in found)
    return Found(gradients, loss, mse, alpha, matte, samples, surveys)
