"""A package's environment.bz2: the variables and functions that its phases would see.

Portage writes what bash's ``declare -p`` and ``declare -f`` print. It is read, never run.
"""

from __future__ import annotations

import bz2
import re
from typing import TYPE_CHECKING

from sysextlib.errors import PackageError
from sysextlib.install.shell import function_body
from sysextlib.install.shell_lexer import ShellError, unquote

if TYPE_CHECKING:
    from collections.abc import Mapping

SIZE_LIMIT = 64 << 20  # bytes of environment after decompression; real ones are below 1 MiB
_FUNCTION = re.compile(r"^([^\s(){}'\"$`;&|<>]+) \(\) *\n\{ *\n", re.MULTILINE)
_ARRAY_ITEM = re.compile(r'\[\d+\]=("(?:[^"\\]|\\.)*"|\$\'(?:[^\'\\]|\\.)*\')', re.DOTALL)
_SCALAR = r'"(?:[^"\\]|\\.)*"|\$\'(?:[^\'\\]|\\.)*\'|[^\s"\'$]*'
_ANSI_C = {  # what bash's declare -p writes within $'...', beside octal numbers of bytes
    "a": "\a",
    "b": "\b",
    "E": "\033",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    "'": "'",
    '"': '"',
}
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|.)", re.DOTALL)


class Environment:
    """The dump of one package, searched when something of it is asked for."""

    def __init__(self, text: str) -> None:
        """Take the decompressed dump."""
        self._text = text
        self._functions = {match[1]: match.end() for match in _FUNCTION.finditer(text)}

    @classmethod
    def of(cls, metadata: Mapping[str, bytes], package: str) -> Environment:
        """Read the dump of a package; an empty one when it carries none.

        :raises PackageError: it does not decompress.
        """
        packed = metadata.get("environment.bz2", b"")
        if not packed:
            return cls("")
        reader = bz2.BZ2Decompressor()
        try:
            data = reader.decompress(packed, SIZE_LIMIT)
        except (OSError, ValueError) as error:
            raise PackageError(
                f"environment.bz2 of {package} is damaged", {"reason": error}
            ) from error
        if not reader.eof:
            raise PackageError(
                f"environment.bz2 of {package} is cut short or larger than {SIZE_LIMIT} bytes"
            )
        return cls(data.decode(errors="surrogateescape"))

    @property
    def functions(self) -> frozenset[str]:
        """The names of all functions."""
        return frozenset(self._functions)

    def body(self, function: str) -> str | None:
        """Return what stands between a function's braces, or None when it is not defined.

        :raises ShellError: its end is not found.
        """
        start = self._functions.get(function)
        return None if start is None else function_body(self._text, start)

    def scalar(self, name: str) -> str:
        """Return a variable's value, or "" when it is not set or an array.

        :raises ShellError: the value is not understood.
        """
        match = re.search(
            rf"^declare -\S+ {name}=({_SCALAR})$", self._text, re.MULTILINE | re.DOTALL
        )
        return _value(match[1]) if match else ""

    def text(self, name: str, package: object) -> str:
        """Return ``scalar`` for those who have no use for a value that is not understood.

        :raises PackageError: the value is not understood.
        """
        try:
            return self.scalar(name)
        except ShellError as error:
            raise PackageError(
                f"{name} of {package} is not understood", {"reason": error}
            ) from error

    def array(self, name: str) -> tuple[str, ...]:
        """Return the values of an indexed array; none when it is not set.

        :raises ShellError: a value is not understood.
        """
        match = re.search(rf"^declare -\w*a\w* {name}=\(", self._text, re.MULTILINE)
        if match is None:
            return ()
        values = []
        position = match.end()
        while self._text[position : position + 1] != ")":
            item = _ARRAY_ITEM.match(self._text, position)
            if item is None:
                raise ShellError(f"the array {name} is not understood")
            values.append(_value(item[1]))
            position = item.end()
            position += self._text[position : position + 1] == " "
        return tuple(values)


def _value(text: str) -> str:
    if text.startswith("$'"):
        raw = text[2:-1].encode(errors="surrogateescape")
        return _ESCAPE.sub(lambda m: _ansi_c(m[1]), raw).decode(errors="surrogateescape")
    value = unquote(text)
    if value is None:
        raise ShellError("a value is not understood")
    return value


def _ansi_c(escaped: bytes) -> bytes:
    """Return the byte that an escape stands for: a letter's, or that of an octal number."""
    if escaped.isdigit():
        return bytes([int(escaped, 8) & 0xFF])
    letter = escaped.decode("latin-1")
    if letter not in _ANSI_C:
        raise ShellError(f"the escape \\{letter} is not understood")
    return _ANSI_C[letter].encode()
