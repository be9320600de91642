"""read and mapfile: from here-documents, here-strings and pipes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sysextlib.ebuild.assignment import assign_place, assign_text, check_word
from sysextlib.ebuild.failure import ScriptError, UnsupportedError

if TYPE_CHECKING:
    from sysextlib.ebuild.redirection import Input
    from sysextlib.ebuild.shell import Argument, Shell


_ESCAPE: Final = re.compile(r"\\(.?)", re.DOTALL)


def read(shell: Shell, arguments: list[Argument]) -> int:
    """Carry out read with -r, -a and -d; at the end of the input the status is 1."""
    words = [shell.argument_text(argument) for argument in arguments]
    raw, array, delimiter = False, "", "\n"
    while words and words[0].startswith("-") and len(words[0]) > 1:
        option = words.pop(0)
        if option == "--":
            break
        for index, flag in enumerate(option[1:]):
            if flag == "r":
                raw = True
                continue
            if flag not in "ad":
                raise UnsupportedError(f"read -{flag}")
            value = option[index + 2 :]
            if not value:
                if not words:
                    raise ScriptError(f"read -{flag} without a value")
                value = words.pop(0)
            if flag == "a":
                array = value
            else:
                delimiter = value[:1] or "\0"
            break
    line, complete = _take(shell.streams.stdin, delimiter)
    if not raw:
        line = _without_backslashes(line, complete, shell.expansion.ifs())
    _store(shell, line, words, array)
    return 0 if complete else 1


def _without_backslashes(line: str, complete: bool, ifs: str) -> str:
    """Return a line as read without -r has it: a backslash quotes what follows it."""
    if line.endswith("\\") and complete:
        raise UnsupportedError("read without -r of a line that a backslash continues")
    for match in _ESCAPE.finditer(line):
        if match[1] and match[1] in ifs and match[1] != "\n":
            raise UnsupportedError("read without -r of a backslash before what splits words")
    return _ESCAPE.sub(lambda match: "" if match[1] == "\n" else match[1], line)


def _store(shell: Shell, line: str, names: list[str], array: str) -> None:
    shell.budget.spend(40 + 2 * len(line))
    ifs = shell.expansion.ifs()
    blanks = "".join(char for char in ifs if char in " \t\n")
    if array:
        check_word(array)
        fields = _split(line, ifs, blanks, -1)
        shell.variables.set_items(array, dict(enumerate(fields)))
        return
    if not names:
        assign_text(shell, "REPLY", line)
        return
    fields = _split(line, ifs, blanks, len(names))
    for index, name in enumerate(names):
        assign_place(shell, name, fields[index] if index < len(fields) else "")


def _split(text: str, ifs: str, blanks: str, most: int) -> list[str]:
    """Split at IFS into at most so many fields; the last takes what is left."""
    text = text.strip(blanks) if blanks else text
    fields: list[str] = []
    at = 0
    while at < len(text):
        if most > 0 and len(fields) == most - 1:
            rest = text[at:]
            # One delimiter at the very end goes when nothing else is in the rest.
            if rest and rest[-1] in ifs and rest[-1] not in blanks:
                inner = rest[:-1].rstrip(blanks)
                if not any(char in ifs and char not in blanks for char in inner):
                    rest = inner
            fields.append(rest)
            return fields
        start = at
        while at < len(text) and text[at] not in ifs:
            at += 1
        fields.append(text[start:at])
        while at < len(text) and text[at] in blanks:
            at += 1
        if at < len(text) and text[at] in ifs:
            at += 1
            while at < len(text) and text[at] in blanks:
                at += 1
    return fields


def _take(source: Input | None, delimiter: str) -> tuple[str, bool]:
    """Return the text up to the delimiter, and whether the delimiter was there."""
    if source is None:
        return "", False
    end = source.text.find(delimiter, source.at)
    if end < 0:
        text, complete = source.text[source.at :], False
        source.at = len(source.text)
    else:
        text, complete = source.text[source.at : end], True
        source.at = end + 1
    if "\0" in text:
        raise UnsupportedError("a NUL character where lines are read")
    return text, complete


def mapfile(shell: Shell, arguments: list[Argument]) -> int:
    """Carry out mapfile with -t and -d."""
    words = [shell.argument_text(argument) for argument in arguments]
    strip, delimiter = False, "\n"
    while words and words[0].startswith("-"):
        option = words.pop(0)
        if option in {"-t", "-td"}:
            strip = True
        if option in {"-d", "-td"}:
            delimiter = (words.pop(0) if words else "")[:1] or "\0"
        elif option != "-t":
            raise UnsupportedError(f"mapfile {option[:20]}")
    name = words[0] if words else "MAPFILE"
    check_word(name)
    items: dict[int | str, str] = {}
    source = shell.streams.stdin
    while source is not None and source.at < len(source.text):
        text, complete = _take(source, delimiter)
        items[len(items)] = text if strip or not complete else text + delimiter
        shell.budget.spend(1)
    shell.variables.set_items(name, items)
    variable = shell.variables.writable(name)
    variable.items = items
    return 0
