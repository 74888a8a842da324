# SPDX-License-Identifier: GPL-3.0-or-later
"""The interactive engine: answers the requests of one client until the client goes.

Three threads beside the worker (the main thread): one reads requests, so that `cancel` is heard in
the midst of a render; one says every second that the engine lives while it works; one waits for the
end of standard input. When that or the connection ends, the client is dead, and the process ends at
once, whatever it is doing.
"""

import json
import logging
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Mapping
from multiprocessing.connection import Client, Connection
from pathlib import Path

import numpy as np

from . import __version__
from .config import Serve
from .errors import Cancelled, PartNerFaceError, ProtocolError, explain
from .jobs import Job
from .loading import without_collecting
from .protocol import PROTOCOL_VERSION, Message, check_version, decode, encode, greet

BEAT_INTERVAL_S = 1.0
PROGRESS_INTERVAL_S = 0.1
MAX_REQUEST = 1 << 26  # bytes

log = logging.getLogger(__name__)


def run(config: Serve, job: Job) -> dict:
    """Meet the client that started this process, and answer it until it goes.

    Raises:
        ProtocolError: nobody says on standard input where to connect, or the key is wrong.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)  # there is nothing to finish or keep:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # stop at once
    address, family, key = _invitation()
    if sys.platform != "win32":  # there a pending read of a pipe can hang other threads' imports
        threading.Thread(target=_die_with_client, name="parent", daemon=True).start()
    with Client(address, family) as connection:
        greet(connection, key, as_engine=True)
        answered = Server(connection, config.device).serve()
    return {"requests": answered}


def _invitation() -> tuple[str | tuple[str, int], str, bytes]:
    """Where to connect and the key, from the first line of standard input."""
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)  # unbuffered: the rest of the pipe belongs to `_die_with_client`
        if not byte or len(line) > 4096:
            break
        line += byte
    try:
        data = json.loads(line)
        address = data["address"]
        return (
            tuple(address) if isinstance(address, list) else address,
            data["family"],
            bytes.fromhex(data["key"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ProtocolError(
            "`serve` is started by Blender, which tells it where to connect.",
            "Use the other commands in a shell.",
        ) from error


def _die_with_client() -> None:
    """End the process, whatever it is doing, when the other end of standard input is closed."""
    try:
        while os.read(0, 4096):
            pass
    except OSError:
        pass
    _exit_now()


def _exit_now() -> None:
    """End the process from any thread; nothing here needs tidying up."""
    log.warning("the client is gone")
    sys.stderr.flush()
    os._exit(0)


class Server:
    """One client's requests, answered in order.

    Args:
        connection: to the client, keys already checked.
        device: what `--device` says.
    """

    def __init__(self, connection: Connection, device: str) -> None:
        self._connection = connection
        self._device = device
        self._requests: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._cancelled: set[int] = set()  # ids of requests that nobody waits for any more
        self._current = 0  # id of the request under way
        self._turn = threading.Lock()  # of both
        self._send_lock = threading.Lock()
        self._working = threading.Event()
        self._gone = threading.Event()
        self._last_progress = 0.0
        self._session: object = None

    def serve(self) -> int:
        """Answer requests until `shutdown`; how many they were."""
        threading.Thread(target=self._read, name="requests", daemon=True).start()
        threading.Thread(target=self._beat, name="beat", daemon=True).start()
        answered = 0
        while (request := self._requests.get()) is not None:
            with self._turn:
                if request.id in self._cancelled:  # answered already, by `_cancel`
                    self._cancelled.discard(request.id)
                    continue
                self._current = request.id
            self._working.set()
            try:
                header, arrays = self._answer(request)
                self._send(Message("result", request.id, header, arrays))
            except PartNerFaceError as error:
                self._send_error(request.id, error)
            except Exception as error:
                log.exception("%s failed", request.kind)
                self._send_error(request.id, explain(error))
            finally:
                self._working.clear()
                with self._turn:
                    self._cancelled.discard(request.id)
                    self._current = 0
            answered += 1
        return answered

    def _answer(self, request: Message) -> tuple[Mapping, Mapping[str, np.ndarray]]:
        """Do what is asked: header and arrays of the result."""
        if request.kind == "hello":
            return self._hello(request), {}
        if self._session is None:
            raise ProtocolError("The client has not introduced itself.", "Start the engine again.")
        session = self._session
        if request.kind == "open_avatar":
            return session.open_avatar(Path(str(request.header.get("path", ""))))
        if request.kind == "open_motion":
            path = Path(str(request.header.get("path", "")))
            return session.open_motion(path, request.header.get("avatar"))
        if request.kind == "close_avatar":
            session.close_avatar(request.header.get("avatar"))
            return {}, {}
        if request.kind == "look":
            session.learn_look(request)
            return {}, {}
        if request.kind == "render":
            return session.render(request, self._stopped, self._tell_progress)
        raise ProtocolError(f"The engine knows no request “{request.kind}”.", "Update the engine.")

    def _hello(self, request: Message) -> dict:
        """Introduce ourselves; from here on the device is settled and torch is loaded."""
        check_version(request.header.get("protocol"))
        with without_collecting():
            from .session import Session

        self._session = Session(self._device)
        return {
            "protocol": PROTOCOL_VERSION,
            "engine": __version__,
            "python": ".".join(map(str, sys.version_info[:3])),
            "pid": os.getpid(),
            **self._session.about(),
        }

    def _stopped(self) -> bool:
        """Whether nobody waits for the request under way any more."""
        return self._current in self._cancelled or self._gone.is_set()

    def _tell_progress(self, fraction: float) -> None:
        """Tell the client how far the request under way is, ten times a second at most."""
        now = time.monotonic()
        if now - self._last_progress > PROGRESS_INTERVAL_S:
            self._last_progress = now
            self._send(Message("progress", self._current, {"fraction": fraction}))

    def _read(self) -> None:
        """Queue requests; note cancellations at once."""
        try:
            while True:
                request = decode(self._connection.recv_bytes(MAX_REQUEST))
                if request.kind == "cancel":
                    self._cancel(request.header.get("request"))
                elif request.kind == "shutdown":
                    break
                else:
                    self._requests.put(request)
        except (EOFError, OSError):
            _exit_now()
        except ProtocolError as error:
            log.error("%s", error)
            self._send_error(0, error)
        self._requests.put(None)

    def _cancel(self, number: object) -> None:
        """Stop the request at its next step; one that still waits is answered at once."""
        if not isinstance(number, int):
            return
        with self._turn:
            self._cancelled.add(number)
            waits = number != self._current
        if waits:
            self._send_error(number, Cancelled("The request was cancelled."))

    def _beat(self) -> None:
        while not self._gone.wait(BEAT_INTERVAL_S):
            if self._working.is_set():
                self._send(Message("beat"))

    def _send(self, message: Message) -> None:
        data = encode(message)
        try:
            with self._send_lock:
                self._connection.send_bytes(data)
        except OSError:
            self._gone.set()

    def _send_error(self, number: int, error: PartNerFaceError) -> None:
        self._send(
            Message(
                "error", number, {"code": error.code, "message": error.message, "hint": error.hint}
            )
        )
