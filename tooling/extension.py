# SPDX-License-Identifier: GPL-3.0-or-later
"""The Blender extension: packaged as a zip, or linked into a Blender for development."""

from __future__ import annotations

import fnmatch
import os
import subprocess
import sys
import zipfile
from pathlib import Path

from .checkout import ROOT, BuildError, say, shown
from .environments import BLENDERS, make_environments
from .running import clean_environment

# What the extension's zip holds; everything else in the repository stays out of it.
PACKAGED = (
    "__init__.py",
    "blender_manifest.toml",
    "LICENSE",
    "engine/*",
    "operators/*",
    "panels/*",
    "partnerface_blender/*",
    "requirements/engine.txt",
    "requirements/capture.txt",
)


def package() -> Path:
    """Make dist/partnerface-VERSION.zip from the allow-listed files and validate it; its path.

    Raises:
        BuildError: a part is missing, versions differ, or Blender's own tool refuses the zip.
    """
    make_environments([BLENDERS["4.2"]])
    names = packaged_files()
    for needed in ("__init__.py", "blender_manifest.toml"):
        if needed not in names:
            raise BuildError(f"{needed} is missing, without which Blender takes no extension.")
    declared, released = manifest_version(), project_version()
    if declared != released:
        raise BuildError(
            f"blender_manifest.toml says version {declared} and pyproject.toml {released}; "
            "make them the same."
        )
    path = zip_path()
    path.parent.mkdir(exist_ok=True)
    draft = path.with_suffix(".part.zip")
    write_zip(draft, names)
    command = [str(BLENDERS["4.2"].python), "-c", VALIDATE, str(draft)]
    checked = subprocess.run(
        command, capture_output=True, text=True, timeout=120, env=clean_environment()
    )
    if checked.returncode:
        lines = (checked.stdout + checked.stderr).strip().splitlines() or ["no reason given"]
        draft.unlink()
        raise BuildError(f"Blender's extension tool refuses the zip: {lines[-1].rstrip('.')}.")
    os.replace(draft, path)
    say(f"{shown(path)}: {len(names)} files, {path.stat().st_size // 1000} kB, valid")
    return path


VALIDATE = (
    "import os, sys, bpy\n"
    "from bl_pkg import bl_extension_cli\n"
    "status = bl_extension_cli.cli_extension_handler(['validate', sys.argv[1]])\n"
    "sys.stdout.flush(); sys.stderr.flush()\n"
    "os._exit(int(status or 0))"
)


def zip_path() -> Path:
    """Where the extension's zip goes."""
    return ROOT / "dist" / f"partnerface-{project_version()}.zip"


def project_version() -> str:
    """The version in pyproject.toml."""
    return toml_version(ROOT / "pyproject.toml", "project")


def manifest_version() -> str:
    """The version in blender_manifest.toml."""
    return toml_version(ROOT / "blender_manifest.toml")


def toml_version(path: Path, table: str | None = None) -> str:
    """The `version` entry of a TOML file."""
    import tomllib  # absent from the old Pythons that check_python refuses

    entries = tomllib.loads(path.read_text(encoding="utf-8"))
    return (entries[table] if table else entries)["version"]


def packaged_files() -> list[str]:
    """The files of the extension, relative to the root, sorted: tracked ones on the allow-list."""
    try:
        command = ["git", "-C", str(ROOT), "ls-files", "-z"]
        listed = subprocess.run(command, capture_output=True, check=True).stdout.decode()
        names = [name for name in listed.split("\0") if name and (ROOT / name).is_file()]
    except (OSError, subprocess.CalledProcessError):  # a source archive, without git
        names = [
            path.relative_to(ROOT).as_posix()
            for pattern in PACKAGED
            for path in (ROOT.glob(pattern.replace("/*", "/**/*")))
            if path.is_file() and "__pycache__" not in path.parts
        ]
    return sorted(
        name for name in names if any(fnmatch.fnmatchcase(name, pattern) for pattern in PACKAGED)
    )


def write_zip(path: Path, names: list[str]) -> None:
    """Write a zip that is the same, byte for byte, for the same files."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for name in names:
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o100644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(entry, (ROOT / name).read_bytes())


def link(blender: str | None) -> None:
    """Link this checkout into a Blender's user extensions, so that Blender loads it from here."""
    target = user_folder(blender) / "extensions" / "user_default" / "partnerface"
    if target.is_symlink() or target.exists():
        if target.resolve() == ROOT:
            say(f"{target} already leads here.")
            return
        raise BuildError(f"{target} exists already; uninstall that copy first.")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        if os.name == "nt":  # a junction, unlike a symbolic link, needs no special right
            subprocess.run(["cmd", "/c", "mklink", "/J", str(target), str(ROOT)], check=True)
        else:
            target.symlink_to(ROOT, target_is_directory=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise BuildError(f"{target} could not be made ({error}).") from error
    say(f"{target} leads here; enable PartNerFace in Blender's preferences under Add-ons.")


def user_folder(wanted: str | None) -> Path:
    """The folder of Blender's user files, of the version or at the path that was asked for."""
    if wanted and Path(wanted).is_dir():
        return Path(wanted).resolve()
    home = Path.home()
    base = {
        "nt": Path(os.environ.get("APPDATA", home)) / "Blender Foundation" / "Blender",
        "darwin": home / "Library" / "Application Support" / "Blender",
    }.get("nt" if os.name == "nt" else sys.platform)
    base = base or Path(os.environ.get("XDG_CONFIG_HOME", home / ".config")) / "blender"
    versions = sorted(path.name for path in base.glob("[0-9]*.[0-9]*") if path.is_dir())
    if wanted in versions:
        return base / wanted
    if len(versions) == 1 and not wanted:
        return base / versions[0]
    if not versions:
        raise BuildError(
            f"No Blender has been started on this machine yet (nothing in {base}); start it "
            "once, or give the folder of its user files: build.py link FOLDER."
        )
    raise BuildError(f"Say which Blender: build.py link {' | '.join(versions)}.")
