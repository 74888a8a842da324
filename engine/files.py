# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are either wholly there or not there: atomic writes, and tensors with a JSON header.

A tensor file is a `.safetensors` whose metadata holds one entry, `partnerface`, a JSON object with
at least `kind` and `schema_version`. Nothing here reads or writes pickle.
"""

import errno
import json
import math
import os
import re
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from .errors import InputError, SpaceError

HEADER_KEY = "partnerface"
TEMPORARY = re.compile(r"\..+-[0-9a-f]{12}\.\w+")  # as `write_atomic` names them


def write_atomic(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary neighbour of `path`, then put it in place in one move.

    Raises:
        SpaceError: no room, no permission, or no such folder; nothing is left behind.
    """
    temporary = path.with_name(f".{path.stem}-{secrets.token_hex(6)}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch(exist_ok=False)
        mode = temporary.stat().st_mode
        write(temporary)
        temporary.chmod(mode)  # safetensors' files are readable by their owner alone
        _replace(temporary, path)
    except (OSError, SafetensorError) as error:
        raise space_error(path, error) from error
    finally:
        _forget(temporary)


def _replace(temporary: Path, path: Path) -> None:
    """Move in one step; on Windows, wait while somebody is reading the old file."""
    for _ in range(20 if sys.platform == "win32" else 0):
        try:
            return os.replace(temporary, path)
        except PermissionError:
            time.sleep(0.05)
    os.replace(temporary, path)


def _forget(temporary: Path) -> None:
    """Remove the temporary file if it is still there and can be removed."""
    try:
        temporary.unlink(missing_ok=True)
    except OSError:
        pass


def sweep(folder: Path) -> None:
    """Remove temporary files that killed processes have left in a folder."""
    for file in folder.glob(".*-*"):
        if TEMPORARY.fullmatch(file.name):
            _forget(file)


def check_writable(folder: Path) -> None:
    """Find out before the work that its result cannot be written.

    Raises:
        SpaceError: the folder is a file, or may not be made or filled.
    """
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise SpaceError(
            f"{folder} cannot be a folder, because {place} is a file.", "Choose another folder."
        )
    if not os.access(place, os.W_OK):
        raise SpaceError(f"Writing to {place} is not permitted.", "Choose a folder of your own.")


def write_text_atomic(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    write_atomic(path, lambda temporary: temporary.write_text(text, encoding="utf-8") and None)


def json_text(value: object) -> str:
    """JSON that every reader takes: numpy's numbers as numbers, what is not finite as null."""
    return json.dumps(_jsonable(value), allow_nan=False)


def _jsonable(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _jsonable(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _jsonable(value.tolist())
    if isinstance(value, list | tuple):
        return [_jsonable(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def space_error(path: Path, error: Exception) -> SpaceError:
    """The sentence for a write to `path` that failed with `error`."""
    if getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error):
        return SpaceError(
            f"There is no space left to write {path}.", "Free some space or choose another folder."
        )
    if isinstance(error, PermissionError) or getattr(error, "errno", None) == errno.EROFS:
        return SpaceError(f"Writing {path} is not permitted.", "Choose a folder of your own.")
    return SpaceError(f"{path} could not be written ({error}).", "Choose another folder.")


def write_tensors(
    path: Path, header: Mapping[str, object], tensors: Mapping[str, np.ndarray]
) -> None:
    """Write arrays and a JSON header to one safetensors file, atomically.

    Args:
        path: the file.
        header: JSON object with `kind` and `schema_version`.
        tensors: name → array; stored as they are, contiguous.

    Raises:
        SpaceError: the file could not be written.
    """
    arrays = {
        name: np.ascontiguousarray(array).reshape(np.shape(array))
        for name, array in tensors.items()
    }
    metadata = {HEADER_KEY: json.dumps(header)}
    write_atomic(path, lambda temporary: save_file(arrays, temporary, metadata=metadata))


def read_tensors(
    path: Path,
    kind: str,
    newest_schema: int,
    error_type: type[InputError] = InputError,
) -> tuple[dict, dict[str, np.ndarray]]:
    """Read a file that `write_tensors` wrote.

    Returns:
        Its header, and its arrays by name.

    Raises:
        InputError: (or `error_type`) missing, truncated, another kind, or of a newer schema.
    """
    if not path.is_file():
        raise error_type(
            f"There is no file {path}.", f"Give the path of a PartNerFace {kind} file."
        )
    try:
        with safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {}).get(HEADER_KEY, "null"))
            arrays = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError, ValueError) as error:
        raise error_type(
            f"{path} is damaged or is no PartNerFace {kind} file ({error}).",
            "Copy or make it again.",
        ) from error
    if not isinstance(header, dict) or header.get("kind") != kind:
        raise error_type(f"{path} is no PartNerFace {kind} file.", "Choose another file.")
    check_schema(path, header, newest_schema, error_type)
    return header, arrays


def check_schema(
    path: Path, header: Mapping, newest_schema: int, error_type: type[InputError]
) -> None:
    """Refuse what a newer PartNerFace wrote."""
    found = header.get("schema_version")
    if not isinstance(found, int):
        raise error_type(f"{path} does not say its schema version.", "Make it again.")
    if found > newest_schema:
        raise error_type(
            f"{path} was written by a newer PartNerFace "
            f"(schema {found}, this one reads {newest_schema}).",
            "Update PartNerFace.",
        )
