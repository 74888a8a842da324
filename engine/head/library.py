# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding a head model by name, by file or by folder."""

from pathlib import Path

from .model import HeadModel


def load_head_model(name_or_path: str | Path, landmarks: Path | None = None) -> HeadModel:
    """The head model called `generic`, or the one in a file or folder, with all its landmarks.

    A file is an npz (an import by `head import`, an ICT import, GNM, FLAME's schema) or FLAME's
    own pickle; a folder is ICT-FaceKit's. Landmarks that a model lacks are laid on from the
    generic head; its `notes` say so. FLAME's and GNM's landmark files are looked for in the folder
    `landmarks`, or beside the file when None.

    Raises:
        HeadError: no such file, damaged, or of an unknown schema.
        PickleError: a pickle that holds more than FLAME's data; nothing was run.
    """
    if str(name_or_path) == "generic":
        from .generic import build_generic_head

        return build_generic_head()
    from .registration import with_landmarks

    return with_landmarks(_read(Path(name_or_path), landmarks))


def _read(path: Path, landmarks: Path | None) -> HeadModel:
    if path.is_dir():
        from .ict_folder import read_ict_folder

        return read_ict_folder(path)
    if path.is_file() and path.suffix.lower() in (".pkl", ".pickle"):
        from .flame_file import read_flame_pickle

        return read_flame_pickle(path, landmarks)
    from .npz import read_head_npz

    return read_head_npz(path, landmarks)


# name → where it comes from, whose it is, and what to give `head import`
SOURCES = {
    "FLAME 2019, 2020, 2023": "flame.is.tue.mpg.de, after registration; for research, not for "
    "commerce, not to be handed on; generic_model.pkl or flame2023.pkl",
    "FLAME 2023 Open": "flame.is.tue.mpg.de, after registration; open, on the terms in the readme "
    "beside it; flame2023_Open.pkl",
    "ICT-FaceKit": "github.com/ICT-VGL/ICT-FaceKit; MIT; its folder FaceXModel",
    "GNM Head v3": "github.com/google/GNM; Apache-2.0; gnm_head.npz, head_sparse_68.txt beside it",
}
