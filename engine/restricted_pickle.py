# SPDX-License-Identifier: GPL-3.0-or-later
"""Pickles of other people's files, read as data: arrays, numbers, text and containers of them.

A pickle is a program. Here its words mean nothing but what the table says: numpy's arrays, types
and scalars, Python's containers, and what a caller allows on top. Any other word ends the reading,
and nothing was run. What stands in the table are classes of our own that cannot be changed from
within a pickle; none of them hands anything to numpy's or another library's own unpickling.
"""

import pickle
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from .errors import PickleError

Allowed = Mapping[tuple[str, str], type]
KINDS = re.compile(r"[<>=|]?([biufcSUV]\d+|\?|O8?)")  # what an array may consist of
PYTHON_2 = {"__builtin__": "builtins", "copy_reg": "copyreg"}  # older names of modules
_DAMAGE = (
    pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError,
    OverflowError, MemoryError, ImportError, RecursionError,
)  # fmt: skip


class Sealed(type):
    """The type of all classes that a pickle may name: it cannot change them."""

    def __setattr__(cls, name: str, value: object) -> None:
        raise pickle.UnpicklingError(f"it sets {name} of {cls.__name__}")


def sealed(function: Callable) -> Sealed:
    """A function as a class that makes its result: a pickle may call it and change nothing."""
    return Sealed(function.__name__, (), {
        "__new__": lambda cls, *arguments: function(*arguments), "__doc__": function.__doc__,
    })  # fmt: skip


class StandIn(metaclass=Sealed):
    """An object of a library that is not loaded: its attributes and nothing else."""

    def __setstate__(self, state: Mapping) -> None:
        self.__dict__.update(state)


def load_restricted(
    file: BinaryIO,
    allowed: Allowed | None = None,
    *,
    what: object = None,
    persistent_load: Callable[[object], object] | None = None,
) -> object:
    """The object in a pickle file of arrays and containers; the file stands behind it afterwards.

    Args:
        file: opened for binary reading, at the start of a pickle.
        allowed: (module, name) → the class to use for it, best of type `Sealed`, beside `KNOWN`.
        what: how to call the file in a sentence; its name when None.
        persistent_load: what the pickle's references to things outside of it mean.

    Raises:
        PickleError: it names something else, or it is damaged. Nothing was run.
    """
    what = getattr(file, "name", "the file") if what is None else what
    try:
        return _Restricted(file, {**KNOWN, **(allowed or {})}, what, persistent_load).load()
    except _DAMAGE as error:
        raise PickleError(
            f"The pickle in {what} is damaged or holds more than plain data ({error}).",
            "Use an intact copy of the file.",
        ) from error


def load_object_array(path: Path, allowed: Allowed | None = None) -> np.ndarray:
    """The array in an `.npy` file, also one of objects, which numpy keeps as a pickle.

    Raises:
        PickleError: as `load_restricted`.
    """
    with path.open("rb") as file:
        try:
            version = np.lib.format.read_magic(file)
            read = {(1, 0): np.lib.format.read_array_header_1_0,
                    (2, 0): np.lib.format.read_array_header_2_0}[version]  # fmt: skip
            _, _, kind = read(file)
            if not kind.hasobject:
                file.seek(0)
                return np.lib.format.read_array(file, allow_pickle=False)
        except (ValueError, KeyError, EOFError) as error:
            raise PickleError(
                f"{path} is no .npy file ({error}).", "Use an intact copy of the file."
            ) from error
        return np.asarray(load_restricted(file, allowed, what=path))


class _Restricted(pickle.Unpickler):
    def __init__(
        self,
        file: BinaryIO,
        table: Allowed,
        what: object,
        persistent_load: Callable[[object], object] | None,
    ) -> None:
        super().__init__(file, encoding="latin1")
        self._table, self._what, self._outside = table, what, persistent_load

    def find_class(self, module: str, name: str) -> type:
        """What the table says of a name."""
        found = self._table.get((PYTHON_2.get(module, module), name))
        if found is None:
            raise PickleError(
                f"{self._what} is a pickle that asks for {module}.{name}, which is no plain data; "
                "it was not read further and nothing was run.",
                "Use a file from its original source, or save its arrays as an npz file.",
            )
        return found

    def persistent_load(self, pid: object) -> object:
        """A reference to something outside the pickle."""
        if self._outside is None:
            raise pickle.UnpicklingError("it refers to something outside of itself")
        return self._outside(pid)


