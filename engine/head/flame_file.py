# SPDX-License-Identifier: GPL-3.0-or-later
"""FLAME's own files: the model's pickle, and the landmark embeddings that lie beside it.

Read through the restricted unpickler, because a pickle is a program; chumpy and scipy are stood in
for by their numbers. The licence of such a file is its user's: nothing of it is ever handed on.
"""

import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.sparse import csc_matrix, csr_matrix

from ..errors import HeadError, PickleError
from ..restricted_pickle import StandIn, load_object_array, load_restricted
from ..torch_files import TORCH
from .flame import FLAME_KEYS, flame_model
from .model import HeadModel, check_head

Arrays = dict[str, np.ndarray]
OPTIONAL = ("n_shape", "lmk_face_idx", "lmk_b_coords", "vt", "ft")
# File names as they are handed out → what is in them; the first that is there gives the 68 points.
EMBEDDINGS_68 = (
    "landmark_embedding.npy", "landmark_embedding_with_eyes.npy", "flame_static_embedding.pkl",
)  # fmt: skip
EMBEDDING_MEDIAPIPE = "mediapipe_landmark_embedding.npz"


class Chumpy(StandIn):
    """`chumpy.ch.Ch`: an array whose numbers are its attribute x."""


class SparseColumns(StandIn):
    """`scipy.sparse.csc_matrix`."""

    layout = csc_matrix


class SparseRows(StandIn):
    """`scipy.sparse.csr_matrix`."""

    layout = csr_matrix


ALLOWED = {
    ("chumpy.ch", "Ch"): Chumpy,
    ("chumpy", "Ch"): Chumpy,
    **{(f"scipy.sparse.{module}", "csc_matrix"): SparseColumns for module in ("csc", "_csc")},
    **{(f"scipy.sparse.{module}", "csr_matrix"): SparseRows for module in ("csr", "_csr")},
}


def read_flame_pickle(path: Path, landmarks: Path | None = None) -> HeadModel:
    """The head model in a FLAME pickle (2019, 2020, 2023, 2023 Open).

    Its landmark embeddings are looked for in the folder `landmarks`, or beside it when None.

    Raises:
        HeadError: not of FLAME's schema, or its arrays do not fit together.
        PickleError: it holds more than FLAME's data, or is damaged; nothing was run.
    """
    with path.open("rb") as file:
        found = load_restricted(file, ALLOWED, what=path)
    if not isinstance(found, dict):
        raise HeadError(f"{path} holds no FLAME model.", "Choose FLAME's own file.")
    missing = [key for key in FLAME_KEYS if key not in found]
    if missing:
        raise HeadError(
            f"{path} is no FLAME model: it lacks {', '.join(missing)}.", "Choose FLAME's own file."
        )
    try:
        arrays = {key: plain(found[key]) for key in (*FLAME_KEYS, *OPTIONAL) if key in found}
        for name, array in arrays.items():
            if array.dtype.kind not in "biuf" or not np.isfinite(array).all():
                raise HeadError(
                    f"{name} in {path} holds what is no finite number.", "Use an intact copy."
                )
        model = flame_model({**embeddings_in(landmarks or path.parent), **arrays})
        check_head(model.mean)
    except (
        ValueError, IndexError, TypeError, AttributeError, KeyError, RecursionError
    ) as error:  # fmt: skip
        raise HeadError(
            f"The arrays of {path} do not fit together ({error}).",
            "Use an intact copy of the file.",
        ) from error
    return model


def plain(entry: object) -> np.ndarray:
    """An entry of the pickle as numbers: chumpy's and sparse arrays become ordinary ones."""
    if isinstance(entry, Chumpy):
        return plain(entry.x)
    if isinstance(entry, SparseColumns | SparseRows):
        shape = tuple(int(size) for size in vars(entry).get("_shape", vars(entry).get("shape")))
        parts = tuple(np.array(part) for part in (entry.data, entry.indices, entry.indptr))
        matrix = type(entry).layout(parts, shape=shape)
        matrix.check_format(full_check=True)
        return matrix.toarray()
    return np.array(entry)


def embeddings_in(folder: Path) -> Arrays:
    """Landmarks from the files of FLAME's usual names in a folder: as `flame_model` takes them.

    Raises:
        HeadError: there is one, and it cannot be read.
    """
    found: Arrays = {}
    for name in EMBEDDINGS_68:
        if (folder / name).is_file():
            found |= _read(folder / name, _points68)
            break
    if (folder / EMBEDDING_MEDIAPIPE).is_file():
        found |= _read(folder / EMBEDDING_MEDIAPIPE, _mediapipe)
    return found


def _read(path: Path, read: Callable[[Path], Arrays]) -> Arrays:
    try:
        return read(path)
    except PickleError:
        raise
    except (KeyError, ValueError, TypeError, OSError, AttributeError, IndexError, EOFError,
            zipfile.BadZipFile, zlib.error) as error:  # fmt: skip
        raise HeadError(
            f"The landmark embedding {path} cannot be used ({error!r}).",
            "Use an intact copy, or move it elsewhere: landmarks are then found geometrically.",
        ) from error


def _points68(path: Path) -> Arrays:
    if path.suffix == ".pkl":
        with path.open("rb") as file:
            entries = load_restricted(file, {**ALLOWED, **TORCH}, what=path)
        return {key: plain(entries[key]) for key in ("lmk_face_idx", "lmk_b_coords")}
    entries = load_object_array(path, TORCH).item()
    whole = "full" if "full_lmk_faces_idx" in entries else "static"
    count = 68 if whole == "full" else 51  # what follows the 68 are the irises
    faces = plain(entries[f"{whole}_lmk_faces_idx"]).reshape(-1)
    bary = plain(entries[f"{whole}_lmk_bary_coords"]).reshape(-1, 3)
    return {"lmk_face_idx": faces[:count], "lmk_b_coords": bary[:count]}


def _mediapipe(path: Path) -> Arrays:
    with np.load(path, allow_pickle=False) as file:
        return {
            "mediapipe_lmk_face_idx": file["lmk_face_idx"],
            "mediapipe_lmk_b_coords": file["lmk_b_coords"],
            "mediapipe_landmark_indices": file["landmark_indices"],
        }
