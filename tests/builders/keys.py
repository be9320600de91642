"""Signing keys for tests."""

from __future__ import annotations

import datetime
import functools
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from sysextlib.image.keys import SigningKey, fingerprint_of

if TYPE_CHECKING:
    from pathlib import Path

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
START = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


def private_key(kind: str = "rsa", number: int = 0) -> PrivateKey:
    """Return a key of "rsa", a curve like "p256", or "ed25519"; another ``number``, another key."""
    return _private_key(kind, number)


@functools.cache
def _private_key(kind: str, number: int) -> PrivateKey:
    del number
    curves = {"p256": ec.SECP256R1(), "p384": ec.SECP384R1(), "p521": ec.SECP521R1()}
    if kind in curves:
        return ec.generate_private_key(curves[kind])
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate(key: PrivateKey, *, days: int = 36000, name: str = "test key") -> x509.Certificate:
    """Return a self-signed certificate that is valid for ``days`` from 2020 on."""
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return (
        x509.CertificateBuilder(subject, subject, key.public_key(), 4711)
        .not_valid_before(START)
        .not_valid_after(START + datetime.timedelta(days=days))
        .sign(key, algorithm)
    )


@functools.cache
def signing_key(kind: str = "rsa", number: int = 0) -> SigningKey:
    """Return a key with its certificate, without a file."""
    key = private_key(kind, number)
    assert not isinstance(key, ed25519.Ed25519PrivateKey)
    made = certificate(key)
    return SigningKey(key, made, fingerprint_of(made))


def write_pair(
    folder: Path, key: PrivateKey, made: x509.Certificate, *, password: bytes = b""
) -> Path:
    """Write sysexts.key and sysexts.crt, and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    secret = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret)
    (folder / "sysexts.key").write_bytes(pem)
    (folder / "sysexts.key").chmod(0o600)
    (folder / "sysexts.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return folder
