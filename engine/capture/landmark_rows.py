# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a guess lies from the landmarks seen, and how that changes with every unknown.

Misses are in percent of the outer-eye distance in space: at the head's depth a metre is so and so
many pixels, whatever the head's turn. Derivatives are what a Gauss-Newton step needs: exact but for
the jaw's, which are finite differences, and for the small ways in which place, size and lens change
the slide and what a percent is, which are left out.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..head.model import JAW
from ..head.skinning import HeadTensors, rotation_matrix, vertex_offsets
from .landmark_head import LandmarkHead
from .slide import EYE_DISTANCE, slopes_of, terms_of, toward_camera
from .unknowns import JAW_TURN, OWN, PLACE, RIGID, ROTATION, SIZE, Frames, Subject

CAMERA_FROM_WORLD = (1.0, -1.0, -1.0)  # the axes
RIGHT_EYE_OUTER, LEFT_EYE_OUTER = 33, 263  # MediaPipe points
JAW_STEP = 1e-3  # rad, of the finite differences


@dataclass(frozen=True)
class View:
    """What points of the head look like in some frames."""

    turned: Tensor  # [N, L, 3] m, world axes, from the head's middle
    pixels: Tensor  # [N, L, 2] px from the principal point
    depth: Tensor  # [N, L] m per px at each point
    percent: Tensor  # [N] px that are one percent of the outer-eye distance at the head


@dataclass(frozen=True)
class Points:
    """Points of a head model and what is needed to see them."""

    head: LandmarkHead
    middle: Tensor  # [3] m, head space; rotations turn about it
    eye_distance: Tensor  # [] m, between the outer corners
    slide: Tensor | None = None  # [L, 5, 3] m, how the points slide as the head turns

    @classmethod
    def of(cls, head: LandmarkHead, slide: np.ndarray | None = None) -> "Points":
        """MediaPipe's landmarks; `slide` [468, 5, 3] m is theirs on a head of `EYE_DISTANCE`."""
        rest = head.mean.vertices
        eyes = (rest[RIGHT_EYE_OUTER] - rest[LEFT_EYE_OUTER]).norm()
        if slide is not None:
            slide = torch.as_tensor(slide).to(rest) * (eyes / EYE_DISTANCE)
        return cls(head, rest[head.known > 0].mean(0), eyes, slide)

    def view(self, frames: Frames, subject: Subject) -> View:
        """The points in the picture."""
        head = self.head.subject(subject.beta, subject.offset)
        rest = _unturned(head, frames.psi, frames.jaw)
        return self._view(rest + self._slid(frames, subject), frames, subject)

    def _slid(self, frames: Frames, subject: Subject) -> Tensor | float:
        """What the points have slid [N, L, 3] m, in the root joint's frame."""
        if self.slide is None:
            return 0.0
        toward = toward_camera(frames.rotation, frames.place / subject.focal)
        return torch.einsum("nk,lkc->nlc", terms_of(toward), self.slide)

    def _slid_by_turn(self, frames: Frames, subject: Subject) -> Tensor:
        """Its derivatives by a turn of the head in the world [N, L, 3, 3]."""
        toward = toward_camera(frames.rotation, frames.place / subject.focal)
        world = (frames.rotation @ toward[..., None])[..., 0]
        # A turn moves the direction to the camera, seen from the head, the other way round.
        moved = frames.rotation.transpose(1, 2) @ _skew(world)  # [N, 3, 3]
        by_turn = slopes_of(toward) @ moved[:, :2]  # [N, 5, 3]
        return torch.einsum("nkt,lkc->nlct", by_turn, self.slide)

    def _view(self, rest: Tensor, frames: Frames, subject: Subject) -> View:
        turned = (rest - self.middle) @ frames.rotation.transpose(1, 2)
        seen = turned * turned.new_tensor(CAMERA_FROM_WORLD)
        scale = frames.size.exp()  # [N] m per px
        depth = seen[..., 2] / subject.focal + scale[:, None]
        pixels = (seen[..., :2] + (frames.place * scale[:, None])[:, None]) / depth[..., None]
        return View(turned, pixels, depth, self.eye_distance / scale / 100)

    def derivatives(
        self, frames: Frames, subject: Subject, *, shared: bool = False
    ) -> tuple[View, Tensor, Tensor | None, Tensor | None]:
        """The view and its derivatives, px per unit.

        Returns:
            The view; by each frame's own unknowns [N, L, 2, U]; and if `shared`, by identity and
            the log of the focal length [N, L, 2, B + 1] and by each point's own offset
            [N, L, 2, 3], else None.
        """
        head = self.head.subject(subject.beta, subject.offset)
        rest = _unturned(head, frames.psi, frames.jaw)
        view = self._view(rest + self._slid(frames, subject), frames, subject)
        axes = rest.new_tensor(CAMERA_FROM_WORLD)
        by_seen = self._by_seen(view, subject)  # [N, L, 2, 3]
        into = axes[:, None] * frames.rotation  # [N, 3, 3] camera axes from head axes
        bent = rotation_matrix(frames.jaw) - torch.eye(3, device=rest.device, dtype=rest.dtype)
        jaw_weight = head.skin_weights[:, JAW]  # [L]

        own = rest.new_empty(*rest.shape[:2], 2, OWN + frames.psi.shape[1])
        own[..., RIGID] = self.rigid(view, frames, subject)
        for k in range(3):
            nudge = torch.zeros_like(frames.jaw)
            nudge[:, k] = JAW_STEP
            moved = (_unturned(head, frames.psi, frames.jaw + nudge) - rest) / JAW_STEP
            along = moved @ into.transpose(1, 2)
            own[..., JAW_TURN.start + k] = (by_seen @ along[..., None])[..., 0]
        by_rest = by_seen @ _blended(into, bent, jaw_weight)  # [N, L, 2, 3]
        modes = head.expressions.unflatten(-1, (-1, 3)).permute(1, 2, 0)  # [L, 3, E]
        own[..., OWN:] = by_rest @ modes
        if not shared:
            return view, own, None, None
        by_identity = by_rest @ self.head.identities.permute(1, 2, 0)  # [N, L, 2, B]
        hinge = self.head.joint_identities[:, JAW]  # [B, 3] m
        swing = by_seen @ (-(into @ bent))[:, None]  # [N, L, 2, 3]
        by_identity = by_identity + jaw_weight[:, None, None] * (swing @ hinge.T)
        toward = view.turned[..., 2] * axes[2] / subject.focal
        by_focal = view.pixels * (toward / view.depth)[..., None]
        return view, own, torch.cat([by_identity, by_focal[..., None]], -1), by_rest

    def rigid(self, view: View, frames: Frames, subject: Subject) -> Tensor:
        """The view's derivatives by rotation, place and size [N, L, 2, 6], px per unit."""
        by_seen = self._by_seen(view, subject)  # [N, L, 2, 3]
        axes = view.turned.new_tensor(CAMERA_FROM_WORLD)
        share = frames.size.exp()[:, None, None] / view.depth[..., None]  # [N, L, 1]
        found = view.turned.new_empty(*view.depth.shape, 2, 6)
        found[..., ROTATION] = _cross(by_seen * axes, view.turned)
        if self.slide is not None:
            by_slid = by_seen @ (axes[:, None] * frames.rotation)[:, None]
            found[..., ROTATION] += by_slid @ self._slid_by_turn(frames, subject)
        found[..., PLACE] = share[..., None] * torch.eye(2).to(share)
        found[..., SIZE] = (frames.place[:, None] - view.pixels) * share
        return found

    def _by_seen(self, view: View, subject: Subject) -> Tensor:
        """Pixels by the point in camera axes [N, L, 2, 3]."""
        across = torch.eye(2, 3, device=view.depth.device, dtype=view.depth.dtype)
        deep = view.pixels[..., None] * across.new_tensor([0, 0, 1]) / subject.focal
        return (across - deep) / view.depth[..., None, None]


