# SPDX-License-Identifier: GPL-3.0-or-later
"""What a video file says of its colours, asked of the ffmpeg that comes with imageio-ffmpeg.

OpenCV decodes high dynamic range without a word, and the pictures come out grey and flat; the
file's own description tells. Transfers: smpte2084 is PQ (HDR10, Dolby Vision), arib-std-b67 is HLG
(phones).
"""

import re
import subprocess
from pathlib import Path

from ..errors import ClipError, DependencyError

TRANSFERS = {"smpte2084": "PQ", "arib-std-b67": "HLG"}
TIMEOUT_S = 30.0
TONE_MAP = "zscale=t=linear:npl=203,tonemap=hable,zscale=p=bt709:t=bt709:m=bt709,format=yuv420p"


def ffmpeg_program() -> str:
    """The path of ffmpeg.

    Raises:
        DependencyError: imageio-ffmpeg is missing, or has none for this machine.
    """
    try:
        import imageio_ffmpeg

        return imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        raise DependencyError(
            f"Capture needs the package imageio-ffmpeg, which does not work ({error}).",
            "Set the engine's environment up again.",
        ) from error


def refuse_hdr(path: Path) -> None:
    """Let pass what is filmed in ordinary colours.

    Raises:
        ClipError: the clip is in PQ, HLG or BT.2020.
        DependencyError: there is no ffmpeg to ask.
    """
    kind = hdr_kind(_description(path))
    if kind:
        raise ClipError(
            f"The clip {path} is HDR video ({kind}), whose colours would come out wrong.",
            "Film with HDR switched off, or convert it to SDR (BT.709) first, with a video editor "
            f'or with `ffmpeg -i CLIP -vf "{TONE_MAP}" -c:a copy SDR.mp4`.',
        )


def hdr_kind(description: str) -> str:
    """What makes a clip HDR by ffmpeg's description of it; nothing where it is not."""
    line = re.search(r"Stream #.*?: Video: (.*)", description)
    if line is None:
        return ""
    for transfer, name in TRANSFERS.items():
        if transfer in line[1]:
            return name
    return "BT.2020" if "bt2020" in line[1] else ""


def _description(path: Path) -> str:
    """What ffmpeg prints of a file; it ends with a complaint that no output was asked for."""
    command = [ffmpeg_program(), "-hide_banner", "-nostdin", "-i", str(path)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DependencyError(
            f"ffmpeg, which capture needs to look into {path}, does not answer ({error}).",
            "Set the engine's environment up again.",
        ) from error
    return done.stderr.decode(errors="replace")
