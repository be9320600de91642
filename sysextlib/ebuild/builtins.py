"""The commands of bash that are not about variables or output."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sysextlib.ebuild import declare, output
from sysextlib.ebuild.conditional import test_command
from sysextlib.ebuild.failure import ScriptError, UnsupportedError
from sysextlib.ebuild.flow import LoopEnd, Return
from sysextlib.ebuild.reading import mapfile, read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sysextlib.ebuild.shell import Argument, Builtin, Shell

SHOPT_OFF: Final = frozenset({
    "extglob", "nullglob", "failglob", "globstar", "dotglob", "nocasematch", "nocaseglob",
    "patsub_replacement", "globskipdots", "lastpipe", "localvar_inherit", "localvar_unset",
    "inherit_errexit",
})  # fmt: skip
"""Options of shopt that are off when an ebuild begins; failglob is on from EAPI 6."""

_SETTABLE: Final = frozenset({"extglob", "nullglob", "failglob"})
_SET_LETTERS: Final = {"f": "noglob"}


def texts(shell: Shell, arguments: list[Argument]) -> list[str]:
    """Return the arguments of a command to which assignments are plain words."""
    return [shell.argument_text(argument) for argument in arguments]


def true(_: Shell, __: list[Argument]) -> int:
    """Succeed."""
    return 0


def false(_: Shell, __: list[Argument]) -> int:
    """Fail."""
    return 1


def shift(shell: Shell, arguments: list[Argument]) -> int:
    """Carry out shift."""
    count = _count(shell, arguments, 1)
    if count > len(shell.positional):
        return 1
    shell.positional = shell.positional[count:]
    return 0


def return_(shell: Shell, arguments: list[Argument]) -> int:
    """Carry out return."""
    if len(shell.frames) < 2:
        raise ScriptError("return outside of a function or sourced file")
    raise Return(_count(shell, arguments, shell.status) & 255)


def break_(shell: Shell, arguments: list[Argument]) -> int:
    """Carry out break."""
    return _end_loop(shell, arguments, again=False)


def continue_(shell: Shell, arguments: list[Argument]) -> int:
    """Carry out continue."""
    return _end_loop(shell, arguments, again=True)


def _end_loop(shell: Shell, arguments: list[Argument], *, again: bool) -> int:
    levels = _count(shell, arguments, 1)
    if levels < 1:
        raise ScriptError("break or continue of no loop")
    if shell.loops == 0:
        return 0
    raise LoopEnd(levels, again=again)


def _count(shell: Shell, arguments: list[Argument], default: int) -> int:
    words = texts(shell, arguments)
    if not words:
        return default
    if len(words) > 1 or not re.fullmatch(r"-?[0-9]{1,9}", words[0]):
        raise ScriptError(f"{words[0][:40]!r} is no count")
    return int(words[0])


def exit_(_: Shell, __: list[Argument]) -> int:
    """Refuse exit, which would end the package manager's shell."""
    raise ScriptError("exit while metadata is read")


def set_(shell: Shell, arguments: list[Argument]) -> int:
    """Carry out set: the positional parameters, -f, and -o of what is known."""
    words = texts(shell, arguments)
    while words and re.match(r"[-+]", words[0]):
        word = words.pop(0)
        if word == "--":
            shell.positional = words
            return 0
        if word in {"-o", "+o"}:
            name = words.pop(0) if words else ""
        else:
            name = _SET_LETTERS.get(word[1:], "")
        if name == "noglob":
            (shell.options.add if word[0] == "-" else shell.options.discard)(name)
        elif not (word[0] == "+" and word[1:] in {"e", "u", "x"}):
            raise UnsupportedError(f"set {word[:20]} {name[:20]}".rstrip())
    if words:
        shell.positional = words
    return 0


