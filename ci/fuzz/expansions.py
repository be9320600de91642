"""Single expansions as ebuilds have them: operators by patterns by values, in many places."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

_VALUES: Final = (
    "", "a", "1.2.3_p4-r5", "x/y/z", "a.b.c", "a b  c", " lead", "foo-bar-1.0", "A_b-C", "a#b%c",
    "*?[x]", "a\\b", "\"q'q", "aXbXc", "--", "..", "9999", "~a", "a:b,c;d", "x=y", "$HOME", "{a,b}",
    "!a", "a&b", "1_rc2", "//", "/usr/lib/", "aaa", "a@(b",
)  # fmt: skip
_PATTERNS: Final = (
    "*", "?", "a*", "*a", "*.", "*.*", ".", "-", "_", "\\/", "x", "[0-9]", "[!0-9]*", "[0-9]*",
    "*[0-9]", "[a-z]", "[[:digit:]]", "\\*", "\\?", "'*'", '"."', "'/'", "\\.", "${p}", '"${p}"',
    "$q", "\\\\", "#", "%", "\\#", "\\%", "'#'", "[._-]", "*-*", "_p*", "-r*", "a b", "\\ ", "*\\/",
    "\\/*", "*:", "[:,;]", "\\$", "!", "&", "=", "'a'*", "*'b'", "a?b",
)  # fmt: skip
_NEW: Final = (
    "", "/", "/x", "/_", "/-", "/\\/", "/${p}", "/'q'", '/"q"', "/&", "/$q", "/ ", "/a b", "/\\}",
)  # fmt: skip
_OPERANDS: Final = (
    "", "x", "a b", "'q r'", '"q r"', "${p}", '"${p}"', "\\*", "*", "$(echo z)", "{1,2}", "'}'",
)  # fmt: skip
_SLICES: Final = (
    ":0", ":1", ": -1", ":0:1", ":1:2", ":0:-1", ": -2:1", ":9", ":0:0", ":1:-1",
)  # fmt: skip
_LISTS: Final = (
    "", "#a", "##*.", "%.*", "%%-*", "/a/b", "//./_", "/#/p_", "/%/_s", "^", "^^", ",,", ":1",
    ":1:1", ":-d", ":+d", "-d", "+d",
)  # fmt: skip
_PLACES: Final = (
    'X="{}"', "X={}", "f {}", 'f "{}"', "f a{}b", "X=a{}", 'X="a {} b"', 'f "a{}"c',
    'for i in {}; do X+="<$i>"; done', "[[ {} == x ]]; X=$?", "X=$(echo {})", 'X=$(echo "{}")',
    'case {} in a*) X=1;; "") X=0;; *) X=2;; esac', 'a=( {} ); X="${{#a[@]}}${{a[*]}}"',
    "read -r X y <<< {}", 'printf -v X "%s," {}', "read -r X <<E\n{}\nE",
)  # fmt: skip


def _expansions() -> Iterator[str]:
    for name in ("v", "l[1]", "1"):
        for operator in ("#", "##", "%", "%%"):
            yield from (f"${{{name}{operator}{pattern}}}" for pattern in _PATTERNS)
        for operator in ("/", "//", "/#", "/%"):
            for pattern in _PATTERNS:
                yield from (f"${{{name}{operator}{pattern}{new}}}" for new in _NEW)
        for operator in ("^", "^^", ",", ",,"):
            for pattern in ("", "a", "[a-z]", "?", "x"):
                yield f"${{{name}{operator}{pattern}}}"
        for operator in (":-", "-", ":+", "+"):
            yield from (f"${{{name}{operator}{operand}}}" for operand in _OPERANDS)
        yield from (f"${{{name}{part}}}" for part in _SLICES)
        yield f"${{#{name}}}"
    for name in ("l[@]", "l[*]", "@", "*"):
        yield from (f"${{{name}{operator}}}" for operator in _LISTS)


class Expansions:
    """Makes scripts of one expansion, from one source of chance."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.known = tuple(_expansions())

    def script(self) -> str:
        """Return a script that sets X."""
        value = shlex.quote(self.chance.choice(_VALUES))
        pattern = shlex.quote(self.chance.choice(("a", ".", "*", "-", "[0-9]", "b c")))
        head = f"v={value}; p={pattern}; q=x; l=( a.b {value} 'c d' ); set -- {value} b.c"
        call = 'f() { X="$#"; for i; do X+="<$i>"; done; }'
        place = self.chance.choice(_PLACES).format(self.chance.choice(self.known))
        return f"{head}\n{call}\n{place}\n:\n"
