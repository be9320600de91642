"""Cuts a script into the tokens of grammar/bash.lark.

What a word is called depends on where it stands: ``if`` is reserved at the beginning of a command
and a plain word behind ``echo``. The parser knows where it is, so the lexer asks which tokens the
parser's state takes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from lark.lexer import Lexer

from sysextlib.ebuild.failure import ScriptSyntaxError
from sysextlib.ebuild.nodes import Arithmetic, Assign, Function, Redirect, Token, Word
from sysextlib.ebuild.scan import (
    arithmetic_end,
    commands_end,
    has_extglob,
    heredoc_body,
    heredoc_delimiter,
    subscript_end,
    word_end,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_BLANK: Final = re.compile(r"(?:[ \t\r]|\\\n)+|(?:[ \t\r]|\\\n)*#[^\n]*")
_BLANK_LINES: Final = re.compile(r"(?:\s|\\\n|#[^\n]*)+")
_NEWLINES: Final = re.compile(r"(?:\s|#[^\n]*)+")
_LINE_END: Final = re.compile(r"[ \t\r]*(?:#[^\n]*)?(?:\n|\Z)")
_OPERATOR: Final = re.compile(r";;&|;;|;&|;|&&|\|\||\|&|\||&(?!>)|\(|\)")
_OPERATORS: Final = {
    ";;&": "DSEMIAND", ";;": "DSEMI", ";&": "SEMIAND", ";": "SEMI", "&&": "AND", "||": "OR",
    "|&": "PIPE", "|": "PIPE", "&": "AMP", "(": "LPAREN", ")": "RPAREN",
}  # fmt: skip
_RESERVED: Final = {
    "{": "LBRACE", "}": "RBRACE", "!": "BANG", "if": "IF", "then": "THEN", "elif": "ELIF",
    "else": "ELSE", "fi": "FI", "for": "FOR", "in": "IN", "do": "DO", "done": "DONE",
    "while": "WHILE", "until": "UNTIL", "case": "CASE", "esac": "ESAC", "[[": "LCOND",
}  # fmt: skip
_INSIDE: Final = frozenset({"then", "elif", "else", "fi", "do", "done", "esac", "in", "}"})
"""Reserved words that no command may begin with."""
_ONE_LINE: Final = frozenset({"WORD", "ARITH", "PIPE", "RPAREN", "patterns"})
"""Where nothing else may follow, no newline may: behind case and for, and among case patterns."""
_REFUSED: Final = frozenset({"select", "coproc", "time"})
_REDIRECT: Final = re.compile(
    r"([0-9]+|\{[A-Za-z_][A-Za-z0-9_]*\})?(&>>|&>|<<<|<<-?|<&|<>|>>|>&|>\||[<>](?!\())"
)
_PLAIN: Final = re.compile(r"[A-Za-z0-9_./:@%,^-][A-Za-z0-9_./:@%+,=^-]*(?=[\s;&|)]|\Z)")
_PLAIN_WORD: Final = re.compile(r"[A-Za-z0-9_./:@%+,=^-]+")
_ASSIGN: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(\+?=|(?=\[))")
_ENDS_WORD: Final = re.compile(r"[\s;&|<>()]|\\\n|\Z")
_SETS: Final = re.compile(r"\+?=")
_FUNCTION: Final = re.compile(r"([^\s;&|<>()$`\"'\\{}=\[]+)[ \t]*\([ \t]*\)\s*")
_FUNCTION_WORD: Final = re.compile(
    r"function[ \t]+([^\s;&|<>()$`\"'\\{}=]+)[ \t]*(?:\([ \t]*\))?\s*"
)
_DECLARES: Final = frozenset({"local", "declare", "typeset", "export", "readonly"})
_TEST_UNARY: Final = re.compile(r"-[a-hknoprstuvwxzGLNORS](?=[ \t\n])")
_TEST_BINARY: Final = re.compile(r"(?:==|=~|!=|=|-(?:eq|ne|lt|le|gt|ge|ef|nt|ot))(?=\s)|[<>]")


class BashLexer(Lexer):
    """Yields the tokens of one script, guided by the states of the parser."""

    __future_interface__ = 1

    def __init__(self, lexer_conf: object) -> None:
        """Take what lark gives to any lexer; this one needs nothing of it."""

    def lex(self, lexer_state: Any, parser_state: Any) -> Iterator[Token]:  # type: ignore[override]
        """Yield the tokens of the text that lark holds."""
        source = lexer_state.text
        return _Scanner(getattr(source, "text", source), parser_state).tokens()


def _needs_more(kind: str, accepts: Collection[str], *, in_test: bool) -> bool:
    """Tell whether bash refuses a newline that no rule takes, behind a token of a kind."""
    if in_test:
        return kind in {"UNARY", "BINARY"} or "BINARY" in accepts
    return kind == "BANG" or _ONE_LINE.issuperset(accepts)


class _Scanner:
    """The state of the lexer in one text.

    :ivar command: first word of the simple command that is being read.
    """

    def __init__(self, text: str, parser_state: Any) -> None:
        self.text = text
        self.size = len(text)
        self.at = 0
        self.line = 1
        self.counted = 0
        self.state = parser_state
        self.states = parser_state.parse_conf.states
        self.command: str | None = None
        self.in_test = False
        self.regex_next = False
        self.heredocs: list[tuple[Redirect, str, bool]] = []

    def tokens(self) -> Iterator[Token]:
        text = self.text
        kind = ""  # of the last token
        while True:
            blank = _BLANK.match(text, self.at)
            if blank:
                self.at = blank.end()
                continue
            if self.at >= self.size:
                break
            accepts = self.states[self.state.state_stack[-1]]
            if text[self.at] == "\n":
                start = self.at
                self._newline()
                if "NEWLINE" in accepts and not self.in_test:
                    yield Token("NEWLINE", "\n", self._line(start), start)
                elif _needs_more(kind, accepts, in_test=self.in_test):
                    raise ScriptSyntaxError("the end of the line is not expected here", start)
                continue
            token = self._test_token(accepts) if self.in_test else self._token(accepts)
            kind = token.type
            yield token
        if self.heredocs:
            raise ScriptSyntaxError("here-document without its text", self.heredocs[0][0].at)
        if "NEWLINE" in self.states[self.state.state_stack[-1]]:
            yield Token("NEWLINE", "", self._line(self.size), self.size)

    def _line(self, at: int) -> int:
        """Return the line of an offset; offsets come in order."""
        if at > self.counted:
            self.line += self.text.count("\n", self.counted, at)
            self.counted = at
            return self.line
        return self.line - self.text.count("\n", at, self.counted)

    def _newline(self) -> None:
        """Go behind a newline, the here-documents that follow it, and empty lines."""
        self.at += 1
        if self.heredocs:
            for redirect, delimiter, strip in self.heredocs:
                redirect.body, self.at = heredoc_body(self.text, self.at, delimiter, strip=strip)
            self.heredocs.clear()
        match = _NEWLINES.match(self.text, self.at)
        if match:
            self.at = match.end()

    def _token(self, accepts: Collection[str]) -> Token:
        text, at = self.text, self.at
        begins = "IF" in accepts
        if begins:
            self.command = None
        if "WORD" in accepts or begins:
            plain = _PLAIN.match(text, at)
            if plain:
                return self._plain_word(plain.group(), at, accepts, begins=begins)
        operator = _OPERATOR.match(text, at)
        if operator:
            if (begins and text.startswith("((", at)) or (
                "ARITH" in accepts and "IN" not in accepts
            ):
                end = arithmetic_end(text, at + 2) if text.startswith("((", at) else 0
                if end:
                    self.at = end
                    return Arithmetic(text[at + 2 : end - 2], self._line(at), at)
            self.at = operator.end()
            if operator.group() == ";" and "NEWLINE" in accepts and _LINE_END.match(text, self.at):
                return Token("NEWLINE", ";", self._line(at), at)
            return Token(_OPERATORS[operator.group()], operator.group(), self._line(at), at)
        redirect = _REDIRECT.match(text, at)
        if redirect:
            return self._redirect(redirect, at)
        if begins:
            function = _FUNCTION.match(text, at) or _FUNCTION_WORD.match(text, at)
            if function:
                return self._function(function, at)
        assign = _ASSIGN.match(text, at)
        if assign and "ASSIGN" in accepts and (self.command is None or self.command in _DECLARES):
            token = self._assign(assign, at)
            if token:
                return token
        return self._word(at, accepts, begins=begins)

    def _plain_word(self, word: str, at: int, accepts: Collection[str], *, begins: bool) -> Token:
        """Return a word without anything special, which most are."""
        text = self.text
        kind = _RESERVED.get(word)
        if kind and kind in accepts:
            self.at = at + len(word)
            return Token(kind, word, self._line(at), at)
        if begins:
            if word == "function":
                function = _FUNCTION_WORD.match(text, at)
                if function:
                    return self._function(function, at)
            function = _FUNCTION.match(text, at)
            if function:
                return self._function(function, at)
        if "=" in word and (self.command is None or self.command in _DECLARES):
            assign = _ASSIGN.match(text, at)
            if assign and "ASSIGN" in accepts:
                token = self._assign(assign, at)
                if token:
                    return token
        if self.command is None:
            self._begin(word, at, begins=begins)
        self.at = at + len(word)
        return Word(word, self._line(at), at, plain=True)

    def _begin(self, word: str, at: int, *, begins: bool) -> None:
        if begins and word in _INSIDE:
            raise ScriptSyntaxError(f"{word!r} is not expected here", at)
        if word in _REFUSED:
            raise ScriptSyntaxError(f"{word} is not supported", at)
        self.command = word

    def _word(self, at: int, accepts: Collection[str], *, begins: bool) -> Token:
        text = self.text
        end = word_end(text, at)
        if end == at:
            raise ScriptSyntaxError(f"unexpected {text[at]!r}", at)
        word = text[at:end]
        kind = _RESERVED.get(word)
        if kind and kind in accepts:
            self.at = end
            if kind == "LCOND":
                self.in_test = True
            return Token(kind, word, self._line(at), at)
        if begins and text[end : end + 1] == "(":
            raise ScriptSyntaxError("a function with a name that is not supported", at)
        if self.command is None:
            self._begin(word, at, begins=begins)
        self.at = end
        return self._made(word, at)

    def _made(self, word: str, at: int) -> Word:
        """Return a word that is not known to be plain."""
        made = Word(word, self._line(at), at, plain=_PLAIN_WORD.fullmatch(word) is not None)
        made.extended = has_extglob(word)
        return made

    def _function(self, match: re.Match[str], at: int) -> Function:
        """Return a function with its body as text."""
        text, here = self.text, match.end()
        blank = _BLANK_LINES.match(text, here)
        here = blank.end() if blank else here
        opener = text[here : here + 1]
        if opener == "(" and not text.startswith("((", here):
            end = commands_end(text, here + 1, ")")
        elif opener == "{" and text[here + 1 : here + 2].isspace():
            end = commands_end(text, here + 1, "}")
        elif text.startswith("[[", here):
            # a conditional expression as the body
            end = text.find("]]", here)
            if end < 0:
                raise ScriptSyntaxError("unterminated [[", here)
            end += 2
        else:
            raise ScriptSyntaxError(f"function {match[1]} has a body that is no group", at)
        body = text[here:end] if opener == "[" else text[here + 1 : end - 1]
        function = Function(match[1], body, self._line(at), at)
        function.body_line = self._line(here)
        function.subshell = opener == "("
        self.at = end
        self.command = None
        return function

    def _redirect(self, match: re.Match[str], at: int) -> Redirect:
        operator = match[2]
        if operator in {"<<", "<<-"}:
            delimiter, quoted, strip, end = heredoc_delimiter(self.text, match.start(2))
            word = Word(delimiter, self._line(at), at)
            redirect = Redirect("<<", match[1] or "", word, word.line, at)
            redirect.literal = quoted
            self.heredocs.append((redirect, delimiter, strip))
            self.at = end
            return redirect
        start = match.end()
        blank = _BLANK.match(self.text, start)
        start = blank.end() if blank else start
        end = word_end(self.text, start)
        if end == start or (blank and self.text[start] == "#"):
            raise ScriptSyntaxError(f"{operator} without a target", at)
        target = self._made(self.text[start:end], start)
        self.at = end
        return Redirect(operator, match[1] or "", target, target.line, at)

    def _assign(self, match: re.Match[str], at: int) -> Assign | None:
        """Return an assignment, or None when it only looked like one."""
        text, here = self.text, match.end()
        token = Assign("", self._line(at), at)
        token.name = match[1]
        if not match[2]:
            end = subscript_end(text, here)
            operator = _SETS.match(text, end) if end else None
            whole = end and word_end(text, at) >= end
            # bash reads up to the bracket, over blanks too, where a command may begin
            if self.command is None and not operator and not whole:
                raise ScriptSyntaxError("an opening bracket that sets no element", here)
            if operator is None or (self.command is not None and not whole):
                return None
            token.subscript = self._subscript(here, end)
            token.append = operator.group() == "+="
            here = operator.end()
        else:
            token.append = match[2] == "+="
        if text.startswith("(", here):
            token.array = self._array(here)
            if not _ENDS_WORD.match(text, self.at):
                raise ScriptSyntaxError("a list that something is glued to", self.at)
        else:
            end = word_end(text, here)
            value = text[here:end]
            token.value = self._made(value, here)
            self.at = end
        token.text = text[at : self.at]
        return token

    def _subscript(self, at: int, end: int) -> Word:
        """Return what stands in the brackets that begin at ``at``."""
        if end - at == 2:
            raise ScriptSyntaxError("an empty subscript", at)
        return Word(self.text[at + 1 : end - 1], self._line(at), at + 1)

    def _array(self, at: int) -> tuple[tuple[Word | None, Word, bool], ...]:
        """Read the elements of ``(...)``; ``at`` is its opening."""
        text = self.text
        elements: list[tuple[Word | None, Word, bool]] = []
        here = at + 1
        while True:
            blank = _BLANK_LINES.match(text, here)
            here = blank.end() if blank else here
            if here >= self.size:
                raise ScriptSyntaxError("unterminated array", at)
            if text[here] == ")":
                self.at = here + 1
                return tuple(elements)
            subscript = None
            append = False
            if text[here] == "[":
                end = subscript_end(text, here)
                operator = _SETS.match(text, end) if end else None
                if not operator and word_end(text, here) < (end or self.size + 1):
                    raise ScriptSyntaxError("an opening bracket that sets no element", here)
                if operator:
                    subscript = self._subscript(here, end)
                    append = operator.group() == "+="
                    here = operator.end()
            end = word_end(text, here)
            if end == here and subscript is None:
                raise ScriptSyntaxError(f"unexpected {text[here]!r} in an array", here)
            elements.append((subscript, self._made(text[here:end], here), append))
            here = end

    def _test_token(self, accepts: Collection[str]) -> Token:
        """Return a token of what stands in ``[[ ]]``."""
        text, at = self.text, self.at
        if text.startswith("]]", at) and "RCOND" in accepts:
            self.at = at + 2
            self.in_test = False
            return Token("RCOND", "]]", self._line(at), at)
        if "BINARY" in accepts:
            binary = _TEST_BINARY.match(text, at)
            if binary:
                self.at = binary.end()
                self.regex_next = binary.group() == "=~"
                return Token("BINARY", binary.group(), self._line(at), at)
        regex = self.regex_next
        self.regex_next = False
        if not regex:
            for operator, kind in (("&&", "AND"), ("||", "OR"), ("(", "LPAREN"), (")", "RPAREN")):
                if text.startswith(operator, at):
                    self.at = at + len(operator)
                    return Token(kind, operator, self._line(at), at)
            if "UNARY" in accepts:
                unary = _TEST_UNARY.match(text, at)
                if unary:
                    self.at = unary.end()
                    return Token("UNARY", unary.group(), self._line(at), at)
                if text[at] == "!" and text[at + 1 : at + 2].isspace():
                    self.at = at + 1
                    return Token("BANG", "!", self._line(at), at)
        end = word_end(text, at, regex=regex)
        if end == at:
            raise ScriptSyntaxError(f"unexpected {text[at]!r} in [[ ]]", at)
        self.at = end
        return self._made(text[at:end], at)
