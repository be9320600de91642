"""A GUID partition table: written once, read with suspicion.

Source: UEFI specification 2.10, chapter 5. Sectors are 512 bytes, the table has 128 entries, and
partitions begin at multiples of 4096 bytes, as systemd-repart lays them out.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from sysextlib.errors import VerifyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from mmap import mmap

SECTOR = 512
ENTRIES = 128
FIRST_USABLE = 34  # protective MBR, header and 32 sectors of entries come before
FIRST_SECTOR = 40  # the first usable multiple of 4096 bytes
BACKUP_SECTORS = 33  # 32 sectors of entries and the second header end the disk
ALIGNMENT = 4096
READ_ONLY = 1 << 60  # attribute bit; Discoverable Partitions Specification
# signature, revision, size, CRC, reserved, own and other LBA, first and last usable LBA, disk
# GUID, LBA of the entries, their number and size, their CRC
HEADER = struct.Struct("<8sIIIIQQQQ16sQIII")
ENTRY = struct.Struct("<16s16sQQQ72s")
REVISION = 0x00010000


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """One entry of the table.

    :param first: first sector; :param last: last sector, which is its own.
    """

    name: str
    type: UUID
    uuid: UUID
    first: int
    last: int
    attributes: int = 0

    @property
    def offset(self) -> int:
        """Where it begins, in bytes."""
        return self.first * SECTOR

    @property
    def size(self) -> int:
        """Bytes."""
        return (self.last - self.first + 1) * SECTOR


@dataclass(frozen=True, slots=True)
class Gpt:
    """A table whose both copies were sound."""

    disk: UUID
    partitions: tuple[Partition, ...]


def disk_size(end: int) -> int:
    """Return the least size in bytes of a disk whose last partition ends before byte ``end``."""
    least = end + BACKUP_SECTORS * SECTOR
    return least + -least % ALIGNMENT


def render_gpt(disk: UUID, partitions: Sequence[Partition], size: int) -> tuple[bytes, bytes]:
    """Return what begins and what ends a disk of ``size`` bytes."""
    sectors = size // SECTOR
    entries = b"".join(map(_entry, partitions)).ljust(ENTRIES * ENTRY.size, b"\0")
    usable = (FIRST_USABLE, sectors - BACKUP_SECTORS - 1)
    head = _header(1, sectors - 1, usable, disk, 2, entries)
    tail = _header(sectors - 1, 1, usable, disk, sectors - BACKUP_SECTORS, entries)
    return _protective_mbr(sectors) + head + entries, entries + tail


def read_gpt(image: bytes | mmap) -> Gpt:
    """Read and check both copies of the table of a whole disk.

    :raises VerifyError: there is none, it is damaged, or its partitions overlap or leave the disk.
    """
    with memoryview(image) as view:
        sectors = view.nbytes // SECTOR
        if view.nbytes % SECTOR or sectors < FIRST_USABLE + BACKUP_SECTORS:
            raise VerifyError(
                "it is no disk image: too small, or cut short",
                {"size": f"{view.nbytes} bytes", "least": (FIRST_USABLE + BACKUP_SECTORS) * SECTOR},
            )
        if bytes(view[SECTOR : SECTOR + 8]) != b"EFI PART":
            raise VerifyError("it has no GUID partition table", {"begins with": _hex(view[:16])})
        _check_mbr(view, sectors)
        main = _read_header(view, 1, sectors - 1, "first")
        backup = _read_header(view, sectors - 1, 1, "second")
    if main != backup:
        raise VerifyError("the two copies of the partition table differ")
    _check_bounds(main.partitions, sectors)
    return main


def _entry(partition: Partition) -> bytes:
    name = partition.name.encode("utf-16-le")
    ids = (partition.type.bytes_le, partition.uuid.bytes_le)
    return ENTRY.pack(*ids, partition.first, partition.last, partition.attributes, name)


def _header(
    own: int, other: int, usable: tuple[int, int], disk: UUID, table: int, entries: bytes
) -> bytes:
    fields = (b"EFI PART", REVISION, HEADER.size, 0, 0, own, other, *usable, disk.bytes_le)
    header = HEADER.pack(*fields, table, ENTRIES, ENTRY.size, zlib.crc32(entries))
    # the CRC is taken over the header with the CRC's own field zero
    header = header[:16] + struct.pack("<I", zlib.crc32(header)) + header[20:]
    return header.ljust(SECTOR, b"\0")


def _protective_mbr(sectors: int) -> bytes:
    """Return sector 0: one partition of type EEh over all that follows."""
    length = min(sectors - 1, 0xFFFFFFFF)
    record = bytes((0, 0, 2, 0, 0xEE, 0xFF, 0xFF, 0xFF)) + struct.pack("<II", 1, length)
    return bytes(446) + record + bytes(48) + b"\x55\xaa"


def _check_mbr(view: memoryview, sectors: int) -> None:
    if bytes(view[:SECTOR]) != _protective_mbr(sectors):
        raise VerifyError("the protective MBR is damaged, or the file's size was changed")


def _read_header(view: memoryview, own: int, other: int, which: str) -> Gpt:
    """Read one copy of the table.

    :param own: the sector where it lies; :param other: where it must say that the other lies.
    """
    sector = bytes(view[own * SECTOR : (own + 1) * SECTOR])
    if sector[:8] != b"EFI PART":
        raise VerifyError(f"the {which} header of the partition table is missing")
    found = HEADER.unpack(sector[: HEADER.size])
    crc, count, size, entries_crc = found[3], *found[11:]
    zeroed = sector[:16] + bytes(4) + sector[20 : HEADER.size]
    if found[2] != HEADER.size or zlib.crc32(zeroed) != crc or any(sector[HEADER.size :]):
        raise VerifyError(f"the {which} header of the partition table is damaged")
    sectors = view.nbytes // SECTOR
    table = 2 if own == 1 else sectors - BACKUP_SECTORS
    expected = (REVISION, own, other, FIRST_USABLE, sectors - BACKUP_SECTORS - 1, table)
    if (found[1], *found[5:9], found[10]) != expected or (count, size) != (ENTRIES, ENTRY.size):
        facts = {"size": f"{view.nbytes} bytes"}
        raise VerifyError(f"the {which} header of the partition table does not fit the file", facts)
    entries = view[table * SECTOR : table * SECTOR + ENTRIES * ENTRY.size]
    if zlib.crc32(entries) != entries_crc:
        raise VerifyError(f"the {which} copy of the partition entries is damaged")
    return Gpt(UUID(bytes_le=found[9]), tuple(_read_entries(bytes(entries))))


def _read_entries(entries: bytes) -> Iterable[Partition]:
    for kind, uuid, first, last, attributes, name in ENTRY.iter_unpack(entries):
        if any(kind):
            yield Partition(
                name=name.decode("utf-16-le", "replace").rstrip("\0"),
                type=UUID(bytes_le=kind),
                uuid=UUID(bytes_le=uuid),
                first=first,
                last=last,
                attributes=attributes,
            )


def _check_bounds(partitions: Sequence[Partition], sectors: int) -> None:
    end = FIRST_USABLE
    for partition in sorted(partitions, key=lambda p: p.first):
        if not end <= partition.first <= partition.last < sectors - BACKUP_SECTORS:
            raise VerifyError(
                f"partition {partition.name!r} overlaps another or leaves the disk",
                {"sectors": f"{partition.first} to {partition.last}", "of": sectors},
            )
        end = partition.last + 1


def _hex(data: memoryview) -> str:
    return bytes(data).hex(" ")
