"""Kernel modules as ELF files from a few words, and the trailer that sign-file appends."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KERNEL = "6.12.103-flatcar"
VERMAGIC = f"{KERNEL} SMP preempt mod_unload modversions "
MAGIC = b"~Module signature appended~\n"
_EHDR = struct.Struct("<16sHHIQQQIHHHHHH")  # elf(5), Elf64_Ehdr
_SHDR = struct.Struct("<IIQQQQIIQQ")  # Elf64_Shdr
_SYM = struct.Struct("<IBBHQQ")  # Elf64_Sym


def module(
    name: str,
    *,
    vermagic: str = VERMAGIC,
    depends: Sequence[str] = (),
    aliases: Sequence[str] = (),
    exports: Sequence[str] = (),
    uses: Sequence[str] = (),
    versions: Mapping[str, int] | None = None,
    machine: int = 62,
    more: Sequence[str] = (),
    sections: Mapping[str, bytes] | None = None,
) -> bytes:
    """Return a module that exports symbols and needs others with their CRCs.

    :param uses: symbols of others; depmod looks at them, not at ``depends``.
    :param versions: the section __versions: CRC by symbol.
    :param sections: further ones.
    :param more: further lines of .modinfo, such as "softdep=pre: crc32".
    """
    info = [
        f"license=GPL\0depends={','.join(depends)}\0name={name}\0vermagic={vermagic}\0".encode(),
        *(f"alias={alias}\0".encode() for alias in aliases),
        *(f"{line}\0".encode() for line in more),
    ]
    parts: list[tuple[str, int, bytes, int, int]] = [
        (".modinfo", 1, b"".join(info), 0, 0),
        ("__versions", 1, b"".join(map(_version, (versions or {}).items())), 0, 0),
    ]
    listed = b"".join(symbol.encode() + b"\0" for symbol in exports)
    parts.append(("__ksymtab_strings", 1, listed, 0, 0))
    strings, symbols = b"\0", bytes(_SYM.size)
    for symbol in uses:  # undefined ones, from which depmod tells what is needed
        symbols += _SYM.pack(len(strings), 1 << 4, 0, 0, 0, 0)
        strings += symbol.encode() + b"\0"
    for symbol in exports:  # absolute symbols "__ksymtab_X", as depmod looks for them
        symbols += _SYM.pack(len(strings), 1 << 4, 0, 0xFFF1, 0, 0)
        strings += f"__ksymtab_{symbol}\0".encode()
    parts.append((".symtab", 2, symbols, 5, _SYM.size))
    parts.append((".strtab", 3, strings, 0, 0))
    parts += [(key, 1, data, 0, 0) for key, data in (sections or {}).items()]
    return _elf(parts, machine)


def signed(data: bytes, pkcs7: bytes) -> bytes:
    """Append a signature: struct module_signature of the kernel, PKEY_ID_PKCS7 being 2."""
    return data + pkcs7 + struct.pack(">BBBBB3xI", 0, 0, 2, 0, 0, len(pkcs7)) + MAGIC


def _version(item: tuple[str, int]) -> bytes:
    symbol, crc = item
    return struct.pack("<Q56s", crc, symbol.encode())


def _elf(sections: Sequence[tuple[str, int, bytes, int, int]], machine: int) -> bytes:
    names = b"\0" + b"".join(name.encode() + b"\0" for name, *_ in sections) + b".shstrtab\0"
    body, table = b"", bytes(_SHDR.size)
    start = _EHDR.size
    for name, kind, data, link, size in [*sections, (".shstrtab", 3, names, 0, 0)]:
        body += bytes(-(start + len(body)) % 8)
        at = names.index(b"\0" + name.encode() + b"\0") + 1
        flags = 2 if kind == 1 else 0
        table += _SHDR.pack(at, kind, flags, 0, start + len(body), len(data), link, 1, 8, size)
        body += data
    body += bytes(-(start + len(body)) % 8)
    count = len(sections) + 2
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    head = _EHDR.pack(
        ident, 1, machine, 1, 0, 0, start + len(body), 0, 64, 0, 0, 64, count, count - 1
    )
    return head + body + table
