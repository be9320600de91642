"""Random scripts of the constructs that the evaluator knows, with what they leave in X."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from random import Random

_TEXTS: Final = (
    "", " ", "a b", "a*b", "x/y/z", "1.2.3", "1.2.3_p4-r5", "-n", "é", "{a,b}", "~", "[x]", "a=b",
    "0", "7", "12", "-1", "a  b", " lead", "trail ", "A-B.c", "foo_bar-baz", "*", "?", "..",
    "a:b:c",
    "a,b", "@", "!", "#", "%", "^", "x.y", "aab", "abab", "AbC", "}", "{", "(", ")", "a|b", "&",
)  # fmt: skip
_SCALARS: Final = ("a", "b", "c")
_WORDS: Final = ("foo", "bar-1.2", "x_y", "a.b", "v1", "dev-libs/foo", "2", "30", "é")
_PATTERNS: Final = (
    "*", "?", "a*", "*b", "[a-c]", "[!a-c]", "*.*", ".*", "*.", "[0-9]*", "*[0-9]", "a?b", "*/*",
    "[[:digit:]]", "[[:alpha:]]*", "@(a|b)", "+([0-9])", "!(a)", "*(ab)", "?(a)b", "/", ".", "-",
    "_",
    "[._-]", "\\*", "x", "ab", "é", "[^.]", "[]x]", "*(a|*b)", "+(a|b)?", "!(*b)", "[a-", "[!]",
)  # fmt: skip
_REGEXES: Final = (
    "^a", "b$", "^[0-9]+", "([0-9]+)\\.([0-9]+)", "a|b", "(a*)b", "^(.*)-r([0-9]+)$", ".", "^$",
    "[.]", "[[:space:]]", "(a|ab)(c|bcd)?", "x{1,2}", "^([a-z]+)_?(p?)", "(.)(.)", "[^a-z]",
)  # fmt: skip


class Scripts:
    """Makes scripts from one source of chance."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.depth = 0
        self.extended = False

    def script(self) -> str:
        """Return a script that sets X last."""
        chance = self.chance
        head = [
            'declare -A m=( [k]=1 ["x y"]="2 3" )',
            *(f"{name}={self.single()}" for name in _SCALARS),
        ]
        head.append(f"l=( {self.words(3)} )")
        self.extended = chance.randrange(3) == 0
        if self.extended:
            head.append("shopt -s extglob")
        head.append("n=2")
        head.append('f() { b+=${1}; echo "<${@:2}>"; }')
        body = [self.statement() for _ in range(chance.randint(1, 6))]
        tail = [
            'printf -v X \'<%s>\' "$?" "${a-unset}" "${b-unset}" "${c-unset}" "$#" "${*}"',
            'printf -v Y \'<%s>\' l "${l[@]}" k "${!l[@]}" m "${m[@]}" "${!m[@]}"',
            'X+="${Y}"',
        ]
        return "\n".join([*head, *body, *tail]) + "\n"

    # -- words

    def single(self) -> str:
        return "'" + self.chance.choice(_TEXTS) + "'"

    def words(self, most: int) -> str:
        return " ".join(self.word() for _ in range(self.chance.randint(0, most)))

    def word(self) -> str:
        """Return one word as an argument."""
        pieces = [self.piece() for _ in range(self.chance.choice((1, 1, 1, 2, 3)))]
        return "".join(pieces)

    def piece(self) -> str:
        chance = self.chance
        kind = chance.randrange(14)
        if self.depth > 3:
            kind = min(kind, 2)
        self.depth += 1
        try:
            if kind <= 2:
                return chance.choice((self.single(), chance.choice(_WORDS), chance.choice(_WORDS)))
            if kind <= 5:
                return '"' + "".join(self.inner() for _ in range(chance.randint(0, 3))) + '"'
            if kind <= 10:
                return self.parameter()
            if kind == 11:
                return f"$(( {self.arithmetic()} ))"
            if kind == 12:
                return chance.choice(
                    (
                        "{a,b}",
                        "{1..3}",
                        "x{,y}",
                        "{a..c}",
                        "{3..1}",
                        "{01..3}",
                        "{a,{b,c}}",
                        "{a}",
                        "{,}",
                        "{1..7..3}",
                        "a{b",
                        "{b,'c d'}",
                    )
                )
            return f"$({self.command()})"
        finally:
            self.depth -= 1

    def inner(self) -> str:
        """Return a piece of what stands between double quotes."""
        chance = self.chance
        kind = chance.randrange(8)
        if kind < 2:
            return chance.choice(_WORDS)
        if kind == 2:
            return chance.choice((" ", '\\"', "\\$", "\\n", "'", "*", "\\\\", "~", "{a,b}", "\\`"))
        if kind == 3 and self.depth < 3:
            return f"$({self.command()})"
        return self.parameter()

    def name(self) -> str:
        return self.chance.choice((
            "a", "b", "c", "a", "b", "c", "l[@]", "l[*]", "l[0]", "l[1]", "l[-1]", "l", "m[k]",
            "m[@]", "m[*]", "@", "*", "1", "2", "u", "m[x y]", "m[$a]", "l[${#l[@]}-1]",
        ))  # fmt: skip

    def parameter(self) -> str:
        """Return a parameter with or without an operator."""
        chance = self.chance
        name = self.name()
        kind = chance.randrange(17)
        if self.depth > 3:
            kind = 0
        self.depth += 1
        try:
            if kind <= 2:
                return f"${{{name}}}"
            if kind <= 4:
                operator = chance.choice((":-", "-", ":+", "+", ":="))
                return f"${{{name}{operator}{self.operand()}}}"
            if kind <= 6:
                operator = chance.choice(("#", "##", "%", "%%"))
                return f"${{{name}{operator}{self.pattern()}}}"
            if kind <= 9:
                operator = chance.choice(("/", "//", "/#", "/%"))
                new = chance.choice(("", "/", "/x", "/ ", f"/{self.operand()}", "/${a}", "/&"))
                return f"${{{name}{operator}{self.pattern()}{new}}}"
            if kind == 10:
                return f"${{#{name}}}"
            if kind == 11:
                operator = chance.choice(("^", "^^", ",", ",,"))
                return f"${{{name}{operator}{chance.choice(('', '', '[a-c]', '?', 'a'))}}}"
            if kind <= 13:
                numbers = (
                    "0",
                    "1",
                    "2",
                    " -1",
                    "1:1",
                    "0:2",
                    " -2:1",
                    "1:-1",
                    "a",
                    "$b:1",
                    "1+1:2",
                )
                return f"${{{name}:{chance.choice(numbers)}}}"
            if kind == 14:
                return chance.choice(
                    ("${!l[@]}", "${!m[@]}", "${!c}", "${!a@}", "$1", "$#", "$?", "$@", "$*")
                )
            if kind == 15:
                return f"${{{name}@{chance.choice('QULua')}}}"
            return f'"${{{name}}}"' if self.depth < 2 else f"${{{name}}}"
        finally:
            self.depth -= 1

    def operand(self) -> str:
        chance = self.chance
        return chance.choice((
            "", "x", "x y", "'q r'", '"d e"', "${b}", '"${c}"', "$(echo o)", "*", "a/b", "\\ ",
            "\\}",
            "~", "{p,q}", "${l[@]}", '"${l[@]}"', "$@", '"$@"', "'}'", "\\'",
        ))  # fmt: skip

    def pattern(self) -> str:
        chance = self.chance
        kind = chance.randrange(6)
        if kind <= 3:
            text = chance.choice(_PATTERNS)
            return text if "/" not in text else text.replace("/", "\\/")
        if kind == 4:
            return chance.choice(("${a}", '"${a}"', "${b}*", "'*'", '"["', "\\?", "$1", "${c:0:1}"))
        return chance.choice(_PATTERNS) + chance.choice(("", "*", "b", "'*'"))

    def plain_pattern(self) -> str:
        """Return a pattern for case, where extended ones must be allowed."""
        while True:
            pattern = self.pattern()
            if self.extended or "(" not in pattern:
                return pattern

    def arithmetic(self) -> str:
        chance = self.chance
        one = ("1", "2", "07", "0x1f", "n", "3", "${#l[@]}", "n++", "--n", "-3", "!n", "(1+n)",
               "~1", "2#101", "(n=4)", "(n+=2)", "10", "${n:-1}", "${#a}")  # fmt: skip
        operators = ("+", "-", "*", "+", "-", "<", ">", "<=", "==", "!=", "&&", "||", "<<", ">>",
                     "&", "|", "^", ",", "? 5 :", "/ 2 +", "% 3 -", "** 2 *")  # fmt: skip
        text = chance.choice(one)
        for _ in range(chance.randint(0, 3)):
            text += f" {chance.choice(operators)} {chance.choice(one)}"
        return text

    # -- commands

    def command(self) -> str:
        """Return a command that writes something."""
        chance = self.chance
        kind = chance.randrange(8)
        if kind <= 3:
            return f"echo {chance.choice(('', '', '-n ', '-e '))}{self.words(3)}"
        if kind == 4:
            form = chance.choice(
                ("%s", "%s\\n", "[%s]", "%d ", "%02d", "%5s|", "%-4s|", "%.2s", "%b", "%%", "%x")
            )
            return f"printf '{form}' {self.words(3)}"
        if kind == 5:
            return f'a={self.word()}; echo "${{a}}"'
        if kind == 6:
            return f'f {self.words(2)}; echo "$?"'
        return f'for i in {self.words(3)}; do echo "${{i}}"; done'

    def condition(self) -> str:
        chance = self.chance
        kind = chance.randrange(11)
        left = chance.choice((self.parameter(), self.word()))
        if kind <= 2:
            operator = chance.choice(("==", "!=", "="))
            return f"[[ {left} {operator} {self.pattern()} ]]"
        if kind == 3:
            return f'[[ {left} =~ {chance.choice(_REGEXES)} ]] && l+=( "${{BASH_REMATCH[@]}}" )'
        if kind == 4:
            return (
                f"[[ -{chance.choice('nzv')} {chance.choice((left, 'a', 'l[1]', 'm[k]', 'u'))} ]]"
            )
        if kind == 5:
            return f"(( {self.arithmetic()} ))"
        if kind == 6:
            return f'[ "{self.parameter()}" {chance.choice(("=", "!=", "=="))} {self.single()} ]'
        if kind == 7:
            return f"[[ {left} {chance.choice(('<', '>', '-eq', '-gt', '-le'))} {self.word()} ]]"
        if kind == 8:
            return f"[[ ! -n {left} || {self.parameter()} == {self.word()} ]]"
        if kind == 9:
            return (
                f"{self.condition()} {chance.choice(('&&', '||'))} {self.simple()}"
                if self.depth < 3
                else "true"
            )
        return chance.choice(("true", "false", "[[ ${n} ]]", "f x", "! f"))

    def simple(self) -> str:
        """Return a simple command."""
        chance = self.chance
        name = chance.choice(_SCALARS)
        choices = (
            lambda: f"{name}={self.word()}",
            lambda: f"{name}+={self.word()}",
            lambda: f"l=( {self.words(4)} )",
            lambda: f"l+=( {self.words(2)} )",
            lambda: f"l[{chance.choice(('0', '3', '-1', 'n', '1+1'))}]={self.word()}",
            lambda: f"m[{chance.choice(('k', 'z', '$a', 'x y', '*'))}]={self.word()}",
            lambda: f"printf -v {name} '%s.' {self.words(3)}",
            lambda: f"read -r a b <<< {self.word()}",
            lambda: f"IFS={chance.choice(',:./-')} read -r a b c <<< {self.word()}",
            lambda: f"read -r -a l <<< {self.word()}",
            lambda: f"set -- {self.words(3)}",
            lambda: "shift",
            lambda: f"unset {chance.choice(('a', 'l', 'l[0]', 'm[k]', 'u', 'b c'))}",
            lambda: f"eval {self.word()}",
            lambda: f"eval \"{name}={self.parameter()}\"",
            lambda: f"declare -{chance.choice('iluaArxg')} v={self.word()}; b+=${{v}}",
            lambda: f"f {self.words(3)}",
            lambda: f": {self.words(2)}",
            lambda: f"a={self.word()} b={self.word()}",
            lambda: f"(( {self.arithmetic()} ))",
            lambda: f"let n={self.word()}",
            lambda: f"export {name}={self.word()}",
            lambda: f"n={chance.choice(('0', '1', '3', '08', 'a'))}",
            lambda: f"IFS={chance.choice((',', ':', '', '.', '$b'))}",
            lambda: "unset IFS",
            lambda: f"mapfile -t l <<< {self.word()}",
            lambda: f"c={self.word()} f {self.words(1)}",
            lambda: f"a=$({self.command()})",
        )  # fmt: skip
        return chance.choice(choices)()

    def statement(self) -> str:
        """Return a statement, perhaps with others in it."""
        chance = self.chance
        if self.depth > 2:
            return self.simple()
        self.depth += 1
        try:
            kind = chance.randrange(16)
            if kind <= 6:
                return self.simple()
            if kind <= 8:
                return (
                    f"if {self.condition()}; then\n{self.statement()}\nelse\n{self.statement()}\nfi"
                )
            if kind == 9:
                end = chance.choice(("", "", "break; ", "continue; "))
                return f"for i in {self.words(4)}; do {self.statement()}; {end}b+=${{i}}; done"
            if kind == 10:
                arms = "".join(
                    f"{self.plain_pattern()}{chance.choice(('', '|' + self.plain_pattern()))})"
                    f" {self.simple()}"
                    f" {chance.choice((';;', ';;', ';&', ';;&'))}\n"
                    for _ in range(chance.randint(1, 3))
                )
                return f"case {self.word()} in\n{arms}esac"
            if kind == 11:
                local = chance.choice(
                    ("local a", "local a=${1}", "local -a l=( $@ )", "local l", ":", "local b=x c")
                )
                end = chance.choice(("", "return 3", "return", "shift"))
                return f"f() {{\n{local}\n{self.statement()}\n{end}\nb+=$#\n}}\nf {self.words(3)}"
            if kind == 12:
                return f"{self.condition()} {chance.choice(('&&', '||'))} {self.simple()}"
            if kind == 13:
                return f"n=0; while (( n++ < 3 )); do {self.statement()}; done"
            if kind == 14:
                return f"for (( i = 0; i < 3; i++ )); do {self.simple()}; done"
            return chance.choice((
                f"{{ {self.simple()}; {self.simple()}; }}",
                f"( {self.simple()} )",
                f"cat=1; read -r a <<EOF\n{self.parameter()} x\nEOF",
                f"shopt -s extglob; {self.simple()}; shopt -u extglob",
                f"! {self.simple()}",
            ))  # fmt: skip
        finally:
            self.depth -= 1
