# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads uncompressed multilayer EXR files, of one part or of several, as Blender writes them.

Not every bpy wheel brings a library for it. The layout: magic, version and flags, one header for
each part, a table of offsets for each, then scan lines, each with all channels in their order.
"""

import struct
from pathlib import Path

import numpy as np

MANY_PARTS = 0x1000
TYPES = {0: np.dtype("<u4"), 1: np.dtype("<f2"), 2: np.dtype("<f4")}


def read_layers(path):
    """The passes (name → [H, W, C] float32, first row on top), and all text attributes."""
    data = Path(path).read_bytes()
    magic, flags = struct.unpack_from("<II", data)
    assert magic == 20000630, "no EXR file"
    headers, at = [], 8
    while True:
        header, at = read_header(data, at)
        if not header:
            break
        headers.append(header)
        if not flags & MANY_PARTS:
            break
    planes, said = {}, {}
    tables = []
    for header in headers:
        assert header["compression"] == b"\0", "compressed"
        left, low, right, high = struct.unpack("<4i", header["dataWindow"])
        count = high - low + 1
        tables.append((np.frombuffer(data, "<u8", count, at), right - left + 1, low))
        at += 8 * count
    for header, (offsets, width, low) in zip(headers, tables, strict=True):
        part = header.get("name", b"").decode()
        channels = read_channels(header["channels"])
        columns = {name: np.zeros((len(offsets), width), np.float32) for name, _ in channels}
        for offset in offsets:
            here = int(offset) + (4 if flags & MANY_PARTS else 0)
            row = struct.unpack_from("<i", data, here)[0] - low
            here += 8
            for name, dtype in channels:
                columns[name][row] = np.frombuffer(data, dtype, width, here)
                here += width * dtype.itemsize
        planes |= joined(columns, part)
        said |= {name: value.decode(errors="replace") for name, value in header.items()}
    return planes, said


def read_header(data, at):
    """Attributes by name, as bytes, and where the next thing begins."""
    found = {}
    while data[at]:
        name, kind = (text.decode() for text in data[at : at + 600].split(b"\0", 2)[:2])
        at += len(name.encode()) + len(kind.encode()) + 2
        size = struct.unpack_from("<i", data, at)[0]
        found[name] = data[at + 4 : at + 4 + size]
        at += 4 + size
    return found, at + 1


def read_channels(data):
    """Name and type of every channel, in the file's order."""
    found, at = [], 0
    while data[at]:
        end = data.index(b"\0", at)
        found.append((data[at:end].decode(), TYPES[struct.unpack_from("<i", data, end + 1)[0]]))
        at = end + 17
    return found


def joined(columns, part):
    """Channels `layer.pass.X` (or `X` of a part of that name) as planes by the pass's name."""
    grouped = {}
    for name, column in columns.items():
        whole = name if "." in name else f"{part}.{name}"
        named, _, letter = whole.rpartition(".")
        grouped.setdefault(named.split(".", 1)[-1], {})[letter.upper()] = column
    return {
        name: np.stack([found[key] for key in sorted(found, key="RGBAXYZW".index)], -1)
        for name, found in grouped.items()
    }
