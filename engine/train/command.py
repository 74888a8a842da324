# SPDX-License-Identifier: GPL-3.0-or-later
"""`train`: a capture folder in, an avatar file out."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ..avatar.file import AvatarFile
from ..avatar.model import Avatar
from ..capture.folder import Capture, read_capture
from ..config import Train
from ..cores import shared_out
from ..devices import resolve_device
from ..errors import InputError
from ..files import check_writable, sweep, write_text_atomic
from ..jobs import Job
from ..render.frame import on_white, render_frame
from ..render.preview import preview_of
from .checkpoints import Progress, load_checkpoint, run_key, save_checkpoint
from .frames import capture_key, open_frames
from .glimpse import Glimpse
from .loop import optimiser_for, train
from .per_frame import PerFrame
from .settings import TrainSettings, preset

THUMBNAIL = 128  # px


class TrainingState(torch.nn.Module):
    """All that a checkpoint holds of the model: the avatar and what was learned per frame."""

    def __init__(self, avatar: Avatar, per_frame: PerFrame) -> None:
        super().__init__()
        self.avatar, self.per_frame = avatar, per_frame


def run(config: Train, job: Job) -> dict:
    """Train, or go on training, and write OUT/avatar.safetensors and OUT/curves.json.

    Raises:
        CaptureError: the capture cannot be used.
        DeviceError: no such device.
        SpaceError: OUT cannot be written.
        DivergedError: training failed again and again.
        Cancelled: stopped; the checkpoint is written, unless training looked wrong by then.
    """
    device = resolve_device(config.device)
    capture = read_capture(config.capture)
    if config.steps < 0 or config.size < 0:
        raise InputError("Steps and size cannot be negative.", "Leave them out for the preset's.")
    settings = preset(config.preset, config.method, config.steps)
    size = config.size or capture.camera.height
    checkpoints = config.out / "checkpoints"
    check_writable(checkpoints)
    checkpoints.mkdir(parents=True, exist_ok=True)
    for folder in (config.out, checkpoints):
        sweep(folder)
    frames = open_frames(capture, checkpoints, size, device, job)

    torch.manual_seed(config.seed)
    random = np.random.default_rng(config.seed)
    avatar = Avatar(settings.model, capture.head, device)
    per_frame = PerFrame(
        settings.model,
        len(frames),
        len(capture.head.expression_names),
        codes=settings.codes,
        corrections=settings.corrections,
    ).to(device)
    state = TrainingState(avatar, per_frame)
    optimiser = optimiser_for(settings, avatar, per_frame)
    key = run_key(settings.to_json() | {"seed": config.seed, "size": size}, capture_key(capture))
    path = checkpoints / "latest.safetensors"
    progress = load_checkpoint(path, key, state, optimiser, random) if config.resume else None
    progress = progress or Progress(rays=settings.first_rays)

    def save() -> None:
        save_checkpoint(path, key, state, optimiser, random, progress)

    def restore() -> None:
        kept = load_checkpoint(path, key, state, optimiser, random)
        if kept is None:
            raise InputError(
                f"Training has to go back to {path}, which is gone or damaged.",
                "Run the same command again: it begins anew.",
            )
        vars(progress).update(vars(kept))

    glimpse = Glimpse(avatar, per_frame, capture, frames.camera, job.preview)
    with shared_out():
        train(
            settings, frames, avatar, per_frame, optimiser, random, progress, job, save, restore,
            glimpse.show,
        )  # fmt: skip
    glimpse.show(at_once=True)
    avatar_path = config.out / "avatar.safetensors"
    finish(avatar, per_frame, capture, frames.camera, settings, progress, config).write(avatar_path)
    write_text_atomic(config.out / "curves.json", json.dumps(progress.curves))
    return {
        "steps": progress.step,
        "seconds": progress.seconds,
        "psnr_train": progress.curves["psnr"][-1],
        "samples_per_second": progress.samples / max(progress.seconds, 1e-9),
        "setbacks": len(progress.setbacks),
        "avatar": str(avatar_path),
    }


def finish(
    avatar: Avatar,
    per_frame: PerFrame,
    capture: Capture,
    camera: object,
    settings: TrainSettings,
    progress: Progress,
    config: Train,
) -> AvatarFile:
    """The avatar file's content: mean codes, everything learned, preview and thumbnail."""
    per_frame.leave_means(avatar)
    avatar.window = float("inf")
    avatar.eval().requires_grad_(False)
    avatar.kept.clear()  # what was prepared while it was still learning
    neutral = int(np.abs(capture.motion.psi).sum(1).argmin())
    motion = capture.motion
    small = camera.resized(THUMBNAIL, round(THUMBNAIL * camera.height / camera.width))
    record = {
        "settings": settings.to_json(),
        "seed": config.seed,
        "steps": progress.step,
        "seconds": round(progress.seconds, 2),
        "samples": progress.samples,
        "setbacks": progress.setbacks,
        "psnr_train": progress.curves["psnr"][-1],
        "capture": str(Path(config.capture).resolve()),
        "source": dict(capture.source),
        "times": capture.seconds.round(4).tolist(),
        "splits": {"train": list(capture.train), "test": list(capture.test)},
    }
    avatar.file = AvatarFile(
        method=settings.model.method,
        config=settings.model.to_json(),
        weights=avatar.weights(),
        head=capture.head,
        motion=motion,
        camera=camera,
        fps=capture.fps,
        record=record,
        thumbnail=np.zeros((small.height, small.width, 3), np.uint8),
    )
    planes = render_frame(
        avatar, small, motion.psi[neutral], motion.theta[neutral], motion.translation[neutral],
        quality="preview",
    )  # fmt: skip
    avatar.file = replace(
        avatar.file,
        thumbnail=(on_white(planes) * 255 + 0.5).astype(np.uint8),
        preview=preview_of(avatar).to_arrays(),
    )
    return avatar.file
