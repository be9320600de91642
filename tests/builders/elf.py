"""ELF programs and libraries from a few words: headers and a dynamic section, no code."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

AMD64, ARM64 = 62, 183
_EHDR = struct.Struct("<16sHHIQQQIHHHHHH")  # elf(5), Elf64_Ehdr
_PHDR = struct.Struct("<IIQQQQQQ")  # Elf64_Phdr
WEAK = 2


def elf(
    *,
    needed: Sequence[str] = (),
    soname: str = "",
    interpreter: str = "",
    runpath: str = "",
    rpath: str = "",
    wants: Mapping[str, Sequence[str]] | None = None,
    weakly: Mapping[str, Sequence[str]] | None = None,
    defines: Sequence[str] = (),
    machine: int = AMD64,
    more: Sequence[tuple[int, int]] = (),
) -> bytes:
    """Return a program or library, 64-bit and little endian.

    :param wants: symbol versions by the soname of the library that must define them.
    :param weakly: likewise, where the library may lack them.
    :param defines: its own versions.
    :param more: further entries of the dynamic section: tag and value.
    """
    strings = _Strings()
    tags = [(1, strings.add(name)) for name in needed]
    tags += [(tag, strings.add(text)) for tag, text in ((14, soname), (15, rpath)) if text]
    tags += [(29, strings.add(runpath))] if runpath else []
    need = _verneed(strings, wants or {}, weakly or {})
    definition = _verdef(strings, defines)
    start = _EHDR.size + 3 * _PHDR.size
    program = interpreter.encode() + b"\0"
    at = {"interpreter": start, "need": _aligned(start + len(program))}
    at["definition"] = at["need"] + len(need)
    at["strings"] = at["definition"] + len(definition)
    at["dynamic"] = _aligned(at["strings"] + len(strings.data))
    tags += [(5, at["strings"]), (10, len(strings.data))]
    if need:
        tags += [(0x6FFFFFFE, at["need"]), (0x6FFFFFFF, len({**(wants or {}), **(weakly or {})}))]
    if definition:
        tags += [(0x6FFFFFFC, at["definition"]), (0x6FFFFFFD, len(defines))]
    dynamic = b"".join(struct.pack("<qQ", *pair) for pair in (*tags, *more, (0, 0)))
    size = at["dynamic"] + len(dynamic)
    segments = [
        _segment(1, 0, size),
        _segment(2, at["dynamic"], len(dynamic)),
        _segment(3 if interpreter else 0, at["interpreter"], len(program)),
    ]
    head = _EHDR.pack(
        b"\x7fELF\x02\x01\x01", 3, machine, 1, 0, _EHDR.size, 0, 0, 64, 56, len(segments), 64, 0, 0
    )
    data = head + b"".join(segments) + program
    for name, part in (("need", need + definition + strings.data), ("dynamic", dynamic)):
        data = data.ljust(at[name], b"\0") + part
    return data


class _Strings:
    """The string table, as it grows."""

    def __init__(self) -> None:
        self.data = b"\0"

    def add(self, text: str) -> int:
        self.data += text.encode() + b"\0"
        return len(self.data) - len(text.encode()) - 1


def _aligned(size: int) -> int:
    return -(-size // 8) * 8


def _segment(kind: int, at: int, size: int) -> bytes:
    return _PHDR.pack(kind, 5, at, at, at, size, size, 8)


def _verneed(
    strings: _Strings, wants: Mapping[str, Sequence[str]], weakly: Mapping[str, Sequence[str]]
) -> bytes:
    """Return Elf64_Verneed records, each with its Elf64_Vernaux."""
    records = []
    for soname in {**wants, **weakly}:
        versions = [(name, 0) for name in wants.get(soname, ())]
        versions += [(name, WEAK) for name in weakly.get(soname, ())]
        record = struct.pack("<HHIII", 1, len(versions), strings.add(soname), 16, 0)
        for number, (name, flags) in enumerate(versions, 1):
            following = 16 if number < len(versions) else 0
            record += struct.pack("<IHHII", 0, flags, number, strings.add(name), following)
        records.append(record)
    return b"".join(
        record[:12] + struct.pack("<I", len(record)) + record[16:] for record in records[:-1]
    ) + b"".join(records[-1:])


def _verdef(strings: _Strings, versions: Sequence[str]) -> bytes:
    """Return Elf64_Verdef records, each with one Elf64_Verdaux."""
    data = b""
    for number, name in enumerate(versions, 1):
        following = 28 if number < len(versions) else 0
        data += struct.pack("<HHHHIII", 1, 0, number, 1, 0, 20, following)
        data += struct.pack("<II", strings.add(name), 0)
    return data
