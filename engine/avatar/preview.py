# SPDX-License-Identifier: GPL-3.0-or-later
"""The avatar's preview: a sparse canonical grid of density and colour, for frames with few nets.

It is baked once from the field as it is, looked at from where the clip's camera stood on average.
A frame then asks the nets at the nodes of a lattice alone, whatever the size of the picture: where
its points move before they are looked up, and by how much their colour differs from the baked one.

Bricks of 8³ cells carry 9³ nodes each, so that a look-up stays within one brick. What is
interpolated is the logarithm of the density, which is smooth where the density itself is not.
"""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from ..cores import over_cores
from ..devices import autocast
from ..head.motion import Motion
from ..head.skinning import canonical_theta, joint_transforms
from ..kernels.preview import BRICK, LOG_HIGH, LOG_LOW
from ..render.camera import Camera
from .deformation import Condition
from .lattice import CanonicalLattice
from .model import Avatar

MOST_CELLS = 256  # along each axis: 1.7 mm on a head
FRAMES = 8  # of the motion that are averaged
MARGIN = 2  # occupancy cells around what is occupied that offsets may reach
THIN = 0.002  # opacity of one step below which a brick is left out
BRICKS_AT_ONCE = 64


@dataclass(frozen=True)
class Look:
    """How the colours of a baked grid are seen: as in the mean of a clip's frames."""

    ambient: Tensor  # [K, A] at the lattice's nodes
    appearance: Tensor  # [1, appearance_size]
    eye: Tensor  # [3] m, canonical space


@dataclass(frozen=True)
class Preview:
    """M bricks of the cube around the canonical head."""

    brick: Tensor  # [B, B, B] int32 into the bricks, −1 where there is nothing
    levels: Tensor  # [M, 9³, 4] uint8: level of the log density, and display-referred colour
    look: Look  # how the colours were seen

    def to_arrays(self) -> dict[str, np.ndarray]:
        """As the avatar file holds it."""
        tensors = {"brick": self.brick, "levels": self.levels, **vars(self.look)}
        return {name: tensor.cpu().numpy() for name, tensor in tensors.items()}

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, np.ndarray], device: torch.device
    ) -> "Preview | None":
        """Undo `to_arrays`; None where the arrays are of a version that held less or other ones."""
        looks = [field.name for field in fields(Look)]
        if not {"brick", "levels", *looks} <= set(arrays):
            return None
        tensors = {n: torch.from_numpy(np.array(a)).to(device) for n, a in arrays.items()}
        look = Look(**{name: tensors[name] for name in looks})
        return cls(tensors["brick"], tensors["levels"], look)


@torch.no_grad()
def mean_look(avatar: Avatar, lattice: CanonicalLattice, motion: Motion, camera: Camera) -> Look:
    """What the nets say of colour in frames of `motion` filmed by `camera`, averaged."""
    frames = np.unique(np.linspace(0, len(motion) - 1, FRAMES).round().astype(int))
    ambient, eye = 0.0, torch.zeros(3, device=avatar.device)
    appearance = torch.zeros(1, avatar.config.appearance_size, device=avatar.device)
    stands = torch.as_tensor(camera.world_from_camera[:3, 3], device=avatar.device).float()
    for index in frames:
        pose = motion.psi[index], motion.theta[index], motion.translation[index]
        condition = avatar.condition(*pose)
        ambient = ambient + lattice.deformation(avatar, condition)[:, 3:] / len(frames)
        appearance += condition.appearance / len(frames)
        theta, shift = (
            torch.as_tensor(np.asarray(array, np.float32), device=avatar.device)[None]
            for array in pose[1:]
        )
        bias = avatar.tracking
        theta, shift = bias.corrected(bias.features(theta, shift), theta, shift)
        posed = joint_transforms(theta, shift, avatar.skin.joints)[0]
        eye += canonical_eye(avatar, stands, posed) / len(frames)
    return Look(ambient, appearance, eye)


