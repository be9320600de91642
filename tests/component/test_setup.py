"""ci/setup on a machine that lacks programs, and in a fresh clone."""

import importlib.util
import os
import re
import shutil
import sys
import time
import tomllib
from pathlib import Path

import pytest

from sysextlib.errors import MissingToolError, ToolError
from sysextlib.system.cache import cache_root
from sysextlib.system.run import run
from tests.builders.needs import require_tool

ROOT = Path(__file__).parents[2]


@pytest.fixture
def prepare(monkeypatch):
    spec = importlib.util.spec_from_file_location("prepare", ROOT / "ci/prepare.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setitem(sys.modules, "prepare", module)
    spec.loader.exec_module(module)
    return module


def program(folder, name, says):
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)


def test_a_program_that_is_missing_or_too_old_is_told_with_the_version_that_is_there(
    prepare, tmp_path, monkeypatch
):
    program(tmp_path, "good", "good version 2.10.1 (2024)")
    program(tmp_path, "old", "old 1.9")
    program(tmp_path, "mute", "no number")
    monkeypatch.setattr(prepare, "SEARCH", str(tmp_path))
    need = [prepare.Program(n, n, "test", (1, 10)) for n in ("good", "old", "mute", "gone")]
    assert [item.fault() for item in need] == [
        "",
        "is 1.9",
        "is of an unknown version",
        "is not there",
    ]
    assert str(need[1]) == "old >= 1.10 (test)"


def test_without_apt_get_the_programs_to_install_are_named(prepare, tmp_path, monkeypatch):
    monkeypatch.setattr(prepare, "SEARCH", str(tmp_path))
    need = (prepare.Program("frobnicate", "frob", "does it", (3, 1)),)
    monkeypatch.setattr(prepare, "needed", lambda: need)
    with pytest.raises(MissingToolError) as caught:
        prepare.install_system_packages()
    assert caught.value.facts == {"frobnicate >= 3.1 (does it)": "is not there"}
    assert "package manager" in caught.value.hint


def test_without_root_or_sudo_the_command_for_root_is_told(prepare, tmp_path, monkeypatch):
    program(tmp_path, "apt-get", "apt 2.6")
    monkeypatch.setattr(prepare, "SEARCH", str(tmp_path))
    monkeypatch.setattr(prepare, "administrator", lambda: None)
    need = (prepare.Program("frobnicate", "frob", "does it"),)
    monkeypatch.setattr(prepare, "needed", lambda: need)
    with pytest.raises(MissingToolError) as caught:
        prepare.install_system_packages()
    assert caught.value.hint == (
        "as root, run: apt-get update && apt-get install --yes --no-install-recommends frob"
    )


def test_the_lock_has_a_hash_for_every_package_and_names_no_server():
    lock = (ROOT / "requirements.lock").read_text()
    blocks = [block for block in lock.split("\n") if block and block[0] not in " #"]
    assert blocks
    assert all(line.endswith("\\") for line in blocks)
    assert "://" not in lock
    assert "--index" not in lock
    assert "--find-links" not in lock


def test_the_lock_holds_every_dependency_that_the_project_names():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    named = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    lock = (ROOT / "requirements.lock").read_text()
    missing = [
        name for name in named if f"\n{re.split('[<>=~!; ]', name)[0].lower()}==" not in lock
    ]
    assert missing == [], "run ci/lock"


# What comes with a package of PROGRAMS, or is part of every Debian.
COMES_WITH = {
    "binutils": {"as", "ld", "readelf", "strip", "x86_64-linux-gnu-strip"},
    "kmod": {"modprobe"},
    "squashfs-tools": {"unsquashfs"},
    "systemd": {"systemd-analyze", "systemd-sysusers"},
    "attr": {"getfattr"},
    "libcap2-bin": {"getcap"},
}
ESSENTIAL = {"ls", "df", "tar", "gzip", "python3", "mountpoint", "setpriv", "unshare"}


def test_every_program_that_a_test_requires_is_one_that_setup_installs(prepare):
    known = ESSENTIAL | {item.name for item in prepare.PROGRAMS}
    for item in prepare.PROGRAMS:
        known |= COMES_WITH.get(item.package, set())
    calls = {
        path.name: re.findall(r'"([^"]+)"', " ".join(re.findall(r"require_tool\(([^)]*)\)", text)))
        for path in (ROOT / "tests").rglob("test_*.py")
        if path != Path(__file__) and (text := path.read_text())
    }
    assert calls
    unknown = {name: set(tools) - known for name, tools in calls.items() if set(tools) - known}
    assert unknown == {}


@pytest.mark.slow
@pytest.mark.tool
def test_a_fresh_copy_is_set_up_with_an_empty_home_and_again_in_a_second(tmp_path):
    require_tool("git", "mmdebstrap")
    listing = run(["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z"], cwd=ROOT)
    for name in filter(None, listing.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (tmp_path / "copy" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tmp_path / "copy" / name)
    (tmp_path / "home").mkdir()
    kept = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    env = {
        **kept,
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "home"),
        "BUILD_SYSEXT_CACHE": str(cache_root()),  # the tools tree is another test's
    }
    setup = [tmp_path / "copy/ci/setup"]
    first = run(setup, env=env, timeout=900).stdout.decode()
    assert "virtual environment: installing into .venv" in first
    started = time.monotonic()
    again = run(setup, env=env, timeout=60).stdout.decode()
    assert time.monotonic() - started < 5  # under 1 s on an idle machine
    assert ".venv is up to date" in again
    python = tmp_path / "copy/.venv/bin/python"
    run([python, "-c", "import cryptography, docker, lark, rich, zstandard"])
    (tmp_path / "copy/requirements.lock").write_text("six==1.17.0 --hash=sha256:" + "0" * 64)
    with pytest.raises(ToolError) as caught:
        run(setup, env=env, timeout=300)
    assert "DO NOT MATCH THE HASHES" in str(caught.value)
    assert not (tmp_path / "copy/.venv/made-from").exists()
