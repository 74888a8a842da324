# SPDX-License-Identifier: GPL-3.0-or-later
"""What every command can be told: one frozen dataclass each, made into command lines by tyro.

This module imports neither torch nor warp, so that `--help` is instant.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

Method = Literal[
    "partnerface", "global", "none", "hard", "one-stage", "no-offsets",
    "leaky-masks", "all-expressions", "codes", "no-corrections", "no-bias", "no-float",
    "no-teeth", "parts-1", "parts-4", "parts-16",
]  # fmt: skip
Quality = Literal["exact", "frame-baked", "preview"]
Preset = Literal["draft", "standard", "high"]
DatasetFormat = Literal[
    "auto", "nerface", "imavatar", "metrical-tracker", "insta", "flashavatar", "vhap", "nha"
]

BenchPart = Literal[
    "training", "steps", "frame", "reference", "resolution", "parts", "mesh", "frames", "paper"
]


@dataclass(frozen=True)
class Command:
    """What all commands share."""

    json: bool = False
    """Print one machine-readable line, a JSON object, last on standard output."""
    job: Path | None = None
    """Job folder for status.json; a file named `cancel` in it stops the work."""
    quiet: bool = False
    """No progress on standard error."""


@dataclass(frozen=True)
class Synth(Command):
    """Make a procedural person and its capture with known ground truth."""

    out: Positional[Path] = field(kw_only=True)
    """Capture folder to write."""
    seed: int = 0
    """Which person."""
    glasses: Literal["auto", "yes", "no"] = "auto"
    """Whether the person wears glasses; about one in three does when left to the seed."""
    size: int = 128
    """Width and height of the pictures, px."""
    frames: int = 96
    """Training frames: speech-like, mild motion."""
    test_frames: int = 24
    """Test frames: stronger motion than in training."""
    video: Path | None = None
    """Also write the frames as a video file."""


@dataclass(frozen=True)
class Capture(Command):
    """Track the head in a video and write a capture folder."""

    clip: Positional[Path] = field(kw_only=True)
    """A video file, or a folder of pictures."""
    out: Positional[Path] = field(kw_only=True)
    """Capture folder to write; an unfinished one is continued."""
    head: str = "generic"
    """Head model: `generic`, or the path of one (`head list` says which are known)."""
    size: int = 512
    """Width and height of the stored pictures, px; never larger than the clip's shorter side."""
    frames: str = ""
    """Frame range A-B of the clip, counted from 0, B included; all when empty."""
    stride: int = 1
    """Take every so many-th frame of the range."""
    fps: float = 0.0
    """Frames per second of a folder of pictures; 0 = 25. Videos have their own."""
    person: str = ""
    """Whom to follow when there are several: largest, left, right, middle, or a point X,Y of the
    first frame, 0 to 1 from its upper left corner."""
    landmarks: Path | None = None
    """A MediaPipe face_landmarker.task model of your own, or landmarks as npz, json or csv."""
    matte: str = "guided"
    """`guided` (segmentation refined by a guided filter), `closed-form` (closed-form matting: finer
    in hair, slower), or your own: a folder of pictures or a video, one matte for each frame."""
    cut: Literal["neck", "none"] = "neck"
    """Cut the matte where the head model's neck ends, or keep the whole person."""
    device: str = "auto"
    """auto, cpu or cuda."""


@dataclass(frozen=True)
class Report(Command):
    """Write a capture's report again: how well it is followed, and what to film again."""

    capture: Positional[Path] = field(kw_only=True)
    """Capture folder; report.html in it is replaced."""


