# SPDX-License-Identifier: GPL-3.0-or-later
"""Head models from a user's npz file, and into one. Nothing here ever loads a pickle.

What `write_head_npz` writes is a `HeadModel` as it is: one entry is JSON text, the others arrays.
"""

import json
import zipfile
from pathlib import Path

import numpy as np

from ..errors import HeadError
from ..files import check_schema, write_atomic
from .flame import FLAME_KEYS, flame_model
from .flame_file import embeddings_in
from .gnm import GNM_KEYS, gnm_model, landmarks_in
from .ict import ICT_KEYS, ict_model
from .model import Head, HeadModel, check_head

Arrays = dict[str, np.ndarray]
OUR_SCHEMA = 1
OUR_KEYS = ("partnerface_head_model", "identities", "joint_regressor", "vertices", "expressions")


def write_head_npz(path: Path, model: HeadModel) -> None:
    """Write a head model to an npz file that `read_head_npz` reads, atomically.

    Raises:
        SpaceError: it could not be written.
    """
    header, arrays = model.mean.to_arrays()
    words = {
        "schema_version": OUR_SCHEMA,
        "head": header,
        "identity_names": model.identity_names,
        "notes": model.notes,
    }
    arrays |= {"identities": model.identities, "joint_regressor": model.joint_regressor}
    arrays["partnerface_head_model"] = np.array(json.dumps(words))

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.savez_compressed(file, **arrays)

    write_atomic(path, write)


def read_head_npz(path: str | Path, landmarks: Path | None = None) -> HeadModel:
    """The head model in an npz file: an import, ICT's older import, GNM's or FLAME's schema.

    FLAME's and GNM's landmark files are looked for in the folder `landmarks`, or beside it when
    None.

    Raises:
        HeadError: missing, damaged, with a pickle inside, of no known schema, or with numbers that
            are not finite.
    """
    path = Path(path)
    arrays = _read_arrays(path)
    schemas = {
        "an import": (OUR_KEYS, _our_model),
        "ICT": (ICT_KEYS, ict_model),
        "GNM": (GNM_KEYS, gnm_model),
        "FLAME": (FLAME_KEYS, flame_model),
    }
    missing = {
        name: [key for key in keys if key not in arrays] for name, (keys, _) in schemas.items()
    }
    complete = [name for name in schemas if not missing[name]]
    if not complete:
        lacks = "; ".join(f"as {name} it lacks {', '.join(keys)}" for name, keys in missing.items())
        raise HeadError(
            f"{path} is no head model that PartNerFace knows: {lacks}.", "Choose another file."
        )
    _, build = schemas[complete[0]]
    if complete[0] == "FLAME":
        arrays = {**embeddings_in(landmarks or path.parent), **arrays}
    elif complete[0] == "GNM":
        arrays = {**landmarks_in(landmarks or path.parent), **arrays}
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise HeadError(f"The head model {path} holds numbers that are not finite (in {name}).",
                            "Use an intact copy of the file.")  # fmt: skip
    try:
        model = build(arrays)
        check_head(model.mean)
    except (ValueError, IndexError, TypeError, KeyError) as error:
        raise HeadError(f"The arrays of the head model {path} do not fit together ({error}).",
                        "Use an intact copy of the file.") from error  # fmt: skip
    return model


def _our_model(arrays: Arrays) -> HeadModel:
    words = json.loads(str(arrays["partnerface_head_model"]))
    check_schema(Path("the head model"), words, OUR_SCHEMA, HeadError)
    identities = arrays["identities"]
    head = Head.from_arrays(words["head"], arrays)
    shapes = ((identities, (len(words["identity_names"]), *head.vertices.shape)),
              (arrays["joint_regressor"], (len(head.joints), len(head.vertices))))  # fmt: skip
    if any(array.shape != shape for array, shape in shapes):
        raise ValueError("identities or joint regressor of another shape")
    names, notes = tuple(words["identity_names"]), tuple(words["notes"])
    return HeadModel(head, names, identities, arrays["joint_regressor"], notes)


def _read_arrays(path: Path) -> Arrays:
    if not path.is_file():
        raise HeadError(
            f"There is no head model {path}.", "Give the path of an npz file, or `generic`."
        )
    with path.open("rb") as file:
        start = file.read(2)
    if start[:1] == b"\x80":
        raise HeadError(
            f"{path} is a pickle, which can run code when it is opened, so it was not opened.",
            "Call it .pkl if it is FLAME's own file; else save its arrays as an npz file.",
        )
    if start != b"PK":
        raise HeadError(f"{path} is no npz file.", "Give the path of an npz file, or `generic`.")
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: _plain(path, file, name) for name in file.files}
    except (
        OSError,
        ValueError,
        EOFError,
        KeyError,
        zipfile.BadZipFile,
        zipfile.zlib.error,
    ) as error:
        raise HeadError(f"The head model {path} is damaged ({error}).", "Copy it again.") from error


def _plain(path: Path, file: np.lib.npyio.NpzFile, name: str) -> np.ndarray:
    try:
        array = file[name]
    except ValueError as error:
        if "pickle" not in str(error):
            raise
        raise HeadError(
            f"The head model {path} carries a pickle (in {name}), which could run code.",
            "Save that array as plain numbers (a sparse matrix with .toarray()).",
        ) from error
    if not isinstance(array, np.ndarray):  # a member that is no .npy file
        raise HeadError(
            f"The head model {path} holds {name}, which is no array.", "Use another file."
        )
    return array
