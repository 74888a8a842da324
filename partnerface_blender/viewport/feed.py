# SPDX-License-Identifier: GPL-3.0-or-later
"""Wishes in, pictures out: one thread that waits for the engine so that Blender never does.

The thread starts the engine, opens avatars, and climbs the rungs of every slot's newest wish,
coarse ones first. A slot is one avatar in one viewport. Nothing here imports bpy.
"""

import itertools
import threading
import time
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path

from ...engine.errors import Cancelled, PartNerFaceError
from ..connection import engine_link
from ..connection.engine_link import EngineSettings
from ..connection.engine_process import RenderRequest
from ..failures import own_mistake
from .pictures import Picture, ready
from .wishes import Pace, Wish, at_side

SETTLED_S = 0.15  # how long a wish must stand before it is refined
RETRY_S = 3.0  # before an engine that could not be started is started again in the same way


@dataclass
class Slot:
    """What one avatar in one viewport wants and has."""

    path: Path
    moment: Hashable
    wish: Wish | None = None  # None: the avatar must be opened first
    since: float = 0.0  # when it was wished for
    turn: int = 0  # who came first
    rung: int = 0  # the next one to climb
    done: bool = False  # nothing is left to do until something else is wished for
    picture: Picture | None = None
    failure: str = ""  # a sentence


@dataclass(frozen=True)
class Task:
    """What the thread does next."""

    key: Hashable  # the slot's
    turn: int  # of the wish
    path: Path
    wish: Wish | None
    rung: int
    moment: Hashable


