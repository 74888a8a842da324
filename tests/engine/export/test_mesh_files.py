# SPDX-License-Identifier: GPL-3.0-or-later
import json
import struct

import numpy as np
import pytest
import trimesh

from engine.errors import InputError, SpaceError
from engine.export.mesh_files import write_mesh
from engine.export.surface import Surface
from engine.render.colour import linear_from_srgb


@pytest.fixture
def surface():
    mesh = trimesh.creation.icosphere(subdivisions=2, radius=0.1)
    colours = np.random.default_rng(0).random((len(mesh.vertices), 3)).astype(np.float32)
    colours[0] = 0.02  # dark hair
    return Surface(mesh.vertices.astype(np.float32), mesh.faces.astype(np.int32), colours)


@pytest.mark.parametrize("suffix", ["ply", "obj"])
def test_ply_and_obj_come_back_with_colours(surface, tmp_path, suffix):
    path = tmp_path / f"head.{suffix}"
    write_mesh(path, surface)
    mesh = trimesh.load(path, process=False)
    assert np.allclose(mesh.vertices, surface.vertices, atol=1e-6)
    assert np.array_equal(mesh.faces, surface.faces)
    assert np.abs(mesh.visual.vertex_colors[:, :3] / 255 - surface.colours).max() < 0.6 / 255
    assert list(tmp_path.iterdir()) == [path]


def test_glb_comes_back_with_linear_colours(surface, tmp_path):
    path = tmp_path / "head.GLB"
    write_mesh(path, surface)
    scene = trimesh.load(path, process=False, file_type="glb")
    (mesh,) = scene.geometry.values()
    assert np.allclose(mesh.vertices, surface.vertices, atol=1e-6)
    assert np.array_equal(mesh.faces, surface.faces)
    found = glb_colours(path.read_bytes())
    linear = linear_from_srgb(surface.colours)
    assert np.abs(found[:, :3] - linear).max() < 1e-6
    assert np.abs(mesh.visual.vertex_colors[:, :3] / 255 - linear).max() < 1.1 / 255
    assert (found[:, 3] == 1).all()


def glb_colours(data):
    """COLOR_0 as glTF 2.0 lays it out, read without trimesh."""
    magic, version, length, size = struct.unpack("<4sIII", data[:16])
    assert (magic, version, length) == (b"glTF", 2, len(data))
    tree = json.loads(data[20 : 20 + size])
    blob = data[20 + size + 8 :]
    accessor = tree["accessors"][tree["meshes"][0]["primitives"][0]["attributes"]["COLOR_0"]]
    assert accessor["componentType"] == 5126
    assert not accessor.get("normalized", False)
    view = tree["bufferViews"][accessor["bufferView"]]
    values = np.frombuffer(blob, "<f4", accessor["count"] * 4, view.get("byteOffset", 0))
    assert view["byteLength"] == values.nbytes
    return values.reshape(-1, 4)


def test_unknown_suffix(surface, tmp_path):
    with pytest.raises(InputError, match=r"\.stl"):
        write_mesh(tmp_path / "head.stl", surface)
    assert not list(tmp_path.iterdir())


def test_no_room_leaves_nothing_behind(surface, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SpaceError):
        write_mesh(tmp_path / "file" / "head.ply", surface)
