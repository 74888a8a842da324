# SPDX-License-Identifier: GPL-3.0-or-later
"""Stages: commands run one after another, timed, their memory watched, finished ones kept.

Words: a stage's *key* is the digest of its command, its input files and the keys of the stages it
needs; a stage with the same key as in an earlier run, and with its outputs still there, is kept.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

SCHEMA_VERSION = 1
MEMORY_INTERVAL_S = 0.25
TAIL = 2000  # characters of standard error that a failure is explained from


class StageError(Exception):
    """A stage failed; the message is the sentence it ended with."""


class StageStopped(Exception):  # noqa: N818  (not an error: the user asked for it)
    """The user stopped a stage; what it did is kept."""


@dataclass(frozen=True)
class Stage:
    """One command of the demo."""

    name: str
    """One word, unique."""
    title: str
    """What it does, for the person who waits."""
    command: Sequence[str | Path]
    """The words of the command; its last line on standard output is a JSON object."""
    outputs: Sequence[Path]
    """What exists once it is finished; removed before it is run with other settings."""
    needs: Sequence[str] = ()
    """Names of the stages whose results it reads."""
    inputs: Sequence[Path] = ()
    """Files of the user's that it reads."""
    limit_s: float = 3600.0
    """It is ended after this long."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Environment variables on top of our own."""


@dataclass(frozen=True)
class Record:
    """What a finished stage left behind."""

    key: str
    seconds: float
    peak_memory_mb: float
    result: dict


class Notebook:
    """The records of a demo folder, in `stages.json`.

    Args:
        path: the file; read if it is there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records: dict[str, Record] = {}
        self.outputs: dict[str, str] = {}  # path → key of the stage that made it, or began to
        if path.is_file():
            try:
                stored = json.loads(path.read_text(encoding="utf-8"))
            except ValueError:
                stored = {}
            if stored.get("schema_version") == SCHEMA_VERSION:
                self.outputs = stored["outputs"]
                self.records = {name: Record(**entry) for name, entry in stored["stages"].items()}

    def belongs(self, path: Path, key: str) -> bool:
        """Whether an output was made, or begun, by a stage with this key."""
        return self.outputs.get(str(path)) == key

    def write(self) -> None:
        """Put the records on disk, atomically."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        stages = {name: vars(record) for name, record in self.records.items()}
        stored = {"schema_version": SCHEMA_VERSION, "outputs": self.outputs, "stages": stages}
        draft = self.path.with_suffix(".part")
        draft.write_text(json.dumps(stored, indent=1), encoding="utf-8")
        os.replace(draft, self.path)


def run_stage(stage: Stage, notebook: Notebook, log: Path) -> Record:
    """Run a stage, or keep it if it was finished with the same settings; its record.

    Args:
        stage: what to run.
        notebook: earlier records; gets the new one.
        log: file that takes the stage's standard error as well as the terminal.

    Raises:
        StageError: it failed, ran too long, or did not leave what it should.
        StageStopped: Ctrl-C.
    """
    key = stage_key(stage, notebook)
    kept = notebook.records.get(stage.name)
    whole = all(path.exists() and notebook.belongs(path, key) for path in stage.outputs)
    if kept and kept.key == key and whole:
        return kept
    notebook.records.pop(stage.name, None)
    for path in stage.outputs:
        if not notebook.belongs(path, key):  # half of something else is of no use
            remove(path)
        notebook.outputs[str(path)] = key
    notebook.write()
    record = Record(key, *run_command(stage, log))
    missing = [path.name for path in stage.outputs if not path.exists()]
    if missing:
        raise StageError(f"The stage {stage.name} ended without {', '.join(missing)}.")
    notebook.records[stage.name] = record
    notebook.write()
    return record


def stage_key(stage: Stage, notebook: Notebook) -> str:
    """The digest that says whether a finished stage still stands."""
    words = [str(word) for word in stage.command]
    inputs = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in stage.inputs]
    needs = [(name, notebook.records[name].key) for name in stage.needs]
    return hashlib.sha256(json.dumps([words, inputs, needs]).encode()).hexdigest()


