"""The little of ASN.1's DER that a detached PKCS#7 signature takes (ITU-T X.690)."""

from __future__ import annotations

INTEGER, OCTETS, NULL, OID = 0x02, 0x04, 0x05, 0x06
SEQUENCE, SET, CONTEXT_0 = 0x30, 0x31, 0xA0


class DerError(ValueError):
    """Bytes that are no DER, or not of the expected type."""


def encode(tag: int, *parts: bytes) -> bytes:
    """Return one element."""
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def encode_oid(dotted: str) -> bytes:
    """Return an object identifier."""
    first, second, *rest = map(int, dotted.split("."))
    out = bytearray((first * 40 + second,))
    for number in rest:
        septets = [number & 0x7F]
        while number := number >> 7:
            septets.append(0x80 | number & 0x7F)
        out += bytes(reversed(septets))
    return encode(OID, bytes(out))


def encode_integer(number: int) -> bytes:
    """Return an INTEGER that is not negative."""
    return encode(INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big"))


class Reader:
    """Takes elements one after the other from the content of another."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def at_end(self) -> bool:
        """Whether every element was taken."""
        return self._at == len(self._data)

    def next_tag(self) -> int | None:
        """Return the tag of the next element, or None at the end."""
        return None if self.at_end else self._data[self._at]

    def take(self, tag: int) -> bytes:
        """Return the content of the next element.

        :raises DerError: it is of another type, cut short or not DER.
        """
        return self._next(tag)[1]

    def take_whole(self, tag: int) -> bytes:
        """Return the next element with its tag and length."""
        return self._next(tag)[0]

    def enter(self, tag: int) -> Reader:
        """Return a reader of the next element's content."""
        return Reader(self.take(tag))

    def close(self) -> None:
        """Refuse elements that nobody asked for."""
        if not self.at_end:
            raise DerError("more elements than expected")

    def _next(self, tag: int) -> tuple[bytes, bytes]:
        data, start = self._data, self._at
        if len(data) - start < 2 or data[start] != tag:
            raise DerError(f"no element of type {tag:#04x}")
        size, at = data[start + 1], start + 2
        if size >= 0x80:
            count = size & 0x7F
            size = int.from_bytes(data[at : at + count], "big")
            at += count
            if not 1 <= count <= 4 or size < 0x80 or size.bit_length() <= 8 * (count - 1):
                raise DerError("a length that is not in its shortest form")
        if size > len(data) - at:
            raise DerError("an element that is cut short")
        self._at = at + size
        return data[start : self._at], data[at : self._at]
