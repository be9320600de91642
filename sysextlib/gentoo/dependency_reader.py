"""From parsed items to trees: which words and groups each value and its EAPI allow (PMS 8.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NoReturn, TypeAlias

from sysextlib.errors import ValueSyntaxError
from sysextlib.gentoo.atom import Atom
from sysextlib.gentoo.dependency import (
    AllOf,
    AnyOf,
    AtMostOneOf,
    ExactlyOneOf,
    Leaf,
    Node,
    Uri,
    UseConditional,
)
from sysextlib.gentoo.dependency_parser import Group, Item, Renamed, Word, error_at, parse_items
from sysextlib.gentoo.eapi import EapiFeatures, features
from sysextlib.gentoo.use import is_flag

_Operator: TypeAlias = "type[AnyOf | ExactlyOneOf | AtMostOneOf]"

_OPERATORS: Final[dict[str, _Operator]] = {
    "||": AnyOf,
    "^^": ExactlyOneOf,
    "??": AtMostOneOf,
}
_ALLOWED: Final = {
    "DEPEND": {"||"},
    "LICENSE": {"||"},
    "REQUIRED_USE": {"||", "^^", "??"},
    "SRC_URI": set[str](),
    "RESTRICT": set[str](),
    "PROPERTIES": set[str](),
}
_LICENSE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9+_.-]*")  # PMS 3.1.7
_LIFTS: Final = ("fetch", "mirror")


def read_tree(kind: str, text: str, eapi: str) -> AllOf:
    """Read a value.

    :param kind: DEPEND (which stands for its kin), REQUIRED_USE, LICENSE, SRC_URI, RESTRICT or
        PROPERTIES.
    :raises ValueSyntaxError: it breaks a rule, which the error names.
    """
    reader = _Reader(kind, text, features(eapi))
    items = parse_items(text)
    if kind == "REQUIRED_USE" and items and not reader.rules.required_use:
        reader.refuse(0, f"REQUIRED_USE begins with EAPI 4, and this is EAPI {eapi}")
    return AllOf(reader.nodes(items))


@dataclass(frozen=True, slots=True)
class _Reader:
    kind: str
    text: str
    rules: EapiFeatures

    def refuse(self, at: int, brief: str, *, shift: int = 0, hint: str = "") -> NoReturn:
        raise error_at(self.text, at, brief, shift=shift, hint=hint)

    def nodes(self, items: tuple[Item, ...]) -> tuple[Node, ...]:
        return tuple(
            self._group(item) if isinstance(item, Group) else self._leaf(item) for item in items
        )

    def _group(self, group: Group) -> Node:
        if not group.items and self.kind != "REQUIRED_USE":
            # PMS allows it, but Portage takes it for a mistake and refuses the ebuild.
            self.refuse(group.at, "an empty group, which Portage refuses")
        children = self.nodes(group.items)
        operator = group.operator
        if operator is None:
            return AllOf(children)
        if operator.type == "CONDITION":
            negated = operator.text[0] == "!"
            flag = operator.text[negated:-1]
            if not is_flag(flag):
                self.refuse(operator.at, f"{operator.text[:80]!r} names no USE flag")
            return UseConditional(flag, negated, children)
        if operator.text not in _ALLOWED[self.kind]:
            self.refuse(operator.at, f"{operator.text} groups are not for {self.kind}")
        if operator.text == "??" and not self.rules.at_most_one_of:
            self.refuse(
                operator.at, f"?? groups begin with EAPI 5, and this is EAPI {self.rules.eapi}"
            )
        return _OPERATORS[operator.text](children)

    def _leaf(self, item: Word | Renamed) -> Leaf:
        if isinstance(item, Renamed):
            return self._renamed(item)
        match self.kind:
            case "DEPEND":
                return self._atom(item)
            case "SRC_URI":
                return self._uri(item, "")
            case "REQUIRED_USE":
                good = is_flag(item.text.removeprefix("!"))
                what = "no USE flag, with or without ! before it"
            case "LICENSE":
                good = _LICENSE.fullmatch(item.text) is not None
                what = "no name of a licence"
            case _:
                good = not re.search(r"[()|^?]", item.text)
                what = "no plain word"
        if not good:
            self._refuse_word(item, f"{item.text[:80]!r} is {what}")
        return item.text

    def _atom(self, word: Word) -> Atom:
        try:
            return Atom.parse(word.text, self.rules.eapi)
        except ValueSyntaxError as error:
            self._refuse_word(word, error.brief, error.column or 0, error.hint)

    def _refuse_word(self, word: Word, brief: str, column: int = 0, hint: str = "") -> NoReturn:
        """Refuse a word; when it only lacks white space around a token, say that instead."""
        glued = re.match(r"\(|\)|\|\||\^\^|\?\?", word.text) or re.search(
            r"(?:\(|(?<!\([+-])\)|\|\||\^\^|\?\?)\Z", word.text
        )
        if glued:
            brief = f"white space must separate {glued[0]!r} from {word.text[:80]!r}"
            self.refuse(word.at, brief, shift=glued.start())
        self.refuse(word.at, brief, shift=column, hint=hint)

    def _renamed(self, item: Renamed) -> Uri:
        if self.kind != "SRC_URI":
            self.refuse(item.uri.at, "'->' is for SRC_URI only")
        if not self.rules.uri_renames:
            self.refuse(item.uri.at, f"'->' begins with EAPI 2, and this is EAPI {self.rules.eapi}")
        if "/" in item.name.text:
            self.refuse(item.name.at, f"{item.name.text[:80]!r} is no file name: it has a slash")
        return self._uri(item.uri, item.name.text)

    def _uri(self, word: Word, name: str) -> Uri:
        lifts, plus, address = word.text.partition("+")
        if not plus or lifts not in _LIFTS:
            lifts, address = "", word.text
        elif not self.rules.uri_restrictions:
            since = f"begins with EAPI 8, and this is EAPI {self.rules.eapi}"
            self.refuse(word.at, f"{lifts}+ before a URI {since}")
        last = address.rpartition("/")[2]
        if not last and not name:
            self.refuse(word.at, f"{word.text[:80]!r} names no file", hint="write URI -> NAME")
        return Uri(address, name or last, bool(name), lifts)
