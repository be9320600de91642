"""The names of a binary policy: as much of policy.NN as comes before and with its types.

Source of the layout: libsepol/src/policydb.c (policydb_read and what it calls).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from sysextlib.errors import LabelError

MAGIC = 0xF97CFF8C
VERSIONS = range(24, 36)  # from BOUNDARY (types know their bounds) to NEVERAUDIT
SYMBOLS = 8  # tables of a policy for Linux
ATTRIBUTE = 2  # a type's property: a name for a set of types, which no file can bear
NAMES = 5  # a constraint expression that lists names
LONGEST_NAME = 4096


@dataclass(frozen=True, slots=True)
class PolicyNames:
    """What a context may be made of."""

    version: int
    roles: frozenset[str]
    types: frozenset[str]


def read_names(data: bytes, source: str) -> PolicyNames:
    """Return the roles and types of a kernel policy; aliases are types, attributes are not.

    :raises LabelError: it is cut short, damaged or of a version that is not read here.
    """
    reader = _Reader(data, source)
    magic, length = reader.numbers(2)
    if magic != MAGIC or reader.text(length) != "SE Linux":
        raise LabelError(f"{source} is no SELinux policy")
    version, _, symbols, _ = reader.numbers(4)
    if version not in VERSIONS or symbols != SYMBOLS:
        known = f"{VERSIONS[0]} to {VERSIONS[-1]}"
        raise LabelError(
            "SELinux policy is of a version that is not read here",
            {"file": source, "version": version, "known": known},
        )
    for _ in range(3 if version >= 35 else 2):  # capabilities, permissive, never audited
        reader.skip_bitmap()
    for _ in range(reader.table()):
        reader.skip_common()
    for _ in range(reader.table()):
        reader.skip_class(version)
    roles = frozenset(reader.role() for _ in range(reader.table()))
    types = set()
    for _ in range(reader.table()):
        length, _, properties, _ = reader.numbers(4)
        name = reader.text(length)
        if not properties & ATTRIBUTE:
            types.add(name)
    return PolicyNames(version, roles, frozenset(types))


class _Reader:
    """A position in the policy; each method reads one thing and goes on behind it."""

    def __init__(self, data: bytes, source: str) -> None:
        self._data = data
        self._source = source
        self._at = 0

    def numbers(self, count: int) -> tuple[int, ...]:
        values = struct.unpack_from(f"<{count}I", self._take(4 * count))
        return tuple(int(value) for value in values)

    def number(self) -> int:
        return self.numbers(1)[0]

    def text(self, length: int) -> str:
        if not 0 < length <= LONGEST_NAME:
            raise self._damaged(f"name of {length} bytes")
        return self._take(length).decode("latin-1")

    def table(self) -> int:
        """Return how many items follow."""
        _, count = self.numbers(2)
        if count > len(self._data):
            raise self._damaged(f"table of {count} items")
        return count

    def skip_bitmap(self) -> None:
        size, _, count = self.numbers(3)
        if size != 64:
            raise self._damaged(f"bitmap of {size} bit words")
        self._take(12 * count)

    def skip_common(self) -> None:
        length, _, _, permissions = self.numbers(4)
        self.text(length)
        self._skip_permissions(permissions)

    def skip_class(self, version: int) -> None:
        length, common, _, _, permissions, constraints = self.numbers(6)
        self.text(length)
        if common:
            self.text(common)
        self._skip_permissions(permissions)
        self._skip_constraints(constraints, version)
        self._skip_constraints(self.number(), version)  # those on transitions
        self.numbers((3 if version >= 27 else 0) + (1 if version >= 28 else 0))

    def role(self) -> str:
        length, _, _ = self.numbers(3)
        name = self.text(length)
        self.skip_bitmap()
        self.skip_bitmap()
        return name

    def _skip_permissions(self, count: int) -> None:
        for _ in range(count):
            length, _ = self.numbers(2)
            self.text(length)

    def _skip_constraints(self, count: int, version: int) -> None:
        for _ in range(count):
            _, expressions = self.numbers(2)
            for _ in range(expressions):
                kind, _, _ = self.numbers(3)
                if kind == NAMES:
                    self.skip_bitmap()
                    if version >= 29:  # and the names as they were written
                        self.skip_bitmap()
                        self.skip_bitmap()
                        self.number()

    def _take(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._data):
            raise self._damaged(f"ends before byte {end}")
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def _damaged(self, what: str) -> LabelError:
        return LabelError(f"{self._source} is damaged: {what}", {"byte": self._at})
