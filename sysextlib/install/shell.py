"""Which commands a shell function runs: read, never executed.

Understands what bash's ``declare -f`` prints (its own normal form of a function), which is what a
package's environment.bz2 holds. Conditions that a caller can decide are followed, so that a
branch which is not taken on a first installation is not counted.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from sysextlib.install.shell_lexer import Lexer, ShellError, Token, TokenKind

Decide = Callable[[tuple[str, ...]], "bool | None"]
"""Tells of a command's words whether it succeeds, or None when it cannot tell."""

_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*(?:\[[^\]]*\])?\+?=")
_WRITES = {">", ">>", ">|", "&>", "&>>", "<>"}
_COMMAND_FOLLOWS = {"{", "}", "then", "do", "else", "elif", "if", "while", "until", "!", "time"}
_CLOSERS = {"}": "{", ")": "(", "fi": "if", "done": "loop", "esac": "case"}
_CLAUSE_ENDS = {";;", ";&", ";;&"}


@dataclass(frozen=True, slots=True)
class Command:
    """One simple command.

    :param words: as written, quotes and all; never empty.
    :param certain: it is run whenever the function is; otherwise only under some condition.
    :param writes: the files that its output is sent to, as written.
    """

    words: tuple[str, ...]
    certain: bool = True
    writes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Frame:
    """An open compound command; states are True, False, or None when that cannot be told.

    :param entry: whether it is run.
    :param outer: ``base`` of what is around it.
    :param alive: whether it is reached; a ``return`` in a subshell ends no more than that.
    :param taken: of ``if``: whether an earlier branch is.
    """

    opener: str
    entry: bool | None
    outer: bool | None
    alive: bool | None
    negated: bool = False
    taken: bool | None = False


def commands(body: str, decide: Decide, depth: int = 0) -> tuple[Command, ...]:
    """Return the simple commands of a function's body in order, without those never run.

    :param body: what stands between the function's braces.
    :raises ShellError: the text is not understood.
    """
    reader = _Reader(body, decide, depth)
    reader.read()
    return tuple(reader.found)


def function_body(text: str, start: int) -> str:
    """Return the body of the function whose opening brace lies just before ``start``.

    :raises ShellError: its end is not found.
    """
    depth = 1
    lexer = Lexer(text, start)
    at_command = True
    for token in lexer:
        if token.kind is TokenKind.WORD and at_command and token.text in {"{", "}"}:
            depth += 1 if token.text == "{" else -1
            if not depth:
                return text[start : lexer.position - 1]
        follows = token.kind is TokenKind.WORD and at_command and token.text in _COMMAND_FOLLOWS
        at_command = token.kind is TokenKind.CONTROL or follows
    raise ShellError("a function has no end")


def _and(one: bool | None, two: bool | None) -> bool | None:
    if one is False or two is False:
        return False
    return None if one is None or two is None else True


def _not(value: bool | None) -> bool | None:
    return None if value is None else not value


