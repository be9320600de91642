"""What can go wrong while an ebuild is read, and where it did."""

from __future__ import annotations

from sysextlib.errors import EbuildError


class ScriptSyntaxError(Exception):
    """Text that is no shell script; ``at`` is the offset in the text where it goes wrong."""

    def __init__(self, brief: str, at: int) -> None:
        super().__init__(brief)
        self.brief = brief
        self.at = at


class UnsupportedError(Exception):
    """A construct of bash that is not evaluated here; its argument names it."""


class ScriptError(Exception):
    """A script that cannot go on: it died, broke a limit, or did what bash refuses."""


class AbortedCommandError(Exception):
    """The rest of one command of a file is skipped, as bash does after a failed glob."""


def refused(brief: str, file: str, line: int, *, near: str = "", hint: str = "") -> EbuildError:
    """Return the error that tells where a script went wrong."""
    facts: dict[str, object] = {"file": file, "line": line}
    if near:
        facts["near"] = near
    return EbuildError(brief, facts, hint)
