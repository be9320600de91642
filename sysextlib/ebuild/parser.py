"""The edge to lark: the text of a script in, its commands out, or one clear error."""

from __future__ import annotations

import dataclasses
import functools
import re
from pathlib import Path
from typing import Any, Final, cast

from lark import Lark, Transformer, UnexpectedToken

from sysextlib.ebuild.failure import ScriptSyntaxError, refused
from sysextlib.ebuild.lexer import BashLexer
from sysextlib.ebuild.nodes import (
    AndOr,
    Arm,
    Assign,
    Background,
    Block,
    Case,
    Command,
    Condition,
    Extended,
    For,
    ForArithmetic,
    Function,
    Group,
    If,
    Not,
    Pipe,
    Redirect,
    Redirected,
    Simple,
    Subshell,
    Token,
    While,
    Word,
)

MAX_SIZE: Final = 4 << 20
"""Characters of the longest script read; the longest real one has a tenth of it."""
_EXTGLOB: Final = re.compile(r"[@?*+!]\(")


class _Joined:
    """A command that is followed by another on its line."""

    __slots__ = ("command",)

    def __init__(self, command: Command) -> None:
        self.command = command


class _Lines(list["Command"]):
    """Commands one after the other.

    :ivar joined: indexes of those that are followed by another on their line.
    """

    def __init__(self) -> None:
        super().__init__()
        self.joined: set[int] = set()

    def add(self, item: Command | _Joined) -> _Lines:
        """Append a command; return the list."""
        if type(item) is _Joined:
            self.joined.add(len(self))
            item = item.command
        self.append(item)  # type: ignore[arg-type]
        return self

    def units(self) -> list[Command]:
        """Return what bash reads at once, and gives up at once: commands of one line are one."""
        if not self.joined:
            return list(self)
        found: list[Command] = []
        unit: list[Command] = []
        for index, command in enumerate(self):
            unit.append(command)
            if index not in self.joined:
                found.append(unit[0] if len(unit) == 1 else Group(tuple(unit)))
                unit = []
        return [*found, *unit]


