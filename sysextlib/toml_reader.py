"""One strict reader for the project's TOML files: a table becomes a frozen dataclass.

The fields of the dataclass are the keys of the table. A key that has no field, a field without a
default that has no key and a value of another type are errors that name the file, the key and
the nearest known key. Data is never code: nothing is imported, expanded or looked up elsewhere.
"""

from __future__ import annotations

import dataclasses
import enum
import os
import tomllib
import types
import typing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NewType, TypeVar

from sysextlib.errors import SysextError, nearest
from sysextlib.gentoo.use import is_flag
from sysextlib.tree import InvalidTreeError, check_path, glob_regex

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

T = TypeVar("T")

LARGEST = 1 << 20  # bytes of a TOML file; the largest of ours has a few thousand
LONGEST_NAME = 255  # bytes of one part of a path, in every file system that matters
LONGEST_PATH = 4094  # bytes of a path that Linux takes with "/" before it and NUL after it
NOT_READ = {"not read": True}  # metadata of a field that no key of the file fills

TreePath = NewType("TreePath", str)
"""A path of a tree: relative, normal."""
Glob = NewType("Glob", str)
"""A pattern for paths of a tree, see ``sysextlib.tree.glob_regex``; with "/" at its end it is for
folders alone."""
UseFlag = NewType("UseFlag", str)
"""A USE flag, with "-" before it when it must be off."""


@dataclass(frozen=True, slots=True)
class TomlReader:
    """How one kind of file is read.

    :param error: the class of every error.
    :param parsers: for types that are written as a string: what makes the value of it, and raises
        ValueError or SysextError when the string is none.
    """

    error: type[SysextError]
    parsers: Mapping[Any, Callable[[str], Any]] = field(default_factory=dict)

    def load(self, path: Path) -> dict[str, Any]:
        """Return the table that a file holds.

        :raises SysextError: (``error``) it cannot be read, is larger than LARGEST, or is not TOML.
        """
        try:
            with path.open("rb") as stream:
                data = stream.read(LARGEST + 1)
        except OSError as error:
            raise self.error(f"{path} cannot be read", {"reason": error.strerror}) from error
        if len(data) > LARGEST:
            raise self.error(f"{path} is larger than {LARGEST} bytes")
        try:
            return tomllib.loads(data.decode())
        except (ValueError, RecursionError) as error:
            raise self.error(f"{path} is not TOML", {"reason": error}) from error

    def build(self, cls: type[T], values: Mapping[str, Any], source: Path, **given: Any) -> T:
        """Make a ``cls`` of a table; ``given`` fills the fields that the file does not.

        :raises SysextError: (``error``) the table does not fit.
        """
        return _Reading(self, source).table(cls, values, "", given)


def toml_keys(cls: type[Any]) -> dict[str, str]:
    """Return the keys that a dataclass reads and their types as written in its source."""
    return {
        item.name: str(item.type)
        for item in dataclasses.fields(cls)
        if not item.metadata.get("not read")
    }


