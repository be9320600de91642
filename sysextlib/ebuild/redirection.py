"""Where commands write and read: texts, never files."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from sysextlib.ebuild.failure import UnsupportedError
from sysextlib.ebuild.parser import parse_commands
from sysextlib.ebuild.parts import HEREDOC, parse_parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sysextlib.ebuild.nodes import Redirect
    from sysextlib.ebuild.shell import Shell

_JOINED: Final = re.compile(r"\$\*|\{!?\*|\[\*\]")


class Input:
    """Text that commands read from."""

    __slots__ = ("at", "text")

    def __init__(self, text: str = "") -> None:
        self.text = text
        self.at = 0


@dataclass(frozen=True, slots=True)
class Streams:
    """Standard input, output and error; None is a stream that nobody reads."""

    stdin: Input | None = None
    stdout: list[str] | None = None
    stderr: list[str] | None = None

    def with_output(self, written: list[str]) -> Streams:
        """Return the same with another output."""
        return replace(self, stdout=written)

    def with_input(self, text: str) -> Streams:
        """Return the same with another input."""
        return replace(self, stdin=Input(text))


@contextlib.contextmanager
def redirected(shell: Shell, redirects: Sequence[Redirect]) -> Iterator[None]:
    """Apply redirections for the length of the block.

    :raises UnsupportedError: one names a file other than /dev/null.
    """
    saved = shell.streams
    for redirect in redirects:
        shell.streams = _applied(shell, redirect)
    try:
        yield
    finally:
        shell.streams = saved


def _applied(shell: Shell, redirect: Redirect) -> Streams:
    streams = shell.streams
    operator, fd = redirect.operator, redirect.fd
    if operator == "<<":
        body = redirect.body
        if not redirect.literal:
            if shell.expansion.ifs()[:1] != " " and _JOINED.search(body):
                raise UnsupportedError(
                    "$* in a here-document while IFS does not begin with a space"
                )
            body = shell.expansion.text(parse_parts(body, HEREDOC))
        return streams.with_input(body)
    if operator == "<" and redirect.target.text.startswith("<("):
        text, _ = shell.capture(parse_commands(redirect.target.text[2:-1]))
        return streams.with_input(text)
    target = shell.expansion.word(redirect.target)
    if operator == "<<<":
        return streams.with_input(target + "\n")
    if operator == "<" and target == "/dev/null" and fd in {"", "0"}:
        return streams.with_input("")
    if operator in {"&>", "&>>"} or (operator == ">&" and not fd and not target.isdigit()):
        if target == "/dev/null":
            return replace(streams, stdout=None, stderr=None)
    elif operator in {">", ">>", ">|"} and target == "/dev/null":
        if fd in {"", "1"}:
            return replace(streams, stdout=None)
        if fd == "2":
            return replace(streams, stderr=None)
    elif operator == ">&" and target in {"1", "2"}:
        source = streams.stdout if target == "1" else streams.stderr
        if fd in {"", "1"}:
            return replace(streams, stdout=source)
        if fd == "2":
            return replace(streams, stderr=source)
    raise UnsupportedError(f"the redirection {fd}{operator}{target[:60]}")
