"""Compressed streams, known by their magic, read in bounded pieces.

Every reader here refuses what its command-line tool would only warn about: a stream that ends
early, and bytes after it that are no further stream.
"""

from __future__ import annotations

import bz2
import lzma
import os
import zlib
from typing import TYPE_CHECKING, Protocol

from sysextlib.binpkg import bzip2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHUNK = 1 << 20  # bytes of output at once
INPUT = 1 << 18  # bytes of input at once
ZSTD_WINDOW = 1 << 27  # 128 MiB: what zstd -22 needs and what the zstd program allows by default
XZ_MEMORY = 1 << 28  # 256 MiB: xz -9 needs 65 MiB

# Magic numbers: RFC 8878 (zstd, skippable frames too), RFC 1952, the xz file format, bzip2(1),
# and the formats that BINPKG_COMPRESS can name and nobody has used.
MAGIC = {
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x04\x22\x4d\x18": "lz4",
    b"LZIP": "lzip",
    b"\x89LZO\0": "lzop",
}
SKIPPABLE = range(0x184D2A50, 0x184D2A60)


class StreamError(ValueError):
    """A stream that is damaged, cut short or of an unknown kind; the message completes "it ..."."""


class Slice:
    """A part of a file that is open: read in order, or at any offset."""

    def __init__(self, descriptor: int, offset: int, size: int) -> None:
        self.descriptor, self.offset, self.size = descriptor, offset, size
        self._position = 0

    def at(self, position: int, size: int) -> bytes:
        """Return up to ``size`` bytes from ``position``; fewer only at the end.

        :raises StreamError: the file became shorter.
        """
        size = max(0, min(size, self.size - position))
        data = os.pread(self.descriptor, size, self.offset + position)
        if len(data) < size:
            raise StreamError("ends before its size says")
        return data

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, as file objects do."""
        data = self.at(self._position, self.size if size < 0 else size)
        self._position += len(data)
        return data

    def chunks(self) -> Iterator[bytes]:
        """Yield all bytes, from the start."""
        for position in range(0, self.size, CHUNK):
            yield self.at(position, CHUNK)

    def again(self) -> Slice:
        """Return the same bytes with a position of their own."""
        return Slice(self.descriptor, self.offset, self.size)


def kind(head: bytes) -> str:
    """Return the name of the compression that starts so, or "none"."""
    if int.from_bytes(head[:4], "little") in SKIPPABLE:
        return "zstd"
    return next((name for magic, name in MAGIC.items() if head.startswith(magic)), "none")


def decompress(source: Slice) -> Iterator[bytes]:
    """Yield the decompressed bytes, at most CHUNK at a time.

    :raises StreamError: the stream is damaged; what was yielded before must not be used.
    """
    name = kind(source.at(0, 8))
    if name == "none":
        return source.chunks()
    if name == "zstd":
        return _zstd(source)
    if name == "bzip2" and source.size > bzip2.WORTH_IT:
        return _bzip2(source)
    if name in _DECODERS:
        return _decode(source, name)
    raise StreamError(f"is compressed with {name}, which is not supported")


class _Decoder(Protocol):
    """What the decompressors of bz2 and lzma have in common."""

    @property
    def needs_input(self) -> bool: ...
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Gzip:
    """zlib's decompressor with the interface of the others."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)
        self._full = False

    @property
    def needs_input(self) -> bool:
        return not self._full and not self._inner.unconsumed_tail

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        out = self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
        self._full = len(out) == max_length  # more may wait inside zlib without any input left
        return out


_DECODERS: dict[str, Callable[[], _Decoder]] = {
    "bzip2": bz2.BZ2Decompressor,
    "gzip": _Gzip,
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY),
}


def _decode(source: Slice, name: str) -> Iterator[bytes]:
    """Yield the content of one or more streams; pbzip2, pigz and pixz write several."""
    pending = source.read(INPUT)
    while pending:
        decoder = _DECODERS[name]()
        while not decoder.eof:
            data = b""
            if decoder.needs_input:
                data, pending = pending or source.read(INPUT), b""
                if not data:
                    raise StreamError(f"is a {name} stream that ends early")
            try:
                out = decoder.decompress(data, CHUNK)
            except (OSError, EOFError, ValueError, lzma.LZMAError, zlib.error) as error:
                raise StreamError(f"is a damaged {name} stream ({error})") from error
            if out:
                yield out
        pending = decoder.unused_data + pending or source.read(INPUT)
        if pending and not pending.strip(b"\0"):
            _only_zeros(source, name)
            return


def _bzip2(source: Slice) -> Iterator[bytes]:
    """Yield from all processors, or from one where the stream does not lend itself to it."""
    done = 0
    try:
        for data in bzip2.decompress_blocks(source.again()):
            yield from (data[at : at + CHUNK] for at in range(0, len(data), CHUNK))
            done += len(data)
    except bzip2.SequentialError:
        passed = 0
        for data in _decode(source.again(), "bzip2"):
            if passed + len(data) > done:
                yield data[max(0, done - passed) :]
            passed += len(data)


def _only_zeros(source: Slice, name: str) -> None:
    """Accept padding, which xz allows and gzip's own tool ignores; refuse what follows it."""
    while data := source.read(INPUT):
        if data.strip(b"\0"):
            raise StreamError(f"has bytes after the end of its {name} stream")


def _zstd(source: Slice) -> Iterator[bytes]:
    import zstandard  # here: the fastest start of programs that open no package

    check_zstd_frames(source)
    decoder = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW)
    reader = decoder.stream_reader(
        source.again(),  # type: ignore[arg-type] # it needs read() alone
        read_size=INPUT,
        read_across_frames=True,
        closefd=False,
    )
    while True:
        try:
            out = reader.read(CHUNK)
        except zstandard.ZstdError as error:
            raise StreamError(f"is a damaged zstd stream ({error})") from error
        if not out:
            return
        yield out


def check_zstd_frames(source: Slice) -> None:
    """Walk over frames and blocks (RFC 8878, 3.1) without decompressing them.

    The zstd library's streaming reader takes a frame that ends early for a shorter one.

    :raises StreamError: a frame ends early, or something else follows the last one.
    """
    position = 0
    while position < source.size:
        head = source.at(position, 18)
        magic = int.from_bytes(head[:4], "little")
        if magic in SKIPPABLE and len(head) >= 8:
            position += 8 + int.from_bytes(head[4:8], "little")
        elif head[:4] == b"\x28\xb5\x2f\xfd" and len(head) > 5:
            position = _frame_end(source, position, head[4])
        else:
            raise StreamError("has bytes after the end of its zstd stream")
    if position > source.size:
        raise StreamError("is a zstd stream that ends early")


def _frame_end(source: Slice, position: int, descriptor: int) -> int:
    single = descriptor >> 5 & 1
    size_field = (1 if single else 0, 2, 4, 8)[descriptor >> 6]
    dictionary = (0, 1, 2, 4)[descriptor & 3]
    position += 5 + (1 - single) + dictionary + size_field
    last = False
    while not last:
        header = source.at(position, 3)
        if len(header) < 3:
            raise StreamError("is a zstd stream that ends early")
        value = int.from_bytes(header, "little")
        last, form, size = bool(value & 1), value >> 1 & 3, value >> 3
        position += 3 + (1 if form == 1 else size)  # form 1 is one byte, repeated
    return position + (4 if descriptor & 4 else 0)