class _Commands(Transformer[Token, Any]):
    """Builds the commands while lark parses; lists are lists until their owner is complete."""

    def no_commands(self, _: list[Any]) -> list[Any]:
        return []

    def first(self, children: list[Any]) -> list[Any]:
        return [children[0]]

    def another(self, children: list[Any]) -> list[Any]:
        children[0].append(children[1])
        return cast("list[Any]", children[0])

    def lines(self, children: list[Any]) -> _Lines:
        return _Lines().add(children[0])

    def more_lines(self, children: list[Any]) -> _Lines:
        return cast("_Lines", children[0]).add(children[1])

    def joined(self, children: list[Any]) -> _Joined:
        return _Joined(children[0])

    def foreground(self, children: list[Any]) -> Command:
        return cast("Command", children[0])

    def background(self, children: list[Any]) -> Background:
        return Background(children[0], children[1].line)

    def and_or(self, children: list[Any]) -> Command:
        return cast("Command", children[0])

    def chain_of(self, children: list[Any]) -> list[tuple[str, Command]]:
        left, operator, right = children
        return [("", left), (operator.text, right)]

    def chain_more(self, children: list[Any]) -> list[tuple[str, Command]]:
        chain, operator, right = children
        chain.append((operator.text, right))
        return cast("list[tuple[str, Command]]", chain)

    def chained(self, children: list[Any]) -> AndOr:
        return AndOr(tuple(children[0]))

    def pipeline(self, children: list[Any]) -> Command:
        return cast("Command", children[0])

    def negated(self, children: list[Any]) -> Not:
        return Not(children[1])

    def first_pipe(self, children: list[Any]) -> list[Any]:
        return [children[1].line, children[0], children[2]]

    def more_pipe(self, children: list[Any]) -> list[Any]:
        children[0].append(children[2])
        return cast("list[Any]", children[0])

    def piped(self, children: list[Any]) -> Pipe:
        line, *commands = children[0]
        return Pipe(tuple(commands), line)

    def command(self, children: list[Any]) -> Command:
        return cast("Command", children[0])

    itself = element = pattern = command

    def simple(self, children: list[Any]) -> Simple:
        assigns: list[Assign] = []
        words: list[Word | Assign] = []
        redirects: list[Redirect] = []
        elements = children[0]
        for element in elements:
            if type(element) is Assign and element.array is not None and redirects:
                raise ScriptSyntaxError("a list behind a redirection", element.at)
            if type(element) is Assign and not words:
                assigns.append(element)
            elif type(element) is Redirect:
                redirects.append(element)
            else:
                words.append(element)
        return Simple(tuple(assigns), tuple(words), tuple(redirects), elements[0].line)

    def redirected(self, children: list[Any]) -> Redirected:
        return Redirected(children[0], tuple(children[1]))

    def group(self, children: list[Any]) -> Group:
        return Group(tuple(children[1]))

    def subshell(self, children: list[Any]) -> Subshell:
        return Subshell(tuple(children[1]))

    def elif_(self, children: list[Any]) -> list[Any]:
        branches, _, test, _, body = children
        branches.append((tuple(test), tuple(body)))
        return cast("list[Any]", branches)

    def if_(self, children: list[Any]) -> If:
        _, test, _, body, elifs, _ = children
        return If(((tuple(test), tuple(body)), *elifs), ())

    def if_else(self, children: list[Any]) -> If:
        _, test, _, body, elifs, _, otherwise, _ = children
        return If(((tuple(test), tuple(body)), *elifs), tuple(otherwise))

    def positional(self, _: list[Any]) -> None:
        return None

    def given(self, children: list[Any]) -> tuple[Any, ...]:
        return tuple(children[1])

    def for_(self, children: list[Any]) -> For:
        _, name, words, _, body, _ = children
        if not name.text.isidentifier() or not name.text.isascii():
            raise ScriptSyntaxError(f"for {name.text[:60]!r}, which is no variable", name.at)
        return For(name.text, words, tuple(body), name.line)

    def for_arithmetic(self, children: list[Any]) -> ForArithmetic:
        return ForArithmetic(children[1], tuple(children[4]))

    def while_(self, children: list[Any]) -> While:
        keyword, test, _, body, _ = children
        return While(tuple(test), tuple(body), keyword.type == "UNTIL", keyword.line)

    until = while_

    def case(self, children: list[Any]) -> Case:
        return Case(children[1], tuple(children[3]))

    def case_last(self, children: list[Any]) -> Case:
        return Case(children[1], (*children[3], children[4]))

    def arm(self, children: list[Any]) -> Arm:
        patterns, _, body, end = children
        return Arm(tuple(patterns), tuple(body), end)

    def arm_without_end(self, children: list[Any]) -> Arm:
        return Arm(tuple(children[0]), tuple(children[2]), ";;")

    def arm_empty(self, children: list[Any]) -> Arm:
        return Arm(tuple(children[0]), (), ";;")

    def arm_end(self, children: list[Any]) -> str:
        return cast("str", children[0].text)

    def second(self, children: list[Any]) -> list[Any]:
        return cast("list[Any]", children[1])

    def alternative(self, children: list[Any]) -> list[Any]:
        children[0].append(children[2])
        return cast("list[Any]", children[0])

    def condition(self, children: list[Any]) -> Condition:
        return Condition(children[1], children[0].line)

    def test(self, children: list[Any]) -> tuple[Any, ...]:
        return cast("tuple[Any, ...]", children[0])

    test_and = test

    def binary(self, children: list[Any]) -> tuple[Any, ...]:
        left, operator, right = children
        return (operator.text, left, right)

    def test_not(self, children: list[Any]) -> tuple[Any, ...]:
        return ("!", children[1]) if len(children) == 2 else cast("tuple[Any, ...]", children[0])

    def test_word(self, children: list[Any]) -> tuple[Any, ...]:
        return ("-n", children[0])

    def test_unary(self, children: list[Any]) -> tuple[Any, ...]:
        return (children[0].text, children[1])

    def test_binary(self, children: list[Any]) -> tuple[Any, ...]:
        left, operator, right = children
        return (operator.text, left, right)

    def test_group(self, children: list[Any]) -> tuple[Any, ...]:
        return cast("tuple[Any, ...]", children[1])


