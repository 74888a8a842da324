# SPDX-License-Identifier: GPL-3.0-or-later
"""What bones look like: wire meshes, made once in a file, in no scene, so that none is rendered.

Shapes lie about the bone's origin, of size 1; a bone points along y. A line is a list of points, a
loop when its first point comes again.
"""

import math
from collections.abc import Callable

import bpy

NAME = "PartNerFace bone "
STEPS = 32
Line = list[tuple[float, float, float]]


def shape_object(name: str) -> bpy.types.Object:
    """The object with a bone's shape; made if this file has none yet."""
    found = bpy.data.objects.get((NAME + name, None))  # None: not one of a linked file
    if found is not None and found.type == "MESH":
        return found
    vertices: list[tuple[float, float, float]] = []
    edges: list[tuple[int, int]] = []
    for line in SHAPES[name]():
        start = len(vertices)
        vertices += line
        edges += [(n, n + 1) for n in range(start, len(vertices) - 1)]
    mesh = bpy.data.meshes.new(NAME + name)
    mesh.from_pydata(vertices, edges, [])
    shape = bpy.data.objects.new(NAME + name, mesh)
    shape.hide_render = True
    return shape


def _round(
    radius: float, centre: tuple[float, float] = (0.0, 0.0), first: float = 0.0, last: float = 1.0
) -> list[tuple[float, float]]:
    """Points of a circle in the plane, from one share of a turn to another."""
    turns = [2 * math.pi * (first + (last - first) * n / STEPS) for n in range(STEPS + 1)]
    return [(centre[0] + radius * math.cos(t), centre[1] + radius * math.sin(t)) for t in turns]


def _across(points: list[tuple[float, float]]) -> Line:
    """In the plane across the bone."""
    return [(x, 0.0, z) for x, z in points]


def _upright(points: list[tuple[float, float]]) -> Line:
    """In the plane of the bone and the subject's left."""
    return [(x, y, 0.0) for x, y in points]


def _ring() -> list[Line]:
    return [_across(_round(1.0))]


def _arc() -> list[Line]:
    outer, inner = _round(1.0, (0, -1.0), 0.08, 0.42), _round(0.9, (0, -1.0), 0.42, 0.08)
    return [_upright([*outer, *inner, outer[0]])]


def _arrows() -> list[Line]:
    """A ring with four arrow heads."""
    heads = []
    for quarter in range(4):
        c, s = math.cos(quarter * math.pi / 2), math.sin(quarter * math.pi / 2)
        tip = [(1.02, 0.13), (1.22, 0.0), (1.02, -0.13), (1.02, 0.13)]
        heads.append(_across([(c * x - s * z, s * x + c * z) for x, z in tip]))
    return [*_ring(), *heads]


def _smile() -> list[Line]:
    eyes = [_upright(_round(0.09, (side * 0.33, 0.28))) for side in (-1, 1)]
    return [_upright(_round(1.0)), *eyes, _upright(_round(0.55, (0, 0.02), 0.58, 0.92))]


def _bar() -> list[Line]:
    """A lengthy round frame around both eyes' targets."""
    left, right = _round(0.85, (1.0, 0), -0.25, 0.25), _round(0.85, (-1.0, 0), 0.25, 0.75)
    return [_across([*left, *right, left[0]])]


SHAPES: dict[str, Callable[[], list[Line]]] = {
    "ring": _ring, "arc": _arc, "arrows": _arrows, "smile": _smile, "bar": _bar,
}  # fmt: skip
