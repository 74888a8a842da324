# SPDX-License-Identifier: GPL-3.0-or-later
"""From what was measured to sentences: what is good, what is missing, what to film again.

Why the thresholds are what they are stands in docs/capture-report.md.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..folder import Capture
from ..quality import Quality
from .measures import Measures

Weight = Literal["again", "missing"]
Group = Literal["tracking", "views", "expressions", "clip"]

FEW = 0.02  # share of the frames that must show a thing before it counts as filmed
# Tracking: up to the first number nothing is said; beyond the second the clip is of no use.
ERROR = 0.025, 0.05  # of the outer-eye distance, with the subject's correspondences
TURN_JITTER = 0.35, 1.0  # degrees, second difference at rest
PLACE_JITTER = 1.5, 4.0  # mm
BARE_IOU = 0.87, 0.75
USED = 0.8, 0.4  # share of the clip's frames
FRAMES = 250, 60
FACE = 60, 30  # px of the stored picture between the outer corners of the eyes
# Views, degrees.
SIDE, UP_DOWN = 20.0, 8.0
# Face: what a quantity should reach; see `measures`.
SHUT, WIDE_EYES = 0.42, 1.04
LIPS_MET, MOUTH_OPEN = 0.035, 0.27
SMILE, PUCKER = 1.08, 0.82
BROWS_UP, BROWS_DOWN = 0.03, -0.015
LOOK_ASIDE = 8.0  # degrees


@dataclass(frozen=True)
class Finding:
    """One sentence for the artist."""

    weight: Weight
    group: Group
    text: str


@dataclass(frozen=True)
class Verdict:
    """What it comes to."""

    word: Literal["good", "usable", "film again"]
    text: str


def findings(capture: Capture, quality: Quality, measures: Measures) -> list[Finding]:
    """What is wrong or missing, the worst first."""
    found = [*tracking(quality, measures), *clip(capture, quality), *views(measures),
             *expressions(measures)]  # fmt: skip
    return sorted(found, key=lambda finding: finding.weight != "again")


def verdict(found: list[Finding]) -> Verdict:
    """The word on top of the report, and why."""
    again = [finding for finding in found if finding.weight == "again"]
    if again:
        return Verdict("film again", "Film again: " + _joined([_lower(f.text) for f in again]))
    if not found:
        return Verdict("good", "The clip is followed well and shows what training wants.")
    if all(finding.group in ("views", "expressions") for finding in found):
        text = (
            "The clip is followed well. The avatar will be good at what you filmed; "
            f"{_things(len(found))} missing, below."
        )
        return Verdict("usable", text)
    return Verdict("usable", "The clip can be trained on; what could be better stands below.")


def tracking(quality: Quality, measures: Measures) -> list[Finding]:
    """How well the head was followed."""
    found: list[Finding | None] = []
    if quality.tracked:
        error = float(quality.error_share[:, 1].mean())
        found.append(_beyond(
            error, ERROR, "tracking",
            f"The mesh lies {100 * error:.1f} % of the eye distance beside the face on average: "
            "use a sharper, more evenly lit clip, and look at the overlay",
        ))  # fmt: skip
    turn, place = at_rest(measures)
    if np.isfinite(turn):
        found.append(_beyond(turn, TURN_JITTER, "tracking",
                             f"The head trembles by {turn:.2f}° when it stands still: film with "
                             "more light and a steadier camera"))  # fmt: skip
        found.append(_beyond(place, PLACE_JITTER, "tracking",
                             f"The head jumps by {place:.1f} mm when it stands still: film with "
                             "more light and a steadier camera"))  # fmt: skip
    iou = quality.silhouettes[1]
    if np.isfinite(iou).any():
        mean = float(np.nanmean(iou))
        found.append(_short(
            mean, BARE_IOU, "tracking",
            f"Face and matte overlap by {100 * mean:.0f} % only: look at the mattes, and film "
            "before a plain wall that differs from hair and skin",
        ))  # fmt: skip
    return [finding for finding in found if finding is not None]


def clip(capture: Capture, quality: Quality) -> list[Finding]:
    """How much there is to learn from."""
    count, total = len(capture.motion), capture.figures.get("frames_total")
    found = [_short(count, FRAMES, "clip",
                    f"There are {count} frames only: film 20 seconds or more")]  # fmt: skip
    if total:
        share = count / total
        found.append(_short(share, USED, "clip",
                            f"Only {100 * share:.0f} % of the frames could be used: the timeline "
                            "says why"))  # fmt: skip
    face = face_size(capture, quality)
    found.append(_short(face, FACE, "clip",
                        f"The face is small, {face:.0f} px from eye to eye: come nearer, or film "
                        "and capture at a higher resolution"))  # fmt: skip
    return [finding for finding in found if finding is not None]


def views(measures: Measures) -> list[Finding]:
    """From which sides the head was seen."""
    found = []
    left, right = most(measures.yaw), -least(measures.yaw)
    for turned, side, other in ((left, "left", "right"), (right, "right", "left")):
        if turned < SIDE:
            reached = f"it ends at {max(turned, 0):.0f}°" if turned > 1 else "there is none"
            found.append(f"No view with the head turned to your {side} beyond {SIDE:.0f}° "
                         f"({reached}): the {other} side of the face will be guessed. "
                         f"Turn slowly to your {side}")  # fmt: skip
    nod = measures.pitch - np.median(measures.pitch)
    if most(nod) < UP_DOWN:
        found.append("You never raised your chin: look up slowly once")
    if -least(nod) < UP_DOWN:
        found.append("You never lowered your chin: look down slowly once")
    return [Finding("missing", "views", text) for text in found]


def expressions(m: Measures) -> list[Finding]:
    """What the face did not do."""
    lids = (m.lid_left + m.lid_right) / 2  # a wink is not a blink
    brows = (m.brow_left + m.brow_right) / 2
    wrong = {
        "You never closed your eyes fully: blink slowly a few times, and keep them shut for a "
        "second": least(lids) > SHUT,
        "You never opened your eyes wide: do so once":
            most(lids) < WIDE_EYES,
        "Your mouth was never wide open: film a yawn, or a long “ah”": most(m.lip_gap) < MOUTH_OPEN,
        "Your lips never met: keep the mouth shut for a second": least(m.lip_gap) > LIPS_MET,
        "Film a broad smile": most(m.mouth_width) < SMILE,
        "Film pursed lips, as if you were whistling": least(m.mouth_width) > PUCKER,
        "Your brows were never raised: look surprised once": most(brows) < BROWS_UP,
        "Your brows were never drawn down: frown once": least(brows) > BROWS_DOWN,
    }  # fmt: skip
    if np.abs(m.gaze_yaw).max(initial=0) > 0:  # some trackers leave the eyes straight
        wrong["You never looked to your left with your eyes alone"] = most(m.gaze_yaw) < LOOK_ASIDE
        wrong["You never looked to your right with your eyes alone"] = (
            -least(m.gaze_yaw) < LOOK_ASIDE
        )
    return [Finding("missing", "expressions", text) for text, said in wrong.items() if said]


def most(values: np.ndarray) -> float:
    """What at least `FEW` of the frames reach."""
    return float(np.quantile(values, 1 - FEW))


def least(values: np.ndarray) -> float:
    """What at least `FEW` of the frames fall to."""
    return float(np.quantile(values, FEW))


def at_rest(measures: Measures) -> tuple[float, float]:
    """Mean jitter in degrees and mm while the head stands still; NaN if it never does."""
    rest = measures.resting & np.isfinite(measures.rotation_jitter)
    if rest.sum() < 5:
        return float("nan"), float("nan")
    return (float(measures.rotation_jitter[rest].mean()),
            float(measures.position_jitter[rest].mean()))  # fmt: skip


def face_size(capture: Capture, quality: Quality) -> float:
    """Pixels of the stored picture between the outer corners of the eyes, of a frontal face."""
    if quality.tracked:
        crop = capture.source.get("crop")
        side = crop["side"] if crop else capture.camera.width
        return float(np.quantile(quality.eye_distance, 0.9)) * capture.camera.width / side
    eyes = capture.head.landmarks68.on(capture.head.vertices)[[36, 45]]
    wide = float(np.linalg.norm(eyes[0] - eyes[1]))
    middle = capture.head.vertices.mean(0) + capture.motion.translation
    _, depth = capture.camera.project(middle)
    return wide * capture.camera.fx / max(float(np.median(depth)), 1e-6)


def _beyond(value: float, limits: tuple[float, float], group: Group, text: str) -> Finding | None:
    if value <= limits[0]:
        return None
    return Finding("again" if value > limits[1] else "missing", group, text)


def _short(value: float, limits: tuple[float, float], group: Group, text: str) -> Finding | None:
    return _beyond(-value, (-limits[0], -limits[1]), group, text)


def _things(count: int) -> str:
    return "one thing is" if count == 1 else f"{count} things are"


def _joined(parts: list[str]) -> str:
    return "; ".join(parts) + "."


def _lower(text: str) -> str:
    return text[0].lower() + text[1:]
