# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job shows in Blender's editors: its picture as an image, its log as a text.

Both are read again when their files have changed, once a second at most: small files, no waiting.
They are of this session alone and not saved with the user's file.
"""

import os
from pathlib import Path

import bpy

from ...engine.job_folder import LOG, PREVIEW
from . import watch

IMAGE = "PartNerFace preview"
TEXT = "PartNerFace log"
LOG_END = 64 * 1024  # bytes of a log that are shown

_image_stamp: tuple[str, int] | None = None
_log_stamp: tuple[str, int] | None = None
_log_path: Path | None = None


def refresh() -> None:
    """Bring picture and log up to date: the picture of the job that is at work."""
    working = watch.at_work()
    if working is not None and (working.folder / PREVIEW).is_file():
        image = show_preview(working.folder)
        for space in _spaces("IMAGE_EDITOR"):
            if space.image is None and space.mode == "VIEW":
                space.image = image
    if _log_path is not None:
        show_log(_log_path.parent)


def show_preview(folder: Path) -> bpy.types.Image:
    """The image datablock with the job's picture, read again if it has changed."""
    global _image_stamp
    path = folder / PREVIEW
    stamp = (str(path), path.stat().st_mtime_ns)
    image = bpy.data.images.get(IMAGE)
    if image is None:
        image = bpy.data.images.load(str(path))
        image.name, image.is_runtime_data = IMAGE, True
    elif stamp != _image_stamp:
        image.filepath = str(path)
        image.reload()
    if stamp != _image_stamp:
        _image_stamp = stamp
        _redraw("IMAGE_EDITOR")
    return image


def show_log(folder: Path) -> bpy.types.Text:
    """The text datablock with the end of the job's log, written again if it has grown."""
    global _log_stamp, _log_path
    _log_path = folder / LOG
    size = _log_path.stat().st_size if _log_path.is_file() else 0
    text = bpy.data.texts.get(TEXT)
    if text is None:
        if _log_stamp is not None and _log_stamp[0] == str(_log_path):
            _log_path, _log_stamp = None, None  # somebody has deleted it, and it stays so
            return None
        text, _log_stamp = bpy.data.texts.new(TEXT), None
        text.is_runtime_data = True
    if (str(_log_path), size) == _log_stamp:
        return text
    _log_stamp = (str(_log_path), size)
    text.clear()
    text.write(log_end(_log_path))
    for space in _spaces("TEXT_EDITOR"):
        if space.text == text:
            space.top = max(0, len(text.lines) - max(5, space.visible_lines))
    _redraw("TEXT_EDITOR")
    return text


def log_end(path: Path) -> str:
    """The end of a log, from the beginning of a line."""
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - LOG_END))
            said = file.read().decode(errors="replace")
    except OSError:
        return "There is no log yet.\n"
    if size > LOG_END:
        said = f"… the end of {path}:\n" + said.partition("\n")[2]
    return said or "The job has said nothing yet.\n"


def place(context: bpy.types.Context, editor: str, name: str, item: bpy.types.ID) -> None:
    """Show `item` in an open editor of that kind, or in a window of its own; not in background."""
    if bpy.app.background or context.window is None:
        return
    spaces = _spaces(editor)
    if spaces:
        setattr(spaces[0], name, item)
        return
    before = set(context.window_manager.windows)
    bpy.ops.wm.window_new()
    for window in set(context.window_manager.windows) - before:
        area = window.screen.areas[0]
        area.type = editor
        setattr(area.spaces.active, name, item)


def forget_log() -> None:
    """Follow no log any more."""
    global _log_stamp, _log_path
    _log_stamp = _log_path = None


def _areas(editor: str) -> list[bpy.types.Area]:
    windows = bpy.context.window_manager.windows
    return [area for window in windows for area in window.screen.areas if area.type == editor]


def _spaces(editor: str) -> list[bpy.types.Space]:
    return [area.spaces.active for area in _areas(editor)]


def _redraw(editor: str) -> None:
    for area in _areas(editor):
        area.tag_redraw()


def attach() -> None:
    """Refresh after every look."""
    watch.listeners.append(refresh)
