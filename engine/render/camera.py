# SPDX-License-Identifier: GPL-3.0-or-later
"""The pinhole camera, the orthographic one, and rays through their pixels.

OpenCV axes: x right, y down, z forward. Pixel (0, 0) is the upper left one and its centre lies at
(0.5, 0.5).
"""

from dataclasses import dataclass, replace

import numpy as np

from ..errors import InputError

FAR_EYE = 1000.0  # m behind an orthographic camera, for what depends on where it is seen from


@dataclass(frozen=True)
class Camera:
    """A camera: `camera_from_world` [4, 4] and its intrinsics.

    fx and fy are pixels for each unit of slope; of an orthographic camera pixels for each metre.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    camera_from_world: np.ndarray  # [4, 4] float64, OpenCV axes, m
    orthographic: bool = False

    def resized(self, width: int, height: int) -> "Camera":
        """The same view in another number of pixels."""
        sx, sy = width / self.width, height / self.height
        return replace(
            self, width=width, height=height,
            fx=self.fx * sx, fy=self.fy * sy, cx=self.cx * sx, cy=self.cy * sy,
        )  # fmt: skip

    def of_height(self, height: int) -> "Camera":
        """The same view in pictures `height` px high, with the same proportions.

        Raises:
            InputError: that is no height.
        """
        if height < 1:
            raise InputError(
                f"A picture cannot be {height} pixels high.", "Leave the size out, or give more."
            )
        return self.resized(max(round(height * self.width / self.height), 1), height)

    @property
    def world_from_camera(self) -> np.ndarray:
        """[4, 4], the inverse pose."""
        return np.linalg.inv(self.camera_from_world)

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """World points [..., 3] m → pixels [..., 2] and depths [...] m along the camera's z."""
        seen = points @ self.camera_from_world[:3, :3].T + self.camera_from_world[:3, 3]
        depth = seen[..., 2]
        slope = seen[..., :2] if self.orthographic else seen[..., :2] / depth[..., None]
        return slope * (self.fx, self.fy) + (self.cx, self.cy), depth

    @property
    def eye(self) -> np.ndarray:
        """[3] m, where it is seen from; an orthographic camera sees from very far behind itself."""
        pose = self.world_from_camera
        return pose[:3, 3] - pose[:3, 2] * (FAR_EYE if self.orthographic else 0.0)

    def pixel_size(self, points: np.ndarray) -> float:
        """How large a pixel is, m, along its shorter side, at the nearest of some world points.

        Args:
            points: [K, 3] m; those behind the eye do not count. Zero if all of them are.
        """
        finest = 1 / max(self.fx, self.fy)
        if self.orthographic:
            return finest
        depth = points @ self.camera_from_world[2, :3] + self.camera_from_world[2, 3]
        ahead = depth[depth > 0]
        return finest * float(ahead.min()) if len(ahead) else 0.0

    def rays(self, pixels: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Rays through pixel positions [R, 2] (all centres, row by row, when None).

        Returns:
            Origins and directions in world space, float32: origin [3] of a pinhole camera and
            directions [R, 3]; of an orthographic one origins [R, 3] and direction [3]. Directions
            have camera depth one, so that a ray's parameter t IS the planar camera depth in metres.
        """
        if pixels is None:
            x = (np.arange(self.width) + 0.5)[None, :, None]
            y = (np.arange(self.height) + 0.5)[:, None, None]
        else:
            x, y = pixels[:, :1], pixels[:, 1:]
        across, down, ahead, place = self.world_from_camera[:3].T
        # By hand: a product of so many rows of three is shared among cores, and slower by far.
        plane = (x - self.cx) / self.fx * across + (y - self.cy) / self.fy * down
        spread = plane + (place if self.orthographic else ahead)
        one = ahead if self.orthographic else place
        spread, one = spread.reshape(-1, 3).astype(np.float32), one.astype(np.float32)
        return (spread, one) if self.orthographic else (one, spread)

    def to_json(self) -> dict:
        """A JSON object, as camera files and capture.json hold it."""
        return {
            "width": self.width, "height": self.height,
            "fx": float(self.fx), "fy": float(self.fy), "cx": float(self.cx), "cy": float(self.cy),
            "camera_from_world": np.asarray(self.camera_from_world).tolist(),
            **({"orthographic": True} if self.orthographic else {}),
        }  # fmt: skip

    @classmethod
    def from_json(cls, data: dict) -> "Camera":
        """Undo `to_json`; KeyError, TypeError or ValueError where an entry is missing or odd."""
        pose = np.asarray(data["camera_from_world"], np.float64).reshape(4, 4)
        camera = cls(int(data["width"]), int(data["height"]), float(data["fx"]), float(data["fy"]),
                     float(data["cx"]), float(data["cy"]), pose,
                     bool(data.get("orthographic", False)))  # fmt: skip
        numbers = [camera.fx, camera.fy, camera.cx, camera.cy, *pose.ravel()]
        if not np.isfinite(numbers).all() or min(camera.fx, camera.fy) <= 0:
            raise ValueError("a number is out of range")
        if min(camera.width, camera.height) <= 0:
            raise ValueError(f"a picture of {camera.width} × {camera.height}")
        np.linalg.inv(pose)  # a LinAlgError, where there is none, is a ValueError
        return camera
