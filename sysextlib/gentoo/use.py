"""USE flags: their syntax, the IUSE that lists them, and what an atom asks of one."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Final

from sysextlib.errors import ValueSyntaxError
from sysextlib.gentoo.eapi import features

FLAG: Final = r"[A-Za-z0-9][A-Za-z0-9+_@-]*"  # PMS 3.1.4

_FLAG = re.compile(FLAG)
_USE_DEP = re.compile(rf"([!-]?)({FLAG})(?:\(([+-])\))?([?=]?)")
_KINDS: Final = frozenset({"", "-", "?", "!?", "=", "!="})


@dataclass(frozen=True, slots=True, order=True)
class UseDep:
    """What an atom asks of one flag (PMS 8.3.4).

    :param kind: "" wants it on, "-" off; "?" on if the parent has it on, "!?" off if the parent
        has it off, "=" as the parent has it, "!=" the other way round.
    :param default: "+" or "-": how a package counts that does not know the flag; "" when such a
        package never fits.
    """

    flag: str
    kind: str = ""
    default: str = ""

    @property
    def is_conditional(self) -> bool:
        """Whether the parent's flags decide what is wanted."""
        return self.kind not in {"", "-"}

    def wanted(self, parent_use: frozenset[str]) -> bool | None:
        """Return whether the flag must be on or off, or None when it does not matter."""
        if not self.is_conditional:
            return not self.kind
        parent = self.flag in parent_use
        if self.kind == "=":
            return parent
        if self.kind == "!=":
            return not parent
        return parent if parent == (self.kind == "?") else None

    def __str__(self) -> str:
        prefix, end = ("-", "") if self.kind == "-" else (self.kind[:-1], self.kind[-1:])
        default = f"({self.default})" if self.default else ""
        return f"{prefix}{self.flag}{default}{end}"


def is_flag(text: str) -> bool:
    """Return whether ``text`` can name a USE flag."""
    return _FLAG.fullmatch(text) is not None


@functools.lru_cache(maxsize=4096)
def read_use_dep(text: str) -> UseDep | None:
    """Read what stands between the commas of a USE dependency; None when it is none."""
    match = _USE_DEP.fullmatch(text)
    if match is None:
        return None
    prefix, flag, default, end = match.groups("")
    kind = prefix + end
    return UseDep(flag, kind, default) if kind in _KINDS else None


def parse_iuse(text: str, eapi: str = "8") -> tuple[frozenset[str], frozenset[str]]:
    """Return the flags that an IUSE lists, and those of them that it turns on by default.

    A flag that is listed twice is on when any mention of it turns it on.

    :raises ValueSyntaxError: a word is no flag, or has a default in an EAPI without them.
    """
    names = set()
    on = set()
    defaults = features(eapi).iuse_defaults
    for match in re.finditer(r"\S+", text):
        word = match.group()
        flag = word[1:] if word[0] in "+-" else word
        if not is_flag(flag):
            raise ValueSyntaxError(
                f"IUSE lists {word[:80]!r}, which is no USE flag",
                text=text,
                column=match.start(),
                hint="a flag begins with a letter or digit; + _ @ - may follow too",
            )
        if flag is not word and not defaults:
            raise ValueSyntaxError(
                f"a default as in {word[:80]!r} needs EAPI 1 or newer, and this is {eapi}",
                text=text,
                column=match.start(),
            )
        names.add(flag)
        if word[0] == "+":
            on.add(flag)
    return frozenset(names), frozenset(on)
