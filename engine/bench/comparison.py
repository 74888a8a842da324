# SPDX-License-Identifier: GPL-3.0-or-later
"""The Warp kernels against the torch references, on one frame and one kind of training step.

Both get the same rays of the same avatar with the same grids and nets; the picture is small since
the reference is slow. What is compared is samples per second.
"""

from dataclasses import replace

import numpy as np

from ..jobs import Job
from ..render.frame import on_white
from ..train.frames import TrainingFrames
from ..train.metrics import psnr
from ..train.settings import TrainSettings
from .clocks import best_of, seconds_of, stage_clocks
from .reference_path import reference_kernels
from .rendering import samples_counted
from .subject import Subject, sized
from .training import late_run, steps_of

FRAMES = 2  # of the training steps; all of them are surveyed before the clock starts


def compare_frames(subject: Subject, size: int) -> dict[str, object]:
    """An exact frame of `size` px with both: seconds, samples per second, stages, likeness."""
    device, camera = subject.avatar.device, sized(subject.camera, size, size)
    with samples_counted() as counts:
        pictures = [subject.render(camera)]
    samples = sum(counts)
    with stage_clocks(device):  # one thing after the other here, too
        fast_s = best_of(lambda: subject.render(camera), device)
    with reference_kernels(subject.avatar):
        with stage_clocks(device) as slow_clocks:
            slow_s = seconds_of(lambda: pictures.append(subject.render(camera)), device)
    with stage_clocks(device) as clocks:
        total = seconds_of(lambda: subject.render(camera), device)
    return {
        "speedup_vs_reference": slow_s / fast_s,
        "reference_frame_size": size,
        "reference_frame_samples": samples,
        "fast_frame_samples_per_second": samples / fast_s,
        "reference_frame_samples_per_second": samples / slow_s,
        "reference_psnr": psnr(*map(on_white, pictures)),
        "reference_stages_ms": {
            "fast": clocks.milliseconds(total),
            "reference": slow_clocks.milliseconds(slow_s),
        },
    }


def compare_steps(
    subject: Subject, settings: TrainSettings, frames: TrainingFrames, samples: int, job: Job
) -> dict[str, float]:
    """A training step of about `samples` samples with both: samples per second, and their ratio."""
    few = some_frames(frames, FRAMES)
    settings = replace(settings, samples=samples, first_rays=max(samples // 8, 64))
    settings = replace(settings, frames_per_step=FRAMES)
    _, fast = steps_of(late_run(settings, few, subject.avatar), job, warm=8, measured=4)
    with reference_kernels(subject.avatar):
        _, slow = steps_of(late_run(settings, few, subject.avatar), job, warm=1, measured=1)
    return {
        "speedup_vs_reference_training": fast / slow,
        "fast_training_samples_per_second": fast,
        "reference_training_samples_per_second": slow,
    }


def some_frames(frames: TrainingFrames, count: int) -> TrainingFrames:
    """The first `count` of the frames."""
    rows = np.arange(min(count, len(frames)))
    return replace(
        frames, indices=frames.indices[rows], pixels=frames.pixels[rows],
        psi=frames.psi[rows], theta=frames.theta[rows], translation=frames.translation[rows],
    )  # fmt: skip
