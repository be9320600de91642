"""Ebuilds and eclasses with damage done to them: what is left of them must mean the same to us."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ci.fuzz.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

_SWAPS: Final = (
    (":-", ":+"), (":-", "-"), (":=", ":-"), ("%%", "%"), ("##", "#"), ("%", "#"), ("//", "/"),
    ("/%", "/#"), ("^^", ","), ("[@]", "[*]"), ("[*]", "[@]"), ('"', "'"), ("'", '"'), ('"', ""),
    ("==", "!="), ("==", "=~"), ("=~", "=="), ("&&", "||"), ("||", "&&"), ("+=", "="), ("=", "+="),
    ("-z", "-n"), ("-n", "-z"), ("${", "$"), ("{", ""), ("}", ""), ("(", ""), (")", ""), (";;",
    ";&"),
    ("local ", ""), ("local ", "declare -g "), ("declare", "local"), ("return", "break"), (" ", ""),
    ("\n", " "), ("\n", ";"), ("1", "2"), ("0", "-1"), ("-", "_"), ("*", "?"), (".", "*"), ("!",
    ""),
    ("if ", "while "), ("for ", "if "), ("echo", "printf"), ("$(", "${"), ("((", "("), ("\\", ""),
    ("]]", "]"), ("[[", "["), ("ver_cut ", "ver_rs "), ("inherit ", "inherit toolchain-funcs "),
    ("case ", "for x in "), ("@", "#"), ("$", "\\$"), ("\t", "\n"), ("KEYWORDS", "IUSE"), ("#", ""),
)  # fmt: skip
_SPRINKLE: Final = tuple("\"'`$(){}[]<>|&;#\\!*?~=+-/%:,@^\n\t é\x01")
_KEYS: Final = ("IUSE", "RDEPEND", "DEPEND", "KEYWORDS", "SLOT", "SRC_URI", "RESTRICT", "HOMEPAGE")


class Mutants:
    """Damages texts, by one source of chance.

    :param pool: texts from which lines are taken.
    """

    def __init__(self, chance: Random, pool: Sequence[str]) -> None:
        self.chance = chance
        self.pool = pool
        self.scripts = Scripts(chance)

    def damage(self, text: str) -> str:
        """Return a text with one to three faults, its first lines untouched: the EAPI is there."""
        head, text = self._split(text)
        for _ in range(self.chance.choice((1, 1, 1, 2, 3))):
            text = self._once(text)
        return head + text

    def _split(self, text: str) -> tuple[str, str]:
        match = re.search(r"^EAPI=.*\n", text, re.MULTILINE)
        at = match.end() if match else 0
        return text[:at], text[at:]

    def _once(self, text: str) -> str:
        chance = self.chance
        kind = chance.randrange(12)
        lines = text.splitlines(keepends=True) or ["\n"]
        at = chance.randrange(len(lines))
        if kind <= 4:
            old, new = chance.choice(_SWAPS)
            places = [match.start() for match in re.finditer(re.escape(old), text)]
            if not places:
                return text
            place = chance.choice(places)
            return text[:place] + new + text[place + len(old) :]
        if kind == 5:
            place = chance.randrange(len(text) + 1)
            return text[:place] + chance.choice(_SPRINKLE) + text[place + chance.randrange(4) :]
        if kind == 6:
            del lines[at]
        elif kind == 7:
            lines.insert(chance.randrange(len(lines) + 1), lines[at])
        elif kind == 8:
            other = chance.choice(self.pool).splitlines(keepends=True) or ["\n"]
            first = chance.randrange(len(other))
            lines[at:at] = other[first : first + chance.choice((1, 1, 3, 8))]
        elif kind == 9:
            lines.insert(at, self.scripts.statement() + "\n")
        elif kind == 10:
            key = chance.choice(_KEYS)
            lines.append(f'{key}+=" {self.scripts.piece()}"\n')
        else:
            lines.insert(at, f"{chance.choice(_KEYS)}={self.scripts.word()}\n")
        return "".join(lines)
