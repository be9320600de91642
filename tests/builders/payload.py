"""Images, keys and payloads from formulas: the same bytes at every call, on every machine."""

from __future__ import annotations

import functools
import hashlib
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from sysextlib.payload.format import (
    HEADER,
    MAGIC,
    VERSION,
    PayloadManifest,
    Signature,
    encode_manifest,
    encode_signatures,
)
from sysextlib.payload.keys import PayloadKey, load_payload_key
from sysextlib.payload.writer import PayloadFacts, write_payload
from sysextlib.progress import Silent

if TYPE_CHECKING:
    from pathlib import Path


def noise(size: int, seed: str = "noise") -> bytes:
    """Return bytes that no compressor makes smaller."""
    return hashlib.shake_256(seed.encode()).digest(size)


def prose(size: int) -> bytes:
    """Return bytes that compress well, and no two blocks of them are equal."""
    lines = b"".join(
        b"line %08d of a text that repeats itself\n" % n for n in range(size // 44 + 1)
    )
    return lines[:size]


@functools.cache
def key_pem(name: str = "one", bits: int = 2048) -> bytes:
    """Return an RSA key in PEM that depends on the name alone. Never a key for real use."""
    p, q = _prime(f"{name} p", bits // 2), _prime(f"{name} q", bits // 2)
    d = pow(65537, -1, (p - 1) * (q - 1))
    numbers = rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=d,
        dmp1=rsa.rsa_crt_dmp1(d, p),
        dmq1=rsa.rsa_crt_dmq1(d, q),
        iqmp=rsa.rsa_crt_iqmp(p, q),
        public_numbers=rsa.RSAPublicNumbers(65537, p * q),
    )
    return numbers.private_key().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def public_pem(key: PayloadKey) -> bytes:
    """Return the public half as machines hold it."""
    return key.public.key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def payload_key(folder: Path, name: str = "one") -> PayloadKey:
    """Return the key of that name, by way of a file in ``folder``."""
    path = folder / f"key-{name}.pem"
    path.write_bytes(key_pem(name))
    return load_payload_key(path)


def payload_of(folder: Path, image: bytes, *names: str, jobs: int = 2) -> PayloadFacts:
    """Write the payload of an image with these keys ("one" when none is named)."""
    source = folder / "image.raw"
    source.write_bytes(image)
    keys = [payload_key(folder, name) for name in names or ("one",)]
    return write_payload(source, folder / "payload.gz", keys, jobs=jobs, progress=Silent())


def assemble(
    manifest: PayloadManifest,
    blobs: bytes,
    signatures: tuple[Signature, ...] = (),
    version: int = VERSION,
) -> bytes:
    """Return a payload file that says what it is told, true or not."""
    encoded = encode_manifest(manifest)
    head = HEADER.pack(MAGIC, version, len(encoded)) + encoded
    return head + blobs + encode_signatures(signatures)


def _prime(seed: str, bits: int) -> int:
    """Return the first number at or after a hash that passes Fermat's test to two bases."""
    start = int.from_bytes(hashlib.shake_256(seed.encode()).digest(bits // 8), "big")
    number = start | 3 << (bits - 2) | 1  # the product of two such has twice the bits
    while (
        any(number % small == 0 for small in (3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37))
        or number % 65537 == 1
        or pow(2, number - 1, number) != 1
        or pow(3, number - 1, number) != 1
    ):
        number += 2
    return number
