"""Backslash escapes: of ``$'...'``, of echo -e and of printf."""

from __future__ import annotations

import re
from typing import Final

from sysextlib.ebuild.failure import UnsupportedError

_SIMPLE: Final = {
    "a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t",
    "v": "\v", "\\": "\\",
}  # fmt: skip
_QUOTE: Final = re.compile(
    r"\\(?:x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{1,4})|U([0-9a-fA-F]{1,8})|([0-7]{1,3})|c(.)|(.))",
    re.DOTALL,
)
_ECHO_FORMS: Final = r"\\(?:x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{1,4})|U([0-9a-fA-F]{1,8})|%s|(c)|(.))"
_ECHO: Final = re.compile(_ECHO_FORMS % "0([0-7]{0,3})", re.DOTALL)
_PERCENT_B: Final = re.compile(_ECHO_FORMS % "(0[0-7]{0,3}|[1-7][0-7]{0,2})", re.DOTALL)


def decode_ansi_c(text: str) -> str:
    """Return what ``$'text'`` stands for; a NUL ends it, as in bash."""

    def decode(match: re.Match[str]) -> str:
        hexa, short, long, octal, control, other = match.groups()
        if control:
            return chr(ord(control.upper()) & 0x1F)
        if other:
            return _SIMPLE.get(other, other if other in "'\"?" else "\\" + other)
        return _character(hexa, short, long, octal)

    return _QUOTE.sub(decode, text).partition("\0")[0]


def decode_echo(text: str, *, short: bool = False) -> tuple[str, bool]:
    r"""Return what ``echo -e`` writes, and whether ``\c`` ended all output.

    :param short: octal escapes need no zero in front, as those of printf's ``%b``.
    """
    ends = text.find("\\c")
    while ends >= 0 and _odd_backslashes(text, ends):
        ends = text.find("\\c", ends + 1)
    stopped = ends >= 0
    if stopped:
        text = text[:ends]

    def decode(match: re.Match[str]) -> str:
        hexa, short, long, octal, _, other = match.groups()
        if other:
            return _SIMPLE.get(other, "\\" + other)
        return _character(hexa, short, long, octal if octal is None else octal or "0")

    return (_PERCENT_B if short else _ECHO).sub(decode, text), stopped


def decode_format(text: str) -> str:
    """Return what a printf format's own escapes stand for."""

    def decode(match: re.Match[str]) -> str:
        hexa, short, long, octal, control, other = match.groups()
        if control:
            return match.group()
        if other:
            return _SIMPLE.get(other, other if other in "'\"?" else "\\" + other)
        return _character(hexa, short, long, octal)

    return _QUOTE.sub(decode, text)


def _odd_backslashes(text: str, at: int) -> bool:
    count = 0
    while at - count - 1 >= 0 and text[at - count - 1] == "\\":
        count += 1
    return count % 2 == 1


def _character(hexa: str | None, short: str | None, long: str | None, octal: str | None) -> str:
    if hexa is not None or octal is not None:
        number = int(hexa, 16) if hexa is not None else int(octal or "0", 8) & 0xFF
        if number >= 0x80:
            raise UnsupportedError("an escape for a byte that is not ASCII")
        return chr(number)
    number = int(short or long or "0", 16)
    if 0xD800 <= number < 0xE000 or number > 0x10FFFF:
        raise UnsupportedError("an escape for what is no character")
    return chr(number)
