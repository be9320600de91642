"""The messages of an update payload, and their bytes.

A payload is a header, a manifest, data blobs and signatures, back to back:

    4  magic "CrAU"
    8  format version, big-endian, 1
    8  length of the manifest, big-endian
       manifest, a protobuf DeltaArchiveManifest
       blobs
       a protobuf Signatures message, the last byte of which is the file's last

Field numbers are those of update_engine's update_metadata.proto (proto2). The encoder writes what
its delta_generator writes: fields by ascending number, shortest varints, zeros written out. The
decoder keeps presence, since ue-rs refuses an operation whose zeros were left out.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC = b"CrAU"
VERSION = 1
HEADER = struct.Struct(">4sQQ")
BLOCK = 4096
CHUNK = 1 << 20  # bytes of the image in one operation
CHUNK_BLOCKS = CHUNK // BLOCK
HOLE = 2**64 - 1  # start block of data that is written nowhere
UINT32_MAX = 2**32 - 1
SIGNATURE_BYTES = 256  # RSA-2048; update_engine knows no other size
CURRENT_KEY = 2  # the signature version that update_engine looks at

REPLACE, REPLACE_BZ, MOVE, BSDIFF = range(4)  # operation types
TYPE_NAMES = ("REPLACE", "REPLACE_BZ", "MOVE", "BSDIFF")

MAX_MANIFEST = 16 << 20  # bytes; an image of 64 GiB needs about 6 MiB
MAX_OPERATIONS = 1 << 16  # of each list: 64 GiB of image in chunks of 1 MiB
MAX_ITEMS = 64  # extents of one operation, procedures, signatures

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # protobuf's wire types


class FormatError(ValueError):
    """Bytes that are no such message. The reader turns it into a VerifyError."""


@dataclass(frozen=True, slots=True)
class Extent:
    """Consecutive blocks; None where the message leaves a number out."""

    start: int | None
    blocks: int | None


@dataclass(frozen=True, slots=True)
class Operation:
    """One step of an update; offset and length are bytes, counted from the first blob."""

    type: int
    offset: int | None
    length: int | None
    extents: tuple[Extent, ...]
    sha256: bytes | None = None


@dataclass(frozen=True, slots=True)
class Info:
    """Size in bytes and raw SHA-256 of an image."""

    size: int | None
    sha256: bytes | None


@dataclass(frozen=True, slots=True)
class Procedure:
    """Operations on something other than the partition: 0 a kernel, 1 a PCR policy."""

    type: int | None
    operations: tuple[Operation, ...]
    new: Info | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadManifest:
    """A DeltaArchiveManifest."""

    operations: tuple[Operation, ...]
    noops: tuple[Operation, ...] = ()
    block_size: int | None = BLOCK
    signatures_offset: int | None = None
    signatures_size: int | None = None
    old: Info | None = None
    new: Info | None = None
    procedures: tuple[Procedure, ...] = ()


@dataclass(frozen=True, slots=True)
class Signature:
    """One RSA signature, and the number by which a client picks it."""

    version: int | None
    data: bytes


def encode_manifest(manifest: PayloadManifest) -> bytes:
    """Return the bytes of the manifest of a full update (no ``old``, no procedures)."""
    parts = [_message(1, _operation(item)) for item in manifest.operations]
    parts += [_message(2, _operation(item)) for item in manifest.noops]
    parts += [
        _number(3, manifest.block_size),
        _number(4, manifest.signatures_offset),
        _number(5, manifest.signatures_size),
    ]
    if manifest.new is not None:
        size, digest = manifest.new.size, manifest.new.sha256
        parts.append(_message(9, _number(1, size) + _message(2, digest)))
    return b"".join(parts)


def encode_signatures(signatures: tuple[Signature, ...]) -> bytes:
    """Return the bytes of the Signatures message."""
    return b"".join(
        _message(1, _number(1, item.version) + _message(2, item.data)) for item in signatures
    )


def decode_manifest(data: bytes) -> PayloadManifest:
    """Read a manifest; unknown fields are skipped, as every protobuf reader does.

    :raises FormatError: broken, or more items than any payload has.
    """
    message = _Message(data)
    return PayloadManifest(
        operations=tuple(map(_read_operation, message.many(1, MAX_OPERATIONS))),
        noops=tuple(map(_read_operation, message.many(2, MAX_OPERATIONS))),
        block_size=message.number(3, bits=32),
        signatures_offset=message.number(4),
        signatures_size=message.number(5),
        old=_read_info(message.one(8)),
        new=_read_info(message.one(9)),
        procedures=tuple(map(_read_procedure, message.many(10, MAX_ITEMS))),
    )


def decode_signatures(data: bytes) -> tuple[Signature, ...]:
    """Read a Signatures message.

    :raises FormatError: broken.
    """
    found = []
    for item in _Message(data).many(1, MAX_ITEMS):
        message = _Message(item)
        found.append(Signature(message.number(1, bits=32), message.one(2) or b""))
    return tuple(found)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _number(field: int, value: int | None) -> bytes:
    return b"" if value is None else _varint(field << 3 | _VARINT) + _varint(value)


def _message(field: int, value: bytes | None) -> bytes:
    return b"" if value is None else _varint(field << 3 | _BYTES) + _varint(len(value)) + value


def _operation(item: Operation) -> bytes:
    parts = [_number(1, item.type), _number(2, item.offset), _number(3, item.length)]
    parts += [
        _message(6, _number(1, extent.start) + _number(2, extent.blocks)) for extent in item.extents
    ]
    return b"".join([*parts, _message(8, item.sha256)])


class _Message:
    """The fields of one message, of each number the values in order."""

    __slots__ = ("_fields",)

    def __init__(self, data: bytes) -> None:
        self._fields: dict[int, list[int | bytes]] = {}
        for field, value in _scan(data):
            values = self._fields.setdefault(field, [])
            if len(values) >= MAX_OPERATIONS:
                raise FormatError(f"more than {MAX_OPERATIONS} values of field {field}")
            values.append(value)

    def number(self, field: int, *, bits: int = 64) -> int | None:
        """Return a number, of several the last, as protobuf has it."""
        values = self._fields.get(field)
        if not values:
            return None
        value = values[-1]
        if not isinstance(value, int):
            raise FormatError(f"field {field} is no number")
        if value >> bits:
            raise FormatError(f"field {field} does not fit into {bits} bits: {value}")
        return value

    def many(self, field: int, limit: int) -> list[bytes]:
        """Return all values of a repeated message."""
        values = self._fields.get(field, [])
        if len(values) > limit:
            raise FormatError(f"{len(values)} values of field {field}, more than {limit}")
        return [self._bytes(field, value) for value in values]

    def one(self, field: int) -> bytes | None:
        """Return a message or byte string that may occur once."""
        values = self._fields.get(field)
        if not values:
            return None
        if len(values) > 1:
            raise FormatError(f"field {field} occurs {len(values)} times")
        return self._bytes(field, values[0])

    @staticmethod
    def _bytes(field: int, value: int | bytes) -> bytes:
        if not isinstance(value, bytes):
            raise FormatError(f"field {field} is a number")
        return value


def _scan(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        field, wire = tag >> 3, tag & 7
        if not 0 < field < 1 << 29:
            raise FormatError(f"field number {field} at byte {at}")
        if wire == _VARINT:
            number, at = _read_varint(data, at)
            yield field, number
            continue
        if wire == _BYTES:
            length, at = _read_varint(data, at)
        elif wire in {_FIXED32, _FIXED64}:
            length = 4 if wire == _FIXED32 else 8
        else:
            raise FormatError(f"wire type {wire} at byte {at}")
        if length > len(data) - at:
            raise FormatError(f"field {field} at byte {at} is cut short")
        yield field, data[at : at + length]
        at += length


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    number = 0
    for count in range(10):
        if at + count >= len(data):
            raise FormatError(f"a number at byte {at} is cut short")
        byte = data[at + count]
        number |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            if number >> 64:
                break
            return number, at + count + 1
    raise FormatError(f"a number at byte {at} is longer than 64 bits")


def _read_operation(data: bytes) -> Operation:
    message = _Message(data)
    kind = message.number(1)
    if kind is None:
        raise FormatError("an operation without a type")
    return Operation(
        type=kind,
        offset=message.number(2, bits=32),
        length=message.number(3, bits=32),
        extents=tuple(map(_read_extent, message.many(6, MAX_ITEMS))),
        sha256=message.one(8),
    )


def _read_extent(data: bytes) -> Extent:
    message = _Message(data)
    return Extent(message.number(1), message.number(2))


def _read_info(data: bytes | None) -> Info | None:
    if data is None:
        return None
    message = _Message(data)
    return Info(message.number(1), message.one(2))


def _read_procedure(data: bytes) -> Procedure:
    message = _Message(data)
    operations = tuple(map(_read_operation, message.many(2, MAX_OPERATIONS)))
    return Procedure(message.number(1), operations, _read_info(message.one(4)))
