"""What an ELF file asks of the dynamic linker: read from its headers and dynamic section alone.

64-bit, little endian; source of the layout: elf(5), and the LSB's chapter on symbol versions.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAGIC = b"\x7fELF\x02\x01"  # 64-bit, little endian
EXECUTABLE, SHARED = 2, 3
LOAD, DYNAMIC, INTERPRETER = 1, 2, 3
NEEDED, STRTAB, SONAME, RPATH, STRSZ, RUNPATH = 1, 5, 14, 15, 10, 29
VERDEF, VERDEFNUM, VERNEED, VERNEEDNUM = 0x6FFFFFFC, 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF
MOST_SEGMENTS = 200
MOST_TAGS = 10_000
MOST_VERSIONS = 10_000  # of one file, needed ones and its own
MOST_NEEDED = 1000
MOST_FOLDERS = 100  # of a search path
LARGEST_STRINGS = 64 << 20
WEAK = 2  # a version that may be missing


@dataclass(frozen=True, slots=True)
class ElfFile:
    """A program or shared library.

    :param versions_needed: (soname, version), weak ones left out.
    :param versions: those that it defines.
    """

    machine: int
    interpreter: str
    needed: tuple[str, ...]
    soname: str
    rpath: tuple[str, ...]
    runpath: tuple[str, ...]
    versions_needed: tuple[tuple[str, str], ...]
    versions: frozenset[str]


class DamagedElfError(ValueError):
    """A file that begins like ELF and does not go on like it."""


def read_elf(read: Callable[[int, int], bytes]) -> ElfFile | None:
    """Return what a file asks for, or None when it is no 64-bit program or library that can run.

    :param read: gives the bytes at an offset, fewer at the end of the file.
    :raises DamagedElfError: it is cut short or contradicts itself.
    """
    head = read(0, 64)
    if not head.startswith(MAGIC) or len(head) < 64:
        return None
    kind, machine = struct.unpack_from("<HH", head, 16)
    if kind not in {EXECUTABLE, SHARED}:
        return None
    (offset,) = struct.unpack_from("<Q", head, 32)
    size, count = struct.unpack_from("<HH", head, 54)
    if size < 56 or count > MOST_SEGMENTS:
        raise DamagedElfError(f"{count} segments of {size} bytes")
    table = read(offset, size * count)
    if len(table) < size * count:
        raise DamagedElfError("segments beyond its end")
    segments = [struct.unpack_from("<IIQQQQ", table, size * at) for at in range(count)]
    interpreter = ""
    tags: list[tuple[int, int]] = []
    for kind, _, at, _, _, length in segments:
        if kind in {INTERPRETER, DYNAMIC} and not length:
            return None  # only debug symbols: the rest lies in another file
        if kind == INTERPRETER:
            interpreter = _text(read(at, min(length, 4096)), 0)
        elif kind == DYNAMIC:
            data = read(at, min(length, 16 * MOST_TAGS))
            tags = list(struct.iter_unpack("<qQ", data[: len(data) // 16 * 16]))
    return _Dynamic(read, segments, tags).file(machine, interpreter)


class _Dynamic:
    """The dynamic section, whose addresses are those of the loaded file."""

    def __init__(
        self,
        read: Callable[[int, int], bytes],
        segments: list[tuple[int, ...]],
        tags: list[tuple[int, int]],
    ) -> None:
        self._read = read
        self._loads = [(s[3], s[2], s[5]) for s in segments if s[0] == LOAD]
        self._tags: dict[int, list[int]] = {}
        for tag, value in tags:
            if tag == 0:
                break
            self._tags.setdefault(tag, []).append(value)
        self._left = MOST_VERSIONS
        self._strings = b""
        if STRTAB in self._tags:
            size = self._one(STRSZ)
            if size > LARGEST_STRINGS:
                raise DamagedElfError(f"{size} bytes of strings")
            self._strings = self._at(self._one(STRTAB), size)

    def file(self, machine: int, interpreter: str) -> ElfFile:
        return ElfFile(
            machine=machine,
            interpreter=interpreter,
            needed=self._texts(NEEDED),
            soname=next(iter(self._texts(SONAME)), ""),
            rpath=self._folders(RPATH),
            runpath=self._folders(RUNPATH),
            versions_needed=tuple(self._versions_needed()),
            versions=frozenset(self._versions()),
        )

    def _one(self, tag: int) -> int:
        return self._tags.get(tag, [0])[0]

    def _texts(self, tag: int) -> tuple[str, ...]:
        values = self._tags.get(tag, ())
        if len(values) > MOST_NEEDED:
            raise DamagedElfError(f"{len(values)} entries of tag {tag}")
        return tuple(_text(self._strings, value) for value in values)

    def _folders(self, tag: int) -> tuple[str, ...]:
        folders = [part for text in self._texts(tag) for part in text.split(":", MOST_FOLDERS)]
        if len(folders) > MOST_FOLDERS:
            raise DamagedElfError(f"more than {MOST_FOLDERS} folders to search")
        return tuple(folders)

    def _at(self, address: int, size: int) -> bytes:
        for start, offset, length in self._loads:
            if start <= address < start + length:
                return self._read(offset + address - start, min(size, start + length - address))
        raise DamagedElfError(f"address {address:#x} is in no segment")

    def _records(
        self, address: int, count: int, form: str
    ) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Yield address and fields of linked records; the last field leads to the next."""
        for _ in range(count):
            fields = self._fields(address, form)
            yield address, fields
            if not fields[-1]:
                return
            address += fields[-1]

    def _fields(self, address: int, form: str) -> tuple[int, ...]:
        self._left -= 1
        if self._left < 0:
            raise DamagedElfError(f"more than {MOST_VERSIONS} versions")
        data = self._at(address, struct.calcsize(form))
        if len(data) < struct.calcsize(form):
            raise DamagedElfError("version beyond its end")
        return struct.unpack(form, data)

    def _versions_needed(self) -> Iterator[tuple[str, str]]:
        if VERNEED not in self._tags:
            return
        files = self._records(self._one(VERNEED), self._one(VERNEEDNUM), "<HHIII")
        for address, (_, count, file, first, _) in files:
            soname = _text(self._strings, file)
            for _, (_, flags, _, name, _) in self._records(address + first, count, "<IHHII"):
                if not flags & WEAK:
                    yield soname, _text(self._strings, name)

    def _versions(self) -> Iterator[str]:
        if VERDEF not in self._tags:
            return
        own = self._records(self._one(VERDEF), self._one(VERDEFNUM), "<HHHHIII")
        for address, (_, _, _, _, _, first, _) in own:
            yield _text(self._strings, self._fields(address + first, "<II")[0])


def _text(data: bytes, at: int) -> str:
    end = data.find(b"\0", at)
    if not 0 <= at < len(data) or end < 0:
        raise DamagedElfError(f"no text at {at}")
    return data[at:end].decode("utf-8", "surrogateescape")
