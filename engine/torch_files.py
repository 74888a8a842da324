# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of `torch.save` read as plain data, through the restricted unpickler: tensors → arrays.

Both layouts are known: a zip archive (`data.pkl`, and one member for each storage), and the older
chain of pickles with the storages' bytes behind them. torch itself is not asked.
"""

import io
import pickle
import zipfile
from collections.abc import Callable
from operator import index as whole
from pathlib import Path
from typing import BinaryIO

import numpy as np

from .errors import PickleError
from .restricted_pickle import Allowed, Sealed, load_restricted, sealed

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
BFLOAT16 = "bfloat16"
STORAGES = {
    "FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2",
    "BFloat16Storage": BFLOAT16, "LongStorage": "<i8", "IntStorage": "<i4",
    "ShortStorage": "<i2", "CharStorage": "<i1", "ByteStorage": "<u1",
    "BoolStorage": "?", "UntypedStorage": "<u1",
}  # fmt: skip


def read_torch_file(path: Path, allowed: Allowed | None = None) -> object:
    """The object in a file of `torch.save`, its tensors as numpy arrays.

    Raises:
        PickleError: it holds more than plain data, or is damaged. Nothing was run.
    """
    with path.open("rb") as file:
        return load_torch(file, allowed, what=path)


def load_torch(file: BinaryIO, allowed: Allowed | None = None, *, what: object = None) -> object:
    """As `read_torch_file`, from an open file."""
    what = getattr(file, "name", "the file") if what is None else what
    table = {**TORCH, **(allowed or {})}
    start = file.read(2)
    file.seek(-len(start), io.SEEK_CUR)
    try:
        return (_from_zip if start == b"PK" else _from_chain)(file, table, what)
    except (OSError, KeyError, ValueError, TypeError, AttributeError, IndexError, EOFError,
            zipfile.BadZipFile, zipfile.zlib.error, RuntimeError) as error:  # fmt: skip
        raise PickleError(
            f"{what} is no intact file of torch.save ({error}).", "Use an intact copy of the file."
        ) from error


class Storage:
    """A run of numbers that tensors are views of; filled in later in the older layout."""

    __slots__ = ("kind", "values")

    def __init__(self, kind: str, values: np.ndarray | None = None) -> None:
        self.kind, self.values = kind, values

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError("it changes a storage")

    def fill(self, raw: bytes) -> None:
        """The storage's bytes → its numbers [n]."""
        if self.kind == BFLOAT16:
            halves = np.frombuffer(raw, "<u2").astype(np.uint32)
            values = (halves << 16).view(np.float32)
        else:
            values = np.frombuffer(raw, self.kind)
        if self.values is None:
            self.values = values.copy()
        else:  # tensors look at this memory already
            self.values[:] = values


def _from_zip(file: BinaryIO, table: Allowed, what: object) -> object:
    with zipfile.ZipFile(file) as archive:
        pickles = [name for name in archive.namelist() if name.rpartition("/")[2] == "data.pkl"]
        root = pickles[0].rpartition("/")[0] if pickles else ""
        if not pickles:
            raise KeyError("data.pkl")
        order = f"{root}/byteorder"
        for member in archive.infolist():
            if member.compress_type != zipfile.ZIP_STORED:  # torch never does; it could be a bomb
                raise ValueError(f"its part {member.filename} is compressed")
        if order in archive.namelist() and archive.read(order) != b"little":
            raise ValueError("written on a machine of another byte order")
        known: dict[str, Storage] = {}

        def outside(pid: object) -> Storage:
            kind, key, count = _storage_words(pid)
            if key not in known:
                known[key] = Storage(kind)
                known[key].fill(archive.read(f"{root}/data/{key}"))
                _check_count(known[key], count)
            return known[key]

        return load_restricted(
            io.BytesIO(archive.read(pickles[0])), table, what=what, persistent_load=outside
        )


