# SPDX-License-Identifier: GPL-3.0-or-later
"""The training loop: PartNerFace's two stages, read from top to bottom.

Stage one holds every sample to one part by the head model's labels, while the assigner learns those
labels; stage two blends softly and trains everything jointly (PartNerFace, two-stage training).
"""

import logging
import math
import time
from collections.abc import Callable

import numpy as np
import torch
from torch.nn.utils import get_total_norm

from ..adam import Adam
from ..avatar.model import Avatar
from ..errors import Cancelled
from ..jobs import Job
from .checkpoints import Progress
from .floating import floating_heights
from .frames import TrainingFrames
from .per_frame import PerFrame
from .prior import start_from_head
from .settings import TrainSettings
from .step import Moment, Steps
from .watch import Watch, slowed

log = logging.getLogger(__name__)

FRESH = 0.02  # weight of the newest step in the curves' running means
CURVE_EVERY = 10  # steps
CELLS_AT_ONCE = 16384
LOOKS = 8  # updates after which every reachable cell has been looked at once, on average


def optimiser_for(settings: TrainSettings, avatar: Avatar, per_frame: PerFrame) -> Adam:
    """An Adam with a rate each for table, nets and codes, corrections, and the tracker's bias."""
    table = avatar.field.table
    bias = list(avatar.tracking.parameters())
    apart = {id(value) for value in (table, *bias)}
    nets = [value for value in avatar.parameters() if id(value) not in apart]
    codes = [value for value in (per_frame.code, per_frame.appearance) if value.requires_grad]
    groups = [
        {"name": "table", "params": [table], "lr": settings.rate_table},
        {"name": "nets", "params": [*nets, *codes], "lr": settings.rate_nets},
        {
            "name": "corrections",
            "params": list(per_frame.corrections.values()),
            "lr": settings.rate_corrections,
        },
        {"name": "bias", "params": bias if settings.tracker_bias else [], "lr": settings.rate_bias},
    ]
    groups = [group | {"first_lr": group["lr"]} for group in groups if group["params"]]
    return Adam(groups, betas=(0.9, 0.99), eps=1e-15, fused=True)


