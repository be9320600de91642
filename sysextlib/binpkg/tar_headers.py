"""Tar members as they are written: ustar, GNU and PAX headers, nothing interpreted.

Sources: POSIX.1-2017 pax ("ustar Interchange Format", "pax Extended Header"), and the GNU tar
manual's "Basic Tar Format", "GNU Extensions" and "Storing Sparse Files". ``tarfile`` reads the same
but forgives much (a damaged header ends the archive), keeps every member in memory and costs five
times as much per member.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from sysextlib.binpkg.sparse import gnu_map, pax_map

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sysextlib.binpkg.place import Place
    from sysextlib.binpkg.stream import Stream

BLOCK = 512
ZEROS = bytes(BLOCK)
FIELDS = struct.Struct("100s8s8s8s12s12s8s1s100s6s2s32s32s8s8s155s12x")
REGULAR = frozenset({b"0", b"\0", b"7"})
GNU_SPARSE = b"S"
# Types that describe the member after them.
PREFIXES = frozenset({b"L", b"K", b"x", b"g"})


@dataclass(slots=True)
class Member:
    """One tar member; numbers are as stored, names are bytes without interpretation.

    :param form: the type flag; "0" for every kind of regular file.
    :param stored: bytes that follow in the archive, padding not counted.
    :param size: bytes of the file; more than ``stored`` when it is sparse.
    :param holes: where the stored bytes belong, as offset and length, when it is sparse.
    :param pax: the extended header's records, as stored.
    """

    name: bytes
    form: str
    mode: int
    uid: int
    gid: int
    stored: int
    size: int
    mtime: int
    target: bytes
    device: tuple[int, int]
    holes: tuple[tuple[int, int], ...] | None = None
    pax: dict[bytes, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class _Extension:
    """What the headers before a member say about it."""

    name: bytes = b""
    target: bytes = b""
    records: list[tuple[bytes, bytes]] = field(default_factory=list)


def read_members(stream: Stream, place: Place) -> Iterator[Member]:
    """Yield the members; the caller takes exactly ``stored`` bytes from the stream after each.

    :raises PackageError: a header is damaged, or something follows the end of the archive.
    :raises StreamError: the stream ends early.
    """
    count = 0
    extension = _Extension()
    while (block := stream.take(BLOCK)) != ZEROS:
        count += 1
        if count > place.limits.members:
            raise place.refuse("it has too many members", allowed=place.limits.members)
        values = _checked(block, place)
        if values[7] in PREFIXES:
            _extend(extension, values, stream, place)
            continue
        member = _member(values, block, extension, stream, place)
        extension = _Extension()
        before = stream.position
        yield member
        assert stream.position == before + member.stored
        _padding(stream, member.stored)
    if extension != _Extension():
        raise place.refuse("it ends with a header that describes no member")
    _end(stream, place)


def _end(stream: Stream, place: Place) -> None:
    """Require the second block of zeros, and nothing but zeros after it."""
    if stream.take(BLOCK) != ZEROS:
        raise place.refuse("a block of zeros stands amid its members")
    for piece in stream.rest():
        if piece.tobytes().strip(b"\0"):
            raise place.refuse("it goes on after the end of its archive")


def _checked(block: bytes, place: Place) -> tuple[bytes, ...]:
    """Return a header's fields after its checksum and magic were seen to be right."""
    values: tuple[bytes, ...] = FIELDS.unpack(block)
    total = sum(block) - sum(block[148:156]) + 8 * 32
    if values[9] not in {b"ustar\0", b"ustar "} or _digits(values[6]) != total:
        raise place.refuse(
            "a member's header is not a tar header, or its checksum is wrong",
            member=values[0].rstrip(b"\0"),
        )
    return values


def _extend(extension: _Extension, values: tuple[bytes, ...], stream: Stream, place: Place) -> None:
    """Read a header that describes the member after it."""
    form, size = values[7], _number(values[4], "size", place)
    if size < 0:
        raise place.refuse("an extended header's size is negative", size=size)
    if size > place.limits.pax:
        raise place.refuse("an extended header is too large", size=size, allowed=place.limits.pax)
    data = stream.take(size)
    _padding(stream, size)
    if form == b"L":
        extension.name = data.rstrip(b"\0")
    elif form == b"K":
        extension.target = data.rstrip(b"\0")
    elif form == b"x":
        extension.records = _records(data, place)
    elif any(key != b"comment" for key, _ in _records(data, place)):
        raise place.refuse("it has a global extended header, which packages do not use")


