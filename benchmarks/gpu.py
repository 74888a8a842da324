# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that wants a GPU, in one go, into one JSON file.

    python -m benchmarks.gpu --work FOLDER --out gpu.json [--only kernels training frames bench]

Pictures of a synthetic person are made first (on all cores, the long part: about four seconds of
one core for each at 512²; a second call goes on where the first stopped). Then kernels against the
CPU, training on 2,000 frames of 512² until 0.3 dB below where it ends, frames per second in every
quality, and the bench. `--device cpu --tiny` goes the same ways with next to nothing to do.
"""

import argparse
import json
import multiprocessing
import os
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from engine.avatar.model import Avatar
from engine.bench.clocks import MemoryWatch, seconds_of
from engine.bench.command import run as run_bench
from engine.bench.machine import describe_machine
from engine.bench.replay import replay
from engine.bench.subject import HeldOut, evenly, sized, subject_of
from engine.bench.training import Race, Run, fresh_run, race
from engine.capture.folder import Capture, read_capture, write_capture, write_frame
from engine.config import Bench, Train
from engine.devices import resolve_device
from engine.errors import PartNerFaceError
from engine.files import json_text
from engine.head.library import load_head_model
from engine.head.motion import Motion
from engine.jobs import Job
from engine.render.frame import SHADERS, on_white, render_frame
from engine.synthetic.command import frame_camera
from engine.synthetic.motion import FPS, whole_motion
from engine.synthetic.person import Person, make_person
from engine.synthetic.picture import Studio
from engine.train.command import finish
from engine.train.frames import open_frames
from engine.train.metrics import psnr
from engine.train.settings import preset

PARTS = ("kernels", "training", "frames", "bench")
SEED = 0
WITHIN = 0.3  # dB of the final PSNR
BARS = {  # figure → what it should be at least (True) or at most (False), on an H200
    "frame_baked_512_fps": (100.0, True),
    "preview_512_fps": (300.0, True),
    "frame_baked_1080_fps": (30.0, True),
    "seconds_to_final_psnr": (300.0, False),
}


@dataclass(frozen=True)
class Size:
    """How much is done."""

    pixels: int = 512
    frames: int = 2000
    tests: int = 24
    steps: int = 0  # 0 = the preset's
    preset: str = "standard"
    held_out: int = 8
    look_s: float = 5.0
    warm: int = 5  # frames rendered before the clock runs
    timed: int = 60
    full_hd: tuple[int, int] = (1920, 1080)


TINY = Size(
    pixels=32, frames=20, tests=3, steps=6, preset="draft", held_out=1, look_s=1.0, warm=1,
    timed=2, full_hd=(48, 27),
)  # fmt: skip


def main() -> int:
    """Run what was asked for; 1 where there is no card, or something disagrees."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for capture and avatar")
    parser.add_argument("--out", type=Path, help="the JSON file; standard output when left out")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="to see that all of it runs")
    parser.add_argument("--picture-seconds", type=float, default=0.0, help="stop making then")
    options = parser.parse_args()
    try:
        device = resolve_device(options.device)
        if device.type != "cuda" and not options.tiny:
            print("This measures a GPU: give --device cuda on a machine with one.", file=sys.stderr)
            return 1
        figures = measure(options, device)
    except PartNerFaceError as error:
        print(error, file=sys.stderr)
        return 1
    text = json_text(figures)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")
    else:
        print(text)
    return 0 if figures.get("kernels_agree", True) and figures.get("pictures_agree", True) else 1


def measure(options: argparse.Namespace, device: torch.device) -> dict:
    """All figures; those of an earlier call with the same --out are kept."""
    size = TINY if options.tiny else Size()
    figures: dict = {}
    if options.out and options.out.is_file():
        figures = json.loads(options.out.read_text(encoding="utf-8"))
    figures["machine"] = describe_machine(device)
    options.work.mkdir(parents=True, exist_ok=True)
    with Job("gpu") as job:
        capture = pictures(options.work / "capture", size, options.picture_seconds)
        if capture is None:
            return figures | {"unfinished": "pictures are missing; call again"}
        figures.pop("unfinished", None)
        path = options.work / "avatar.safetensors"
        if "training" in options.only or not path.is_file():
            figures |= train(capture, options.work, path, size, device, job)
        if "kernels" in options.only:
            figures |= kernels(capture, path, options.work, size, device, job)
        if "frames" in options.only:
            figures |= frames_per_second(path, size, device, job)
        if "bench" in options.only:
            config = Bench(device=str(device), quick=options.tiny)
            if options.tiny:
                config = replace(config, avatar=path, capture=capture.path, only=("steps",))
            figures["bench"] = run_bench(config, job)
    figures["bars"] = [
        {"figure": name, "found": figures[name], "bar": bar,
         "met": figures[name] >= bar if more else figures[name] <= bar}
        for name, (bar, more) in BARS.items() if figures.get(name) is not None
    ]  # fmt: skip
    return figures