class _Reader:
    """One pass over a body.

    ``base`` tells whether the list that is being read is run, ``now`` the same for the next
    command of it, ``status`` whether the last one succeeded, ``alive`` whether no ``return`` came
    before: each True, False or None.
    """

    def __init__(self, body: str, decide: Decide, depth: int) -> None:
        self.found: list[Command] = []
        self._lexer = Lexer(body, 0, depth)
        self._decide = decide
        self._depth = depth
        self._frames: list[_Frame] = []
        self._base: bool | None = True
        self._now: bool | None = True
        self._status: bool | None = True
        self._alive: bool | None = True
        self._words: list[str] = []
        self._writes: list[str] = []
        self._negated = False

    def read(self) -> None:
        for token in self._lexer:
            if token.kind is TokenKind.WORD:
                self._word(token)
            elif token.kind is TokenKind.REDIRECTION:
                self._redirect(token)
            else:
                self._control(token)
        self._finish()
        if self._frames:
            raise ShellError(f"a {self._frames[-1].opener} has no end")

    def _next(self) -> Token:
        token = next(self._lexer, None)
        if token is None:
            raise ShellError("the text ends within a command")
        self._substitutions(token)
        return token

    def _word(self, token: Token) -> None:
        self._substitutions(token)
        if self._words or not self._keyword(token.text):
            self._words.append(token.text)

    def _redirect(self, token: Token) -> None:
        self._substitutions(token)
        duplicates = token.text in {">&", "<&"} and not re.fullmatch(r"\d+-?|-", token.target)
        if (token.text in _WRITES or duplicates) and token.target != "/dev/null":
            self._writes.append(token.target)

    def _substitutions(self, token: Token) -> None:
        if self._state() is False:
            return
        for text in token.inner:
            for command in commands(text, self._decide, self._depth + 1):
                self.found.append(Command(command.words, certain=False, writes=command.writes))

    def _state(self) -> bool | None:
        return _and(self._alive, self._now)

    def _control(self, token: Token) -> None:
        text = token.text
        self._substitutions(token)  # of here-documents
        if text == "(":
            self._open_parenthesis()
        elif text == ")":
            self._close(")")
        elif text in _CLAUSE_ENDS:
            self._finish()
            self._patterns()
        else:
            self._finish()
            if text == "&&":
                self._now = _and(self._base, self._status)
            elif text == "||":
                self._now = _and(self._base, _not(self._status))
            elif text not in {"|", "|&"}:
                self._now = self._base

    def _open_parenthesis(self) -> None:
        if self._words:
            raise ShellError("a parenthesis after a word")
        if self._lexer.text.startswith("(", self._lexer.position):
            self._lexer.position += 1
            self._lexer.skip_arithmetic()
            self._status = None
        else:
            self._open("(")

    # Compound commands.

    def _keyword(self, word: str) -> bool:
        """Act on a reserved word; False when it is none."""
        if word in {"{", "if", "while", "until"}:
            self._open("loop" if word in {"while", "until"} else word)
        elif word in {"for", "select"}:
            self._for()
        elif word == "case":
            self._open("case")
            self._next()
            if self._next().text != "in":
                raise ShellError("case without in")
            self._patterns()
        elif word in {"then", "elif", "else", "do"}:
            self._branch(word)
        elif word in _CLOSERS:
            self._close(word)
        elif word == "[[":
            self._test()
        elif word == "!":
            self._negated = not self._negated
        elif word == "function":
            self._function()
        elif word == "coproc":
            raise ShellError("coproc is not understood")
        else:
            return word == "time"
        return True

    def _open(self, opener: str) -> None:
        self._frames.append(_Frame(opener, self._now, self._base, self._alive, self._negated))
        self._base = self._now
        self._negated = False

    def _close(self, word: str) -> None:
        self._finish()
        if not self._frames or self._frames[-1].opener != _CLOSERS[word]:
            raise ShellError(f"{word} without its beginning")
        frame = self._frames.pop()
        self._base = frame.outer
        self._now = frame.entry
        if word == ")" and self._alive is not frame.alive:
            self._alive, self._status = frame.alive, None
        if word not in {"}", ")"} or frame.negated:
            self._status = None

    def _branch(self, word: str) -> None:
        self._finish()
        frame = self._frames[-1] if self._frames else None
        if frame is None or frame.opener != ("loop" if word == "do" else "if"):
            raise ShellError(f"{word} without its beginning")
        if word == "do":
            self._base = _and(frame.entry, None)
        elif word == "then":
            before = _and(frame.entry, _not(frame.taken))
            self._base = _and(before, self._status)
            frame.taken = _not(_and(_not(frame.taken), _not(self._status)))
        else:
            self._base = _and(frame.entry, _not(frame.taken))
        self._now = self._base

    def _for(self) -> None:
        self._open("loop")
        while True:
            token = self._next()
            if token.kind is TokenKind.CONTROL and token.text not in {";", "\n"}:
                raise ShellError("a for loop that is not understood")
            if token.text in {";", "\n"}:
                return

    def _patterns(self) -> None:
        """Go past a clause's patterns to its commands, or past ``esac``."""
        frame = self._frames[-1] if self._frames else None
        if frame is None or frame.opener != "case":
            raise ShellError("the end of a clause outside case")
        token = self._next()
        while token.text in {"\n", "("}:
            token = self._next()
        if token.text == "esac":
            self._close("esac")
            return
        while token.text != ")":
            token = self._next()
        self._base = self._now = _and(frame.entry, None)

    def _test(self) -> None:
        words = []
        token = self._next()
        while token.text != "]]":
            words.append(token.text)
            words += [token.target] if token.target else []
            token = self._next()
        self._words = ["[[", *words]

    def _function(self) -> None:
        """Take a function defined within as one that may be called."""
        for expected in (None, "(", ")"):
            token = self._next()
            if expected not in {None, token.text}:
                raise ShellError("a function that is not understood")
        while (token := self._next()).text == "\n":
            pass
        if token.text not in {"{", "("}:
            raise ShellError("a function that is not understood")
        self._now = _and(self._now, None)
        self._open(token.text)

    # Simple commands.

    def _finish(self) -> None:
        """End the simple command that was being read, if there is one."""
        if not (self._words or self._writes):
            return
        words, writes, negated = self._words, self._writes, self._negated
        self._words, self._writes, self._negated = [], [], False
        while words and _ASSIGNMENT.match(words[0]):
            words = words[1:]
        state = self._state()
        if state is False:
            return
        if not (words or writes):
            self._status = None
            return
        command = Command(tuple(words or [":"]), state is True, tuple(writes))
        self.found.append(command)
        status = self._decide(command.words)
        self._status = _not(status) if negated else status
        if state is None:
            self._status = None
        if command.words[0] in {"return", "exit"}:
            self._alive = _and(self._alive, False if state else None)
