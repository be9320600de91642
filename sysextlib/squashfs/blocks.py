"""The blocks of a squashfs image: superblock, metadata, data and fragments, decompressed.

Source of the format: the squashfs 4.0 binary format document (dr-emann.github.io/squashfs);
numbers are little endian.
"""

from __future__ import annotations

import lzma
import os
import stat
import struct
import threading
import zlib
from collections import OrderedDict
from typing import TYPE_CHECKING

from sysextlib.errors import BaseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MAGIC = b"hsqs"
NONE64 = 0xFFFFFFFFFFFFFFFF  # "there is no such table"
METADATA_BLOCK = 8192  # bytes of metadata per block, before compression
METADATA_LIMIT = 32768  # blocks, 256 MiB: two million inodes and their names need less
FRAGMENTS_KEPT = 8  # decompressed fragment blocks held; neighbours in a directory share one
COMPRESSORS = {1: "gzip", 2: "lzma", 3: "lzo", 4: "xz", 5: "lz4", 6: "zstd"}

_SUPERBLOCK = struct.Struct("<4sIIIIHHHHHHQQQQQQQQ")


class Blocks:
    """An open squashfs image, as blocks of bytes at known places; threads may share it."""

    def __init__(self, image: Path, what: str) -> None:
        """Open ``image`` and read its superblock and the table of owners.

        :param what: what errors call the image.
        :raises BaseError: it cannot be read, is no squashfs, was cut short, or uses a compressor
            that is not known here.
        """
        self.image = image
        self.what = what
        try:
            self._fd = os.open(image, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise BaseError(
                f"{what} cannot be opened", {"file": image, "reason": error.strerror or error}
            ) from error
        try:
            self._open()
        except BaseException:
            os.close(self._fd)
            raise

    def close(self) -> None:
        """Close the file; nothing can be read afterwards."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    def _open(self) -> None:
        if not stat.S_ISREG(os.fstat(self._fd).st_mode):
            raise BaseError(f"{self.what} is not a regular file", {"file": self.image})
        self.size = os.fstat(self._fd).st_size
        raw = os.pread(self._fd, _SUPERBLOCK.size, 0)
        if raw[:4] != MAGIC:
            raise BaseError(
                f"{self.what} is not a squashfs",
                {"file": self.image, "size": self.size, "first bytes": raw[:8].hex(" ")},
                hint="give the base as the .squashfs file that the OS image build writes",
            )
        if len(raw) < _SUPERBLOCK.size:
            raise self.damaged("it ends within its superblock")
        fields = _SUPERBLOCK.unpack(raw)
        (_, self.inodes, _, self.block_size, self._fragments, compressor, block_log) = fields[:7]
        (_, self._ids_count, major, minor, self.root, used, ids, xattrs) = fields[7:15]
        (self.inode_table, self.directory_table, fragments, _) = fields[15:]
        if (major, minor) != (4, 0):
            raise BaseError(
                f"{self.what} is a squashfs of version {major}.{minor}, not 4.0",
                {"file": self.image},
            )
        if not 12 <= block_log <= 20 or self.block_size != 1 << block_log:
            raise self.damaged("its block size is not a power of two from 4 KiB to 1 MiB")
        if used > self.size:
            raise BaseError(
                f"{self.what} is cut short",
                {"file": self.image, "size": self.size, "size by its superblock": used},
                hint="fetch or build it again",
            )
        self._unpack = self._decompressor(compressor)
        self._metadata: dict[int, tuple[bytes, int]] = {}
        self._fragment_blocks: OrderedDict[int, bytes] = OrderedDict()
        self._lock = threading.Lock()
        self.owners = self._read_ids(ids)
        self._fragment_table = fragments
        self.xattr_table = xattrs

    def _decompressor(self, number: int) -> Callable[[bytes, int], bytes]:
        """Return a function of the stored bytes and the most that they may expand to."""
        if number == 1:
            return lambda data, limit: zlib.decompressobj().decompress(data, limit)
        if number == 4:
            return lambda data, limit: lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(data, limit)
        if number == 6:
            import zstandard  # most images are gzip and never need it

            def unpack(data: bytes, limit: int) -> bytes:
                # one for each block: it cannot serve two threads at once
                context = zstandard.ZstdDecompressor(max_window_size=1 << 27)
                return context.stream_reader(data).read(limit)

            return unpack
        name = COMPRESSORS.get(number, f"compressor {number}")
        raise BaseError(
            f"{self.what} is compressed with {name}, which is not read here",
            {"file": self.image, "known": "gzip, xz, zstd"},
            hint="pack it again with mksquashfs -comp zstd",
        )

    def _read_ids(self, table: int) -> tuple[int, ...]:
        raw = b"".join(self._table(table, self._ids_count, 4))
        return struct.unpack(f"<{self._ids_count}I", raw)

    def _table(self, at: int, count: int, width: int) -> Iterator[bytes]:
        """Yield the metadata blocks of a two-level table, whose pointers lie at ``at``."""
        blocks = -(-count * width // METADATA_BLOCK)
        pointers = struct.unpack(f"<{blocks}Q", self.pread(at, blocks * 8))
        for index, pointer in enumerate(pointers):
            size = min(METADATA_BLOCK, count * width - index * METADATA_BLOCK)
            yield self.metadata(pointer, 0, size)

    def pread(self, at: int, size: int) -> bytes:
        """Return ``size`` bytes of the file at ``at``, or raise: it points beyond its end."""
        if at < 0 or size < 0 or at + size > self.size:
            raise self.damaged(f"it points to byte {at + size}, beyond its end")
        try:
            data = os.pread(self._fd, size, at)
        except OSError as error:
            raise BaseError(
                f"{self.what} cannot be read",
                {"file": self.image, "reason": error.strerror or error},
            ) from error
        if len(data) != size:
            raise self.damaged(f"it ends before byte {at + size}")
        return data

    def _expand(self, data: bytes, limit: int) -> bytes:
        try:
            return self._unpack(data, limit)
        except Exception as error:  # each library has its own class for damaged data
            raise self.damaged(f"a block does not decompress: {error}") from error

    def _block(self, at: int) -> tuple[bytes, int]:
        """Return a metadata block's bytes, and where the next one starts."""
        known = self._metadata.get(at)
        if known is None:
            if len(self._metadata) >= METADATA_LIMIT:
                raise self.damaged("its metadata has no end")
            header = int.from_bytes(self.pread(at, 2), "little")
            size = header & 0x7FFF
            data = self.pread(at + 2, size)
            if not header & 0x8000:
                data = self._expand(data, METADATA_BLOCK)
            if not 0 < len(data) <= METADATA_BLOCK:
                raise self.damaged("a metadata block has an impossible size")
            known = self._metadata[at] = data, at + 2 + size
        return known

    def metadata(self, at: int, offset: int, size: int) -> bytes:
        """Return ``size`` bytes that start ``offset`` bytes into the metadata block at ``at``."""
        block, following = self._block(at)
        while offset > len(block):
            offset -= len(block)
            block, following = self._block(following)
        if offset + size <= len(block):
            return block[offset : offset + size]
        pieces = [block[offset:]]
        left = size - len(pieces[0])
        while left > 0:
            block, following = self._block(following)
            pieces.append(block[:left])
            left -= len(block)
        return b"".join(pieces)

    def data(self, at: int, stored: int, size: int) -> bytes:
        """Return a data block; bit 24 of its stored size says that it is not compressed."""
        raw = self.pread(at, stored & 0xFFFFFF)
        data = raw if stored & 0x1000000 else self._expand(raw, size)
        if len(data) != size:
            raise self.damaged(f"the data block at byte {at} has {len(data)} bytes, not {size}")
        return data

    def fragment(self, number: int) -> bytes:
        """Return a decompressed fragment block, which holds the ends of many files."""
        with self._lock:
            known = self._fragment_blocks.get(number)
            if known is not None:
                self._fragment_blocks.move_to_end(number)
                return known
        if number >= self._fragments:
            raise self.damaged(f"there is no fragment {number}")
        pointer = self.pread(self._fragment_table + number // 512 * 8, 8)
        raw = self.metadata(int.from_bytes(pointer, "little"), number % 512 * 16, 16)
        start, stored, _ = struct.unpack("<QII", raw)
        packed = self.pread(start, stored & 0xFFFFFF)
        data = packed if stored & 0x1000000 else self._expand(packed, self.block_size)
        with self._lock:
            self._fragment_blocks[number] = data
            if len(self._fragment_blocks) > FRAGMENTS_KEPT:
                self._fragment_blocks.popitem(last=False)
        return data

    def damaged(self, why: str) -> BaseError:
        """Return the error to raise when the image contradicts its own format."""
        return BaseError(
            f"{self.what} is damaged",
            {"file": self.image, "reason": why},
            hint="fetch or build it again",
        )
