"""Shell text cut into words, control operators and redirections, as bash would.

Whatever is not understood is an error, never a guess.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

NESTING_LIMIT = 60
_BLANK = re.compile(r"(?:[ \t]|\\\n)+")
_CONTROL = re.compile(r";;&|;&|;;|&&|\|\||\|&|[;&|\n()]")
_REDIRECTION = re.compile(r"(?:\d+|\{\w+\})?(&>>|&>|<<<|<<-|<<|<>|<&|>&|>>|>\||<(?!\()|>(?!\())")
_ARRAY = re.compile(r"[A-Za-z_]\w*(?:\[[^\]]*\])?\+?=\Z")
_PLAIN = re.compile(r"[^\s;&|()<>'\"\\$`]+")
_EXTGLOB = "?*+@!"


class ShellError(ValueError):
    """A text that is not understood."""


class TokenKind(Enum):
    """What a token is."""

    WORD = "word"
    CONTROL = "control operator"
    REDIRECTION = "redirection"


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of shell text.

    :param text: as written; of a redirection its operator, without the file descriptor.
    :param target: what a redirection names, as written.
    :param inner: the texts of the command and process substitutions in it.
    """

    kind: TokenKind
    text: str
    target: str = ""
    inner: tuple[str, ...] = ()


class Lexer:
    """An iterator over the tokens of ``text`` from ``position`` on."""

    def __init__(self, text: str, position: int = 0, depth: int = 0) -> None:
        """Start at ``position``.

        :param depth: of substitutions around the text; ShellError when there are too many.
        """
        if depth > NESTING_LIMIT:
            raise ShellError("substitutions nest too deeply")
        self.text = text
        self.position = position
        self._depth = depth
        self._heredocs: list[tuple[str, bool, bool]] = []  # delimiter, tabs stripped, quoted
        self._inner: list[str] = []

    def __iter__(self) -> Lexer:
        return self

    def __next__(self) -> Token:
        if blank := _BLANK.match(self.text, self.position):
            self.position = blank.end()
        if self._peek() == "#":
            end = self.text.find("\n", self.position)
            self.position = len(self.text) if end < 0 else end
        if self.position >= len(self.text):
            raise StopIteration
        if redirection := _REDIRECTION.match(self.text, self.position):
            return self._redirection(redirection)
        if control := _CONTROL.match(self.text, self.position):
            self.position = control.end()
            inner = self._skip_heredocs() if control[0] == "\n" else ()
            return Token(TokenKind.CONTROL, control[0], inner=inner)
        return self._word()

    def skip_arithmetic(self) -> None:
        """Go past the ``))`` that ends an arithmetic command or expansion.

        :raises ShellError: a command substitution in it, or no end.
        """
        depth = 2
        while depth:
            char = self._peek()
            if not char or char == "`" or self.text.startswith("$(", self.position):
                raise ShellError("arithmetic that is not understood")
            depth += {"(": 1, ")": -1}.get(char, 0)
            self.position += 1

    def _peek(self, ahead: int = 0) -> str:
        at = self.position + ahead
        return self.text[at : at + 1]

    def _take_inner(self) -> tuple[str, ...]:
        inner = tuple(self._inner)
        self._inner.clear()
        return inner

    def _redirection(self, match: re.Match[str]) -> Token:
        self.position = match.end()
        if blank := _BLANK.match(self.text, self.position):
            self.position = blank.end()
        word = self._word()
        if not word.text:
            raise ShellError("a redirection without a target")
        if match[1] in {"<<", "<<-"}:
            plain = re.sub(r"['\"\\]", "", word.text)
            self._heredocs.append((plain, match[1] == "<<-", plain != word.text))
        return Token(TokenKind.REDIRECTION, match[1], word.text, word.inner)

    def _skip_heredocs(self) -> tuple[str, ...]:
        """Go past the bodies of the here-documents; return the substitutions in them."""
        for delimiter, tabs, quoted in self._heredocs:
            start = self.position
            while True:
                end = self.text.find("\n", self.position)
                end = len(self.text) if end < 0 else end
                line = self.text[self.position : end]
                if (line.lstrip("\t") if tabs else line) == delimiter:
                    break
                if end == len(self.text):
                    raise ShellError("a here-document has no end")
                self.position = end + 1
            if not quoted:
                body = Lexer(self.text[start : self.position], 0, self._depth + 1)
                body.scan_expansions()
                self._inner += body._take_inner()
            self.position = min(end + 1, len(self.text))
        self._heredocs.clear()
        return self._take_inner()

    def scan_expansions(self) -> None:
        """Go through a text in which only ``$``, backquotes and backslashes mean anything."""
        while char := self._peek():
            self._character(char, quoted=True)

    def _character(self, char: str, *, quoted: bool) -> None:
        """Go past a character, or the expansion that it begins."""
        if char == "\\":
            self.position += 2
        elif char == "$":
            self._dollar(quoted=quoted)
        elif char == "`":
            self._backquotes()
        else:
            self.position += 1

    def _word(self) -> Token:
        start = self.position
        while char := self._peek():
            if plain := _PLAIN.match(self.text, self.position):
                self.position = plain.end()
            elif char == "\\":
                self.position += 2
            elif char == "'":
                self._single()
            elif char == '"':
                self._double()
            elif char == "$":
                self._dollar(quoted=False)
            elif char == "`":
                self._backquotes()
            elif char in "<>" and self._peek(1) == "(":
                self.position += 2
                self._inner.append(self._parentheses())
            elif char == "(" and self.position > start:
                before = self.text[start : self.position]
                if before[-1] not in _EXTGLOB and not _ARRAY.match(before):
                    break
                self.position += 1
                self._list()
            else:
                break
        text = self.text[start : self.position]
        return Token(TokenKind.WORD, text, inner=self._take_inner())

    def _single(self) -> None:
        end = self.text.find("'", self.position + 1)
        if end < 0:
            raise ShellError("a quote has no end")
        self.position = end + 1

    def _double(self) -> None:
        self.position += 1
        while char := self._peek():
            if char == '"':
                self.position += 1
                return
            self._character(char, quoted=True)
        raise ShellError("a quote has no end")

    def _dollar(self, *, quoted: bool) -> None:
        following = self.text[self.position + 1 : self.position + 3]
        if following == "((":
            self.position += 3
            self.skip_arithmetic()
        elif following[:1] == "(":
            self.position += 2
            self._inner.append(self._parentheses())
        elif following[:1] == "{":
            self.position += 2
            self._braces(quoted=quoted)
        elif following[:1] == "'" and not quoted:
            match = re.compile(r"(?:[^'\\]|\\.)*'", re.DOTALL).match(self.text, self.position + 2)
            if match is None:
                raise ShellError("a quote has no end")
            self.position = match.end()
        else:
            self.position += 1

    def _braces(self, *, quoted: bool) -> None:
        self._depth += 1
        if self._depth > NESTING_LIMIT:
            raise ShellError("substitutions nest too deeply")
        while char := self._peek():
            if char == "}":
                self.position += 1
                self._depth -= 1
                return
            if char == "'" and not quoted:
                self._single()
            elif char == '"':
                self._double()
            else:
                self._character(char, quoted=quoted)
        raise ShellError("an expansion has no end")

    def _backquotes(self) -> None:
        match = re.compile(r"((?:[^`\\]|\\.)*)`", re.DOTALL).match(self.text, self.position + 1)
        if match is None:
            raise ShellError("a backquote has no end")
        self._inner.append(re.sub(r"\\([`$\\])", r"\1", match[1]))
        self.position = match.end()

    def _list(self) -> None:
        """Go past an array's values or an extended pattern; keep the substitutions in it."""
        inside = Lexer(self.text, self.position, self._depth + 1)
        depth = 0
        for token in inside:
            self._inner += token.inner
            if token.kind is TokenKind.CONTROL and token.text in "()":
                depth += 1 if token.text == "(" else -1
                if depth < 0:
                    self.position = inside.position
                    return
        raise ShellError("a parenthesis has no end")

    def _parentheses(self) -> str:
        """Go past a substitution; return the text in it."""
        start = self.position
        inside = Lexer(self.text, self.position, self._depth + 1)
        depth = 0
        for token in inside:
            if token.kind is TokenKind.CONTROL and token.text in "()":
                depth += 1 if token.text == "(" else -1
                if depth < 0:
                    self.position = inside.position
                    return self.text[start : self.position - 1]
        raise ShellError("a parenthesis has no end")


def unquote(word: str) -> str | None:
    """Return what a word without expansions means, or None when it has one."""
    out: list[str] = []
    position = 0
    double = False
    while position < len(word):
        char = word[position]
        if char == '"':
            double = not double
        elif char == "'" and not double:
            end = word.find("'", position + 1)
            if end < 0:
                return None
            out.append(word[position + 1 : end])
            position = end
        elif char == "\\":
            position += 1
            following = word[position : position + 1]
            out.append(following if not double or following in '$`"\\' else "\\" + following)
        elif char in "$`" or (char in "*?[{~(" and not double):
            return None
        else:
            out.append(char)
        position += 1
    return "".join(out)
