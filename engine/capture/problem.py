# SPDX-License-Identifier: GPL-3.0-or-later
"""What is unknown about a filmed head, and how well a guess explains its landmarks.

N frames, L landmarks. One identity, one focal length and one set of correspondence offsets are
shared by all frames; expression, jaw, rotation and place are each frame's own.

Errors are in percent of the outer-eye distance in space: at the head's depth a metre is so and so
many pixels, whatever the head's turn.
"""

import numpy as np
import torch
from torch import Tensor

from ..head.model import JAW, HeadModel
from ..head.skinning import HeadTensors, posed_vertices, rotation_matrix
from .landmark_head import LandmarkHead
from .outline import Outlines, skull_points
from .pose import rigid_poses
from .priors import GAPS, Priors, landmark_weights, one_sided

RIGHT_EYE_OUTER, LEFT_EYE_OUTER = 33, 263  # MediaPipe points
CAMERA_FROM_WORLD = (1.0, -1.0, -1.0)  # the axes
FOCAL_GUESS = 1.6  # in longer sides of the picture: a phone's portrait or an office camera


class Problem:
    """The unknowns, scaled so that a step of one in any of them matters about equally."""

    def __init__(
        self,
        model: HeadModel,
        points: np.ndarray,
        frames: np.ndarray,
        picture: tuple[int, int],
        device: torch.device,
        outlines: Outlines | None = None,
        priors: Priors | None = None,
    ) -> None:
        """Start from a rigid fit of the mean head.

        Args:
            model: the head model.
            points: [N, L, 2] px of the clip, the landmarks.
            frames: [N] ascending frame numbers; where one is left out nothing need be smooth.
            picture: the clip's width and height, px; its centre is the principal point.
            device: where to compute.
            outlines: the person's masks in some frames.
            priors: their strengths.
        """
        self.head = LandmarkHead.of(model, model.mean.landmarks468, device)
        self.priors = priors or Priors()
        self.points = torch.as_tensor(points, dtype=torch.float32, device=device)  # [N, L, 2] px
        self.centre = torch.tensor(picture, dtype=torch.float32, device=device) / 2
        self.first_focal = FOCAL_GUESS * max(picture)
        rest = self.head.mean.vertices
        self.middle = rest.mean(0)  # head space; rotations turn about it
        self.eye_distance = (rest[RIGHT_EYE_OUTER] - rest[LEFT_EYE_OUTER]).norm()
        rotations, places = rigid_poses(
            points, rest.cpu().numpy(), self.first_focal, (picture[0] / 2, picture[1] / 2)
        )
        self.rotation = torch.as_tensor(rotations, dtype=torch.float32, device=device)  # [N, 3]
        place = torch.as_tensor(places, dtype=torch.float32, device=device)
        self.ray = place[:, :2] / place[:, 2:]  # [N, 2]
        self.log_depth = place[:, 2].log()  # [N]
        self.weights = torch.as_tensor(landmark_weights(), device=device)  # [L], mean 1
        self.outlines = outlines
        self.skull = LandmarkHead.of(model, skull_points(model), device) if outlines else None
        self.gaps = torch.tensor(GAPS, device=device)
        self.one_sided = torch.as_tensor(
            one_sided(model.mean.expression_names), device=device
        )  # [E]
        even = (frames[2:] - frames[:-2]) == 2
        self.even = torch.as_tensor(even.astype(np.float32), device=device)  # [N-2]
        self._scale_modes()
        n, e, b = len(points), len(self.psi_scale), len(self.beta_scale)
        sizes = {"beta": (b,), "focal": (), "offset": (len(rest), 3), "psi": (n, e), "jaw": (n, 3),
                 "rotation": (n, 3), "ray": (n, 2), "depth": (n,)}  # fmt: skip
        self.unknowns = {name: torch.zeros(size, device=device) for name, size in sizes.items()}

    def _scale_modes(self) -> None:
        """The steps for which a mode moves the landmarks by one percent of the eye distance."""
        percent = self.eye_distance / 100
        weight = self.weights[:, None]
        reach_psi = (weight * self.head.mean.expressions.unflatten(-1, (-1, 3)) ** 2).mean((1, 2))
        reach_beta = (weight * self.head.identities**2).mean((1, 2))
        self.psi_scale = (2 * reach_psi / percent**2 + 2 * self.priors.psi).rsqrt()  # [E]
        count = len(self.points)
        self.beta_scale = (
            count * 2 * reach_beta / percent**2 + 2 * self.priors.beta
        ).rsqrt()  # [B]

    def parameters(self) -> dict[str, Tensor]:
        """The unknowns in their own units: coefficients, metres, radians."""
        x, shared = self.unknowns, len(self.points) ** -0.5
        log_focal = 2 * shared * x["focal"]
        depth = (
            self.log_depth + log_focal + 0.02 * x["depth"]
        ).exp()  # [N] m; the size in px stays
        # The centroid's pixel is what the frame shows, whatever the focal length.
        ray = (self.ray + 0.001 * x["ray"]) * (-log_focal).exp()
        return {
            "beta": self.beta_scale * x["beta"],
            "log_focal": log_focal,
            "offset": 0.0015 * shared * x["offset"],
            "psi": self.psi_scale * x["psi"],
            "jaw": 0.03 * x["jaw"],
            "rotation": self.rotation + 0.01 * x["rotation"],
            "place": torch.cat([ray, torch.ones_like(ray[:, :1])], 1)
            * depth[:, None],  # [N, 3] m, camera
        }

    def posed(self, p: dict[str, Tensor]) -> tuple[HeadTensors, Tensor]:
        """The subject's landmarks, and where they are in the camera [N, L, 3] m."""
        head = self.head.subject(p["beta"], p["offset"])
        theta, translation = self.motion(p, head)
        world = posed_vertices(head, p["psi"], theta, translation)
        return head, world * world.new_tensor(CAMERA_FROM_WORLD)

    def motion(self, p: dict[str, Tensor], head: HeadTensors) -> tuple[Tensor, Tensor]:
        """Joint rotations [N, J, 3], and translations [N, 3] m with the camera at the origin."""
        zero = torch.zeros_like(p["rotation"])
        theta = torch.stack([p["rotation"] if j == 0 else p["jaw"] if j == JAW else zero
                             for j in range(len(head.joints))], 1)  # fmt: skip
        arm = (rotation_matrix(p["rotation"]) @ (self.middle - head.joints[0])[:, None])[..., 0]
        place = p["place"] * p["place"].new_tensor(CAMERA_FROM_WORLD)
        return theta, place - arm - head.joints[0]

    def pixels(self, seen: Tensor, p: dict[str, Tensor]) -> Tensor:
        """Camera points [N, L, 3] m → [N, L, 2] px."""
        focal = self.first_focal * p["log_focal"].exp()
        return seen[..., :2] / seen[..., 2:].clamp(min=0.01) * focal + self.centre

    def loss(self) -> Tensor:
        """Data term and priors, summed over the frames."""
        p = self.parameters()
        _, seen = self.posed(p)
        focal = self.first_focal * p["log_focal"].exp()
        eye_px = (focal / p["place"][:, 2] * self.eye_distance).detach()  # [N]
        miss = (
            (self.pixels(seen, p) - self.points) / eye_px[:, None, None] * 100
        )  # [N, L, 2] percent
        data = (self.weights * self._robust(miss)).mean(1).sum()
        # The width of a gap tells a blink from a misplaced eye.
        gaps = self._robust(miss[:, self.gaps[:, 0]] - miss[:, self.gaps[:, 1]]).sum()
        if self.outlines is not None:
            data = data + self._outside(p, eye_px)
        return data + self.priors.gap * gaps + self.priors.cost(p, self.one_sided, self.even)

    def _outside(self, p: dict[str, Tensor], eye_px: Tensor) -> Tensor:
        """What the skull costs where it lies outside the person's outline in the key frames."""
        chosen = torch.as_tensor(self.outlines.frames, device=eye_px.device)
        head = self.skull.subject(p["beta"])
        theta, translation = self.motion(p, head)
        world = posed_vertices(head, p["psi"][chosen], theta[chosen], translation[chosen])
        distance = self.outlines.distance(
            self.pixels(world * world.new_tensor(CAMERA_FROM_WORLD), p)
        )
        miss = distance.clamp(min=0) / eye_px[chosen, None] * 100  # [K, S] percent
        return self.priors.outline * len(self.points) * self._robust(miss[..., None]).mean()

    def _robust(self, miss: Tensor) -> Tensor:
        """Charbonnier's penalty of vectors [..., 2]: their square, linear from `robust` on."""
        square, scale = (miss * miss).sum(-1), self.priors.robust**2
        return 2 * scale * ((1 + square / scale).sqrt() - 1)
