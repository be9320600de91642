"""Whether USE flags satisfy REQUIRED_USE, and if not, why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sysextlib.gentoo.dependency import (
    AllOf,
    AnyOf,
    AtMostOneOf,
    ExactlyOneOf,
    Node,
    UseConditional,
)
from sysextlib.gentoo.eapi import EapiFeatures, features

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule of REQUIRED_USE that the flags break.

    :param rule: the innermost rule that is broken, as text.
    :param conditions: the conditionals it stands under, outermost first (``python?``).
    :param reason: what the rule asks for, and what is there.
    """

    rule: str
    conditions: tuple[str, ...]
    reason: str

    def __str__(self) -> str:
        under = f" (because of {' '.join(self.conditions)})" if self.conditions else ""
        return f"{self.rule}: {self.reason}{under}"


def is_satisfied(node: AllOf, use: frozenset[str], eapi: str = "8") -> bool:
    """Return whether REQUIRED_USE holds while exactly the flags ``use`` are on."""
    return _holds(node, use, features(eapi)) is not False


def broken_rules(node: AllOf, use: frozenset[str], eapi: str = "8") -> tuple[Broken, ...]:
    """Return what the flags break, in the order of the text; nothing when all holds."""
    return tuple(_broken(node, use, features(eapi), ()))


def _holds(node: Node, use: frozenset[str], rules: EapiFeatures) -> bool | None:
    """Return whether a rule holds; None when it says nothing and does not count in its group.

    The latter is a conditional that is off, and an all-of group without anything that counts.
    """
    match node:
        case str():
            return (node in use) if node[0] != "!" else node[1:] not in use
        case UseConditional() if not node.is_active(use):
            return None
        case AllOf() | UseConditional():
            found = _counted(node, use, rules)
            return all(found) if found or isinstance(node, UseConditional) else None
        case AnyOf() | ExactlyOneOf() | AtMostOneOf():
            found = _counted(node, use, rules)
            if not found and rules.empty_groups_hold:
                return True
            count = sum(found)
            if isinstance(node, AnyOf):
                return count >= 1
            return count == 1 if isinstance(node, ExactlyOneOf) else count <= 1
        case _:
            raise TypeError(f"{node!r} does not occur in REQUIRED_USE")


def _counted(
    node: AllOf | AnyOf | ExactlyOneOf | AtMostOneOf | UseConditional,
    use: frozenset[str],
    rules: EapiFeatures,
) -> list[bool]:
    found = (_holds(child, use, rules) for child in node.children)
    return [value for value in found if value is not None]


def _broken(
    node: Node, use: frozenset[str], rules: EapiFeatures, conditions: tuple[str, ...]
) -> Iterator[Broken]:
    if _holds(node, use, rules) is not False:
        return
    if isinstance(node, AllOf | UseConditional):
        if isinstance(node, UseConditional):
            conditions = (*conditions, f"{'!' if node.negated else ''}{node.flag}?")
        for child in node.children:
            yield from _broken(child, use, rules, conditions)
    else:
        yield Broken(str(node), conditions, _reason(node, use, rules))


def _reason(node: Node, use: frozenset[str], rules: EapiFeatures) -> str:
    if isinstance(node, str):
        return f"{node[1:]} must be off" if node[0] == "!" else f"{node} must be on"
    assert isinstance(node, AnyOf | ExactlyOneOf | AtMostOneOf)
    holding = [str(AllOf((child,))) for child in node.children if _holds(child, use, rules)]
    wanted = {AnyOf: "at least one", ExactlyOneOf: "exactly one", AtMostOneOf: "at most one"}
    there = " and ".join(holding) if holding else "none"
    return f"{wanted[type(node)]} must hold, but {there} {'do' if len(holding) > 1 else 'does'}"
