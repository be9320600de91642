"""Variables of a shell: scalars and arrays, scopes as bash has them, cheap copies for subshells."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

from sysextlib.ebuild.budget import LONGEST_VALUE
from sysextlib.ebuild.failure import ScriptError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sysextlib.ebuild.budget import Budget

SCALAR: Final = ""
INDEXED: Final = "a"
ASSOCIATIVE: Final = "A"


class Variable:
    """One variable.

    :ivar text: value of a scalar; None when it is declared only.
    :ivar items: elements of an array; None when it is declared only or is no array.
    :ivar epoch: the subshell that may change it in place; another one copies it first.
    :ivar temporary: it was set for one call, as in ``name=value command``.
    """

    __slots__ = (
        "epoch", "exported", "integer", "items", "kind", "lowercase", "readonly", "temporary",
        "text",
    )  # fmt: skip

    def __init__(self, text: str | None = None, kind: str = SCALAR, epoch: int = 0) -> None:
        self.kind = kind
        self.text = text
        self.items: dict[int | str, str] | None = None
        self.epoch = epoch
        self.exported = False
        self.readonly = False
        self.integer = False
        self.temporary = False
        self.lowercase = ""  # "l" or "u" when assigned values change their case

    def copy(self, epoch: int) -> Variable:
        """Return the same for another subshell."""
        new = Variable(self.text, self.kind, epoch)
        new.items = dict(self.items) if self.items is not None else None
        new.exported, new.readonly = self.exported, self.readonly
        new.temporary = self.temporary
        new.integer, new.lowercase = self.integer, self.lowercase
        return new

    def end(self, budget: Budget) -> int:
        """Return the subscript behind the last element, which negative ones count from."""
        if not self.items:
            return 0
        budget.spend(len(self.items) >> 4)
        return int(max(self.items)) + 1

    @property
    def is_set(self) -> bool:
        """Whether ``${name+set}`` says so: of an array, that element 0 is set."""
        if self.kind == SCALAR:
            return self.text is not None
        return self.scalar() is not None

    def scalar(self) -> str | None:
        """Return what ``$name`` gives: of an array, its element 0."""
        if self.kind == SCALAR:
            return self.text
        return (self.items or {}).get(0 if self.kind == INDEXED else "0")

    def values(self) -> list[str]:
        """Return all elements: of a scalar, its value when it is set."""
        if self.kind == SCALAR:
            return [] if self.text is None else [self.text]
        items = self.items or {}
        if self.kind == ASSOCIATIVE:
            return [items[key] for key in associative_order(items)]
        return [items[key] for key in sorted(items)]

    def keys(self) -> list[str]:
        """Return all subscripts."""
        if self.kind == SCALAR:
            return [] if self.text is None else ["0"]
        items = self.items or {}
        if self.kind == ASSOCIATIVE:
            return [str(key) for key in associative_order(items)]
        return [str(key) for key in sorted(items)]


def associative_order(items: dict[int | str, str]) -> list[int | str]:
    """Return the keys of an associative array in the order in which bash gives them.

    bash keeps them in a table of buckets by the FNV-1 hash of the key, 1024 of them until it holds
    twice as many elements; of one bucket the newest comes first.
    """
    if len(items) > 1 and not all(str(key).isascii() for key in items):
        raise UnsupportedError("the order of keys that are not ASCII, which differs by machine")
    if len(items) > 2048:
        raise UnsupportedError("the order of an associative array of more than 2048 elements")
    order = enumerate(items)
    return [key for _, _, key in sorted((_bucket(str(key)), -at, key) for at, key in order)]


@functools.lru_cache(maxsize=4096)
def _bucket(key: str) -> int:
    value = 2166136261
    for byte in key.encode("utf-8", "surrogateescape"):
        value = (value * 16777619) & 0xFFFFFFFF
        value ^= byte
    return value & 1023


class Scopes:
    """All variables of a shell.

    The current value of each name lies in one flat table; a function's scope remembers what its
    locals hide.
    """

    def __init__(self) -> None:
        self.table: dict[str, Variable] = {}
        self.hidden: list[dict[str, Variable | None]] = []
        self.epoch = 0

    def get(self, name: str) -> Variable | None:
        """Return a variable, or None."""
        return self.table.get(name)

    def names(self, prefix: str) -> Iterator[str]:
        """Yield the names of the variables that are set and begin so, sorted."""
        for name in sorted(self.table):
            variable = self.table[name]
            if not name.startswith(prefix):
                continue
            # bash lists a local that is not set when it hides a variable that is
            hidden = [scope[name] for scope in self.hidden if scope.get(name)]
            if any(one and (one.text is not None or one.items) for one in (variable, *hidden)):
                yield name

    def writable(self, name: str) -> Variable:
        """Return a variable that may be changed, made when there is none.

        :raises ScriptError: it is readonly.
        """
        variable = self.table.get(name)
        if variable is None:
            variable = self.table[name] = Variable(epoch=self.epoch)
        elif variable.readonly:
            raise ScriptError(f"{name} is readonly")
        elif variable.epoch != self.epoch:
            variable = self.table[name] = variable.copy(self.epoch)
        return variable

    def set(self, name: str, text: str) -> None:
        """Set a scalar, or element 0 of an array."""
        variable = self.writable(name)
        if len(text) > LONGEST_VALUE:
            raise ScriptError(f"{name} has more than {LONGEST_VALUE} characters")
        if variable.kind == SCALAR:
            variable.text = text
        else:
            self.set_item(name, 0 if variable.kind == INDEXED else "0", text)

    def set_item(self, name: str, key: int | str, text: str) -> None:
        """Set an element of an array; a scalar becomes an array."""
        variable = self.writable(name)
        if variable.kind == SCALAR:
            variable.kind = INDEXED
            variable.items = {} if variable.text is None else {0: variable.text}
            variable.text = None
        if variable.items is None:
            variable.items = {}
        variable.items[key] = text

    def set_items(self, name: str, items: dict[int | str, str]) -> None:
        """Set all elements of an array."""
        variable = self.writable(name)
        if variable.kind == SCALAR:
            variable.kind = INDEXED
            variable.text = None
        variable.items = items

    def unset(self, name: str) -> None:
        """Forget a variable; one that a calling function made local shows what it hid.

        :raises ScriptError: it is readonly.
        """
        variable = self.table.get(name)
        if variable is None:
            return
        if variable.readonly:
            raise ScriptError(f"{name} is readonly")
        if variable.temporary:
            raise UnsupportedError(f"unset {name}, which is set for the call")
        for depth in range(len(self.hidden) - 1, -1, -1):
            scope = self.hidden[depth]
            if name in scope:
                if depth == len(self.hidden) - 1:
                    new = Variable(epoch=self.epoch)  # it stays local, without a value
                    new.lowercase = ""
                    self.table[name] = new
                else:
                    self._restore(name, scope.pop(name))
                return
        del self.table[name]

    def make_local(self, name: str) -> Variable:
        """Return a variable of the innermost function, made when it has none of that name."""
        scope = self.hidden[-1]
        if name in scope:
            variable = self.table.get(name)
            if variable is None:
                variable = self.table[name] = Variable(epoch=self.epoch)
            return self.writable(name)
        old = self.table.get(name)
        if old is not None and old.readonly:
            raise ScriptError(f"{name} is readonly")
        scope[name] = old
        new = self.table[name] = Variable(epoch=self.epoch)
        if old is not None:
            new.exported = old.exported
        return new

    def writable_global(self, name: str) -> Variable:
        """Return the variable that ``declare -g`` means: the one that no function made local.

        :raises ScriptError: it is readonly.
        """
        for scope in self.hidden:
            if name in scope:
                variable = scope[name]
                if variable is None:
                    variable = Variable(epoch=self.epoch)
                elif variable.readonly:
                    raise ScriptError(f"{name} is readonly")
                elif variable.epoch != self.epoch:
                    variable = variable.copy(self.epoch)
                scope[name] = variable
                return variable
        return self.writable(name)

    def snapshot(self) -> tuple[dict[str, Variable], list[dict[str, Variable | None]], int]:
        """Return what a subshell may not change, and begin the subshell."""
        saved = (self.table, self.hidden, self.epoch)
        self.table = dict(self.table)
        self.hidden = [dict(scope) for scope in self.hidden]
        self.epoch += 1
        return saved

    def restore(
        self, saved: tuple[dict[str, Variable], list[dict[str, Variable | None]], int]
    ) -> None:
        """End a subshell. The epoch only grows, so that what it made is never taken for ours."""
        self.table, self.hidden, _ = saved

    def enter(self) -> None:
        """Begin the scope of a function."""
        self.hidden.append({})

    def leave(self) -> None:
        """End it: what its locals hid is back."""
        for name, variable in self.hidden.pop().items():
            self._restore(name, variable)

    def _restore(self, name: str, variable: Variable | None) -> None:
        if variable is None:
            self.table.pop(name, None)
        else:
            self.table[name] = variable
