# SPDX-License-Identifier: GPL-3.0-or-later
import json
import struct
import subprocess
import sys
import threading
from multiprocessing.connection import Client, Listener
from pathlib import Path

import numpy as np
import pytest

from engine import protocol
from engine.errors import ProtocolError
from engine.protocol import Message, decode, encode, greet

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("dtype", [np.dtype(name) for name in protocol.DTYPES])
@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 5, 7), (2, 0, 3)])
def test_arrays_come_back_as_they_were(dtype, shape):
    array = (np.random.default_rng(0).random(shape) * 100).astype(dtype)
    message = decode(
        bytes(encode(Message("render", 7, {"a": ["ü", None, 1.5]}, {"x": array, "y": array})))
    )
    assert (message.kind, message.id, message.header) == ("render", 7, {"a": ["ü", None, 1.5]})
    for name in "xy":
        assert message.arrays[name].dtype == dtype
        assert message.arrays[name].shape == shape
        assert np.array_equal(message.arrays[name], array)
        assert message.arrays[name].flags.aligned


def test_other_memory_orders_and_byte_orders_are_made_plain():
    array = np.arange(24, dtype=">f4").reshape(2, 3, 4)
    arrays = {"fortran": np.asfortranarray(array), "strided": array[:, ::2, ::-1]}
    message = decode(bytes(encode(Message("x", 1, {}, arrays))))
    assert np.array_equal(message.arrays["fortran"], array)
    assert np.array_equal(message.arrays["strided"], array[:, ::2, ::-1])


@pytest.mark.parametrize("array", [np.array([object()]), np.array(["text"]), np.array([1 + 2j])])
def test_objects_and_text_cannot_be_sent(array):
    with pytest.raises(TypeError, match="cannot be sent"):
        encode(Message("x", 1, {}, {"a": array}))


def _message(header, body=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    data = struct.pack("<I", len(text)) + text
    return data + bytes(-len(data) % 16) + body


def _with(**entry):
    table = [{"name": "a", "dtype": "<f4", "shape": [4], **entry}]
    return _message({"kind": "x", "id": 1, "arrays": table}, bytes(16))


DAMAGED = [
    b"", b"abc", struct.pack("<I", 1 << 31),
    _message(b"\xff\xfe"), _message(b"[1]"), _message(b"{"), _message(b"[" * 100_000),
    _message({"kind": "x", "id": 1}),
    _message({"kind": 3, "id": 1, "arrays": []}),
    _message({"kind": "x", "id": "1", "arrays": []}),
    _message({"kind": "x", "id": 1, "arrays": [3]}),
    _message({"kind": "x", "id": 1, "arrays": []}, b"1" * 16),
    _with(dtype="|O"), _with(dtype="O8"), _with(dtype="<U4"), _with(dtype=["<f4"]),
    _with(dtype=None), _with(shape=[5]), _with(shape=[-1]), _with(shape=[-4, -1]),
    _with(shape=[2.0, 2]), _with(shape=[True, 4]), _with(shape=[1 << 62, 4]),
    _with(shape=[0, 1 << 70]), _with(shape=[1] * 33), _with(shape="4"), _with(shape=4),
]  # fmt: skip


@pytest.mark.parametrize("data", DAMAGED)
def test_damaged_messages_are_refused(data):
    with pytest.raises(ProtocolError, match="damaged"):
        decode(data)


def test_no_cut_of_a_message_is_taken_for_one():
    data = bytes(
        encode(Message("x", 1, {"n": 1}, {"a": np.arange(5.0), "b": np.ones((2, 2), np.uint8)}))
    )
    for length in range(len(data)):
        with pytest.raises(ProtocolError):
            decode(data[:length])


def test_random_damage_never_raises_anything_else():
    rng = np.random.default_rng(1)
    data = encode(Message("x", 1, {"n": 1}, {"a": np.arange(5.0)}))
    for _ in range(3000):
        broken = bytearray(data)
        for place in rng.integers(0, len(data), 3):
            broken[place] = rng.integers(256)
        try:
            decode(bytes(broken))
        except ProtocolError:
            pass


def _greet(engine_key, client_key, tmp_path):
    """Both sides of a handshake: what each of them raised."""
    raised = {}

    def side(name, connection, key):
        try:
            greet(connection, key, as_engine=name == "engine")
        except ProtocolError as error:
            raised[name] = error

    with Listener(str(tmp_path / "socket"), "AF_UNIX") as listener:
        with Client(listener.address) as theirs, listener.accept() as ours:
            thread = threading.Thread(target=side, args=("engine", theirs, engine_key))
            thread.start()
            side("client", ours, client_key)
            thread.join()
    return raised


def test_two_that_know_the_key_meet(tmp_path):
    assert _greet(b"k" * 32, b"k" * 32, tmp_path) == {}


def test_two_that_do_not_part(tmp_path):
    assert set(_greet(b"k" * 32, b"K" * 32, tmp_path)) == {"engine", "client"}


def test_a_mirror_does_not_pass(tmp_path):
    """Sending the other side's own words back proves nothing."""
    with Listener(str(tmp_path / "socket"), "AF_UNIX") as listener:
        with Client(listener.address) as theirs, listener.accept() as ours:

            def mirror():
                nonce = theirs.recv_bytes()
                theirs.send_bytes(nonce + nonce)

            thread = threading.Thread(target=mirror)
            thread.start()
            with pytest.raises(ProtocolError, match="Something else answered"):
                greet(ours, b"k" * 32, as_engine=False)
            thread.join()


def test_the_silent_are_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(protocol, "HANDSHAKE_TIMEOUT_S", 0.1)
    with Listener(str(tmp_path / "socket"), "AF_UNIX") as listener:
        with Client(listener.address), listener.accept() as ours:
            with pytest.raises(ProtocolError, match="broke off"):
                greet(ours, b"k" * 32, as_engine=False)


def test_request_arrays_are_checked():
    def read(**arrays):
        return protocol.finite_array(Message("render", 1, {}, arrays), "psi", (3,), (2, 3))

    assert read(psi=np.ones(3)).dtype == np.float32
    assert read(psi=np.ones((2, 3), np.float16)).shape == (2, 3)
    for array in (np.ones(4), np.ones((3, 3)), np.ones(3, bool)):
        with pytest.raises(ProtocolError, match="psi of shape"):
            read(psi=array)
    with pytest.raises(ProtocolError, match="holds nothing"):
        read()
    with pytest.raises(ProtocolError, match="not finite"):
        read(psi=np.array([0, np.nan, 0]))


@pytest.mark.parametrize("module", ["engine.protocol", "engine.job_folder", "engine.errors"])
def test_what_blender_imports_needs_no_package_but_numpy(module):
    program = (
        "import sys; before = set(sys.modules)\n"
        f"import {module}\n"
        "names = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "ours = {n for n in names if n not in sys.stdlib_module_names and not n.startswith('_')}\n"
        "print(sorted(ours))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert set(json.loads(done.stdout.replace("'", '"'))) <= {"engine", "numpy"}
