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
from ..head.skinning import HeadTensors, corrective_offsets, rotation_matrix
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
    ) -> tuple[View, Tensor]:
        """The view and its derivatives, px per unit.

        Returns:
            The view; by each frame's own unknowns [N, L, 2, U]; and if `shared`, by identity and
            the log of the focal length too [N, L, 2, U + B + 1].
        """
        head = self.head.subject(subject.beta, subject.offset)
        expressed, joints = _expressed(head, frames.psi), head.joints_of(frames.psi)
        rest = _opened(head, expressed, joints, frames.jaw)
        view = self._view(rest + self._slid(frames, subject), frames, subject)
        by_seen = self._by_seen(view, subject)  # [N, L, 2, 3]
        into, bent = _into(frames), _bent(frames.jaw)
        own, shares = OWN + frames.psi.shape[1], len(self.head.identities) + 1

        found = rest.new_empty(*rest.shape[:2], 2, own + shares * shared)
        found[..., RIGID] = self.rigid(view, frames, subject)
        for k in range(3):
            nudge = torch.zeros_like(frames.jaw)
            nudge[:, k] = JAW_STEP
            moved = (_opened(head, expressed, joints, frames.jaw + nudge) - rest) / JAW_STEP
            along = moved @ into.transpose(1, 2)
            found[..., JAW_TURN.start + k] = (by_seen * along[..., None, :]).sum(-1)
        by_rest = self._by_rest(view, frames, subject)
        modes = head.expressions.unflatten(-1, (-1, 3)).permute(1, 2, 0)  # [L, 3, E]
        found[..., OWN:own] = _through(by_rest, modes)
        if not shared:
            return view, found
        found[..., own:-1] = _through(by_rest, self.head.identities.permute(1, 2, 0))
        hinge = self.head.joint_identities[:, JAW]  # [B, 3] m
        swing = by_seen @ (-(into @ bent))[:, None]  # [N, L, 2, 3]
        found[..., own:-1] += (head.skin_weights[:, JAW, None, None] * swing) @ hinge.T
        toward = view.turned[..., 2] * CAMERA_FROM_WORLD[2] / subject.focal
        found[..., -1] = view.pixels * (toward / view.depth)[..., None]
        return view, found

    def by_rest(self, frames: Frames, subject: Subject) -> tuple[View, Tensor]:
        """The view and its derivatives by each point's own place at rest [N, L, 2, 3], px per m."""
        view = self.view(frames, subject)
        return view, self._by_rest(view, frames, subject)

    def _by_rest(self, view: View, frames: Frames, subject: Subject) -> Tensor:
        jaw_weight = self.head.mean.skin_weights[:, JAW]
        blended = _blended(_into(frames), _bent(frames.jaw), jaw_weight)
        return self._by_seen(view, subject) @ blended

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
    return _opened(head, _expressed(head, psi), head.joints_of(psi), jaw)


def _expressed(head: HeadTensors, psi: Tensor) -> Tensor:
    """Its vertices [N, L, 3] m with the expression alone."""
    return head.vertices + (psi @ head.expressions).unflatten(-1, (-1, 3))


def _opened(head: HeadTensors, expressed: Tensor, joints: Tensor, jaw: Tensor) -> Tensor:
    """The same [N, L, 3] m with the jaw turned by jaw [N, 3] rad about its joint."""
    theta = jaw.new_zeros(len(jaw), len(head.joints), 3)
    theta[:, JAW] = jaw
    rest = expressed + corrective_offsets(head, theta)
    hinge = joints[..., JAW, :].expand(len(rest), 3)
    swing = (rest - hinge[:, None]) @ _bent(jaw).transpose(1, 2)
    return rest + head.skin_weights[:, JAW, None] * swing


def _into(frames: Frames) -> Tensor:
    """Camera axes from head axes [N, 3, 3]."""
    return frames.rotation.new_tensor(CAMERA_FROM_WORLD)[:, None] * frames.rotation


def _bent(jaw: Tensor) -> Tensor:
    """What the jaw's turn adds to no turn [N, 3, 3]."""
    return rotation_matrix(jaw) - torch.eye(3, device=jaw.device, dtype=jaw.dtype)


def _through(rows: Tensor, modes: Tensor) -> Tensor:
    """Rows [N, L, 2, 3] times each point's own modes [L, 3, C], for a fraction of `@`'s time."""
    found = rows[..., :1] * modes[:, :1]
    for k in (1, 2):
        found.addcmul_(rows[..., k : k + 1], modes[:, k : k + 1])
    return found


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
