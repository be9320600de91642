"""The xpak container: a compressed tar with metadata behind it.

Layout (xpak(5)), numbers being 4 bytes, big-endian:

    [tar] XPAKPACK index-size data-size [index] [data] XPAKSTOP segment-size STOP

where the segment goes from XPAKPACK to XPAKSTOP, and an index item is
name-size, name, offset into the data, size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sysextlib.binpkg.compression import Slice, StreamError
from sysextlib.binpkg.gpkg import check_key

if TYPE_CHECKING:
    from sysextlib.binpkg.place import Place

START, STOP, END = b"XPAKPACK", b"XPAKSTOP", b"STOP"
TRAILER = len(STOP) + 4 + len(END)
OVERHEAD = len(START) + 8 + len(STOP)


def is_xpak(file: Slice) -> bool:
    """Return whether the file ends as an xpak does; a gpkg always ends with zeros."""
    tail = file.at(file.size - TRAILER, TRAILER) if file.size >= TRAILER else b""
    return tail.startswith(STOP) and tail.endswith(END)


def read_xpak(file: Slice, place: Place) -> tuple[Slice, dict[str, bytes]]:
    """Return the image's bytes and the metadata.

    :raises PackageError: the container is damaged.
    """
    try:
        size = _number(file.at(file.size - 8, 4), 0)
        start = file.size - size - 8
        if size < OVERHEAD or start < 0:
            raise place.refuse("its trailer's size does not fit the file", stored=size)
        if size > place.limits.metadata:
            raise place.refuse("its metadata is too large", size=size)
        segment = file.at(start, size)
    except StreamError as error:
        raise place.refuse(f"it {error}") from error
    if not segment.startswith(START) or not segment.endswith(STOP):
        raise place.refuse("its metadata does not start and stop as xpak does")
    return Slice(file.descriptor, file.offset, start), _read_segment(segment, place)


def _read_segment(segment: bytes, place: Place) -> dict[str, bytes]:
    index_size, data_size = _number(segment, 8), _number(segment, 12)
    if index_size + data_size + OVERHEAD != len(segment):
        raise place.refuse("the sizes in its metadata do not add up")
    index = segment[16 : 16 + index_size]
    data = segment[16 + index_size : -len(STOP)]
    found: dict[str, bytes] = {}
    at = used = 0
    while at < index_size:
        length = _number(index, at) if at + 4 <= index_size else index_size
        name_end = at + 4 + length
        if name_end + 8 > index_size:
            raise place.refuse("an item of its metadata leaves the index", offset=at)
        key = check_key(index[at + 4 : name_end].decode("utf-8", "replace"), place)
        offset, size = _number(index, name_end), _number(index, name_end + 4)
        used += size
        if offset + size > data_size or used > data_size:
            raise place.refuse("an item of its metadata leaves the data", member=key)
        if key in found:
            raise place.refuse("two items of its metadata have the same name", member=key)
        found[key] = data[offset : offset + size]
        at = name_end + 8
    return found


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "big")