@dataclass(frozen=True)
class Import(Command):
    """Make a capture folder of a dataset in another program's format."""

    dataset: Positional[Path] = field(kw_only=True)
    """Folder of the dataset."""
    out: Positional[Path] = field(kw_only=True)
    """Capture folder to write; an unfinished one is continued."""
    head: str = "generic"
    """Head model that the dataset was made with, mostly your own FLAME file; for NerFACE, whose
    parameters are another model's, any."""
    format: DatasetFormat = "auto"
    """How the folder is laid out; guessed from what lies in it."""
    camera: str = ""
    """Which of several cameras, by number or name; the first when empty."""
    size: int = 512
    """Width and height of the stored pictures, px; never larger than the dataset's."""
    eyelids: Path | None = None
    """Folder with metrical-tracker's l_eyelid.npy and r_eyelid.npy; without them its eyelids stay
    as the expression leaves them."""
    device: str = "auto"
    """auto, cpu or cuda; for formats that are tracked anew."""


@dataclass(frozen=True)
class ExportDataset(Command):
    """Write a capture in the layout of another program."""

    capture: Positional[Path] = field(kw_only=True)
    """Capture folder."""
    out: Positional[Path] = field(kw_only=True)
    """Folder to write; an unfinished one is continued."""
    format: Literal["vhap", "insta"] = "vhap"
    """`vhap` is read by GaussianAvatars and its kin, `insta` by INSTA and its kin."""


@dataclass(frozen=True)
class Train(Command):
    """Train an avatar on a capture folder."""

    capture: Positional[Path] = field(kw_only=True)
    """Capture folder."""
    out: Positional[Path] = field(kw_only=True)
    """Folder for the avatar file, checkpoints and curves."""
    method: Method = "partnerface"
    """`partnerface`, or to compare with: `global` (one net of equal size), `none` (inverse skinning
    alone), or PartNerFace with one thing changed (see docs/ablation.md)."""
    preset: Preset = "standard"
    """Model size and steps; `draft` for a quick look, `high` for pictures of 256² and more."""
    steps: int = 0
    """Training steps; 0 = the preset's."""
    size: int = 0
    """Train on pictures of this width and height, px; 0 = the capture's."""
    device: str = "auto"
    """auto, cpu or cuda."""
    resume: bool = True
    """Go on from the last checkpoint in OUT."""
    seed: int = 0
    """Random seed."""


@dataclass(frozen=True)
class Eval(Command):
    """Measure an avatar against a capture's frames."""

    avatar: Positional[Path] = field(kw_only=True)
    """Avatar file."""
    capture: Positional[Path] = field(kw_only=True)
    """Capture folder."""
    split: Literal["test", "train"] = "test"
    """Which frames."""
    size: int = 0
    """Compare at this width and height, px; 0 = the size it was trained at."""
    out: Path | None = None
    """Folder for pictures (truth, avatar, error) and per-frame figures."""
    optimise_latents: int = 0
    """Steps of fitting each frame's latent codes to the frame itself first; the figures then know
    part of the answer, and the result says so."""
    lpips: Path | None = None
    """Weights for LPIPS (AlexNet) as safetensors; engine/train/lpips.py says how to write them."""
    quality: Quality = "exact"
    """Everything at every sample; deformation from a lattice; or the avatar's baked preview."""
    device: str = "auto"
    """auto, cpu or cuda."""


@dataclass(frozen=True)
class Render(Command):
    """Render frames of an avatar to PNG files with alpha, or to EXR files."""

    avatar: Positional[Path] = field(kw_only=True)
    """Avatar file."""
    out: Positional[Path] = field(kw_only=True)
    """Folder for the pictures."""
    capture: Path | None = None
    """Take the motion and camera from this capture folder instead of the avatar's own; motion of
    another head model is carried over to the avatar's."""
    frames: str = ""
    """Frame range A-B of the motion; all when empty."""
    size: int = 0
    """Height, px, the width follows; 0 = that of the camera."""
    camera: Path | None = None
    """JSON file with width, height, fx, fy, cx, cy, camera_from_world; with "orthographic": true
    fx and fy are pixels per metre."""
    sequence: Path | None = None
    """A scene's frames as Blender writes them: parameters and a camera for each. Pictures that an
    interrupted run has made are kept."""
    file_format: Literal["png", "exr"] = "png"
    """`png` as the video looks, straight alpha; `exr` scene-linear, premultiplied, with depth."""
    quality: Quality = "exact"
    """Everything at every sample; deformation from a lattice; or the avatar's baked preview."""
    device: str = "auto"
    """auto, cpu or cuda."""