@dataclass(frozen=True, slots=True)
class _Reading:
    """One file on its way to a value; ``where`` is the key path of what is being looked at."""

    reader: TomlReader
    source: Path

    def fault(
        self, brief: str, where: str, hint: str = "", facts: Mapping[str, object] | None = None
    ) -> SysextError:
        place = {"file": self.source, "key": where or "(top level)"}
        return self.reader.error(brief, {**place, **(facts or {})}, hint)

    def table(self, cls: type[T], values: Any, where: str, given: Mapping[str, Any]) -> T:
        if not isinstance(values, dict):
            raise self.wrong_type("a table", values, where)
        fields = {item.name: item for item in dataclasses.fields(cls)}  # type: ignore[arg-type]
        keys = toml_keys(cls)
        for key in values:
            if key not in keys:
                place = _join(where, key)
                raise self.fault(f"unknown key {key!r}", place, nearest(key, keys))
        hints = _hints(cls)
        filled = dict(given)
        for key in keys:
            if key in values:
                filled[key] = self.value(hints[key], values[key], _join(where, key))
            elif _required(fields[key]) and key not in given:
                raise self.fault(f"missing key {key!r}", where)
        try:
            return cls(**filled)
        except (ValueError, InvalidTreeError) as error:
            raise self.fault(str(error), where) from error

    def value(self, kind: Any, value: Any, where: str) -> Any:
        """Turn one TOML value into what a field of type ``kind`` holds."""
        origin = typing.get_origin(kind)
        if origin in {types.UnionType, typing.Union}:
            (inner,) = (part for part in typing.get_args(kind) if part is not type(None))
            return self.value(inner, value, where)
        if origin is tuple:
            inner = typing.get_args(kind)[0]
            if not isinstance(value, list):
                raise self.wrong_type("a list", value, where)
            return tuple(self.value(inner, v, f"{where}[{at}]") for at, v in enumerate(value))
        if origin is not None:  # Mapping[K, V], the only other one
            outer, inner = typing.get_args(kind)
            if not isinstance(value, dict):
                raise self.wrong_type("a table", value, where)
            read = {
                self.word(outer, key, _join(where, key)): self.value(inner, v, _join(where, key))
                for key, v in value.items()
            }
            return types.MappingProxyType(read)
        if dataclasses.is_dataclass(kind) and kind not in self.reader.parsers:
            return self.table(typing.cast("type[Any]", kind), value, where, {})
        if kind is bool or kind is int:
            if type(value) is not kind:
                raise self.wrong_type("true or false" if kind is bool else "a number", value, where)
            return value
        if not isinstance(value, str):
            raise self.wrong_type("a string", value, where)
        return self.word(kind, value, where)

    def word(self, kind: Any, value: str, where: str) -> Any:
        """Turn a string into a value of a type that is written as one."""
        if kind is str:
            return value
        if isinstance(kind, type) and issubclass(kind, enum.Enum):
            known = [str(member.value) for member in kind]
            if value not in known:
                raise self.fault(f"unknown value {value!r}", where, nearest(value, known))
            return kind(value)
        parse = self.reader.parsers.get(kind) or _PARSERS[kind]
        try:
            return parse(value)
        except SysextError as error:
            raise self.fault(error.brief, where, error.hint, error.facts) from error
        except ValueError as error:
            raise self.fault(str(error), where) from error

    def wrong_type(self, wanted: str, value: Any, where: str) -> SysextError:
        found = _TYPES.get(type(value), "a date or time")
        return self.fault(f"{where or self.source} must be {wanted}, not {found}", where)


_TYPES = {
    str: "a string",
    int: "a number",
    float: "a fraction",
    bool: "true or false",
    list: "a list",
    dict: "a table",
}


def tree_path(text: str) -> TreePath:
    """Return ``text`` when it is a path of a tree; one trailing "/" is not part of it.

    :raises ValueError: it is not.
    """
    path = text.removesuffix("/")
    check_path(path)
    if len(os.fsencode(path)) > LONGEST_PATH or "\n" in path:
        raise ValueError(f"no file system and package database can hold the path {path[:100]!r}")
    if any(len(os.fsencode(part)) > LONGEST_NAME for part in path.split("/")):
        raise ValueError(f"a part of the path is longer than {LONGEST_NAME} bytes: {path[:100]!r}")
    return TreePath(path)


def tree_glob(text: str) -> Glob:
    """Return ``text`` when it is a glob over a tree; "/" at its end stays.

    :raises ValueError: it is not.
    """
    check_path(text.removesuffix("/"))
    glob_regex(text)
    return Glob(text)


def use_flag(text: str) -> UseFlag:
    """Return ``text`` when it is a USE flag, "-" before it or not.

    :raises ValueError: it is not.
    """
    if not is_flag(text.removeprefix("-")):
        raise ValueError(f"{text!r} is no USE flag")
    return UseFlag(text)


_PARSERS: dict[Any, Callable[[str], Any]] = {
    TreePath: tree_path,
    Glob: tree_glob,
    UseFlag: use_flag,
}


def _hints(cls: type[Any]) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _required(item: dataclasses.Field[Any]) -> bool:
    return item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key
