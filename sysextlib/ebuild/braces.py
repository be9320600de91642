"""Brace expansion: ``a{b,c}`` and ``{1..3}``, done on the text of a word before all else."""

from __future__ import annotations

import re
from typing import Final

from sysextlib.ebuild import scan
from sysextlib.ebuild.failure import ScriptError

MOST_WORDS: Final = 20_000
"""Words that one word may become; real ones become a few hundred at most."""

MOST_CHARACTERS: Final = 4_000_000
"""Characters that the beginnings of these words may have together."""

LONGEST_NUMBER: Final = 18  # digits

_RANGE: Final = re.compile(r"(-?[0-9]+|[A-Za-z])\.\.(-?[0-9]+|[A-Za-z])(?:\.\.(-?[0-9]+))?")


def expand_braces(text: str, depth: int = 0) -> list[str]:
    """Return the words that a word becomes, at least one.

    :raises ScriptError: there are more than MOST_WORDS.
    """
    if "{" not in text:
        return [text]
    if depth > 50:
        raise ScriptError("braces are nested too deep")
    if text.count("{") * len(text) > MOST_CHARACTERS:
        raise ScriptError("a word with too many braces")
    at = 0
    while at < len(text):
        char = text[at]
        if char == "{":
            found = _group(text, at)
            if found:
                inner, end = found
                return _combine(text[:at], inner, expand_braces(text[end:], depth + 1), depth)
            at += 1
        elif char in "\\'\"$`":
            at = scan.part_end(text, at)
        else:
            at += 1
    return [text]


def _combine(before: str, inner: list[str], after: list[str], depth: int) -> list[str]:
    middles = [word for item in inner for word in expand_braces(item, depth + 1)]
    count = len(middles) * len(after)
    if count > MOST_WORDS or count * (len(before) + 1) > MOST_CHARACTERS:
        raise ScriptError(f"a brace expansion of more than {MOST_WORDS} words")
    return [before + middle + end for middle in middles for end in after]


def _group(text: str, at: int) -> tuple[list[str], int] | None:
    """Return the alternatives of the group at ``at`` and the offset behind it, if it is one."""
    items: list[str] = []
    start = here = at + 1
    depth = 0
    while here < len(text):
        char = text[here]
        if char == "{":
            depth += 1
        elif char == "}":
            if depth == 0:
                break
            depth -= 1
        elif char == "," and depth == 0:
            items.append(text[start:here])
            start = here + 1
        elif char in "\\'\"$`":
            here = scan.part_end(text, here)
            continue
        here += 1
    else:
        return None
    if items:
        return [*items, text[start:here]], here + 1
    match = _RANGE.fullmatch(text[at + 1 : here])
    words = _sequence(*match.groups()) if match else None
    return (words, here + 1) if words else None


def _sequence(first: str, last: str, step: str | None) -> list[str] | None:
    if max(len(first), len(last), len(step or "")) > LONGEST_NUMBER:
        raise ScriptError("a brace expansion with a number that is too long")
    letters = first.isalpha()
    if letters != last.isalpha():
        return None
    start, end = (ord(first), ord(last)) if letters else (int(first), int(last))
    stride = abs(int(step or 1)) or 1
    if abs(end - start) // stride >= MOST_WORDS:
        raise ScriptError(f"a brace expansion of more than {MOST_WORDS} words")
    numbers = range(start, end + 1, stride) if start <= end else range(start, end - 1, -stride)
    if letters:
        return [chr(number) for number in numbers]
    padded = any(len(n.lstrip("-")) > 1 and n.lstrip("-")[0] == "0" for n in (first, last))
    width = max(len(first), len(last)) if padded else 0
    return [f"{number:0{width}d}" if width else str(number) for number in numbers]
