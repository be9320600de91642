"""bzip2 with all processors: blocks are found by their mark and decompressed side by side.

bzip2 is what Flatcar's packages use, and its decompressor is five to twenty times slower than the
others. A stream is "BZh", a level digit, and blocks without byte alignment, each starting with a
48-bit mark and the CRC of its content; a mark and the combined CRC end it. A block that is cut out
and given a header and an end of its own is a stream by itself. Source: bzip2's decompress.c and
its manual, section 2; there is no other specification.
"""

from __future__ import annotations

import bz2
import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from sysextlib.binpkg.compression import Slice

BLOCK = 0x314159265359
END = 0x177245385090
MARK_BITS = 48
CRC_BITS = 32
HEADER = 4  # bytes
WINDOW = 1 << 22  # bytes searched at once
LARGEST_BLOCK = 1 << 21  # compressed bytes; a level 9 block that does not compress has 0.9 MB
WORTH_IT = 1 << 21  # compressed bytes below which one thread is as fast


class SequentialError(Exception):
    """Not a single stream of marked blocks; only a sequential decoder can tell what it is."""


def decompress_blocks(source: Slice, workers: int | None = None) -> Iterator[bytes]:
    """Yield the content block by block, in order.

    :raises SequentialError: this is no way to read the stream, which may be sound or damaged.
        What was yielded until then is its beginning.
    """
    head = source.at(0, HEADER)
    level = head[3:4]
    if not level.isdigit() or level == b"0":
        raise SequentialError
    workers = workers or os.cpu_count() or 1
    waiting: deque[Future[tuple[bytes, int]]] = deque()
    combined = 0
    with ThreadPoolExecutor(workers, thread_name_prefix="bzip2") as pool:
        try:
            for start, end in _blocks(source):
                waiting.append(pool.submit(_decode, source, start, end, level))
                if len(waiting) > workers:
                    data, crc = waiting.popleft().result()
                    combined = _combine(combined, crc)
                    yield data
            while waiting:
                data, crc = waiting.popleft().result()
                combined = _combine(combined, crc)
                yield data
        finally:
            for future in waiting:
                future.cancel()
    if combined != _end(source)[1]:
        raise SequentialError


def _combine(combined: int, crc: int) -> int:
    return ((combined << 1 | combined >> 31) & 0xFFFFFFFF) ^ crc


def _decode(source: Slice, start: int, end: int, level: bytes) -> tuple[bytes, int]:
    """Return the content of the block between two bit offsets, and its CRC as stored."""
    bits = _bits(source, start, end)
    size = end - start
    crc = bits >> (size - MARK_BITS - CRC_BITS) & 0xFFFFFFFF
    bits = (bits << MARK_BITS | END) << CRC_BITS | crc
    size += MARK_BITS + CRC_BITS
    pad = -size % 8
    decoder = bz2.BZ2Decompressor()
    try:
        data = decoder.decompress(b"BZh" + level + (bits << pad).to_bytes((size + pad) // 8, "big"))
    except (OSError, ValueError) as error:
        raise SequentialError from error
    if not decoder.eof or decoder.unused_data:
        raise SequentialError
    return data, crc


def _bits(source: Slice, start: int, end: int) -> int:
    """Return the bits between two offsets as a number."""
    first, last = start // 8, -(-end // 8)
    value = int.from_bytes(source.at(first, last - first), "big") >> (last * 8 - end)
    return value & ((1 << (end - start)) - 1)


def _end(source: Slice) -> tuple[int, int]:
    """Return the offset of the end mark in bits, and the combined CRC; up to 7 bits follow it."""
    total = source.size * 8
    for pad in range(8):
        start = total - pad - CRC_BITS - MARK_BITS
        if start >= 0 and _bits(source, start, start + MARK_BITS) == END:
            return start, _bits(source, start + MARK_BITS, start + MARK_BITS + CRC_BITS)
    raise SequentialError


def _blocks(source: Slice) -> Iterator[tuple[int, int]]:
    """Yield where each block starts and ends, in bits.

    :raises SequentialError: blocks do not follow each other from the header to the end.
    """
    previous = -1
    end, _ = _end(source)
    for start in _marks(source):
        if previous < 0 and start != HEADER * 8:
            raise SequentialError
        if previous >= 0:
            yield previous, _checked(previous, start)
        previous = start
    if previous < 0:
        raise SequentialError
    yield previous, _checked(previous, end)


def _checked(start: int, end: int) -> int:
    if not MARK_BITS + CRC_BITS < end - start < LARGEST_BLOCK * 8:
        raise SequentialError
    return end


def _marks(source: Slice) -> Iterator[int]:
    """Yield the bit offsets of all block marks, in order."""
    overlap = 6  # a mark may start in a window's last bytes
    for base in range(0, source.size, WINDOW):
        data = source.at(base, WINDOW + overlap)
        found = (at for shift in range(8) for at in _marks_at(data, shift))
        yield from sorted(base * 8 + at for at in found if at < WINDOW * 8)


def _marks_at(data: bytes, shift: int) -> Iterator[int]:
    """Yield the marks that begin ``shift`` bits after a byte does."""
    stretched = (BLOCK << (8 - shift)).to_bytes(7, "big")  # shift unknown bits, mark, the rest
    inner = stretched[1:6]  # the five bytes that the mark fills whatever the shift
    last_bits = 8 - shift
    at = data.find(inner)
    while at >= 0:
        first = data[at - 1] if at else -1
        after = data[at + 5] if at + 5 < len(data) else -1
        mark = (first & (0xFF >> shift)) == stretched[0]
        if first >= 0 and mark and (not shift or after >> last_bits == stretched[6] >> last_bits):
            yield (at - 1) * 8 + shift
        at = data.find(inner, at + 1)