@dataclass(frozen=True)
class Export(Command):
    """Write the canonical surface as a mesh with vertex colours."""

    avatar: Positional[Path] = field(kw_only=True)
    """Avatar file."""
    out: Positional[Path] = field(kw_only=True)
    """OUT.ply, OUT.obj or OUT.glb."""
    resolution: int = 160
    """Cells along the longest side of the marching-cubes grid."""
    device: str = "auto"
    """auto, cpu or cuda."""


@dataclass(frozen=True)
class Bench(Command):
    """Measure the engine's speed on this machine: ratios, and how the cost grows."""

    avatar: Path | None = None
    """Avatar to render and to go on training; a small synthetic one is trained when left out."""
    capture: Path | None = None
    """Capture folder to train on; a small synthetic one is made when left out."""
    preset: Preset = "draft"
    """Model size of the training runs."""
    steps: int = 0
    """Steps of the run whose seconds to the target are measured; 0 = as many as suit the bench."""
    target: float = 22.0
    """Held-out PSNR in dB inside the head box that training is timed to."""
    paper_seconds: float = 0.0
    """Seconds for training the papers' field; 0 = as many as suit the bench."""
    quick: bool = False
    """Less of everything, and the papers' field left out: about a minute on two cores."""
    only: tuple[BenchPart, ...] = ()
    """Measure these parts alone."""
    device: str = "auto"
    """auto, cpu or cuda."""


@dataclass(frozen=True)
class Serve(Command):
    """Answer render requests of one client over a local connection (used by Blender)."""

    device: str = "auto"
    """auto, cpu or cuda."""


@dataclass(frozen=True)
class Doctor(Command):
    """Check this environment and say what is wrong with it."""


@dataclass(frozen=True)
class HeadList(Command):
    """List the head models there are: built in, in a folder of yours, and where to get others."""

    folder: Positional[Path | None] = None
    """Folder to look for head models in."""


@dataclass(frozen=True)
class HeadImport(Command):
    """Convert a head model (FLAME, ICT-FaceKit, GNM) to one npz file that opens fast."""

    source: Positional[Path] = field(kw_only=True)
    """FLAME's .pkl or .npz, GNM's gnm_head.npz, or ICT-FaceKit's folder FaceXModel."""
    out: Positional[Path] = field(kw_only=True)
    """OUT.npz. Whose licence forbids handing on the source forbids handing on this."""
    landmarks: Path | None = None
    """Folder with FLAME's or GNM's landmark files; beside SOURCE when left out."""


@dataclass(frozen=True)
class HeadShow(Command):
    """Write a picture sheet of a head model: views, joints, identities, expressions."""

    model: Positional[str] = field(kw_only=True)
    """`generic`, or whatever `head import` takes or has written."""
    out: Positional[Path] = field(kw_only=True)
    """OUT.png."""


# command, of one word or two → (its configuration, "module:function" that runs it)
COMMANDS: dict[str, tuple[type[Command], str]] = {
    "synth": (Synth, ".synthetic.command:run"),
    "capture": (Capture, ".capture.command:run"),
    "report": (Report, ".capture.report.command:run"),
    "import": (Import, ".capture.readers.command:run"),
    "export-dataset": (ExportDataset, ".capture.writers.command:run"),
    "train": (Train, ".train.command:run"),
    "eval": (Eval, ".train.evaluate:run"),
    "render": (Render, ".render.command:run"),
    "export": (Export, ".export.command:run"),
    "bench": (Bench, ".bench.command:run"),
    "head list": (HeadList, ".head.command:run_list"),
    "head import": (HeadImport, ".head.command:run_import"),
    "head show": (HeadShow, ".head.command:run_show"),
    "serve": (Serve, ".server:run"),
    "doctor": (Doctor, ".doctor:run"),
}
