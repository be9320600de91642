"""The syntax tree of a script: commands made of words.

Words keep their text; what stands in them is read when they are first expanded. Function bodies
keep theirs until the function is first called, so that a file costs only what it executes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from sysextlib.ebuild.parts import Fields, Part


class Token:
    """A token as lark wants it, but cheaper to make than lark's own.

    :ivar line: of the file, from 1. :ivar at: offset in the text that was parsed.
    """

    __slots__ = ("at", "line", "text", "type")

    # Read by lark when it makes up the token that ends the text.
    column = end_line = end_column = start_pos = end_pos = None

    def __init__(self, kind: str, text: str, line: int, at: int) -> None:
        self.type = kind
        self.text = text
        self.line = line
        self.at = at


class Word(Token):
    """A word of a command, as written.

    :ivar fields: its brace alternatives as parts, :ivar parts: the same without brace expansion;
        both are read on first use.
    :ivar extended: it has an extended glob such as @(a|b), which is an error where those are off.
    """

    __slots__ = ("extended", "fields", "parts", "plain")

    fields: Fields | None
    parts: tuple[Part, ...] | None

    def __init__(self, text: str, line: int, at: int, *, plain: bool = False) -> None:
        super().__init__("WORD", text, line, at)
        self.fields = None
        self.parts = None
        self.extended = False
        self.plain = plain  # nothing in it is special: it stands for itself


class Assign(Token):
    """``name=value``, ``name+=value``, ``name[subscript]=value`` or ``name=(...)``."""

    __slots__ = ("append", "array", "name", "subscript", "value")

    def __init__(self, text: str, line: int, at: int) -> None:
        super().__init__("ASSIGN", text, line, at)
        self.name = ""
        self.subscript: Word | None = None
        self.append = False
        self.value: Word | None = None
        self.array: tuple[tuple[Word | None, Word, bool], ...] | None = None
        """(subscript, value, whether += was written) of each element"""


class Redirect(Token):
    """A redirection; ``body`` is the here-document's text, which comes after its line."""

    __slots__ = ("body", "fd", "literal", "operator", "target")

    def __init__(self, operator: str, fd: str, target: Word, line: int, at: int) -> None:
        super().__init__("REDIRECT", operator, line, at)
        self.operator = operator
        self.fd = fd
        self.target = target
        self.body = ""
        self.literal = False


class Function(Token):
    """A function definition; ``body`` is the text between its braces, or in its parentheses."""

    __slots__ = ("body", "body_line", "name", "parsed", "subshell")

    def __init__(self, name: str, body: str, line: int, at: int) -> None:
        super().__init__("FUNCTION", name, line, at)
        self.name = name
        self.body = body
        self.body_line = line
        self.subshell = False
        self.parsed: Block | None = None


class Arithmetic(Token):
    """``((...))``; the text between the parentheses."""

    __slots__ = ("word",)

    def __init__(self, text: str, line: int, at: int) -> None:
        super().__init__("ARITH", text, line, at)
        self.word: Any = None  # what to expand before it is parsed; read on first use


@dataclass(frozen=True, slots=True)
class Simple:
    """Assignments, the command with its arguments, and redirections.

    :param words: assignments among them are arguments of local, declare and their kin.
    """

    assigns: tuple[Assign, ...]
    words: tuple[Word | Assign, ...]
    redirects: tuple[Redirect, ...]
    line: int


@dataclass(frozen=True, slots=True)
class AndOr:
    """Commands joined by && and ||, each with the operator before it ("" for the first)."""

    commands: tuple[tuple[str, Command], ...]


@dataclass(frozen=True, slots=True)
class Not:
    """``! command``."""

    command: Command


@dataclass(frozen=True, slots=True)
class Pipe:
    """Commands joined by bars."""

    commands: tuple[Command, ...]
    line: int


@dataclass(frozen=True, slots=True)
class If:
    """Conditions with the block each leads to, and the last block."""

    branches: tuple[tuple[Block, Block], ...]
    otherwise: Block


@dataclass(frozen=True, slots=True)
class For:
    """``for name in words``; words is None for the positional parameters."""

    name: str
    words: tuple[Word, ...] | None
    body: Block
    line: int


@dataclass(frozen=True, slots=True)
class ForArithmetic:
    """``for ((first; condition; step))``."""

    header: Arithmetic
    body: Block


@dataclass(frozen=True, slots=True)
class While:
    """``while`` or ``until``."""

    condition: Block
    body: Block
    until: bool
    line: int


@dataclass(frozen=True, slots=True)
class Arm:
    """One arm of a case; ``end`` is ;; or ;& or ;;&."""

    patterns: tuple[Word, ...]
    body: Block
    end: str


@dataclass(frozen=True, slots=True)
class Case:
    """``case word in arms esac``."""

    word: Word
    arms: tuple[Arm, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """``{ ...; }``."""

    body: Block


@dataclass(frozen=True, slots=True)
class Subshell:
    """``( ... )``."""

    body: Block


@dataclass(frozen=True, slots=True)
class Condition:
    """``[[ ... ]]``: nested tuples whose first item is the operator."""

    test: Test
    line: int


@dataclass(frozen=True, slots=True)
class Redirected:
    """A compound command with redirections."""

    command: Command
    redirects: tuple[Redirect, ...]


@dataclass(frozen=True, slots=True)
class Extended:
    """A command with an extended glob at ``line``, which bash reads only while those are on."""

    command: Command
    line: int


@dataclass(frozen=True, slots=True)
class Background:
    """``command &``."""

    command: Command
    line: int


Test: TypeAlias = "tuple[Any, ...]"
Command: TypeAlias = (
    "Simple | AndOr | Not | Pipe | If | For | ForArithmetic | While | Case | Group | Subshell"
    " | Condition | Redirected | Background | Extended | Function | Arithmetic"
)
Block: TypeAlias = "tuple[Command, ...]"