def pictures(folder: Path, size: Size, seconds: float) -> Capture | None:
    """The synthetic capture, its pictures made on all cores; None where time ran out."""
    if (folder / "capture.json").is_file():
        return read_capture(folder)
    person = make_person(SEED, load_head_model("generic"))
    motion = motion_of(person, size)
    camera = frame_camera(person, motion, size.pixels)
    until = time.time() + seconds if seconds else np.inf
    workers = min(os.cpu_count() or 1, 32, len(motion))
    context = multiprocessing.get_context("spawn")
    with context.Pool(workers) as pool:
        tasks = [(folder, size, worker, workers, until) for worker in range(workers)]
        if not all(pool.map(_make_pictures, tasks)):
            return None
    capture = Capture(
        path=folder, camera=camera, fps=FPS, head=person.head, motion=motion,
        train=tuple(range(size.frames)), test=tuple(range(size.frames, len(motion))),
        source={"kind": "synthetic", "seed": SEED, "style": person.look.style},
    )  # fmt: skip
    write_capture(capture)
    return capture


def motion_of(person: Person, size: Size) -> Motion:
    """The motion that all workers agree on."""
    return whole_motion(person.head.expression_names, size.frames, size.tests, SEED)


def _make_pictures(task: tuple) -> bool:
    """Every `workers`-th picture that is not there yet; False where time ran out first."""
    folder, size, worker, workers, until = task
    torch.set_num_threads(1)
    person = make_person(SEED, load_head_model("generic"))
    motion = motion_of(person, size)
    studio = Studio(person, frame_camera(person, motion, size.pixels))
    for index in range(worker, len(motion), workers):
        if (folder / "mattes" / f"{index:05d}.png").is_file():
            continue
        if time.time() > until:
            return False
        found = studio.frame(motion.psi[index], motion.theta[index], motion.translation[index])
        write_frame(folder, index, found.image, found.matte)  # the matte is written last
    return True


def train(
    capture: Capture, work: Path, path: Path, size: Size, device: torch.device, job: Job
) -> dict:
    """Seconds of training until the held-out PSNR is within 0.3 dB of where it ends."""
    settings = preset(size.preset, "partnerface", size.steps)
    frames = open_frames(capture, work, size.pixels, device, job)
    warm = fresh_run(preset("draft", "partnerface", 4), frames, capture.head)
    warm.go(job, lambda step: None)  # kernels are compiled before the clock runs
    run = fresh_run(settings, frames, capture.head)
    held_out = HeldOut(capture, frames.camera, evenly(capture.test, size.held_out))
    with MemoryWatch(device) as memory:
        found = race(run, capture, held_out, job, size.look_s)
    store(run, capture, path)
    return {
        "training_frames": len(frames),
        "training_size": size.pixels,
        "training_steps": settings.steps,
        "training_seconds": found.seconds[-1],
        "final_psnr": found.psnr[-1],
        "seconds_to_final_psnr": lasting(found, found.psnr[-1] - WITHIN),
        "training_samples_per_second": run.progress.samples / run.progress.seconds,
        "training_memory_gb": memory.peak_gb,
        "training_curve": asdict(found),
    }


def lasting(found: Race, level: float) -> float:
    """Seconds after which the PSNR never fell below the level again."""
    below = [s for s, value in zip(found.seconds, found.psnr, strict=True) if value < level]
    return next(s for s in found.seconds if not below or s > below[-1])


def store(run: Run, capture: Capture, path: Path) -> None:
    """Write the avatar as `train` would."""
    finish(
        run.avatar, run.per_frame, capture, run.frames.camera, run.settings, run.progress,
        Train(capture=capture.path, out=path.parent),
    ).write(path)  # fmt: skip


def kernels(
    capture: Capture, path: Path, work: Path, size: Size, device: torch.device, job: Job
) -> dict:
    """Every kernel, and a small picture in every quality, on the device and on the CPU."""
    cpu = torch.device("cpu")
    subject = subject_of(Avatar.load(path, cpu))
    there = subject.of(Avatar.load(path, device))
    frames = open_frames(capture, work, size.pixels, cpu, job)
    settings = replace(preset("draft", "partnerface"), samples=2048, frames_per_step=2)
    small = min(size.pixels, 96)
    found = replay(subject, settings, frames, device, small, job)
    camera = sized(subject.camera, small, small)
    alike = {
        quality: psnr(*(on_white(one.render(camera, quality)) for one in (subject, there)))
        for quality in SHADERS
    }
    return {
        "kernels": [asdict(each) | {"agrees": each.agrees} for each in found],
        "kernels_agree": all(each.agrees for each in found),
        "pictures_psnr_to_cpu": alike,
        "pictures_agree": min(alike.values()) > 38,
    }


def frames_per_second(path: Path, size: Size, device: torch.device, job: Job) -> dict:
    """Frames per second over the avatar's motion, planes on the CPU in the end; peak memory."""
    avatar = Avatar.load(path, device)
    motion, camera = avatar.file.motion, avatar.file.camera
    views = {"512": sized(camera, size.pixels, size.pixels), "1080": sized(camera, *size.full_hd)}
    figures: dict = {}
    with MemoryWatch(device) as memory:
        for quality in SHADERS:
            for name, view in views.items():

                def frame(index: int, view=view, quality=quality) -> None:
                    row = motion[index % len(motion)]
                    render_frame(avatar, view, row.psi, row.theta, row.translation, quality=quality)

                for index in range(size.warm):
                    frame(index)
                count = size.timed if quality != "exact" else max(size.timed // 4, 1)
                job.update(f"frames: {quality} {name}", 0, count)
                seconds = seconds_of(lambda n=count, f=frame: [f(i) for i in range(n)], device)
                figures[f"{quality.replace('-', '_')}_{name}_fps"] = count / seconds
    return figures | {"render_memory_gb": memory.peak_gb}


if __name__ == "__main__":
    sys.exit(main())
