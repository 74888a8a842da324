# SPDX-License-Identifier: GPL-3.0-or-later
"""How time and memory of training grow with the number of frames."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import is_dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..jobs import Job
from ..train.frames import TrainingFrames
from ..train.settings import TrainSettings
from ..train.step import SURVEYS, Steps
from .clocks import GIB, MemoryWatch, own_memory_gb
from .subject import Subject, sized
from .swapping import swapped
from .training import late_run, steps_of

FREE = 1.2  # room on the disk, as a share of what a file of pictures would take at most
NOISE = 0.01  # rad and expression coefficients, so that no two frames are alike
CPU = torch.device("cpu")


def by_frames(
    subject: Subject, settings: TrainSettings, frames: TrainingFrames, counts: Sequence[int],
    size: int, folder: Path, job: Job,
) -> list[dict[str, float]]:  # fmt: skip
    """Seconds of a training step, and memory beyond the page cache, with so many frames of `size`.

    The pictures are holes in a sparse file, all of them black: their pages are mapped and counted
    as real ones are, but no disk is read. Every step meets frames that were not surveyed before.
    `full_memory_gb` adds what the surveys will take once as many are kept as ever are.
    """
    rows = []
    for count in counts:
        path = folder / f"black-{count}.npy"
        if shutil.disk_usage(folder).free < FREE * count * size * size * 4:
            break
        try:
            many = black_frames(frames, count, size, path)
            rows.append({"frames": count, **_figures(subject, settings, many, job)})
            del many
        finally:
            path.unlink(missing_ok=True)
    return rows


def _figures(
    subject: Subject, settings: TrainSettings, frames: TrainingFrames, job: Job
) -> dict[str, float]:
    before = own_memory_gb()
    run = late_run(settings, frames, subject.avatar)
    with MemoryWatch(CPU) as memory, surveys_seen() as seen:
        seconds, rate = steps_of(run, job, warm=3, measured=6)
        survey = sum(map(bytes_of, seen.values())) / max(len(seen), 1)
        later = max(min(len(frames), SURVEYS) - len(seen), 0) * survey
    return {
        "step_s": float(np.median(seconds)),
        "samples_per_second": rate,
        "before_gb": before,
        "memory_gb": memory.peak_gb,
        "full_memory_gb": memory.peak_gb + later / GIB,
        "survey_mb": survey / 2**20,
    }


def black_frames(frames: TrainingFrames, count: int, size: int, path: Path) -> TrainingFrames:
    """`count` frames of `size` px, their motion that of `frames`, repeated with a little noise."""
    camera = sized(frames.camera, size, size)
    pixels = np.lib.format.open_memmap(
        path, mode="w+", dtype=np.uint8, shape=(count, size, size, 4)
    )
    del pixels  # its holes stay holes: training maps the file read-only
    rows = torch.arange(count) % len(frames)
    noise = torch.Generator().manual_seed(0)

    def repeated(values: Tensor) -> Tensor:
        some = values.cpu()[rows]
        return (some + NOISE * torch.randn(some.shape, generator=noise)).to(values.device)

    return replace(
        frames, indices=np.arange(count), pixels=np.load(path, mmap_mode="r"), camera=camera,
        psi=repeated(frames.psi), theta=repeated(frames.theta),
        translation=frames.translation[rows.to(frames.translation.device)],
    )  # fmt: skip


@contextmanager
def surveys_seen() -> Iterator[dict]:
    """The surveys that training keeps, by frame, while the context lasts."""
    seen: dict = {}
    work_out = Steps.work_out

    def watched(steps: Steps, *rest: object) -> object:
        found = work_out(steps, *rest)
        seen.update(steps.surveys)
        return found

    with swapped((Steps, "work_out", watched)):
        yield seen


def bytes_of(survey: object) -> int:
    """Bytes of the tensors in a survey, and in what it holds."""
    if isinstance(survey, Tensor):
        return survey.nbytes
    return sum(map(bytes_of, vars(survey).values())) if is_dataclass(survey) else 0
