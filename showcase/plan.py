# SPDX-License-Identifier: GPL-3.0-or-later
"""The stages of the demo, each a command of the real command line, and what a run may cost."""

from dataclasses import dataclass
from pathlib import Path

from tooling.checkout import ROOT
from tooling.environments import BLENDERS, ENGINE

from . import layout
from .stages import Stage


@dataclass(frozen=True)
class Budget:
    """What a run may cost; the global net gets the same as the avatar."""

    size: int
    """Width and height of the pictures, px."""
    steps: int
    """Training steps of each method."""
    mesh_resolution: int
    """Cells along the longest side of the exported surface's grid."""
    scene_size: int
    """Width and height of the frames rendered in Blender, px."""
    scene_frames: int
    """How many of the two seconds' frames are rendered in Blender."""


SYNTHETIC = Budget(size=128, steps=1200, mesh_resolution=160, scene_size=192, scene_frames=24)
CLIP = Budget(size=192, steps=1200, mesh_resolution=160, scene_size=256, scene_frames=24)
SEED = 0
FRAMES, TEST_FRAMES = 96, 24  # of the synthetic subject


@dataclass(frozen=True)
class Demo:
    """What is asked for."""

    out: Path
    """Folder of the results."""
    video: Path | None
    """The clip; None for the synthetic subject."""
    head: str
    """`generic`, or the path of a head model's file."""
    size: int
    """Width and height of the pictures, px."""
    steps: int
    """Training steps of each method."""
    budget: Budget
    """The rest of what it may cost."""

    @property
    def subject(self) -> str:
        """Name of the stage that makes the capture folder."""
        return "capture" if self.video else "synth"

    @property
    def title(self) -> str:
        """What the report is about."""
        return self.video.name if self.video else "The synthetic subject"


def stages(demo: Demo) -> list[Stage]:
    """All stages, in order."""
    listed = [
        capture(demo),
        *training(demo, "", "partnerface", layout.AVATAR, layout.EVALUATION),
        *training(demo, "_global", "global", layout.GLOBAL_AVATAR, layout.GLOBAL_EVALUATION),
        baselines(demo),
        scene(demo),
        *exports(demo),
    ]
    return listed if demo.video else [*listed, surface(demo)]


def engine(*words: object) -> list[str]:
    """A command of the engine that prints its figures as the last line."""
    return [str(word) for word in (ENGINE.python, "-m", "engine", *words, "--json")]


def capture(demo: Demo) -> Stage:
    """The capture folder, from a clip or from nothing."""
    folder = demo.out / layout.CAPTURE
    if not demo.video:
        words = ["--seed", SEED, "--size", demo.size]
        words += ["--frames", FRAMES, "--test-frames", TEST_FRAMES]
        command = engine("synth", folder, *words)
        return Stage("synth", "making the synthetic subject's capture", command, [folder])
    inputs = [demo.video, Path(demo.head)]
    return Stage(
        "capture",
        f"tracking the head in {demo.video.name}",
        engine("capture", demo.video, folder, "--head", demo.head, "--size", demo.size),
        [folder],
        inputs=[path for path in inputs if path.is_file()],
    )


def training(demo: Demo, suffix: str, method: str, avatar: Path, evaluation: Path) -> list[Stage]:
    """Training of one method, and its evaluation on frames it has not seen."""
    folder, shown, frames = demo.out / avatar, demo.out / evaluation, demo.out / layout.CAPTURE
    named = "one global net of equal size" if suffix else "the avatar"
    words = ["--method", method, "--steps", demo.steps, "--seed", SEED]
    train = Stage(
        f"train{suffix}",
        f"training {named}",
        engine("train", frames, folder, *words),
        [folder],
        needs=[demo.subject],
    )
    file = folder / layout.AVATAR_FILE.name
    measure = Stage(
        f"eval{suffix}",
        f"measuring {named} on frames it has not seen",
        engine("eval", file, frames, "--split", "test", "--out", shown),
        [shown],
        needs=[demo.subject, train.name],
    )
    return [train, measure]


def baselines(demo: Demo) -> Stage:
    """The two baselines: the nearest training frame, and the head mesh with an averaged texture."""
    file = demo.out / layout.BASELINES
    words = ["-m", "showcase.baselines", demo.out / layout.CAPTURE, "--out", file]
    command = [ENGINE.python, *words]
    return Stage("baselines", "measuring two baselines", command, [file], needs=[demo.subject])


def scene(demo: Demo) -> Stage:
    """Keyed, rendered and composited in real Blender."""
    script = ROOT / "showcase" / "scene.py"
    size = min(demo.budget.scene_size, 2 * demo.size)
    words = ["--frames", str(demo.budget.scene_frames), "--size", str(size)]
    return Stage(
        "blender",
        "keying, rendering and compositing in Blender",
        [BLENDERS["4.2"].python, script, demo.out / layout.AVATAR_FILE, demo.out, *words],
        [demo.out / layout.SCENE, demo.out / layout.BLENDER],
        needs=["train"],
        environment={"PARTNERFACE_PYTHON": str(ENGINE.python)},
    )


def exports(demo: Demo) -> list[Stage]:
    """The canonical surface in the formats of other tools."""
    avatar = demo.out / layout.AVATAR_FILE
    return [
        Stage(
            name,
            f"exporting the surface as {file.suffix[1:].upper()}",
            engine("export", avatar, demo.out / file, "--resolution", demo.budget.mesh_resolution),
            [demo.out / file],
            needs=["train"],
        )
        for name, file in (
            ("export", layout.MESH_PLY),
            ("export_glb", layout.MESH_GLB),
        )
    ]


def surface(demo: Demo) -> Stage:
    """The exported surface against the synthetic subject's true one."""
    words = ["-m", "showcase.surface", demo.out / layout.MESH_PLY, demo.out / layout.CAPTURE]
    command = [ENGINE.python, *words]
    return Stage("surface", "measuring the surface", command, [], needs=["synth", "export"])
