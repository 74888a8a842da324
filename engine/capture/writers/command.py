# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `export-dataset`: a capture in the layout of another program."""

from ...config import ExportDataset
from ...files import check_writable
from ...head.model import fingerprint
from ...jobs import Job
from ..folder import read_capture
from ..stages import key_of
from . import insta, sheets, vhap

METHOD = 1  # raised when the same capture is written otherwise than before
LAYOUTS = {"vhap": vhap.write, "insta": insta.write}


def run(config: ExportDataset, job: Job) -> dict:
    """Write a capture as a dataset; what was written and who can use it.

    Raises:
        CaptureError: no finished capture, or other files lie in the folder.
        SpaceError: a file could not be written.
        Cancelled: stopped; frames that are done are kept.
    """
    capture = read_capture(config.capture)
    check_writable(config.out)
    motion = capture.motion
    key = key_of(
        method=METHOD, format=config.format, camera=capture.camera.to_json(),
        parameters=fingerprint(motion.psi, motion.theta, motion.translation, capture.head.vertices),
        splits=[capture.train, capture.test], path=str(config.capture.resolve()),
        source=str(capture.source.get("key")),
    )  # fmt: skip
    sheets.claim(config.out, key)
    said = LAYOUTS[config.format](capture, config.out, job)
    return {"format": config.format, "frames": len(motion), "train": len(capture.train),
            "test": len(capture.test), **said, "dataset": str(config.out)}  # fmt: skip
