# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's own training loop, watched: its steps timed, its avatar shown to held-out frames."""

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from ..adam import Adam
from ..avatar.model import Avatar
from ..capture.folder import Capture
from ..head.model import Head
from ..jobs import Job
from ..train.checkpoints import Progress
from ..train.frames import TrainingFrames
from ..train.loop import optimiser_for, train
from ..train.per_frame import PerFrame
from ..train.settings import TrainSettings
from .clocks import wait_for
from .subject import HeldOut, renders

STATES = ("avatar", "per_frame", "optimiser")


class Enough(Exception):  # noqa: N818 - no error, the way out of a loop
    """The watcher has seen what it wanted."""


class WatchedJob(Job):
    """Passes a job's progress on, then calls the watcher after every step."""

    def __init__(self, job: Job, after_step: Callable[[int], None]) -> None:
        super().__init__(job.kind, quiet=True)
        self._job, self._after_step = job, after_step

    def update(self, message: str, step: int, total: int, **figures: float | str) -> None:
        """See `Job.update`."""
        self._job.update(message, step, total, **figures)
        self._after_step(step)

    def check(self) -> None:
        """See `Job.check`."""
        self._job.check()


@dataclass
class Run:
    """One training run, ready to go."""

    settings: TrainSettings
    frames: TrainingFrames
    avatar: Avatar
    per_frame: PerFrame
    optimiser: Adam
    random: np.random.Generator
    progress: Progress
    saved: dict[str, object] = field(default_factory=dict)  # the latest checkpoint, in memory

    def go(self, job: Job, after_step: Callable[[int], None]) -> None:
        """Train to the end, or until `after_step` raises `Enough`."""
        try:
            train(
                self.settings, self.frames, self.avatar, self.per_frame, self.optimiser,
                self.random, self.progress, WatchedJob(job, after_step), self._save, self._restore,
            )  # fmt: skip
        except Enough:
            pass

    def _save(self) -> None:
        states = {name: getattr(self, name).state_dict() for name in STATES}
        self.saved = copy.deepcopy(states | {"progress": vars(self.progress)})

    def _restore(self) -> None:
        saved = copy.deepcopy(self.saved)
        for name in STATES:
            getattr(self, name).load_state_dict(saved[name])
        vars(self.progress).update(saved["progress"])


def fresh_run(settings: TrainSettings, frames: TrainingFrames, head: Head, seed: int = 0) -> Run:
    """An untrained avatar of the head, on the frames' device."""
    torch.manual_seed(seed)
    return _run(settings, frames, Avatar(settings.model, head, frames.psi.device), seed)


def late_run(settings: TrainSettings, frames: TrainingFrames, avatar: Avatar) -> Run:
    """A run near its end, of a finished avatar: what a step costs for most of a training.

    Nothing is to be learned from it: the avatar's own weights stay, its copy's change.
    """
    own = copy_of(avatar).train().requires_grad_(True)
    settings = replace(settings, model=avatar.config, steps=100_000)
    run = _run(settings, frames, own, 0)
    run.progress.step, run.progress.begun = settings.steps * 9 // 10, True
    return run


def _run(settings: TrainSettings, frames: TrainingFrames, avatar: Avatar, seed: int) -> Run:
    expressions = len(avatar.head.expression_names)
    per_frame = PerFrame(
        settings.model, len(frames), expressions,
        codes=settings.codes, corrections=settings.corrections,
    ).to(avatar.device)  # fmt: skip
    return Run(
        settings, frames, avatar, per_frame, optimiser_for(settings, avatar, per_frame),
        np.random.default_rng(seed), Progress(rays=settings.first_rays),
    )  # fmt: skip


def copy_of(avatar: Avatar, head: Head | None = None) -> Avatar:
    """The avatar again, its weights its own; on another mesh of the same head where one is given.

    Canonical space stays where it was, however the other mesh's corners lie.
    """
    other = Avatar(avatar.config, head or avatar.head, avatar.device)
    other.load_state_dict(avatar.state_dict())
    other.low, other.size, other.file = avatar.low, avatar.size, avatar.file
    return other.eval().requires_grad_(False)


def steps_of(run: Run, job: Job, *, warm: int, measured: int) -> tuple[list[float], float]:
    """Seconds of each measured step after `warm` others, and samples per second over them."""
    ends: list[float] = []
    samples: list[int] = []

    def watch(step: int) -> None:
        wait_for(run.avatar.device)
        ends.append(time.perf_counter())
        samples.append(run.progress.samples)
        if len(ends) > warm + measured:
            raise Enough

    run.go(job, watch)
    seconds = np.diff(ends)[-measured:]
    count = samples[-1] - samples[-1 - measured]
    return seconds.tolist(), count / float(seconds.sum())


@dataclass
class Race:
    """How a held-out PSNR rose with the seconds of training; looking is not counted."""

    seconds: list[float] = field(default_factory=list)
    psnr: list[float] = field(default_factory=list)

    def seconds_to(self, psnr: float) -> float | None:
        """Seconds after which the PSNR was first that high; None where it never was."""
        return next(
            (s for s, found in zip(self.seconds, self.psnr, strict=True) if found >= psnr), None
        )


def race(run: Run, capture: Capture, held_out: HeldOut, job: Job, every_s: float) -> Race:
    """Train to the end, looking at the held-out frames every `every_s` seconds of training."""
    found = Race()
    clock = {"began": time.perf_counter(), "looking": 0.0}

    def look(step: int) -> None:
        wait_for(run.avatar.device)
        began = time.perf_counter()
        passed = began - clock["began"] - clock["looking"]
        last = found.seconds[-1] if found.seconds else 0.0
        if passed - last < every_s and step < run.settings.steps:
            return
        found.seconds.append(passed)
        found.psnr.append(held_out.psnr(renders(as_finished(run), capture.motion)))
        clock["looking"] += time.perf_counter() - began

    run.go(job, look)
    return found


def as_finished(run: Run) -> Avatar:
    """The avatar with the codes that it would be stored with now; training goes on with it."""
    run.per_frame.leave_means(run.avatar)
    run.avatar.kept.clear()  # what rendering remembered of an earlier step
    return run.avatar
