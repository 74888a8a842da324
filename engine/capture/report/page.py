# SPDX-License-Identifier: GPL-3.0-or-later
"""report.html in the capture folder: one file, no scripts, nothing from elsewhere."""

from collections.abc import Callable
from html import escape
from pathlib import Path

import numpy as np

from ... import charts
from ...files import write_text_atomic
from ..folder import Capture
from ..quality import Quality, read_quality
from .advice import at_rest, face_size, findings, verdict
from .measures import measure_motion
from .sections import Material, accuracy, coverage, followed, missing, sheet

FILE_NAME = "report.html"
SECTIONS: dict[str, Callable[[Material], str]] = {
    "What to film again": missing,
    "How it is followed": followed,
    "Pictures, mattes, mesh": sheet,
    "What was filmed": coverage,
    "How exact it is": accuracy,
}


def write_report(capture: Capture, quality: Quality | None = None) -> dict:
    """Write a capture's report; its verdict and figures.

    Raises:
        CaptureError: a picture or matte is missing or damaged.
        SpaceError: the report could not be written.
    """
    quality = read_quality(capture) if quality is None else quality
    measures = measure_motion(capture)
    found = findings(capture, quality, measures)
    said = verdict(found)
    material = Material(capture, quality, measures, found)
    body = "".join(f"<section><h2>{title}</h2>{section(material)}</section>"
                   for title, section in SECTIONS.items())  # fmt: skip
    own = Path(__file__).parent / "report.css"
    style = "".join(sheet.read_text(encoding="utf-8") for sheet in (charts.STYLE, own))
    name = escape(_title(capture))
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Capture: {name}</title><style>{style}</style></head><body><main>"
        f"<header><p class='lead'>Capture report</p><h1>{name}</h1></header>"
        f"<div class='verdict {said.word.replace(' ', '-')}'><b>{said.word.capitalize()}</b>"
        f"<p>{escape(said.text)}</p></div>{_key(material)}{body}"
        "<footer>Made by <code>python -m engine report</code>; what the thresholds are, and why, "
        "stands in the guide to capture.</footer></main></body></html>"
    )
    write_text_atomic(capture.path / FILE_NAME, page)
    turn, place = at_rest(measures)
    return {
        "verdict": said.word,
        "advice": [finding.text for finding in found],
        "jitter_degrees": turn,
        "jitter_mm": place,
    }


def _title(capture: Capture) -> str:
    clip = capture.source.get("clip")
    if clip:
        return Path(str(clip)).name
    return f"{capture.source.get('kind', 'imported')} capture"


def _key(material: Material) -> str:
    """The figures that matter most."""
    capture, quality = material.capture, material.quality
    turn, place = at_rest(material.measures)
    cells = [(f"{len(capture.motion)}", "frames used")]
    total = capture.figures.get("frames_total")
    if total:
        cells[0] = (f"{len(capture.motion)} <small>of {total}</small>", "frames used")
    if quality.tracked:
        share = 100 * quality.error_share.mean(0)
        cells.append((f"{share[1]:.2f} <small>%</small>",
                      f"reprojection error ({share[0]:.2f} % without offsets)"))  # fmt: skip
    if np.isfinite(turn):
        cells.append((f"{turn:.2f}° <small>{place:.1f} mm</small>", "jitter at rest"))
    iou, bare, _ = quality.silhouettes
    if np.isfinite(bare).any():
        cells.append(
            (
                f"{100 * np.nanmean(iou):.0f} <small>%</small>",
                f"overlap with the matte ({100 * np.nanmean(bare):.0f} % on bare skin)",
            )
        )
    cells.append((f"{face_size(capture, quality):.0f} <small>px</small>", "from eye to eye"))
    shown = "".join(f"<div><b>{value}</b><span>{label}</span></div>" for value, label in cells)
    return f'<div class="key">{shown}</div>'
