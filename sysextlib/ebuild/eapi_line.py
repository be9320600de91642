"""Which EAPI an ebuild says it is of, before any of it is evaluated (PMS 7.3.1)."""

from __future__ import annotations

import re
from typing import Final

_SKIPPED: Final = re.compile(r"[ \t\r\f\v]*(?:#.*)?")
_ASSIGNMENT: Final = re.compile(r"[ \t]*EAPI=(['\"]?)([A-Za-z0-9+_.-]*)\1[ \t]*(?:[ \t]#.*)?")


def eapi_of(text: str) -> tuple[str, int]:
    """Return the EAPI and the line that sets it, from 1; "0" and 0 when none does.

    It must be set by the first line that is neither empty nor a comment.
    """
    for number, line in enumerate(text.split("\n"), 1):
        if _SKIPPED.fullmatch(line):
            continue
        match = _ASSIGNMENT.fullmatch(line.rstrip("\r"))
        return (match[2], number) if match else ("0", 0)
    return "0", 0
