"""Scripts whose interpreter is nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sysextlib.findings import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sysextlib.check.merged import Merged

PROGRAMS = ("usr/bin/", "usr/sbin/", "usr/libexec/")  # what people and units start


def check_scripts(merged: Merged) -> Iterator[Finding]:
    """Yield executable files of the tree that the kernel could not start."""
    for path, head in merged.heads.items():
        if not head.startswith(b"#!") or not merged.tree[path].mode & 0o111:
            continue
        words = head[2:].split(b"\n")[0].decode("utf-8", "replace").split()
        if not words:
            continue
        missing = _missing(merged, words)
        if missing:
            started = path.startswith(PROGRAMS) and not merged.incomplete
            severity = Severity.ERROR if started else Severity.WARNING
            message = f"its interpreter {missing} is neither in the base nor in the extension"
            yield Finding("missing-interpreter", path, message, severity)


def _missing(merged: Merged, words: list[str]) -> str:
    if not merged.exists(words[0]):
        return words[0]
    if words[0].endswith("/env"):
        rest = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
        if rest and not merged.program(rest[0]):
            return rest[0]
    return ""
