"""Dependency-style values as trees: read, evaluated under USE flags, printed (PMS 8.2).

lark is loaded when the first text is parsed that is not empty.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from sysextlib.errors import ValueSyntaxError
from sysextlib.gentoo.atom import Atom
from sysextlib.gentoo.eapi import features

if TYPE_CHECKING:
    from collections.abc import Iterator

_CACHED_LENGTH: Final = 1 << 14
"""Longer texts are parsed anew each time, so that no input fills the memory."""


@dataclass(frozen=True, slots=True)
class Uri:
    """An address of SRC_URI.

    :param name: what the file is called once fetched.
    :param renamed: ``name`` is not that of the address but given after an arrow.
    :param lifts: "fetch" or "mirror" when a RESTRICT of that name does not hold for it.
    """

    address: str
    name: str
    renamed: bool = False
    lifts: str = ""

    def __str__(self) -> str:
        lifts = f"{self.lifts}+" if self.lifts else ""
        return f"{lifts}{self.address}" + (f" -> {self.name}" if self.renamed else "")


Leaf: TypeAlias = "Atom | Uri | str"
"""An atom; a URI; or the word itself: a licence, a token, a flag that may have ! before it."""

Node: TypeAlias = "AllOf | AnyOf | ExactlyOneOf | AtMostOneOf | UseConditional | Leaf"


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every child must hold. The root of each value is one."""

    children: tuple[Node, ...] = ()

    def __str__(self) -> str:
        """Return the children's text; within another node the parentheses are added there."""
        return _joined(self.children)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one child must hold."""

    children: tuple[Node, ...] = ()

    def __str__(self) -> str:
        return _group("|| ", self.children)


@dataclass(frozen=True, slots=True)
class ExactlyOneOf:
    """One child must hold, and only one. For REQUIRED_USE."""

    children: tuple[Node, ...] = ()

    def __str__(self) -> str:
        return _group("^^ ", self.children)


@dataclass(frozen=True, slots=True)
class AtMostOneOf:
    """No two children may hold. For REQUIRED_USE."""

    children: tuple[Node, ...] = ()

    def __str__(self) -> str:
        return _group("?? ", self.children)


@dataclass(frozen=True, slots=True)
class UseConditional:
    """The children count only while the flag is on, or off when negated."""

    flag: str
    negated: bool
    children: tuple[Node, ...] = ()

    def is_active(self, use: frozenset[str]) -> bool:
        """Return whether the children count."""
        return (self.flag in use) != self.negated

    def __str__(self) -> str:
        return _group(f"{'!' if self.negated else ''}{self.flag}? ", self.children)


def parse_depend(text: str, eapi: str = "8", source: str = "") -> AllOf:
    """Read DEPEND, RDEPEND, PDEPEND, BDEPEND or IDEPEND; the leaves are atoms.

    :param source: where the text was read, for errors.
    :raises ValueSyntaxError: it breaks a rule of PMS 8.2 or 8.3.
    """
    return _parse("DEPEND", text, eapi, source)


def parse_required_use(text: str, eapi: str = "8", source: str = "") -> AllOf:
    """Read REQUIRED_USE; the leaves are flags, with ! before those that must be off."""
    return _parse("REQUIRED_USE", text, eapi, source)


def parse_license(text: str, eapi: str = "8", source: str = "") -> AllOf:
    """Read LICENSE; the leaves are licence names."""
    return _parse("LICENSE", text, eapi, source)


def parse_src_uri(text: str, eapi: str = "8", source: str = "") -> AllOf:
    """Read SRC_URI; the leaves are Uri."""
    return _parse("SRC_URI", text, eapi, source)


def parse_restrict(text: str, eapi: str = "8", source: str = "") -> AllOf:
    """Read RESTRICT; the leaves are its tokens."""
    return _parse("RESTRICT", text, eapi, source)


def parse_properties(text: str, eapi: str = "8", source: str = "") -> AllOf:
    """Read PROPERTIES; the leaves are its tokens."""
    return _parse("PROPERTIES", text, eapi, source)


def leaves(node: Node) -> Iterator[Leaf]:
    """Yield the leaves in order, whatever conditions they stand under."""
    if isinstance(node, Atom | Uri | str):
        yield node
        return
    for child in node.children:
        yield from leaves(child)


def flags(node: Node) -> frozenset[str]:
    """Return the flags that decide what the value means, those of USE dependencies included."""
    if isinstance(node, Atom):
        return frozenset(dep.flag for dep in node.use if dep.is_conditional)
    if isinstance(node, Uri | str):
        return frozenset()
    own = {node.flag} if isinstance(node, UseConditional) else set()
    return frozenset(own.union(*map(flags, node.children)))


def evaluate(node: Node, use: frozenset[str], eapi: str = "8") -> AllOf:
    """Return the value as it is under these flags, in Portage's normal form.

    Conditionals are gone, those in atoms too. Groups that say nothing are gone as well: all-of
    within all-of, any-of within any-of, and around a single item. An any-of group that became
    empty stays as ``AnyOf(())``, which nothing satisfies, but vanishes before EAPI 7.
    """
    return AllOf(tuple(_all(node, use, features(eapi).empty_groups_hold)))


def _all(node: Node, use: frozenset[str], empty_holds: bool) -> list[Node]:
    """Return what must hold for ``node`` to hold: nothing that is itself an AllOf."""
    match node:
        case Atom():
            return [node.evaluated(use)]
        case Uri() | str():
            return [node]
        case UseConditional() if not node.is_active(use):
            return []
        case AllOf() | UseConditional():
            return [item for child in node.children for item in _all(child, use, empty_holds)]
        case AnyOf():
            return _any(node, use, empty_holds)
        case ExactlyOneOf() | AtMostOneOf():
            each = (_all(child, use, empty_holds) for child in node.children)
            return [type(node)(tuple(_single(items) for items in each if items))]


def _any(node: AnyOf, use: frozenset[str], empty_holds: bool) -> list[Node]:
    """Return what is left of an any-of group: itself, the only alternative, or nothing."""
    alternatives: list[Node] = []
    for child in node.children:
        items = _all(child, use, empty_holds)
        if len(items) == 1 and isinstance(items[0], AnyOf) and items[0].children:
            alternatives += items[0].children
        elif items:
            alternatives.append(_single(items))
    if len(alternatives) == 1:
        only = alternatives[0]
        return list(only.children) if isinstance(only, AllOf) else [only]
    return [] if not alternatives and empty_holds else [AnyOf(tuple(alternatives))]


def _single(items: list[Node]) -> Node:
    return items[0] if len(items) == 1 else AllOf(tuple(items))


def _joined(children: tuple[Node, ...]) -> str:
    return " ".join(_group("", c.children) if isinstance(c, AllOf) else str(c) for c in children)


def _group(operator: str, children: tuple[Node, ...]) -> str:
    return f"{operator}( {_joined(children)} )" if children else f"{operator}( )"


def _parse(kind: str, text: str, eapi: str, source: str) -> AllOf:
    try:
        features(eapi)
        if not text or text.isspace():
            return AllOf()
        if len(text) > _CACHED_LENGTH:
            return _read(kind, text, eapi)
        return _read_cached(kind, text, eapi)
    except ValueSyntaxError as error:
        raise ValueSyntaxError(
            f"{kind}: {error.brief}",
            text=error.text,
            column=error.column,
            source=source,
            hint=error.hint,
        ) from None


def _read(kind: str, text: str, eapi: str) -> AllOf:
    from sysextlib.gentoo.dependency_reader import read_tree  # late: it loads lark

    return read_tree(kind, text, eapi)


_read_cached = functools.lru_cache(maxsize=4096)(_read)
