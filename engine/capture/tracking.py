# SPDX-License-Identifier: GPL-3.0-or-later
"""The first stage of a capture: who or what tells the landmarks, and what came of it."""

import hashlib
import logging
from pathlib import Path

import numpy as np

from ..errors import ClipError
from ..jobs import Job
from .crop import WANDERS, Crop, wandering
from .follow import Follower
from .landmark_task import TaskFaces
from .landmarks import LandmarkProvider
from .marks import FACE_POINTS, Mark
from .mediapipe_models import MediaPipeFaces
from .person import parse_person
from .recorded import SUFFIXES, read_landmarks
from .source import Selection, Source
from .stages import Chunks
from .track import Track, Usable, remarks, track_clip, usable

TASK = ".task"

log = logging.getLogger(__name__)


def check_landmarks(file: Path | None, person: str) -> str:
    """What tells this way of finding landmarks from others.

    Raises:
        ClipError: the file is missing or of an unknown kind; the person is none, or needless.
    """
    chosen = parse_person(person)
    if file is None:
        return "mediapipe"
    if file.suffix.lower() not in (TASK, *SUFFIXES):
        raise ClipError(
            f"{file} is no kind of landmark file that capture reads.",
            f"Give a {TASK} model, or landmarks as {', '.join(SUFFIXES)}.",
        )
    if chosen is not None and file.suffix.lower() != TASK:
        raise ClipError(
            f"The landmarks in {file} are of one person already.", "Leave --person out."
        )
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise ClipError(
            f"The landmark file {file} cannot be read ({error.strerror}).", "Check its path."
        ) from error


def find_face(
    source: Source, selection: Selection, file: Path | None, person: str,
    out: Path, key: str, job: Job,
) -> Usable:  # fmt: skip
    """The usable frames and their landmarks; kept in `out` while they are found.

    Args:
        source: where frames come from.
        selection: which of them.
        file: a `.task` model, landmarks, or None for the model that ships.
        person: whom to follow, as `parse_person` reads it.
        out: the capture folder.
        key: of all of the above.
        job: told how far it is.

    Raises:
        ClipError: the clip shows no face, two, or too few usable ones; nothing is kept then.
        DependencyError: mediapipe is missing or broken.
        Cancelled: what was found until then is kept.
    """
    chunks = Chunks(out, "landmarks", key)
    track = _track(source, selection, file, person, chunks, job)
    try:
        return usable(track, source, selection)
    except ClipError:
        chunks.discard()
        raise


def _track(
    source: Source, selection: Selection, file: Path | None, person: str, chunks: Chunks, job: Job
) -> Track:
    if file is not None and file.suffix.lower() != TASK:
        recorded = read_landmarks(file, source.width, source.height)
        return track_clip(source, selection, recorded, job, chunks)
    provider: LandmarkProvider = MediaPipeFaces() if file is None else TaskFaces(file)
    try:
        follower = Follower(provider, source.width, source.height, parse_person(person))
        return track_clip(source, selection, follower, job, chunks)
    finally:
        provider.close()


def notes(
    source: Source, selection: Selection, track: Usable, marks: np.ndarray, crop: Crop
) -> dict[str, str]:
    """What whoever filmed the clip should know, logged too; nothing where all is well.

    Args:
        source: where frames come from.
        selection: which of them.
        track: the usable ones.
        marks: [M] `Mark` values of all, misfits included.
        crop: the stored square.
    """
    said = remarks(source, selection, track.numbers, marks)
    used = marks[track.marks == Mark.OK] == Mark.OK
    wanders = wandering(track.points[used, :FACE_POINTS], crop)
    if wanders > WANDERS:
        said.append(
            f"The head moves through so much of the picture that the stored square is "
            f"{wanders:.1f} times as wide as the head needs; film it more in one place, or use a "
            f"larger --size."
        )
    for sentence in said:
        log.warning("%s", sentence)
    return {"notes": " ".join(said)} if said else {}
