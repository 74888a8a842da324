# SPDX-License-Identifier: GPL-3.0-or-later
"""Training the baseline for some seconds, and looking at the same held-out frames."""

import time

import numpy as np
import torch

from ..adam import Adam
from ..capture.folder import Capture
from ..jobs import Job
from ..render.camera import Camera
from ..render.sampling import Rays
from ..train.frames import TrainingFrames, pixel_boxes, random_rays
from ..train.losses import losses
from ..train.per_frame import PerFrame
from ..train.settings import TrainSettings
from .clocks import wait_for
from .paper_field import PaperAvatar, PaperConfig, Shaded
from .subject import HeldOut, Render
from .training import Race

RAYS_AT_ONCE = 1024


def race_of_paper(
    paper: PaperConfig, settings: TrainSettings, frames: TrainingFrames, capture: Capture,
    held_out: HeldOut, seconds: float, looks: int, job: Job,
) -> Race:  # fmt: skip
    """The baseline's held-out PSNR at `looks` moments of `seconds` of training.

    The papers train for hours: all of these seconds belong to their first stage, with hard parts
    and the rate they start with.
    """
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    device = frames.psi.device
    avatar = PaperAvatar(paper, settings.model, capture.head, device)
    per_frame = PerFrame(
        settings.model, len(frames), len(capture.head.expression_names), corrections=False
    ).to(device)
    avatar.avatar.tracking.observe(frames.theta, frames.translation)  # its bias stays zero
    optimiser = Adam([*avatar.parameters(), *per_frame.parameters()], lr=paper.rate)
    found, spent, step = Race(), 0.0, 0
    while spent < seconds:
        began = time.perf_counter()
        _step(avatar, per_frame, optimiser, paper, settings, frames, random)
        wait_for(device)
        spent += time.perf_counter() - began
        step += 1
        job.update("the papers' field", min(int(spent), int(seconds)), max(int(seconds), 1))
        if spent >= seconds * (len(found.seconds) + 1) / looks:
            found.seconds.append(spent)
            found.psnr.append(held_out.psnr(renders_of_paper(avatar, per_frame, capture)))
    return found


def _step(
    avatar: PaperAvatar, per_frame: PerFrame, optimiser: Adam, paper: PaperConfig,
    settings: TrainSettings, frames: TrainingFrames, random: np.random.Generator,
) -> None:  # fmt: skip
    """One step of stage one, with the engine's losses on the coarse and on the fine picture."""
    count = min(settings.frames_per_step, len(frames))
    chosen = random.choice(len(frames), count, replace=False)
    rows = torch.from_numpy(chosen).to(frames.psi.device)
    psi, theta, translation = frames.psi[rows], frames.theta[rows], frames.translation[rows]
    pose = avatar.poser.pose(psi, theta, translation)
    bias = avatar.avatar.tracking
    condition = per_frame.condition(bias, rows, psi, theta, translation)
    boxes = pixel_boxes(pose.vertices.cpu().numpy(), frames.camera)
    rays, target = random_rays(frames, chosen, boxes, paper.rays, random)
    background = torch.rand(len(target), 3, device=target.device)
    total = torch.zeros((), device=target.device)
    for shaded in avatar.shade(pose, rays, condition, training=True):
        total = total + losses(
            settings, shaded.colour, shaded.alpha, shaded.weights, target, background,
            shaded.samples, shaded.deformed, *per_frame.size(rows), bias.size(),
            torch.zeros_like(shaded.alpha), stage_two=False,
        ).total  # fmt: skip
    optimiser.zero_grad(set_to_none=True)
    total.backward()
    optimiser.step()


def renders_of_paper(avatar: PaperAvatar, per_frame: PerFrame, capture: Capture) -> Render:
    """The baseline's fine pictures of a capture's motion, mean codes, on white."""
    motion, device = capture.motion, avatar.avatar.device

    @torch.no_grad()
    def render(camera: Camera, frame: int) -> np.ndarray:
        psi, theta, translation = (
            torch.from_numpy(values[None]).float().to(device)
            for values in (motion.psi[frame], motion.theta[frame], motion.translation[frame])
        )
        per_frame.leave_means(avatar.avatar)
        condition = avatar.avatar.condition(motion.psi[frame], motion.theta[frame])
        pose = avatar.poser.pose(psi, theta, translation)
        origin, directions = camera.rays()
        pieces = []
        for chunk in torch.from_numpy(directions).to(device).split(RAYS_AT_ONCE):
            rays = Rays(
                origins=torch.from_numpy(origin).to(device).expand_as(chunk).contiguous(),
                directions=chunk.contiguous(),
                frame=torch.zeros(len(chunk), dtype=torch.int32, device=device),
                jitter=torch.full((len(chunk),), 0.5, device=device),
            )
            pieces.append(on_white(avatar.shade(pose, rays, condition, training=False)[1]))
        return torch.cat(pieces).view(camera.height, camera.width, 3).cpu().numpy()

    return render


def on_white(shaded: Shaded) -> torch.Tensor:
    """Colours [R, 3] in 0…1 on white."""
    return (shaded.colour + 1 - shaded.alpha[:, None]).clamp(0, 1)
