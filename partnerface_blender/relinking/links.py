# SPDX-License-Identifier: GPL-3.0-or-later
"""The paths that rigs and scenes hold: found again, kept right when a .blend moves."""

import os
import time
from pathlib import Path

import bpy
from bpy.app.handlers import persistent

from ...engine.errors import PartNerFaceError
from . import identity

BESIDE = {"depth": 2, "most": 2000}  # looked at without being asked, when a .blend is opened
ASKED = {"depth": 8, "most": 200_000}
STALE_S = 2.0  # how long the panel believes what it has seen
SCENE_PATHS = ("clip", "capture", "avatar_folder")

_missing: tuple[float, list[str]] = (0.0, [])  # when it was looked up, names of rigs
_elsewhere: dict[str, Path] = {}  # missing path → where it was found
_there: set[str] = set()  # paths that were seen to lead to a file
_before_saving: tuple[str, list] = ("", [])
_quiet = False  # paths change in words alone


class LinkError(PartNerFaceError):
    """An avatar file cannot be found, or is none."""

    code = "bad_avatar"


def rigs() -> list[bpy.types.Object]:
    """All rigs in the file, local and linked."""
    return [o for o in bpy.data.objects if o.type == "ARMATURE" and o.partnerface.path]


def absolute(rig: bpy.types.Object) -> Path:
    """The rig's avatar file, absolute, whether it is there or not.

    A relative path is so to the .blend that the rig was saved in: of an override, the one that it
    is linked from. Appended and made local, it leads elsewhere; then it counts where it was seen.
    """
    path = in_full(rig.partnerface.path, _library_of(rig))
    text = str(path)
    if text not in _there and text not in _elsewhere:
        if path.is_file():
            _there.add(text)
        elif seen := _where_seen(rig):
            _elsewhere[text] = seen
    return _elsewhere.get(text, path)


def _library_of(rig: bpy.types.Object) -> bpy.types.Library | None:
    """Whose place a rig's relative path starts from; None: this file's."""
    override = rig.override_library
    if override is None or override.reference is None:
        return rig.library
    same = override.reference.partnerface.path == rig.partnerface.path
    return override.reference.library if same else None


def _where_seen(rig: bpy.types.Object) -> Path | None:
    """Where the rig's file was when it was saved, if that file is still there."""
    avatar = rig.partnerface
    if not (avatar.path.startswith("//") and avatar.seen_at and avatar.fingerprint):
        return None
    seen = Path(avatar.seen_at)
    return seen if identity.fingerprint(seen) == avatar.fingerprint else None


def in_full(path: str, library: bpy.types.Library | None = None) -> Path:
    """A path of a .blend without `//` and `..`."""
    return Path(os.path.normpath(bpy.path.abspath(path, library=library)))


def is_missing(rig: bpy.types.Object) -> bool:
    """Whether the rig's avatar file is not where the rig says."""
    return not absolute(rig).is_file()


def missing_rigs() -> list[bpy.types.Object]:
    """Rigs whose file is gone, looked up every two seconds at most; cheap enough to draw with."""
    global _missing
    looked, names = _missing
    if time.monotonic() - looked > STALE_S:
        names = [rig.name for rig in rigs() if is_missing(rig)]
        _missing = time.monotonic(), names
    return [bpy.data.objects[name] for name in names if name in bpy.data.objects]


def look_again() -> None:
    """Let the next panel look at the disk."""
    global _missing
    _missing = 0.0, []
    _there.clear()


def remember(rig: bpy.types.Object) -> None:
    """Keep on the rig what its file is, so that it is known again elsewhere."""
    if not _quiet and rig.library is None and (found := identity.fingerprint(absolute(rig))):
        rig.partnerface.fingerprint = found
        rig.partnerface.seen_at = str(absolute(rig))


def note_path(rig: bpy.types.Object) -> None:
    """The rig has been given another path: what is known of the old one's file goes with it."""
    if not _quiet:
        rig.partnerface.seen_at = ""
        remember(rig)
    look_again()


def relink(rig: bpy.types.Object, path: Path) -> None:
    """Let the rig use another file; relative to the .blend where its path was so before."""
    if rig.library is not None:
        _elsewhere[str(in_full(rig.partnerface.path, rig.library))] = path
        look_again()
        return
    relative = rig.partnerface.path.startswith("//") and bpy.data.filepath
    rig.partnerface.path = relative_to_blend(path) if relative else str(path)
    remember(rig)
    look_again()
    rig.update_tag()


def relative_to_blend(path: Path) -> str:
    """The path as `//…`, or as it is where that cannot be (another drive)."""
    try:
        return bpy.path.relpath(str(path))
    except ValueError:
        return str(path)


