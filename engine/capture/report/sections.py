# SPDX-License-Identifier: GPL-3.0-or-later
"""The sections of a capture's report: each a function of what was read, made into HTML."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import cv2
import numpy as np

from ...charts import Line, line_chart
from ...head.skinning import HeadTensors
from ..folder import Capture
from ..overlay import draw_over
from ..posed import posed_frame
from ..quality import Quality
from . import advice
from .advice import Finding
from .drawings import Wanted, histogram, ranges, timeline, views
from .measures import Measures, frame_numbers

MARKS = {
    "ok": "used", "no_face": "no face", "blurred": "blurred", "covered": "covered",
    "outside": "cut by the edge", "second_person": "second person", "not_fitted": "not fitted",
    "left_out": "left out",
}  # fmt: skip
SHEET = 6  # frames on the contact sheet
SHEET_SIDE = 256  # px
GOAL = 0.5  # what a named expression should reach
MOST_NAMES = 70
BACKDROP = np.array([52, 168, 98], np.float32)


@dataclass(frozen=True)
class Material:
    """What a report is made of."""

    capture: Capture
    quality: Quality
    measures: Measures
    findings: Sequence[Finding]


def marks_of(capture: Capture) -> Mapping[str, Sequence[Sequence[int]]]:
    """Mark → runs of the clip's frames; without a tracker's marks, used and left out."""
    marks = getattr(capture, "marks", None) or capture.source.get("marks")
    if marks:
        return marks
    numbers = frame_numbers(capture)
    if not capture.source.get("frames"):
        return {"ok": _runs(numbers)}
    every = np.arange(numbers.min(), numbers.max() + 1)
    return {"ok": _runs(numbers), "left_out": _runs(np.setdiff1d(every, numbers))}


def missing(material: Material) -> str:
    """What to film again, as a list."""
    if not material.findings:
        return "<p>Nothing is missing: views and expressions cover what training wants.</p>"
    items = "".join(
        f'<li class="{finding.weight}">{escape(finding.text)}.</li>'
        for finding in material.findings
    )
    return f'<ul class="advice">{items}</ul>'


def followed(material: Material) -> str:
    """The overlay video and the timeline."""
    capture = material.capture
    shown = timeline(marks_of(capture), MARKS)
    if not (capture.path / "overlay.mp4").is_file():
        return absent("This capture has no overlay video.") + shown
    return (
        "<p>The fitted mesh over the clip. Where it does not follow the face, the avatar will not "
        'either.</p><video class="film" controls loop muted playsinline preload="metadata" '
        f'src="overlay.mp4"></video>{shown}'
    )


def sheet(material: Material) -> str:
    """A few frames: picture, matte, and the mesh over the picture."""
    capture, quality = material.capture, material.quality
    count = len(capture.motion)
    chosen = set(np.linspace(0, count - 1, min(SHEET, count)).round().astype(int).tolist())
    if quality.tracked:
        chosen.add(int(quality.error_share[:, 1].argmax()))
    tensors, numbers = HeadTensors.of(capture.head), frame_numbers(capture)
    cells = []
    for index in sorted(chosen):
        picture, alpha = capture.image(index), capture.matte(index)[..., None] / 255
        matted = picture * alpha + BACKDROP * (1 - alpha)
        over = draw_over(picture, posed_frame(tensors, capture.motion, index),
                         capture.head.skin_faces, capture.camera, SHEET_SIDE)  # fmt: skip
        caption = f"frame {numbers[index]}"
        if quality.tracked:
            caption += f", {100 * quality.error_share[index, 1]:.1f} %"
        pictures = "".join(
            f'<img alt="{name} of frame {numbers[index]}" src="{photo(image)}">'
            for name, image in (("picture", picture), ("matte", matted), ("mesh", over))
        )
        cells.append(f"<figure>{pictures}<figcaption>{caption}</figcaption></figure>")
    note = "<p>The picture, the matte before green, and the fitted mesh.</p>"
    return f'{note}<div class="sheet">{"".join(cells)}</div>'


def accuracy(material: Material) -> str:
    """Error, overlap and jitter over time."""
    quality, measures = material.quality, material.measures
    numbers = frame_numbers(material.capture)
    charts = []
    if quality.tracked:
        for title, values in (("Error, % of the eye distance",
                               100 * quality.error_share),
                              ("Error, px of the clip", quality.error)):  # fmt: skip
            lines = [Line("with offsets", numbers, values[:, 1]),
                     Line("without", numbers, values[:, 0])]  # fmt: skip
            charts.append(line_chart(title, lines, "frame", floor=0.0))
    for title, values in (("Jitter of the turn, degrees", measures.rotation_jitter),
                          ("Jitter of the place, mm", measures.position_jitter)):  # fmt: skip
        charts.append(line_chart(title, [Line("", numbers, values)], "frame", floor=0.0))
    iou, bare, _ = quality.silhouettes
    lines = [Line("bare skin", numbers[quality.frames], bare),
             Line("with hair", numbers[quality.frames], iou)]  # fmt: skip
    charts.append(line_chart("Overlap of mesh and matte", lines, "frame", smooth=False))
    note = ("<p>The error is the landmarks' distance to those of the fitted mesh, without and with "
            "the subject's own correspondence offsets. Jitter is the second difference from frame "
            "to frame: what remains of it when the head stands still is the tracker's. The mesh "
            "has no hair: its overlap with the matte is given with hair, and on bare skin "
            "alone.</p>")  # fmt: skip
    if not quality.tracked:
        note += absent("No landmarks were tracked for this capture; there is no error to show.")
    return note + grid(charts)


def coverage(material: Material) -> str:
    """Views, and what the face did, against what training wants."""
    m = material.measures
    nod = m.pitch - np.median(m.pitch)
    charts = [
        histogram("Opening of the eyes (1: at rest)", (m.lid_left + m.lid_right) / 2,
                  Wanted(advice.SHUT, advice.WIDE_EYES)),
        histogram("Gap of the lips, in eye distances", m.lip_gap,
                  Wanted(advice.LIPS_MET, advice.MOUTH_OPEN)),
        histogram("Width of the mouth (1: at rest)", m.mouth_width,
                  Wanted(advice.PUCKER, advice.SMILE)),
        histogram("Lift of the brows, in eye distances", (m.brow_left + m.brow_right) / 2,
                  Wanted(advice.BROWS_DOWN, advice.BROWS_UP)),
        histogram("Gaze sideways, degrees", m.gaze_yaw,
                  Wanted(-advice.LOOK_ASIDE, advice.LOOK_ASIDE)),
        histogram("Jaw, degrees", m.jaw, Wanted()),
    ]  # fmt: skip
    note = ("<p>Each dot is a frame; the views should reach over the edges of the box, and each "
            "distribution over its dashed lines. Rare values are drawn taller than they are: "
            "heights are square roots of counts.</p>")  # fmt: skip
    shown = views(m.yaw, nod, advice.SIDE, advice.UP_DOWN)
    return f'{note}<div class="views">{shown}</div>{grid(charts, "small")}{names(material)}'


def names(material: Material) -> str:
    """The head model's own expressions, where they have names."""
    found, psi = material.capture.head.expression_names, material.capture.motion.psi
    if len(found) > MOST_NAMES or any(name[-3:].isdigit() for name in found):
        return absent("This head model's expressions have no names; the measures above stand for "
                      "them.")  # fmt: skip
    order = np.argsort(found)
    parts = [part for part in np.array_split(order, 3) if len(part)]
    charts = [ranges("Expressions: how far they went" if n == 0 else "",
                     [found[i] for i in part], psi[:, part], GOAL)
              for n, part in enumerate(parts)]  # fmt: skip
    return (f"<p>The bar ends where the strongest {100 * advice.FEW:.0f} % of the frames begin, "
            "the tick is the median, the dashed line what the avatar should have seen. No clip "
            f"needs them all.</p>{grid(charts, 'small')}")  # fmt: skip


def grid(charts: Sequence[str], kind: str = "") -> str:
    """Charts side by side."""
    shown = "".join(f"<figure>{chart}</figure>" for chart in charts if chart)
    return f'<div class="charts {kind}">{shown}</div>'


def absent(text: str) -> str:
    """Says that something is not there."""
    return f'<p class="absent">{escape(text)}</p>'


def photo(picture: np.ndarray) -> str:
    """A picture [H, W, 3] RGB as a data address, small."""
    small = cv2.resize(np.asarray(picture, np.float32), (SHEET_SIDE, SHEET_SIDE),
                       interpolation=cv2.INTER_AREA)  # fmt: skip
    pixels = np.clip(small + 0.5, 0, 255).astype(np.uint8)[..., ::-1]
    done, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 82])
    assert done
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()


def _runs(numbers: np.ndarray) -> list[list[int]]:
    """Ascending numbers as runs [first, last]."""
    if not len(numbers):
        return []
    breaks = np.flatnonzero(np.diff(numbers) != 1)
    firsts, lasts = numbers[np.r_[0, breaks + 1]], numbers[np.r_[breaks, len(numbers) - 1]]
    return [[int(a), int(b)] for a, b in zip(firsts, lasts, strict=True)]
