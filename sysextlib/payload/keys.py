"""The keys that sign update payloads: RSA-2048, as PEM.

The image's verity signature has a key of its own; see image/keys.py.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256

from sysextlib.errors import SigningKeyError

BITS = 2048  # update_engine's signatures are 256 bytes, and no other size
MAX_PEM = 64 << 10  # bytes; a larger file is no key
PRIVATE_NAME = "update-payload-key.key.pem"  # as the Flatcar SDK calls the pair
PUBLIC_NAME = "update-payload-key.pub.pem"


@dataclass(frozen=True, slots=True)
class PayloadPublicKey:
    """What a machine holds to accept payloads.

    :param fingerprint: SHA-256 of the SubjectPublicKeyInfo in DER, in hex.
    """

    key: rsa.RSAPublicKey = field(repr=False, compare=False)
    fingerprint: str

    def accepts(self, signature: bytes, digest: bytes) -> bool:
        """Tell whether ``signature`` is RSASSA-PKCS1-v1_5 of this SHA-256 digest by this key."""
        try:
            self.key.verify(signature, digest, padding.PKCS1v15(), Prehashed(SHA256()))
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class PayloadKey:
    """A key pair that signs payloads."""

    key: rsa.RSAPrivateKey = field(repr=False, compare=False)
    public: PayloadPublicKey

    def sign(self, digest: bytes) -> bytes:
        """Return the 256 bytes of RSASSA-PKCS1-v1_5 over a SHA-256 digest; no randomness in it."""
        return self.key.sign(digest, padding.PKCS1v15(), Prehashed(SHA256()))


def load_payload_key(path: Path) -> PayloadKey:
    """Read a private key from an unencrypted PEM file (PKCS#8 or PKCS#1).

    :raises SigningKeyError: unreadable, not a private key, not RSA, or not of 2048 bits.
    """
    pem = _read(path)
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except TypeError as error:
        raise SigningKeyError(
            f"payload key {path} is encrypted",
            hint="give an unencrypted one: openssl pkey -in KEY -out PLAIN",
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SigningKeyError(
            f"payload key {path} is no private key in PEM",
            {"starts with": _start(pem)},
            hint="make one with: openssl genrsa -out KEY 2048",
        ) from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise _wrong_kind(path, type(key).__name__)
    _check_size(path, key.key_size)
    return PayloadKey(key, _public(key.public_key()))


def load_payload_public_key(path: Path) -> PayloadPublicKey:
    """Read a public key from a PEM file (SubjectPublicKeyInfo), or that of a private key.

    :raises SigningKeyError: see ``load_payload_key``.
    """
    pem = _read(path)
    if b"PRIVATE KEY" in pem:
        return load_payload_key(path).public
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SigningKeyError(
            f"payload key {path} is no public key in PEM",
            {"starts with": _start(pem)},
            hint="get it from the private key: openssl pkey -in KEY -pubout",
        ) from error
    if not isinstance(key, rsa.RSAPublicKey):
        raise _wrong_kind(path, type(key).__name__)
    _check_size(path, key.key_size)
    return _public(key)


def load_or_make_payload_key(folder: Path) -> tuple[PayloadKey, bool]:
    """Return the key pair of ``folder`` and whether it had to be made just now.

    Of builds that make one at the same time the first wins, and all use its key.

    :raises SigningKeyError: the key that is there is unusable, or the folder is not writable.
    """
    path = folder / PRIVATE_NAME
    made = False
    if not path.exists():
        pem = rsa.generate_private_key(65537, BITS).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        made = _put(path, pem)
    key = load_payload_key(path)
    public = folder / PUBLIC_NAME
    if made or not public.exists():
        _put(public, _spki(key.public.key, serialization.Encoding.PEM), replace=True)
    return key, made


def _put(path: Path, data: bytes, *, replace: bool = False) -> bool:
    """Write a file whole, mode 0600; without ``replace``, tell False when it was there before."""
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".payload-key-", dir=path.parent)
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        if replace:
            Path(temporary).replace(path)
            return True
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError as error:
        raise SigningKeyError(
            f"payload key {path} cannot be written", {"reason": error.strerror}
        ) from error
    finally:
        if temporary:
            with contextlib.suppress(FileNotFoundError):
                Path(temporary).unlink()
    return True


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            pem = stream.read(MAX_PEM + 1)
    except OSError as error:
        raise SigningKeyError(
            f"payload key {path} cannot be read", {"reason": error.strerror}
        ) from error
    if len(pem) > MAX_PEM:
        raise SigningKeyError(f"payload key {path} is larger than {MAX_PEM} bytes")
    return pem


def _start(pem: bytes) -> str:
    """Return the first words of a file for an error, but nothing that could be a secret."""
    if not pem:
        return "(empty)"
    return repr(pem.splitlines()[0][:40]) if pem.startswith(b"-----BEGIN ") else "no -----BEGIN"


def _wrong_kind(path: Path, kind: str) -> SigningKeyError:
    return SigningKeyError(
        f"payload key {path} is not RSA",
        {"kind": kind.strip("_")},
        hint="clients verify RSA-2048 only: openssl genrsa -out KEY 2048",
    )


def _check_size(path: Path, bits: int) -> None:
    if bits != BITS:
        raise SigningKeyError(
            f"payload key {path} has {bits} bits, not {BITS}",
            hint="clients verify RSA-2048 only: openssl genrsa -out KEY 2048",
        )


def _public(key: rsa.RSAPublicKey) -> PayloadPublicKey:
    der = _spki(key, serialization.Encoding.DER)
    return PayloadPublicKey(key, hashlib.sha256(der).hexdigest())


def _spki(key: rsa.RSAPublicKey, encoding: serialization.Encoding) -> bytes:
    return key.public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
