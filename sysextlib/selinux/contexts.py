"""Which rule of the file contexts a path falls under, as selabel_lookup(3) says it.

libselinux keeps rules in a tree of at most three literal path components. A path is looked up from
its deepest node on upwards; a literal rule of the deepest node wins, else the latest rule of all
whose regular expression matches. Source: libselinux/src/label_file.[ch], 3.8.1 to 3.11.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sysextlib.selinux.regex import compile_regex, required_prefix
from sysextlib.selinux.rules import NO_LABEL, Rule, literal

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Sequence

    from sysextlib.tree import Kind

MOST_STEMS = 3


@dataclass(slots=True)
class _Regex:
    """A rule by its regular expression, which is compiled when a path needs it.

    :param prefix: text that every path begins with that it matches.
    """

    prefix: str
    rule: Rule
    compiled: re.Pattern[bytes] | None = None

    def matches(self, path: bytes) -> bool:
        if self.compiled is None:
            self.compiled = _compiled(self.rule.regex, self.rule.place)
        return self.compiled.search(path) is not None


@dataclass(slots=True)
class _Node:
    """The rules below some literal components; of the regular ones the latest comes first."""

    children: dict[str, _Node] = field(default_factory=dict)
    literals: dict[str, list[Rule]] = field(default_factory=dict)
    regexes: list[_Regex] = field(default_factory=list)


class FileContexts:
    """The rules of a policy, ready to look paths up."""

    def __init__(
        self, rules: Iterable[Rule], substitutions: Sequence[Sequence[tuple[str, str]]] = ()
    ) -> None:
        """Take rules in any order; those with a higher ``order`` win.

        :param substitutions: lists of path prefixes, applied one list after the other; in each
            the first fitting pair is used: local ones, then the distribution's.
        """
        self._root = _Node()
        self._substitutions = tuple(tuple(pairs) for pairs in substitutions)
        self.rules = tuple(sorted(rules, key=lambda rule: rule.order, reverse=True))
        for rule in self.rules:
            self._insert(rule)
        self._near = functools.lru_cache(maxsize=4096)(self._candidates)
        self._deepest = functools.lru_cache(maxsize=4096)(self._chain)

    def lookup(self, path: str, kind: Kind | None) -> Rule | None:
        """Return the rule for an absolute path, or None when it shall bear no label.

        :param kind: None where it is not known: every rule may apply.
        """
        for pairs in self._substitutions:
            path = _substituted(path, pairs)
        folder, _, _ = path.rpartition("/")
        chain = self._deepest(folder)
        for rule in chain[-1].literals.get(path, ()):
            if kind is None or rule.kind is None or rule.kind == kind:
                return None if rule.context == NO_LABEL else rule
        best: Rule | None = None
        key = path.encode()
        for candidates in self._near(folder, kind):
            for here, candidate in candidates:
                rule = candidate.rule
                if best is not None and rule.order < best.order:
                    break
                if (here or path.startswith(candidate.prefix)) and candidate.matches(key):
                    if rule.context == NO_LABEL:
                        return None
                    best = rule
                    break
        return best

    def _insert(self, rule: Rule) -> None:
        path = literal(rule.regex)
        if path is None:
            node = self._node_of_regex(rule.regex)
            node.regexes.append(_Regex(required_prefix(rule.regex), rule))
            return
        stems = [part for part in path.split("/")[1:-1] if part] if path.startswith("/") else []
        rules = self._node(stems[:MOST_STEMS]).literals.setdefault(path, [])
        rules.append(rule)
        # of one file, one for a kind before one for all
        rules.sort(key=lambda one: (-one.order[0], one.kind is None, -one.order[1]))

    def _node_of_regex(self, regex: str) -> _Node:
        stems: list[str] = []
        at = 0
        while len(stems) < MOST_STEMS:
            end = regex.find("/", at + 1)
            if end < 0:
                break
            stem = literal(regex[at + 1 : end])
            if stem is None:
                break
            if stem:
                stems.append(stem)
            at = end
        return self._node(stems)

    def _node(self, stems: Iterable[str]) -> _Node:
        node = self._root
        for stem in stems:
            node = node.children.setdefault(stem, _Node())
        return node

    def _chain(self, folder: str) -> tuple[_Node, ...]:
        """Return the nodes on the way to a folder, the root first."""
        chain = [self._root]
        for part in folder.split("/")[1:]:
            child = chain[-1].children.get(part)
            if child is None:
                break
            chain.append(child)
        return tuple(chain)

    def _candidates(
        self, folder: str, kind: Kind | None
    ) -> tuple[tuple[tuple[bool, _Regex], ...], ...]:
        """Return what can match in a folder, by node, the deepest first.

        With each stands whether every path in the folder begins as it wants.
        """
        start = folder + "/"
        return tuple(
            tuple(
                (start.startswith(one.prefix), one)
                for one in node.regexes
                if (kind is None or one.rule.kind is None or one.rule.kind == kind)
                and (start.startswith(one.prefix) or one.prefix.startswith(start))
            )
            for node in reversed(self._deepest(folder))
        )


def _substituted(path: str, pairs: Sequence[tuple[str, str]]) -> str:
    for old, new in pairs:
        if path.startswith(old):
            rest = path[len(old) :]
            if rest.startswith("/") or not rest:
                return new + (rest[1:] if rest and new == "/" else rest)
    return path


@functools.lru_cache(maxsize=16384)
def _compiled(text: str, source: str) -> re.Pattern[bytes]:
    return compile_regex(text, source)
