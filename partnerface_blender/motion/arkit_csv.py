# SPDX-License-Identifier: GPL-3.0-or-later
"""Live Link Face takes, and other tables with ARKit's names in the first line.

A take has a column Timecode (HH:MM:SS:FF.subframe), a column BlendShapeCount (also spelt
BlendshapeCount), 52 weights and nine angles. Rows whose count is 0, or that lack their numbers,
are frames in which the face was lost. Other tables say the time in seconds, milliseconds or frames,
or not at all.
"""

import csv
import io
import re

import numpy as np

from .arkit_names import arkit_name
from .recording import Recording, RecordingError, make_recording

RATES = (24, 25, 30, 48, 50, 60, 90, 100, 120, 240)  # frames a second that timecodes count
USUAL_RATE = 60.0  # of Live Link Face
DAY_S = 86400.0
MILLISECONDS = 2.0  # steps that are larger than so many seconds are milliseconds
_TIMECODE = re.compile(r"(\d+):(\d+):(\d+)[:;](\d+(?:\.\d*)?)")
_TIMES = {"time": "seconds", "seconds": "seconds", "timestamp": "seconds", "times": "seconds",
          "timestampms": "milliseconds", "timems": "milliseconds", "milliseconds": "milliseconds",
          "frame": "frames", "frameindex": "frames", "framenumber": "frames",
          "timecode": "timecode"}  # fmt: skip


def read_csv(text: str, name: str, rate: float) -> Recording:
    """The recording in a table; see `recording.read_recording`."""
    try:
        return _read_table(text, name, rate)
    except csv.Error as error:
        raise RecordingError(
            f"{name} is no table ({error}).", "Export the take again as CSV."
        ) from error


def _read_table(text: str, name: str, rate: float) -> Recording:
    rows = csv.reader(io.StringIO(text), delimiter=_delimiter(text))
    titles: list[str] = []
    for titles in rows:
        if any(title.strip() for title in titles):
            break
    columns = {i: found for i, title in enumerate(titles) if (found := arkit_name(title))}
    timed = _time_column(titles)
    counted = next((i for i, t in enumerate(titles) if _letters(t) == "blendshapecount"), None)
    times: list[tuple[int, str]] = []  # line, text
    values: list[list[float]] = []
    seen: list[bool] = []
    for row in rows:
        if not any(cell.strip() for cell in row):
            continue
        times.append((rows.line_num, _cell(row, timed[0], name, rows.line_num) if timed else ""))
        lost = _is_lost(row, columns, counted)
        seen.append(not lost)
        values.append(
            [0.0] * len(columns) if lost else _numbers(row, columns, titles, name, rows.line_num)
        )
    if not columns or not values:
        return make_recording(name, np.zeros(0), {title: np.zeros(0) for title in columns.values()})
    seconds, keep = _seconds(times, timed[1] if timed else "", name, rate)
    keep &= np.array(seen)
    table = np.array(values)[keep]
    return make_recording(
        name, seconds[keep], {title: table[:, n] for n, title in enumerate(columns.values())}
    )


def _time_column(titles: list[str]) -> tuple[int, str] | None:
    """Which column says the time, and how; real time goes before counted frames."""
    order = ("timecode", "seconds", "milliseconds", "frames")
    found = [
        (i, _TIMES[key]) for i, title in enumerate(titles) if (key := _letters(title)) in _TIMES
    ]
    return min(found, key=lambda column: order.index(column[1]), default=None)


def _delimiter(text: str) -> str:
    first = next((line for line in text.splitlines() if line.strip()), "")
    return max(",;\t", key=first.count)


def _letters(title: str) -> str:
    return "".join(letter for letter in title.lower() if letter.isalnum())


def _cell(row: list[str], index: int, name: str, line: int) -> str:
    if index >= len(row):
        raise _odd(name, line, "has no time")
    return row[index].strip()


def _is_lost(row: list[str], columns: dict[int, str], counted: int | None) -> bool:
    """Whether no face was seen: the count is 0, or every number is missing."""
    if counted is not None and counted < len(row) and row[counted].strip() in ("0", ""):
        return True
    return not any(i < len(row) and row[i].strip() for i in columns)


def _numbers(
    row: list[str], columns: dict[int, str], titles: list[str], name: str, line: int
) -> list[float]:
    found = []
    for index in columns:
        text = row[index].strip() if index < len(row) else ""
        try:
            number = float(text)
        except ValueError:
            number = np.nan
        if not np.isfinite(number):
            raise _odd(name, line, f"has “{text}” for {titles[index].strip()}, which is no number")
        found.append(number)
    return found


def _seconds(
    times: list[tuple[int, str]], kind: str, name: str, rate: float
) -> tuple[np.ndarray, np.ndarray]:
    """Seconds [N] from the first row on, and which rows [N] are no repetition."""
    if kind == "timecode" and not any(":" in text for _, text in times):
        kind = "frames"  # some converters count frames there
    if kind == "timecode":
        parts = np.array([_timecode(text, name, line) for line, text in times])  # [N, 2] s, frames
        seconds = parts[:, 0] + parts[:, 1] / (rate or _rate_of(parts))
        jumps = np.diff(seconds, prepend=seconds[0])
        seconds = seconds + DAY_S * np.cumsum(jumps < -DAY_S / 2)  # past midnight
    elif kind:
        seconds = np.array([_number(text, name, line) for line, text in times])
        if kind == "frames":
            seconds = seconds / (rate or USUAL_RATE)
        steps = np.diff(seconds)
        coarse = kind == "seconds" and len(steps) and np.median(steps) > MILLISECONDS
        if kind == "milliseconds" or coarse:
            seconds = seconds / 1000
    else:
        seconds = np.arange(len(times)) / (rate or USUAL_RATE)
    steps = np.diff(seconds)
    if (steps < 0).any():
        raise _odd(name, times[int(np.argmax(steps < 0)) + 1][0], "goes back in time")
    return seconds - seconds[0], np.r_[True, steps > 0]


def _timecode(text: str, name: str, line: int) -> tuple[float, float]:
    match = _TIMECODE.fullmatch(text)
    if match is None:
        raise _odd(name, line, f"has the timecode “{text}”, which is not HH:MM:SS:FF")
    hours, minutes, seconds = (int(match[n]) for n in (1, 2, 3))
    return hours * 3600 + minutes * 60 + seconds, float(match[4])


def _rate_of(parts: np.ndarray) -> float:
    """The frames a second that timecodes [N, 2] (whole seconds, frames) count."""
    needed = np.floor(parts[:, 1].max()) + 1
    if parts[:, 0].max() - parts[:, 0].min() < 1:  # no second's end was seen
        return max(USUAL_RATE, needed)
    return float(next((rate for rate in RATES if rate >= needed), needed))


def _number(text: str, name: str, line: int) -> float:
    try:
        number = float(text)
    except ValueError:
        number = np.nan
    if not np.isfinite(number):
        raise _odd(name, line, f"has “{text}” for its time, which is no number")
    return number


def _odd(name: str, line: int, what: str) -> RecordingError:
    return RecordingError(f"Line {line} of {name} {what}.", "Mend or delete the line.")
