# SPDX-License-Identifier: GPL-3.0-or-later
"""Coloured meshes as PLY, OBJ and GLB files: metres, y up, z out of the face.

PLY and OBJ carry display-referred colours. glTF wants linear ones; they are stored as floats,
because 8 linear bits would band in dark hair.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import trimesh
from trimesh.exchange.gltf import export_glb

from ..errors import InputError
from ..files import write_atomic
from ..render.colour import linear_from_srgb
from .surface import Surface

FLOAT = 5126  # glTF's name for it


def write_mesh(path: Path, surface: Surface) -> None:
    """Write the surface in the format that the path's suffix says, atomically.

    Raises:
        InputError: the suffix is none of .ply, .obj, .glb.
        SpaceError: the file could not be written.
    """
    data = encoder(path)(surface)
    write_atomic(path, lambda temporary: temporary.write_bytes(data) and None)


def encoder(path: Path) -> Callable[[Surface], bytes]:
    """What turns a surface into the bytes of a file of the path's suffix.

    Raises:
        InputError: the suffix is unknown.
    """
    encoders = {".ply": ply_bytes, ".obj": obj_bytes, ".glb": glb_bytes}
    found = encoders.get(path.suffix.lower())
    if found is None:
        raise InputError(
            f"“{path.suffix}” is no mesh format that PartNerFace writes.",
            f"End the name in {', '.join(encoders)}.",
        )
    return found


def ply_bytes(surface: Surface) -> bytes:
    """Binary PLY with uchar vertex colours."""
    return _mesh(surface).export(file_type="ply", vertex_normal=False)


def obj_bytes(surface: Surface) -> bytes:
    """OBJ with the colour behind each vertex's position, as most programs read it."""
    return _mesh(surface).export(file_type="obj", include_normals=False).encode()


def glb_bytes(surface: Surface) -> bytes:
    """Binary glTF 2.0 with linear float vertex colours."""
    linear = linear_from_srgb(surface.colours)
    linear = np.concatenate([linear, np.ones((len(linear), 1))], 1)

    def store_floats(buffers: dict, tree: dict) -> None:
        attributes = tree["meshes"][0]["primitives"][0]["attributes"]
        accessor = list(tree["accessors"].values())[attributes["COLOR_0"]]
        key = list(buffers)[accessor["bufferView"]]
        buffers[key] = linear.astype("<f4").tobytes()
        accessor["componentType"] = FLOAT
        del accessor["normalized"], accessor["min"], accessor["max"]

    return export_glb(_mesh(surface).scene(), buffer_postprocessor=store_floats)


def _mesh(surface: Surface) -> trimesh.Trimesh:
    colours = (surface.colours * 255 + 0.5).astype(np.uint8)
    return trimesh.Trimesh(
        surface.vertices, surface.faces, vertex_colors=colours, process=False, validate=False
    )
