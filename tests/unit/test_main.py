"""What becomes of errors that no part of the library foresaw."""

import errno
import os

import pytest

from sysextlib.cli import main


def fail_with(monkeypatch, number):
    def command(_call):
        raise OSError(number, os.strerror(number), "/closed/file")

    monkeypatch.setattr(main, "_command", command)


@pytest.mark.parametrize(
    ("number", "reason"),
    [(errno.EACCES, "Permission denied"), (errno.ENAMETOOLONG, "File name too long")],
)
def test_what_a_file_system_refuses_is_told_and_no_bug(monkeypatch, capsys, number, reason):
    fail_with(monkeypatch, number)
    assert main.main(["list"]) == 21
    told = f"error: /closed/file cannot be used\n  reason: {reason}\n"
    assert capsys.readouterr().err == told


def test_any_other_fault_keeps_its_traceback(monkeypatch):
    fail_with(monkeypatch, errno.EBADF)
    with pytest.raises(OSError, match="Bad file descriptor"):
        main.main(["list"])
