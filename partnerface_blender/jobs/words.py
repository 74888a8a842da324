# SPDX-License-Identifier: GPL-3.0-or-later
"""A job in the artist's words: its name, how far it is, what it has made."""

from dataclasses import dataclass
from pathlib import Path

from .status import JobStatus

NAMES = {"capture": "Capture", "train": "Training", "export": "Mesh export", "synth": "Test person",
         "render": "Sequence", "import": "Dataset", "setup": "Engine set-up"}  # fmt: skip
STATES = {"queued": "waiting", "starting": "starting", "running": "running", "paused": "paused",
          "done": "done", "cancelled": "stopped", "failed": "failed", "lost": "killed"}  # fmt: skip
ICONS = {"queued": "TIME", "starting": "TRIA_RIGHT", "running": "PLAY", "paused": "PAUSE",
         "done": "CHECKMARK", "cancelled": "X", "failed": "ERROR", "lost": "ERROR"}  # fmt: skip


@dataclass(frozen=True)
class Made:
    """What a job has made, as far as it is there."""

    avatar: Path | None = None
    report: Path | None = None
    overlay: Path | None = None
    capture: Path | None = None
    folder: Path | None = None


def title(status: JobStatus) -> str:
    """What the job does, and to what: “Training kim”."""
    name = NAMES.get(status.kind, status.kind.capitalize() or "Job")
    out = output(status)
    return f"{name} {out.name}" if out is not None else name


def output(status: JobStatus) -> Path | None:
    """The file or folder that the job writes."""
    words = status.arguments
    if status.kind in ("capture", "train", "export", "render", "import") and len(words) > 2:
        return Path(words[2])
    return Path(words[1]) if status.kind == "synth" and len(words) > 1 else None


def clock(seconds: float) -> str:
    """Seconds as m:ss, or as h:mm:ss when there are many."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def progress(status: JobStatus) -> str:
    """The text in the progress bar: share, and time left where it is known."""
    if status.state == "queued":
        return "waits"
    share = f"{status.fraction:.0%}"
    if status.state == "paused":
        return f"{share}, paused"
    if status.pause_asked:
        return f"{share}, pauses at its next step"
    if status.cancel_asked and status.at_work:
        return f"{share}, stops at its next step"
    return f"{share}, {clock(status.eta_s)} left" if status.eta_s else share


def figures(status: JobStatus) -> str:
    """What else the job tells: “loss 0.0123, psnr 24.1”."""
    return ", ".join(
        f"{name.replace('_', ' ')} {value:.4g}"
        if isinstance(value, float)
        else f"{name.replace('_', ' ')} {value}"
        for name, value in status.figures.items()
    )


def in_lines(status: JobStatus) -> list[str]:
    """The status in a few short lines."""
    lines = [f"{title(status)}: {STATES.get(status.state, status.state)}", status.sentence]
    if status.at_work:
        lines += [figures(status), f"{status.step} of {status.total}, {progress(status)}"]
    return [line for line in lines if line]


def made(status: JobStatus) -> Made:
    """What the job has made, as far as it is there; looks at the disk."""
    out = output(status)
    if out is None:
        return Made()
    folder = out if out.is_dir() else out.parent
    if status.kind == "train":
        avatar = out / "avatar.safetensors"
        return Made(avatar=avatar if avatar.is_file() else None, folder=_there(folder))
    if status.kind in ("capture", "import", "synth"):
        done = (out / "capture.json").is_file()
        return Made(
            report=_there(out / "report.html"),
            overlay=_there(out / "overlay.mp4"),
            capture=out if done else None,
            folder=_there(folder),
        )
    return Made(folder=_there(folder))


def _there(path: Path) -> Path | None:
    return path if path.exists() else None
