"""Compound commands: lists, conditions, loops, groups, pipes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sysextlib.ebuild.assignment import assign_text
from sysextlib.ebuild.budget import COMMAND
from sysextlib.ebuild.conditional import holds
from sysextlib.ebuild.failure import ScriptError, UnsupportedError
from sysextlib.ebuild.flow import Defined, LoopEnd
from sysextlib.ebuild.nodes import (
    AndOr,
    Arithmetic,
    Background,
    Case,
    Condition,
    Extended,
    For,
    ForArithmetic,
    Function,
    Group,
    If,
    Not,
    Pipe,
    Redirected,
    Simple,
    Subshell,
    While,
    Word,
)
from sysextlib.ebuild.parts import DOUBLE, parse_parts, word_parts
from sysextlib.ebuild.pattern import compile_pattern
from sysextlib.ebuild.redirection import redirected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sysextlib.ebuild.nodes import Block
    from sysextlib.ebuild.parts import Part
    from sysextlib.ebuild.shell import Shell


def _simple(shell: Shell, node: Simple) -> int:
    return shell.simple(node)


def _and_or(shell: Shell, node: AndOr) -> int:
    status = 0
    for operator, command in node.commands:
        if operator and (operator == "&&") != (status == 0):
            continue
        status = shell.status = RUN[type(command)](shell, command)
    return status


def _not(shell: Shell, node: Not) -> int:
    return int(RUN[type(node.command)](shell, node.command) == 0)


def _if(shell: Shell, node: If) -> int:
    for test, body in node.branches:
        if shell.run(test) == 0:
            return shell.run(body)
    return shell.run(node.otherwise) if node.otherwise else 0


def _for(shell: Shell, node: For) -> int:
    shell.line = node.line
    words = shell.expansion.fields(node.words) if node.words is not None else shell.positional
    return _loop(shell, iter([*words]), node.body, node.name)


def _loop(shell: Shell, words: Iterable[str], body: Block, name: str) -> int:
    status = 0
    shell.loops += 1
    for word in words:
        shell.budget.spend(COMMAND)
        if name:
            assign_text(shell, name, word)
        try:
            status = shell.run(body)
        except LoopEnd as end:
            status = 0
            if end.levels > 1 and shell.loops > 1:
                shell.loops -= 1
                raise LoopEnd(end.levels - 1, again=end.again) from None
            if not end.again:
                break
    shell.loops -= 1
    return status


def _for_arithmetic(shell: Shell, node: ForArithmetic) -> int:
    parts = node.header.text.split(";")
    if len(parts) != 3:
        raise ScriptError("for (( )) needs three expressions")
    first, test, step = (parse_parts(part, DOUBLE) for part in parts)
    shell.calculate(shell.expansion.text(first))

    def rounds() -> Iterator[str]:
        while not test or shell.calculate(shell.expansion.text(test) or "1"):
            yield ""
            shell.calculate(shell.expansion.text(step))

    return _loop(shell, rounds(), node.body, "")


def _while(shell: Shell, node: While) -> int:
    def rounds() -> Iterator[str]:
        while (shell.run(node.condition) == 0) != node.until:
            yield ""

    return _loop(shell, rounds(), node.body, "")


def _case(shell: Shell, node: Case) -> int:
    subject = shell.expansion.operand(node.word)
    shell.line = node.word.line
    status, falls = 0, False
    for arm in node.arms:
        if not falls and not any(_fits(shell, subject, word) for word in arm.patterns):
            continue
        status = shell.run(arm.body) if arm.body else 0
        if arm.end == ";;":
            return status
        falls = arm.end == ";&"
    return status


def _fits(shell: Shell, subject: str, word: Word) -> bool:
    if word.plain:
        return subject == word.text
    if word.extended:
        shell.check_extended()
    spelled = shell.expansion.pattern(word_parts(word))
    pattern = compile_pattern(spelled, extended=shell.extended_glob, budget=shell.budget)
    return pattern.fullmatch(subject, shell.budget)


def _group(shell: Shell, node: Group) -> int:
    return shell.run(node.body)


def _subshell(shell: Shell, node: Subshell) -> int:
    return shell.in_subshell(node.body)


def _condition(shell: Shell, node: Condition) -> int:
    shell.line = node.line
    shell.budget.spend(COMMAND)
    return 0 if holds(shell, node.test) else 1


def _arithmetic(shell: Shell, node: Arithmetic) -> int:
    shell.line = node.line
    shell.budget.spend(COMMAND)
    if node.word is None:
        node.word = parse_parts(node.text, DOUBLE)
    parts: tuple[Part, ...] = node.word
    return int(shell.calculate(shell.expansion.text(parts)) == 0)


def _function(shell: Shell, node: Function) -> int:
    if node.name in {"inherit", "EXPORT_FUNCTIONS", "die"}:
        raise UnsupportedError(f"a function that takes the place of {node.name}")
    shell.functions[node.name] = Defined(node, shell.file, shell.base, shell.extended_glob)
    return 0


def _redirected(shell: Shell, node: Redirected) -> int:
    with redirected(shell, node.redirects):
        return RUN[type(node.command)](shell, node.command)


def _pipe(shell: Shell, node: Pipe) -> int:
    status = 0
    streams = shell.streams
    for index, command in enumerate(node.commands):
        if index < len(node.commands) - 1:
            text, status = shell.capture((command,))
            shell.streams = streams.with_input(text)
        else:
            status = shell.in_subshell((command,))
    shell.streams = streams
    return status


def _extended(shell: Shell, node: Extended) -> int:
    if not shell.reads_extended:
        shell.line = node.line
        shell.check_extended()
    return RUN[type(node.command)](shell, node.command)


def _background(shell: Shell, node: Background) -> int:
    shell.line = node.line
    raise UnsupportedError("a command in the background")


RUN: Final[dict[type, Callable[[Any, Any], int]]] = {
    Simple: _simple,
    AndOr: _and_or,
    Not: _not,
    If: _if,
    For: _for,
    ForArithmetic: _for_arithmetic,
    While: _while,
    Case: _case,
    Group: _group,
    Subshell: _subshell,
    Condition: _condition,
    Arithmetic: _arithmetic,
    Function: _function,
    Redirected: _redirected,
    Pipe: _pipe,
    Background: _background,
    Extended: _extended,
}
"""How each kind of command is carried out: called with the shell and the command."""
