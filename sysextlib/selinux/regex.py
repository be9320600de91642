"""The regular expressions of file contexts: PCRE2's, as Python's.

libselinux compiles ``^`` + text + ``$`` with PCRE2_DOTALL over bytes. The part of the language in
which PCRE2 and Python's ``re`` over bytes mean the same is translated token by token; what they
read differently, or what could mean two things, is refused with its place. Source: pcre2pattern(3).
"""

from __future__ import annotations

import re

from sysextlib.errors import ValueSyntaxError

LONGEST = 4095  # libselinux refuses longer ones
DEEPEST = 40  # groups in groups
_QUANTIFIER = re.compile(r"(?:[*+?]|\{\d{1,5}(?:,\d{0,5})?\})[?+]?")
_POSIX = {
    "alpha": "A-Za-z",
    "digit": "0-9",
    "alnum": "0-9A-Za-z",
    "upper": "A-Z",
    "lower": "a-z",
    "space": r"\t-\r\ ",
    "blank": r"\t\ ",
    "punct": r"!-/:-@\[-`{-~",
    "print": r"\ -~",
    "graph": "!-~",
    "cntrl": r"\x00-\x1f\x7f",
    "xdigit": "0-9A-Fa-f",
    "word": r"\w",
}
_CLASSES = frozenset("dDwWsS")
_CONTROLS = {"t": r"\t", "n": r"\n", "r": r"\r", "f": r"\f", "a": r"\x07", "e": r"\x1b"}
# "(\.[^/]*)*" means "(\.[^/]*)?", as the class takes further dots too, and "([^/]*)*" means
# "[^/]*"; written with two stars, each needs time exponential in the length of what fails.
_SLOW = ((r"(\.[^/]*)*", r"(\.[^/]*)?"), ("([^/]*)*", "[^/]*"))


def compile_regex(text: str, source: str = "") -> re.Pattern[bytes]:
    """Return the pattern to ``search`` a path's bytes with.

    :raises ValueSyntaxError: it is no regular expression, or not of the part that is read here.
    """
    if len(text) > LONGEST:
        raise ValueSyntaxError("regular expression is too long", text=text, source=source)
    for slow, fast in _SLOW:
        if slow in text and r"\(" not in text and "[(" not in text:
            text = text.replace(slow, fast)
    try:
        return re.compile(_Translation(text, source).run().encode(), re.DOTALL)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueSyntaxError(
            f"not a regular expression: {error}", text=text, source=source
        ) from None


def required_prefix(text: str) -> str:
    """Return literal text with which every path begins that a regular expression matches.

    It may be shorter than the longest such text, and never longer.
    """
    if "|" in text and _alternates(text):
        return ""
    prefix: list[str] = []
    at = 0
    while at < len(text):
        char, width = text[at], 1
        if char == "\\" and text[at + 1 : at + 2] and not text[at + 1].isalnum():
            char, width = text[at + 1], 2
        elif char in "\\.^$?*+|[](){}":
            if char in "?*{" and prefix:
                prefix.pop()
            break
        prefix.append(char)
        at += width
    return "".join(prefix)


def _alternates(text: str) -> bool:
    """Tell whether there may be a ``|`` outside of every group."""
    depth, at, in_class = 0, 0, False
    while at < len(text):
        char = text[at]
        if char == "\\":
            at += 1
        elif in_class:
            in_class = char != "]"
        elif char == "[":
            in_class = True
            at += 1 + text.startswith("^", at + 1)  # the first may be "]" and belongs to it
        elif char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
        elif char == "|" and depth <= 0:
            return True
        at += 1
    return False


