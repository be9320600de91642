"""What a word is made of: literal text, quotes and expansions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sysextlib.ebuild import scan
from sysextlib.ebuild.ansi_c import decode_ansi_c
from sysextlib.ebuild.braces import expand_braces
from sysextlib.ebuild.failure import ScriptSyntaxError, UnsupportedError

if TYPE_CHECKING:
    from sysextlib.ebuild.nodes import Block, Word


@dataclass(frozen=True, slots=True)
class Literal:
    """Unquoted text: glob characters in it are special."""

    text: str


@dataclass(frozen=True, slots=True)
class Quoted:
    """Text whose characters all stand for themselves."""

    text: str


@dataclass(frozen=True, slots=True)
class Double:
    """What stands between double quotes."""

    parts: tuple[Part, ...]


class Substitution:
    """``$(...)``; parsed on first use."""

    __slots__ = ("parsed", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.parsed: Block | None = None


class Calculation:
    """``$((...))``."""

    __slots__ = ("parts", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.parts: tuple[Part, ...] = parse_parts(text, DOUBLE)


@dataclass(frozen=True, slots=True)
class Parameter:
    """``$name`` or ``${...}``.

    :param subscript: text in brackets, or "@" or "*", or None.
    :param prefix: "" or "!" (indirect, keys or names) or "#" (length).
    :param operator: what follows the name, such as ":-" or "//"; "" for none.
    :param operands: the parts of what follows the operator.
    :param raw: the same as text, for offsets of ``:``.
    :param text: how it was written. :param quoted: between double quotes, with an operator.
    """

    name: str
    subscript: str | None = None
    prefix: str = ""
    operator: str = ""
    operands: tuple[tuple[Part, ...], ...] = ()
    raw: tuple[str, ...] = ()
    text: str = ""
    quoted: bool = False


Part: TypeAlias = "Literal | Quoted | Double | Substitution | Calculation | Parameter"
Fields: TypeAlias = "tuple[tuple[Part, ...], ...]"

# How the text is read that parts are made of.
WORD: Final = "word"  # outside all quotes
DOUBLE: Final = "double"  # between double quotes
HEREDOC: Final = "here-document"  # as between double quotes, but " is plain
OPERAND: Final = "operand"  # of ${name:-operand} between double quotes

_PLAIN: Final = {
    WORD: re.compile(r"[^\\'\"$`~<>]+"),
    DOUBLE: re.compile(r"[^\\\"$`]+"),
    HEREDOC: re.compile(r"[^\\$`]+"),
    OPERAND: re.compile(r"[^\\\"$`]+"),
}
_SIMPLE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!-]")
_BRACED_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[@*#?$!-]")
_OPERATORS: Final = re.compile(r":[-=?+]|[-=?+]|##?|%%?|//|/[#%]?|\^\^?|,,?|@|:")
_USERS: Final = frozenset(
    {"root", "portage", "nobody", "daemon", "bin", "sys", "adm", "mail", "lp"}
)
_ESCAPED: Final = {DOUBLE: '$`"\\', HEREDOC: "$`\\", OPERAND: '$`"\\}'}


def word_fields(word: Word) -> Fields:
    """Return the brace alternatives of a word, each as its parts."""
    if word.fields is None:
        texts = expand_braces(word.text)
        word.fields = tuple(parse_parts(text) for text in texts)
    return word.fields


def word_parts(word: Word) -> tuple[Part, ...]:
    """Return the parts of a word in which braces are plain, as in an assignment."""
    if word.parts is None:
        word.parts = parse_parts(word.text)
    return word.parts


def parse_parts(text: str, mode: str = WORD) -> tuple[Part, ...]:
    """Read the parts of a word, or of what stands in quotes.

    :raises ScriptSyntaxError: quotes or braces do not fit together.
    """
    parts: list[Part] = []
    plain = _PLAIN[mode]
    at, size = 0, len(text)
    while at < size:
        match = plain.match(text, at)
        if match:
            parts.append(Literal(match.group()) if mode == WORD else Quoted(match.group()))
            at = match.end()
            continue
        char = text[at]
        if char == "\\":
            at = _escape(text, at, mode, parts)
        elif char == "$":
            at = _dollar(text, at, mode, parts)
        elif char == "`":
            end = scan.backtick_end(text, at)
            parts.append(Substitution(re.sub(r"\\([$`\\])", r"\1", text[at + 1 : end - 1])))
            at = end
        elif char == '"':
            end = scan.double_end(text, at)
            parts.append(Double(parse_parts(text[at + 1 : end - 1], DOUBLE)))
            at = end
        elif char == "'":
            end = scan.single_end(text, at)
            parts.append(Quoted(text[at + 1 : end - 1]))
            at = end
        elif char == "~":
            if at == 0:
                _check_tilde(text)
            parts.append(Literal("~"))
            at += 1
        else:  # < or >
            if text.startswith("(", at + 1):
                raise UnsupportedError("process substitution")
            parts.append(Literal(char))
            at += 1
    return tuple(parts)


def _check_tilde(text: str) -> None:
    """Let pass a tilde that names no user, such as that of ~amd64: bash leaves it as it is."""
    match = re.compile(r"~([A-Za-z0-9_.+-]*)").match(text)
    name = match[1] if match else ""
    if name in {"", "+", "-"} or name in _USERS:
        raise UnsupportedError("tilde expansion")


def _escape(text: str, at: int, mode: str, parts: list[Part]) -> int:
    """Take a backslash and what it quotes."""
    follows = text[at + 1 : at + 2]
    if follows == "\n":
        return at + 2
    if mode == WORD:
        parts.append(Quoted(follows or "\\"))
    elif follows and follows in _ESCAPED[mode]:
        parts.append(Quoted(follows))
    else:
        parts.append(Quoted("\\" + follows))
    return at + 2


def _dollar(text: str, at: int, mode: str, parts: list[Part]) -> int:
    """Take an expansion that begins with a dollar."""
    follows = text[at + 1 : at + 2]
    if follows == "{":
        end = scan.parameter_end(text, at)
        parts.append(parse_parameter(text[at + 2 : end - 1], quoted=mode != WORD))
        return end
    if follows == "(":
        end = scan.dollar_end(text, at, quoted=True)
        inner = text[at + 2 : end - 1]
        if text.startswith("((", at + 1) and scan.arithmetic_end(text, at + 3) == end:
            parts.append(Calculation(inner[1:-1]))
        else:
            parts.append(Substitution(inner))
        return end
    if follows == "'" and mode == WORD:
        end = scan.ansi_c_end(text, at)
        parts.append(Quoted(decode_ansi_c(text[at + 2 : end - 1])))
        return end
    if follows == '"' and mode == WORD:
        return at + 1  # a translated string, of which there is no translation
    if follows == "[":
        raise UnsupportedError("$[...] arithmetic")
    match = _SIMPLE_NAME.match(text, at + 1)
    if match is None:
        parts.append(Quoted("$") if mode != WORD else Literal("$"))
        return at + 1
    parts.append(Parameter(match.group(), text=match.group()))
    return match.end()


def parse_parameter(text: str, *, quoted: bool) -> Parameter:
    """Read what stands between the braces of ``${...}``.

    :param quoted: it stands between double quotes.
    """
    prefix = ""
    at = 0
    # ${#} and ${!} are names, and so is the # of ${#-x}
    names_count = text[:1] == "#" and text[1:2] in {"-", "?"} and len(text) > 2
    if text[:1] in {"!", "#"} and not names_count and _BRACED_NAME.match(text, 1):
        prefix, at = text[0], 1
    match = _BRACED_NAME.match(text, at)
    if match is None:
        raise UnsupportedError(f"bad substitution ${{{text[:60]}}}")
    name, at = match.group(), match.end()
    subscript = None
    if text.startswith("[", at):
        end = scan.subscript_end(text, at)
        if not end:
            raise ScriptSyntaxError(f"unterminated subscript in ${{{text[:60]}}}", 0)
        subscript, at = text[at + 1 : end - 1], end
        if not subscript:
            raise UnsupportedError(f"bad substitution ${{{text[:60]}}}")
    if at == len(text):
        return Parameter(name, subscript, prefix, text=text)
    if prefix == "!" and text[at:] in {"*", "@"}:
        return Parameter(name, None, "!", "names" + text[at:], text=text)
    operator = _OPERATORS.match(text, at)
    if operator is None or prefix == "#" or text[at:] == ":":
        raise UnsupportedError(f"bad substitution ${{{text[:60]}}}")
    rest = text[operator.end() :]
    return Parameter(
        name,
        subscript,
        prefix,
        operator.group(),
        *_operands(operator.group(), rest, quoted),
        text,
        quoted,
    )


def _operands(
    operator: str, rest: str, quoted: bool
) -> tuple[tuple[tuple[Part, ...], ...], tuple[str, ...]]:
    """Return the operands of an operator, as parts and as text."""
    if operator in {"/", "//", "/#", "/%"}:
        # An anchored pattern may be empty; a slash that begins another is its first character.
        end = _slash(rest, 0 if operator in {"/#", "/%"} else 1)
        both = (rest[:end], rest[end + 1 :])
        return tuple(parse_parts(text) for text in both), both
    if operator == ":":
        end = _colon(rest)
        texts: tuple[str, ...] = (rest[:end], rest[end + 1 :]) if end < len(rest) else (rest,)
        return tuple(parse_parts(text, DOUBLE) for text in texts), texts
    if operator == "@":
        return (), (rest,)
    if quoted and operator.lstrip(":") in {"-", "=", "?", "+"}:
        return (parse_parts(rest, OPERAND),), (rest,)
    return (parse_parts(rest),), (rest,)


def _slash(text: str, first: int) -> int:
    """Return where the pattern of ``${x/pattern/text}`` ends: at ``first`` or later."""
    at = 0
    while at < len(text):
        char = text[at]
        if char == "/" and at >= first:
            return at
        at = scan.part_end(text, at)
    return len(text)


def _colon(text: str) -> int:
    """Return where the offset of ``${x:offset:length}`` ends."""
    at, depth, questions = 0, 0, 0
    while at < len(text):
        char = text[at]
        if char == ":" and depth == 0:
            if questions == 0:
                return at
            questions -= 1
        depth += (char in "([") - (char in ")]")
        questions += char == "?"
        at = scan.part_end(text, at)
    return len(text)


def plain_text(parts: tuple[Any, ...]) -> str | None:
    """Return the text of parts that hold no expansion, or None."""
    texts = []
    for part in parts:
        if isinstance(part, Double):
            inner = plain_text(part.parts)
            if inner is None:
                return None
            texts.append(inner)
        elif isinstance(part, Literal | Quoted):
            texts.append(part.text)
        else:
            return None
    return "".join(texts)
