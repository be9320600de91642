"""What is printed when a build has ended."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sysextlib.cli import receipt as shown
from sysextlib.report.manifest import File
from sysextlib.report.receipt import Receipt, dropped_count

DIGEST = "0123456789abcdef" * 4


def receipt(dropped=0):
    return Receipt(
        name="demo",
        folder=Path("/out"),
        files=(File(name="demo.raw", size=4096, sha256=DIGEST),),
        root_hash="ab" * 32,
        confext_root_hash="",
        packages=("a/b-1",),
        dropped=dropped,
        findings=(),
    )


def test_each_file_has_its_digest(capsys):
    shown.show_receipt([receipt()])
    assert f"demo.raw   4.0K  {DIGEST}\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("columns", "end"), [(90, DIGEST), (80, DIGEST[:58] + "..."), (30, "4.0K")]
)
def test_no_line_is_wider_than_the_terminal(capsys, monkeypatch, columns, end):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((columns, 24)))
    shown.show_receipt([receipt()])
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "demo.raw" in line]
    assert line.endswith(end)
    assert len(line) <= columns


@pytest.mark.parametrize(
    ("dropped", "told"), [(0, "merged, in"), (1, "1 path dropped"), (2, "2 paths")]
)
def test_paths_that_were_dropped_are_counted(capsys, dropped, told):
    shown.show_receipt([receipt(dropped)])
    assert told in capsys.readouterr().out


def test_a_path_is_dropped_for_each_line_of_the_report(tmp_path):
    (tmp_path / "x_dropped.txt").write_bytes(b"etc/a\ta/b-1\twhy\netc/b\ta/b-1\twhy\n")
    assert dropped_count(tmp_path / "x_dropped.txt") == 2
