# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the bench and write docs/performance.md's tables and its plot.

    python -m benchmarks.performance [--from FIGURES.json] [bench options …]

Without --from, `python -m engine bench --json` runs with the options that follow; with it, figures
of an earlier run are taken. `--commits COMPARED.json` adds what `compare_commits` found, `--gpu
GPU.json` what `benchmarks.gpu` did. The text around the marked blocks of the page is written by
hand and stays.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "performance.md"
PLOT = ROOT / "docs" / "images" / "performance.png"
QUALITIES = ("exact", "frame_baked", "preview")
STAGES = (
    "pose", "survey", "march", "land", "nearest", "unpose", "bake", "evaluate", "composite",
    "backward", "optimiser", "other",
)  # fmt: skip


def main() -> int:
    """Measure or read, then write page and plot; the bench's exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--from", dest="source", type=Path, help="figures of an earlier run")
    parser.add_argument("--keep", type=Path, help="write the figures here as well")
    parser.add_argument("--commits", type=Path, help="what `compare_commits` found")
    parser.add_argument("--gpu", type=Path, help="what benchmarks.gpu found")
    options, bench_options = parser.parse_known_args()
    if options.source:
        figures = json.loads(options.source.read_text(encoding="utf-8"))
    else:
        command = [sys.executable, "-m", "engine", "bench", "--json", *bench_options]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            return done.returncode
        figures = json.loads(done.stdout.splitlines()[-1])
    if options.keep:
        options.keep.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    blocks = tables(figures)
    if options.commits:
        blocks["commits"] = commits(json.loads(options.commits.read_text(encoding="utf-8")))
    if options.gpu:
        blocks["gpu"] = gpu(json.loads(options.gpu.read_text(encoding="utf-8")))
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), blocks), encoding="utf-8")
    plot(figures, PLOT)
    return 0


def filled(page: str, blocks: Mapping[str, str]) -> str:
    """The page with the text between each block's markers replaced.

    Raises:
        ValueError: the page lacks a block's markers.
    """
    for name, text in blocks.items():
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        if begin not in page or end not in page:
            raise ValueError(f"The page has no markers for {name}.")
        before, rest = page.split(begin, 1)
        page = before + begin + "\n" + text + "\n" + end + rest.split(end, 1)[1]
    return page


def tables(figures: Mapping) -> dict[str, str]:
    """The page's blocks by name; parts that were not measured are left out."""
    blocks = {"machine": machine(figures["machine"])}
    makers = {
        "frames": ("exact_128_s", frames),
        "resolution": ("by_resolution", by_resolution),
        "stages": ("frame_stages_ms", stages),
        "reference": ("speedup_vs_reference", reference),
        "training": ("training_samples_per_second", training),
        "parts": ("by_parts", by_parts),
        "mesh": ("by_vertices", by_mesh),
        "many": ("by_frames", by_frames),
        "paper": ("equal_psnr", paper),
    }
    for name, (needs, make) in makers.items():
        if needs in figures:
            blocks[name] = make(figures)
    return blocks


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table; floats with three digits that count, None as a dash."""
    head = list(head)
    lines = [head, ["---"] * len(head), *([shown(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def shown(cell: object) -> str:
    """A cell's text."""
    if cell is None:
        return "–"
    if isinstance(cell, float):
        return f"{cell:,.0f}" if abs(cell) >= 100 else f"{cell:.3g}"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)


def machine(facts: Mapping) -> str:
    """One sentence."""
    where = facts.get("gpu") or f"{facts['processor']}, {facts['cores']} cores"
    load = f", load before the run {facts['load_before']}" if "load_before" in facts else ""
    return (
        f"Measured on: {where} ({facts['system']}), torch {facts['torch']} with "
        f"{facts['threads']} threads, Warp {facts['warp']}, Python {facts['python']}{load}."
    )


def frames(figures: Mapping) -> str:
    """Seconds of a frame by quality, and how true it is."""
    rows = [
        (
            quality.replace("_", "-"),
            figures.get(f"{quality}_first_s"),
            None,
            figures.get(f"{quality}_128_s"),
            figures.get(f"{quality}_256_s"),
            figures.get(f"{quality}_psnr"),
        )
        for quality in QUALITIES
    ]
    first = figures.get("coarse_s"), None, None, figures.get("coarse_psnr")
    rows.append(("preview, coarse", None, *first))
    head = "quality", "first frame, s", "64², s", "128², s", "256², s", "PSNR to exact, dB"
    return table(head, rows)


