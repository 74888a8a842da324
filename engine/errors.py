# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors that reach a person: what happened, why, and the way out.

Everything a user can cause raises a `PartNerFaceError`; whatever else escapes is our own mistake.
The `code` is stable and travels over the process border; `message` and `hint` are sentences.
"""

import errno
from collections.abc import Mapping


class PartNerFaceError(Exception):
    """A failure that a person can act on.

    Args:
        message: one sentence that says what happened and why.
        hint: one sentence that says what to do next.
    """

    code = "error"
    report: Mapping = {}  # figures that are worth having all the same

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Message and way out in one line, as the command line prints them."""
        return f"{self.message} {self.hint}".strip()


class InputError(PartNerFaceError):
    """A file or folder given by the user cannot be used."""

    code = "bad_input"


class ClipError(InputError):
    """The clip is unreadable, empty, too short, or shows no usable face."""

    code = "bad_clip"


class PickleError(InputError):
    """A pickle asks for more than plain data, or is damaged; nothing of it was run."""

    code = "bad_pickle"


class HeadError(InputError):
    """The head model file is damaged, of the wrong schema, or not the expected one."""

    code = "bad_head"


class HeadMismatchError(HeadError):
    """Capture and avatar were made with different head models."""

    code = "head_mismatch"


class CaptureError(InputError):
    """The capture folder is incomplete, damaged, or of a newer schema."""

    code = "bad_capture"


class AvatarError(InputError):
    """The avatar file is truncated, of a newer schema, or holds numbers that are not finite."""

    code = "bad_avatar"


class DeviceError(PartNerFaceError):
    """The requested device is not there."""

    code = "no_device"


class SpaceError(PartNerFaceError):
    """There is no room or no permission to write the result."""

    code = "no_space"


class DependencyError(PartNerFaceError):
    """A package that this step needs is missing or refuses to load."""

    code = "missing_package"


class MemoryShortageError(PartNerFaceError):
    """The memory of the machine or of its GPU does not suffice."""

    code = "no_memory"


class FileAccessError(PartNerFaceError):
    """A file or folder that the system does not let us use."""

    code = "no_access"


class ProtocolError(PartNerFaceError):
    """The two processes do not speak the same protocol."""

    code = "protocol"


class Cancelled(PartNerFaceError):
    """The user stopped the job; what was done so far is kept."""

    code = "cancelled"


class InternalError(PartNerFaceError):
    """A mistake of ours; the log holds the traceback."""

    code = "internal"


NO_MEMORY = (  # as torch, OpenCV and the systems say it
    "not enough memory", "can't allocate memory", "cannot allocate memory", "insufficient memory",
)  # fmt: skip


def explain(error: BaseException) -> PartNerFaceError:
    """The sentence for an exception that we did not raise ourselves.

    Raised by whatever runs a command or answers a request, so that each of them need not know how
    torch says that the memory is full.
    """
    if isinstance(error, PartNerFaceError):
        return error
    kinds = {kind.__name__ for kind in type(error).__mro__}
    said = str(error).lower()
    if kinds & {"MemoryError", "OutOfMemoryError"} or any(text in said for text in NO_MEMORY):
        return MemoryShortageError(
            "The memory does not suffice for this.",
            "Close other programs, or choose a smaller size or preset.",
        )
    if isinstance(error, ImportError) and not (error.name or "").startswith("engine"):
        return DependencyError(
            f"The engine's Python cannot load the package “{error.name}” ({error}).",
            "Repair it in the add-on's preferences; in a checkout run `python3 build.py setup`.",
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None)):
        return SpaceError(
            f"There is no space left to write {error.filename or 'the result'}.",
            "Free some space or choose another folder.",
        )
    if isinstance(error, OSError) and error.filename is not None:
        return FileAccessError(
            f"{error.filename} could not be opened or written ({error.strerror}).",
            "Check that it is there, that you may use it, and that no other program has it open.",
        )
    return InternalError(
        f"The engine failed by a mistake of ours ({type(error).__name__}: {error}).",
        "Look at the log, and please report it.",
    )
