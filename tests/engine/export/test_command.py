# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest
import torch
import trimesh

from engine.avatar.model import Avatar
from engine.config import Export
from engine.errors import InputError
from engine.export.command import run
from engine.export.domain import InsideHead, canonical_domain, occupied_box
from engine.export.surface import DENSEST
from engine.head.library import load_head_model
from engine.head.skinning import HeadTensors, canonical_vertices
from engine.jobs import Job


@pytest.mark.parametrize("suffix", ["ply", "obj", "glb"])
def test_export_writes_a_coloured_head(trained_avatar, tmp_path, suffix):
    path = tmp_path / f"head.{suffix}"
    config = Export(avatar=trained_avatar, out=path, resolution=40, device="cpu", quiet=True)
    with Job("export", quiet=True) as job:
        result = run(config, job)
    mesh = trimesh.load(path, force="mesh", process=False)
    assert len(mesh.vertices) == result["vertices"] > 500
    assert len(mesh.faces) == result["faces"]
    assert result["seconds"] > 0
    assert mesh.visual.kind == "vertex"
    assert len(mesh.visual.vertex_colors) == len(mesh.vertices)
    assert (0.15 < np.ptp(mesh.vertices, axis=0)).all()  # metres, the size of a head
    assert (np.ptp(mesh.vertices, axis=0) < 0.6).all()


def test_unknown_suffix_is_said_before_anything_is_read(tmp_path):
    config = Export(avatar=tmp_path / "none.safetensors", out=tmp_path / "head.stl", quiet=True)
    with pytest.raises(InputError, match=r"\.stl"), Job("export", quiet=True) as job:
        run(config, job)
    assert not list(tmp_path.iterdir())


def test_inside_is_inside_the_skin_only():
    head = load_head_model("generic").mean
    inside = InsideHead(head, torch.device("cpu"))
    vertices = canonical_vertices(HeadTensors.of(head))
    eyes = head.joints[3:].mean(0)
    centre = torch.tensor([[0.0, eyes[1] + 0.02, 0.02]])
    assert (inside.depth(centre) > 0.03).all()
    low, high = vertices.amin(0), vertices.amax(0)
    far = torch.stack([low - 0.05, high + 0.05, low * 0 + torch.tensor([0.0, 0.0, 0.3])])
    assert (inside.depth(far) == 0).all()
    below = torch.tensor([[0.0, float(low[1]) - 0.04, float(vertices[:, 2].mean())]])
    assert (inside.depth(below) == 0).all()
    skin = torch.as_tensor(head.vertices_in("face"))
    assert (inside.depth(vertices[skin]) < 1e-4).all()


def test_domain_asks_where_training_found_something(trained_avatar):
    avatar = Avatar.load(trained_avatar, torch.device("cpu"))
    low, high = occupied_box(avatar)
    points = torch.from_numpy(np.random.default_rng(0).uniform(low, high, (4000, 3))).float()
    known, least = canonical_domain(avatar)(points)
    assert 0 < known.float().mean() < 1
    assert set(least.tolist()) >= {0.0, DENSEST}
    outside = avatar.low - 0.01 + torch.zeros(1, 3)
    known, least = canonical_domain(avatar)(outside)
    assert not known.any()
    assert (least == 0).all()
