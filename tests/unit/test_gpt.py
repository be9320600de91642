import contextlib
import struct
import zlib
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysextlib.errors import VerifyError
from sysextlib.image.gpt import (
    BACKUP_SECTORS,
    FIRST_SECTOR,
    READ_ONLY,
    SECTOR,
    Gpt,
    Partition,
    disk_size,
    read_gpt,
    render_gpt,
)

DISK = UUID("11112222-3333-4444-8555-666677778888")
TYPE = UUID("4f68bce3-e8cd-4db1-96e7-fbcaf984b709")


def part(first: int, last: int, name: str = "root-x86-64") -> Partition:
    uuid = UUID(int=first + 1)
    return Partition(name=name, type=TYPE, uuid=uuid, first=first, last=last, attributes=READ_ONLY)


def image(*partitions: Partition, sectors: int = 160) -> bytearray:
    begin, end = render_gpt(DISK, partitions, sectors * SECTOR)
    return bytearray(begin.ljust(sectors * SECTOR - len(end), b"\0") + end)


def test_a_table_reads_back():
    parts = (part(40, 47), part(48, 55, "root-x86-64-verity"))
    assert read_gpt(bytes(image(*parts))) == Gpt(DISK, parts)


def test_partition_knows_its_place_in_bytes():
    assert (part(40, 47).offset, part(40, 47).size) == (20480, 4096)


@pytest.mark.parametrize("end", [24576, 24577, 28672 - 512, 1 << 20])
def test_disk_is_as_small_as_4096_allows(end):
    size = disk_size(end)
    assert size % 4096 == 0
    assert end + BACKUP_SECTORS * SECTOR <= size < end + BACKUP_SECTORS * SECTOR + 4096


@pytest.mark.parametrize(
    ("at", "fault"),
    [
        (0, "protective MBR"),
        (450, "protective MBR"),
        (511, "protective MBR"),
        (SECTOR, "no GUID partition table"),
        (SECTOR + 8, "first header .* damaged"),
        (SECTOR + 24, "first header .* damaged"),
        (SECTOR + 56, "first header .* damaged"),
        (SECTOR + 100, "first header .* damaged"),
        (2 * SECTOR, "first copy .* damaged"),
        (2 * SECTOR + 128 * 127, "first copy .* damaged"),
        (-SECTOR, "second header .* missing"),
        (-SECTOR + 16, "second header .* damaged"),
        (-1, "second header .* damaged"),
        (-33 * SECTOR, "second copy .* damaged"),
    ],
)
def test_a_changed_byte_of_the_table_is_found(at, fault):
    disk = image(part(40, 47))
    disk[at] ^= 1
    with pytest.raises(VerifyError, match=fault):
        read_gpt(bytes(disk))


@pytest.mark.parametrize("sectors", [0, 1, 40, 66, 159])
def test_a_cut_image_is_refused(sectors):
    with pytest.raises(VerifyError):
        read_gpt(bytes(image(part(40, 47))[: sectors * SECTOR]))


def test_a_longer_file_is_refused():
    with pytest.raises(VerifyError):
        read_gpt(bytes(image(part(40, 47))) + bytes(4096))


@pytest.mark.parametrize(
    "parts",
    [
        (part(40, 48), part(48, 55)),
        (part(40, 39),),
        (part(2, 47),),
        (part(40, 127),),
        (part(40, 1 << 62),),
        (part(1 << 63, (1 << 63) + 1),),
    ],
)
def test_partitions_that_overlap_or_leave_the_disk_are_refused(parts):
    with pytest.raises(VerifyError, match="overlaps another or leaves the disk"):
        read_gpt(bytes(image(*parts)))


def test_a_header_that_claims_another_place_for_the_table_is_refused():
    disk = image(part(40, 47))
    struct.pack_into("<Q", disk, SECTOR + 72, 1 << 60)
    struct.pack_into("<I", disk, SECTOR + 16, 0)
    struct.pack_into("<I", disk, SECTOR + 16, zlib.crc32(disk[SECTOR : SECTOR + 92]))
    with pytest.raises(VerifyError, match="does not fit the file"):
        read_gpt(bytes(disk))


def test_two_copies_that_differ_are_refused():
    one, two = image(part(40, 47)), image(part(40, 55))
    half = FIRST_SECTOR * SECTOR
    with pytest.raises(VerifyError, match="two copies"):
        read_gpt(bytes(one[:half] + two[half:]))


@given(st.binary(max_size=512), st.integers(0, 200))
def test_no_bytes_break_the_reader(junk, at):
    disk = image(part(40, 47))
    disk[at * 100 : at * 100 + len(junk)] = junk
    with contextlib.suppress(VerifyError):
        read_gpt(bytes(disk))
