# SPDX-License-Identifier: GPL-3.0-or-later
"""A look at the avatar while it is being trained: a small picture in the job folder.

On the left a frame that training does not see, as filmed; on the right the avatar in its pose.
Looking changes nothing: neither weights nor random numbers.
"""

import logging
import time
from pathlib import Path

import cv2
import numpy as np
import torch

from ..avatar.deformation import Condition
from ..avatar.model import Avatar
from ..capture.folder import Capture
from ..errors import PartNerFaceError
from ..files import write_atomic
from ..render.camera import Camera
from ..render.frame import on_white, render_frame
from .per_frame import PerFrame

HEIGHT = 128  # px
SHORTEST_WAIT_S, LONGEST_WAIT_S = 10.0, 60.0
SHARE = 0.03  # of the time that looking may cost, about

log = logging.getLogger(__name__)


class Glimpse:
    """The avatar in training, looked at now and then.

    Args:
        avatar: the avatar, never changed.
        per_frame: its frames' codes; the picture takes their mean, as keyed frames will.
        capture: where the filmed frame comes from.
        camera: the capture's, at the size of training.
        path: the PNG file; None looks never.
    """

    def __init__(
        self,
        avatar: Avatar,
        per_frame: PerFrame,
        capture: Capture,
        camera: Camera,
        path: Path | None,
    ) -> None:
        self.avatar, self.per_frame, self.capture, self.path = avatar, per_frame, capture, path
        self.camera = camera.of_height(min(HEIGHT, camera.height))
        self.frame = (capture.test or capture.train)[0]
        self._filmed: np.ndarray | None = None
        self._next = 0.0

    def show(self, *, at_once: bool = False) -> None:
        """Write the picture anew if it is time; what goes wrong is logged and forgotten."""
        began = time.monotonic()
        if self.path is None or (began < self._next and not at_once):
            return
        try:
            self._write(np.hstack([self._truth(), self._seen()]))
        except (PartNerFaceError, MemoryError, torch.OutOfMemoryError) as error:
            log.warning("no preview: %s", error)
        now = time.monotonic()
        self._next = now + min(max((now - began) / SHARE, SHORTEST_WAIT_S), LONGEST_WAIT_S)

    @torch.no_grad()
    def _seen(self) -> np.ndarray:
        """The avatar on white: [h, w, 3] uint8."""
        avatar, motion, frame = self.avatar, self.capture.motion, self.frame
        psi, theta, translation = (
            torch.as_tensor(np.asarray(array[frame], np.float32), device=avatar.device)[None]
            for array in (motion.psi, motion.theta, motion.translation)
        )
        told = avatar.condition(motion.psi[frame], motion.theta[frame])
        features = avatar.tracking.features(theta, translation)
        code, appearance = self.per_frame.code.mean(0), self.per_frame.appearance.mean(0)
        condition = Condition(
            psi=told.psi,
            theta=told.theta,
            code=features @ avatar.tracking.code + code,
            appearance=features @ avatar.tracking.appearance + appearance,
        )
        try:
            planes = render_frame(
                avatar,
                self.camera,
                psi[0].cpu().numpy(),
                theta[0].cpu().numpy(),
                translation[0].cpu().numpy(),
                condition=condition,
            )
        finally:
            avatar.kept.clear()  # what was prepared holds for this step alone
        return (on_white(planes) * 255 + 0.5).astype(np.uint8)

    def _truth(self) -> np.ndarray:
        """The filmed frame on white: [h, w, 3] uint8."""
        if self._filmed is None:
            image = self.capture.image(self.frame).astype(np.float32)
            matte = self.capture.matte(self.frame)[..., None].astype(np.float32) / 255
            on_ground = image * matte + 255 * (1 - matte)
            size = (self.camera.width, self.camera.height)
            self._filmed = cv2.resize(on_ground, size, interpolation=cv2.INTER_AREA).astype(
                np.uint8
            )
        return self._filmed

    def _write(self, picture: np.ndarray) -> None:
        done, data = cv2.imencode(".png", np.ascontiguousarray(picture[..., ::-1]))
        assert done
        write_atomic(self.path, lambda temporary: temporary.write_bytes(data.tobytes()) and None)