@torch.no_grad()
def bake(avatar: Avatar, lattice: CanonicalLattice, look: Look) -> Preview:
    """The preview of a finished avatar with its own lattice, seen as `look` says."""
    side = max(min(avatar.config.finest, MOST_CELLS) // BRICK, 1)  # bricks along an axis
    near = avatar.occupancy.grown(MARGIN)[None].float()
    near = torch.nn.functional.adaptive_max_pool3d(near, side)
    brick = torch.full((side**3,), -1, dtype=torch.int32, device=avatar.device)
    kept, count = [], 0

    def baked(flat: Tensor) -> tuple[Tensor, Tensor]:
        return _bricks(avatar, lattice, look, flat, side)

    wanted = near.flatten().nonzero()[:, 0].split(BRICKS_AT_ONCE)
    with closing(over_cores(baked, wanted, avatar.device)) as pieces:
        for thick, levels in pieces:
            rows = torch.arange(len(thick), dtype=torch.int32, device=thick.device)
            brick[thick] = count + rows
            kept.append(levels)
            count += len(thick)
    empty = torch.zeros(0, (BRICK + 1) ** 3, 4, dtype=torch.uint8, device=avatar.device)
    return Preview(brick.view(side, side, side), torch.cat([empty, *kept]), look)


def _bricks(
    avatar: Avatar, lattice: CanonicalLattice, look: Look, flat: Tensor, side: int
) -> tuple[Tensor, Tensor]:
    """Of bricks with flat indices [M], those [N] that hold anything; their levels [N, 9³, 4]."""
    low = torch.stack([flat // side**2, flat // side % side, flat % side], 1) * BRICK
    axis = torch.arange(BRICK + 1, device=flat.device)
    corner = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).view(-1, 3)
    u = (low[:, None] + corner).float() / (side * BRICK)  # [M, 9³, 3]
    nodes = u.shape[1]
    with autocast(u.device):
        sigma, features = avatar.field.geometry(u.view(-1, 3))
        opacity = 1 - torch.exp(-sigma * avatar.config.step)
        some = (opacity.view(-1, nodes).amax(1) > THIN).nonzero()[:, 0]
        u, sigma, features = (
            values.view(len(flat), nodes, *values.shape[-1:])[some].flatten(0, 1)
            for values in (u, sigma[:, None], features)
        )
        ambient = lattice.at(u, look.ambient)
        rgb = _colour(avatar, features, u, look.eye, ambient, look.appearance)
    level = (sigma.log() - LOG_LOW) / (LOG_HIGH - LOG_LOW)
    levels = (torch.cat([level, rgb], 1).clamp(0, 1) * 255).round().byte()
    return flat[some], levels.view(len(some), nodes, 4)


@torch.no_grad()
def frame_change(
    avatar: Avatar,
    lattice: CanonicalLattice,
    moved: Tensor,
    condition: Condition,
    eye: Tensor,
    look: Look,
) -> tuple[Tensor, Tensor]:
    """What a frame adds to the baked grid at the lattice's K nodes.

    Args:
        avatar: a finished one.
        lattice: its own.
        moved: [K, 3 + A] offset (m) and ambient channels of the frame at the nodes.
        condition: of the frame.
        eye: [3] m, where the frame's camera stands in canonical space.
        look: how the grid was baked.

    Returns:
        offset [K, 3] of the unit cube, and tint [K, 3] of display-referred colour.
    """
    offset = moved[:, :3] / avatar.size
    u = lattice.u + offset
    with autocast(u.device):
        _, features = avatar.field.geometry(u)
        seen = _colour(avatar, features, u, eye, moved[:, 3:], condition.appearance)
        baked = _colour(avatar, features, u, look.eye, look.ambient, look.appearance)
    return offset, seen - baked


def _colour(
    avatar: Avatar, features: Tensor, u: Tensor, eye: Tensor, ambient: Tensor, looks: Tensor
) -> Tensor:
    """Colour [S, 3] at points u [S, 3] of the unit cube, seen from `eye`."""
    view = torch.nn.functional.normalize(avatar.low + u * avatar.size - eye, dim=1)
    return avatar.field.radiance(features, view, ambient, looks.expand(len(u), -1))


def canonical_eye(avatar: Avatar, eye: Tensor, posed: Tensor) -> Tensor:
    """`eye` [3] m seen from the canonical head, which follows its foremost joint alone.

    Args:
        avatar: whose joint.
        eye: [3] m, head space.
        posed: [J, 3, 4] posed_from_rest.
    """
    skin = avatar.skin
    joint = int(skin.skin_weights.sum(0).argmax())
    still = torch.zeros(1, 3, device=avatar.device)
    rest = joint_transforms(canonical_theta(avatar.device)[None], still, skin.joints)[0, joint]
    turn, shift = posed[joint, :, :3], posed[joint, :, 3]
    return rest[:, :3] @ (turn.T @ (eye - shift)) + rest[:, 3]
