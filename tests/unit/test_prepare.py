"""What is looked at before a build begins."""

import os

import pytest

from sysextlib.cli.call import parse
from sysextlib.cli.prepare import warn_of_sudo
from sysextlib.progress import Silent


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
