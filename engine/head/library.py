# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding a head model by name or by file."""

from .model import HeadModel


def load_head_model(name_or_path: str) -> HeadModel:
    """The head model called `generic`, or the one in a file (an imported npz, or FLAME's schema).

    Raises:
        HeadError: no such file, of an unknown schema, or one that carries a pickle.
    """
    if name_or_path == "generic":
        from .generic import build_generic_head

        return build_generic_head()
    from .npz import read_head_npz

    return read_head_npz(name_or_path)
