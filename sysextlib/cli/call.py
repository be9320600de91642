"""The command line, taken apart by the table of flags."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from typing import NoReturn

from sysextlib.cli.flags import BUILD, COMMANDS, FLAGS, Flag
from sysextlib.errors import UsageError, nearest


@dataclass(frozen=True, slots=True)
class Call:
    """What the user typed, taken apart: a command, its words, and the flags that were given."""

    command: str
    words: tuple[str, ...]
    given: dict[str, str | bool | list[str]]

    def text(self, flag: str) -> str | None:
        """Return the value of a flag, its default, or None."""
        value = self.given.get(flag)
        if value is None:
            value = next(known.default for known in FLAGS if known.name == flag)
        assert value is None or isinstance(value, str)
        return value

    def texts(self, flag: str) -> tuple[str, ...]:
        """Return the values of a flag that may be given again."""
        value = self.given.get(flag, [])
        assert isinstance(value, list)
        return tuple(value)

    def on(self, flag: str) -> bool:
        """Tell whether a boolean flag is switched on."""
        return self.given.get(flag) is True

    def off(self, flag: str) -> bool:
        """Tell whether a boolean flag is switched off by name."""
        return self.given.get(flag) is False


_REWORDED = (  # what argparse says, for readers who do not know what it calls an argument
    (r"^argument (--\w+): expected one argument$", r"\1 needs a value"),
    (r"^argument (--\w+): ignored explicit argument .*$", r"\1 takes no value"),
)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        for pattern, told in _REWORDED:
            message = re.sub(pattern, told, message)
        raise UsageError(message, hint="./build_sysext.py --help")


def parse(argv: list[str]) -> Call:
    """Take the command line apart.

    Names may be spelled with "_" or "-"; a boolean is switched off by ``--noNAME``, as in the
    original, or ``--no-NAME``. Flags and words come in any order.

    :raises UsageError: an unknown flag or command, a flag of another command, a missing value.
    """
    namespace, unknown = parser().parse_known_intermixed_args(_canonical(argv))
    if unknown:
        raise _unknown_flag(unknown[0])
    given = {k: v for k, v in vars(namespace).items() if v is not None and k != "words"}
    planned = given.get("plan") is True
    command, words = _command(namespace.words, given)
    # the call of a build with --plan added keeps all its flags
    takers = {command, BUILD} if planned and command == "plan" else {command}
    for flag in FLAGS:
        if flag.name in given and not flag.commands & takers:
            known = ", ".join(sorted(flag.commands))
            raise UsageError(f"{command} takes no --{flag.name}", {"taken by": known})
        value = given.get(flag.name)
        if flag.choices and value is not None and value not in flag.choices:
            hint = nearest(value, flag.choices) or "known: " + ", ".join(flag.choices)
            raise UsageError(f"--{flag.name} cannot be {value!r}", hint=hint)
    return Call(command, words, given)


def parser() -> argparse.ArgumentParser:
    """Return the argument parser that FLAGS describes."""
    lines = "\n".join(
        f"  {'' if name == BUILD else name:<8}{words:<28}{text}"
        for name, (words, text) in COMMANDS.items()
    )
    result = _Parser(
        prog="build_sysext.py",
        usage="build_sysext.py [FLAGS] [COMMAND] WORDS...",
        description="Build Flatcar's OS-dependent system extensions.",
        epilog=f"commands:\n{lines}\n\nEach flag can be spelled with - or _.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    result.add_argument("words", nargs="*", help=argparse.SUPPRESS)
    result.add_argument("--version", action="version", version=f"%(prog)s {version()}")
    for flag in FLAGS:
        _add(result, flag)
    return result


def version() -> str:
    """Return this program's version, from pyproject.toml's one place for it."""
    from sysextlib.version import VERSION

    return VERSION


def _canonical(argv: list[str]) -> list[str]:
    """Spell flag names with "_", and join a flag with the value in the next word.

    Joined, a value may begin with "-", as those of mkfs.erofs do.
    """
    valued = {f"--{flag.name}" for flag in FLAGS if flag.value}
    words = iter(argv)
    result: list[str] = []
    for word in words:
        if word == "--":
            return [*result, word, *words]
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            name = "--" + name.removeprefix("--").replace("-", "_")
            following = next(words, None) if name in valued and not equals else None
            word = f"{name}={following}" if following is not None else name + equals + value
        result.append(word)
    return result


def _add(result: argparse.ArgumentParser, flag: Flag) -> None:
    if flag.value:
        result.add_argument(
            f"--{flag.name}",
            metavar=flag.value,
            action="append" if flag.repeat else "store",
            help=flag.help + (f" ({', '.join(flag.choices)})" if flag.choices else ""),
        )
        return
    result.add_argument(f"--{flag.name}", action="store_const", const=True, help=flag.help)
    for name in (f"--no{flag.name}", f"--no_{flag.name}"):
        result.add_argument(
            name, dest=flag.name, action="store_const", const=False, help=argparse.SUPPRESS
        )


def _command(words: list[str], given: dict[str, object]) -> tuple[str, tuple[str, ...]]:
    if words and words[0] in COMMANDS and words[0] != BUILD:
        return words[0], tuple(words[1:])
    if given.pop("plan", False):
        return "plan", tuple(words)
    return BUILD, tuple(words)


def _unknown_flag(text: str) -> UsageError:
    name = text.partition("=")[0]
    hint = nearest(name, [f"--{flag.name}" for flag in FLAGS] + ["--help", "--version"])
    return UsageError(f"unknown flag {name}", hint=hint or "./build_sysext.py --help")
