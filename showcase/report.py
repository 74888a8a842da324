# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's report: one HTML file that opens without a network, from what the stages left.

A part that a run did not make is named in its place, never silently left out.
"""

import json
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path

from engine import charts
from engine.files import write_text_atomic

from . import layout
from .sections import (
    absent,
    cost,
    figures,
    held_out,
    in_blender,
    measured,
    stage_result,
    surface,
    training,
)


def write_report(demo_folder: Path) -> Path:
    """Write report.html into a demo's folder; its path.

    Raises:
        FileNotFoundError: the folder holds no result.json.
        SpaceError: the report could not be written.
    """
    result = json.loads((demo_folder / layout.RESULT).read_text(encoding="utf-8"))
    sections: dict[str, Callable[[Path, Mapping], str]] = {
        "In Blender": in_blender,
        "Frames it has not seen": held_out,
        "How good it is": figures,
        "Training": training,
        "The surface": surface,
        "What it took": cost,
    }
    body = []
    for title, section in sections.items():
        content = section(demo_folder, result) or absent("This run did not make this part.")
        body.append(f"<section><h2>{title}</h2>{content}</section>")
    own = Path(__file__).parent / "report.css"
    style = "".join(sheet.read_text(encoding="utf-8") for sheet in (charts.STYLE, own))
    name = escape(str(result["title"]))
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>PartNerFace: {name}</title><style>{style}</style></head><body><main>"
        f"{opening(name, result)}{''.join(body)}{closing()}</main></body></html>"
    )
    path = demo_folder / layout.REPORT
    write_text_atomic(path, page)
    return path


def opening(name: str, result: Mapping) -> str:
    """The title, what this is, and the figures that matter most."""
    key = "".join(
        f"<div><b>{value}</b><span>{label}</span></div>" for value, label in main_figures(result)
    )
    stronger = "synth" in result["stages"]
    unseen = "expressions stronger than those" if stronger else "frames later than those"
    return (
        f"<header><h1>{name}</h1><p class='lead'>A head avatar learned from one video, driven by a "
        f"head model, measured on {unseen} it learned from, and rendered in Blender beside "
        f"ordinary objects.</p></header><div class='key'>{key}</div>"
    )


def main_figures(result: Mapping) -> list[tuple[str, str]]:
    """What matters most: (figure, what it is)."""
    methods, cells = measured(result), []
    if "avatar" in methods:
        ours = methods["avatar"]["psnr_head"]
        cells.append(
            (f"{ours:.1f} <small>dB</small>", "PSNR of the head, on frames it has not seen")
        )
        for other, label in (
            ("textured_mesh", "a textured mesh"),
            ("global_net", "one global net"),
        ):
            if other in methods:
                gain = f"{ours - methods[other]['psnr_head']:+.1f}".replace("-", "−")
                cells.append((f"{gain} <small>dB</small>", f"against {label}"))
    train = stage_result(result, "train")
    if train:
        cells.append((minutes(train["seconds"]), f"training, {train['steps']:,} steps"))
    cells.append((minutes(result["seconds"]), "for everything on this page"))
    cells.append((f"{result['peak_memory_mb'] / 1000:.1f} <small>GB</small>", "memory at the peak"))
    return cells


def minutes(seconds: float) -> str:
    """A duration in minutes and seconds, as a figure with a small unit."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d} <small>min</small>"


def closing() -> str:
    """Where to go on."""
    return (
        f"<footer>Beside this page: <code>{layout.SCENE}</code> opens in Blender with the avatar "
        f"ready to keyframe; <code>{layout.AVATAR_FILE}</code> is the avatar; "
        f"<code>{layout.MESH}/</code> holds the surface; "
        f"<code>{layout.RESULT}</code> holds every figure.</footer>"
    )
