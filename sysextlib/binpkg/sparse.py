"""Sparse tar members: where their stored bytes belong.

Source: the GNU tar manual, "Storing Sparse Files": the old GNU format and PAX versions 0.0, 0.1
and 1.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sysextlib.binpkg.place import Place
    from sysextlib.binpkg.stream import Stream
    from sysextlib.binpkg.tar_headers import Member

BLOCK = 512


def gnu_map(member: Member, block: bytes, stream: Stream, place: Place) -> None:
    """Read the map of an old GNU sparse member: four pairs in the header, 21 in each block on."""
    numbers = _octal_pairs(block[386:482], member, place)
    more = block[482:483] != b"\0" and block[482:483] != b"0"
    real = _octal(block[483:495], member, place)
    while more:
        extra = stream.take(BLOCK)
        numbers += _octal_pairs(extra[:504], member, place)
        more = extra[504:505] not in {b"\0", b"0"}
        if len(numbers) > 2 * place.limits.sparse_map:
            raise place.refuse("a sparse file's map is too long", member=member.name)
    _set(member, numbers, real, place)


def pax_map(
    member: Member, records: Sequence[tuple[bytes, bytes]], stream: Stream, place: Place
) -> None:
    """Read the map of a sparse member in one of the three PAX versions."""
    pax = member.pax
    member.name = pax.get(b"GNU.sparse.name", member.name)
    real = pax.get(b"GNU.sparse.realsize", pax.get(b"GNU.sparse.size", b""))
    if pax.get(b"GNU.sparse.major") == b"1":
        numbers = _leading_map(member, stream, place)
    elif b"GNU.sparse.map" in pax:
        numbers = _decimals(pax[b"GNU.sparse.map"].split(b","), member, place)
    else:
        keys = {b"GNU.sparse.offset", b"GNU.sparse.numbytes"}
        numbers = _decimals([value for key, value in records if key in keys], member, place)
    _set(member, numbers, _decimals([real], member, place)[0], place)


def _leading_map(member: Member, stream: Stream, place: Place) -> list[int]:
    """Return the map that stands before the data in version 1.0, padded to whole blocks."""
    lines: list[bytes] = []
    unread = b""
    wanted = 1
    while len(lines) < wanted:
        if member.stored < BLOCK:
            raise place.refuse("a sparse file's map does not end", member=member.name)
        member.stored -= BLOCK
        *whole, unread = (unread + stream.take(BLOCK)).split(b"\n")
        if lines or whole:
            lines += whole
            wanted = 1 + 2 * _decimals(lines[:1], member, place)[0]
        if wanted > 2 * place.limits.sparse_map or len(unread) > BLOCK:
            raise place.refuse("a sparse file's map is too long", member=member.name)
    return _decimals(lines[1:wanted], member, place)


def _set(member: Member, numbers: Sequence[int], real: int, place: Place) -> None:
    """Put a map into a member after it was seen to fit the size and what is stored."""
    pairs = tuple(zip(numbers[::2], numbers[1::2], strict=False))
    end = stored = 0
    for offset, length in pairs:
        if offset < end:
            raise place.refuse("a sparse file's map goes backwards", member=member.name)
        end = offset + length
        stored += length
    if len(numbers) % 2 or end > real or stored != member.stored:
        raise place.refuse("a sparse file's map does not fit its sizes", member=member.name)
    if len(pairs) > place.limits.sparse_map:
        raise place.refuse("a sparse file's map is too long", member=member.name)
    member.size = real
    member.holes = tuple(pair for pair in pairs if pair[1])


def _octal_pairs(fields: bytes, member: Member, place: Place) -> list[int]:
    """Return the numbers of a header's map up to the first pair that is empty."""
    numbers: list[int] = []
    for at in range(0, len(fields) - 23, 24):
        pair = fields[at : at + 24]
        if not pair.strip(b"\0 "):
            break
        numbers += [_octal(pair[:12], member, place), _octal(pair[12:], member, place)]
    return numbers


def _octal(stored: bytes, member: Member, place: Place) -> int:
    if stored[:1] == b"\x80":
        return int.from_bytes(stored[1:], "big")
    text = stored.strip(b"\0 ")
    if text.isdigit() and not set(text) & set(b"89"):
        return int(text, 8)
    raise place.refuse("a sparse file's map is damaged", member=member.name)


def _decimals(texts: Iterable[bytes], member: Member, place: Place) -> list[int]:
    numbers = []
    for text in texts:
        if not text.isdigit() or len(text) > 19:
            raise place.refuse("a sparse file's map is damaged", member=member.name)
        numbers.append(int(text))
    return numbers