def by_resolution(figures: Mapping) -> str:
    """Seconds of a frame by size and quality."""
    found = {
        (row["quality"], row["width"], row["height"]): row["seconds"]
        for row in figures["by_resolution"]
    }
    sizes = sorted({key[1:] for key in found}, key=lambda size: size[0] * size[1])
    names = list(dict.fromkeys(key[0] for key in found))
    rows = [(f"{w} × {h}", *(found.get((name, w, h)) for name in names)) for w, h in sizes]
    return table(("size", *(f"{name}, s" for name in names)), rows)


def stages(figures: Mapping) -> str:
    """Milliseconds by stage: a frame in every quality, and a training step."""
    columns = dict(figures["frame_stages_ms"])
    if "step_stages_ms" in figures:
        columns["training step"] = figures["step_stages_ms"]
    rows = [
        (stage, *(column.get(stage) for column in columns.values()))
        for stage in STAGES
        if any(stage in column for column in columns.values())
    ]
    size = figures["frame_size"]
    names = [
        name if name == "training step" else f"{name.replace('_', '-')} {size}²" for name in columns
    ]
    return table(("stage, ms", *names), rows)


def reference(figures: Mapping) -> str:
    """The kernels against plain torch."""
    rows = [
        (
            f"exact frame, {figures['reference_frame_size']}²",
            figures["fast_frame_samples_per_second"],
            figures["reference_frame_samples_per_second"],
            figures["speedup_vs_reference"],
        ),
        (
            "training step",
            figures.get("fast_training_samples_per_second"),
            figures.get("reference_training_samples_per_second"),
            figures.get("speedup_vs_reference_training"),
        ),
    ]
    return table(("", "kernels, samples/s", "plain torch, samples/s", "ratio"), rows)


def training(figures: Mapping) -> str:
    """Samples, rays, memory, and seconds to the target."""
    rows = [
        ("samples per second, training", figures["training_samples_per_second"]),
        ("samples per second, exact frame", figures.get("samples_per_second")),
        ("rays per second, exact frame", figures.get("rays_per_second")),
        ("seconds of a training step", figures.get("step_s")),
        ("peak memory, GiB", figures.get("peak_memory_gb")),
    ]
    if "target_psnr" in figures:
        target = figures["target_psnr"]
        rows.append((f"seconds to {target:g} dB held out", figures["seconds_to_psnr"]))
        rows.append(("held-out PSNR at the end, dB", figures["held_out_psnr"]))
    return table(("", "figure"), rows)


def by_parts(figures: Mapping) -> str:
    """Cost by the number of local nets."""
    rows = [(row["parts"], row["frame_s"], row["step_s"]) for row in figures["by_parts"]]
    return table(("parts", "exact frame, s", "training step, s"), rows)


def by_mesh(figures: Mapping) -> str:
    """Cost by the size of the mesh."""
    rows = [(row["vertices"], row["frame_s"], row["step_s"]) for row in figures["by_vertices"]]
    return table(("vertices", "exact frame, s", "training step, s"), rows)


def by_frames(figures: Mapping) -> str:
    """Cost by the number of training frames."""
    rows = [
        (row["frames"], row["step_s"], row["memory_gb"], row["full_memory_gb"])
        for row in figures["by_frames"]
    ]
    return table(("frames", "training step, s", "memory, GiB", "with all surveys kept, GiB"), rows)


def paper(figures: Mapping) -> str:
    """Seconds to equal PSNR: the engine and the papers' field."""
    rows = [
        ("the engine", figures["equal_psnr"], figures["equal_psnr_seconds"]),
        ("the papers' field", figures["equal_psnr"], figures["equal_psnr_paper_field_seconds"]),
    ]
    ratio = figures["speed_vs_paper_field"]
    said = [table(("", "held-out PSNR, dB", "seconds"), rows), ""]
    if ratio is not None:
        least = "at least " if figures["speed_vs_paper_field_is_bound"] else ""
        said.append(f"Ratio: {least}{shown(ratio)}.")
    if not figures["paper_field_reached_target"]:
        said.append(
            f"The papers' field did not reach the target of {figures['target_psnr']:g} dB in "
            f"{shown(figures['paper_field_seconds'])} s; it got to "
            f"{shown(figures['paper_field_psnr'])} dB."
        )
    return "\n".join(said)


