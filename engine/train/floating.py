# SPDX-License-Identifier: GPL-3.0-or-later
"""What floats before the skin, as a share of the loss.

A video from the front hardly says how far from the camera a colour lies: a haze before the skin
explains it as well as the skin does, in the mouth as beside the nose. Of the two the skin is taken.
Each ray pays for how far above the canonical face the light that it sees comes from, beyond what
the tracker may be wrong by. Everywhere else hair is free to stand, or to hang.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from ..avatar.model import Avatar
from ..head.model import PARTS, REGIONS
from ..head.skinning import canonical_vertices
from ..kernels.nearest import PosedMeshes
from ..render.mesh import vertex_normals

SKIN = 0.004  # m above the head model's face and throat that count as its skin …
HAIR = 0.03  # … and above the rest of the head
FACING = 0.5  # cosine: the throat is neck that looks ahead, and what looks down from the jaw


@torch.no_grad()
def floating_heights(avatar: Avatar) -> Tensor:
    """[G, G, G] m at the occupancy's cells: how far above face and hair they are, 0 under them."""
    grid, skin = avatar.occupancy, avatar.skin
    height = grid.clearance.float().flatten()
    above = (height > SKIN).nonzero()[:, 0]
    vertices = canonical_vertices(skin)
    meshes = PosedMeshes(skin.faces, avatar.device)
    meshes.pose(vertices[None])
    centres = grid.centres(above) * avatar.size + avatar.low
    still = torch.zeros(len(above), dtype=torch.int32, device=avatar.device)
    face, _, _ = meshes.nearest(centres, still, avatar.config.shell)
    free = torch.from_numpy(_free_heights(avatar)).to(avatar.device)
    free = free[skin.faces[face.clamp_min(0).long()].long()]
    heights = torch.zeros_like(height)
    heights[above] = (height[above] - free.amax(1)).clamp_min(0)
    return heights.view(grid.cells, grid.cells, grid.cells)


def _free_heights(avatar: Avatar) -> np.ndarray:
    """How high [V] m light costs nothing above the vertices of the avatar's skin."""
    head, rows, skin = avatar.head, avatar.skin_rows, avatar.skin
    free = np.where(head.vertex_part[rows] == PARTS.index("rest"), HAIR, SKIN)
    vertices = canonical_vertices(skin).detach().cpu().numpy()
    normals, region = vertex_normals(vertices, skin.faces.cpu().numpy()), head.vertex_region[rows]
    neck, face = (region == REGIONS.index(name) for name in ("neck", "face"))
    throat = (neck & (normals[:, 2] > FACING)) | ((neck | face) & (normals[:, 1] < -FACING))
    return np.where(throat, SKIN, free).astype(np.float32)


def heights_at(heights: Tensor, u: Tensor) -> Tensor:
    """Heights [G, G, G] at the cells' centres → [S] at points [S, 3] of the unit cube."""
    place = (u.detach() * 2 - 1).flip(1)[None, None, None]  # grid_sample's x is the last axis
    found = grid_sample(heights[None, None], place, padding_mode="border", align_corners=False)
    return found.view(-1)
