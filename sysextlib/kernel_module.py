"""What a kernel module says of itself: its ELF sections and the signature behind them.

Sources: elf(5); the kernel's scripts/mod/modpost.c (.modinfo, __versions and, since 6.13,
__version_ext_crcs and __version_ext_names) and include/linux/module_signature.h.
"""

from __future__ import annotations

import io
import lzma
import re
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import zstandard

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LARGEST = 512 << 20  # bytes of a module; NVIDIA's largest has a hundred million
MODULES = "usr/lib/modules"
MODULE_NAME = re.compile(r"(.+)\.ko(\.(xz|zst|gz))?")
SIGNED = b"~Module signature appended~\n"
PKCS7 = 2  # id_type of struct module_signature
_TRAILER = struct.Struct(">BBBBB3xI")
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_VERSION = struct.Struct("<Q56s")
_NOBITS = 8


class ModuleFormatError(ValueError):
    """Bytes that are no kernel module."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelModule:
    """One module.

    :param name: as the kernel has it, with "_" for every "-".
    :param depends: names of modules that must be loaded before.
    :param info: every line of .modinfo as key and value, in order.
    :param exports: symbols that others may use.
    :param versions: CRC by symbol that it uses; empty when built without CONFIG_MODVERSIONS.
    :param signed: what the signature covers; :param signature: PKCS#7 in DER, or None.
    """

    name: str
    vermagic: str
    depends: tuple[str, ...]
    info: tuple[tuple[str, str], ...]
    exports: tuple[str, ...]
    versions: Mapping[str, int]
    signed: bytes
    signature: bytes | None

    def values(self, key: str) -> tuple[str, ...]:
        """Return the values of a key of .modinfo, such as "alias"."""
        return tuple(value for name, value in self.info if name == key)


def module_name(file_name: str) -> str:
    """Return what modprobe calls the module in a file: its name up to ".ko"."""
    match = MODULE_NAME.fullmatch(file_name)
    return match.group(1) if match else file_name


def kernel_name(name: str) -> str:
    """Return a module's name as the kernel and the indexes have it."""
    return name.replace("-", "_")


def read_module(data: bytes, file_name: str) -> KernelModule:
    """Read a module, decompressed as its name says.

    :raises ModuleFormatError: it is none, damaged or too large.
    """
    plain = _decompressed(data, file_name)
    body, signature = _split_signature(plain)
    sections = dict(_sections(body))
    if ".modinfo" not in sections:
        raise ModuleFormatError("it has no section .modinfo")
    info = tuple(_info(sections[".modinfo"]))
    values = dict(info)
    return KernelModule(
        name=kernel_name(values.get("name") or module_name(file_name)),
        vermagic=values.get("vermagic", "").strip(),
        depends=tuple(kernel_name(word) for word in values.get("depends", "").split(",") if word),
        info=info,
        exports=tuple(_strings(sections.get("__ksymtab_strings", b""))),
        versions=dict(_versions(sections)),
        signed=body,
        signature=signature,
    )


def _decompressed(data: bytes, file_name: str) -> bytes:
    try:
        if file_name.endswith(".xz"):
            data = lzma.LZMADecompressor(memlimit=LARGEST).decompress(data, LARGEST + 1)
        elif file_name.endswith(".gz"):
            data = zlib.decompressobj(wbits=31).decompress(data, LARGEST + 1)
        elif file_name.endswith(".zst"):
            with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data)) as reader:
                data = reader.read(LARGEST + 1)
    except (lzma.LZMAError, zlib.error, zstandard.ZstdError) as error:
        raise ModuleFormatError(f"it cannot be decompressed: {error}") from error
    if len(data) > LARGEST:
        raise ModuleFormatError(f"it is larger than {LARGEST} bytes")
    return data


def _split_signature(data: bytes) -> tuple[bytes, bytes | None]:
    if not data.endswith(SIGNED):
        return data, None
    end = len(data) - len(SIGNED) - _TRAILER.size
    if end < 0:
        raise ModuleFormatError("its signature is cut short")
    *_, kind, signer, key, size = _TRAILER.unpack_from(data, end)
    if kind != PKCS7 or signer or key or size > end:
        raise ModuleFormatError("its signature is of a kind that the kernel does not take")
    return data[: end - size], data[end - size : end]


def _sections(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of every section of a 64-bit little-endian ELF file."""
    if data[:6] != b"\x7fELF\x02\x01" or len(data) < _HEADER.size:
        raise ModuleFormatError("it is no 64-bit little-endian ELF file")
    header = _HEADER.unpack_from(data)
    offset, entry, count, names = header[6], header[11], header[12], header[13]
    if entry != _SECTION.size or offset + entry * count > len(data) or names >= count:
        raise ModuleFormatError("its section table is damaged")
    table = [_SECTION.unpack_from(data, offset + entry * at) for at in range(count)]
    strings = _bytes(data, table[names])
    for section in table:
        end = strings.find(b"\0", section[0])
        name = strings[section[0] : end if end >= 0 else None].decode("utf-8", "replace")
        yield name, _bytes(data, section)


def _bytes(data: bytes, section: tuple[int, ...]) -> bytes:
    kind, offset, size = section[1], section[4], section[5]
    if kind == _NOBITS:
        return b""
    if offset + size > len(data):
        raise ModuleFormatError("a section of it lies outside of the file")
    return data[offset : offset + size]


def _strings(data: bytes) -> Iterator[str]:
    for item in data.split(b"\0"):
        if item:
            yield item.decode("utf-8", "replace")


def _info(data: bytes) -> Iterator[tuple[str, str]]:
    for line in _strings(data):
        key, equals, value = line.partition("=")
        if equals:
            yield key, value


def _versions(sections: Mapping[str, bytes]) -> Iterator[tuple[str, int]]:
    plain = sections.get("__versions", b"")
    for at in range(0, len(plain) - _VERSION.size + 1, _VERSION.size):
        crc, name = _VERSION.unpack_from(plain, at)
        yield name.partition(b"\0")[0].decode("utf-8", "replace"), crc
    crcs = sections.get("__version_ext_crcs", b"")
    names = _strings(sections.get("__version_ext_names", b""))
    numbers = (number for (number,) in struct.iter_unpack("<I", crcs[: len(crcs) // 4 * 4]))
    yield from zip(names, numbers, strict=False)
