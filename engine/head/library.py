# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding a head model by name, by file or by folder."""

from pathlib import Path

from .model import HeadModel


def load_head_model(name_or_path: str | Path) -> HeadModel:
    """The head model called `generic`, or the one in a file or folder, with all its landmarks.

    A file is an npz (an import by `head import`, an ICT import, GNM, FLAME's schema) or FLAME's
    own pickle; a folder is ICT-FaceKit's. Landmarks that a model lacks are laid on from the
    generic head; its `notes` say so.

    Raises:
        HeadError: no such file, damaged, or of an unknown schema.
        PickleError: a pickle that holds more than FLAME's data; nothing was run.
    """
    if str(name_or_path) == "generic":
        from .generic import build_generic_head

        return build_generic_head()
    from .registration import with_landmarks

    return with_landmarks(_read(Path(name_or_path)))


def _read(path: Path) -> HeadModel:
    if path.is_dir():
        from .ict_folder import read_ict_folder

        return read_ict_folder(path)
    if path.is_file() and path.suffix.lower() in (".pkl", ".pickle"):
        from .flame_file import read_flame_pickle

        return read_flame_pickle(path)
    from .npz import read_head_npz

    return read_head_npz(path)
