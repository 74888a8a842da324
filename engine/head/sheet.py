# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture sheet of any head model: its views, joints, identities and expressions, with names."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from ..render.mesh import portrait_camera, shade
from .model import EYE_LEFT, EYE_RIGHT, JAW, JOINTS, NECK, SKIN_REGIONS, Head, HeadModel
from .paint import head_colours
from .parts import PART_COLOURS
from .skinning import HeadTensors, posed_vertices
from .transfer import is_one_sided

CELL = 168  # px, a picture's width and height
LABEL = 20  # px under it
TITLE = 34  # px over a group
COLUMNS = 10
MARGIN = 16
INK, FAINT, PAPER = (40, 40, 40), (120, 120, 120), (255, 255, 255)
MOST = 60  # expressions; models have up to 383
MOST_IDENTITIES = 20
SIGMA = 2.0  # standard deviations that identities and unnamed expressions are shown at
TURNS = (("jaw open", JAW, (0.35, 0, 0)), ("eyes left", EYE_LEFT, (0, 0.4, 0)),
         ("eyes up", EYE_LEFT, (-0.3, 0, 0)), ("neck turned", NECK, (0, 0.5, 0)),
         ("neck bowed", NECK, (0.35, 0, 0)))  # fmt: skip
OPENED = {"mouthClose": 0.42}  # rad; what closes the lips of an open jaw is shown on one
BRIGHT = 1.2
VIEWS = (("front", 0.0), ("three quarters", 0.6), ("side", np.pi / 2), ("back", np.pi))


@dataclass(frozen=True)
class Cell:
    """One picture: a posed head, seen from a side."""

    label: str
    vertices: np.ndarray  # [V, 3] m
    yaw: float = 0.0  # rad, of the camera
    colours: np.ndarray | None = None  # [V, 3]; the model's own when None
    dots: np.ndarray | None = None  # [L, 3] m, marked
    near: bool = False  # the face alone