def commits(compared: Mapping) -> str:
    """Seconds of training to a PSNR before and now."""
    rows = []
    for name in ("old", "new"):
        there = compared[name]["reached"] or {}
        rows.append(
            (
                f"`{compared[name]['commit']}`",
                there.get("steps"),
                there.get("wall_s"),
                there.get("training_s"),
                there.get("psnr_head"),
            )
        )
    head = ("commit", "steps", "whole command, s", "training, s", "PSNR in the head box, dB")
    ratios = [compared[f"ratio_{clock}"] for clock in ("wall", "training")]
    said = f"Ratio: {shown(ratios[0])} (whole command), {shown(ratios[1])} (training)."
    return table(head, rows) + "\n\n" + said


def gpu(found: Mapping) -> str:
    """Frames per second, training and agreement on a card."""
    sizes = ("512", "1080")
    rows = [
        (quality.replace("_", "-"), *(found.get(f"{quality}_{size}_fps") for size in sizes))
        for quality in QUALITIES
    ]
    said = [machine(found["machine"]), "", table(("frames/s", "512²", "1080p"), rows), ""]
    if "final_psnr" in found:
        said.append(
            f"{found['training_frames']:,} frames of {found['training_size']}²: within 0.3 dB of "
            f"the final {found['final_psnr']:.2f} dB after {found['seconds_to_final_psnr']:.0f} s."
        )
    if "kernels" in found:
        agree = sum(each["agrees"] for each in found["kernels"])
        said.append(f"{agree} of {len(found['kernels'])} kernels agree with the CPU.")
    return "\n".join(said)


def plot(figures: Mapping, path: Path) -> None:
    """The growth curves side by side as a PNG."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(9, 6.4), layout="constrained")
    sizes, parts, many, race = axes.flat
    measured = figures.get("by_resolution", ())
    for quality in dict.fromkeys(row["quality"] for row in measured):
        rows = [row for row in measured if row["quality"] == quality]
        pixels = [row["width"] * row["height"] for row in rows]
        sizes.loglog(pixels, [row["seconds"] for row in rows], "o-", label=quality)
    sizes.set(title="seconds of a frame", xlabel="size, px")
    names = {row["width"] * row["height"]: f"{row['width']}×{row['height']}" for row in measured}
    only_ticks(sizes, names)
    low, high = sizes.get_ylim()
    seconds = [n * 10**e for e in range(-3, 3) for n in (1, 2, 5) if low < n * 10**e < high]
    sizes.set_yticks(seconds, [f"{value:g}" for value in seconds])
    for axis, name, key in ((parts, "by_parts", "parts"), (many, "by_frames", "frames")):
        rows = figures.get(name, ())
        for cost, label in (("frame_s", "exact frame"), ("step_s", "training step")):
            if rows and cost in rows[0]:
                axis.plot(
                    [row[key] for row in rows], [row[cost] for row in rows], "o-", label=label
                )
        axis.set(title=f"seconds, by {key}", xlabel=key, xscale="log", ylim=(0, None))
        only_ticks(axis, {row[key]: f"{row[key]:,}" for row in rows})
    curve = figures.get("training_curve")
    if curve:
        race.plot(curve["seconds"], curve["psnr"], "-", label="the engine")
        race.axhline(figures["target_psnr"], color="0.6", lw=1, label="target")
    if "paper_field_psnr" in figures:
        race.plot(
            [figures["paper_field_seconds"]], [figures["paper_field_psnr"]], "s",
            label="the papers' field",
        )  # fmt: skip
    race.set(title="held-out PSNR, dB", xlabel="seconds of training")
    for axis in axes.flat:
        axis.grid(alpha=0.3)
        if axis.get_legend_handles_labels()[0]:
            axis.legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def only_ticks(axis: "Axes", names: Mapping[float, str]) -> None:
    """Ticks at what was measured, by name, instead of those of a logarithmic axis."""
    axis.set_xticks(list(names), list(names.values()), fontsize=8)
    axis.minorticks_off()


if __name__ == "__main__":
    sys.exit(main())