def run_command(stage: Stage, log: Path) -> tuple[float, float, dict]:
    """Run a stage's command; its seconds, its peak memory in MB, and its JSON result."""
    log.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    process = subprocess.Popen(
        [str(word) for word in stage.command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **stage.environment},
    )
    memory = MemoryWatch(process.pid)
    errors = Tee(process, log)
    output: list[bytes] = []
    reader = threading.Thread(target=lambda: output.append(process.stdout.read()), daemon=True)
    for thread in (memory, errors, reader):
        thread.start()
    try:
        status = wait(process, stage.limit_s)
    finally:
        memory.stop()
    reader.join(10)
    errors.join(10)
    seconds = time.monotonic() - started
    text = b"".join(output).decode(errors="replace")
    with log.open("a", encoding="utf-8") as file:
        file.write(text)
    if status is None:
        raise StageError(
            f"The stage {stage.name} took longer than {stage.limit_s:.0f} s and was ended; "
            f"{log} says how far it came."
        )
    if status == 130:
        raise StageStopped
    if status != 0:
        raise StageError(failure(stage, status, text, errors.last_line, log))
    return round(seconds, 2), round(memory.peak_mb, 1), last_json(text)


def wait(process: subprocess.Popen, limit_s: float) -> int | None:
    """The exit status; None if the process had to be ended, 130 after Ctrl-C.

    Ctrl-C reaches the child as well, which ends in its own good time; a second one ends it at once.
    """
    try:
        return process.wait(timeout=limit_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None
    except KeyboardInterrupt:
        try:
            process.wait()
        except KeyboardInterrupt:
            process.kill()
            process.wait()
        return 130


def failure(stage: Stage, status: int, text: str, last_line: str, log: Path) -> str:
    """The sentence for a failed stage: its own if it gave one."""
    error = last_json(text).get("error")
    if isinstance(error, dict):
        return f"{error.get('message', '')} {error.get('hint', '')}".strip()
    return f"The stage {stage.name} failed (status {status}): {last_line} The log is {log}."


def last_json(text: str) -> dict:
    """The JSON object on the last line that holds one; empty if there is none."""
    for line in reversed(text.strip().splitlines()):
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            return found
    return {}


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


class Tee(threading.Thread):
    """Passes a child's standard error on, as it comes, and keeps a copy in the log."""

    def __init__(self, process: subprocess.Popen, log: Path) -> None:
        super().__init__(daemon=True)
        self.stream = process.stderr
        self.log = log
        self.tail = ""

    @property
    def last_line(self) -> str:
        """The last line that is not empty."""
        lines = [line.strip() for line in self.tail.replace("\r", "\n").splitlines()]
        return next((line for line in reversed(lines) if line), "")

    def run(self) -> None:
        """Read until the child closes its end."""
        with self.log.open("wb") as file:
            while chunk := self.stream.read1(4096):
                file.write(chunk)
                file.flush()
                text = chunk.decode(errors="replace")
                sys.stderr.write(text)
                sys.stderr.flush()
                self.tail = (self.tail + text)[-TAIL:]


class MemoryWatch(threading.Thread):
    """Watches the resident memory of a process and its children together (Linux; elsewhere 0)."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid = pid
        self.peak_mb = 0.0
        self._stopped = threading.Event()

    def run(self) -> None:
        """Look a few times a second."""
        while not self._stopped.wait(MEMORY_INTERVAL_S):
            self.peak_mb = max(self.peak_mb, sum(resident_mb(pid) for pid in family(self.pid)))

    def stop(self) -> None:
        """Stop looking."""
        self._stopped.set()
        self.join()


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    try:
        words = [
            word
            for path in Path(f"/proc/{pid}/task").glob("*/children")
            for word in path.read_text().split()
        ]
    except OSError:
        words = []
    return [pid, *(member for word in words for member in family(int(word)))]


def resident_mb(pid: int) -> float:
    """Resident memory of one process in MB; 0 if it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1e3 for line in lines if line.startswith("VmRSS")), 0.0)
