# SPDX-License-Identifier: GPL-3.0-or-later
"""`bench`: every figure of the engine's speed in one run, as flat keys and as tables of growth."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch

from ..avatar.model import Avatar
from ..capture.folder import Capture, read_capture
from ..config import Bench, BenchPart, Train
from ..devices import resolve_device
from ..jobs import Job
from ..train.command import finish
from ..train.frames import TrainingFrames, open_frames
from ..train.settings import TrainSettings, preset
from .clocks import MemoryWatch, stage_clocks
from .comparison import compare_frames, compare_steps
from .growth import by_mesh, by_parts, growth
from .machine import describe_machine
from .many_frames import by_frames
from .paper_field import PaperConfig
from .paper_training import race_of_paper
from .rendering import by_quality, by_size, coarse, in_detail, likeness
from .subject import HeldOut, Subject, bench_folder, evenly, small_capture, subject_of
from .training import Race, Run, fresh_run, late_run, race, steps_of

VERTICES = (5_000, 25_000)
DETAIL = (128, 256)  # px, of the frame whose stages are told: quick, in full
SMALL = 96  # px, of the frames whose cost grows with parts and mesh
PAPER_LOOK_S = 60.0  # of training the papers' field between two looks, which take it long
MANY = 512  # px, of the many frames

OWN = {"occupancy_from": 48, "occupancy_every": 8}  # our own training is short


@dataclass(frozen=True)
class Effort:
    """How much is measured: what takes minutes, or the same in less than one."""

    steps: int  # of the run that the seconds to a PSNR are taken from
    held_out: int  # frames looked at
    look_s: float  # of training between two looks
    frame_s: float  # the dearest frame of the growth with size
    budget_s: float  # for repeating one measurement
    alike: int  # frames compared across qualities
    reference_size: int  # px of the frame that the reference renders
    reference_samples: int  # of the step that the reference takes
    rounds: int  # of the growth with parts and mesh
    frames: tuple[int, ...]  # of the growth with frames
    paper_s: float  # of training the papers' field; 0 leaves it out
    parts: tuple[int, ...] = (4, 8, 16, 32)


FULL = Effort(
    steps=240, held_out=2, look_s=4.0, frame_s=6.0, budget_s=2.0, alike=3, reference_size=28,
    reference_samples=4096, rounds=3, frames=(100, 1000, 5000), paper_s=24.0,
)  # fmt: skip
QUICK = Effort(
    steps=100, held_out=1, look_s=3.0, frame_s=1.5, budget_s=0.5, alike=1, reference_size=16,
    reference_samples=1024, rounds=2, frames=(100, 1000), paper_s=0.0, parts=(4, 32),
)  # fmt: skip


def run(config: Bench, job: Job) -> dict:
    """Measure, on the user's avatar and capture or on a small synthetic person of our own.

    Raises:
        AvatarError, CaptureError: what was given cannot be used.
        DeviceError: no such device.
        SpaceError: no room in our cache folder.
        Cancelled: stopped.
    """
    began = time.perf_counter()
    device = resolve_device(config.device)
    effort = QUICK if config.quick else FULL
    figures: dict[str, object] = {"machine": describe_machine(device), "quick": config.quick}
    capture = read_capture(config.capture) if config.capture else small_capture(64, 24, 6, job)
    settings = preset(config.preset, "partnerface", config.steps or effort.steps)
    if config.capture is None:
        settings = replace(settings, **OWN)
    folder = bench_folder(f"run-{time.time_ns()}")
    try:
        frames = open_frames(capture, folder, capture.camera.height, device, job)
        bench = Measurement(config, effort, capture, frames, settings, job, figures)
        bench.everything(device)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    figures["bench_seconds"] = time.perf_counter() - began
    return figures


class Measurement:
    """One run of the bench; every method adds its figures."""

    def __init__(
        self, config: Bench, effort: Effort, capture: Capture, frames: TrainingFrames,
        settings: TrainSettings, job: Job, figures: dict[str, object],
    ) -> None:  # fmt: skip
        self.config, self.effort, self.capture = config, effort, capture
        self.frames, self.settings, self.job, self.figures = frames, settings, job, figures
        self.held_out = HeldOut(capture, frames.camera, evenly(capture.test, effort.held_out))

    def everything(self, device: torch.device) -> None:
        """All parts that were asked for, the engine's own training first."""
        ours: Race | None = None
        races = self._asked("paper") and self._paper_seconds > 0  # against our own training
        if self.config.avatar is None or self._asked("training") or races:
            with self._timed("training"):
                ours, avatar = self.training()
        if self.config.avatar is not None:
            avatar = Avatar.load(self.config.avatar, device)
        subject = subject_of(avatar)
        parts: dict[BenchPart, Callable[[Subject], None]] = {
            "steps": self.steps,
            "frame": self.frame,
            "reference": self.reference,
            "resolution": self.resolution,
            "parts": self.parts,
            "mesh": self.mesh,
            "frames": self.many_frames,
        }
        for done, (name, measure) in enumerate(parts.items()):
            self.job.update(f"measuring: {name}", done, len(parts))
            if self._asked(name):
                with self._timed(name):
                    measure(subject)
        if ours is not None and races:
            with self._timed("paper"):
                self.paper(ours)
        peaks = [self.figures.get(f"{name}_memory_gb", 0.0) for name in ("training", "render")]
        self.figures["peak_memory_gb"] = max(peaks)

    def _asked(self, name: BenchPart) -> bool:
        return not self.config.only or name in self.config.only

    @property
    def _paper_seconds(self) -> float:
        return self.config.paper_seconds or self.effort.paper_s

    @contextmanager
    def _timed(self, name: BenchPart) -> Iterator[None]:
        """Take down how long the bench itself took for a part."""
        began = time.perf_counter()
        yield
        seconds = self.figures.setdefault("bench_seconds_by_part", {})
        seconds[name] = round(time.perf_counter() - began, 2)

    def training(self) -> tuple[Race, Avatar]:
        """Seconds until the held-out frames look like the truth; the avatar that came of it."""
        run = fresh_run(self.settings, self.frames, self.capture.head)
        with MemoryWatch(run.avatar.device) as memory:
            found = race(run, self.capture, self.held_out, self.job, self.effort.look_s)
        self.figures |= {
            "target_psnr": self.config.target,
            "seconds_to_psnr": found.seconds_to(self.config.target),
            "training_seconds": found.seconds[-1],
            "held_out_psnr": found.psnr[-1],
            "training_memory_gb": memory.peak_gb,
            "training_curve": {"seconds": found.seconds, "psnr": found.psnr},
        }
        return found, self._finished(run)

    def _finished(self, run: Run) -> Avatar:
        """The avatar as its file holds it, with all that is baked into it."""
        path = bench_folder(f"avatar-{time.time_ns()}")
        out = Train(capture=self.capture.path, out=path)
        try:
            finish(
                run.avatar, run.per_frame, self.capture, self.frames.camera, run.settings,
                run.progress, out,
            ).write(path / "avatar.safetensors")  # fmt: skip
            return Avatar.load(path / "avatar.safetensors", run.avatar.device)
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def steps(self, subject: Subject) -> None:
        """A training step by its stages."""
        device, count = subject.avatar.device, 6
        settings = replace(self.settings, model=subject.avatar.config)
        seconds, rate = steps_of(self._late(settings, subject), self.job, warm=4, measured=count)
        with stage_clocks(device) as clocks:
            run = self._late(settings, subject)
            steps_of(run, self.job, warm=0, measured=count)
            total = run.progress.seconds
        self.figures |= {
            "step_s": min(seconds),
            "training_samples_per_second": rate,
            "step_stages_ms": clocks.milliseconds(total, count + 1),
        }

    def _late(self, settings: TrainSettings, subject: Subject) -> Run:
        return late_run(settings, self.frames, subject.avatar)

    def frame(self, subject: Subject) -> None:
        """A frame in all qualities, the exact one in detail."""
        self.figures |= by_quality(subject, self.effort.budget_s)
        size = DETAIL[0 if self.config.quick else 1]
        self.figures |= in_detail(subject, size, runs=1 if self.config.quick else 2)
        self.figures |= likeness(subject, self.effort.alike, size)
        self.figures |= coarse(subject, self.effort.alike, self.effort.budget_s)

    def reference(self, subject: Subject) -> None:
        """The kernels against the torch references."""
        self.figures |= compare_frames(subject, self.effort.reference_size)
        samples = self.effort.reference_samples
        self.figures |= compare_steps(subject, self.settings, self.frames, samples, self.job)

    def resolution(self, subject: Subject) -> None:
        """Frames of growing size."""
        self.figures["by_resolution"] = by_size(subject, self.effort.frame_s)

    def parts(self, subject: Subject) -> None:
        """More and more local nets."""
        rows = by_parts(
            subject,
            self.settings,
            self.frames,
            self.effort.parts,
            SMALL,
            self.effort.rounds,
            self.job,
        )
        name = f"parts_growth_{rows[0]['parts']}_{rows[-1]['parts']}"
        self.figures |= {"by_parts": rows, name: growth(rows)}

    def mesh(self, subject: Subject) -> None:
        """A finer and finer head."""
        rows = by_mesh(
            subject, self.settings, self.frames, VERTICES, SMALL, self.effort.rounds, self.job
        )
        self.figures |= {"by_vertices": rows, "mesh_growth_5k_25k": growth(rows)}

    def many_frames(self, subject: Subject) -> None:
        """More and more frames of 512²."""
        folder = bench_folder("black")
        rows = by_frames(
            subject, self.settings, self.frames, self.effort.frames, MANY, folder, self.job
        )
        self.figures["by_frames"] = rows
        if rows:  # none where the disk has no room
            name = f"training_memory_gb_{rows[-1]['frames']}_frames"
            self.figures[name] = rows[-1]["full_memory_gb"]

    def paper(self, ours: Race) -> None:
        """Seconds to the same PSNR: the papers' field against the engine's.

        The PSNR is the target where the papers' field reaches it in time, else the best it got to;
        where the engine is past that at its first look, the ratio is a lower bound.
        """
        theirs = race_of_paper(
            PaperConfig(), self.settings, self.frames, self.capture, self.held_out,
            self._paper_seconds, max(int(self._paper_seconds / PAPER_LOOK_S), 1), self.job,
        )  # fmt: skip
        equal = min(self.config.target, max(theirs.psnr))
        mine, others = ours.seconds_to(equal), theirs.seconds_to(equal)
        self.figures |= {
            "paper_field_reached_target": theirs.seconds_to(self.config.target) is not None,
            "paper_field_seconds": theirs.seconds[-1],
            "paper_field_psnr": theirs.psnr[-1],
            "equal_psnr": equal,
            "equal_psnr_seconds": mine,
            "equal_psnr_paper_field_seconds": others,
            "speed_vs_paper_field": others / mine if mine and others else None,
            "speed_vs_paper_field_is_bound": mine == ours.seconds[0],
        }
