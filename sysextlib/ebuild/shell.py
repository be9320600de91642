"""The evaluator: walks the commands of a script as bash would, and does nothing else.

No process is started and no file is read. What is not known here raises, so that a wrong value
never comes out silently.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from sysextlib.ebuild.arithmetic import evaluate
from sysextlib.ebuild.assignment import assign, assign_element, assign_text
from sysextlib.ebuild.budget import COMMAND, DEEPEST, Budget
from sysextlib.ebuild.conditional import holds
from sysextlib.ebuild.expansion import Expansion
from sysextlib.ebuild.failure import AbortedCommandError, ScriptError, UnsupportedError
from sysextlib.ebuild.nodes import (
    AndOr,
    Arithmetic,
    Assign,
    Background,
    Case,
    Condition,
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
from sysextlib.ebuild.parser import parse_body, parse_commands
from sysextlib.ebuild.parts import DOUBLE, parse_parts, word_parts
from sysextlib.ebuild.pattern import compile_pattern
from sysextlib.ebuild.redirection import Streams, redirected
from sysextlib.ebuild.variables import Scopes, Variable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sysextlib.ebuild.nodes import Block, Command
    from sysextlib.ebuild.parts import Parameter, Part, Substitution

    Argument: TypeAlias = "str | Assign"
    Builtin: TypeAlias = "Callable[[Shell, list[Argument]], int]"


class LoopEnd(Exception):  # noqa: N818 - no error
    """``break`` or ``continue``, for so many loops."""

    def __init__(self, levels: int, *, again: bool) -> None:
        super().__init__()
        self.levels = levels
        self.again = again


class Return(Exception):  # noqa: N818 - no error
    """``return`` from a function or a sourced file."""

    def __init__(self, status: int) -> None:
        super().__init__()
        self.status = status


@dataclass(slots=True)
class Frame:
    """A function or sourced file that is running."""

    name: str
    file: str


_PARSED: Final = functools.lru_cache(maxsize=512)(parse_commands)


class Shell:
    """The state of a shell.

    :ivar file: the script whose commands run.
    :ivar line: of the command that runs, counted from ``base``: the line before the text that is
        run, which may be a function's body.
    :ivar compatibility: BASH_COMPAT as a number, such as 42 for 4.2.
    """

    def __init__(
        self,
        commands: Mapping[str, Builtin],
        *,
        compatibility: int = 53,
        options: Sequence[str] = (),
        budget: Budget | None = None,
    ) -> None:
        self.variables = Scopes()
        self.functions: dict[str, tuple[Function, str, int]] = {}
        self.commands = commands
        self.positional: list[str] = []
        self.options = set(options)
        self.status = 0
        self.substituted: int | None = None
        self.last_argument = ""
        self.file = ""
        self.line = 0
        self.base = 0
        self.frames: list[Frame] = []
        self.loops = 0
        self.depth = 0
        self.streams = Streams()
        self.budget = budget or Budget()
        self.compatibility = compatibility
        self.expansion = Expansion(self)

    @property
    def extended_glob(self) -> bool:
        """Whether patterns have groups such as @(a|b) outside ``[[ ]]``."""
        return "extglob" in self.options

    # -- commands

    def run(self, block: Block) -> int:
        """Run commands one after the other; return the status of the last."""
        for command in block:
            self.status = _RUN[type(command)](self, command)
        return self.status

    def run_file(self, block: Block, file: str) -> int:
        """Run a sourced file; a failed glob skips one of its commands."""
        previous = (self.file, self.base, self.line)
        self.file, self.base = file, 0
        self.status = 0
        here = (self.positional, self.loops, self.depth)
        try:
            for command in block:
                try:
                    self.status = _RUN[type(command)](self, command)
                except AbortedCommandError:
                    self.status = 1
                    self.positional, self.loops, self.depth = here
                    self.file, self.base = file, 0
        except Return as end:
            self.status = end.status
        self.file, self.base, self.line = previous
        return self.status

    def _simple(self, node: Simple) -> int:
        self.line = node.line
        self.budget.spend(COMMAND)
        self.substituted = None
        if not node.words:
            if node.redirects:
                raise UnsupportedError("a redirection without a command")
            for item in node.assigns:
                assign(self, item)
            self.last_argument = ""
            return self._last_substituted()
        arguments = self._arguments(node.words)
        if not arguments:
            for item in node.assigns:
                assign(self, item)
            return self._last_substituted()
        name, *rest = arguments
        assert isinstance(name, str)
        if not node.redirects and not node.assigns:
            status = self.call(name, rest)
        else:
            with redirected(self, node.redirects):
                if node.assigns:
                    status = self._call_with(node.assigns, name, rest)
                else:
                    status = self.call(name, rest)
        last = arguments[-1]
        self.last_argument = last if isinstance(last, str) else last.text
        return status

    def _last_substituted(self) -> int:
        """Return the status of the last substitution of this command, 0 when it had none."""
        return self.substituted or 0

    def _arguments(self, words: Sequence[Word | Assign]) -> list[Argument]:
        result: list[Argument] = []
        for word in words:
            if isinstance(word, Assign):
                result.append(word)
            elif word.plain:
                result.append(word.text)
            else:
                result += self.expansion.fields((word,))
        return result

    def _call_with(self, assigns: Sequence[Assign], name: str, arguments: list[Argument]) -> int:
        """Call a command with variables that are set for it alone."""
        table = self.variables.table
        saved: dict[str, Variable | None] = {}
        try:
            for item in assigns:
                if item.array is not None or item.subscript is not None:
                    raise UnsupportedError("an array before a command")
                assert item.value is not None
                text = self.expansion.word(item.value)
                old = table.get(item.name)
                if old is not None and old.readonly:
                    raise ScriptError(f"{item.name} is readonly")
                if item.append and old is not None:
                    text = (old.scalar() or "") + text
                saved.setdefault(item.name, old)
                table[item.name] = Variable(text, epoch=self.variables.epoch)
            return self.call(name, arguments)
        finally:
            for variable, before in saved.items():
                if before is None:
                    table.pop(variable, None)
                else:
                    table[variable] = before

    def call(self, name: str, arguments: list[Argument]) -> int:
        """Call a function or builtin.

        :raises ScriptError: there is none; no other program may run.
        """
        found = self.functions.get(name)
        if found is not None:
            return self.call_function(name, [self.argument_text(a) for a in arguments])
        command = self.commands.get(name)
        if command is None:
            raise ScriptError(f"{name[:60]!r} is no command that may run while metadata is read")
        return command(self, arguments)

    def argument_text(self, argument: Argument) -> str:
        """Return the text of an argument that looks like an assignment."""
        if isinstance(argument, str):
            return argument
        if argument.array is not None:
            raise ScriptError("a list in an argument")
        return self.expansion.text(word_parts(Word(argument.text, argument.line, argument.at)))

    def call_function(self, name: str, arguments: list[str]) -> int:
        """Call a function that a script defined."""
        function, file, base = self.functions[name]
        self.descend(name)
        body = parse_body(function)
        saved = (self.positional, self.file, self.base, self.line, self.loops)
        self.positional = arguments
        self.file, self.base = file, base + function.body_line - 1
        self.loops = 0
        self.frames.append(Frame(name, file))
        self.variables.enter()
        try:
            status = self.in_subshell(body) if function.subshell else self.run(body) if body else 0
        except Return as end:
            status = end.status
        finally:
            self.variables.leave()
            self.frames.pop()
            self.depth -= 1
        self.positional, self.file, self.base, self.line, self.loops = saved
        self.status = status
        return status

    def descend(self, what: str) -> None:
        """Count one more level of calls.

        :raises ScriptError: there are too many.
        """
        self.depth += 1
        if self.depth > DEEPEST:
            raise ScriptError(f"calls are nested more than {DEEPEST} deep at {what[:60]}")

    def in_subshell(self, block: Block) -> int:
        """Run commands whose changes are forgotten."""
        self.descend("a subshell")
        saved = self.variables.snapshot()
        others = (self.functions, self.positional, self.options, self.frames, self.loops)
        self.functions = dict(self.functions)
        self.options = set(self.options)
        self.frames = list(self.frames)
        self.loops = 0
        place = (self.file, self.base, self.line, self.depth)
        try:
            status = self.run(block) if block else 0
        except Return as end:
            status = end.status
        except AbortedCommandError:
            status = 1
        self.variables.restore(saved)
        self.functions, self.positional, self.options, self.frames, self.loops = others
        self.file, self.base, self.line, depth = place
        self.depth = depth - 1
        return status

    def substitute(self, part: Substitution) -> str:
        """Return what the commands of ``$(...)`` write, without the newlines at its end."""
        if part.parsed is None:
            part.parsed = _PARSED(part.text)
        self.budget.spend(COMMAND)
        place = (self.base, self.line)
        self.base += self.line - 1
        text, status = self.capture(part.parsed)
        self.base, self.line = place
        self.substituted = status
        self.status = status
        return text.rstrip("\n")

    def capture(self, block: Block) -> tuple[str, int]:
        """Run commands in a subshell; return what they write and their status."""
        streams = self.streams
        written: list[str] = []
        self.streams = streams.with_output(written)
        try:
            status = self.in_subshell(block)
        finally:
            self.streams = streams
        text = "".join(written)
        self.budget.spend_text(len(text))
        return text, status

    def evaluate_text(self, text: str) -> int:
        """Run text as eval does."""
        block = _PARSED(text)
        self.descend("eval")
        place = (self.base, self.line)
        self.base += self.line - 1
        status = self.run(block) if block else 0
        self.base, self.line = place
        self.depth -= 1
        return status

    # -- values

    def calculate(self, text: str) -> int:
        """Return the value of an arithmetic expression whose expansions are done."""
        return evaluate(text, self)

    def index(self, subscript: str) -> int:
        """Return the number that a subscript of an indexed array stands for."""
        if subscript.isdigit() and len(subscript) < 8:
            return int(subscript)
        return self.calculate(self.expansion.text(parse_parts(subscript, DOUBLE)))

    def number_text(self, name: str, subscript: str | None) -> str:
        """Return a variable's text for arithmetic."""
        text = f"{name}[{subscript}]" if subscript is not None else name
        from sysextlib.ebuild.parameter import plain_value
        from sysextlib.ebuild.parts import Parameter

        value = plain_value(self.expansion, Parameter(name, subscript, text=text))
        return value if isinstance(value, str) else ""

    def set_number(self, name: str, subscript: str | None, value: int) -> None:
        """Set a variable from arithmetic."""
        if subscript is None:
            assign_text(self, name, str(value))
        else:
            assign_element(self, name, subscript, str(value))

    def assign_parameter(self, part: Parameter, text: str) -> None:
        """Set the variable of ``${name:=text}``."""
        if part.prefix or not (part.name[0].isalpha() or part.name[0] == "_"):
            raise ScriptError(f"${{{part.text[:60]}}} cannot be assigned")
        if part.subscript is None:
            assign_text(self, part.name, text)
        else:
            assign_element(self, part.name, part.subscript, text)

    def function_names(self) -> list[str]:
        """Return FUNCNAME: the innermost first."""
        return [frame.name for frame in reversed(self.frames)]

    def source_names(self) -> list[str]:
        """Return BASH_SOURCE, likewise."""
        return [frame.file for frame in reversed(self.frames)]

    # -- compound commands

    def _and_or(self, node: AndOr) -> int:
        status = 0
        for operator, command in node.commands:
            if operator and (operator == "&&") != (status == 0):
                continue
            status = self.status = _RUN[type(command)](self, command)
        return status

    def _not(self, node: Not) -> int:
        return int(_RUN[type(node.command)](self, node.command) == 0)

    def _if(self, node: If) -> int:
        for test, body in node.branches:
            if self.run(test) == 0:
                return self.run(body)
        return self.run(node.otherwise) if node.otherwise else 0

    def _for(self, node: For) -> int:
        self.line = node.line
        words = self.expansion.fields(node.words) if node.words is not None else self.positional
        return self._loop(iter([*words]), node.body, node.name)

    def _loop(self, words: object, body: Block, name: str) -> int:
        status = 0
        self.loops += 1
        for word in words:  # type: ignore[attr-defined]
            self.budget.spend(COMMAND)
            if name:
                assign_text(self, name, word)
            try:
                status = self.run(body)
            except LoopEnd as end:
                status = 0
                if end.levels > 1 and self.loops > 1:
                    self.loops -= 1
                    raise LoopEnd(end.levels - 1, again=end.again) from None
                if not end.again:
                    break
        self.loops -= 1
        return status

    def _for_arithmetic(self, node: ForArithmetic) -> int:
        parts = node.header.text.split(";")
        if len(parts) != 3:
            raise ScriptError("for (( )) needs three expressions")
        first, test, step = (parse_parts(part, DOUBLE) for part in parts)
        self.calculate(self.expansion.text(first))

        def rounds() -> object:
            while not test or self.calculate(self.expansion.text(test) or "1"):
                yield ""
                self.calculate(self.expansion.text(step))

        return self._loop(rounds(), node.body, "")

    def _while(self, node: While) -> int:
        def rounds() -> object:
            while (self.run(node.condition) == 0) != node.until:
                yield ""

        return self._loop(rounds(), node.body, "")

    def _case(self, node: Case) -> int:
        subject = self.expansion.word(node.word)
        self.line = node.word.line
        status, falls = 0, False
        for arm in node.arms:
            if not falls and not any(self._fits(subject, word) for word in arm.patterns):
                continue
            status = self.run(arm.body) if arm.body else 0
            if arm.end == ";;":
                return status
            falls = arm.end == ";&"
        return status

    def _fits(self, subject: str, word: Word) -> bool:
        if word.plain:
            return subject == word.text
        spelled = self.expansion.pattern(word_parts(word))
        pattern = compile_pattern(spelled, extended=self.extended_glob, budget=self.budget)
        return pattern.fullmatch(subject, self.budget)

    def _group(self, node: Group) -> int:
        return self.run(node.body)

    def _subshell(self, node: Subshell) -> int:
        return self.in_subshell(node.body)

    def _condition(self, node: Condition) -> int:
        self.line = node.line
        self.budget.spend(COMMAND)
        return 0 if holds(self, node.test) else 1

    def _arithmetic(self, node: Arithmetic) -> int:
        self.line = node.line
        self.budget.spend(COMMAND)
        if node.word is None:
            node.word = parse_parts(node.text, DOUBLE)
        parts: tuple[Part, ...] = node.word
        return int(self.calculate(self.expansion.text(parts)) == 0)

    def _function(self, node: Function) -> int:
        if node.name in {"inherit", "EXPORT_FUNCTIONS", "die"}:
            raise UnsupportedError(f"a function that takes the place of {node.name}")
        self.functions[node.name] = (node, self.file, self.base)
        return 0

    def _redirected(self, node: Redirected) -> int:
        with redirected(self, node.redirects):
            return _RUN[type(node.command)](self, node.command)

    def _pipe(self, node: Pipe) -> int:
        status = 0
        streams = self.streams
        for index, command in enumerate(node.commands):
            if index < len(node.commands) - 1:
                text, status = self.capture((command,))
                self.streams = streams.with_input(text)
            else:
                status = self.in_subshell((command,))
        self.streams = streams
        return status

    def _background(self, node: Background) -> int:
        self.line = node.line
        raise UnsupportedError("a command in the background")


_RUN: Final[dict[type, Callable[[Shell, Command], int]]] = {
    Simple: Shell._simple,  # type: ignore[dict-item]
    AndOr: Shell._and_or,  # type: ignore[dict-item]
    Not: Shell._not,  # type: ignore[dict-item]
    If: Shell._if,  # type: ignore[dict-item]
    For: Shell._for,  # type: ignore[dict-item]
    ForArithmetic: Shell._for_arithmetic,  # type: ignore[dict-item]
    While: Shell._while,  # type: ignore[dict-item]
    Case: Shell._case,  # type: ignore[dict-item]
    Group: Shell._group,  # type: ignore[dict-item]
    Subshell: Shell._subshell,  # type: ignore[dict-item]
    Condition: Shell._condition,  # type: ignore[dict-item]
    Arithmetic: Shell._arithmetic,  # type: ignore[dict-item]
    Function: Shell._function,  # type: ignore[dict-item]
    Redirected: Shell._redirected,  # type: ignore[dict-item]
    Pipe: Shell._pipe,  # type: ignore[dict-item]
    Background: Shell._background,  # type: ignore[dict-item]
}
