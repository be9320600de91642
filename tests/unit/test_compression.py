"""Compressed streams: what is read, and what a reader must not forgive."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
import tempfile
from functools import cache

import pytest
import zstandard

from sysextlib.binpkg import bzip2, compression
from sysextlib.binpkg.compression import Slice, StreamError, decompress, kind
from sysextlib.binpkg.stream import Stream, ahead, bounded
from tests.builders import binpkg

TEXT = b"".join(b"line %d of a text\n" % number for number in range(5000))
NOISE = random.Random(1).randbytes(350_000)
NAMES = ["zstd", "gzip", "bzip2", "xz"]
compress = cache(binpkg.compress)  # takes longer than what is tested


def read(data, *, offset=0):
    with tempfile.TemporaryFile() as file:
        file.write(b"-" * offset + data + b"+" * offset)
        file.flush()
        return b"".join(decompress(Slice(file.fileno(), offset, len(data))))


@pytest.fixture(params=[0, 1 << 30], ids=["parallel", "sequential"])
def way(request, monkeypatch):
    """Both ways of reading bzip2."""
    monkeypatch.setattr(bzip2, "WORTH_IT", request.param)


@pytest.mark.parametrize("name", [*NAMES, "none"])
@pytest.mark.parametrize("data", [b"", b"x", TEXT, NOISE], ids=["empty", "byte", "text", "noise"])
def test_streams_are_known_by_their_magic_and_read(way, name, data):
    packed = compress(data, name)
    assert kind(packed[:8]) == (name if packed else "none")
    assert read(packed) == data
    assert read(packed, offset=777) == data


@pytest.mark.parametrize("name", NAMES)
def test_several_streams_in_a_row_are_one(way, name):
    packed = compress(TEXT, name) + compress(b"", name) + compress(b"end", name)
    assert read(packed) == TEXT + b"end"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("data", [TEXT, NOISE], ids=["text", "noise"])
def test_stream_that_ends_early_is_refused(way, name, data):
    packed = compress(data, name)
    for size in (11, len(packed) // 2, len(packed) - 9, len(packed) - 1):
        with pytest.raises(StreamError):
            read(packed[:size])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("garbage", [b"x", b"garbage" * 99, b"\0" * 40 + b"x"])
def test_bytes_after_the_stream_are_refused(way, name, garbage):
    with pytest.raises(StreamError):
        read(compress(TEXT, name) + garbage)


@pytest.mark.parametrize("name", NAMES)
def test_flipped_bits_are_refused(way, name):
    packed = compress(TEXT, name)
    for at in range(12, len(packed), len(packed) // 9):
        bad = bytearray(packed)
        bad[at] ^= 4
        with pytest.raises(StreamError):
            read(bytes(bad))


@pytest.mark.parametrize("name", ["lz4", "lzip", "lzop"])
def test_compression_that_is_not_supported_is_named(name):
    magic = next(m for m, n in compression.MAGIC.items() if n == name)
    with pytest.raises(StreamError, match=name):
        read(magic + bytes(50))


def test_zstd_skippable_frames_and_frames_without_checksum_are_read():
    plain = zstandard.ZstdCompressor(write_checksum=False, write_content_size=False)
    skip = (0x184D2A5A).to_bytes(4, "little") + (5).to_bytes(4, "little") + b"notes"
    assert read(skip + plain.compress(TEXT) + skip) == TEXT


def test_zstd_frame_that_ends_early_is_refused_without_a_checksum_too():
    packed = zstandard.ZstdCompressor(write_checksum=False).compress(NOISE)
    for size in (len(packed) - 1, len(packed) - 100_000, 20, 7):
        with pytest.raises(StreamError):
            read(packed[:size])


def test_zstd_window_that_would_take_too_much_memory_is_refused():
    parameters = zstandard.ZstdCompressionParameters(window_log=28, write_content_size=False)
    packer = zstandard.ZstdCompressor(compression_params=parameters)
    stream = packer.compressobj()
    with pytest.raises(StreamError, match="memory"):
        read(stream.compress(TEXT) + stream.flush())


def test_output_comes_in_pieces_of_a_bounded_size():
    zeros = bytes(9 * compression.CHUNK)
    for packed in (compress(zeros, "zstd"), gzip.compress(zeros, 1), compress(zeros, "bzip2")):
        with tempfile.TemporaryFile() as file:
            file.write(packed)
            file.flush()
            pieces = decompress(Slice(file.fileno(), 0, len(packed)))
            assert max(map(len, pieces)) <= compression.CHUNK


def test_xz_padding_is_read():
    assert read(lzma.compress(TEXT) + bytes(8)) == TEXT


def slice_of(file, data):
    file.write(data)
    file.flush()
    return Slice(file.fileno(), 0, len(data))


@pytest.mark.parametrize(("level", "workers"), [(1, 1), (1, 3), (9, 3)])
def test_bzip2_blocks_are_found_at_every_bit_offset(level, workers):
    data = NOISE * 2 + TEXT + bytes(1_000_000) + NOISE
    with tempfile.TemporaryFile() as file:
        source = slice_of(file, bz2.compress(data, level))
        starts = [start for start, _ in bzip2._blocks(source)]
        blocks = list(bzip2.decompress_blocks(source, workers))
    assert b"".join(blocks) == data
    assert level == 9 or {start % 8 for start in starts} > {0, 1, 2}
    assert len(blocks) == len(starts) > (10 if level == 1 else 1)


def test_bzip2_mark_that_is_content_costs_time_and_no_byte(monkeypatch):
    data = NOISE + TEXT
    packed = bz2.compress(data, 1)
    marks = bzip2._marks
    monkeypatch.setattr(bzip2, "WORTH_IT", 0)
    monkeypatch.setattr(
        bzip2, "_marks", lambda source: sorted([*marks(source), len(packed) * 4 + 3])
    )
    assert read(packed) == data


def test_bzip2_marks_are_found_across_the_windows_of_the_search(monkeypatch):
    packed = bz2.compress(NOISE, 1)
    with tempfile.TemporaryFile() as file:
        source = slice_of(file, packed)
        expected = list(bzip2._marks(source))
        for window in (61, 1000, 4099):
            monkeypatch.setattr(bzip2, "WINDOW", window)
            assert list(bzip2._marks(source)) == expected


def test_bzip2_combined_checksum_is_checked(way):
    packed = bytearray(bz2.compress(NOISE * 2, 1))
    packed[-3] ^= 0xFF
    with pytest.raises(StreamError):
        read(bytes(packed))


def test_stream_is_taken_in_exact_amounts():
    stream = Stream([b"ab", b"", b"cdef", b"g"])
    taken = []
    assert stream.take(3) == b"abc"
    stream.pass_on(3, lambda piece: taken.append(bytes(piece)))
    assert taken == [b"def"]
    assert stream.position == 6
    with pytest.raises(StreamError, match="ends early"):
        stream.take(2)


def test_bound_is_the_last_size_that_is_allowed():
    assert list(bounded([b"ab", b"cd"], 4)) == [b"ab", b"cd"]
    with pytest.raises(StreamError, match="more than the allowed 3"):
        list(bounded([b"ab", b"cd"], 3))


def test_error_of_the_producing_thread_reaches_the_reader_in_its_place():
    def produce():
        yield b"one"
        raise StreamError("is damaged")

    with ahead(produce()) as chunks:
        assert next(chunks) == b"one"
        with pytest.raises(StreamError, match="is damaged"):
            next(chunks)


def test_reader_that_stops_early_ends_the_producing_thread():
    ended = []

    def produce():
        try:
            while True:
                yield b"x"
        finally:
            ended.append(True)

    source = produce()
    with ahead(source) as chunks:
        next(chunks)
    source.close()
    assert ended
