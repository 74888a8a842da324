# SPDX-License-Identifier: GPL-3.0-or-later
"""The pinhole camera, and rays through its pixels.

OpenCV axes: x right, y down, z forward. Pixel (0, 0) is the upper left one and its centre lies at
(0.5, 0.5).
"""

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Camera:
    """A pinhole camera: `camera_from_world` [4, 4] and its intrinsics in pixels."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    camera_from_world: np.ndarray  # [4, 4] float64, OpenCV axes, m

    def resized(self, width: int, height: int) -> "Camera":
        """The same view in another number of pixels."""
        sx, sy = width / self.width, height / self.height
        return replace(
            self, width=width, height=height,
            fx=self.fx * sx, fy=self.fy * sy, cx=self.cx * sx, cy=self.cy * sy,
        )  # fmt: skip

    @property
    def world_from_camera(self) -> np.ndarray:
        """[4, 4], the inverse pose."""
        return np.linalg.inv(self.camera_from_world)

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """World points [..., 3] m → pixels [..., 2] and depths [...] m along the camera's z."""
        seen = points @ self.camera_from_world[:3, :3].T + self.camera_from_world[:3, 3]
        depth = seen[..., 2]
        pixels = seen[..., :2] / depth[..., None] * (self.fx, self.fy) + (self.cx, self.cy)
        return pixels, depth

    def rays(self, pixels: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Rays through pixel positions [R, 2] (all centres, row by row, when None).

        Returns:
            Origin [3] and directions [R, 3] in world space, float32. Directions have camera depth
            one, so that a ray's parameter t IS the planar camera depth in metres.
        """
        if pixels is None:
            x, y = np.meshgrid(np.arange(self.width) + 0.5, np.arange(self.height) + 0.5)
            pixels = np.stack([x, y], -1).reshape(-1, 2)
        seen = np.concatenate(
            [(pixels - (self.cx, self.cy)) / (self.fx, self.fy), np.ones((len(pixels), 1))], 1
        )
        pose = self.world_from_camera
        return pose[:3, 3].astype(np.float32), (seen @ pose[:3, :3].T).astype(np.float32)

    def to_json(self) -> dict:
        """A JSON object, as camera files and capture.json hold it."""
        return {
            "width": self.width, "height": self.height,
            "fx": float(self.fx), "fy": float(self.fy), "cx": float(self.cx), "cy": float(self.cy),
            "camera_from_world": np.asarray(self.camera_from_world).tolist(),
        }  # fmt: skip

    @classmethod
    def from_json(cls, data: dict) -> "Camera":
        """Undo `to_json`; KeyError or ValueError where an entry is missing or odd."""
        pose = np.asarray(data["camera_from_world"], np.float64).reshape(4, 4)
        return cls(int(data["width"]), int(data["height"]), float(data["fx"]), float(data["fy"]),
                   float(data["cx"]), float(data["cy"]), pose)  # fmt: skip