def _from_chain(file: BinaryIO, table: Allowed, what: object) -> object:
    def part(outside: Callable[[object], object] | None = None) -> object:
        return load_restricted(file, table, what=what, persistent_load=outside)

    if part() != LEGACY_MAGIC:
        raise ValueError("it does not begin as one")
    part(), part()  # protocol version; the writer's machine
    known: dict[str, Storage] = {}

    def outside(pid: object) -> Storage:
        kind, key, count = _storage_words(pid)
        if pid[5:] and pid[5] is not None:
            raise pickle.UnpicklingError("a storage that is a view of another")
        if key not in known:
            wide = np.dtype("<f4" if kind == BFLOAT16 else kind)
            if count * 2 > 1 << 34:
                raise pickle.UnpicklingError("a storage of implausible size")
            known[key] = Storage(kind, np.zeros(count, wide))
        return known[key]

    found = part(outside)
    for key in part():
        storage = known[key]
        size = 2 if storage.kind == BFLOAT16 else storage.values.itemsize
        count = int.from_bytes(file.read(8), "little")
        raw = file.read(len(storage.values) * size)
        if count != len(storage.values) or len(raw) != count * size:
            raise EOFError("it ends early")
        storage.fill(raw)
    return found.values if isinstance(found, Storage) else found


def _storage_words(pid: object) -> tuple[str, str, int]:
    """Kind, key and length of a storage that a pickle refers to."""
    word, kind, key, _, count = pid[:5]
    if word not in ("storage", b"storage") or not isinstance(kind, StorageKind):
        raise pickle.UnpicklingError("it refers to something that is no storage")
    return kind.kind, str(key), int(count)


def _check_count(storage: Storage, count: int) -> None:
    if storage.kind != "<u1" and len(storage.values) != count:
        raise pickle.UnpicklingError("a storage of another length than it says")


class StorageKind(Sealed):
    """The type of the storage classes a pickle names: it knows their numbers' type."""

    kind = ""


@sealed
def rebuild_tensor(
    storage: Storage, offset: int, size: tuple, stride: tuple, *_: object
) -> np.ndarray:
    """A tensor as a view of its storage."""
    # What is no storage of ours is copied: it may be a view itself, or be changed later.
    values = storage.values if isinstance(storage, Storage) else np.array(storage).reshape(-1)
    if values.dtype.hasobject:
        raise pickle.UnpicklingError("a tensor of objects")
    # As Python's own numbers: numpy's would wrap around in the sum that guards the memory.
    offset = whole(offset)
    size, stride = tuple(map(whole, size)), tuple(map(whole, stride))
    if len(size) != len(stride) or min([offset, *size, *stride], default=0) < 0:
        raise pickle.UnpicklingError("a tensor that makes no sense")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if 0 not in size and last >= len(values):
        raise pickle.UnpicklingError("a tensor beyond its storage")
    steps = [step * values.itemsize for step in stride]
    return np.lib.stride_tricks.as_strided(values[offset:], size, steps, writeable=False)


@sealed
def rebuild_parameter(data: np.ndarray, *_: object) -> np.ndarray:
    """A parameter is its tensor."""
    return data


class Size(tuple, metaclass=Sealed):
    """`torch.Size`."""

    __slots__ = ()


@sealed
def device(kind: str, index: int | None = None) -> str:
    """`torch.device`, as its text."""
    return kind if index is None else f"{kind}:{index}"


@sealed
def load_from_bytes(raw: bytes | str) -> np.ndarray:
    """A storage that is a whole file of `torch.save` itself, as in pickles of tensors."""
    raw = raw.encode("latin1") if isinstance(raw, str) else raw
    return load_torch(io.BytesIO(raw), what="a tensor")


TORCH: dict[tuple[str, str], type] = {
    **{("torch", name): StorageKind(name, (), {"kind": kind}) for name, kind in STORAGES.items()},
    ("torch.storage", "UntypedStorage"): StorageKind("UntypedStorage", (), {"kind": "<u1"}),
    ("torch._utils", "_rebuild_tensor_v2"): rebuild_tensor,
    ("torch._utils", "_rebuild_tensor"): rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): rebuild_parameter,
    ("torch.storage", "_load_from_bytes"): load_from_bytes,
    ("torch", "Size"): Size,
    ("torch", "device"): device,
}  # fmt: skip
