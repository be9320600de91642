"""Who merges packages when the call names nobody, or names somebody who cannot."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from sysextlib.board import Installer, load_board
from sysextlib.cli.call import parse
from sysextlib.cli.installer import with_installer
from sysextlib.errors import MissingToolError, SysextError, UsageError
from sysextlib.progress import Silent

ROOT = Path(__file__).parents[2]


class Told(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, message: str) -> None:
        self.notes.append(message)


@pytest.fixture
def no_engine(monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")


def inputs(**board):
    return SimpleNamespace(board=replace(load_board("demo-amd64", ROOT), **board))


def choose(given, *words: str) -> list[str]:
    told = Told()
    with with_installer(parse([*words, "x"]), given, told, ()) as ready:
        assert ready is given
    return told.notes


def test_the_demo_board_is_merged_natively_and_nothing_is_said(no_engine):
    assert choose(inputs()) == []


@pytest.mark.parametrize("board", ["amd64-usr", "arm64-usr"])
def test_the_boards_of_flatcar_prefer_the_sdk(board):
    loaded = load_board(board, ROOT)
    assert loaded.installer is Installer.SDK
    assert str(loaded.arch) in (loaded.sdk_image or "")


def test_a_board_that_prefers_the_sdk_is_merged_natively_without_an_engine_and_says_so(no_engine):
    (note,) = choose(inputs(installer=Installer.SDK))
    assert note == "merging natively: no container engine answers"


def test_a_board_that_prefers_the_sdk_of_an_unknown_version_says_so(no_engine):
    board = {"installer": Installer.SDK, "sdk_image": "x:{sdk_version}", "version_file": "/none"}
    (note,) = choose(inputs(**board))
    assert note == "merging natively: which SDK belongs to this checkout is not stated"


def test_who_is_named_must_be_there(no_engine):
    with pytest.raises(MissingToolError, match="no container engine answers"):
        choose(inputs(), "--installer=sdk")


@pytest.mark.parametrize(
    ("words", "brief"),
    [
        (["--installer=native", "--sdk-container=x"], "uses no SDK container"),
        (["--installer=emerge", "--sdk-image=x"], "uses no SDK container"),
        (["--sdk-container=x", "--sdk-image=y"], "it takes no --sdk_image"),
        (["--installer=sdc"], "--installer cannot be 'sdc'"),
        (["--build-missing"], "--build_missing needs the SDK"),
    ],
)
def test_what_contradicts_itself_is_refused(no_engine, words, brief):
    given = inputs()
    given.sdk = None
    with pytest.raises(SysextError, match=brief) as caught:
        choose(given, *words)
    assert isinstance(caught.value, UsageError)