def picture_sheet(
    model: HeadModel, progress: Callable[[int, int], None] = lambda done, of: None
) -> np.ndarray:
    """The sheet [H, W, 3] uint8 RGB; identities at ±2 deviations, ARKit's shapes at full."""
    groups = {name: list(cells) for name, cells in _groups(model).items()}
    colours = head_colours(model.mean)
    whole, face = (
        model.mean.vertices[model.mean.vertices_in(*regions)]
        for regions in (SKIN_REGIONS[:3], SKIN_REGIONS[:1])
    )
    rows = {name: -(-len(cells) // COLUMNS) for name, cells in groups.items()}
    heading = 2 * MARGIN + 30 + 18 * len(model.notes)
    height = heading + sum(TITLE + n * (CELL + LABEL) for n in rows.values()) + MARGIN
    sheet = Image.new("RGB", (2 * MARGIN + COLUMNS * CELL, height), PAPER)
    pen = ImageDraw.Draw(sheet)
    _head_line(pen, model)
    done, count, top = 0, sum(map(len, groups.values())), heading
    for name, cells in groups.items():
        pen.text((MARGIN, top + 8), name, INK, ImageFont.load_default(16))
        top += TITLE
        for place, cell in enumerate(cells):
            left = MARGIN + place % COLUMNS * CELL
            under = top + place // COLUMNS * (CELL + LABEL)
            picture = _picture(model.mean, cell, colours, face if cell.near else whole)
            sheet.paste(Image.fromarray(picture), (left, under))
            pen.text((left + CELL / 2, under + CELL + 2), cell.label, FAINT,
                     ImageFont.load_default(12), anchor="ma")  # fmt: skip
            done += 1
            progress(done, count)
        top += rows[name] * (CELL + LABEL)
    return np.asarray(sheet)


def _head_line(pen: ImageDraw.ImageDraw, model: HeadModel) -> None:
    head = model.mean
    text = (
        f"{head.model_name}: {len(head.vertices):,} vertices, {len(model.identities)} identity "
        f"modes, {len(head.expression_names)} expressions"
    )
    pen.text((MARGIN, MARGIN), text, INK, ImageFont.load_default(22))
    for line, note in enumerate(model.notes):
        place = (MARGIN, MARGIN + 34 + 18 * line)
        pen.text(place, note[0].upper() + note[1:] + ".", FAINT, ImageFont.load_default(13))


def _groups(model: HeadModel) -> dict[str, Iterator[Cell]]:
    head = model.mean
    names, many = head.expression_names, len(head.expression_names)
    identities = f"Identities, {SIGMA:g} standard deviations to either side"
    if len(model.identities) > MOST_IDENTITIES:
        identities += f" (the first {MOST_IDENTITIES} of {len(model.identities)})"
    full = all(map(is_one_sided, names))
    expressions = "Expressions" + ("" if full else f", unnamed ones at {SIGMA:g} deviations")
    if many > MOST:
        expressions += f" ({MOST} of {many}, evenly chosen)"
    return {
        "The mean head": _views(head),
        "Joints": _turned(head),
        identities: _identities(model),
        expressions: _expressions(head),
    }


def _views(head: Head) -> Iterator[Cell]:
    for label, yaw in VIEWS:
        yield Cell(label, head.vertices, yaw)
    yield Cell("parts", head.vertices, 0.3, PART_COLOURS[head.vertex_part])
    clay = np.full_like(head.vertices, 0.75)
    for points in (head.landmarks68, head.landmarks468):
        known = points.weights.sum(1) > 0 if len(points.vertices) else np.zeros(0, bool)
        if known.any():
            dots = (points.on(head.vertices) + points.offset)[known]
            yield Cell(f"{len(dots)} landmarks", head.vertices, 0.0, clay, dots)


def _turned(head: Head) -> Iterator[Cell]:
    tensors = HeadTensors.points_of(head, np.arange(len(head.vertices)))
    for label, joint, turn in TURNS:
        theta = np.zeros((len(JOINTS), 3), np.float32)
        for each in (EYE_LEFT, EYE_RIGHT) if joint == EYE_LEFT else (joint,):
            theta[each] = turn
        yield Cell(label, posed(tensors, None, theta))


def _identities(model: HeadModel) -> Iterator[Cell]:
    for index, name in enumerate(model.identity_names[:MOST_IDENTITIES]):
        for sign in (-1, 1):
            beta = np.zeros(len(model.identities), np.float32)
            beta[index] = sign * SIGMA
            yield Cell(f"{name} {sign * SIGMA:+g}", model.subject(beta).vertices)


def _expressions(head: Head) -> Iterator[Cell]:
    names, tensors = (
        head.expression_names,
        HeadTensors.points_of(head, np.arange(len(head.vertices))),
    )
    for index in np.unique(np.linspace(0, len(names) - 1, min(len(names), MOST)).astype(int)):
        psi = np.zeros(len(names), np.float32)
        psi[index] = 1.0 if is_one_sided(names[index]) else SIGMA
        theta = np.zeros((len(JOINTS), 3), np.float32)
        theta[JAW, 0] = OPENED.get(names[index], 0.0)
        yield Cell(names[index], posed(tensors, psi, theta), near=True)


def posed(head: HeadTensors, psi: np.ndarray | None, theta: np.ndarray) -> np.ndarray:
    """The vertices [V, 3] m of one frame; psi [E], None = neutral; theta [J, 3] rad."""
    psi = np.zeros(len(head.expressions), np.float32) if psi is None else psi
    frame = (torch.from_numpy(psi)[None], torch.from_numpy(theta)[None], torch.zeros(1, 3))
    return posed_vertices(head, *frame)[0].numpy()


def _picture(head: Head, cell: Cell, colours: np.ndarray, framed: np.ndarray) -> np.ndarray:
    camera = portrait_camera(framed, CELL, cell.yaw)
    colours = colours if cell.colours is None else cell.colours
    picture = shade(cell.vertices, head.faces, camera, np.clip(colours * BRIGHT, 0, 1))
    if cell.dots is not None:
        pixels, _ = camera.project(cell.dots)
        drawn = Image.fromarray(picture)
        pen = ImageDraw.Draw(drawn)
        for x, y in pixels:
            pen.ellipse((x - 1.2, y - 1.2, x + 1.2, y + 1.2), fill=(200, 40, 40))
        picture = np.asarray(drawn)
    return picture
