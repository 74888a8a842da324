# SPDX-License-Identifier: GPL-3.0-or-later
"""build.py: refusals, stamps, the zip, and that a second run does nothing."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import build
from tooling import environments, extension, running
from tooling.checkout import BuildError

ROOT = Path(__file__).resolve().parents[1]


def run_build(*words, python=sys.executable):
    return subprocess.run(
        [python, str(ROOT / "build.py"), *words], capture_output=True, text=True, timeout=300
    )


def older_python():
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for minor in (10, 9, 8):
        found = [shutil.which(f"python3.{minor}"), *pyenv.glob(f"3.{minor}.*/bin/python")]
        for path in filter(None, found):
            if environments.python_version(path) == (3, minor):
                return str(path), minor
    return None


def test_help_names_every_command():
    done = run_build("--help")
    assert done.returncode == 0
    for command in ("setup", "demo", "test", "package", "link"):
        assert f"\n    {command} " in done.stdout


def test_unknown_option_is_refused():
    done = run_build("package", "--fats")
    assert done.returncode == 1
    assert "--fats" in done.stderr
    assert "Traceback" not in done.stderr


def test_older_version_is_refused_with_a_way_out():
    with pytest.raises(BuildError, match=r"This is Python 3\.10, and 3\.11 is needed: "):
        build.check_python((3, 10))
    build.check_python((3, 11))
    build.check_python((3, 13))


def test_real_older_python_gets_the_sentence():
    found = older_python()
    if found is None:
        pytest.skip("no Python older than 3.11 on this machine's PATH")
    path, minor = found
    done = run_build("setup", python=path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"This is Python 3.{minor}, and 3.11 is needed: ")
    assert len(done.stderr.strip().splitlines()) == 1


def small_environment():
    return environments.Environment(".venv-small", (("small.txt", ()),), "import json", 0.1)


@pytest.fixture
def small(tmp_path, monkeypatch):
    """An environment that needs nothing, in a checkout of its own; not made yet."""
    monkeypatch.setattr(environments, "ROOT", tmp_path)
    monkeypatch.setattr(environments, "LOGS", tmp_path / "logs")
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "small.txt").write_text("# nothing\n")
    return small_environment()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of such an environment, made by the real thing."""
    root = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(environments, "ROOT", root)
        patch.setattr(environments, "LOGS", root / "logs")
        (root / "requirements").mkdir()
        (root / "requirements" / "small.txt").write_text("# nothing\n")
        environments.make_environments([small_environment()])
    return root / ".venv-small"


@pytest.fixture
def finished(small, made):
    """A finished environment."""
    shutil.copytree(made, small.folder, symlinks=True)
    assert small.is_finished()
    return small


def test_finished_environment_is_left_alone(finished, monkeypatch):
    ran = []
    monkeypatch.setattr(environments, "run_logged", lambda *words: ran.append(words) or 0)
    environments.make_environments([finished])
    assert ran == []


def test_interrupted_environment_is_continued(finished):
    (finished.folder / environments.STAMP).unlink()
    (finished.folder / "keep").write_text("what was installed before the interruption")
    environments.make_environments([finished])
    assert finished.is_finished()
    assert (finished.folder / "keep").exists()


def test_half_made_environment_is_made_anew(finished):
    (finished.folder / environments.STAMP).unlink()
    library = next(finished.folder.glob("[Ll]ib/**/site-packages"))
    shutil.rmtree(library / "pip")
    assert not environments.has_pip(finished)
    environments.make_environments([finished])
    assert finished.is_finished()
    assert environments.has_pip(finished)


def test_other_requirements_make_the_stamp_stale(finished):
    (environments.ROOT / "requirements" / "small.txt").write_text("# still nothing, but other\n")
    assert not finished.is_finished()


def test_package_that_does_not_load_leaves_no_stamp(finished):
    finished.check = "import no_such_package"
    (finished.folder / environments.STAMP).unlink()
    with pytest.raises(BuildError, match="no_such_package"):
        environments.make_environments([finished])
    assert not finished.is_finished()


def test_package_that_cannot_be_fetched_is_named(finished):
    requirement = environments.ROOT / "requirements" / "small.txt"
    requirement.write_text("--no-index\npartnerface-does-not-exist==9.9\n")
    with pytest.raises(BuildError, match=r"could not fetch partnerface-does-not-exist==9\.9;"):
        environments.make_environments([finished])
    assert not finished.is_finished()


