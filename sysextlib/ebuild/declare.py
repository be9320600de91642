"""local, declare, export, readonly, unset: commands that make variables and describe them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sysextlib.ebuild.assignment import assign
from sysextlib.ebuild.failure import ScriptError, UnsupportedError
from sysextlib.ebuild.nodes import Assign, Simple, Word
from sysextlib.ebuild.output import write
from sysextlib.ebuild.parser import parse_commands
from sysextlib.ebuild.parts import Quoted
from sysextlib.ebuild.variables import ASSOCIATIVE, INDEXED, SCALAR, Variable

if TYPE_CHECKING:
    from sysextlib.ebuild.shell import Argument, Shell

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_UNWRITABLE: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_TEXT: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:\[[^\]]*\])?(?:(\+?)=(.*))?", re.DOTALL)
_KNOWN: Final = frozenset("aAirxlugFfpt")


def declare(shell: Shell, arguments: list[Argument]) -> int:
    """Carry out declare and typeset: in a function they make locals."""
    on, off, names = _options(arguments)
    if on & {"F", "f"}:
        return _functions(shell, on, names)
    if "p" in on:
        return _describe(shell, names)
    return _declare(shell, on, off, names, local="g" not in on and bool(shell.variables.hidden))


def local(shell: Shell, arguments: list[Argument]) -> int:
    """Carry out local.

    :raises ScriptError: no function is running.
    """
    if not shell.variables.hidden:
        raise ScriptError("local outside of a function")
    on, off, names = _options(arguments)
    if "p" in on:
        raise UnsupportedError("local -p")
    return _declare(shell, on - {"g"}, off, names, local=True)


def export(shell: Shell, arguments: list[Argument]) -> int:
    """Carry out export."""
    words = list(arguments)
    flags = set()
    while words and isinstance(words[0], str) and re.fullmatch(r"-[fnp]+", words[0]):
        flags |= set(str(words.pop(0))[1:])
    if "f" in flags:
        return 0
    if "p" in flags:
        raise UnsupportedError("export -p")
    if "n" in flags:
        return _declare(shell, set(), {"x"}, words, local=False)
    return _declare(shell, {"x"}, set(), words, local=False)


def readonly(shell: Shell, arguments: list[Argument]) -> int:
    """Carry out readonly."""
    on, off, names = _options(arguments)
    if on & {"p", "f"}:
        raise UnsupportedError("readonly -p or -f")
    return _declare(shell, on | {"r"}, off, names, local=False)


def _options(arguments: list[Argument]) -> tuple[set[str], set[str], list[Argument]]:
    on: set[str] = set()
    off: set[str] = set()
    words = list(arguments)
    while words and isinstance(words[0], str) and re.fullmatch(r"[-+][A-Za-z]+|--", words[0]):
        option = str(words.pop(0))
        if option == "--":
            break
        (on if option[0] == "-" else off).update(option[1:])
    unknown = (on | off) - _KNOWN
    if unknown:
        raise UnsupportedError(f"declare -{min(unknown)}")
    return on, off, words


def _declare(
    shell: Shell, on: set[str], off: set[str], words: list[Argument], *, local: bool
) -> int:
    if not words:
        raise UnsupportedError("a list of all variables")
    for word in words:
        node = _as_assignment(shell, word)
        if local:
            old = shell.variables.get(node.name)
            fresh = node.name not in shell.variables.hidden[-1]
            bare = node.append or (node.value is None and node.array is None)
            if fresh and bare and old is not None and old.temporary:
                raise UnsupportedError(f"local {node.name}, which is set for the call")
            variable = shell.variables.make_local(node.name)
            if fresh and node.append and old is not None and old.kind == SCALAR:
                variable.text = None
        elif "g" in on and shell.variables.hidden:
            temporary = shell.variables.get(node.name)
            if temporary is not None and temporary.temporary:
                raise UnsupportedError(f"declaring {node.name}, which is set for the call")
            _declare_global(shell, node, on, off)
            continue
        else:
            variable = shell.variables.writable(node.name)
            if variable.temporary:
                raise UnsupportedError(f"declaring {node.name}, which is set for the call")
        _set_kind(variable, on)
        _change(shell, node, on)
        _set_flags(shell.variables.writable(node.name), on, off)
    return 0


def _declare_global(shell: Shell, node: Assign, on: set[str], off: set[str]) -> None:
    """Carry out ``declare -g``: what the functions made local under this name is put aside."""
    variables = shell.variables
    if not any(node.name in scope for scope in variables.hidden):
        variable = variables.writable(node.name)
        _set_kind(variable, on)
        _change(shell, node, on)
        _set_flags(variables.writable(node.name), on, off)
        return
    variable = variables.writable_global(node.name)
    aside = variables.table.get(node.name)
    _set_kind(variable, on)
    variables.table[node.name] = variable
    _change(shell, node, on)
    result = variables.writable(node.name)
    _set_flags(result, on, off)
    for scope in variables.hidden:
        if node.name in scope:
            scope[node.name] = result
            break
    if aside is None:
        del variables.table[node.name]
    else:
        variables.table[node.name] = aside


def _change(shell: Shell, node: Assign, on: set[str]) -> None:
    variable = shell.variables.writable(node.name)
    if "i" in on:
        variable.integer = True
    if on & {"l", "u"}:
        variable.lowercase = "l" if "l" in on else "u"
    if node.value is not None or node.array is not None:
        assign(shell, _compound(shell, node, variable))


def _compound(shell: Shell, node: Assign, variable: Variable) -> Assign:
    """Return the list that ``declare -a 'name=(...)'`` means: its text is read once more."""
    if node.value is None or variable.kind == SCALAR:
        return node
    text = shell.expansion.word(node.value)
    if not (text.startswith("(") and text.endswith(")")):
        return _made(node, text)
    (command,) = parse_commands(f"{node.name}{'+' if node.append else ''}={text}")
    if not isinstance(command, Simple) or len(command.assigns) != 1 or command.words:
        raise ScriptError(f"{text[:60]!r} is no list")
    return command.assigns[0]


def _set_kind(variable: Variable, on: set[str]) -> None:
    kind = ASSOCIATIVE if "A" in on else INDEXED if "a" in on else SCALAR
    if kind == SCALAR or variable.kind == kind:
        return
    if variable.kind != SCALAR:
        raise ScriptError("an array cannot become one of the other kind")
    variable.kind = kind
    if variable.text is not None:
        variable.items = {0 if kind == INDEXED else "0": variable.text}
        variable.text = None


def _set_flags(variable: Variable, on: set[str], off: set[str]) -> None:
    if "x" in on:
        variable.exported = True
    if "x" in off:
        variable.exported = False
    if "r" in on:
        variable.readonly = True
    if "i" in off:
        variable.integer = False
    if off & {"a", "A", "r"}:
        raise ScriptError("an attribute that cannot be taken away")


def _as_assignment(shell: Shell, word: Argument) -> Assign:
    """Return what ``declare "$x"`` means: the text is read as an assignment."""
    if isinstance(word, Assign):
        return word
    match = _TEXT.fullmatch(word)
    if match is None:
        raise ScriptError(f"{word[:60]!r} is no name of a variable")
    name, plus, text = match.groups()
    node = Assign(word, shell.line, 0)
    node.name = name
    if "[" in word.partition("=")[0]:
        raise UnsupportedError("an element as an argument of declare")
    node.append = plus == "+"
    return node if text is None else _made(node, text)


def _made(node: Assign, text: str) -> Assign:
    """Return an assignment of a text whose expansions are done."""
    made = Assign(node.text, node.line, node.at)
    made.name, made.subscript, made.append = node.name, node.subscript, node.append
    made.value = Word(text, node.line, node.at, plain=True)
    made.value.parts = (Quoted(text),)
    return made


def _functions(shell: Shell, on: set[str], names: list[Argument]) -> int:
    """Carry out ``declare -F name``: tell which functions there are."""
    if not names or ("f" in on and shell.streams.stdout is not None):
        raise UnsupportedError("a list of functions")
    status = 0
    for name in names:
        if name in shell.functions or str(name) in getattr(shell.commands, "functions", ()):
            if "F" in on:
                write(shell, f"{name}\n")
        else:
            status = 1
    return status


def _describe(shell: Shell, names: list[Argument]) -> int:
    """Carry out ``declare -p name``."""
    if not names:
        raise UnsupportedError("a list of all variables")
    status = 0
    for name in names:
        variable = shell.variables.get(str(name))
        if variable is None:
            if shell.streams.stderr is not None:
                raise UnsupportedError("a message of declare -p")
            status = 1
            continue
        text = _description(str(name), variable)
        shell.budget.spend(len(text) >> 2)
        write(shell, text + "\n")
    return status


def _description(name: str, variable: Variable) -> str:
    flags = variable.kind + ("i" if variable.integer else "") + ("r" if variable.readonly else "")
    flags += "x" if variable.exported else ""
    head = f"declare -{flags or '-'} {name}"
    if variable.kind == SCALAR:
        return head if variable.text is None else f"{head}={_double(variable.text)}"
    if variable.items is None:
        return head
    pairs = zip(variable.keys(), variable.values(), strict=True)
    body = " ".join(f"[{key}]={_double(value)}" for key, value in pairs)
    return f"{head}=({body} )" if variable.kind == ASSOCIATIVE and body else f"{head}=({body})"


def _double(text: str) -> str:
    if _UNWRITABLE.search(text):
        raise UnsupportedError("a control character in what declare -p writes")
    if "\n" in text or "\t" in text:
        text = text.replace("\\", "\\\\").replace("'", "\\'")
        return "$'" + text.replace("\n", "\\n").replace("\t", "\\t") + "'"
    return '"' + re.sub(r'([\\$`"])', r"\\\1", text) + '"'


def unset(shell: Shell, arguments: list[Argument]) -> int:
    """Carry out unset: of variables, elements and functions."""
    words = [shell.argument_text(argument) for argument in arguments]
    kind = ""
    while words and words[0] in {"-f", "-v", "-n", "--"}:
        kind = words.pop(0)
    for word in words:
        if kind == "-f":
            shell.functions.pop(word, None)
            continue
        name, bracket, rest = word.partition("[")
        if not _NAME.fullmatch(name):
            raise ScriptError(f"unset: {word[:60]!r} is no name")
        if bracket:
            _unset_element(shell, name, rest[:-1])
        elif shell.variables.get(name) is not None:
            shell.variables.unset(name)
        elif kind != "-v":
            shell.functions.pop(word, None)
    return 0


def _unset_element(shell: Shell, name: str, subscript: str) -> None:
    if shell.variables.get(name) is None:
        return
    variable = shell.variables.writable(name)
    if subscript in {"@", "*"}:
        raise UnsupportedError("unset of all elements")
    if variable.kind == ASSOCIATIVE:
        (variable.items or {}).pop(subscript, None)
        return
    index = shell.index(subscript)
    if variable.kind == SCALAR:
        raise ScriptError(f"unset: {name} is no array")
    if index < 0:
        index += variable.end(shell.budget)
    (variable.items or {}).pop(index, None)
