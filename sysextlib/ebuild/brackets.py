"""Bracket expressions: ``[a-z]``, ``[!0-9]``, ``[[:space:]]``, in globs and in regular ones."""

from __future__ import annotations

import functools
import re
from typing import Final

from sysextlib.ebuild.failure import UnsupportedError

_CLASSES: Final = {
    "alnum": "a-zA-Z0-9", "alpha": "a-zA-Z", "blank": r" \t", "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9", "graph": r"\x21-\x7e", "lower": "a-z", "print": r"\x20-\x7e",
    "punct": r"!-/:-@\[-`{-~", "space": r" \t\n\r\f\v", "upper": "A-Z", "xdigit": "0-9a-fA-F",
    "word": "a-zA-Z0-9_", "ascii": r"\x00-\x7f",
}  # fmt: skip


def bracket_regex(text: str, at: int, *, escapes: bool) -> tuple[str, int] | None:
    """Read the bracket expression at ``at``: the same for Python's re, and the offset behind it.

    None when it is not closed, or is one that matches nothing known here.

    :param escapes: a backslash quotes the next character, as in a glob.
    """
    here = at + 1
    negated = text[here : here + 1] in ("!", "^") and bool(text[here : here + 1])
    if negated:
        here += 1
    pieces: list[str] = []
    first = True
    while here < len(text):
        char = text[here]
        if char == "]" and not first:
            body = "".join(pieces)
            return (f"[^{body}]" if negated else f"[{body}]"), here + 1
        first = False
        if text.startswith("[:", here):
            end = text.find(":]", here)
            name = text[here + 2 : end] if end > 0 else ""
            if name in _CLASSES:
                pieces.append(_CLASSES[name])
                here = end + 2
                continue
        if text.startswith(("[.", "[="), here):
            return None
        if char == "\\" and escapes and here + 1 < len(text):
            here += 1
            char = text[here]
        here += 1
        if text.startswith("-", here) and text[here + 1 : here + 2] not in {"", "]"}:
            here += 1
            last = text[here]
            if last == "\\" and escapes and here + 1 < len(text):
                here += 1
                last = text[here]
            here += 1
            if char > last:
                raise UnsupportedError("a range in brackets that ends before it begins")
            pieces.append(f"{re.escape(char)}-{re.escape(last)}")
            continue
        pieces.append(_escape(char))
    return None


def _escape(char: str) -> str:
    return "\\" + char if char in r"\]^[-&~|" else char


@functools.lru_cache(maxsize=512)
def _compiled(regex: str) -> re.Pattern[str]:
    return re.compile(regex, re.DOTALL)


def matching_places(regex: str, text: str) -> int:
    """Return the places of the characters that a one-character regex matches, as bits."""
    bits = bytearray(b"0") * (len(text) + 1)  # the last place first
    for match in _compiled(regex).finditer(text):
        bits[~match.start()] = 49
    return int(bits, 2)
