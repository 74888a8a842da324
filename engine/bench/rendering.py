# SPDX-License-Identifier: GPL-3.0-or-later
"""What a frame costs: by quality, by size, by stage; and how true the fast qualities are."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from torch import Tensor

from ..render.frame import SHADERS, on_white
from ..render.shading import Exact, Found, Landed
from ..train.metrics import psnr
from .clocks import MemoryWatch, best_of, seconds_of, stage_clocks
from .subject import Subject, evenly, sized
from .swapping import swapped

QUALITIES = tuple(SHADERS)
FAST = tuple(quality for quality in QUALITIES if quality != "exact")
SQUARES = (128, 256)  # px
FEW = 64  # px along a side, as viewports show at first: large pixels of a whole head
SIZES = ((128, 128), (256, 256), (512, 512), (1920, 1080))


def key(quality: str) -> str:
    """A quality's name in keys."""
    return quality.replace("-", "_")


def by_quality(subject: Subject, budget_s: float) -> dict[str, float]:
    """Seconds of a frame of each square in every quality, and of the first one, which bakes."""
    device = subject.avatar.device
    figures: dict[str, float] = {}
    for quality in QUALITIES:
        for size in SQUARES:
            camera = sized(subject.camera, size, size)

            def frame(camera=camera, quality=quality) -> object:
                return subject.render(camera, quality)

            if size == SQUARES[0]:
                figures[f"{key(quality)}_first_s"] = seconds_of(frame, device)
            figures[f"{key(quality)}_{size}_s"] = best_of(frame, device, budget_s=budget_s)
    return figures


def likeness(subject: Subject, frames: int, size: int) -> dict[str, float]:
    """Mean PSNR of the fast qualities against the exact pictures, dB, on white, full frame.

    Args:
        subject: the avatar; its own motion drives it.
        frames: how many of the motion's frames are compared.
        size: of the pictures, px.
    """
    camera, motion = sized(subject.camera, size, size), subject.avatar.file.motion
    found: dict[str, list[float]] = {quality: [] for quality in FAST}
    for index in evenly(range(len(motion)), frames):
        driven = replace(subject, motion=motion[index])
        truth = on_white(driven.render(camera))
        for quality, values in found.items():
            values.append(psnr(truth, on_white(driven.render(camera, quality))))
    return {f"{key(quality)}_psnr": float(np.mean(values)) for quality, values in found.items()}


def coarse(subject: Subject, frames: int, budget_s: float) -> dict[str, float]:
    """Seconds of the coarse preview that a viewport shows first, and its PSNR to exact ones, dB."""
    camera = sized(subject.camera, FEW, FEW)
    seconds = best_of(
        lambda: subject.render(camera, "preview"), subject.avatar.device, budget_s=budget_s
    )
    return {"coarse_s": seconds, "coarse_psnr": likeness(subject, frames, FEW)["preview_psnr"]}


def by_size(
    subject: Subject, most_s: float, sizes: Sequence[tuple[int, int]] = SIZES
) -> list[dict[str, object]]:
    """Seconds of a frame at growing sizes, in each quality as far as a frame stays affordable."""
    device, rows = subject.avatar.device, []
    for quality in QUALITIES:
        last = None  # seconds per pixel
        for width, height in sizes:
            if last is not None and last * width * height > most_s:
                break
            camera = sized(subject.camera, width, height)
            seconds = best_of(
                lambda camera=camera, quality=quality: subject.render(camera, quality),
                device, most=3, budget_s=most_s / 4,
            )  # fmt: skip
            last = seconds / (width * height)
            rows.append({"quality": quality, "width": width, "height": height, "seconds": seconds})
    return rows


def in_detail(subject: Subject, size: int, runs: int) -> dict[str, object]:
    """Samples and rays per second and peak memory of exact frames; stages of all qualities, ms."""
    device, camera = subject.avatar.device, sized(subject.camera, size, size)
    with samples_counted() as counts, MemoryWatch(device) as memory:
        subject.render(camera)
    samples = sum(counts)
    seconds = best_of(lambda: subject.render(camera), device, most=runs)
    stages = {}
    for quality in QUALITIES:
        with stage_clocks(device) as clocks:
            total = seconds_of(lambda quality=quality: subject.render(camera, quality), device)
        stages[key(quality)] = clocks.milliseconds(total)
    return {
        "samples_per_second": samples / seconds,
        "rays_per_second": camera.width * camera.height / seconds,
        "frame_size": size,
        "frame_samples": samples,
        "frame_stages_ms": stages,
        "render_memory_gb": memory.peak_gb,
    }


@contextmanager
def samples_counted() -> Iterator[list[int]]:
    """How many samples of each wave the nets of exact frames are asked at, while it lasts."""
    counts: list[int] = []
    original = Exact.found

    def counted(shader: Exact, landed: Landed, length: Tensor) -> Found:
        counts.append(len(landed.step))
        return original(shader, landed, length)

    with swapped((Exact, "found", counted)):
        yield counts
