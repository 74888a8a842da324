# SPDX-License-Identifier: GPL-3.0-or-later
"""Does driving one part's expression alone change that part's pixels alone?

    python -m benchmarks.local_control AVATAR [--size 128]

From the neutral face, each of the expressions that move a part most is given to that part alone
(psi [P, E] with one row changed). Of the squared change of all pixels, so much lies in the part's
own region: where the part is seen before or after, grown by the width over which parts blend. Hair
and whatever else the head mesh does not reach belongs to `rest`.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
import tyro
from tyro.conf import Positional

from engine.avatar.model import Avatar
from engine.devices import resolve_device
from engine.head.model import JOINTS, PARTS, Head
from engine.head.skinning import HeadTensors, posed_vertices
from engine.render.camera import Camera
from engine.render.frame import on_white, render_frame
from engine.train.regions import NOTHING, grown, seen_parts

EXPRESSIONS = 3  # tried for each part
SEAM = 0.03  # of a portrait's height: some 8 mm, over which neighbouring parts blend


@dataclass(frozen=True)
class Control:
    """What came of driving one part alone."""

    part: str
    expressions: tuple[str, ...]
    change: float  # mean squared change of the picture, 0…1
    share: float  # of it inside the part's own region
    elsewhere: str  # the part that shows most of what is outside


@dataclass(frozen=True)
class Options:
    """What to drive."""

    avatar: Positional[Path] = field(kw_only=True)
    """Avatar file."""
    size: int = 128
    """Height of the pictures, px."""
    json: bool = False
    """One JSON object instead of a table."""
    device: str = "auto"
    """auto, cpu or cuda."""


def strongest_expressions(head: Head, part: str, count: int) -> list[int]:
    """The expressions that move a part's vertices most, by rms; fewer where fewer move it."""
    inside = head.vertex_part == PARTS.index(part)
    squares = (head.expressions[:, inside].astype(np.float32) ** 2).sum(-1)  # [E, part]
    rms = np.sqrt(squares.mean(1)) if inside.any() else np.zeros(len(squares))
    return [int(e) for e in np.argsort(-rms)[:count] if rms[e] > 1e-4]


def control_part(avatar: Avatar, camera: Camera, part: str, count: int = EXPRESSIONS) -> Control:
    """Drive one part with each of its `count` strongest expressions at full strength."""
    head, own = avatar.head, PARTS.index(part)
    chosen = strongest_expressions(head, part, count)
    owned = [own, NOTHING] if part == "rest" else [own]
    still = np.zeros((len(PARTS), len(head.expression_names)), np.float32)
    before, labels = picture(avatar, camera, still)
    inside, change = 0.0, np.zeros(len(PARTS) + 1)  # the last: beside the head
    for expression in chosen:
        psi = still.copy()
        psi[own, expression] = 1
        after, moved = picture(avatar, camera, psi)
        energy = ((after - before) ** 2).sum(-1)  # [H, W]
        region = grown(np.isin(labels, owned) | np.isin(moved, owned), SEAM)
        inside += float(energy[region].sum())
        outside = np.where(region, 0, energy)
        change += [outside[labels == p].sum() for p in (*range(len(PARTS)), NOTHING)]
    total = inside + change.sum()
    pixels = 3 * camera.width * camera.height * max(len(chosen), 1)
    return Control(
        part,
        tuple(head.expression_names[e] for e in chosen),
        float(total / pixels),
        float(inside / total) if total > 0 else 1.0,
        (*PARTS, "background")[int(change.argmax())],
    )


def picture(avatar: Avatar, camera: Camera, psi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The avatar on white [H, W, 3] driven by psi [P, E], and the parts [H, W] its mesh shows."""
    theta, translation = np.zeros((len(JOINTS), 3), np.float32), np.zeros(3, np.float32)
    found = on_white(render_frame(avatar, camera, psi, theta, translation))
    arrays = (psi[None], theta[None], translation[None])
    posed = posed_vertices(HeadTensors.of(avatar.head), *map(torch.from_numpy, arrays))[0]
    return found, seen_parts(avatar.head, posed.numpy(), camera)


def local_control(avatar: Avatar, size: int) -> list[Control]:
    """`control_part` for every part, in the avatar's own camera at another height, px."""
    camera = avatar.file.camera.of_height(size)
    return [control_part(avatar, camera, part) for part in PARTS]


def markdown(controls: list[Control]) -> str:
    """A table, the rarely moving parts included."""
    lines = ["| part | inside | change, rms | most of the rest in | driven by |", "|---" * 5 + "|"]
    for control in controls:
        lines.append(
            f"| {control.part} | {100 * control.share:.1f} % | {np.sqrt(control.change):.4f} "
            f"| {control.elsewhere} | {', '.join(control.expressions)} |"
        )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Print the table; the exit status."""
    options = tyro.cli(Options, args=arguments, prog="python -m benchmarks.local_control")
    avatar = Avatar.load(options.avatar, resolve_device(options.device))
    controls = local_control(avatar, options.size)
    if options.json:
        print(json.dumps({"parts": [asdict(control) for control in controls]}))
    else:
        print(markdown(controls))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
