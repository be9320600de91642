"""What is looked at before a build begins."""

import os
from pathlib import Path

import pytest

from sysextlib.cli import prepare
from sysextlib.cli.call import parse
from sysextlib.cli.prepare import open_binhosts, prepare_keys, warn_of_sudo
from sysextlib.errors import FetchError, SigningKeyError
from sysextlib.progress import Silent
from tests.builders.keys import certificate, private_key, write_pair


class Warned(Silent):
    def __init__(self):
        self.said = []

    def warn(self, message):
        self.said.append(message)


@pytest.mark.parametrize(
    ("words", "user", "caller", "warned"),
    [
        (["x"], 0, "me", True),
        (["x"], 0, None, False),
        (["x"], 1000, "me", False),
        (["x", "--installer=emerge"], 0, "me", False),
    ],
)
def test_who_needs_no_sudo_is_told_so(monkeypatch, words, user, caller, warned):
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.delenv("SUDO_USER", raising=False)
    if caller:
        monkeypatch.setenv("SUDO_USER", caller)
    progress = Warned()
    warn_of_sudo(parse(words), progress)
    assert [message.endswith("root's, not me's") for message in progress.said] == [True] * warned


def test_keys_that_cannot_be_kept_in_the_checkout_are_an_error(monkeypatch, tmp_path):
    (tmp_path / "closed").touch()
    monkeypatch.setattr(prepare, "KEYS", tmp_path / "closed/keys")
    monkeypatch.delenv("SYSEXT_SIGNING_KEY_DIR", raising=False)
    with pytest.raises(SigningKeyError) as refused:
        prepare_keys(parse(["x"]), Silent())
    assert "SYSEXT_SIGNING_KEY_DIR" in refused.value.hint


def test_a_payload_key_that_cannot_be_kept_in_the_checkout_is_an_error(monkeypatch, tmp_path):
    (tmp_path / "closed").touch()
    monkeypatch.setattr(prepare, "KEYS", tmp_path / "closed/keys")
    key = private_key()
    write_pair(tmp_path / "pair", key, certificate(key))
    monkeypatch.setenv("SYSEXT_SIGNING_KEY_DIR", str(tmp_path / "pair"))
    with pytest.raises(SigningKeyError, match="payload key"):
        prepare_keys(parse(["x"]), Silent())


def test_of_a_boards_folders_of_packages_those_that_are_there_count(tmp_path):
    places = [str(tmp_path / name) for name in ("absent", "first", "second")]
    for place in places[1:]:
        Path(place).mkdir()
    assert open_binhosts(parse(["x"]), places, Silent()).location == " ".join(places[1:])


def test_a_board_without_packages_here_names_all_places_that_were_looked_at(tmp_path):
    places = [str(tmp_path / "one"), str(tmp_path / "two")]
    with pytest.raises(FetchError) as refused:
        open_binhosts(parse(["x"]), places, Silent())
    assert refused.value.facts["looked for"].splitlines() == places


def test_a_folder_of_packages_that_the_call_names_must_be_there(tmp_path):
    call = parse(["x", f"--binhost={tmp_path}", f"--binhost={tmp_path / 'absent'}"])
    with pytest.raises(FetchError, match="not a folder"):
        open_binhosts(call, [str(tmp_path)], Silent())
