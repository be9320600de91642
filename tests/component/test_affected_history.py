"""Commits on the demo board's overlay, and what the program says that each means to rebuild."""

import json

import pytest

from sysextlib.cli import ebuilds
from sysextlib.cli.main import main
from tests.builders.needs import require_tool
from tests.builders.overlay_history import HISTORY, OVERLAY, git, write_history

pytestmark = pytest.mark.tool


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    require_tool("git")
    return write_history(tmp_path_factory.mktemp("history"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize("commit", HISTORY, ids=lambda commit: commit.name)
def test_a_commit_affects_what_a_person_says(history, cache, commit, monkeypatch, capsys):
    git(history, "checkout", "-q", commit.name)
    monkeypatch.setattr(ebuilds, "ROOT", history)
    monkeypatch.setenv("BUILD_SYSEXT_CACHE", str(cache))
    words = ["affected", "--since=HEAD~1", f"--repo={history / OVERLAY}"]
    assert main([*words, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    found = {item["extension"]: tuple(item["chain"]) for item in answer["affected"]}
    assert found == commit.affected
    assert {item["cause"] for item in answer["affected"]} <= {commit.cause}
    assert main(words) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "no metadata" not in line]
    told = [
        f"{name}: {' -> '.join(chain)} ({commit.cause})" if chain else f"{name}: {commit.cause}"
        for name, chain in sorted(commit.affected.items())
    ]
    assert lines == (told or ["no extension is affected"])


def test_a_range_of_commits_affects_what_any_of_them_does(history, cache, monkeypatch, capsys):
    git(history, "checkout", "-q", "remove-old-version")
    monkeypatch.setattr(ebuilds, "ROOT", history)
    monkeypatch.setenv("BUILD_SYSEXT_CACHE", str(cache))
    assert main(["affected", "--since=start", f"--repo={history / OVERLAY}", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [item["extension"] for item in answer["affected"]] == ["containerd", "docker"]
    assert answer["unreadable"] == []