@functools.cache
def _grammar() -> Lark:
    return Lark(
        (Path(__file__).parent / "grammar" / "bash.lark").read_text(encoding="utf-8"),
        parser="lalr",
        start="script",
        lexer=BashLexer,
        transformer=_Named(),
        keep_all_tokens=True,
        maybe_placeholders=False,
    )


class _Named(_Commands):
    """Names that Python reserves, and the rules that only pass their child on."""

    def script(self, children: list[Any]) -> list[Any]:
        return cast("list[Any]", children[0])

    list = open_list = full_list = script


setattr(_Named, "elif", _Commands.elif_)


def parse_commands(text: str) -> Block:
    """Parse a script, or the text of a function or substitution.

    :raises ScriptSyntaxError: it breaks the grammar.
    """
    if len(text) > MAX_SIZE:
        raise ScriptSyntaxError(f"{len(text)} characters are more than any script has", 0)
    if "\0" in text:
        raise ScriptSyntaxError("a NUL character: this is no script", text.index("\0"))
    try:
        # cast: lark's stubs do not know what a transformer makes.
        found = cast("list[Command]", _grammar().parse(text))
        block = tuple(found.units() if isinstance(found, _Lines) else found)
        if _EXTGLOB.search(text):
            block = tuple(map(_marked, block))
        return block
    except UnexpectedToken as error:
        token = error.token
        if token.type == "$END":
            raise ScriptSyntaxError("the script ends inside a command", len(text)) from None
        at = getattr(token, "at", 0)
        shown = token.text if len(token.text) < 40 else token.text[:40] + "..."
        what = "the end of the line" if shown in {"\n", ""} else repr(shown)
        raise ScriptSyntaxError(f"{what} is not expected here", at) from None
    except RecursionError:
        raise ScriptSyntaxError("quotes and substitutions are nested too deep", 0) from None


def _marked(command: Command) -> Command:
    found = extended_glob_in(command)
    return Extended(command, found.line) if found else command


def parse_file(text: str, file: str) -> Block:
    """Parse an ebuild or eclass; function bodies stay text.

    :raises EbuildError: it breaks the grammar, with the line where it does.
    """
    try:
        return parse_commands(text)
    except ScriptSyntaxError as error:
        line = text.count("\n", 0, error.at) + 1
        lines = text.splitlines()
        near = lines[line - 1].strip()[:100] if line <= len(lines) else ""
        raise refused(error.brief, file, line, near=near) from None


def parse_body(function: Function) -> Block:
    """Return the commands of a function, parsed at the first call.

    :raises ScriptSyntaxError: its body breaks the grammar.
    """
    if function.parsed is None:
        function.parsed = parse_commands(function.body)
        if not function.parsed:
            raise ScriptSyntaxError(f"function {function.name} has no commands", 0)
    return function.parsed


def extended_glob_in(node: object) -> Token | None:
    """Return the first extended glob in a command, or the function that has it, or None.

    Those in ``[[ ]]`` do not count, where they are always on.
    """
    inner: tuple[object, ...] = ()
    if isinstance(node, tuple):
        inner = node
    elif isinstance(node, Word):
        return node if node.extended else None
    elif isinstance(node, Assign):
        inner = (node.value, node.array)
    elif isinstance(node, Redirect):
        inner = (node.target,)
    elif isinstance(node, Function):
        return node if _has_extended_body(node) else None
    elif dataclasses.is_dataclass(node) and not isinstance(node, Condition):
        inner = tuple(getattr(node, field.name) for field in dataclasses.fields(node))
    return next(filter(None, map(extended_glob_in, inner)), None)


def _has_extended_body(function: Function) -> bool:
    if not _EXTGLOB.search(function.body):
        return False
    try:
        return extended_glob_in(parse_body(function)) is not None
    except ScriptSyntaxError:
        return False  # told when it is called
