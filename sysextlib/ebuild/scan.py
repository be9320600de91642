"""Where quoted and nested parts of a shell script end.

Each function takes the offset at which a part begins and returns the offset behind it. Nothing is
understood here but quoting and nesting, which is what lets function bodies wait until they run.
"""

from __future__ import annotations

import re
from typing import Final

from sysextlib.ebuild.failure import ScriptSyntaxError

_DOUBLE_PLAIN: Final = re.compile(r'[^"\\$`]+')
_PARAMETER_PLAIN: Final = re.compile(r"[^}\"'\\$`]+")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!-]")
_ANSI_C: Final = re.compile(r"(?:[^'\\]|\\.)*'", re.DOTALL)
_BACKTICK: Final = re.compile(r"(?:[^`\\]|\\.)*`", re.DOTALL)
_WORD_PLAIN: Final = re.compile(r"[^\s;&|<>()$`\"'\\]+")
_EXTGLOB: Final = re.compile(r"[@?*+!]\(")
_EXTGLOB_BEFORE: Final = frozenset("@?*+!")
_HEREDOC: Final = re.compile(r"<<(-?)[ \t]*")

# What can change the nesting of a command list: the rest is skipped unseen.
_IN_COMMANDS: Final = re.compile(
    r"""\\. | '[^']*' | " | ` | \$' | \$" | \$\(\(? | \$\{ | <<< | <<-? | \(\(? | \) | \n
      | (?<![^\s;&|()<>])\#[^\n]*
      | (?<![^\s;&|()])(?:\{|\}|case|esac)(?![^\s;&|()<>])""",
    re.VERBOSE | re.DOTALL,
)
_LEADS: Final = frozenset({"then", "else", "elif", "do", "if", "while", "until", "{", "!", "time"})
_LAST_WORD: Final = re.compile(r"[^\s;&|()]+\Z")


def part_end(text: str, at: int) -> int:
    """Return where the quoted or nested part at ``at`` ends, or the character when it is none."""
    char = text[at]
    if char == "\\":
        return at + 2
    if char == "'":
        return single_end(text, at)
    if char == '"':
        return double_end(text, at)
    if char == "$":
        return dollar_end(text, at)
    if char == "`":
        return backtick_end(text, at)
    return at + 1


def single_end(text: str, at: int) -> int:
    """Return where ``'...'`` ends; ``at`` is its first quote."""
    end = text.find("'", at + 1)
    if end < 0:
        raise ScriptSyntaxError("unterminated single quote", at)
    return end + 1


def ansi_c_end(text: str, at: int) -> int:
    """Return where ``$'...'`` ends; ``at`` is its dollar."""
    match = _ANSI_C.match(text, at + 2)
    if match is None:
        raise ScriptSyntaxError("unterminated $'...' quote", at)
    return match.end()


def backtick_end(text: str, at: int) -> int:
    """Return where a backtick substitution ends."""
    match = _BACKTICK.match(text, at + 1)
    if match is None:
        raise ScriptSyntaxError("unterminated backtick", at)
    return match.end()


def double_end(text: str, at: int) -> int:
    """Return where ``"..."`` ends; ``at`` is its first quote."""
    here = at + 1
    size = len(text)
    while here < size:
        match = _DOUBLE_PLAIN.match(text, here)
        if match:
            here = match.end()
            continue
        char = text[here]
        if char == '"':
            return here + 1
        if char == "\\":
            here += 2
        elif char == "$":
            here = dollar_end(text, here, quoted=True)
        else:
            here = backtick_end(text, here)
    raise ScriptSyntaxError("unterminated double quote", at)


def dollar_end(text: str, at: int, *, quoted: bool = False) -> int:
    """Return where the expansion that begins with the dollar at ``at`` ends."""
    follows = text[at + 1 : at + 2]
    if follows == "{":
        return parameter_end(text, at)
    if follows == "(":
        if text.startswith("((", at + 1):
            end = arithmetic_end(text, at + 3)
            if end:
                return end
        return commands_end(text, at + 2, ")")
    if follows == "'" and not quoted:
        return ansi_c_end(text, at)
    if follows == '"' and not quoted:
        return double_end(text, at + 1)
    match = _NAME.match(text, at + 1)
    return match.end() if match else at + 1


