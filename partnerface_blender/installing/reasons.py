# SPDX-License-Identifier: GPL-3.0-or-later
"""Why uv failed, as one sentence with a way out."""

import re
from pathlib import Path

from .uv import SetupError


def reason(said: str, wheels: Path | None) -> SetupError:
    """The sentence for what uv said when it failed.

    Args:
        said: all that it said.
        wheels: the folder that packages were to come from, if any.
    """
    if re.search(r"No space left|not enough space|os error (28|112)\b", said):
        return SetupError(
            "The disk is full.", "Make room and resume; what was fetched is kept.", "no_space"
        )
    missing = re.search(r"Because (\S+) was not found|there (?:is|are) no versions? of (\S+)|"
                        r"only (?:the following versions? of )?(\S+?)(?:[=<>][^ ]*)? (?:is|are) "
                        r"available|(\S+) has no wheels", said)  # fmt: skip
    name = next((group for group in missing.groups() if group), "") if missing else ""
    if wheels is not None and name:
        return SetupError(
            f"The folder {wheels} lacks the package {name} in the version and for the Python "
            "that the engine needs.",
            "Fetch it where there is a network, with pip download and the lists in the extension's "
            "folder requirements, and try again.",
        )
    if re.search(
        r"error sending request|dns error|[Cc]onnect|timed out|certificate|[Nn]etwork", said
    ):
        return SetupError(
            "The package index could not be reached.",
            "Check the network and its proxy, then resume; or set up from a folder of wheels.",
        )
    if name:
        return SetupError(
            f"The package index has no {name} for this system.",
            "Set up from a folder of wheels, or choose an environment of your own.",
        )
    if re.search(r"Permission denied|os error (13|5)\b", said):
        return SetupError(
            "The engine's folder may not be written.", "Look at its permissions, then resume."
        )
    lines = [line.strip() for line in said.strip().splitlines() if line.strip()]
    first = next((line for line in lines if line.startswith("error")), (lines or ["nothing"])[-1])
    return SetupError(
        f"uv stopped: {first.removeprefix('error: ').rstrip('.')[:300]}.", "Look at the job's log."
    )
