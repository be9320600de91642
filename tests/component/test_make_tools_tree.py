"""ci/make-tools-tree, with a stand-in for mmdebstrap; ci/setup makes the real one."""

import fcntl
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sysextlib.system.tools import PROGRAMS, Recipe, Tools
from tests.builders.tools import image_tools

SCRIPT = Path(__file__).parents[2] / "ci/make-tools-tree"


def script(cache: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, SCRIPT, "--cache", cache]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def made(tmp_path):
    """Return a cache that holds this machine's tree."""
    tree = image_tools("mkfs.erofs").tree
    if tree is None:
        pytest.skip("the host's own tools are new enough")
    folder = Recipe.here().folder(tmp_path)
    folder.parent.mkdir(parents=True)
    folder.symlink_to(tree)
    return tmp_path


@pytest.mark.tool
def test_a_tree_that_is_there_is_kept_and_shown_at_once(made):
    started = time.monotonic()
    result = script(made)
    assert time.monotonic() - started < 5
    assert result.returncode == 0, result.stderr
    assert str(Recipe.here().folder(made)) in result.stdout
    for name in PROGRAMS:
        assert f"{name} " in result.stdout


@pytest.mark.tool
def test_a_tree_that_is_there_needs_no_lock(made):
    with (made / "tools-tree/.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert script(made).returncode == 0


def test_what_cannot_be_written_is_an_error_and_no_traceback():
    result = script(Path("/proc/nowhere"))
    assert result.returncode == 21
    assert result.stderr.startswith("error: ")
    assert "Traceback" not in result.stderr


@pytest.mark.tool
@pytest.mark.parametrize("name", [name for name, p in PROGRAMS.items() if p.ask])
def test_every_program_of_the_tree_runs_and_says_the_version_of_its_package(name):
    from sysextlib.system.run import run

    tools = image_tools(name)
    result = run([*tools.argv(name), *PROGRAMS[name].ask], codes=(0, 1), name=name)
    said = (result.stdout + result.stderr).decode()
    assert tools.version(name).split("-")[0] in said


def test_nothing_is_started_to_find_the_tools(monkeypatch, tmp_path):
    def refuse(*args: object, **more: object) -> None:
        raise AssertionError("a program was started")

    monkeypatch.setattr("sysextlib.system.tools.run", refuse)
    tools = Tools.locate(cache=tmp_path)
    assert tools.tree is None
