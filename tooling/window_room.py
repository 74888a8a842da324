# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a Blender with a window lives on a machine without one.

A *room* is a folder that holds a small Debian with Blender, Xvfb and scrot. Making one takes about
a minute and 1.4 GB; it needs Linux, root (or a sudo that asks nothing) and debootstrap.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from .checkout import CACHE, LOGS, BuildError, shown
from .running import run_logged

SUITES = {"5.2": "sid", "4.3": "trixie"}  # the Debian that has this Blender
NEWEST = "5.2"
PACKAGES = (
    "blender xvfb xauth libgl1-mesa-dri libegl1 python3-numpy python3-requests python3-zstandard "
    "scrot ca-certificates"
).split()
EXTRA = {"5.2": ["python3-cattr"]}  # its extension manager imports cattrs


class NoRoomError(BuildError):
    """There is no window to be had on this machine; the sentence says what is missing."""


def missing() -> str:
    """What this machine lacks for a window, in a sentence; empty where it lacks nothing."""
    if not sys.platform.startswith("linux"):
        return f"A window without a screen needs Linux; this is {sys.platform}."
    if shutil.which("unshare") is None or shutil.which("chroot", path=_path()) is None:
        return "A window without a screen needs unshare and chroot; install util-linux."
    if os.geteuid() != 0:
        asked = shutil.which("sudo") and subprocess.run(["sudo", "-n", "true"], capture_output=True)
        if not asked or asked.returncode:
            return "A window without a screen needs root, or a sudo that asks for no password."
    allowed = subprocess.run([*root_words(), "unshare", "--mount", "true"], capture_output=True)
    if allowed.returncode:
        return "A window without a screen needs the right to mount, which this container lacks."
    return ""


def find_room(version: str = NEWEST) -> Path | None:
    """A finished room: in PARTNERFACE_WINDOW (a room, or a folder of rooms), or the checkout's."""
    suite = SUITES[version]
    chosen = os.environ.get("PARTNERFACE_WINDOW")
    folders = [Path(chosen) / suite, Path(chosen)] if chosen else []
    for folder in [*folders, CACHE / "window" / suite]:
        if (folder / "usr/bin/blender").exists() and _suite_of(folder) == suite:
            return folder
    return None


def ensure_room(version: str = NEWEST) -> Path:
    """A room with this Blender; made in the checkout's .cache if there is none.

    Raises:
        NoRoomError: it cannot be made here, and why.
    """
    lacking = missing()
    if lacking:
        raise NoRoomError(lacking)
    return find_room(version) or make_room(version)


def make_room(version: str) -> Path:
    """A new room in the checkout's .cache; about a minute and 1.4 GB."""
    if shutil.which("debootstrap", path=_path()) is None:
        raise NoRoomError(
            "A window without a screen needs debootstrap; install it (on Debian and Ubuntu: "
            "apt-get install debootstrap), or name a finished room in PARTNERFACE_WINDOW."
        )
    suite = SUITES[version]
    room, draft = CACHE / "window" / suite, CACHE / "window" / f"{suite}.part"
    log = LOGS / f"window-{suite}.log"
    LOGS.mkdir(parents=True, exist_ok=True)
    log.write_text("")
    for old in (draft, room):
        subprocess.run([*root_words(), "rm", "-rf", "--one-file-system", str(old)], check=True)
    draft.parent.mkdir(parents=True, exist_ok=True)
    command = [*root_words(), "env", f"PATH={_path()}", "debootstrap", "--variant=minbase"]
    title = f"Blender {version} with a window"
    if run_logged([*command, suite, draft], log, f"{title}: Debian {suite}"):
        raise NoRoomError(_why(log, f"Debian {suite} could not be fetched"))
    packages = shlex.join([*PACKAGES, *EXTRA.get(version, [])])
    # Valid-Until alone is not asked for: a machine whose clock is off would refuse every mirror.
    apt = "apt-get -o Acquire::Check-Valid-Until=false -o Acquire::Retries=3"
    script = (
        f"export DEBIAN_FRONTEND=noninteractive LC_ALL=C; {apt} update && "
        f"{apt} install -y --no-install-recommends {packages} && apt-get clean"
    )
    here, policy = shlex.quote(str(draft)), shlex.quote(f"{draft}/usr/sbin/policy-rc.d")
    inside = (
        f"printf '#!/bin/sh\\nexit 101\\n' > {policy} && chmod +x {policy} && "  # starts no daemons
        f"ln -sf /proc/mounts {here}/etc/mtab && mount -t proc proc {here}/proc && "
        f"chroot {here} sh -c {shlex.quote(script)}"
    )
    unshare = ["unshare", "--mount", "--propagation", "private", "sh", "-c", inside]
    if run_logged([*root_words(), *unshare], log, f"{title}: packages"):
        raise NoRoomError(_why(log, "Debian's Blender could not be installed"))
    subprocess.run([*root_words(), "mv", str(draft), str(room)], check=True)
    return room


def _suite_of(room: Path) -> str:
    """Which Debian a room holds, by its list of sources."""
    try:
        words = (room / "etc/apt/sources.list").read_text().split()
    except OSError:
        return ""
    return next((suite for suite in SUITES.values() if suite in words), "")


def _why(log: Path, what: str) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    last = next((x for x in reversed(lines) if x.startswith(("E:", "W:"))), (lines or ["?"])[-1])
    return f"{what} ({last[:160]}); check the network. Details: {shown(log)}."


def root_words() -> list[str]:
    """What goes before a command that only root may run."""
    return [] if os.geteuid() == 0 else ["sudo", "-n"]


def _path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"
