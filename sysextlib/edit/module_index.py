"""The files in which modprobe looks modules up, written as depmod does.

A name leads through a trie to its values. Integers are 32 bits, big endian; the four upper bits
of a node's offset tell which parts it has. Source: libkmod/libkmod-index.c of kmod describes it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MAGIC, VERSION = 0xB007F457, 0x00020001
PREFIX, VALUES, CHILDS = 0x80000000, 0x40000000, 0x20000000


@dataclass(slots=True)
class _Node:
    values: list[str] = field(default_factory=list)
    childs: dict[int, _Node] = field(default_factory=dict)


def index_file(pairs: Iterable[tuple[str, str]]) -> bytes:
    """Return the file that leads from each key to its values, in their order.

    :param pairs: key and value, ASCII; several values of a key are told apart by their order.
    """
    root = _Node()
    for key, value in pairs:
        node = root
        for byte in key.encode("ascii"):
            node = node.childs.setdefault(byte, _Node())
        node.values.append(value)
    out = bytearray(struct.pack(">III", MAGIC, VERSION, 0))
    struct.pack_into(">I", out, 8, _write(root, out))
    return bytes(out)


def _write(node: _Node, out: bytearray) -> int:
    """Append a node after its children; return its offset with the flags of its parts."""
    prefix = bytearray()
    while len(node.childs) == 1 and not node.values:
        ((byte, node),) = node.childs.items()
        prefix.append(byte)
    childs = {byte: _write(child, out) for byte, child in sorted(node.childs.items())}
    offset = len(out)
    if prefix:
        offset |= PREFIX
        out += prefix + b"\0"
    if childs:
        offset |= CHILDS
        first, last = min(childs), max(childs)
        out += bytes((first, last))
        out += b"".join(struct.pack(">I", childs.get(at, 0)) for at in range(first, last + 1))
    if node.values:
        offset |= VALUES
        out += struct.pack(">I", len(node.values))
        for priority, value in enumerate(node.values):
            out += struct.pack(">I", priority) + value.encode("ascii") + b"\0"
    return offset