def parameter_end(text: str, at: int) -> int:
    """Return where ``${...}`` ends; ``at`` is its dollar.

    Quotes inside are quotes for bash even when the whole stands between double quotes.
    """
    here = at + 2
    size = len(text)
    while here < size:
        match = _PARAMETER_PLAIN.match(text, here)
        if match:
            here = match.end()
            continue
        char = text[here]
        if char == "}":
            return here + 1
        if char == "\\":
            here += 2
        elif char == "'":
            here = single_end(text, here)
        elif char == '"':
            here = double_end(text, here)
        elif char == "$":
            # ${$} and ${#$}: the dollar is the name itself
            here = here + 1 if text[here + 1 : here + 2] == "}" else dollar_end(text, here)
        else:
            here = backtick_end(text, here)
    raise ScriptSyntaxError("unterminated ${...}", at)


_IN_ARITHMETIC: Final = re.compile(r"\\.|'[^']*'|[\"$`()]", re.DOTALL)


def arithmetic_end(text: str, at: int) -> int:
    """Return where ``((...))`` ends, or 0 when it is none; ``at`` is behind the opening."""
    depth = 0
    here = at
    while match := _IN_ARITHMETIC.search(text, here):
        here = match.end()
        char = match.group()
        if char == "(":
            depth += 1
        elif char == ")":
            if depth == 0:
                return here + 1 if text.startswith(")", here) else 0
            depth -= 1
        elif char == '"':
            here = double_end(text, match.start())
        elif char == "$":
            here = dollar_end(text, match.start())
        elif char == "`":
            here = backtick_end(text, match.start())
    return 0


def subscript_end(text: str, at: int) -> int:
    """Return where ``[...]`` ends; ``at`` is its opening bracket; 0 when it does not."""
    depth = 0
    here = at
    size = len(text)
    while here < size:
        char = text[here]
        if char == "[":
            depth += 1
        elif char == "]":
            depth -= 1
            if depth == 0:
                return here + 1
        elif char == "'":
            here = single_end(text, here)
            continue
        elif char == '"':
            here = double_end(text, here)
            continue
        elif char == "$":
            here = dollar_end(text, here)
            continue
        elif char == "\\":
            here += 1
        elif char == "\n":
            return 0
        here += 1
    return 0


def word_end(text: str, at: int, *, regex: bool = False) -> int:
    """Return where the word that begins at ``at`` ends.

    :param regex: it stands behind ``=~``, where parentheses and bars belong to the word.
    """
    here = at
    size = len(text)
    depth = 0
    while here < size:
        match = _WORD_PLAIN.match(text, here)
        if match:
            here = match.end()
            continue
        char = text[here]
        if char == '"':
            here = double_end(text, here)
        elif char == "$":
            here = dollar_end(text, here)
        elif char == "'":
            here = single_end(text, here)
        elif char == "\\":
            here += 2
        elif char == "`":
            here = backtick_end(text, here)
        elif char in "<>" and text.startswith("(", here + 1) and not regex:
            here = commands_end(text, here + 2, ")")
        elif char == "(" and not regex and here > at and text[here - 1] in _EXTGLOB_BEFORE:
            here = extglob_end(text, here)
        elif regex and char in "()|<>" and not (char == ")" and depth == 0):
            depth += (char == "(") - (char == ")")
            here += 1
        elif regex and depth and char in " \t":
            here += 1
        else:
            break
    return min(here, size)


def extglob_end(text: str, at: int) -> int:
    """Return where the parenthesis of an extended glob ends; ``at`` is its opening."""
    here = at + 1
    while here < len(text):
        char = text[here]
        if char == ")":
            return here + 1
        if char in " \t|;&<>\n":
            here += 1
        else:
            end = word_end(text, here)
            if end == here:
                end = extglob_end(text, here) if char == "(" else here + 1
            here = end
    raise ScriptSyntaxError("unterminated parenthesis in a pattern", at)


def has_extglob(word: str) -> bool:
    """Tell whether a word has an extended glob outside of quotes and expansions."""
    if not _EXTGLOB.search(word):
        return False
    here = 0
    while here < len(word):
        char = word[here]
        if char == "(" and here and word[here - 1] in _EXTGLOB_BEFORE:
            return True
        here = part_end(word, here)
    return False


