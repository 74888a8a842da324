# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine and its client say to each other: messages, framing, and how they meet.

Standard library and numpy only, for Blender's Python imports this module too.

A message is one frame of `multiprocessing.connection` (`send_bytes`, never `send`, so no pickle):

    4 bytes   length of the header, little-endian
    header    a JSON object, UTF-8: `kind`, `id`, whatever else belongs to the kind, and `arrays`,
              a list of {name, dtype, shape}
    arrays    one after the other, C order, little-endian, each at a multiple of 16 bytes

The client listens, starts the engine, and writes one line of JSON to its standard input: where to
connect, and a key. Both then prove by HMAC that they know the key. From there on the client sends
requests and the engine answers each with messages of the same `id`:

    beat      while the engine works, about every second: it is not hung
    progress  how far the request is
    result    its end, with what was asked for
    error     its end, with code, message and hint

Requests are `hello`, `open_avatar`, `open_motion`, `look`, `render`, `close_avatar`, `cancel` and
`shutdown`; see `session` for what they hold.
"""

import hashlib
import hmac
import json
import math
import secrets
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

import numpy as np

from .errors import ProtocolError

PROTOCOL_VERSION = 2

# Colour, normals and weights travel as float16; depth, positions and ids as float32 and integers.
DTYPES = ("<f2", "<f4", "<f8", "|u1", "|i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8", "|b1")
ALIGNMENT = 16
MAX_MESSAGE = 1 << 30  # bytes; a 4K frame with eight part masks has 250 MB
MAX_HEADER = 1 << 24  # bytes
MAX_DIMENSIONS = 6
HANDSHAKE_TIMEOUT_S = 10.0
_NONCE = 32  # bytes


@dataclass(frozen=True)
class Message:
    """One message: what it is, which request it belongs to, and what it carries."""

    kind: str
    id: int = 0
    header: Mapping = field(default_factory=dict)  # JSON
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)


def encode(message: Message) -> bytearray:
    """The message as bytes."""
    arrays = {name: _plain(array) for name, array in message.arrays.items()}
    table = [
        {"name": name, "dtype": array.dtype.str, "shape": list(array.shape)}
        for name, array in arrays.items()
    ]
    text = json.dumps(
        {**message.header, "kind": message.kind, "id": message.id, "arrays": table}
    ).encode()
    size = offset = _aligned(4 + len(text))
    for array in arrays.values():
        size = _aligned(size + array.nbytes)
    if len(text) > MAX_HEADER or size > MAX_MESSAGE:
        raise ProtocolError(
            f"A message of {size >> 20} MB is too large to send.", "Render a smaller picture."
        )
    data = bytearray(size)
    struct.pack_into("<I", data, 0, len(text))
    data[4 : 4 + len(text)] = text
    for array in arrays.values():
        np.frombuffer(data, np.uint8, array.nbytes, offset)[:] = array.reshape(-1).view(np.uint8)
        offset = _aligned(offset + array.nbytes)
    return data


def decode(data: bytes) -> Message:
    """The message in the bytes. Its arrays are read-only views of them.

    Raises:
        ProtocolError: anything that `encode` would not have written.
    """
    try:
        (length,) = struct.unpack_from("<I", data)
        if length > min(MAX_HEADER, len(data) - 4):
            raise ValueError("the header is longer than the message")
        header = json.loads(bytes(data[4 : 4 + length]).decode())
        if not isinstance(header, dict):
            raise ValueError("the header is no object")
        kind, number, table = header.pop("kind"), header.pop("id"), header.pop("arrays")
        if not (isinstance(kind, str) and type(number) is int and isinstance(table, list)):
            raise ValueError("the header's entries are of the wrong type")
        arrays, offset = {}, _aligned(4 + length)
        for entry in table:
            arrays[str(entry["name"])], offset = _read_array(entry, data, offset)
        if offset != len(data):
            raise ValueError("the message is longer than its arrays")
    except (struct.error, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ProtocolError(
            f"A message of the engine connection is damaged ({error}).", "Start the engine again."
        ) from error
    return Message(kind, number, header, arrays)


def _read_array(entry: Mapping, data: bytes, offset: int) -> tuple[np.ndarray, int]:
    """The array that starts at `offset`, and where the next one starts."""
    dtype, shape = entry["dtype"], entry["shape"]
    if dtype not in DTYPES:
        raise ValueError(f"an array of type {dtype!r}")
    if len(shape) > MAX_DIMENSIONS or any(type(n) is not int or n < 0 for n in shape):
        raise ValueError(f"an array of shape {shape!r}")
    count = math.prod(shape)
    if offset + count * np.dtype(dtype).itemsize > len(data):
        raise ValueError("an array is longer than the message")
    array = np.frombuffer(data, dtype, count, offset).reshape(shape)
    array.flags.writeable = False
    return array, _aligned(offset + array.nbytes)


def _plain(array: np.ndarray) -> np.ndarray:
    """The array in C order, little-endian; TypeError for what may not travel (objects, text)."""
    array = np.asarray(array)
    array = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(array.shape)
    if array.dtype.str not in DTYPES or array.ndim > MAX_DIMENSIONS:
        raise TypeError(
            f"An array of type {array.dtype} and {array.ndim} dimensions cannot be sent."
        )
    return array


def _aligned(offset: int) -> int:
    return -(-offset // ALIGNMENT) * ALIGNMENT


def greet(connection: Connection, key: bytes, *, as_engine: bool) -> None:
    """Prove to each other that both sides know the key (HMAC-SHA256, a fresh challenge each).

    The client speaks first; nothing but random bytes and digests travels.

    Raises:
        ProtocolError: the other side does not know the key, or says nothing in time.
    """
    mine = secrets.token_bytes(_NONCE)
    try:
        if as_engine:
            theirs = _receive(connection, _NONCE)
            connection.send_bytes(mine + _proof(key, b"engine", theirs, mine))
            known = hmac.compare_digest(
                _receive(connection, 32), _proof(key, b"client", mine, theirs)
            )
        else:
            connection.send_bytes(mine)
            answer = _receive(connection, _NONCE + 32)
            theirs, proof = answer[:_NONCE], answer[_NONCE:]
            known = hmac.compare_digest(proof, _proof(key, b"engine", mine, theirs))
            connection.send_bytes(_proof(key, b"client", theirs, mine) if known else bytes(32))
    except (OSError, EOFError) as error:
        raise ProtocolError(
            "The engine connection broke off.", "Start the engine again."
        ) from error
    if not known:
        raise ProtocolError(
            "Something else answered in the engine's place.", "Start the engine again."
        )


def _receive(connection: Connection, size: int) -> bytes:
    if not connection.poll(HANDSHAKE_TIMEOUT_S):
        raise EOFError
    data = connection.recv_bytes(size)
    if len(data) != size:
        raise EOFError
    return data


def _proof(key: bytes, who: bytes, asked: bytes, asking: bytes) -> bytes:
    return hmac.new(key, b"partnerface " + who + asked + asking, hashlib.sha256).digest()


def check_version(theirs: object) -> None:
    """Refuse to talk across versions of the protocol.

    Raises:
        ProtocolError: the other side speaks another version.
    """
    if theirs != PROTOCOL_VERSION:
        raise ProtocolError(
            "The add-on and the engine are of different versions "
            f"(protocol {theirs} and {PROTOCOL_VERSION}).",
            "Restart Blender; if that does not help, update both to the same version.",
        )


def finite_array(message: Message, name: str, *shapes: tuple[int, ...]) -> np.ndarray:
    """The message's array `name` as float32, of one of the shapes, with finite numbers only.

    Raises:
        ProtocolError: it is missing or odd.
    """
    array = message.arrays.get(name)
    if array is None or array.shape not in shapes or array.dtype.kind not in "fiu":
        found = "nothing" if array is None else f"{array.dtype} {array.shape}"
        wanted = " or ".join(str(shape) for shape in shapes)
        raise ProtocolError(
            f"The request needs {name} of shape {wanted} and holds {found}.",
            "Load the avatar again.",
        )
    array = array.astype(np.float32)
    if not np.isfinite(array).all():
        raise ProtocolError(
            f"The request's {name} holds numbers that are not finite.",
            "Check the keyed values and drivers.",
        )
    return array
