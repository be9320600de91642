"""A copy of the program with boards and definitions that a test may change."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def copy_checkout(folder: Path) -> Path:
    """Copy the program, its boards and its catalogue to ``folder``; return the program."""
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("sysextlib", "board_overlays", "sysexts", "selinux"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored, symlinks=True)
    shutil.copyfile(ROOT / "build_sysext.py", folder / "build_sysext.py")
    return folder / "build_sysext.py"
