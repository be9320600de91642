"""What a test needs beside Python: skipped with the reason on a laptop, an error in CI."""

from __future__ import annotations

import os
import shutil

import pytest


def unmet(reason: str) -> None:
    """Skip the test, or fail it where CI promises that everything is there."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def require_tool(*names: str) -> None:
    """Go on only when these programs are on PATH."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = [name for name in names if shutil.which(name, path=path) is None]
    if missing:
        unmet(f"not installed: {', '.join(missing)}")


def require_root() -> None:
    """Go on only as root."""
    if os.geteuid() != 0:
        unmet("needs root")
