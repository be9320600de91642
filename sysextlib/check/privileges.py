"""Who may get more rights than the caller has: set-id bits and file capabilities, declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sysextlib.findings import Finding, Severity
from sysextlib.tree import Entry, Kind, Tree, glob_regex

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sysextlib.definition import Privileged

SET_ID = 0o6000


def check_privileges(tree: Tree, declared: Sequence[Privileged]) -> tuple[Finding, ...]:
    """Return a finding for each privileged file that the definition does not name.

    A declaration that matches nothing is a finding too, so that it goes when the file goes, but
    for an optional one.
    """
    findings = []
    for entry in tree:
        rights = _rights(entry)
        if rights and not any(glob_regex(one.path).fullmatch(entry.path) for one in declared):
            findings.append(
                Finding(
                    "privileged",
                    entry.path,
                    f"{entry.origin or 'it'} brings it with {rights}\n"
                    "name it and the reason under [[privileged]], or remove it",
                )
            )
    findings += [
        Finding(
            "privileged-unused",
            one.path,
            "the definition declares it, but no privileged file matches",
            Severity.WARNING,
        )
        for one in declared
        if not one.optional and not any(_rights(entry) for entry in tree.matching(one.path))
    ]
    return tuple(findings)


def _rights(entry: Entry) -> str:
    rights = []
    if entry.kind is Kind.FILE and entry.mode & SET_ID:
        rights.append(f"mode {entry.mode:04o}")
    if any(name == "security.capability" for name, _ in entry.xattrs):
        rights.append("file capabilities")
    return " and ".join(rights)
