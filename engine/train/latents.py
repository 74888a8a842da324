# SPDX-License-Identifier: GPL-3.0-or-later
"""Test-time optimisation of a frame's latent codes, on that frame's own pixels.

A keyed frame is rendered with the codes that its pose foretells, as no more is known of it. Papers
of this family often fit the codes of every test frame to the test frame itself first; figures so
gained know the answer in part, and are named `latents_optimised` wherever they stand. Nothing but
the deformation code and the appearance code moves: not the head's parameters, no weight of the
avatar.
"""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ..adam import Adam
from ..avatar.deformation import Condition
from ..avatar.model import Avatar
from ..devices import autocast
from ..head.motion import Motion
from ..kernels.compositing import composite
from ..render.camera import Camera
from ..render.posing import Poser
from ..render.sampling import Rays, Samples, frame_rows, sample
from .losses import robust
from .metrics import Box, Picture

RATE = 3e-2  # Adam's; the codes of training frames deviate by as much
RAYS = 512  # per step
BATCHES = 8  # of rays are sampled once for each frame; the steps take turns with them
BUDGET = 12  # samples per ray, where they count
HOLD = 1e-3  # weight of the mean squared code, as in training


class LatentFit:
    """Fits the codes of one frame after another; what only the avatar decides is made once."""

    def __init__(self, avatar: Avatar, steps: int, seed: int = 0) -> None:
        self.avatar, self.steps = avatar, steps
        self._poser = Poser(avatar)
        self._grown = self._poser.grown_occupancy()
        self._random = np.random.default_rng(seed)

    def condition(self, truth: Picture, box: Box, camera: Camera, motion: Motion) -> Condition:
        """The frame's condition with codes that explain its own pixels best.

        Args:
            truth: the frame on white.
            box: where the head lies; rays go through its pixels.
            camera: of the frame.
            motion: the one frame [1].
        """
        avatar, poser = self.avatar, self._poser
        told = avatar.condition(motion.psi[0], motion.theta[0], motion.translation[0])
        psi, theta, translation = (
            torch.as_tensor(array, device=avatar.device)
            for array in (motion.psi, motion.theta, motion.translation)
        )
        pose = poser.pose(psi, theta, translation)
        cells = poser.cell_map([poser.frame_cells(pose, 0)], self._grown)
        batches = [self._rays(truth, box, camera) for _ in range(min(BATCHES, self.steps))]
        seen = [(sample(poser, pose, rays, cells, BUDGET), wanted) for rays, wanted in batches]
        seen = [(samples, wanted) for samples, wanted in seen if len(samples)]
        code, appearance = (
            value.clone().requires_grad_() for value in (told.code, told.appearance)
        )
        codes = [value for value in (code, appearance) if value.numel()]
        if not codes or not seen:
            return told
        optimiser = Adam(codes, lr=RATE)
        for step in range(self.steps):
            samples, wanted = seen[step % len(seen)]
            loss = self._loss(samples, wanted, replace(told, code=code, appearance=appearance))
            loss = loss + HOLD * sum(value.square().mean() for value in codes)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
        return replace(told, code=code.detach(), appearance=appearance.detach())

    def _loss(self, samples: Samples, wanted: Tensor, condition: Condition) -> Tensor:
        """The robust colour error, as in training but on white."""
        with autocast(self.avatar.device):
            result = self.avatar.evaluate(
                samples.x_canonical, samples.view, frame_rows(samples.frame, 1), condition
            )
        colour, alpha, _ = composite(
            result.sigma * samples.length,
            result.rgb,
            samples.ray_start,
            samples.ray_count,
        )
        return robust(colour + 1 - alpha[:, None] - wanted)

    def _rays(self, truth: Picture, box: Box, camera: Camera) -> tuple[Rays, Tensor]:
        """Rays through random pixels of the box, and their colours [R, 3] on white."""
        x0, y0, x1, y1 = box
        x = self._random.integers(x0, x1, RAYS)
        y = self._random.integers(y0, y1, RAYS)
        origin, directions = camera.rays(np.stack([x, y], 1) + 0.5)
        device = self.avatar.device
        rays = Rays(
            origins=torch.from_numpy(np.tile(origin, (RAYS, 1))).to(device),
            directions=torch.from_numpy(directions).to(device),
            frame=torch.zeros(RAYS, dtype=torch.int32, device=device),
            jitter=torch.full((RAYS,), 0.5, device=device),
        )
        return rays, torch.from_numpy(truth.colour[y, x]).to(device)