def _records(data: bytes, place: Place) -> list[tuple[bytes, bytes]]:
    r"""Return the records "LENGTH KEY=VALUE\n"; a key can occur more than once."""
    records = []
    at = 0
    while at < len(data):
        blank = data.find(b" ", at, at + 10)
        digits = data[at:blank] if blank > 0 else b""
        end = at + int(digits) if digits.isdigit() else 0
        key, equals, value = data[blank + 1 : end - 1].partition(b"=")
        if not blank < end <= len(data) or data[end - 1 : end] != b"\n" or not equals:
            raise place.refuse("an extended header's record is damaged", offset=at)
        records.append((key, value))
        at = end
    return records


def _member(
    values: tuple[bytes, ...], block: bytes, extension: _Extension, stream: Stream, place: Place
) -> Member:
    pax = dict(extension.records)
    name = values[0].partition(b"\0")[0]
    posix = values[9] == b"ustar\0"
    if posix and (prefix := values[15].partition(b"\0")[0]):
        name = prefix + b"/" + name
    name = pax.get(b"path", extension.name or name)

    def number(key: bytes, stored: bytes) -> int:
        if key in pax:
            return _decimal(pax[key], key, name, place)
        return _number(stored, key.decode(), place, name)

    size = number(b"size", values[4])
    if size < 0:
        raise place.refuse("a member's size is negative", member=name)
    form = values[7]
    device = (0, 0)
    if form in {b"3", b"4"}:
        major, minor = (_number(value, "device", place, name) for value in values[13:15])
        device = (major, minor)
    member = Member(
        name=name,
        form="0" if form in REGULAR or form == GNU_SPARSE else form.decode("latin-1"),
        mode=_number(values[1], "mode", place, name),
        uid=number(b"uid", values[2]),
        gid=number(b"gid", values[3]),
        stored=size,
        size=size,
        mtime=number(b"mtime", values[5]),
        target=pax.get(b"linkpath", extension.target or values[8].partition(b"\0")[0]),
        device=device,
        pax=pax,
    )
    if form == GNU_SPARSE:
        gnu_map(member, block, stream, place)
    elif any(key.startswith(b"GNU.sparse.") for key in pax):
        pax_map(member, extension.records, stream, place)
    return member


def _padding(stream: Stream, size: int) -> None:
    if left := -size % BLOCK:
        stream.take(left)


def _digits(stored: bytes) -> int | None:
    """Return an octal field's value, or None when it is not one."""
    text = stored.strip(b"\0 ")
    if not text:
        return 0
    try:
        return int(text, 8) if text.isdigit() else None
    except ValueError:
        return None


def _number(stored: bytes, what: str, place: Place, member: bytes = b"") -> int:
    """Return a numeric field: octal digits, or GNU's base 256 for what needs more room."""
    if stored[0] in {0x80, 0xFF}:
        return int.from_bytes(stored[stored[0] == 0x80 :], "big", signed=stored[0] == 0xFF)
    value = _digits(stored)
    if value is None:
        _not_a_number(what, stored, member, place)
    return value


def _decimal(stored: bytes, key: bytes, member: bytes, place: Place) -> int:
    """Return a PAX number; times may have a fraction, which rounds down."""
    sign = stored[:1] == b"-"
    whole, dot, fraction = stored[sign:].partition(b".")
    if not whole.isdigit() or len(whole) > 20 or (dot and not fraction.isdigit()):
        _not_a_number(key.decode("latin-1"), stored, member, place)
    return -int(whole) - (fraction.strip(b"0") != b"") if sign else int(whole)


def _not_a_number(what: str, stored: bytes, member: bytes, place: Place) -> NoReturn:
    raise place.refuse(f"a member's {what} is not a number", member=member, stored=repr(stored))