class Feed:
    """All slots of this Blender, and the thread that serves them."""

    def __init__(self) -> None:
        self.share = 1.0  # of the time that refinements may compute
        self.pace = Pace()
        self.version = 0  # changes when there is something new to draw
        self._slots: dict[Hashable, Slot] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._held = False
        self._settings: EngineSettings | None = None
        self._saying = ""
        self._rest_until = 0.0
        self._turns = itertools.count(1)
        self._refusal: tuple[float, EngineSettings, PartNerFaceError] | None = None

    def want(
        self,
        key: Hashable,
        path: Path,
        wish: Wish | None,
        moment: Hashable,
        settings: EngineSettings,
    ) -> None:
        """Set what a slot should show; returns at once, whatever the engine is doing.

        Args:
            key: the slot.
            path: the avatar's file.
            wish: what to show; None if the file must be opened to know.
            moment: another one whenever scene or view have changed; what has failed is not tried
                again before that.
            settings: how to start the engine.
        """
        with self._changed:
            self._settings = settings
            slot = self._slots.setdefault(key, Slot(path, None))
            if slot.failure and slot.moment == moment:
                return
            asked = slot.turn and slot.path == path and not slot.failure
            same = (wish is None) == (slot.wish is None) and (
                wish is None or wish.key == slot.wish.key
            )
            slot.moment = moment
            if asked and same and not (wish is None and slot.done):
                return
            slot.path, slot.wish, slot.failure = path, wish, ""
            slot.rung, slot.done = 0, False
            slot.since, slot.turn = time.monotonic(), next(self._turns)
            self._start()
            self._changed.notify_all()

    def picture(self, key: Hashable) -> Picture | None:
        """The newest picture of a slot."""
        slot = self._slots.get(key)
        return slot.picture if slot else None

    def failure(self, key: Hashable) -> str:
        """The sentence with which a slot's wish failed; empty where it did not."""
        slot = self._slots.get(key)
        return slot.failure if slot else ""

    def saying(self) -> str:
        """What the thread is at, where that takes long: starting the engine, opening an avatar."""
        return self._saying

    def busy(self) -> bool:
        """Whether something is still to come."""
        with self._changed:
            return any(not slot.done for slot in self._slots.values())

    def keys(self) -> list[Hashable]:
        """The slots."""
        with self._changed:
            return list(self._slots)

    def forget(self, key: Hashable) -> None:
        """Drop a slot, and what is under way for it."""
        with self._changed:
            self._slots.pop(key, None)
            self._changed.notify_all()

    @property
    def held(self) -> bool:
        """Whether engine and processor are left to somebody else."""
        return self._held

    def hold(self, held: bool) -> None:
        """Leave engine and processor to somebody else, or take wishes up again; from any thread."""
        with self._changed:
            self._held = held
            self._changed.notify_all()

    def stop(self) -> None:
        """Drop every slot and let the thread end."""
        with self._changed:
            self._slots.clear()
            self._stopping = True
            self._changed.notify_all()

    def _start(self) -> None:
        """See to it that the thread runs. Called with the lock held."""
        self._stopping = False
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(
                target=self._work, name="partnerface viewport", daemon=True
            )
            self._thread.start()

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._stopping and (task := self._next()) is None:
                    self._changed.wait(self._pause())
                if self._stopping:
                    self._thread = None
                    return
                settings = self._settings
            self._do(task, settings)

    def _next(self) -> Task | None:
        """The task that is due: the lowest rung, and of those the one that was wished for first."""
        if self._held:
            return None
        now = time.monotonic()
        due = [
            (slot.rung, slot.turn, key)
            for key, slot in self._slots.items()
            if not slot.done and now >= self._due(slot)
        ]
        if not due:
            return None
        key = min(due, key=lambda entry: entry[:2])[2]
        slot = self._slots[key]
        return Task(key, slot.turn, slot.path, slot.wish, slot.rung, slot.moment)

    def _due(self, slot: Slot) -> float:
        """When a slot's next rung may be climbed: the first one at once."""
        return max(slot.since + SETTLED_S, self._rest_until) if slot.rung else slot.since

    def _pause(self) -> float | None:
        """Seconds until a rung is due; None while there is none, or it may not be climbed."""
        due = [self._due(slot) for slot in self._slots.values() if not slot.done]
        return max(min(due) - time.monotonic(), 0.0) if due and not self._held else None

    def _do(self, task: Task, settings: EngineSettings) -> None:
        """One step for one slot; whatever happens ends up in the slot."""
        started = time.monotonic()
        try:
            header = self._header(task.path, settings)
            picture = self._render(task, header["avatar"], settings) if task.wish else None
        except Cancelled:
            return
        except PartNerFaceError as error:
            self._finish(task, None, str(error))
            return
        except Exception as error:
            self._finish(task, None, str(own_mistake(error)))
            return
        finally:
            self._say("")
        self._finish(task, picture, "")
        if task.rung:  # coarse pictures owe nobody a rest
            took = time.monotonic() - started
            self._rest_until = time.monotonic() + took * (1 / max(self.share, 0.05) - 1)

    def _header(self, path: Path, settings: EngineSettings) -> dict:
        """What the engine tells of an avatar, started and opened if need be."""
        if engine_link.running_engine() is None:
            self._start_engine(settings)
        if engine_link.find_open(path) is None:
            self._say(f"opening {path.name} …")
        return engine_link.describe_avatar(settings, path)

    def _start_engine(self, settings: EngineSettings) -> None:
        """Start it, unless it has just failed: a scene that never rests would try all the time."""
        if self._refusal is not None:
            failed, how, error = self._refusal
            if how == settings and time.monotonic() < failed + RETRY_S:
                raise error
        self._say("starting the engine …")
        try:
            engine_link.ensure_engine(settings)
        except PartNerFaceError as error:
            self._refusal = time.monotonic(), settings, error
            raise
        self._refusal = None

    def _render(self, task: Task, avatar: str, settings: EngineSettings) -> Picture:
        wish, rung = task.wish, task.wish.rungs[task.rung]
        request = RenderRequest(
            avatar, at_side(wish.camera, rung.side), wish.psi, wish.theta, wish.translation,
            rung.quality, ("combined", "depth"),
        )  # fmt: skip
        began = time.monotonic()
        planes = engine_link.render(
            settings, request, should_stop=lambda: self._is_outdated(task), on_progress=_ignore
        )
        if task.rung == 0:
            self.pace.learn(rung.side, time.monotonic() - began)
        return Picture(*ready(planes), wish.placing, wish.key, task.rung)

    def _is_outdated(self, task: Task) -> bool:
        """Whether a picture under way would come to nothing, or keeps others from their first.

        A coarse one is always waited for: else a scene that never rests would never be shown.
        """
        slot = self._slots.get(task.key)
        if slot is None or self._stopping:
            return True
        if task.rung == 0:
            return False
        if self._held:
            return True
        first = any(not other.done and other.rung == 0 for other in list(self._slots.values()))
        return first or slot.turn != task.turn

    def _finish(self, task: Task, picture: Picture | None, failure: str) -> None:
        """Put the outcome into the slot; a picture is good news even when it comes late."""
        with self._changed:
            slot = self._slots.get(task.key)
            if slot is None:
                return
            slot.picture = picture or slot.picture
            if slot.turn == task.turn:
                rungs = len(task.wish.rungs) if task.wish else 1
                slot.rung, slot.failure = task.rung + 1, failure
                slot.done = bool(failure) or slot.rung >= rungs
                slot.moment = task.moment if failure else slot.moment
            self.version += 1

    def _say(self, text: str) -> None:
        if text != self._saying:
            self._saying = text
            self.version += 1


def _ignore(fraction: float | None) -> None:
    """A picture's progress is shown by the next picture."""
