r"""os-release and extension-release files, read as systemd reads them.

The grammar is os-release(5)'s, and where that is silent what systemd's own parser does: quotes
open a part of a value only at its start or after another quoted part, a backslash takes the next
character literally, in double quotes only before one of " \ ` $, and the last assignment of a key
wins. Shell expansion is not performed. A line without "=" is skipped.
"""

from __future__ import annotations

from enum import Enum, auto

from sysextlib.errors import ValueSyntaxError

MAX_BYTES = 1 << 20  # a larger file is no os-release
_BLANK = " \t\n\r"
_ESCAPED_IN_DOUBLE = '"\\`$'


class _At(Enum):
    BEFORE_KEY = auto()
    KEY = auto()
    BEFORE_VALUE = auto()
    VALUE = auto()
    SINGLE = auto()
    DOUBLE = auto()
    COMMENT = auto()


def parse_env_file(data: bytes, source: str) -> dict[str, str]:
    """Return the assignments of an os-release file, in the order of their keys' first occurrence.

    :param source: what errors call the file.
    :raises ValueSyntaxError: what systemd refuses: bytes that are no UTF-8, NUL, or too many.
    """
    if len(data) > MAX_BYTES:
        raise ValueSyntaxError(
            f"an os-release file of {len(data)} bytes, more than {MAX_BYTES}", source=source
        )
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueSyntaxError(
            f"an os-release file that is not UTF-8 in line {line}", source=source
        ) from error
    if "\0" in text:
        raise ValueSyntaxError("an os-release file that holds a NUL byte", source=source)
    reader = _Reader()
    escaped = False
    for char in text:
        escaped = reader.take(char, escaped=escaped)
    return reader.finish()


class _Reader:
    """The parser's state between two characters."""

    def __init__(self) -> None:
        self.at = _At.BEFORE_KEY
        self.key = ""
        self.value: list[str] = []
        self.solid = 0  # how much of the value trailing blanks cannot be cut from
        self.found: dict[str, str] = {}

    def take(self, char: str, *, escaped: bool) -> bool:
        """Go one character on; tell whether the next one is escaped."""
        match self.at:
            case _At.BEFORE_KEY:
                if char in "#;":
                    self.at = _At.COMMENT
                elif char not in _BLANK:
                    self.at, self.key = _At.KEY, char
            case _At.KEY:
                if char == "\n":
                    self.at = _At.BEFORE_KEY
                elif char == "=":
                    self.at = _At.BEFORE_VALUE
                else:
                    self.key += char
            case _At.BEFORE_VALUE | _At.VALUE:
                return self._plain(char, escaped=escaped)
            case _At.SINGLE:
                if char == "'":
                    self.at = _At.BEFORE_VALUE
                else:
                    self._keep(char)
            case _At.DOUBLE:
                return self._double(char, escaped=escaped)
            case _At.COMMENT:
                if char == "\n" and not escaped:
                    self.at = _At.BEFORE_KEY
                return char == "\\" and not escaped
        return False

    def _plain(self, char: str, *, escaped: bool) -> bool:
        """Take a character outside of quotes."""
        if escaped:
            self.at = _At.VALUE
            if char != "\n":
                self._keep(char)
        elif char == "\n":
            self._assign()
        elif char == "\\":
            self.solid = len(self.value)  # even when nothing follows it
            return True
        elif self.at is _At.BEFORE_VALUE and char in "'\"":
            self.at = _At.SINGLE if char == "'" else _At.DOUBLE
        elif self.at is _At.VALUE and char in _BLANK:
            self.value.append(char)
        elif char not in _BLANK:
            self.at = _At.VALUE
            self._keep(char)
        return False

    def _double(self, char: str, *, escaped: bool) -> bool:
        """Take a character inside of double quotes."""
        if escaped:
            if char in _ESCAPED_IN_DOUBLE:
                self._keep(char)
            elif char != "\n":
                self._keep("\\" + char)
        elif char == '"':
            self.at = _At.BEFORE_VALUE
        elif char == "\\":
            return True
        else:
            self._keep(char)
        return False

    def _keep(self, text: str) -> None:
        self.value.append(text)
        self.solid = len(self.value)

    def _assign(self) -> None:
        self.found[self.key.rstrip(_BLANK)] = "".join(self.value[: self.solid])
        self.at, self.value, self.solid = _At.BEFORE_KEY, [], 0

    def finish(self) -> dict[str, str]:
        """End the file as if with a newline, which closes open quotes too."""
        if self.at in {_At.BEFORE_VALUE, _At.VALUE, _At.SINGLE, _At.DOUBLE}:
            self._assign()
        return self.found
