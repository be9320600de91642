"""What a step noticed that is no reason to stop at once: collected, acknowledged, reported."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from sysextlib.tree import InvalidTreeError, glob_regex

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Severity(StrEnum):
    """What a finding means for the build."""

    ERROR = "error"  # the build fails
    WARNING = "warning"  # the reader should act
    NOTE = "note"  # a fact for the reports
    ACKNOWLEDGED = "acknowledged"  # an error or warning that the definition says is fine


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing noticed.

    :param code: its kind, as in "unrun-phase".
    :param subject: what it is about: a path, or a package and phase ("a/b:pkg_postinst").
    :param message: one sentence; further lines are shown indented below it.
    """

    code: str
    subject: str
    message: str
    severity: Severity = Severity.ERROR

    @property
    def key(self) -> str:
        """How a definition names it to acknowledge it."""
        return f"{self.code}:{self.subject}"


def acknowledge(
    findings: Iterable[Finding], acknowledged: Mapping[str, str]
) -> tuple[Finding, ...]:
    """Return the findings, with those that ``acknowledged`` names lowered and the reason added.

    :param acknowledged: reason by ``Finding.key``, or by the code and a glob for the subject.
    """
    return tuple(
        replace(
            finding,
            severity=Severity.ACKNOWLEDGED,
            message=f"{finding.message}\nacknowledged: {reason}",
        )
        if finding.severity is not Severity.NOTE and (reason := _reason(finding, acknowledged))
        else finding
        for finding in findings
    )


def _reason(finding: Finding, acknowledged: Mapping[str, str]) -> str:
    if finding.key in acknowledged:
        return acknowledged[finding.key]
    for key, reason in acknowledged.items():
        code, _, pattern = key.partition(":")
        with contextlib.suppress(InvalidTreeError):  # of a subject that is no glob, as [z-a]
            if code == finding.code and glob_regex(pattern).fullmatch(finding.subject):
                return reason
    return ""
