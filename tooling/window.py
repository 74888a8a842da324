# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenarios in a real Blender window, without a screen.

A *scenario* is a generator function in a Python file; it runs inside a Blender window in a *room*
(see `window_room`), from a timer, and yields the seconds for which Blender's own main loop is to go
on. Mounts, processes and network of a run live in namespaces of their own, so nothing is left when
it ends, however it ends.

    python3 -m tooling.window [5.2 | 4.3]    make the room if need be, and say where it is
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from .checkout import ROOT, BuildError, say
from .window_room import ensure_room, root_words

DRIVER = ROOT / "tests" / "window" / "driver.py"
SCREEN = (1280, 800)
LIMIT_S = 240
TOO_LONG = 124
# Rarely two threads of Blender meet in one OpenGL context, and Xlib then ends Blender on the spot:
# its log holds these words and no traceback. Such a run shows nothing and is made once more, once.
CONTEXT_RACE = ("BadAccess", "X_GLXMakeCurrent")
# The engine runs in the host's own root, seen from within the room, so that its environment works
# wherever its base Python is installed. `exec` keeps the process id, which tests want to kill.
HOST = "/partnerface-host"
ENGINE_SCRIPT = '#!/bin/sh\nexec chroot {host} {python} "$@"\n'


class ScenarioError(Exception):
    """A scenario raised, crashed or took too long; the text ends with what Blender said."""


def blender_version(room: Path) -> str:
    """What the room's Blender calls itself."""
    done = enter(room, ["blender", "--version"], capture=True)
    return (done.stdout or "").strip().split("\n")[0]


def run_scenario(
    room: Path,
    file: Path,
    function: str,
    arguments: list,
    folder: Path,
    *,
    extension_zip: Path | None,
    engine_python: Path,
    cache: Path,
    binds: tuple[Path, ...] = (),
    screen: tuple[int, int] = SCREEN,
    limit_s: float = LIMIT_S,
    environment: dict[str, str] | None = None,
) -> object:
    """Run one scenario in a fresh Blender window; the JSON value that it returned.

    Args:
        room: from `ensure_room`.
        file: the Python file that holds the scenario.
        function: the generator function's name.
        arguments: JSON values for it.
        folder: an empty folder for everything that the run writes; pictures and log lie there.
        extension_zip: installed first, as a user would; None leaves Blender without the add-on.
        engine_python: the engine's Python, as it is called outside the room.
        cache: the engine's cache folder.
        binds: more folders that Blender must see, at the same paths, read and write.
        screen: width and height of the screen, which the window fills.
        limit_s: how long it may take.
        environment: more variables for Blender.

    Raises:
        ScenarioError: it did not return.
    """
    task = {
        "file": str(file), "function": function, "arguments": arguments,
        "folder": str(folder), "zip": str(extension_zip or ""),
    }  # fmt: skip
    size = f"-screen 0 {screen[0]}x{screen[1]}x24 +extension GLX"
    command = ["xvfb-run", "-a", "-s", size, "blender", "--factory-startup"]
    command += ["--enable-event-simulate", "--window-geometry", "0", "0", *map(str, screen)]
    command += ["--python", str(DRIVER), "--", str(folder / "task.json")]
    seen = [ROOT, folder, file.parent, cache, *binds]
    seen += [extension_zip.parent] if extension_zip else []
    variables = {"PARTNERFACE_CACHE": str(cache), **(environment or {})}
    for last in (False, True):
        status, said = _one_run(room, command, task, seen, variables, engine_python, limit_s)
        if last or not (status and all(word in said for word in CONTEXT_RACE)):
            break
        say(f"{function}: the screen ended Blender (two threads in one OpenGL context); once more")
    if status == TOO_LONG:
        raise ScenarioError(f"{function} did not end within {limit_s:.0f} s:\n{said}")
    result = folder / "result.json"
    if status or not result.is_file():
        raise ScenarioError(f"{function} failed in Blender's window (status {status}):\n{said}")
    return json.loads(result.read_text())


def _one_run(
    room: Path,
    command: list[str],
    task: dict,
    seen: list[Path],
    variables: dict[str, str],
    engine_python: Path,
    limit_s: float,
) -> tuple[int, str]:
    """Run a scenario in a fresh Blender; its exit status, and what it said last."""
    folder = Path(task["folder"])
    short = Path(tempfile.mkdtemp(prefix="pnfw-"))  # a socket's address must be short
    try:
        script = short / "engine-python"
        script.write_text(ENGINE_SCRIPT.format(host=HOST, python=shlex.quote(str(engine_python))))
        script.chmod(0o755)
        (folder / "blender").mkdir(parents=True, exist_ok=True)
        (folder / "task.json").write_text(json.dumps(task))
        variables = {
            "BLENDER_USER_RESOURCES": str(folder / "blender"),
            "PARTNERFACE_PYTHON": str(script),
            "TMPDIR": str(short),
            **variables,
        }
        log = folder / "blender.log"
        done = enter(room, command, [*seen, short], variables, log=log, limit_s=limit_s)
        _keep_crash(short / "blender.crash.txt", log)
    finally:
        shutil.rmtree(short, ignore_errors=True)
    return done.returncode, log.read_text(errors="replace")[-8000:]


