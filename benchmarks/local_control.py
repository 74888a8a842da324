# SPDX-License-Identifier: GPL-3.0-or-later
"""Does an expression change the pixels of the parts alone that it is meant for?

    python -m benchmarks.local_control AVATAR [--size 128]

From the neutral face, each of the expressions that move a part most is given to that part alone
(psi [P, E] with one row changed). Of the squared change of all pixels, so much lies in the part's
own region: where the part is seen before or after, grown by the width over which parts blend. Hair
and whatever else the head mesh does not reach belongs to `rest`.

Then the same expressions are keyed as an artist does, for all parts: so much of the change lies
astray, where neither a part is seen that the head model moves with them nor its seam.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
import tyro
from tyro.conf import Positional

from engine.avatar.masks import expression_mask
from engine.avatar.model import Avatar
from engine.avatar.partition import divide
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
    astray: float  # of the change by the same expressions keyed for all parts, outside of all moved


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
    """Drive one part, then all, with each of its `count` strongest expressions at full strength."""
    head, own = avatar.head, PARTS.index(part)
    chosen = strongest_expressions(head, part, count)
    moves = expression_mask(head, divide(head, len(PARTS)), avatar.config.mask_threshold)  # [P, E]
    still = np.zeros((len(PARTS), len(head.expression_names)), np.float32)
    before, labels = picture(avatar, camera, still)
    change, keyed = np.zeros((2, len(PARTS) + 1)), np.zeros(2)  # inside and outside

    def changed(rows: int | slice, expression: int, owned: list[int]) -> np.ndarray:
        """The squared change [2, P + 1] in and out of owned parts, the last beside the head."""
        psi = still.copy()
        psi[rows, expression] = 1
        after, moved = picture(avatar, camera, psi)
        energy = ((after - before) ** 2).sum(-1)  # [H, W]
        if PARTS.index("rest") in owned:
            owned = [*owned, NOTHING]
        region = grown(np.isin(labels, owned) | np.isin(moved, owned), SEAM)
        kinds = (*range(len(PARTS)), NOTHING)
        return np.array([
            [energy[side & (labels == kind)].sum() for kind in kinds] for side in (region, ~region)
        ])  # fmt: skip

    for expression in chosen:
        change += changed(own, expression, [own])
        keyed += changed(slice(None), expression, list(moves[:, expression].nonzero()[0])).sum(1)
    pixels = 3 * camera.width * camera.height * max(len(chosen), 1)
    return Control(
        part,
        tuple(head.expression_names[e] for e in chosen),
        float(change.sum() / pixels),
        _share(change.sum(1)),
        (*PARTS, "background")[int(change[1].argmax())],
        1 - _share(keyed),
    )


def _share(sides: np.ndarray) -> float:
    """What is inside, of [2] inside and outside; all of nothing."""
    return float(sides[0] / sides.sum()) if sides.sum() > 0 else 1.0


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
    head = "| part | inside | change, rms | most of the rest in | astray when keyed | driven by |"
    lines = [head, "|---" * 6 + "|"]
    for control in controls:
        lines.append(
            f"| {control.part} | {100 * control.share:.1f} % | {np.sqrt(control.change):.4f} "
            f"| {control.elsewhere} | {100 * control.astray:.1f} % "
            f"| {', '.join(control.expressions)} |"
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
