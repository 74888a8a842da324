# SPDX-License-Identifier: GPL-3.0-or-later
"""The avatar's preview: a sparse canonical grid of density and colour, for frames without any net.

It is baked once from the field, with the offsets and ambient channels averaged over frames of the
tracked motion, and seen from where the clip's camera stood on average: it knows inverse skinning,
but neither the learned fine motion nor reflections. Moving the look-up by each frame's own offsets
lost up to 1.7 dB; with each frame's change of colour on a 6 mm lattice besides it gained 0 to 3 dB,
for a run of all nets over some 40 thousand nodes a frame: left out, the bar is met without.

Bricks of 8³ cells carry 9³ nodes each, so that a look-up stays within one brick. What is
interpolated is the logarithm of the density, which is smooth where the density itself is not.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..head.motion import Motion
from ..head.skinning import canonical_theta, joint_transforms
from ..kernels.preview import BRICK, LOG_HIGH, LOG_LOW
from ..render.camera import Camera
from .lattice import CanonicalLattice
from .model import Avatar

MOST_CELLS = 256  # along each axis: 1.7 mm on a head
FRAMES = 12  # of the motion that are averaged
THIN = 0.002  # opacity of one step below which a brick is left out
BRICKS_AT_ONCE = 256


@dataclass(frozen=True)
class Preview:
    """K bricks of the cube around the canonical head."""

    brick: Tensor  # [B, B, B] int32 into the bricks, −1 where there is nothing
    nodes: Tensor  # [K, 9³, 4] uint8: level of the log density, and display-referred colour

    def to_arrays(self) -> dict[str, np.ndarray]:
        """As the avatar file holds it."""
        return {"brick": self.brick.cpu().numpy(), "nodes": self.nodes.cpu().numpy()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], device: torch.device) -> "Preview":
        """Undo `to_arrays`."""
        return cls(*(torch.from_numpy(np.array(arrays[n])).to(device) for n in ("brick", "nodes")))


@torch.no_grad()
def bake(avatar: Avatar, motion: Motion, camera: Camera) -> Preview:
    """The preview of a finished avatar, filmed by `camera` in `motion`."""
    lattice = CanonicalLattice.of(avatar)
    frames = np.unique(np.linspace(0, len(motion) - 1, FRAMES).round().astype(int))
    mean, eye = 0.0, torch.zeros(3, device=avatar.device)
    appearance = torch.zeros(avatar.config.appearance_size, device=avatar.device)
    for index in frames:
        psi, theta, translation = (
            motion.psi[index], motion.theta[index], motion.translation[index]
        )  # fmt: skip
        condition = avatar.condition(psi, theta, translation)
        mean = mean + lattice.deformation(avatar, condition) / len(frames)
        appearance += condition.appearance[0] / len(frames)
        eye += canonical_eye(avatar, camera, theta, translation) / len(frames)
    cells = max(min(avatar.config.finest, MOST_CELLS) // BRICK, 1)  # bricks along an axis
    near = torch.nn.functional.adaptive_max_pool3d(avatar.occupancy.grown(1)[None].float(), cells)
    brick = torch.full((cells**3,), -1, dtype=torch.int32, device=avatar.device)
    kept, count = [], 0
    for flat in near.flatten().nonzero()[:, 0].split(BRICKS_AT_ONCE):
        nodes, thick = _bricks(avatar, lattice, mean, appearance, eye, flat, cells)
        some = thick.nonzero()[:, 0]
        brick[flat[some]] = count + torch.arange(len(some), dtype=torch.int32, device=flat.device)
        kept.append(nodes[some])
        count += len(some)
    empty = torch.zeros(0, (BRICK + 1) ** 3, 4, dtype=torch.uint8, device=avatar.device)
    return Preview(brick.view(cells, cells, cells), torch.cat([empty, *kept]))


def _bricks(
    avatar: Avatar,
    lattice: CanonicalLattice,
    deformed: Tensor,
    appearance: Tensor,
    eye: Tensor,
    flat: Tensor,
    cells: int,
) -> tuple[Tensor, Tensor]:
    """Nodes [M, 9³, 4] of M bricks, and which of them [M] hold anything."""
    low = torch.stack([flat // cells**2, flat // cells % cells, flat % cells], 1) * BRICK
    axis = torch.arange(BRICK + 1, device=flat.device)
    corner = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).view(-1, 3)
    u = ((low[:, None] + corner).float() / (cells * BRICK)).view(-1, 3)
    said = lattice.at(u, deformed)
    view = torch.nn.functional.normalize(avatar.low + u * avatar.size - eye, dim=1)
    with torch.autocast(u.device.type, torch.bfloat16):
        sigma, rgb = avatar.field(
            u + said[:, :3] / avatar.size, view, said[:, 3:], appearance.expand(len(u), -1)
        )
    level = (sigma.log() - LOG_LOW) / (LOG_HIGH - LOG_LOW)
    nodes = (torch.cat([level[:, None], rgb], 1).clamp(0, 1) * 255).round().byte()
    opacity = 1 - torch.exp(-sigma * avatar.config.step)
    return nodes.view(len(flat), -1, 4), opacity.view(len(flat), -1).amax(1) > THIN


def canonical_eye(
    avatar: Avatar, camera: Camera, theta: np.ndarray, translation: np.ndarray
) -> Tensor:
    """Where the camera stands [3] m, seen from the canonical head: by its foremost joint alone."""
    skin = avatar.skin

    def transform(turns: Tensor, shift: Tensor) -> Tensor:
        joint = int(skin.skin_weights.sum(0).argmax())
        return joint_transforms(turns[None], shift[None], skin.joints)[0, joint]  # [3, 4]

    def tensor(array: np.ndarray) -> Tensor:
        return torch.as_tensor(np.asarray(array, np.float32), device=avatar.device)

    posed = transform(tensor(theta), tensor(translation))
    rest = transform(canonical_theta(avatar.device), tensor(np.zeros(3)))
    eye = tensor(camera.world_from_camera[:3, 3])
    return rest[:, :3] @ (posed[:, :3].T @ (eye - posed[:, 3])) + rest[:, 3]
