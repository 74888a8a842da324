# SPDX-License-Identifier: GPL-3.0-or-later
"""Does a long capture stay small in memory, and come out the same after kill -9?

    python -m benchmarks.capture_long CLIP FOLDER [--frames 5000] [--height 1080] [--kills 3]

A clip is played forwards and backwards, scaled and padded to 16:9, until it is as long as asked. It
is captured once without a break, with the most memory the process or its ffmpeg ever held, and
once killed at random, while landmarks are found and while pictures are written, and resumed. Then
every file of the two folders is compared, byte by byte; of capture.json the seconds it took are
left out. Not for Windows, which counts memory otherwise.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import tyro
from tyro.conf import Positional

from engine.capture.source import Source, open_source
from engine.files import write_atomic

RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes in a unit of ru_maxrss


@dataclass(frozen=True)
class Options:
    """What to capture."""

    clip: Positional[Path]
    """A clip of one person; its frames are held in memory by nobody."""
    folder: Positional[Path]
    """Where the long clip and the two captures go."""
    frames: int = 5000
    """Length of the long clip."""
    height: int = 1080
    """Height of its frames, px."""
    kills: int = 3
    """How many times the second capture is killed."""
    head: str = "generic"
    """Head model, as `capture` takes it."""
    size: int = 512
    """Stored pictures, px, as `capture` takes it."""
    device: str = "cpu"
    """auto, cpu or cuda."""
    seed: int = 0
    """Of the moments at which it is killed."""


def to_and_fro(source: Source, frames: int) -> Iterator[np.ndarray]:
    """So many pictures [H, W, 3] uint8 RGB: forwards, backwards, forwards, without a jump.

    Going backwards decodes the clip again for every batch, so that only a batch is in memory.
    """
    batch, last = 64, sum(1 for _ in source.read()) - 1
    left = frames
    while left > 0:
        for frame in source.read(0, min(last, left) - 1):
            yield frame.picture
            left -= 1
        for end in range(last, 0, -batch):
            start = max(end - batch + 1, 1)
            pictures = [frame.picture for frame in source.read(start, end)] if left > 0 else []
            for picture in pictures[::-1][:left]:
                yield picture
                left -= 1


def write_long_clip(source: Source, path: Path, frames: int, height: int) -> None:
    """Write the long clip, 16:9, one frame in memory at a time."""
    import imageio_ffmpeg

    width = round(height * 16 / 9 / 2) * 2

    def write(temporary: Path) -> None:
        writer = imageio_ffmpeg.write_frames(
            str(temporary), (width, height), fps=source.fps, codec="libx264", quality=8,
            macro_block_size=2, ffmpeg_log_level="error",
        )  # fmt: skip
        writer.send(None)
        for picture in to_and_fro(source, frames):
            scale = min(height / picture.shape[0], width / picture.shape[1])
            scaled = cv2.resize(picture, None, fx=scale, fy=scale)[:height, :width]
            above, beside = (height - scaled.shape[0]) // 2, (width - scaled.shape[1]) // 2
            writer.send(cv2.copyMakeBorder(
                scaled, above, height - scaled.shape[0] - above,
                beside, width - scaled.shape[1] - beside, cv2.BORDER_REPLICATE,
            ))  # fmt: skip
        writer.close()

    write_atomic(path, write)


def capture(options: Options, clip: Path, out: Path, kill_at: int | None) -> tuple[bool, int]:
    """Run the capture, or kill it when so much is kept; whether it ended by itself, peak bytes."""
    process = subprocess.Popen(
        [sys.executable, "-m", "engine", "capture", str(clip), str(out), "--head", options.head,
         "--size", str(options.size), "--device", options.device],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    while True:
        done, status, usage = os.wait4(process.pid, os.WNOHANG)
        if done:
            break
        if kill_at is not None and sum(kept(out)) >= kill_at:
            os.kill(process.pid, signal.SIGKILL)
            kill_at = None
        time.sleep(0.02)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, -signal.SIGKILL):
        raise SystemExit(f"The capture failed with exit status {process.returncode}.")
    return process.returncode == 0, usage.ru_maxrss * RSS_UNIT


def kept(out: Path) -> tuple[int, int]:
    """How many chunks of landmarks and how many pictures a folder holds."""
    chunks = (out / "stages" / "landmarks").glob("[0-9]*.safetensors")
    return len(list(chunks)), len(list((out / "images").glob("[0-9]*.png")))


def kill_points(chunks: int, pictures: int, kills: int, seed: int) -> list[int]:
    """Ascending counts of what is kept, at which to kill: landmarks and pictures in turn."""
    chance = random.Random(seed)
    early = [chance.randint(1, chunks) for _ in range((kills + 1) // 2)]
    late = [chunks + chance.randint(1, max(pictures - 1, 1)) for _ in range(kills // 2)]
    return sorted({*early, *late})


def differences(one: Path, other: Path) -> list[str]:
    """Names of the files that the two capture folders do not have alike."""
    contents = [_content(folder) for folder in (one, other)]
    names = set(contents[0]) | set(contents[1])
    return sorted(name for name in names if contents[0].get(name) != contents[1].get(name))


def _content(folder: Path) -> dict[str, bytes]:
    files = {
        path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()
    }
    content = {name: path.read_bytes() for name, path in files.items()}
    if "capture.json" in content:
        told = json.loads(content["capture.json"])
        told["figures"].pop("seconds", None)
        content["capture.json"] = json.dumps(told, sort_keys=True).encode()
    return content


def main(options: Options) -> int:
    """Make the clip, capture it twice, compare; the exit status."""
    options.folder.mkdir(parents=True, exist_ok=True)
    clip = options.folder / f"long_{options.frames}_{options.height}.mp4"
    if not clip.is_file():
        write_long_clip(open_source(options.clip), clip, options.frames, options.height)
    whole, broken = options.folder / "whole", options.folder / "broken"
    for out in (whole, broken):
        if out.exists():
            raise SystemExit(f"{out} is there already; remove it first.")
    started = time.monotonic()
    finished, peak = capture(options, clip, whole, None)
    if not finished:
        raise SystemExit("Something else killed the unbroken capture; remove it and try again.")
    seconds = time.monotonic() - started
    print(f"unbroken: {seconds:.0f} s, at most {peak / 2**30:.2f} GiB", flush=True)
    kills = 0
    for point in kill_points(*kept(whole), options.kills, options.seed):
        done, most = capture(options, clip, broken, point)
        peak = max(peak, most)
        if done:
            break
        kills += 1
        print("killed: {} chunks of landmarks and {} pictures are kept".format(*kept(broken)))
    capture(options, clip, broken, None)
    other = differences(whole, broken)
    told = json.loads((whole / "capture.json").read_text(encoding="utf-8"))
    print(f"{told['figures']['frames_used']} of {told['figures']['frames_total']} frames used")
    print(f"peak memory: {peak / 2**30:.2f} GiB")
    print(f"killed {kills} times: " + (f"{len(other)} files differ: {other[:9]}" if other
                                       else "every file is the same"))  # fmt: skip
    return 1 if other else 0


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options, description=__doc__)))
