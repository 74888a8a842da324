# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender asks of the engine, and requests that are under way."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...engine import protocol
from ...engine.errors import Cancelled, PartNerFaceError
from .child_process import EngineFailed

if TYPE_CHECKING:
    from .engine_process import EngineProcess

PROGRESS_TIMEOUT_S = 180.0  # longest time without progress: the first render compiles kernels
CANCEL_TIMEOUT_S = 20.0  # longest time from `cancel` to the answer
PATIENCE_S = 0.3  # how long a cancelled request is waited for
POLL_S = 0.005  # how soon a wait hears that it is to stop


@dataclass(frozen=True)
class OpenAvatar:
    """An avatar that the engine has open; see `engine.session.describe` for what it holds."""

    header: Mapping
    arrays: Mapping[str, np.ndarray]

    @property
    def handle(self) -> str:
        """What the engine calls this avatar."""
        return self.header["avatar"]


@dataclass(frozen=True)
class ViewTransform:
    """What a view transform makes of scene-linear colours; see `engine.render.looks`."""

    key: str  # the same for the same numbers
    axis: np.ndarray  # [N] float32, scene-linear
    shown: np.ndarray  # [N, N, N, 3] uint16, sRGB


@dataclass(frozen=True)
class Look:
    """Under which view transform the avatar is to look as it was filmed."""

    view: ViewTransform | None  # None: sRGB's own curve
    exposure: float = 0.0  # stops
    gamma: float = 1.0

    def to_json(self) -> dict:
        """As a request names it."""
        key = self.view.key if self.view else None
        return {"key": key, "exposure": self.exposure, "gamma": self.gamma}


@dataclass(frozen=True)
class OpenMotion:
    """Tracked motion, for the head of an avatar that is open; see `Session.open_motion`."""

    header: Mapping  # fps, frames, source_model, transferred, lost
    arrays: Mapping[str, np.ndarray]  # motion.psi, motion.theta, motion.translation, motion.seconds


@dataclass(frozen=True)
class RenderRequest:
    """One frame to render. The camera's world is the avatar's head space, m; OpenCV axes."""

    avatar: str  # handle
    camera: Mapping  # width, height, fx, fy, cx, cy, camera_from_world
    psi: np.ndarray  # [E], or [P, E] with a value for each part
    theta: np.ndarray  # [J, 3] rad
    translation: np.ndarray  # [3] m
    quality: str = "exact"  # or "frame-baked" or "preview"
    planes: Sequence[str] = ("combined", "depth")  # and "parts", "normal"
    look: Look | None = None  # None: the video's colours made linear, whatever the view transform


class Pending:
    """A request under way. Made by `EngineProcess.submit`; may be polled from any thread."""

    def __init__(self, engine: "EngineProcess", number: int) -> None:
        self._engine = engine
        self.number = number
        self._done = threading.Event()
        self._message: protocol.Message | None = None
        self._error: PartNerFaceError | None = None
        self.progress: Mapping | None = None  # fraction, once there is any

    def done(self) -> bool:
        """Whether `result` will return, or raise, at once."""
        return self._done.is_set()

    def cancel(self) -> None:
        """Ask the engine to stop this request; `result` then raises `Cancelled`, as a rule."""
        self._engine.send("cancel", 0, {"request": self.number})

    def result(
        self,
        timeout_s: float = PROGRESS_TIMEOUT_S,
        should_stop: Callable[[], bool] | None = None,
        on_progress: Callable[[float], None] | None = None,
    ) -> protocol.Message:
        """Wait for the answer. Never on Blender's main thread, unless `done`.

        Args:
            timeout_s: how long the engine may go without progress before it counts as hung.
            should_stop: asked often; once it is true the request is cancelled, and given up at
                once: an engine that does not stop is ended later.
            on_progress: told the share that is done.

        Raises:
            Cancelled: by `should_stop` or `cancel`.
            EngineFailed: the engine refused, died, or hung; a hung one is ended.
        """
        told: Mapping | None = None
        asked_to_stop = 0.0
        waiting_since = time.monotonic()
        while not self._done.wait(POLL_S):
            if on_progress and (progress := self.progress) is not told:
                told = progress
                on_progress(float(progress["fraction"]))
            now = time.monotonic()
            if not asked_to_stop and should_stop and should_stop():
                asked_to_stop = now
                self.cancel()
            without_progress = now - max(waiting_since, self._engine.last_progress)
            if without_progress > timeout_s:
                self._engine.give_up(without_progress)
                self._done.wait(5.0)
            elif asked_to_stop and now - asked_to_stop > PATIENCE_S:
                self._end_if_deaf()
                raise Cancelled("The rendering was stopped.")
        if self._error is not None:
            raise self._error
        assert self._message is not None
        return self._message

    def _end_if_deaf(self) -> None:
        """End the engine, later, if the cancelled request is still not answered then."""

        def look() -> None:
            if not self._done.is_set():
                self._engine.give_up(CANCEL_TIMEOUT_S)

        timer = threading.Timer(CANCEL_TIMEOUT_S, look)
        timer.daemon = True
        timer.start()

    def resolve(self, message: protocol.Message | None, error: PartNerFaceError | None) -> None:
        """Set the answer; the first one counts."""
        if not self._done.is_set():
            self._message, self._error = message, error
            self._done.set()


def told_error(header: Mapping) -> PartNerFaceError:
    """The error that the engine sent."""
    code, message, hint = (str(header.get(name, "")) for name in ("code", "message", "hint"))
    if code == Cancelled.code:
        return Cancelled(message, hint)
    return EngineFailed(message, hint, code)
