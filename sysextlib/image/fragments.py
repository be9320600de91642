"""Takes the builder out of an EROFS: mkfs.erofs gives the inode of fragments his id and umask."""

from __future__ import annotations

import stat
import struct
from typing import IO

SUPERBLOCK = 1024
# EROFS_FEATURE_COMPAT_SB_CHKSUM and EROFS_FEATURE_INCOMPAT_FRAGMENTS, fs/erofs/erofs_fs.h
CHECKSUMMED, FRAGMENTS = 0x1, 0x20
BLOCK = 4096
INODE_SLOT = 32
POLYNOMIAL = 0x82F63B78  # CRC-32C, reflected


def disown_fragments(image: IO[bytes]) -> None:
    """Make the packed inode of a freshly written file system a 0644 file of root:root.

    mkfs.erofs copies mode and owner from a temporary file, so that the bytes would depend on who
    builds, and under which umask; no reader looks at them.

    :param image: open for reading and writing, with the file system at offset 0.
    """
    image.seek(SUPERBLOCK)
    block = bytearray(image.read(BLOCK - SUPERBLOCK))
    features, meta, incompatible = (struct.unpack_from("<I", block, at)[0] for at in (8, 40, 80))
    if not incompatible & FRAGMENTS:
        return
    (packed,) = struct.unpack_from("<Q", block, 96)
    at = meta * BLOCK + packed * INODE_SLOT
    image.seek(at)
    (layout,) = struct.unpack("<H", image.read(2))
    image.seek(at + 4)
    image.write(struct.pack("<H", stat.S_IFREG | 0o644))
    image.seek(at + 24)
    image.write(bytes(8 if layout & 1 else 4))  # 32 bits each in an extended inode, else 16
    if features & CHECKSUMMED:
        image.seek(SUPERBLOCK)
        block = bytearray(image.read(BLOCK - SUPERBLOCK))
        block[4:8] = bytes(4)
        image.seek(SUPERBLOCK + 4)
        image.write(struct.pack("<I", crc32c(bytes(block))))


def crc32c(data: bytes) -> int:
    """Return the CRC-32C that EROFS keeps of its first block: all ones to begin, not inverted."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (POLYNOMIAL if crc & 1 else 0)
    return crc
