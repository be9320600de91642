"""Every error that this library raises on purpose, and the exit code of each.

SysextError                         exit code
├── UsageError                       2   a flag, name or combination that cannot be
├── DefinitionError                  3   sysexts/NAME or its edits
├── BoardError                       4   board_overlays/NAME, or what it points at
├── BaseError                        5   the base image
│   └── VersionMismatchError         6   base, packages and version.txt disagree
├── ValueSyntaxError                 7   an atom, version or dependency that breaks its grammar
├── PackageError                     8   a binary package that is damaged or unsafe
│   └── PackagesIndexError                  9   a Packages index likewise
├── FetchError                      10   a server or folder that did not deliver
├── ResolveError                    11   no set of packages satisfies what is wanted
├── MergeConflictError              12   two packages, or a package and the base, claim one path
├── EditError                       13   an edit or mangle program that failed
├── FindingsError                   14   the finished tree would not work
├── SigningKeyError                       15   signing keys and certificates
├── ToolError                       16   an external program failed
│   ├── MissingToolError            17   it is absent or too old
│   └── ContainerError              25   the container engine, the SDK's image or container
├── ImageError                      18   the image did not come out as it must
├── PayloadError                    19   the update payload likewise
├── VerifyError                     20   a file given to verify or inspect is not intact
├── OutputError                     21   the output folder or the disk
│   └── LockedError                 22   another build is at work there
├── MangleError                     23   the --manglefs_script program
├── EbuildError                     24   an ebuild, eclass, profile or repository
└── LabelError                      26   an SELinux policy, or a label that it does not know

1 is left to bugs (a traceback), 130 to Ctrl-C; 27 is no error but an answer: ``explain`` says
that an image would not be merged, ``compare-installers`` that images differ. A class takes facts
and keeps them; only cli/ turns an error into text.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class SysextError(Exception):
    """An error that its reader can do something about.

    :param brief: object and fault in one line, without a full stop.
    :param facts: what was seen, as name and value, printed one a line in this order.
    :param hint: the next step, or "".
    """

    exit_code: ClassVar[int]

    def __init__(
        self, brief: str, facts: Mapping[str, object] | None = None, hint: str = ""
    ) -> None:
        super().__init__(brief)
        self.brief = brief
        self.facts = {name: str(value) for name, value in (facts or {}).items()}
        self.hint = hint

    def __str__(self) -> str:
        lines = [self.brief]
        for name, value in self.facts.items():
            first, *rest = value.splitlines() or [""]
            lines.append(f"  {name}: {first}")
            lines += [f"    {line}" for line in rest]
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(map(harmless, lines))


def harmless(line: str) -> str:
    """Return a line whose control characters, which a terminal would obey, can be seen."""
    if line.isprintable():
        return line
    return "".join(
        char if char.isprintable() or char == "\t" else char.encode("unicode_escape").decode()
        for char in line
    )


class UsageError(SysextError):
    exit_code = 2


class DefinitionError(SysextError):
    exit_code = 3


class BoardError(SysextError):
    exit_code = 4


class BaseError(SysextError):
    exit_code = 5


class VersionMismatchError(BaseError):
    exit_code = 6


class ValueSyntaxError(SysextError):
    """A text that breaks its grammar, with the place shown by a caret.

    :param text: the whole text; :param column: 0-based offset into it, or None.
    """

    exit_code = 7

    def __init__(
        self,
        brief: str,
        *,
        text: str = "",
        column: int | None = None,
        source: str = "",
        hint: str = "",
    ) -> None:
        facts: dict[str, object] = {}
        if source:
            facts["read from"] = source
        if text:
            facts.update(_locate(text, column))
        super().__init__(brief, facts, hint)
        self.text = text
        self.column = column


class PackageError(SysextError):
    exit_code = 8


class PackagesIndexError(PackageError):
    exit_code = 9


class FetchError(SysextError):
    exit_code = 10


class ResolveError(SysextError):
    exit_code = 11


class MergeConflictError(SysextError):
    exit_code = 12


class EditError(SysextError):
    exit_code = 13


class FindingsError(SysextError):
    exit_code = 14


class SigningKeyError(SysextError):
    exit_code = 15


class ToolError(SysextError):
    exit_code = 16


class MissingToolError(ToolError):
    exit_code = 17


class ContainerError(ToolError):
    exit_code = 25


class ImageError(SysextError):
    exit_code = 18


class PayloadError(SysextError):
    exit_code = 19


class VerifyError(SysextError):
    exit_code = 20


class OutputError(SysextError):
    exit_code = 21


class LockedError(OutputError):
    exit_code = 22


class MangleError(SysextError):
    exit_code = 23


class EbuildError(SysextError):
    exit_code = 24


class LabelError(SysextError):
    exit_code = 26


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint that names the known words nearest to ``word``, or all when few are known."""
    words = sorted(known)
    close = difflib.get_close_matches(word, words, n=3, cutoff=0.6)
    if close:
        return "did you mean " + " or ".join(close) + "?"
    if 0 < len(words) <= 20:
        return "known: " + ", ".join(words)
    return ""


def _locate(text: str, column: int | None) -> dict[str, object]:
    """Return line, column and the text near them with a caret below, as an error's facts."""
    if column is None:
        return {"text": text if len(text) <= 200 else text[:200] + "..."}
    start = text.rfind("\n", 0, column) + 1
    end = text.find("\n", column)
    line = text[start : end if end >= 0 else len(text)]
    at = column - start
    shift = max(0, at - 60)
    return {
        "line": text.count("\n", 0, column) + 1,
        "column": at + 1,
        "near": "\n" + line[shift : shift + 100] + "\n" + " " * (at - shift) + "^",
    }
