# SPDX-License-Identifier: GPL-3.0-or-later
"""The manual's pictures, taken in a real Blender window on the synthetic subject.

    python -m showcase.manual_pictures [TOPIC …] [--demo DEMO] [--blender 5.2]

A topic is a module of `showcase/manual/`; its scenarios are the generator functions named
`window_…`. Each takes the folder of a finished demo, is driven as `tooling.window` says, and
returns {name: path of a screenshot}. A picture becomes docs/images/manual-NAME.png, or .jpg where
that would be too large for a repository.
"""

import argparse
import ast
import io
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from tooling import window, window_room
from tooling.checkout import CACHE, ROOT, BuildError, say, shown
from tooling.environments import ENGINE
from tooling.extension import packaged_files, write_zip

from . import layout

TOPICS = Path(__file__).parent / "manual"
LARGEST = 200_000  # bytes
QUALITIES = range(92, 50, -6)


def main(arguments: Sequence[str] | None = None) -> int:
    """Take the pictures; the exit status."""
    known = sorted(path.stem for path in TOPICS.glob("*.py") if path.stem != "__init__")
    parser = argparse.ArgumentParser(prog="showcase.manual_pictures", description=__doc__)
    parser.add_argument("topics", nargs="*", metavar="TOPIC", help=", ".join(known))
    parser.add_argument("--demo", type=Path, default=ROOT / "demo")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    parser.add_argument("--blender", default=window_room.NEWEST, choices=window_room.SUITES)
    options = parser.parse_args(arguments)
    try:
        check_subject(options.demo)
        room = window_room.ensure_room(options.blender)
        options.out.mkdir(parents=True, exist_ok=True)
        for topic in options.topics or known:
            take(room, TOPICS / f"{topic}.py", options.demo.resolve(), options.out)
    except (BuildError, window.ScenarioError) as error:
        say(str(error), stream=sys.stderr)
        return 1
    return 0


def check_subject(demo: Path) -> None:
    """Refuse a demo that shows a real person, or none."""
    result = demo / layout.RESULT
    if not result.is_file():
        raise BuildError(f"There is no finished demo in {demo}; run `python3 build.py demo` first.")
    if "synth" not in json.loads(result.read_text(encoding="utf-8"))["stages"]:
        raise BuildError("The manual shows the synthetic subject alone, and this demo a clip.")


def take(room: Path, topic: Path, demo: Path, out: Path) -> None:
    """Run every scenario of a topic and keep its pictures."""
    if not topic.is_file():
        raise BuildError(f"There is no {shown(topic)}.")
    for scenario in scenarios(topic):
        with tempfile.TemporaryDirectory(prefix="manual-") as folder:
            extension = Path(folder) / "partnerface.zip"
            write_zip(extension, packaged_files())
            pictures = window.run_scenario(
                room, topic, scenario, [str(demo)], Path(folder),
                extension_zip=extension, engine_python=ENGINE.python, cache=CACHE, binds=(demo,),
            )  # fmt: skip
            for name, path in pictures.items():
                keep(Image.open(path).convert("RGB"), out / f"manual-{name}")


def scenarios(topic: Path) -> list[str]:
    """The names of a module's scenarios, in their order; the module itself needs Blender."""
    tree = ast.parse(topic.read_text(encoding="utf-8"))
    named = (item.name for item in tree.body if isinstance(item, ast.FunctionDef))
    return [name for name in named if name.startswith("window_")]


def keep(picture: Image.Image, stem: Path) -> Path:
    """Write a picture as PNG, or as the best JPEG that is small enough."""
    data = encoded(picture, "PNG", optimize=True)
    if len(data) <= LARGEST:
        path = stem.with_suffix(".png")
    else:
        path = stem.with_suffix(".jpg")
        for quality in QUALITIES:
            data = encoded(picture, "JPEG", quality=quality, optimize=True)
            if len(data) <= LARGEST:
                break
    for old in (stem.with_suffix(".png"), stem.with_suffix(".jpg")):
        old.unlink(missing_ok=True)
    path.write_bytes(data)
    say(f"{shown(path)}: {len(data) // 1000} kB")
    return path


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    """A picture file's bytes."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


if __name__ == "__main__":
    raise SystemExit(main())