def _unturned(head: HeadTensors, psi: Tensor, jaw: Tensor) -> Tensor:
    """The head's vertices [N, L, 3] m with expression and jaw alone.

    What `posed_vertices` gives where no joint but the jaw is turned, for a fraction of the work.
    """
    theta = jaw.new_zeros(len(jaw), len(head.joints), 3)
    theta[:, JAW] = jaw
    rest = head.vertices + vertex_offsets(head, psi, theta)
    hinge = head.joints_of(psi)[..., JAW, :]  # [3] or [N, 3]
    bent = rotation_matrix(jaw) - torch.eye(3, device=rest.device, dtype=rest.dtype)
    swing = (rest - hinge.expand(len(rest), 3)[:, None]) @ bent.transpose(1, 2)
    return rest + head.skin_weights[:, JAW, None] * swing


def _blended(into: Tensor, bent: Tensor, jaw_weight: Tensor) -> Tensor:
    """Camera axes from each point's rest axes [N, L, 3, 3]: the jaw's share turns with the jaw."""
    return into[:, None] + jaw_weight[:, None, None] * (into @ bent)[:, None]


def _skew(vector: Tensor) -> Tensor:
    """The matrices [N, 3, 3] that take the cross product with vectors [N, 3] from the left."""
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))


def _cross(rows: Tensor, arm: Tensor) -> Tensor:
    """By a turn of the arms [N, L, 3]: rows [N, L, 2, 3] · (turn × arm) = (arm × rows) · turn."""
    return torch.linalg.cross(arm[:, :, None].expand_as(rows), rows)