class DType(metaclass=Sealed):
    """`numpy.dtype`, of plain kinds alone: its flags are not taken from the pickle."""

    def __init__(self, name: str, align: object = False, copy: object = True) -> None:
        if not isinstance(name, str) or not KINDS.fullmatch(name) or name.startswith("V"):
            raise pickle.UnpicklingError(f"an array of type {name!r}")
        self.real = np.dtype(name)

    def __setstate__(self, state: tuple) -> None:
        if any(entry is not None for entry in state[2:5]):
            raise pickle.UnpicklingError("an array of structures")
        if state[1] in ("<", ">") and not self.real.hasobject:
            self.real = self.real.newbyteorder(state[1])


@sealed
def array_type(*_: object) -> None:
    """`numpy.ndarray`, which a pickle may name and not call."""
    raise pickle.UnpicklingError("an array made in an unusual way")


class Array(np.ndarray, metaclass=Sealed):
    """What becomes of a `numpy.ndarray`: its content is checked before numpy sees it, and once."""

    def __setstate__(self, state: tuple) -> None:
        if self.size:
            raise pickle.UnpicklingError("an array that is filled twice")
        version, shape, kind, fortran, raw = state
        raw = raw.encode("latin1") if isinstance(raw, str) else raw
        if not isinstance(kind, DType) or type(raw) is not (list if kind.real.hasobject else bytes):
            raise pickle.UnpicklingError("an array whose content does not fit its type")
        count = int(np.prod([int(size) for size in shape], dtype=object))
        if len(raw) != count * (1 if kind.real.hasobject else kind.real.itemsize):
            raise pickle.UnpicklingError("an array whose content does not fit its shape")
        super().__setstate__((version, shape, kind.real, fortran, raw))


@sealed
def reconstruct(subtype: type, shape: object, kind: object) -> Array:
    """An empty array, whose state comes next."""
    if subtype is not array_type:
        raise pickle.UnpicklingError("an array of another class")
    return Array((0,), np.uint8)


@sealed
def from_buffer(raw: bytes | bytearray, kind: DType, shape: tuple, order: str = "C") -> np.ndarray:
    """An array as pickle protocol 5 has it."""
    if not isinstance(kind, DType) or kind.real.hasobject:
        raise pickle.UnpicklingError("an array of another class")
    return np.frombuffer(bytes(raw), kind.real).reshape(shape, order=order).copy()


@sealed
def scalar(kind: DType, raw: bytes | str = b"") -> np.generic:
    """One number of a numpy type."""
    raw = raw.encode("latin1") if isinstance(raw, str) else raw
    if not isinstance(kind, DType) or kind.real.hasobject or len(raw) != kind.real.itemsize:
        raise pickle.UnpicklingError("a number of another class")
    return np.frombuffer(raw, kind.real)[0]


@sealed
def reconstructor(kind: type, base: type, state: object) -> object:
    """A bare object, as old pickles make it."""
    if not (isinstance(kind, type) and issubclass(kind, StandIn)) or state is not None:
        raise pickle.UnpicklingError("an object made in an unusual way")
    return kind.__new__(kind)


class BareObject(metaclass=Sealed):
    """`object`, as a base class and no more."""


@sealed
def encode(text: str, encoding: str = "latin1") -> bytes:
    """Bytes, as pickles that Python 2 can read hold them."""
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"text encoded as {encoding}")
    return text.encode("latin1")


KNOWN: dict[tuple[str, str], type] = {
    ("numpy", "ndarray"): array_type,
    ("numpy", "dtype"): DType,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): reconstruct for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): scalar for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): from_buffer for core in ("core", "_core")},
    **{("builtins", kind.__name__): kind for kind in (
        dict, list, tuple, set, frozenset, bytearray, bytes, int, float, complex, bool, str
    )},
    ("builtins", "object"): BareObject,
    ("collections", "OrderedDict"): OrderedDict,
    ("copyreg", "_reconstructor"): reconstructor,
    ("_codecs", "encode"): encode,
}  # fmt: skip
