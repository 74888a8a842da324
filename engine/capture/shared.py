# SPDX-License-Identifier: GPL-3.0-or-later
"""Identity, focal length and correspondence offsets from a clip's key frames.

All unknowns of the key frames move together. The matrix is an arrow: each frame's own block, and
a border for what is shared; the frames' blocks are eliminated first (Schur complement).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..cores import each
from .chain import DAMPING, ENOUGH, Chain
from .landmark_terms import CHUNK, LandmarkTerms
from .outline import OutlineTerms
from .rim import Rim
from .unknowns import OWN, Frames, Subject

MOST_OFFSET = 0.002  # m, mean over the landmarks: beyond it the offsets would hide a bad fit


@dataclass(frozen=True)
class KeyFrames:
    """What the key frames show."""

    landmarks: LandmarkTerms
    outlines: OutlineTerms | None
    chain: Chain
    first_focal: float  # px, what the focal length is pulled to

    def rim(self, frames: Frames, subject: Subject) -> Rim | None:
        """What the outlines cost near a guess; None where there are none."""
        return None if self.outlines is None else self.outlines.near(frames, subject)

    def cost(self, frames: Frames, subject: Subject, rim: Rim | None) -> float:
        """Everything that is minimised."""
        p, count = self.chain.priors, len(frames)
        shared = p.beta * (subject.beta**2).sum() + p.focal * self._zoom(subject) ** 2
        shared = shared + p.offset * (subject.offset**2).sum(1).mean()
        terms = self.landmarks.cost(frames, subject).sum() + self.chain.single(frames)[1].sum()
        if rim is not None:
            terms = terms + rim.cost(frames, subject).sum()
        return float(terms) + count * float(shared)

    def settle(
        self, frames: Frames, subject: Subject, iterations: int, report: Callable[[], None],
        *, free: slice | None = None, offsets: bool = False,
    ) -> tuple[Frames, Subject]:  # fmt: skip
        """Frames and subject after Gauss-Newton steps that lower the cost.

        Args:
            frames: of the key frames.
            subject: where to start.
            iterations: at most.
            report: told of each.
            free: the frames' unknowns that move besides the subject's; all when None.
            offsets: whether the correspondence offsets move too.
        """
        damping = DAMPING[0]
        for _ in range(iterations):
            rim = self.rim(frames, subject)
            system = self._system(frames, subject, rim)
            before = cost = self.cost(frames, subject, rim)
            while damping < DAMPING[1]:
                own, shared = _arrow_step(*system, damping, free)
                tried = self._moved(frames, subject, own, shared)
                lowered = self.cost(*tried, rim)
                if lowered <= cost:
                    frames, subject = tried
                    cost = lowered
                    break
                damping *= 10
            if offsets:
                moved = replace(subject, offset=self._offsets(frames, subject))
                lowered = self.cost(frames, moved, rim)
                if lowered <= cost:
                    subject, cost = moved, lowered
            damping = min(max(damping / 10, DAMPING[0]), DAMPING[1] / 10)
            report()
            if before - cost < ENOUGH * before:
                break
        return frames, subject

    def _zoom(self, subject: Subject) -> Tensor:
        return subject.log_focal - torch.log(subject.log_focal.new_tensor(self.first_focal))

    def _moved(
        self, frames: Frames, subject: Subject, own: Tensor, shared: Tensor
    ) -> tuple[Frames, Subject]:
        step = shared.to(subject.beta)
        return frames.moved(own.to(frames.psi)), replace(
            subject, beta=subject.beta + step[:-1], log_focal=subject.log_focal + step[-1]
        )

    def _system(
        self, frames: Frames, subject: Subject, rim: Rim | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """The arrow: A [K, U, U], border [K, U, S], corner [S, S], and both gradients."""
        p, u = self.chain.priors, OWN + frames.psi.shape[1]
        single, _ = self.chain.single(frames)
        terms = [self.landmarks] if rim is None else [self.landmarks, rim]
        count = len(frames)

        def of_frames(start: int) -> tuple[Tensor, Tensor]:
            chunk = slice(start, start + CHUNK)
            whole = right = 0
            for term in terms:
                rows, values = term[chunk].arrow_rows(frames[chunk], subject)  # [n, R, U + S]
                across = rows.transpose(1, 2)
                whole = whole + (across @ rows).double()
                right = right + (across @ values[..., None])[..., 0].double()
            return whole.cpu(), right.cpu()

        wholes, rights = zip(*each(of_frames, range(0, count, CHUNK)), strict=True)
        whole, right = torch.cat(wholes), torch.cat(rights)
        corner, shared = whole[:, u:, u:].sum(0), right[:, u:].sum(0)
        pulls = torch.full((len(corner),), count * p.beta, dtype=torch.float64)
        pulls[-1] = count * p.focal
        at = torch.cat([subject.beta.cpu(), self._zoom(subject)[None].cpu()]).double()
        return (whole[:, :u, :u] + single.matrix, whole[:, :u, u:], corner + pulls.diag(),
                right[:, :u] + single.gradient, shared + pulls * at)  # fmt: skip

    def _offsets(self, frames: Frames, subject: Subject) -> Tensor:
        """The best offsets [L, 3] m with everything else as it is, capped in the mean."""
        terms, count = self.landmarks, len(frames)
        points = len(terms.weights)
        matrix = torch.zeros(points, 3, 3, dtype=torch.float64)
        gradient = torch.zeros(points, 3, dtype=torch.float64)
        for start in range(0, count, CHUNK):
            chunk = slice(start, start + CHUNK)
            part = terms[chunk]
            view, slopes = part.points.by_rest(frames[chunk], subject)
            percent = view.percent[:, None, None]
            miss = (view.pixels - part.seen) / percent
            weight = part.weights * part.trust(miss)  # [n, L]
            slopes = slopes / percent[..., None]
            matrix += torch.einsum("nl,nlia,nlib->lab", weight, slopes, slopes).double().cpu()
            gradient += torch.einsum("nl,nlia,nli->la", weight, slopes, miss).double().cpu()
        pull = count * self.chain.priors.offset
        now = subject.offset.double().cpu()
        matrix += pull * torch.eye(3, dtype=torch.float64)
        step = -torch.linalg.solve(matrix, (gradient + pull * now)[..., None])[..., 0]
        offset = now + step
        mean = offset.norm(dim=1).mean()
        return (offset * (MOST_OFFSET / mean.clamp(min=MOST_OFFSET))).to(subject.offset)


def _arrow_step(
    blocks: Tensor, borders: Tensor, corner: Tensor, own: Tensor, shared: Tensor,
    damping: float, free: slice | None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Steps of the frames' own unknowns [K, U] and of the shared ones [S]."""
    chosen = torch.arange(own.shape[1])[free or slice(None)]
    block = blocks[:, chosen[:, None], chosen]
    block = block + torch.diag_embed(block.diagonal(dim1=1, dim2=2) * damping + 1e-12)
    border, right = borders[:, chosen], own[:, chosen]
    solved = torch.linalg.solve(block, torch.cat([border, right[..., None]], -1))
    into, rest = solved[..., :-1], solved[..., -1]  # [K, C, S], [K, C]
    reduced = corner + (corner.diagonal() * damping + 1e-12).diag()
    reduced = reduced - (border.transpose(1, 2) @ into).sum(0)
    pull = shared - (border.transpose(1, 2) @ rest[..., None])[..., 0].sum(0)
    step = -torch.linalg.solve(reduced, pull)
    moved = torch.zeros_like(own)
    moved[:, chosen] = -rest - into @ step
    return moved, step
