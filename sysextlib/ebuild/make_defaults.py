"""make.defaults and make.conf: assignments of text, with the variables set before (portage(5))."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sysextlib.ebuild.failure import ScriptSyntaxError, refused
from sysextlib.ebuild.repository import read_source

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

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
        found[match["name"]] = _value(match["value"], {**known, **found})
        at = match.end()


def _value(spelled: str, known: Mapping[str, str]) -> str:
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


def _expanded(text: str, known: Mapping[str, str]) -> str:
    def expand(match: re.Match[str]) -> str:
        escaped, braced, bare = match.groups()
        if escaped is not None:
            return escaped if escaped in '$"\\`' else "\\" + escaped
        name = braced or bare
        return known.get(name, "") if name else ""

    return _EXPANSION.sub(expand, text)
