"""The evaluator: walks the commands of a script as bash would, and does nothing else.

No process is started and no file is read. What is not known here raises, so that a wrong value
never comes out silently.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final, TypeAlias

from sysextlib.ebuild.arithmetic import evaluate
from sysextlib.ebuild.assignment import assign, assign_element, assign_text
from sysextlib.ebuild.braces import expand_braces
from sysextlib.ebuild.budget import COMMAND, DEEPEST, Budget
from sysextlib.ebuild.control import RUN
from sysextlib.ebuild.expansion import Expansion
from sysextlib.ebuild.failure import AbortedCommandError, ScriptError, UnsupportedError
from sysextlib.ebuild.flow import Defined, Frame, Return
from sysextlib.ebuild.nodes import Assign, Word
from sysextlib.ebuild.parser import parse_body, parse_commands
from sysextlib.ebuild.parts import DOUBLE, parse_parts, word_parts
from sysextlib.ebuild.redirection import Streams, redirected
from sysextlib.ebuild.variables import Scopes, Variable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sysextlib.ebuild.nodes import Block, Simple
    from sysextlib.ebuild.parts import Parameter, Substitution

    Argument: TypeAlias = "str | Assign"
    Builtin: TypeAlias = "Callable[[Shell, list[Argument]], int]"


_OWN_ENVIRONMENT: Final = frozenset({"read", "mapfile", "readarray"})
"""Builtins that may change what is set for them, without a trace."""

_PARSED: Final = functools.lru_cache(maxsize=512)(parse_commands)


class Shell:
    """The state of a shell.

    :ivar file: the script whose commands run.
    :ivar line: of the command that runs, counted from ``base``: the line before the text that is
        run, which may be a function's body.
    :ivar reads_extended: extended globs were on when the command that runs was parsed.
    :ivar is_subshell: what runs is in one, which a failed glob ends.
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
        self.functions: dict[str, Defined] = {}
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
        self.reads_extended = False
        self.is_subshell = False
        self.depth = 0
        self.streams = Streams()
        self.budget = budget or Budget()
        self.compatibility = compatibility
        self.expansion = Expansion(self)

    @property
    def extended_glob(self) -> bool:
        """Whether patterns have groups such as @(a|b) outside ``[[ ]]``."""
        return "extglob" in self.options

    def check_extended(self) -> None:
        """Refuse an extended glob that bash takes for a wrong parenthesis.

        :raises ScriptError: they are off.
        """
        if not (self.extended_glob and self.reads_extended):
            raise ScriptError("an extended glob such as @(a|b), which shopt -s extglob allows")

    # -- commands

    def run(self, block: Block) -> int:
        """Run commands one after the other; return the status of the last."""
        for command in block:
            self.status = RUN[type(command)](self, command)
        return self.status

    def run_file(self, block: Block, file: str) -> int:
        """Run a sourced file; a failed glob skips one of its commands."""
        previous = (self.file, self.base, self.line, self.reads_extended)
        self.file, self.base = file, 0
        self.status = 0
        try:
            self._run_units(block)
        except Return as end:
            self.status = end.status
        self.file, self.base, self.line, self.reads_extended = previous
        return self.status

    def _run_units(self, block: Block) -> int:
        """Run commands of a file or of eval, one after the other; a failed glob ends one."""
        for command in block:
            self.reads_extended = self.extended_glob
            here = (self.loops, self.depth, self.file, self.base)
            try:
                self.status = RUN[type(command)](self, command)
            except AbortedCommandError:
                if self.is_subshell:
                    raise
                self.status = 1
                self.loops, self.depth, self.file, self.base = here
        return self.status

    def simple(self, node: Simple) -> int:
        """Carry out assignments, or a command with its arguments."""
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
                result += self._assignment_argument(word)
            elif word.plain:
                result.append(word.text)
            else:
                result += self.expansion.fields((word,))
        return result

    def _assignment_argument(self, word: Assign) -> list[Argument]:
        """Return an assignment, or, as bash does, plain words when braces make several of it."""
        if "{" not in word.text or word.array is not None:
            return [word]
        if expand_braces(word.text) == [word.text]:
            return [word]
        return [*self.expansion.fields((Word(word.text, word.line, word.at),))]

    def _call_with(self, assigns: Sequence[Assign], name: str, arguments: list[Argument]) -> int:
        """Call a command with variables that are set for it alone."""
        table = self.variables.table
        saved: dict[str, Variable | None] = {}
        given: dict[str, str] = {}
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
                table[item.name].temporary = True
                given[item.name] = text
            status = self.call(name, arguments)
            if name not in self.functions and name not in _OWN_ENVIRONMENT:
                self._check_unchanged(given)
            return status
        finally:
            for variable, before in saved.items():
                if before is None:
                    table.pop(variable, None)
                else:
                    table[variable] = before

    def _check_unchanged(self, given: Mapping[str, str]) -> None:
        """Refuse a builtin that changed what was set for it: some change the variable behind it."""
        for name, text in given.items():
            variable = self.variables.table.get(name)
            if variable is None or not variable.temporary or variable.text != text:
                raise UnsupportedError(f"a builtin that changes {name}, which is set for it")

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
        defined = self.functions[name]
        function = defined.function
        self.descend(name)
        body = parse_body(function)
        positional = self.positional
        saved = (self.file, self.base, self.line, self.loops, self.reads_extended)
        self.positional = arguments
        self.file, self.base = defined.file, defined.base + function.body_line - 1
        self.loops = 0
        self.reads_extended = defined.extended
        self.frames.append(Frame(name, defined.file))
        self.variables.enter()
        try:
            status = self.in_subshell(body) if function.subshell else self.run(body) if body else 0
        except Return as end:
            status = end.status
        finally:
            self.positional = positional
            self.variables.leave()
            self.frames.pop()
            self.depth -= 1
        self.file, self.base, self.line, self.loops, self.reads_extended = saved
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
        place = (self.file, self.base, self.line, self.depth, self.reads_extended, self.is_subshell)
        self.is_subshell = True
        try:
            status = self.run(block) if block else 0
        except Return as end:
            status = end.status
        except AbortedCommandError:
            status = 1
        self.variables.restore(saved)
        self.functions, self.positional, self.options, self.frames, self.loops = others
        self.file, self.base, self.line, depth, self.reads_extended, self.is_subshell = place
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
        return text.replace("\0", "").rstrip("\n")

    def capture(self, block: Block) -> tuple[str, int]:
        """Run commands in a subshell; return what they write and their status."""
        streams = self.streams
        written: list[str] = []
        self.streams = streams.with_output(written)
        try:
            status = self.in_subshell(block)
        finally:
            self.streams = streams
        text = self.budget.join("", written)
        return text, status

    def evaluate_text(self, text: str) -> int:
        """Run text as eval does."""
        self.budget.spend(200 + 4 * len(text))
        block = _PARSED(text)
        self.descend("eval")
        place = (self.base, self.line, self.reads_extended)
        self.base += self.line - 1
        status = self._run_units(block) if block else 0
        self.base, self.line, self.reads_extended = place
        self.depth -= 1
        return status

    # -- values

    def calculate(self, text: str) -> int:
        """Return the value of an arithmetic expression whose expansions are done."""
        return evaluate(text, self)

    def index(self, subscript: str) -> int:
        """Return the number that a subscript of an indexed array stands for."""
        if subscript.isascii() and subscript.isdigit() and len(subscript) < 8:
            return int(subscript)
        if not subscript:
            raise ScriptError("an empty subscript")
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