def heredoc_delimiter(text: str, at: int) -> tuple[str, bool, bool, int]:
    """Read ``<<WORD`` at ``at``: the delimiter, whether it was quoted, whether tabs go, the end."""
    match = _HEREDOC.match(text, at)
    assert match is not None
    end = word_end(text, match.end())
    raw = text[match.end() : end]
    if not raw:
        raise ScriptSyntaxError("<< without a delimiter", at)
    quoted = any(char in raw for char in "'\"\\")
    return re.sub(r"[\\'\"]", "", raw), quoted, bool(match[1]), end


def heredoc_body(text: str, at: int, delimiter: str, *, strip: bool) -> tuple[str, int]:
    """Return the lines from ``at`` up to the delimiter, and the offset behind its line."""
    lines: list[str] = []
    here = at
    while here < len(text):
        end = text.find("\n", here)
        end = len(text) if end < 0 else end
        line = text[here:end]
        line = line.lstrip("\t") if strip else line
        here = min(end + 1, len(text))
        if line == delimiter:
            return "".join(lines), here
        lines.append(line + "\n")
    raise ScriptSyntaxError(f"here-document without its end {delimiter[:40]!r}", at)


def commands_end(text: str, at: int, closer: str) -> int:
    """Return the offset behind the ``closer`` that ends a command list begun at ``at``.

    :param closer: ``)`` of a substitution or subshell, or the word ``}`` of a group.
    """
    stack: list[str] = []  # of a brace list: "{"; of a parenthesis: "(" and "case"
    heredocs: list[tuple[str, bool]] = []
    here = at
    newline = -1  # the last one that ends a command: not one behind a backslash
    glued = -1  # where a quoted or expanded part of a word ended: what follows is no new word
    while match := _IN_COMMANDS.search(text, here):
        token = match.group()
        start = match.start()
        here = match.end()
        first = token[0]
        if start == glued and token in {"{", "}", "case", "esac"}:
            continue
        if first == "\n":
            newline = start
            for delimiter, strip in heredocs:
                here = heredoc_body(text, here, delimiter, strip=strip)[1]
            heredocs.clear()
        elif first in "'\\#" or token == "<<<":
            continue
        elif first == '"':
            here = glued = double_end(text, start)
        elif first == "$":
            here = glued = dollar_end(text, start)
        elif first == "`":
            here = glued = backtick_end(text, start)
        elif first == "<":
            if text.startswith("(", here):
                continue
            delimiter, _, strip, here = heredoc_delimiter(text, start)
            heredocs.append((delimiter, strip))
        elif first == "(":
            if token == "((":
                end = arithmetic_end(text, here) if _leads(text, start, at, (newline, glued)) else 0
                if end:
                    here = end
                    continue
                here = start + 1
            if closer == ")":
                stack.append("(")
        elif first == ")":
            if closer != ")" or (stack and stack[-1] == "case"):
                continue
            if not stack:
                return here
            stack.pop()
        elif token == "{" and closer == "}":
            if _leads(text, start, at, (newline, glued)):
                stack.append("{")
        elif token == "}" and closer == "}":
            if not _leads(text, start, at, (newline, glued), closing=True):
                continue
            if not stack:
                return here
            stack.pop()
        elif token == "case" and closer == ")" and _leads(text, start, at, (newline, glued)):
            stack.append("case")
        elif token == "esac" and closer == ")" and stack[-1:] == ["case"]:
            stack.pop()
    what = "command substitution or subshell" if closer == ")" else "function or group"
    raise ScriptSyntaxError(f"unterminated {what}", max(at - 1, 0))


def _leads(
    text: str, at: int, since: int, behind: tuple[int, int], *, closing: bool = False
) -> bool:
    """Tell whether a word at ``at`` stands where a command begins.

    :param behind: the last newline before it that ends a command or comment, and the offset behind
        the last quotes or expansion.
    :param closing: the word ends something, so one that ends something may come before it.
    """
    newline, glued = behind
    here = at
    while True:
        while here > since and text[here - 1] in " \t":
            here -= 1
        if here - 1 != newline and text[max(since, here - 2) : here] == "\\\n":
            here -= 2
            continue
        break
    if here <= since or text[here - 1] in "\n;&|(":
        return True
    if text[here - 1] == ")":
        # behind a case pattern, or behind a subshell, or behind the head of a function
        return here != glued
    match = _LAST_WORD.search(text, max(since, here - 12), here)
    word = match.group() if match else ""
    return word in _LEADS or (closing and word in {"}", "fi", "done", "esac", "]]"})