def _keep_crash(crash: Path, log: Path) -> None:
    """Append what a Blender that crashed has written of it to the log, which outlives the run."""
    if crash.is_file():
        with open(log, "ab") as file:
            file.write(crash.read_bytes())


def enter(
    room: Path,
    command: list[str],
    seen: list[Path] = (),
    variables: dict[str, str] | None = None,
    *,
    log: Path | None = None,
    limit_s: float = 60.0,
    capture: bool = False,
) -> subprocess.CompletedProcess:
    """Run a command in the room; status 124 where it took too long.

    Args:
        room: the folder.
        command: what to run.
        seen: folders of this machine that are there at the same paths, too.
        variables: environment.
        log: a file for what it says.
        limit_s: then everything that it started is ended.
        capture: whether the caller wants to read what it says.
    """
    variables = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8",
        "LIBGL_ALWAYS_SOFTWARE": "1", **_passed_on(), **(variables or {}),
    }  # fmt: skip
    words = shlex.join(["env", "-i", *(f"{k}={v}" for k, v in variables.items()), *command])
    lines = ["set -e", *_mounts(room.resolve(), outermost(seen)), "ip link set lo up 2>&- || true"]
    lines += ["set +e", f"chroot {shlex.quote(str(room.resolve()))} {words}", "status=$?"]
    if os.geteuid() != 0:  # what root has written belongs to who asked for it
        own = " ".join(shlex.quote(str(path)) for path in seen if path != ROOT)
        lines += [f"chown -R {os.getuid()}:{os.getgid()} {own}" if own else "true"]
    unshare = ["unshare", "--mount", "--propagation", "private", "--net"]
    unshare += ["--pid", "--fork", "--kill-child", "sh", "-c", "\n".join([*lines, "exit $status"])]
    output = subprocess.PIPE if capture else (open(log, "wb") if log else None)
    try:
        process = subprocess.Popen(
            [*root_words(), *unshare], stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT, start_new_session=True, text=capture,
        )  # fmt: skip
        try:
            said, _ = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            _end(process)
            return subprocess.CompletedProcess(command, TOO_LONG, "")
        except BaseException:
            _end(process)
            raise
    finally:
        if log:
            output.close()
    return subprocess.CompletedProcess(command, process.returncode, said)


def _mounts(room: Path, seen: list[Path]) -> list[str]:
    """The shell lines that mount what a run needs; the run's own namespace takes them along."""
    quoted = shlex.quote(str(room))
    lines = [
        f"mkdir -p {quoted}/dev/shm {quoted}{HOST}",
        f"mount -t proc proc {quoted}/proc",
        f"mount -t tmpfs tmpfs {quoted}/dev/shm",
        f"mount -t tmpfs tmpfs {quoted}/tmp",
        f"mount --rbind / {quoted}{HOST}",
        f"mount -t proc proc {quoted}{HOST}/proc",
    ]
    for path in seen:
        inner = shlex.quote(f"{room}{path}")
        lines += [f"mkdir -p {inner}", f"mount --bind {shlex.quote(str(path))} {inner}"]
    return lines


def outermost(paths: list[Path]) -> list[Path]:
    """The folders without those inside others, links resolved and unresolved, parents first."""
    both = {path for given in paths for path in (given.absolute(), given.resolve())}
    kept: list[Path] = []
    for path in sorted(both, key=lambda path: len(path.parts)):
        linked = path != path.resolve()  # a link inside a folder that is seen is seen as a link
        if not linked and not any(path.is_relative_to(outer) for outer in kept):
            kept.append(path)
    return kept


def _end(process: subprocess.Popen) -> None:
    """End a run: its process is the first of a namespace, with which everything in it goes."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except PermissionError:
        subprocess.run(["sudo", "-n", "kill", "-9", f"-{process.pid}"], check=False)
    process.wait()


def _passed_on() -> dict[str, str]:
    names = ("OMP_NUM_THREADS", "PARTNERFACE_SHARED", "PARTNERFACE_TEST_AVATAR")
    return {name: os.environ[name] for name in names if name in os.environ}


if __name__ == "__main__":  # python3 -m tooling.window [5.2|4.3]: make the room, and say where
    try:
        made = ensure_room(*sys.argv[1:2])
        say(f"{made}: {blender_version(made)}")
    except BuildError as error:
        say(str(error), stream=sys.stderr)
        raise SystemExit(1) from error