def shopt(shell: Shell, arguments: list[Argument]) -> int:
    """Carry out shopt for the options that are known."""
    words = texts(shell, arguments)
    flags = ""
    while words and re.fullmatch(r"-[suqpo]+", words[0]):
        flags += words.pop(0)[1:]
    if not words and flags.strip("o") != "p":
        raise UnsupportedError("a list of all shell options")
    # Such a list is made to be evaluated later: of what can change here, it says all.
    words = words or (["noglob"] if "o" in flags else sorted(_SETTABLE))
    status = 0
    for name in words:
        known = {"noglob"} if "o" in flags else SHOPT_OFF
        if name not in known:
            raise UnsupportedError(f"the shell option {name[:40]}")
        if "s" in flags or "u" in flags:
            if "s" in flags and name not in _SETTABLE | {"noglob"}:
                raise UnsupportedError(f"shopt -s {name}")
            (shell.options.add if "s" in flags else shell.options.discard)(name)
            continue
        on = name in shell.options
        status |= not on
        if "q" in flags:
            continue
        if "p" in flags:
            command = "set -o" if "o" in flags else "shopt -s"
            off = "set +o" if "o" in flags else "shopt -u"
            output.write(shell, f"{command if on else off} {name}\n")
        else:
            raise UnsupportedError("shopt without -p or -q")
    return status


def eval_(shell: Shell, arguments: list[Argument]) -> int:
    """Carry out eval."""
    return shell.evaluate_text(shell.budget.join(" ", texts(shell, arguments)))


def let(shell: Shell, arguments: list[Argument]) -> int:
    """Carry out let."""
    words = texts(shell, arguments)
    value = 0
    for word in words:
        value = shell.calculate(word)
    return int(value == 0)


def test(shell: Shell, arguments: list[Argument]) -> int:
    """Carry out test."""
    return test_command(shell, texts(shell, arguments))


def bracket(shell: Shell, arguments: list[Argument]) -> int:
    """Carry out [."""
    words = texts(shell, arguments)
    if words[-1:] != ["]"]:
        raise ScriptError("[ without ]")
    return test_command(shell, words[:-1])


def builtin(shell: Shell, arguments: list[Argument]) -> int:
    """Carry out builtin and command: what follows, without looking at functions."""
    words = list(arguments)
    if words[:1] in (["-v"], ["-V"]):
        return _which(shell, texts(shell, words[1:]), path=words[0] == "-V")
    if not words or str(words[0]).startswith("-"):
        raise UnsupportedError("an option of command or builtin")
    name = shell.argument_text(words[0])
    command = BUILTINS.get(name)
    if command is None:
        raise ScriptError(f"{name[:60]!r} is no builtin command")
    return command(shell, words[1:])


def _which(shell: Shell, words: list[str], *, path: bool) -> int:
    if path:
        raise UnsupportedError("command -V")
    status = 1
    for name in words:
        if name in shell.functions or name in shell.commands:
            output.write(shell, name + "\n")
            status = 0
    return status


def type_(shell: Shell, arguments: list[Argument]) -> int:
    """Carry out type, for its status and for -t."""
    words = texts(shell, arguments)
    kinds = words[:1] == ["-t"]
    if words[:1] and words[0].startswith("-") and words[0] not in {"-t", "-P", "-p"}:
        raise UnsupportedError(f"type {words[0][:20]}")
    if words[:1] in (["-P"], ["-p"]):
        return 1  # nothing is found: the search path is empty
    names = words[1:] if kinds else words
    status = 0
    for name in names:
        if name in shell.functions or name in getattr(shell.commands, "functions", ()):
            kind = "function"
        elif name in BUILTINS:
            kind = "builtin"
        else:
            status = 1
            continue
        if kinds:
            output.write(shell, kind + "\n")
        elif shell.streams.stdout is not None:
            raise UnsupportedError("the text that type writes")
    return status


BUILTINS: Final[Mapping[str, Builtin]] = {
    ":": true,
    "true": true,
    "false": false,
    "echo": output.echo,
    "printf": output.printf,
    "local": declare.local,
    "declare": declare.declare,
    "typeset": declare.declare,
    "export": declare.export,
    "readonly": declare.readonly,
    "unset": declare.unset,
    "shift": shift,
    "return": return_,
    "break": break_,
    "continue": continue_,
    "exit": exit_,
    "set": set_,
    "shopt": shopt,
    "eval": eval_,
    "let": let,
    "test": test,
    "[": bracket,
    "builtin": builtin,
    "command": builtin,
    "type": type_,
    "read": read,
    "mapfile": mapfile,
    "readarray": mapfile,
}