class _Translation:
    """One text on its way to Python's spelling."""

    def __init__(self, text: str, source: str) -> None:
        self._text = text
        self._source = source
        self._at = 0
        self._depth = 0
        self._repeatable = False  # whether a quantifier may follow

    def run(self) -> str:
        """Return the pattern, anchored as libselinux anchors it."""
        pieces = ["^"]
        while self._at < len(self._text):
            pieces.append(self._token())
        if self._depth:
            raise self._error("group is not closed")
        return "".join(pieces) + "$"

    def _token(self) -> str:
        char = self._text[self._at]
        if char in "*+?{":
            return self._quantifier()
        if char == "[":
            self._repeatable = True
            return self._class()
        if char == "\\":
            self._repeatable = True
            return self._escape(in_class=False)
        self._at += 1
        if char == "(":
            return self._open()
        if char == ")":
            self._depth -= 1
            if self._depth < 0:
                raise self._error("closes no group")
            self._repeatable = True
            return ")"
        self._repeatable = char not in "|^$"
        return char if char in ".|^$" else re.escape(char)

    def _quantifier(self) -> str:
        match = _QUANTIFIER.match(self._text, self._at)
        if match is None:
            if self._text.startswith("{,", self._at):  # a quantifier only since PCRE2 10.43
                raise self._error("quantifier without its least number")
            self._at += 1
            self._repeatable = True
            return r"\{"
        if not self._repeatable:
            raise self._error("quantifier follows nothing that can be repeated")
        self._at = match.end()
        self._repeatable = False
        return match[0]

    def _open(self) -> str:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._error(f"more than {DEEPEST} groups in groups")
        self._repeatable = False
        rest = self._text[self._at : self._at + 2]
        if rest.startswith("*"):
            raise self._error("verbs are not read here")
        if not rest.startswith("?"):
            return "(?:"  # nothing refers back to it
        if rest in {"?:", "?=", "?!", "?>"}:
            self._at += 2
            return "(" + rest
        raise self._error("this kind of group is not read here")

    def _class(self) -> str:
        start = self._at
        self._at += 1
        negated = self._text.startswith("^", self._at)
        self._at += negated
        items: list[str] = []
        first = True
        while first or not self._text.startswith("]", self._at):
            first = False
            item, single = self._class_item(start)
            after = self._text[self._at : self._at + 2]
            if after.startswith("-") and after != "-]":
                self._at += 1
                end, end_single = self._class_item(start)
                if not single or not end_single:
                    raise self._error("range from or to a class")
                item = f"{item}-{end}"
            items.append(item)
        self._at += 1
        return f"[{'^' if negated else ''}{''.join(items)}]"

    def _class_item(self, start: int) -> tuple[str, bool]:
        """Return the next item, and whether it is one character."""
        if self._at >= len(self._text):
            self._at = start
            raise self._error("class is not closed")
        char = self._text[self._at]
        if char == "\\":
            return self._escape(in_class=True), self._text[self._at - 1] not in _CLASSES
        if char == "[" and self._text[self._at + 1 : self._at + 2] in {":", ".", "="}:
            end = self._text.find(":]", self._at + 2)
            name = self._text[self._at + 2 : end]
            if self._text[self._at + 1] == ":" and end > 0 and name in _POSIX:
                self._at = end + 2
                return _POSIX[name], False
            raise self._error("unknown named class")
        self._at += 1
        return f"\\x{ord(char):02x}", True

    def _escape(self, *, in_class: bool) -> str:
        char = self._text[self._at + 1 : self._at + 2]
        if not char:
            raise self._error("nothing follows the backslash")
        if not char.isalnum():
            self._at += 2
            return f"\\x{ord(char):02x}"
        if char in _CLASSES or (char in "bB" and not in_class):
            if char in "bB":
                self._repeatable = False
            self._at += 2
            return f"\\{char}"
        if char in _CONTROLS:
            self._at += 2
            return _CONTROLS[char]
        raise self._error(f"\\{char} is not read here")

    def _error(self, reason: str) -> ValueSyntaxError:
        return ValueSyntaxError(
            f"regular expression: {reason}", text=self._text, column=self._at, source=self._source
        )