def train(
    settings: TrainSettings,
    frames: TrainingFrames,
    avatar: Avatar,
    per_frame: PerFrame,
    optimiser: Adam,
    random: np.random.Generator,
    progress: Progress,
    job: Job,
    save: Callable[[], None],
    restore: Callable[[], None],
    show: Callable[[], None] = lambda: None,
) -> None:
    """Train from `progress.step` to the last step, saving now and then.

    Args:
        settings: the run's settings.
        frames: N training frames.
        avatar: the avatar; changed in place.
        per_frame: codes and corrections; changed in place.
        optimiser: from `optimiser_for`.
        random: chooses frames and pixels.
        progress: where the run stands; changed in place.
        job: told of every step; its cancellation ends the run.
        save: writes a checkpoint; called now and then, at the end, and when the job is cancelled.
        restore: goes back to it, `progress` included.
        show: called after every step, for whoever wants to see how the avatar looks by now.

    Raises:
        Cancelled: the job was asked to stop; everything is as the last whole step left it.
        DivergedError: training failed again and again (`watch`).
    """
    steps = Steps(avatar, [value for group in optimiser.param_groups for value in group["params"]])
    if not progress.begun:
        avatar.tracking.observe(frames.theta, frames.translation)
        avatar.occupancy.start(avatar.skin, avatar.low, avatar.size, avatar.config.shell)
        start_from_head(avatar, random)
        progress.begun = True
        save()
    grown, heights = steps.grown_occupancy(), floating_heights(avatar)
    saved, watch = time.time(), Watch()
    while progress.step < settings.steps:
        began, step = time.time(), progress.step
        share = step / settings.steps
        stage_two = share >= settings.warm_up
        avatar.window = avatar.config.position_octaves * min(share / settings.anneal, 1.0) + 1e-3
        for group in optimiser.param_groups:
            # In stage one there is nothing yet that corrections could hold on to.
            waits = group["name"] in ("corrections", "bias") and not stage_two
            group["lr"] = 0.0 if waits else group["first_lr"] * settings.last_rate**share
            group["lr"] *= progress.rate * min((step + 1) / settings.ramp, 1.0)
        if step % settings.occupancy_every == 0:
            update_occupancy(avatar, per_frame, frames, random, anew=step == 0)
            if step >= settings.occupancy_from:  # until then nothing counts as empty
                avatar.occupancy.refresh()
            grown = steps.grown_occupancy()

        chosen = random.choice(
            len(frames), min(settings.frames_per_step, len(frames)), replace=False
        )
        # A frame often goes without what is its own, as every keyed frame will.
        kept = (torch.rand(len(chosen), device=avatar.device) >= settings.dropout).float()
        moment = Moment(settings, frames, avatar, per_frame, grown, heights, step, stage_two)
        found = steps.work_out(moment, chosen, kept, progress.rays, random)
        slope = float(get_total_norm([g for g in found.gradients if g is not None]))
        loss = found.loss if math.isfinite(slope) else math.nan
        if watch.observe(loss, found.alpha, found.matte):
            go_back(watch.trouble, progress, restore)
            steps.surveys.clear()  # of poses that went wrong, too
            grown, watch = steps.grown_occupancy(), Watch()
            continue
        for parameter, gradient in zip(steps.parameters, found.gradients, strict=True):
            parameter.grad = gradient
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

        progress.samples += found.samples
        progress.rays = next_rays(progress.rays, found.samples, settings.samples)
        progress.step = step + 1
        progress.seconds += time.time() - began
        psnr = -10 * math.log10(max(found.mse, 1e-10))
        progress.observe(found.loss, psnr, FRESH)
        if progress.step % CURVE_EVERY == 0 or progress.step == settings.steps:
            progress.record()
        if time.time() - saved > settings.checkpoint_s and watch.healthy:
            save()
            saved = time.time()
        show()
        rate = progress.samples / progress.seconds
        try:
            job.update(
                "stage 2, soft parts" if stage_two else "stage 1, hard parts",
                progress.step, settings.steps,
                loss=progress.loss, psnr=progress.psnr, samples_per_s=rate,
            )  # fmt: skip
        except Cancelled:
            if watch.healthy:  # else going on starts where it was still right
                save()
            raise
    if watch.healthy:
        save()


def go_back(trouble: str, progress: Progress, restore: Callable[[], None]) -> None:
    """Return to the last good checkpoint with lower rates, and remember why.

    Raises:
        DivergedError: this has been tried often enough.
    """
    rate = slowed(progress.rate, trouble, len(progress.setbacks))
    setbacks = [*progress.setbacks, f"step {progress.step}: {trouble}"]
    log.warning("%s; going back with rates × %g", setbacks[-1], rate)
    restore()
    progress.rate, progress.setbacks = rate, setbacks


@torch.no_grad()
def update_occupancy(
    avatar: Avatar,
    per_frame: PerFrame,
    frames: TrainingFrames,
    random: np.random.Generator,
    *,
    anew: bool,
) -> None:
    """Look at the density in random reachable cells (all when `anew`) under random frames."""
    grid = avatar.occupancy
    reachable = grid.reachable()
    count = len(reachable) if anew else max(len(reachable) // LOOKS, 1)
    for part in (
        torch.from_numpy(random.permutation(len(reachable))[:count])
        .to(avatar.device)
        .split(CELLS_AT_ONCE)
    ):
        flat = reachable[part]
        u = grid.centres(flat) + (torch.rand(len(flat), 3, device=avatar.device) - 0.5) / grid.cells
        row = torch.from_numpy(random.integers(len(frames), size=1)).to(avatar.device)
        condition = per_frame.condition(
            avatar.tracking, row, frames.psi[row], frames.theta[row], frames.translation[row]
        )
        ones = torch.ones(len(flat), 1, device=avatar.device)
        deformed = avatar.deformation(u * 2 - 1, ones, condition, avatar.window, None)
        sigma = avatar.field.sigma(u + deformed.offset / avatar.size)
        grid.remember(flat, sigma, anew=anew)


def next_rays(rays: int, samples: int, wanted: int) -> int:
    """Rays for the next step, so that the number of samples stays about constant."""
    ratio = wanted / max(samples, 1)
    return int(np.clip(rays * min(max(ratio, 0.5), 2.0) ** 0.5, 64, 65536))
