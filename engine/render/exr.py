# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenEXR files of half and float channels: one part, scan lines, ZIP compression.

OpenCV's wheels write EXR only when an environment variable is set before it is imported, and no
layers at all; the format is simple enough (openexr.com, “OpenEXR File Layout”).
"""

import struct
import zlib
from collections.abc import Mapping

import numpy as np

MAGIC = 20000630
VERSION = 2 | 0x400  # names of up to 255 letters
LINES = 16  # scan lines per block of ZIP compression
ZIP = 3
PIXEL_TYPES = {np.dtype(np.float16): 1, np.dtype(np.float32): 2}


def exr_bytes(channels: Mapping[str, np.ndarray]) -> bytes:
    """The file's content.

    Args:
        channels: name (“layer.pass.R”) → [H, W] float16 or float32, first row on top.
    """
    planes = [(name, np.ascontiguousarray(channels[name])) for name in sorted(channels)]
    height, width = planes[0][1].shape
    head = struct.pack("<II", MAGIC, VERSION) + _header(planes, width, height)
    blocks = []
    for top in range(0, height, LINES):
        # Line by line, and in each line channel by channel in the order of their names.
        rows = range(top, min(top + LINES, height))
        raw = b"".join(plane[row].tobytes() for row in rows for _, plane in planes)
        packed = zlib.compress(_predicted(raw), 4)
        data = packed if len(packed) < len(raw) else raw
        blocks.append(struct.pack("<ii", top, len(data)) + data)
    first = len(head) + 8 * len(blocks)
    offsets = first + np.cumsum([0, *map(len, blocks[:-1])])
    return head + offsets.astype("<u8").tobytes() + b"".join(blocks)


def _header(planes: list[tuple[str, np.ndarray]], width: int, height: int) -> bytes:
    """All attributes, and the zero that ends them."""
    listed = b"".join(
        name.encode() + b"\0" + struct.pack("<iiii", PIXEL_TYPES[plane.dtype], 0, 1, 1)
        for name, plane in planes
    )
    box = struct.pack("<iiii", 0, 0, width - 1, height - 1)
    attributes = (
        ("channels", "chlist", listed + b"\0"),
        ("compression", "compression", bytes([ZIP])),
        ("dataWindow", "box2i", box),
        ("displayWindow", "box2i", box),
        ("lineOrder", "lineOrder", b"\0"),
        ("pixelAspectRatio", "float", struct.pack("<f", 1.0)),
        ("screenWindowCenter", "v2f", struct.pack("<ff", 0.0, 0.0)),
        ("screenWindowWidth", "float", struct.pack("<f", 1.0)),
    )
    return b"".join(
        name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)) + value
        for name, kind, value in attributes
    ) + b"\0"  # fmt: skip


def _predicted(raw: bytes) -> bytes:
    """Even bytes first, then odd ones; each as its difference to the one before, plus 128."""
    values = np.frombuffer(raw, np.uint8)
    halves = np.concatenate([values[0::2], values[1::2]]).astype(np.int16)
    steps = halves.copy()
    steps[1:] = halves[1:] - halves[:-1] + 128
    return (steps & 255).astype(np.uint8).tobytes()
