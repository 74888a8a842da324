# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's report: one HTML file that opens without a network, from what the stages left.

A part that a run did not make is named in its place, never silently left out.
"""

import json
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path

from engine.files import write_text_atomic

from . import layout
from .sections import (
    absent,
    cost,
    figures,
    held_out,
    in_blender,
    measured,
    span,
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
    style = (Path(__file__).parent / "report.css").read_text(encoding="utf-8")
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
    methods = measured(result)
    cells = []
    if "avatar" in methods:
        ours = methods["avatar"]
        cells.append(
            (
                f"{ours['psnr_head']:.1f} <small>dB</small>",
                "PSNR of the head, on frames it has not seen",
            )
        )
        cells += [
            (
                f"{ours['psnr_head'] - methods[other]['psnr_head']:+.1f} <small>dB</small>",
                f"against {label}",
            )
            for other, label in (
                ("textured_mesh", "a textured mesh"),
                ("global_net", "one global net"),
            )
            if other in methods
        ]
    train = stage_result(result, "train")
    if train:
        cells.append((span(train["seconds"]), f"training, {train['steps']:,} steps"))
    cells.append((span(result["seconds"]), "for everything on this page"))
    cells.append((f"{result['peak_memory_mb'] / 1000:.1f} <small>GB</small>", "memory at the peak"))
    key = "".join(f"<div><b>{value}</b><span>{label}</span></div>" for value, label in cells)
    return (
        f"<header><h1>{name}</h1><p class='lead'>A head avatar learned from one video, driven by a "
        f"head model, measured on expressions stronger than those it learned from, and rendered "
        f"in Blender beside ordinary objects.</p></header><div class='key'>{key}</div>"
    )


def closing() -> str:
    """Where to go on."""
    return (
        f"<footer>Beside this page: <code>{layout.SCENE}</code> opens in Blender with the avatar "
        f"ready to keyframe; <code>{layout.AVATAR_FILE}</code> is the avatar; "
        f"<code>{layout.MESH}/</code> holds the surface; "
        f"<code>{layout.RESULT}</code> holds every figure.</footer>"
    )
