# SPDX-License-Identifier: GPL-3.0-or-later
"""What the artist is told of a mistake of ours."""

import logging

from ..engine.errors import InternalError

log = logging.getLogger(__name__)


def own_mistake(error: Exception) -> InternalError:
    """The sentence for an exception that nobody foresaw; the traceback goes to the console."""
    log.error("%s", error, exc_info=error)
    return InternalError(
        f"The add-on made a mistake ({type(error).__name__}: {error}).",
        "Look at Blender's console, and please report it.",
    )
