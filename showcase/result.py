# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of a demo: `result.json`, and the main ones as lines for the console."""

import json
import os
import platform

from . import layout
from .plan import SEED, Demo
from .stages import Notebook

SCHEMA_VERSION = 1
GLOBAL = "_global"  # suffix of the stages of the global net


def compose(demo: Demo, notebook: Notebook, titles: dict[str, str]) -> dict:
    """Everything that was measured, as showcase/layout.py describes it.

    Args:
        demo: what was asked for.
        notebook: its finished stages.
        titles: name → title of the stages that belong to this demo, in order.
    """
    records = {name: notebook.records[name] for name in titles}
    baselines = demo.out / layout.BASELINES
    return {
        "schema_version": SCHEMA_VERSION,
        "title": demo.title,
        "settings": {
            "head": demo.head,
            "size": demo.size,
            "steps": demo.steps,
            "seed": SEED,
            "mesh_resolution": demo.budget.mesh_resolution,
            "scene_frames": demo.budget.scene_frames,
        },
        "seconds": round(sum(record.seconds for record in records.values()), 1),
        "peak_memory_mb": max(record.peak_memory_mb for record in records.values()),
        "machine": {
            "cores": os.cpu_count(),
            "processor": platform.machine(),
            "system": platform.system(),
            "python": platform.python_version(),
        },
        "stages": {
            name: {
                "title": titles[name],
                "seconds": record.seconds,
                "peak_memory_mb": record.peak_memory_mb,
                "result": record.result,
            }
            for name, record in records.items()
            if not name.endswith(GLOBAL)
        },
        "global_net": {
            name.removesuffix(GLOBAL): {**record.result, "seconds": record.seconds}
            for name, record in records.items()
            if name.endswith(GLOBAL)
        },
        "baselines": json.loads(baselines.read_text(encoding="utf-8")),
    }


def summary(result: dict) -> list[str]:
    """The main figures, a line each."""
    stages = result["stages"]
    lines = [
        row("held-out head box, avatar", stages["eval"]["result"], "psnr_head", "dB"),
        row("  one global net", result["global_net"]["eval"], "psnr_head", "dB"),
    ]
    for name, figures in result["baselines"].items():
        if isinstance(figures, dict):
            lines.append(row(f"  {name.replace('_', ' ')}", figures, "psnr_head", "dB"))
    if "surface" in stages:
        lines.append(row("surface, mean error", stages["surface"]["result"], "mean_mm", "mm"))
    if "capture" in stages:
        share = 100 * stages["capture"]["result"]["reprojection_eye_fraction"]
        lines.append(f"{'landmarks, of the eye distance':34}{share:8.2f} %")
    lines.append(f"{'all stages':34}{result['seconds']:8.0f} s")
    lines.append(f"{'peak memory':34}{result['peak_memory_mb'] / 1000:8.1f} GB")
    return lines


def row(title: str, figures: dict, key: str, unit: str) -> str:
    """One line of the summary."""
    return f"{title:34}{figures[key]:8.2f} {unit}"
