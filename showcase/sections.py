# SPDX-License-Identifier: GPL-3.0-or-later
"""The sections of the demo's report: each a function of the demo's folder and its result.json."""

import json
from collections.abc import Mapping
from html import escape
from pathlib import Path

import numpy as np
from PIL import Image

from engine.charts import Line, line_chart
from engine.head.model import PARTS
from engine.head.parts import PART_COLOURS

from . import layout
from .pictures import file_uri, mesh_views, photo_uri, write_film

STRIP = 8  # composited frames side by side
SHOWN = 5  # held-out frames, from the best to the worst
COLUMNS = {  # figure → heading, decimals, whether more is better
    "psnr": ("PSNR, dB", 2, True),
    "ssim": ("SSIM", 3, True),
    "flip": ("FLIP", 3, False),
    "l1": ("L1", 4, False),
    "alpha_iou": ("Alpha IoU", 3, True),
}
METHODS = {
    "avatar": "PartNerFace",
    "global_net": "One global net of equal size",
    "textured_mesh": "Head mesh with a mean texture",
    "nearest_frame": "Nearest training frame",
}


def in_blender(folder: Path, result: Mapping) -> str:
    """The composited film, and a strip of its frames."""
    frames = sorted((folder / layout.COMPOSITE_FRAMES).glob("*.png"))
    if not frames:
        return absent("There are no composited frames.")
    film = folder / layout.COMPOSITE_VIDEO
    if not film.is_file():
        write_film(film, frames)
    chosen = [frames[i] for i in np.linspace(0, len(frames) - 1, STRIP).round().astype(int)]
    strip = "".join(
        f'<img alt="composited frame {path.stem}" src="{photo_uri(Image.open(path), 320)}">'
        for path in chosen
    )
    poster = photo_uri(Image.open(frames[len(frames) // 2]), 960)
    return (
        "<p>The avatar's shape keys and bones are keyed on the timeline. An ordinary lit object "
        "passes in front of the head and behind it; the compositor merges both by depth.</p>"
        f'<video class="film" controls loop muted playsinline poster="{poster}" '
        f'src="{file_uri(film)}"></video>'
        f'<div class="strip">{strip}</div>'
    )


def held_out(folder: Path, result: Mapping) -> str:
    """Ground truth, avatar, error and part map, and what the others make of the same frames."""
    listed = folder / layout.EVALUATION / layout.FRAME_FIGURES
    if not listed.is_file():
        return absent("The avatar was not measured.")
    frames = json.loads(listed.read_text(encoding="utf-8"))["frames"]
    frames.sort(key=lambda frame: -frame["psnr_head"])
    chosen = [
        frames[i] for i in np.unique(np.linspace(0, len(frames) - 1, SHOWN).round().astype(int))
    ]
    columns = {
        "ground truth": layout.EVALUATION / "truth",
        "avatar": layout.EVALUATION / "avatar",
        "error (FLIP)": layout.EVALUATION / "error",
        "parts": layout.EVALUATION / "parts",
        "one global net": layout.GLOBAL_EVALUATION / "avatar",
        "textured mesh": layout.BASELINE_PICTURES / "textured_mesh",
        "nearest frame": layout.BASELINE_PICTURES / "nearest_frame",
    }
    columns = {name: path for name, path in columns.items() if (folder / path).is_dir()}
    cells = [
        f'<div class="head{" ours" * (name == "avatar")}">{name}</div>' for name in columns
    ] + ["<div></div>"]
    for frame in chosen:
        for name, path in columns.items():
            picture = folder / path / f"{frame['frame']:05d}.png"
            shown = f'<img alt="{name}" src="{file_uri(picture)}">' if picture.is_file() else ""
            cells.append(shown or "<div></div>")
        cells.append(
            f'<div class="side"><b>{frame["psnr_head"]:.1f} dB</b>frame {frame["frame"]}</div>'
        )
    legend = "".join(
        f'<span><i style="background:rgb({",".join(str(round(255 * c)) for c in colour)})"></i>'
        f"{part.replace('_', ' ')}</span>"
        for part, colour in zip(PARTS, PART_COLOURS.tolist(), strict=True)
    )
    style = f"grid-template-columns: repeat({len(columns)}, minmax(0, 1fr)) 66px"
    return (
        f"<p>{len(frames)} frames were kept from training. Here are {len(chosen)} of them, from "
        "the one the avatar renders best to the one it renders worst. The error is dark where "
        "both pictures look alike.</p>"
        f'<div class="rows"><div class="frames" style="{style}">{"".join(cells)}</div></div>'
        f'<div class="legend">{legend}</div>'
    )


def figures(folder: Path, result: Mapping) -> str:
    """Every method against every metric, in the head box and in the full frame."""
    methods = measured(result)
    if not methods:
        return absent("Nothing was measured.")
    keys = [key + suffix for suffix in ("_head", "") for key in COLUMNS]
    best = {
        key: (max if COLUMNS[key.removesuffix("_head")][2] else min)(
            figures[key] for figures in methods.values()
        )
        for key in keys
    }
    rows = []
    for name, found in methods.items():
        cells = "".join(
            f"<td{' class=best' * (found[key] == best[key])}>"
            f"{found[key]:.{COLUMNS[key.removesuffix('_head')][1]}f}</td>"
            for key in keys
        )
        rows.append(f"<tr{' class=ours' * (name == 'avatar')}><td>{METHODS[name]}</td>{cells}</tr>")
    heads = "".join(f"<th>{COLUMNS[key.removesuffix('_head')][0]}</th>" for key in keys)
    count = len(COLUMNS)
    return (
        "<p>Means over the held-out frames, on white, the neck cut where the head model ends. The "
        "head box is the projected head without its neck, with a tenth of margin.</p>"
        "<div class='rows'><table><thead>"
        f"<tr><th></th><th colspan={count}>Head box</th><th colspan={count}>Full frame</th></tr>"
        f"<tr><th></th>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
        "<p class='note'>PSNR, SSIM and alpha IoU: more is better. FLIP and L1: less is better.</p>"
    )


def training(folder: Path, result: Mapping) -> str:
    """Loss and PSNR over the steps, and PSNR over the held-out frames."""
    curves = {}
    for name, path in (
        ("PartNerFace", layout.CURVES),
        ("one global net", layout.GLOBAL_AVATAR / "curves.json"),
    ):
        if (folder / path).is_file():
            curves[name] = json.loads((folder / path).read_text(encoding="utf-8"))
    if not curves:
        return absent("There are no training curves.")
    charts = [
        line_chart(
            title,
            [
                Line(name, np.array(curve["step"]), np.array(curve[key]))
                for name, curve in curves.items()
            ],
            "training step",
            logarithmic=key == "loss",
        )
        for key, title in (("loss", "Loss"), ("psnr", "PSNR in training, dB"))
    ]
    evaluations = []
    for name, path in (
        ("PartNerFace", layout.EVALUATION),
        ("one global net", layout.GLOBAL_EVALUATION),
    ):
        if (folder / path / layout.FRAME_FIGURES).is_file():
            found = json.loads((folder / path / layout.FRAME_FIGURES).read_text(encoding="utf-8"))[
                "frames"
            ]
            x, y = (np.array([frame[key] for frame in found]) for key in ("frame", "psnr_head"))
            evaluations.append(Line(name, x, y))
    charts.append(line_chart("PSNR of the head, dB", evaluations, "held-out frame", smooth=False))
    shown = "".join(f"<figure>{chart}</figure>" for chart in charts if chart)
    return f'<div class="charts">{shown}</div>'


def surface(folder: Path, result: Mapping) -> str:
    """The exported mesh from three sides, in its colours and in clay."""
    path = folder / layout.MESH_PLY
    if not path.is_file():
        return absent("The surface was not exported.")
    views = mesh_views(path)
    pictures = "".join(f'<img alt="{name}" src="{uri}">' for name, uri, _ in views)
    pictures += "".join(f'<img alt="{name}, clay" src="{uri}">' for name, _, uri in views)
    made = stage_result(result, "export")
    formats = sorted(file.suffix[1:].upper() for file in path.parent.glob(f"{path.stem}.*"))
    sentence = f"The canonical surface with a colour for each vertex ({', '.join(formats)})."
    if made:
        sentence += f" {made['vertices']:,} vertices, {made['faces']:,} triangles."
    error = stage_result(result, "surface")
    if "mean_mm" in error:
        sentence += (
            f" It lies {error['mean_mm']:.2f} mm from the subject's true surface on average."
        )
    return f'<p>{sentence}</p><div class="views">{pictures}</div>'


def cost(folder: Path, result: Mapping) -> str:
    """Every stage with its duration and its memory."""
    stages = dict(result["stages"])
    for name, found in result.get("global_net", {}).items():
        title = "training one global net" if name == "train" else "measuring one global net"
        stages[name + "_global"] = {"title": title, "seconds": found["seconds"]}
    longest = max(stage["seconds"] for stage in stages.values())
    rows = "".join(
        f"<tr><td>{escape(stage['title'])}</td><td>{span(stage['seconds'])}</td>"
        f"<td class=bar><i style='width:{100 * stage['seconds'] / longest:.1f}%'></i></td>"
        f"<td>{memory(stage.get('peak_memory_mb', 0))}</td></tr>"
        for stage in stages.values()
    )
    machine = result["machine"]
    where = f"{machine['cores']} cores, {machine['system']} {machine['processor']}"
    settings = ", ".join(
        f"{key.replace('_', ' ')} {value}" for key, value in result.get("settings", {}).items()
    )
    return (
        "<table><thead><tr><th>Stage</th><th>Duration</th><th></th><th>Memory</th></tr></thead>"
        f"<tbody>{rows}</tbody></table><p class='note'>{escape(where)}. {escape(settings)}.</p>"
    )


def measured(result: Mapping) -> dict[str, Mapping]:
    """The methods that were measured, ours first, each with eval's figures."""
    found = {
        "avatar": stage_result(result, "eval"),
        "global_net": result.get("global_net", {}).get("eval", {}),
        **result.get("baselines", {}),
    }
    return {name: found[name] for name in METHODS if "psnr_head" in found.get(name, {})}


def stage_result(result: Mapping, name: str) -> Mapping:
    """What a stage printed; empty if it did not run."""
    return result["stages"].get(name, {}).get("result", {})


def absent(sentence: str) -> str:
    """In the place of what is not there."""
    return f'<p class="absent">{escape(sentence)}</p>'


def memory(megabytes: float) -> str:
    """Gigabytes; a dash where it was not measured."""
    return f"{megabytes / 1000:.1f} GB" if megabytes else "–"


def span(seconds: float) -> str:
    """A duration as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"
