# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's process, seen from Blender: start it, ask it, survive it.

Nothing here imports bpy, and nothing blocks for ever: an engine that dies, hangs, or is of another
version ends every waiting request with an `EngineFailed`, a sentence with a way out.

Four daemon threads serve one process: one meets the engine and reads its answers, one writes
requests (so that a full pipe never stops the interface), one waits for the process to end, and one
ends it when it works on a request and gives no sign of life.
"""

import itertools
import json
import os
import queue
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path

import numpy as np

from ...engine import protocol
from ...engine.errors import PartNerFaceError
from .child_process import (
    BEHIND_BLENDER,
    EngineFailed,
    child_environment,
    detached,
    ended,
    give_way,
)
from .engine_requests import (
    PROGRESS_TIMEOUT_S,
    Look,
    OpenAvatar,
    OpenMotion,
    Pending,
    RenderRequest,
    told_error,
)

__all__ = ["EngineFailed", "EngineProcess", "OpenAvatar", "OpenMotion", "Pending", "RenderRequest"]

START_TIMEOUT_S = 60.0  # the first import of torch from a cold disk
LOOKS_TOLD = 64  # half of what the engine remembers
SILENCE_TIMEOUT_S = 30.0  # longest time without any sign of life while a request is under way


class EngineProcess:
    """A running engine. Start one with `EngineProcess.start`.

    All methods may be called from any thread.
    """

    def __init__(
        self, process: subprocess.Popen, listener: Listener, folder: Path, key: bytes, log: Path
    ) -> None:
        self.process = process
        self.log = log
        self.about: Mapping = {}  # what `hello` told: engine, python, torch, device, …
        self.ready = threading.Event()  # it has introduced itself
        self._connected = False
        self._over = threading.Event()  # the process has ended
        self.last_heard = self.last_progress = time.monotonic()
        self._listener, self._folder, self._key = listener, folder, key
        self._address = listener.address
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._numbers = itertools.count(1)
        self._pending: dict[int, Pending] = {}
        self._lock = threading.Lock()  # of _pending and _failure
        self._told_views: set[str] = set()  # keys of the view transforms that the engine has
        self._waiting_since = 0.0  # since when _pending has not been empty
        self._failure: PartNerFaceError | None = None  # once set, every request fails with it
        self._reader = threading.Thread(target=self._read, name="partnerface read", daemon=True)
        self._reader.start()
        for work in (self._watch, self._guard):
            threading.Thread(target=work, name=f"partnerface{work.__name__}", daemon=True).start()

    @classmethod
    def start(
        cls,
        python: Path,
        extension_root: Path,
        cache: Path,
        log: Path,
        timeout_s: float = START_TIMEOUT_S,
        *,
        device: str = "auto",
        wait: bool = True,
        on_process: Callable[["EngineProcess"], None] = lambda engine: None,
    ) -> "EngineProcess":
        """Start an engine and meet it.

        Args:
            python: the interpreter of the engine's environment.
            extension_root: the folder that holds `engine/`.
            cache: a folder of ours for compiled files.
            log: file for what the engine says; the one of the last start is kept beside it.
            timeout_s: how long it may take until it has introduced itself.
            device: auto, cpu or cuda.
            on_process: told of it before it is waited for, so that somebody else can end it.
            wait: False returns at once; requests may be submitted, and fail if the start does.

        Raises:
            EngineFailed: it did not start, is of another version, or lacks a package.
        """
        key = secrets.token_bytes(32)
        folder = Path(tempfile.mkdtemp(prefix="partnerface-"))  # readable by this user alone
        listener, family = _listen(folder)
        try:
            process = _spawn(python, extension_root, cache, log, device)
        except OSError as error:
            listener.close()
            shutil.rmtree(folder, ignore_errors=True)
            raise EngineFailed(
                f"The engine's Python {python} cannot be started ({error}).",
                "Install the engine in the add-on's preferences, or choose another Python.",
                "engine_start",
            ) from error
        # Before the threads start: a process that ends at once closes the listener.
        invitation = {"address": listener.address, "family": family, "key": key.hex()}
        engine = cls(process, listener, folder, key, log)
        on_process(engine)
        try:
            process.stdin.write(json.dumps(invitation).encode() + b"\n")  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
        except OSError:
            pass  # it is dead already; `_watch` says why
        hello = engine.submit("hello", {"protocol": protocol.PROTOCOL_VERSION})
        if wait:
            engine.wait_ready(hello, timeout_s)
        else:
            threading.Thread(
                target=engine.wait_ready, args=(hello, timeout_s, False), daemon=True
            ).start()
        return engine

    @property
    def alive(self) -> bool:
        """Whether requests can be answered."""
        return self._failure is None and self.process.poll() is None

    @property
    def failure(self) -> PartNerFaceError | None:
        """Why no request can be answered any more."""
        return self._failure

    def wait_ready(self, hello: Pending, timeout_s: float, raising: bool = True) -> None:
        """Wait until the engine has introduced itself; end it where it does not or cannot."""
        try:
            about = hello.result(timeout_s).header
            protocol.check_version(about.get("protocol"))
            self.about = about
            self.ready.set()
        except PartNerFaceError as error:
            self.kill(error.message, error.hint, error.code)
            if raising:
                raise

    def open_avatar(self, path: Path, timeout_s: float = PROGRESS_TIMEOUT_S) -> OpenAvatar:
        """Load an avatar file in the engine; its head, motion and camera."""
        message = self.submit("open_avatar", {"path": str(path)}).result(timeout_s)
        return OpenAvatar(message.header, message.arrays)

    def open_motion(
        self, path: Path, avatar: str, timeout_s: float = PROGRESS_TIMEOUT_S
    ) -> OpenMotion:
        """The motion of a capture folder or avatar file, for the head of an open avatar."""
        asked = {"path": str(path), "avatar": avatar}
        message = self.submit("open_motion", asked).result(timeout_s)
        return OpenMotion(message.header, message.arrays)

    def close_avatar(self, handle: str) -> None:
        """Let the engine forget an avatar, whenever it comes to it."""
        self.submit("close_avatar", {"avatar": handle})

    def render(
        self,
        request: RenderRequest,
        timeout_s: float = PROGRESS_TIMEOUT_S,
        should_stop: Callable[[], bool] | None = None,
        on_progress: Callable[[float], None] | None = None,
    ) -> dict[str, np.ndarray]:
        """Render one frame and wait for it: the planes that were asked for, first row on top.

        combined [H, W, 4] float16, scene-linear Rec.709 premultiplied; depth [H, W] float32, planar
        camera z in m, 1e10 where empty; parts [H, W, P] float16, weights times alpha.
        """
        return dict(self.submit_render(request).result(timeout_s, should_stop, on_progress).arrays)

    def submit_render(self, request: RenderRequest) -> Pending:
        """Ask for one frame and go on."""
        header = {"avatar": request.avatar, "camera": dict(request.camera),
                  "quality": request.quality, "planes": list(request.planes),
                  "look": self._tell(request.look)}  # fmt: skip
        names = ("psi", "theta", "translation")
        return self.submit(
            "render", header, {n: np.asarray(getattr(request, n), np.float32) for n in names}
        )

    def _tell(self, look: Look | None) -> dict | None:
        """What a render says of its look; the engine is told of a view transform once."""
        if look is None:
            return None
        view = look.view
        if view is not None and view.key not in self._told_views:
            if len(self._told_views) >= LOOKS_TOLD:  # before the engine forgets the oldest
                self._told_views.clear()
            self.submit("look", {"key": view.key}, {"axis": view.axis, "shown": view.shown})
            self._told_views.add(view.key)
        return look.to_json()

    def submit(
        self, kind: str, header: Mapping | None = None, arrays: Mapping | None = None
    ) -> Pending:
        """Send a request and go on."""
        pending = Pending(self, next(self._numbers))
        with self._lock:
            if self._failure is None:
                if not self._pending:
                    self._waiting_since = time.monotonic()
                self._pending[pending.number] = pending
            else:
                pending.resolve(None, self._failure)
        self.send(kind, pending.number, header, arrays)
        return pending

    def send(
        self, kind: str, number: int, header: Mapping | None = None, arrays: Mapping | None = None
    ) -> None:
        """Queue one message for the engine."""
        self._outbox.put(
            protocol.encode(protocol.Message(kind, number, header or {}, arrays or {}))
        )

    def close(self, timeout_s: float = 2.0) -> None:
        """Let the engine go: politely, then not."""
        self._fail(EngineFailed("The engine was stopped.", "Start it again.", "engine_stopped"))
        self.send("shutdown", 0)
        self._outbox.put(None)
        try:
            self.process.stdin.close()  # type: ignore[union-attr]
        except OSError:
            pass
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5.0)
        self._reader.join(1.0)

    def kill(self, message: str, hint: str, code: str) -> None:
        """End the process now; requests that wait fail with this sentence."""
        self._fail(EngineFailed(message, hint, code))
        self._outbox.put(None)
        self.process.kill()

    def give_up(self, seconds: float) -> None:
        """End an engine that has been waited for in vain."""
        self.kill(
            f"The engine did not answer for {seconds:.0f} seconds and was ended.",
            f"Try again; if it happens again, render smaller, and look at {self.log}.",
            "engine_hung",
        )

    def _fail(self, error: PartNerFaceError) -> None:
        """End every waiting request, and every later one, with `error`; the first one counts."""
        with self._lock:
            self._failure = self._failure or error
            waiting = list(self._pending.values())
            self._pending.clear()
        for pending in waiting:
            pending.resolve(None, self._failure)

    def _read(self) -> None:
        """Meet the engine, then hand its answers to those who wait."""
        connection = self._accept()
        if connection is None:
            return
        self._connected = True
        threading.Thread(
            target=self._write, args=(connection,), name="partnerface write", daemon=True
        ).start()
        try:
            while True:
                self._receive(protocol.decode(connection.recv_bytes(protocol.MAX_MESSAGE)))
        except (EOFError, OSError):
            pass  # `_watch` tells why the process ended
        except protocol.ProtocolError as error:
            self.kill(error.message, error.hint, error.code)
        finally:
            self._outbox.put(None)

    def _accept(self) -> Connection | None:
        """The connection to our own engine; None where it ended before it came."""
        try:
            while self._failure is None and self.process.poll() is None:
                connection = self._listener.accept()
                try:
                    protocol.greet(connection, self._key, as_engine=False)
                    return connection
                except protocol.ProtocolError:  # somebody else, or the call that wakes this thread
                    connection.close()
        except OSError:
            pass
        finally:
            self._listener.close()
            shutil.rmtree(self._folder, ignore_errors=True)
        return None

    def _receive(self, message: protocol.Message) -> None:
        self.last_heard = time.monotonic()
        if message.kind == "beat":
            return
        self.last_progress = self.last_heard
        with self._lock:
            finished = message.kind in ("result", "error")
            pending = (
                self._pending.pop(message.id, None) if finished else self._pending.get(message.id)
            )
        if pending is None:
            return
        if message.kind == "result":
            pending.resolve(message, None)
        elif message.kind == "error":
            pending.resolve(None, told_error(message.header))
        else:
            pending.progress = message.header

    def _write(self, connection: Connection) -> None:
        try:
            while (data := self._outbox.get()) is not None:
                connection.send_bytes(data)
        except OSError:
            pass

    def _guard(self) -> None:
        """End an engine that works on a request and gives no sign of life."""
        while not self._over.wait(1.0):
            heard = max(self.last_heard, self._waiting_since)
            silent = time.monotonic() - heard if self._pending and self.ready.is_set() else 0.0
            if silent > SILENCE_TIMEOUT_S:
                self.give_up(silent)

    def _watch(self) -> None:
        """Tell everybody who waits when the process has ended, however it did."""
        status = self.process.wait()
        self._over.set()
        if not self._connected:
            try:
                Client(self._address).close()  # wakes `_accept`
            except (OSError, EOFError):
                pass
        self._reader.join(5.0)  # it first hands over what the engine still said
        self._fail(ended(status, self.log))


def _spawn(
    python: Path, extension_root: Path, cache: Path, log: Path, device: str
) -> subprocess.Popen:
    """The process; it waits on its standard input to hear where to connect."""
    cache.mkdir(parents=True, exist_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists():
        os.replace(
            log, log.with_suffix(".previous" + log.suffix)
        )  # it may say why the last one died
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [str(python), "-m", "engine", "serve", "--quiet", "--device", device],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            env=child_environment(extension_root, cache),
            cwd=cache,
            **detached(),
        )
    give_way(process, BEHIND_BLENDER)
    return process


def _listen(folder: Path) -> tuple[Listener, str]:
    """A listener that nobody but this user can reach, or at least nobody but this machine."""
    if sys.platform == "win32":
        return Listener(rf"\\.\pipe\{folder.name}-{secrets.token_hex(8)}", "AF_PIPE"), "AF_PIPE"
    path = folder / "engine"
    if len(os.fsencode(path)) < 100:  # what a socket address holds, everywhere
        return Listener(str(path), "AF_UNIX"), "AF_UNIX"
    return Listener(("127.0.0.1", 0), "AF_INET"), "AF_INET"
