"""SELinux policies from a few words: file contexts, and a binary policy of names alone."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from sysextlib.selinux.policy import CONTEXTS, STORES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAGIC = 0xF97CFF8C
TYPES = ("any_t", "bin_t", "lib_t", "own_t")
EVERYTHING = "/.* system_u:object_r:any_t:s0\n"


def binary_policy(
    types: Iterable[str] = TYPES,
    roles: Iterable[str] = ("object_r",),
    attributes: Iterable[str] = (),
    version: int = 33,
) -> bytes:
    """Return as much of a kernel policy as holds the names of roles and types."""
    empty = struct.pack("<III", 64, 0, 0)
    data = struct.pack("<II", MAGIC, 8) + b"SE Linux" + struct.pack("<IIII", version, 0, 8, 7)
    data += empty * (3 if version >= 35 else 2) + _table(0) + _table(0)
    names = [name.encode() for name in roles]
    data += _table(len(names))
    data += b"".join(struct.pack("<III", len(n), 1, 0) + n + empty * 2 for n in names)
    kinds = [(name.encode(), 1) for name in types] + [(name.encode(), 2) for name in attributes]
    data += _table(len(kinds))
    return data + b"".join(struct.pack("<IIII", len(n), 1, how, 0) + n for n, how in kinds)


def policy_files(
    contexts: str = EVERYTHING,
    *,
    kind: str = "mcs",
    binary: bytes | None = None,
    store: str = STORES[0],
    more: Mapping[str, str] | None = None,
) -> dict[str, bytes]:
    """Return a policy store by path; ``more`` are further files beside file_contexts by suffix."""
    main = f"{store}/{kind}/{CONTEXTS}"
    return {
        f"{store}/config": f"# of the system\nSELINUX=enforcing\nSELINUXTYPE={kind}\n".encode(),
        main: contexts.encode(),
        f"{store}/{kind}/policy/policy.33": binary_policy() if binary is None else binary,
        **{f"{main}.{suffix}": text.encode() for suffix, text in (more or {}).items()},
    }


def _table(count: int) -> bytes:
    return struct.pack("<II", count, count)
