# SPDX-License-Identifier: GPL-3.0-or-later
"""The report command: (re)write the report of any capture folder."""

from ...config import Report
from ...jobs import Job
from ..folder import read_capture
from ..quality import read_quality
from ..silhouette import Silhouettes, silhouette_figures
from .page import FILE_NAME, write_report


def run(config: Report, job: Job) -> dict:
    """Write CAPTURE/report.html; where it is and what it says.

    Raises:
        CaptureError: no finished capture, or a damaged one.
        SpaceError: the report could not be written.
    """
    capture = read_capture(config.capture)
    job.update("Measuring", 0, 2)
    quality = read_quality(capture)
    job.update("Writing the report", 1, 2)
    said = write_report(capture, quality)
    job.update("Writing the report", 2, 2)
    figures = silhouette_figures(Silhouettes(*quality.silhouettes))
    return {"report": str(config.capture / FILE_NAME), **said, **figures}