def test_full_disk_is_refused_before_anything_is_made(small):
    small.gigabytes = 1e9
    with pytest.raises(BuildError, match="GB are free; make room"):
        environments.make_environments([small])
    assert not small.folder.exists()


def test_missing_python_is_a_sentence(small, monkeypatch):
    monkeypatch.setattr(environments, "find_python", lambda: None)
    with pytest.raises(BuildError, match=r"No working Python 3\.11"):
        environments.make_environments([small])


def test_missing_system_library_is_named(tmp_path):
    log = tmp_path / "log"
    log.write_text("ImportError: libXi.so.6: cannot open shared object file: No such file\n")
    assert "The system lacks libXi.so.6;" in environments.import_sentence(log)


def test_children_do_not_inherit_foreign_packages(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("PIP_FIND_LINKS", "/wheels")
    found = running.clean_environment(EXTRA="1")
    assert "PYTHONPATH" not in found
    assert found["PIP_FIND_LINKS"] == "/wheels"
    assert found["EXTRA"] == "1"


def test_requirements_pin_every_version_and_name_no_address():
    for path in (ROOT / "requirements").glob("*.txt"):
        for line in path.read_text().splitlines():
            if line and not line.startswith("#"):
                name, _, version = line.partition("==")
                assert name, line
                assert version[:1].isdigit(), line
            assert "://" not in line


def test_packaged_files_are_the_allow_listed_ones():
    names = extension.packaged_files()
    assert {"__init__.py", "blender_manifest.toml", "LICENSE", "engine/protocol.py"} <= set(names)
    roots = {"engine", "operators", "panels", "partnerface_blender"}
    single = {"__init__.py", "blender_manifest.toml", "LICENSE"}
    single |= {"requirements/engine.txt", "requirements/capture.txt"}
    for name in names:
        assert name in single or name.split("/")[0] in roots, name
        assert "__pycache__" not in name


def test_package_without_git_is_the_same(monkeypatch):
    with_git = extension.packaged_files()
    monkeypatch.setenv("PATH", "")
    without = extension.packaged_files()
    assert set(with_git) <= set(without)
    assert not [name for name in without if "__pycache__" in name]


@pytest.mark.skipif(
    not environments.BLENDERS["4.2"].is_finished(), reason="no Blender 4.2 environment here"
)
def test_package_is_valid_and_the_same_twice(tmp_path, monkeypatch):
    monkeypatch.setattr(extension, "zip_path", lambda: tmp_path / "dist" / "partnerface.zip")
    monkeypatch.setattr(extension, "shown", str)
    path = extension.package()
    first = path.read_bytes()
    with zipfile.ZipFile(path) as file:
        assert file.namelist() == extension.packaged_files()
        assert file.testzip() is None
    assert extension.package().read_bytes() == first


@pytest.mark.skipif(
    not environments.BLENDERS["4.2"].is_finished(), reason="no Blender 4.2 environment here"
)
def test_package_that_blender_refuses_is_not_left(tmp_path, monkeypatch):
    (tmp_path / "__init__.py").write_text("")
    manifest = (
        (ROOT / "blender_manifest.toml").read_text().replace('id = "partnerface"', 'id = "a b"')
    )
    (tmp_path / "blender_manifest.toml").write_text(manifest)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    monkeypatch.setattr(extension, "ROOT", tmp_path)
    with pytest.raises(BuildError, match="Blender's extension tool refuses the zip"):
        extension.package()
    assert not list((tmp_path / "dist").iterdir())


def test_link_leads_to_the_checkout_and_again(tmp_path, capsys):
    extension.link(str(tmp_path))
    target = tmp_path / "extensions" / "user_default" / "partnerface"
    assert target.resolve() == ROOT
    extension.link(str(tmp_path))
    assert "already leads here" in capsys.readouterr().out


def test_link_keeps_an_installed_copy(tmp_path):
    target = tmp_path / "extensions" / "user_default" / "partnerface"
    target.mkdir(parents=True)
    with pytest.raises(BuildError, match="uninstall that copy first"):
        extension.link(str(tmp_path))


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="XDG folders are Linux's")
def test_link_asks_which_blender(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with pytest.raises(BuildError, match="No Blender has been started"):
        extension.user_folder(None)
    for version in ("4.2", "5.0"):
        (tmp_path / "blender" / version).mkdir(parents=True)
    with pytest.raises(BuildError, match=r"build\.py link 4\.2 \| 5\.0"):
        extension.user_folder(None)
    assert extension.user_folder("5.0") == tmp_path / "blender" / "5.0"
