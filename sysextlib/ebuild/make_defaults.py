"""make.defaults and make.conf: assignments of text, with the variables set before (portage(5))."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sysextlib.ebuild.failure import ScriptSyntaxError, refused
from sysextlib.ebuild.repository import read_source

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LONGEST: Final = 4 << 20
"""Characters that variables named in a file may stand for; real ones need a hundredth of it."""
_ASSIGNMENT: Final = re.compile(
    r"(?:\s|#[^\n]*)*(?:export[ \t]+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)=(?P<value>"
    r"(?:\"(?:[^\"\\]|\\.)*\"|'[^']*'|\\.|[^\s\"'#\\])*)",
    re.DOTALL,
)
_REST: Final = re.compile(r"(?:\s|#[^\n]*)*", re.DOTALL)
_PIECE: Final = re.compile(r"\"((?:[^\"\\]|\\.)*)\"|'([^']*)'|\\(.)|([^\"'\\]+)", re.DOTALL)
_EXPANSION: Final = re.compile(r"\\\n|\\(.)|\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))", re.DOTALL)


def read_make_defaults(path: Path, known: Mapping[str, str]) -> dict[str, str]:
    """Return what a file assigns; none when there is no such file.

    :param known: variables of the files before it, which its values may name.
    :raises EbuildError: it is no list of assignments.
    """
    if not path.is_file():
        return {}
    text = read_source(path).decode("utf-8", "surrogateescape")
    try:
        return parse_make_defaults(text, known)
    except ScriptSyntaxError as error:
        line = text.count("\n", 0, error.at) + 1
        raise refused(error.brief, str(path), line) from None


def parse_make_defaults(text: str, known: Mapping[str, str]) -> dict[str, str]:
    """Return what a text assigns.

    :raises ScriptSyntaxError: it is no list of assignments.
    """
    found: dict[str, str] = {}
    variables = _Variables(found, known)
    at = 0
    while True:
        rest = _REST.match(text, at)
        at = rest.end() if rest else at
        if at >= len(text):
            return found
        match = _ASSIGNMENT.match(text, at)
        if match is None:
            raise ScriptSyntaxError('only NAME="value" may stand here', at)
        after = text[match.end() : match.end() + 1]
        if after in {'"', "'"}:
            raise ScriptSyntaxError("unterminated quote", match.end())
        variables.at = at
        found[match["name"]] = _value(match["value"], variables)
        at = match.end()


class _Variables:
    """What values may name.

    :ivar at: where the assignment begins that is being read.
    """

    def __init__(self, found: Mapping[str, str], known: Mapping[str, str]) -> None:
        self.found = found
        self.known = known
        self.left = LONGEST
        self.at = 0

    def value(self, name: str) -> str:
        """Return the value of a variable, "" when it has none.

        :raises ScriptSyntaxError: all that was asked for is longer than any real file needs.
        """
        value = self.found.get(name, self.known.get(name, ""))
        self.left -= len(value)
        if self.left < 0:
            raise ScriptSyntaxError(f"values of more than {LONGEST} characters", self.at)
        return value


def _value(spelled: str, known: _Variables) -> str:
    pieces = []
    for match in _PIECE.finditer(spelled):
        double, single, escaped, plain = match.groups()
        if single is not None:
            pieces.append(single)
        elif escaped is not None:
            pieces.append(escaped if escaped != "\n" else "")
        else:
            pieces.append(_expanded(double if double is not None else plain, known))
    return "".join(pieces)


def _expanded(text: str, known: _Variables) -> str:
    def expand(match: re.Match[str]) -> str:
        escaped, braced, bare = match.groups()
        if escaped is not None:
            return escaped if escaped in '$"\\`' else "\\" + escaped
        name = braced or bare
        return known.value(name) if name else ""

    return _EXPANSION.sub(expand, text)