def search(folder: Path, depth: int, most: int) -> tuple[list[str], list[str]]:
    """Look for the missing files of all rigs in a folder and relink those that are found.

    Returns:
        Names of the rigs that were relinked, and of those among them whose file is another one of
        the same name.
    """
    lost = [rig for rig in rigs() if is_missing(rig)]
    wanted = {rig.name: (absolute(rig), rig.partnerface.fingerprint) for rig in lost}
    if not wanted:
        return [], []
    found = identity.find(wanted, identity.candidates(folder, depth, most))
    for name, (path, _) in found.items():
        relink(bpy.data.objects[name], path)
    return list(found), [name for name, (_, sure) in found.items() if not sure]


def choose(rig: bpy.types.Object, path: Path) -> bool:
    """Relink the rig to a file that the artist has chosen; whether it is the one it had.

    Raises:
        LinkError: it is no avatar file.
    """
    found = identity.fingerprint(path)
    if not found:
        raise LinkError(f"{path} is no avatar file.", "Choose the .safetensors that training made.")
    same = rig.partnerface.fingerprint in ("", found)
    relink(rig, path)
    return same


def set_relative(relative: bool) -> int:
    """Make every path of ours in the file relative to it, or absolute; how many were changed.

    Raises:
        LinkError: the .blend has not been saved yet, so there is nothing to be relative to.
    """
    if relative and not bpy.data.filepath:
        raise LinkError("This file has no place yet.", "Save it first.")
    changed = 0
    for owner, name, full in path_owners():
        path = getattr(owner, name)
        told = relative_to_blend(full) if relative else str(full)
        if told != path:
            setattr(owner, name, told)
            changed += 1
    return changed


def path_owners() -> list[tuple[bpy.types.PropertyGroup, str, Path]]:
    """Every path of ours that is set and is this file's: (property group, name, path in full)."""
    found = [
        (rig.partnerface, "path", absolute(rig))
        for rig in rigs()
        if rig.library is None and _library_of(rig) is None
    ]
    for scene in bpy.data.scenes:
        if scene.library is None:
            for name in SCENE_PATHS:
                if path := getattr(scene.partnerface, name):
                    found.append((scene.partnerface, name, in_full(path)))
    return found


# ------------------------------------------------------------------------------ handlers


@persistent
def after_opening(*_: object) -> None:
    """Find files that have come along with the .blend, and remember those that are there."""
    _elsewhere.clear()
    look_again()
    if bpy.data.filepath and any(is_missing(rig) for rig in rigs()):
        search(Path(bpy.data.filepath).parent, **BESIDE)
    for rig in rigs():
        if not rig.partnerface.fingerprint:
            remember(rig)


@persistent
def before_saving(target: object = "", *_: object) -> None:
    """Blender keeps its own relative paths right when a file is saved elsewhere; so do we."""
    global _before_saving
    for rig in rigs():
        remember(rig)  # it may have been trained anew
        full = absolute(rig)
        if (
            rig.library is None
            and _library_of(rig) is None
            and full != in_full(rig.partnerface.path)
        ):
            set_quietly(rig.partnerface, "path", str(full))  # appended: it leads there from here on
    target = target if isinstance(target, str) else ""
    old = os.path.dirname(bpy.data.filepath)
    kept: list[tuple[object, str, str]] = []
    if target and old and os.path.dirname(target) != old:
        for owner, name, full in path_owners():
            path = getattr(owner, name)
            if path.startswith("//"):
                kept.append((owner, name, path))
                try:
                    told = bpy.path.relpath(str(full), start=os.path.dirname(target))
                except ValueError:
                    told = str(full)
                set_quietly(owner, name, told)
    _before_saving = target, kept


@persistent
def after_saving(*_: object) -> None:
    """Where only a copy was saved, or none, this file stays where it was, and so do its words."""
    global _before_saving
    target, kept = _before_saving
    _before_saving = "", []
    if target != bpy.data.filepath:
        for owner, name, path in kept:
            set_quietly(owner, name, path)


def set_quietly(owner: bpy.types.PropertyGroup, name: str, path: str) -> None:
    """Set a path that leads to the same file once the .blend is elsewhere."""
    global _quiet
    _quiet = True
    try:
        setattr(owner, name, path)
    finally:
        _quiet = False


HANDLERS = {"load_post": after_opening, "save_pre": before_saving, "save_post": after_saving,
            "save_post_fail": after_saving}  # fmt: skip


def attach() -> None:
    """Listen to files being opened and saved."""
    for name, handler in HANDLERS.items():
        if hasattr(bpy.app.handlers, name):
            getattr(bpy.app.handlers, name).append(handler)


def detach() -> None:
    """Stop listening."""
    for name, handler in HANDLERS.items():
        present = getattr(bpy.app.handlers, name, [])
        if handler in present:
            present.remove(handler)
    _elsewhere.clear()
    look_again()
