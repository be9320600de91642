"""echo and printf."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sysextlib.ebuild.ansi_c import decode_echo, decode_format
from sysextlib.ebuild.assignment import assign_place
from sysextlib.ebuild.failure import ScriptError, UnsupportedError
from sysextlib.ebuild.parameter import CONTROL, quote

if TYPE_CHECKING:
    from sysextlib.ebuild.shell import Argument, Shell

WIDEST: Final = 10_000
"""Characters that a printf field may be made wide."""

_FORMAT: Final = re.compile(
    r"%(?:(%)|([-+ #0]*)(\*|[0-9]*)(?:\.(\*|[0-9]*))?([a-zA-Z])|(\())|[^%]+|%", re.DOTALL
)
_ECHO_FLAGS: Final = re.compile(r"-[neE]+")
_PLAIN_QUOTED: Final = re.compile(r"[A-Za-z0-9_./:@%+=-]+")
_SPECIAL_QUOTED: Final = re.compile(r"[^A-Za-z0-9_./:@%+=~#-]|\A[~#]|(?<=[:=])~")


def write(shell: Shell, text: str) -> None:
    """Write to standard output."""
    if shell.streams.stdout is not None:
        shell.budget.spend_text(len(text))
        shell.streams.stdout.append(text)


def echo(shell: Shell, arguments: list[Argument]) -> int:
    """Carry out echo."""
    words = [shell.argument_text(argument) for argument in arguments]
    shell.budget.spend_text(sum(map(len, words)))
    write(shell, echo_text(words))
    return 0


def echo_text(words: list[str]) -> str:
    """Return what echo writes: options at the beginning are eaten, -e turns escapes on."""
    newline, escapes = True, False
    at = 0
    while at < len(words) and _ECHO_FLAGS.fullmatch(words[at]):
        for flag in words[at][1:]:
            if flag == "n":
                newline = False
            else:
                escapes = flag == "e"
        at += 1
    text = " ".join(words[at:])
    if escapes:
        text, stopped = decode_echo(text)
        newline = newline and not stopped
    return text + "\n" if newline else text


def printf(shell: Shell, arguments: list[Argument]) -> int:
    """Carry out printf, with -v."""
    words = [shell.argument_text(argument) for argument in arguments]
    target = None
    if words and words[0].startswith("-v"):
        name, words = words[0][2:], words[1:]
        target = name or (words.pop(0) if words else "")
    if words[:1] == ["--"]:
        words = words[1:]
    elif words and words[0].startswith("-") and words[0] != "-":
        raise ScriptError(f"printf {words[0][:20]}: no such option")
    if not words:
        raise ScriptError("printf without a format")
    text = format_text(shell, words[0], words[1:])
    if target is None:
        write(shell, text)
    elif "\0" in text:
        raise UnsupportedError("printf -v of a NUL character")
    else:
        assign_place(shell, target, text)
    return 0


def format_text(shell: Shell, spelled: str, arguments: list[str]) -> str:
    """Return what printf writes: the format again and again until no argument is left."""
    pieces: list[str] = []
    left = list(reversed(arguments))
    while True:
        before = len(left)
        for match in _FORMAT.finditer(spelled):
            shell.budget.spend(1)
            text = match.group()
            if text[0] != "%":
                pieces.append(decode_format(text))
            elif match[1]:
                pieces.append("%")
            elif match[6]:
                raise UnsupportedError("a time in printf")
            elif not match[5]:
                raise ScriptError(f"printf: {spelled[:40]!r} has a % without a kind")
            else:
                pieces.append(_field(shell, match, left))
        shell.budget.spend_text(sum(map(len, pieces[-64:])))
        if not left or len(left) == before:
            break
    return shell.budget.join("", pieces)


def _field(shell: Shell, match: re.Match[str], left: list[str]) -> str:
    flags, width, precision, kind = match[2], match[3], match[4], match[5]
    if width == "*":
        width = left.pop() if left else "0"
    if precision == "*":
        precision = left.pop() if left else "0"
    size = _number(width or "0", shell)
    digits = _number(precision, shell) if precision else (0 if precision == "" else None)
    if abs(size) > WIDEST or (digits or 0) > WIDEST:
        raise ScriptError("printf: a field that is too wide")
    argument = left.pop() if left else ""
    if kind in "sbq":
        if kind == "b":
            argument, stopped = decode_echo(argument, short=True)
            if stopped:
                raise UnsupportedError("\\c in printf %b")
        elif kind == "q":
            argument = _quoted(argument)
        text = argument if digits is None else argument[:digits]
        if not argument.isascii() and (size or digits is not None):
            raise UnsupportedError("the width of text that is not ASCII")
        return text.ljust(size) if "-" in flags else text.rjust(size)
    if kind == "c":
        if not argument.isascii():
            raise UnsupportedError("printf %c of text that is not ASCII")
        return argument[:1].ljust(size) if "-" in flags else argument[:1].rjust(size)
    if kind in "diuxXo":
        value = _number(argument or "0", shell)
        if kind in "uxXo" and value < 0:
            value += 1 << 64
        body = format(abs(value), {"x": "x", "X": "X", "o": "o"}.get(kind, "d"))
        if digits is not None:
            body = body.rjust(digits, "0")
        if "#" in flags and value:
            body = {"x": "0x", "X": "0X", "o": "0"}.get(kind, "") + body
        sign = "-" if value < 0 else "+" if "+" in flags else " " if " " in flags else ""
        if "-" in flags:
            return (sign + body).ljust(size)
        if "0" in flags and digits is None:
            return sign + body.rjust(size - len(sign), "0")
        return (sign + body).rjust(size)
    raise UnsupportedError(f"%{kind} in printf")


def _number(text: str, shell: Shell) -> int:
    text = text.strip()
    if text[:1] in {"'", '"'}:
        return ord(text[1]) if len(text) > 1 else 0
    if not re.fullmatch(r"[+-]?(0[xX][0-9a-fA-F]+|[0-9]{1,18})", text):
        raise ScriptError(f"printf: {text[:40]!r} is no number")
    sign = -1 if text[0] == "-" else 1
    return sign * shell.calculate(text.lstrip("+-"))


def _quoted(text: str) -> str:
    """Return text as ``printf %q`` writes it."""
    if not text:
        return "''"
    if _PLAIN_QUOTED.fullmatch(text):
        return text
    if not text.isascii():
        raise UnsupportedError("%q of text that is not ASCII")
    if CONTROL.search(text):
        return quote(text)
    return _SPECIAL_QUOTED.sub(r"\\\g<0>", text)
