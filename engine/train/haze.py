# SPDX-License-Identifier: GPL-3.0-or-later
"""Haze just above the skin, whether a ray meets it or not.

Training starts with a thin haze there, and clears it where rays pass. Just beyond an outline that
the training's views show, hardly one does: turned a little farther, or in a stronger face, the head
has a rim of haze. Face and throat are kept clear, a little: brows, a beard or glasses, which are
seen, are held by their colours. The scalp is free, and so is the mouth where a head tells it apart.
"""

import numpy as np
import torch
from torch import Tensor

from ..avatar.model import Avatar
from ..head.model import REGIONS
from ..head.skinning import canonical_vertices
from ..render.mesh import vertex_normals
from .floating import SKIN, free_heights

LOW, HIGH = 0.001, 0.008  # m above the head model's skin
POINTS = 1 << 16  # places to choose from …
BATCH = 512  # … of which so many are looked at in a step


def places_above_skin(avatar: Avatar) -> Tensor:
    """[POINTS, 3] in the unit cube, spread evenly over face and throat, always the same ones.

    None where the head has neither.
    """
    random = np.random.default_rng(0)
    skin, region = avatar.skin, avatar.head.vertex_region[avatar.skin_rows]
    vertices = canonical_vertices(skin).detach().cpu().numpy()
    faces, normals = skin.faces.cpu().numpy(), vertex_normals(vertices, skin.faces.cpu().numpy())
    outside = np.isin(region, [REGIONS.index(name) for name in ("face", "neck")])
    bare = (outside & (free_heights(avatar) == SKIN))[faces].all(1)
    corners = vertices[faces]  # [F, 3, 3]
    edges = corners[:, 1:] - corners[:, :1]
    area = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1) * bare
    if not area.any():
        return torch.zeros(0, 3, device=avatar.device)
    chosen = faces[random.choice(len(faces), POINTS, p=area / area.sum())]  # [POINTS, 3]
    share = random.dirichlet((1, 1, 1), POINTS)[..., None]
    on, normal = ((share * values[chosen]).sum(1) for values in (vertices, normals))
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-6)
    height = LOW + (HIGH - LOW) * random.random((POINTS, 1))
    places = torch.from_numpy((on + height * normal).astype(np.float32)).to(avatar.device)
    return avatar.unit(places)


def haze(avatar: Avatar, places: Tensor, random: np.random.Generator) -> Tensor:
    """Mean opacity, 0…1, that a step of the canonical field has at some of the places [K, 3]."""
    if not len(places):
        return places.new_zeros(())
    chosen = torch.from_numpy(random.integers(len(places), size=BATCH)).to(avatar.device)
    sigma = avatar.field.sigma(places.index_select(0, chosen))
    return (1 - torch.exp(-sigma * avatar.config.step)).mean()
