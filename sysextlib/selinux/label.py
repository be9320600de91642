"""Label: every entry of a tree gets the context that the policy has for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from sysextlib.errors import LabelError
from sysextlib.findings import Finding, Severity
from sysextlib.selinux.rules import NO_LABEL
from sysextlib.tree import Tree

if TYPE_CHECKING:
    from sysextlib.selinux.policy import Policy
    from sysextlib.selinux.rules import Rule
    from sysextlib.tree import Entry

XATTR = "security.selinux"
MOST_SHOWN = 10


class Bearer(Protocol):
    """What may bear a label: an entry of a tree or of an image."""

    @property
    def xattrs(self) -> tuple[tuple[str, bytes], ...]:
        """Name and value."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A tree whose entries bear labels, and what was noticed."""

    tree: Tree
    findings: tuple[Finding, ...] = ()


def label(tree: Tree, policy: Policy) -> Labelled:
    """Return the tree with the policy's label on every entry, whatever label it bore before.

    An entry that the policy has ``<<none>>`` or nothing for bears none. Paths that are one inode
    get the label of the first of them, as setfiles(8) does it. The value ends with a NUL, as
    libselinux stores it.

    :raises LabelError: a label is of a type or role that the policy does not know; also for a
        rule of our own that matches nothing.
    """
    _check_own(policy)
    findings = []
    unknown: dict[str, str] = {}
    inodes: dict[str, Rule | None] = {}
    used: set[Rule] = set()
    entries = []
    for entry in tree:
        rule = policy.contexts.lookup(f"/{entry.path}", entry.kind)
        if rule is not None:
            used.add(rule)
            fault = policy.unknown(rule)
            if fault:
                unknown[f"/{entry.path}"] = f"{fault}, wanted by {rule.place}"
        if entry.hardlink:
            first = inodes.setdefault(entry.hardlink, rule)
            if _context(first) != _context(rule):
                message = f"is one file with a path of {_context(first)}, and is wanted as "
                findings.append(
                    Finding(
                        "label-of-hard-link",
                        entry.path,
                        f"{message}{_context(rule)}; the former is used",
                        Severity.WARNING,
                    )
                )
            rule = first
        if rule is None:
            message = "the policy has no label for it, so it is unlabeled_t to those who ask"
            findings.append(Finding("no-label", entry.path, message, Severity.WARNING))
        entries.append(_labelled(entry, rule))
    if unknown:
        raise _unknown_error(unknown)
    findings += _unused(policy, used)
    return Labelled(Tree(entries), tuple(findings))


def label_of(entry: Bearer) -> str | None:
    """Return the context that an entry bears, or None."""
    value = dict(entry.xattrs).get(XATTR)
    return None if value is None else value.removesuffix(b"\0").decode("ascii", "backslashreplace")


def without_labels(tree: Tree) -> Tree:
    """Return the tree with no labels: those of packages come from where they were built."""
    return Tree(_labelled(entry, None) for entry in tree)


def _labelled(entry: Entry, rule: Rule | None) -> Entry:
    others = [pair for pair in entry.xattrs if pair[0] != XATTR]
    if rule is not None:
        others.append((XATTR, rule.context.encode() + b"\0"))
    xattrs = tuple(sorted(others))
    return entry if xattrs == entry.xattrs else replace(entry, xattrs=xattrs)


def _context(rule: Rule | None) -> str:
    return rule.context if rule else NO_LABEL


def _own(policy: Policy) -> list[Rule]:
    return [rule for rule in policy.rules if rule.source.startswith("selinux/")]


def _check_own(policy: Policy) -> None:
    unknown = {}
    for rule in _own(policy):
        fault = policy.unknown(rule) if rule.context != NO_LABEL else ""
        if fault:
            unknown[rule.regex] = f"{fault}, wanted by {rule.place}"
    if unknown:
        raise _unknown_error(unknown)


def _unused(policy: Policy, used: set[Rule]) -> list[Finding]:
    message = "no path of the extension gets its label from it"
    return [
        Finding("unused-label", f"{rule.source}:{rule.regex}", message, Severity.WARNING)
        for rule in _own(policy)
        if rule not in used and rule.context != NO_LABEL
    ]


def _unknown_error(unknown: dict[str, str]) -> LabelError:
    facts: dict[str, object] = dict(list(unknown.items())[:MOST_SHOWN])
    if len(unknown) > MOST_SHOWN:
        facts["and"] = f"{len(unknown) - MOST_SHOWN} more paths"
    path, why = next(iter(unknown.items()))
    return LabelError(
        f"the base's SELinux policy does not know {why.partition(',')[0]}, the label of {path}",
        facts,
        hint="correct selinux/, or build on a base whose policy has the module that defines it",
    )
