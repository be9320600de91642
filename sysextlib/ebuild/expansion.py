"""From a word as written to the fields or the text it stands for.

The order is bash's: braces, then parameters, substitutions and arithmetic, then splitting of what
came from them unquoted, then file names, then the quotes go.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sysextlib.ebuild import pattern, special
from sysextlib.ebuild.failure import AbortedCommandError, UnsupportedError
from sysextlib.ebuild.fields import DEFAULT_IFS, DoubleFields, Fields
from sysextlib.ebuild.parameter import plain_value, value_of
from sysextlib.ebuild.parts import (
    Calculation,
    Double,
    Literal,
    Parameter,
    Part,
    Quoted,
    Substitution,
    word_fields,
    word_parts,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sysextlib.ebuild.nodes import Word
    from sysextlib.ebuild.shell import Shell

_GLOB: Final = re.compile(r"[*?]|\[[^/]*\]")  # a bracket that ends before the next slash
_MAYBE_GLOB: Final = re.compile(r"[*?\[(\\]")
_SLASHED: Final = re.compile(r"\\[ \t\n]")
_BACKSLASHED: Final = re.compile(r"\\.", re.DOTALL)
_EXTGLOB: Final = re.compile(r"[@?*+!]\(")
_ERE_SPECIAL: Final = re.compile(r"([\\.*+?()\[\]{}|^$])")


class Expansion:
    """Expands words for one shell."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell

    def fields(self, words: Iterable[Word]) -> list[str]:
        """Return the fields of words, as of a command's arguments.

        :raises AbortedCommandError: a file name pattern matches nothing where that is an error.
        """
        result: list[str] = []
        aborted: AbortedCommandError | None = None
        for word in words:
            if word.plain:
                result.append(word.text)
                continue
            if word.extended:
                self.shell.check_extended()
            for parts in word_fields(word):
                try:
                    self._fields_of(parts, result)
                except AbortedCommandError as error:
                    aborted = error
        if aborted:  # bash looks for files when it has expanded all words
            raise aborted
        return result

    def _fields_of(self, parts: tuple[Part, ...], result: list[str]) -> None:
        first = parts[0] if len(parts) == 1 else None
        if isinstance(first, Literal) and first.text and not _MAYBE_GLOB.search(first.text):
            self.shell.budget.spend(5)
            result.append(first.text)
            return
        fields = Fields(self.ifs(), self.shell.budget)
        self._emit(parts, fields)
        fields.end()
        self.shell.budget.spend(5 * len(fields.done))
        for pieces in fields.done:
            if len(pieces) == 1 and pieces[0][1]:
                result.append(pieces[0][0])
            elif self._is_glob(pieces):
                self._glob(pieces, result)
            else:
                result.append(self.shell.budget.join("", [text for text, _ in pieces]))

    def ifs(self) -> str:
        """Return what fields are split at."""
        variable = self.shell.variables.table.get("IFS")
        if variable is None or variable.text is None:
            return DEFAULT_IFS
        if not variable.text.isascii():
            raise UnsupportedError("an IFS that is not ASCII")
        return variable.text

    def _emit(self, parts: tuple[Part, ...], fields: Fields) -> None:
        for part in parts:
            kind = type(part)
            if kind is Literal:
                fields.add(part.text, quoted=False)  # type: ignore[union-attr]
            elif kind is Quoted:
                fields.add(part.text, quoted=True)  # type: ignore[union-attr]
            elif kind is Double:
                self._emit_double(part.parts, fields)  # type: ignore[union-attr]
            elif kind is Parameter:
                self._emit_parameter(part, fields)  # type: ignore[arg-type]
            else:
                fields.split(self._one(part))

    def _emit_parameter(self, part: Parameter, fields: Fields) -> None:
        """Add the value of an unquoted parameter."""
        chosen = special.alternative(self, part)
        if chosen is not None:
            for inner in chosen:
                # Literal text of ${x:-a b} is split as well.
                if isinstance(inner, Literal):
                    fields.split(inner.text)
                else:
                    self._emit((inner,), fields)
            return
        value = value_of(self, part, quoted=False)
        if isinstance(value, list) and not fields.ifs and part.operator:
            raise UnsupportedError("a changed ${name[@]} without quotes while IFS is empty")
        if isinstance(value, list) and fields.ifs not in {"", DEFAULT_IFS}:
            fields.split(fields.budget.join(fields.ifs[0], value))
        elif isinstance(value, list):
            for index, item in enumerate(value):
                if index:
                    fields.end()
                fields.split(item)
        elif value:
            fields.split(value)

    def _emit_double(self, parts: tuple[Part, ...], fields: Fields) -> None:
        """Add what stands between double quotes; ``$@`` makes fields of its own there."""
        double = DoubleFields(fields)
        self._emit_inner(parts, double, chosen=False)
        whole = self.shell.budget.join("", double.text)
        if double.listed:
            if double.joined:
                raise UnsupportedError("a changed $* and $@ in the same quotes")
            if double.slashed:
                raise UnsupportedError("a backslash before a blank, and $@ in the same quotes")
            if double.count > 1 and not (whole or double.filled):
                raise UnsupportedError("a $@ of no elements and more that is empty, in quotes")
        if whole or double.filled or (double.keeps and not double.vanishes) or not parts:
            fields.add(whole, quoted=True)

    def _emit_inner(self, parts: Sequence[Part], double: DoubleFields, *, chosen: bool) -> None:
        """Add parts of what stands between double quotes.

        :param chosen: they are the operand of ``${name:-operand}``.
        """
        for part in parts:
            if isinstance(part, Double):
                self._emit_inner(part.parts, double, chosen=chosen)
                double.keeps = True
            elif isinstance(part, Parameter):
                self._emit_inner_parameter(part, double, chosen=chosen)
            else:
                text = self._one(part)
                double.text.append(text)
                double.keeps = True
                double.slashed = double.slashed or (chosen and _SLASHED.search(text) is not None)
                double.count += not isinstance(part, Quoted)

    def _emit_inner_parameter(self, part: Parameter, double: DoubleFields, *, chosen: bool) -> None:
        operand = special.alternative(self, part)
        if operand is not None:
            double.listed = double.listed or "@" in (part.name, part.subscript)
            if not operand and part.operator[-1] == "+" and "@" in (part.name, part.subscript):
                double.vanishes = double.vanishes or not plain_value(self, part)
            double.keeps = True
            double.count += not operand
            self._emit_inner(operand, double, chosen=True)
            return
        double.count += 1
        value = value_of(self, part, quoted=True)
        if not isinstance(value, list):
            double.add(value, joined=bool(part.operator) and "*" in (part.name, part.subscript))
        else:
            double.add_all(value)
            double.vanishes = double.vanishes or not (value or chosen)

    def operand(self, word: Word) -> str:
        """Return the text of a word of ``[[ ]]`` or of case."""
        if not word.plain:
            special.check_lists(word_parts(word))
        return self.word(word)

    def text(self, parts: tuple[Part, ...]) -> str:
        """Return the text of parts, without splitting and file names."""
        if len(parts) == 1:
            text = self._one(parts[0])
            self.shell.budget.spend(len(text) >> 9)
            return text
        return self.shell.budget.join("", [self._one(part) for part in parts])

    def word(self, word: Word) -> str:
        """Return the text of a word, without braces, splitting and file names."""
        if word.plain:
            return word.text
        if word.extended:
            self.shell.check_extended()
        return self.text(word_parts(word))

    def _one(self, part: Part) -> str:
        if isinstance(part, Literal | Quoted):
            return part.text
        if isinstance(part, Double):
            return self.text(part.parts)
        if isinstance(part, Parameter):
            chosen = special.alternative(self, part, text=True)
            if chosen is not None:
                return self.text(chosen)
            value = value_of(self, part, quoted=True)
            return self.joined(part, value) if isinstance(value, list) else value
        if isinstance(part, Substitution):
            return self.shell.substitute(part)
        assert isinstance(part, Calculation)
        return str(self.shell.calculate(self.text(part.parts)))

    def joined(self, part: Parameter, values: list[str]) -> str:
        """Join what ``$*`` or ``$@`` gives where fields cannot be made."""
        separator = " "
        if part.name == "*" or part.subscript == "*":
            separator = self.ifs()[:1]
        elif (part.prefix or part.operator) and self.ifs()[:1] != " " and len(values) > 1:
            raise UnsupportedError("a changed ${name[@]} that is joined while IFS is not a space")
        return self.shell.budget.join(separator, values)

    def pattern(self, parts: Sequence[Part]) -> str:
        """Return the pattern that parts stand for: what was quoted matches itself."""
        special.check_lists(parts)
        pieces = []
        for part in parts:
            if isinstance(part, Literal):
                pieces.append(part.text)
            elif isinstance(part, Quoted | Double):
                pieces.append(pattern.escape(self._one(part)))
            elif isinstance(part, Parameter):
                chosen = special.alternative(self, part)
                pieces.append(self.pattern(chosen) if chosen is not None else self._one(part))
            else:
                pieces.append(self._one(part))
        text = self.shell.budget.join("", pieces)
        self.shell.budget.spend(len(text) >> 4)
        return text

    def regex(self, parts: Sequence[Part]) -> str:
        """Return the regular expression that parts stand for, likewise."""
        special.check_lists(parts)
        pieces = []
        for part in parts:
            if isinstance(part, Quoted | Double):
                pieces.append(_ERE_SPECIAL.sub(r"\\\1", self._one(part)))
            else:
                pieces.append(self._one(part))
        return self.shell.budget.join("", pieces)

    def _is_glob(self, pieces: list[tuple[str, bool]]) -> bool:
        if "noglob" in self.shell.options:
            return False
        unquoted = "".join([text if not quoted else "q" for text, quoted in pieces])
        if not _MAYBE_GLOB.search(unquoted):
            return False
        if "\\" in unquoted:
            unquoted = _BACKSLASHED.sub("q", unquoted)  # of an expansion: it quotes what follows
        if _EXTGLOB.search(unquoted):  # whether they are on or not
            return True
        return _GLOB.search(unquoted[: unquoted.rfind("]") + 1]) is not None or (
            "*" in unquoted or "?" in unquoted
        )

    def _glob(self, pieces: list[tuple[str, bool]], result: list[str]) -> None:
        """Expand file names: an ebuild may not depend on those of this machine."""
        text = "".join([text for text, _ in pieces])
        spelled = "".join([pattern.escape(t) if quoted else t for t, quoted in pieces])
        if special.may_match_files(spelled, extended="extglob" in self.shell.options):
            raise UnsupportedError(f"the file name pattern {text[:60]!r}, which may match files")
        if "nullglob" in self.shell.options:
            return
        if "failglob" in self.shell.options:
            raise AbortedCommandError(f"no match: {text[:60]}")
        result.append(text)
