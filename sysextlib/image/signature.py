"""The signature of a root hash, as systemd's verity signature partition holds it.

The partition is JSON, padded with NUL bytes (Discoverable Partitions Specification); in it a
PKCS#7 signature (RFC 2315): detached, without signed attributes, SHA-256, the signer's certificate
embedded, over the root hash's 64 lower-case hex digits.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sysextlib.errors import VerifyError
from sysextlib.image.der import (
    CONTEXT_0,
    INTEGER,
    NULL,
    OCTETS,
    OID,
    SEQUENCE,
    SET,
    DerError,
    Reader,
    encode,
    encode_integer,
    encode_oid,
)

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from sysextlib.image.keys import SigningKey

KEYS = {"rootHash", "certificateFingerprint", "signature"}
PARTITION = 16384  # bytes, as systemd-repart makes it
SIGNED_DATA = encode_oid("1.2.840.113549.1.7.2")
DATA = encode_oid("1.2.840.113549.1.7.1")
# openssl names no hash with RSA and both algorithms with ECDSA
SHA256 = encode(SEQUENCE, encode_oid("2.16.840.1.101.3.4.2.1"), encode(NULL))
RSA = encode(SEQUENCE, encode_oid("1.2.840.113549.1.1.1"), encode(NULL))
ECDSA = encode(SEQUENCE, encode_oid("1.2.840.10045.4.3.2"))


@dataclass(frozen=True, slots=True)
class RootHashSignature:
    """What a signature partition holds.

    :param root_hash: in lower-case hex.
    :param fingerprint: SHA-256 of the signer's certificate, in hex; "" when not stated.
    :param pkcs7: the signature in DER.
    """

    root_hash: str
    fingerprint: str
    pkcs7: bytes


@dataclass(frozen=True, slots=True)
class SignedData:
    """A PKCS#7 signature taken apart; every field but ``value`` is whole elements of DER.

    :param identity: whose key made it: the issuer and serial number of a certificate.
    """

    certificates: tuple[bytes, ...]
    identity: bytes
    algorithm: bytes
    value: bytes


def signature_partition(root_hash: bytes, key: SigningKey) -> bytes:
    """Return the content of the signature partition, its padding included."""
    digits = root_hash.hex()
    text = json.dumps(
        {
            "rootHash": digits,
            "certificateFingerprint": key.fingerprint,
            "signature": base64.b64encode(sign_detached(digits.encode(), key)).decode(),
        },
        separators=(",", ":"),
    ).encode()
    size = max(PARTITION, len(text) + -len(text) % 4096)
    return text.ljust(size, b"\0")


def sign_detached(content: bytes, key: SigningKey) -> bytes:
    """Return the bytes that ``openssl smime -sign -binary -noattr -md sha256`` writes.

    An ECDSA signature is made deterministic (RFC 6979), so that equal inputs give equal images.
    """
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
    from cryptography.hazmat.primitives.serialization import Encoding

    if isinstance(key.key, rsa.RSAPrivateKey):
        algorithm, value = RSA, key.key.sign(content, padding.PKCS1v15(), hashes.SHA256())
    else:
        scheme = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
        algorithm, value = ECDSA, key.key.sign(content, scheme)
    certificate = key.certificate.public_bytes(Encoding.DER)
    fields = (_identity(certificate), SHA256, algorithm, encode(OCTETS, value))
    signer = encode(SEQUENCE, encode_integer(1), *fields)
    signed = encode(
        SEQUENCE,
        encode_integer(1),
        encode(SET, SHA256),
        encode(SEQUENCE, DATA),
        encode(CONTEXT_0, certificate),
        encode(SET, signer),
    )
    return encode(SEQUENCE, SIGNED_DATA, encode(CONTEXT_0, signed))


def read_partition(data: bytes) -> RootHashSignature:
    """Read the content of a signature partition.

    :raises VerifyError: it is not the JSON that it must be.
    """
    text, _, padding = data.partition(b"\0")
    try:
        if padding.strip(b"\0"):
            raise ValueError("bytes after the end")
        found = json.loads(text)
        if not isinstance(found, dict) or not found.keys() <= KEYS:
            raise TypeError(f"not an object of {', '.join(sorted(KEYS))}")
        pkcs7 = base64.b64decode(found["signature"], validate=True)
        if base64.b64encode(pkcs7).decode() != found["signature"]:
            raise ValueError("a signature that is not base64 as it is written")
        root_hash, fingerprint = found["rootHash"], found.get("certificateFingerprint", "")
        if not isinstance(root_hash, str) or not isinstance(fingerprint, str):
            raise TypeError("a value that is no text")
    except (ValueError, TypeError, KeyError, RecursionError, binascii.Error) as error:
        facts = {"fault": repr(error), "begins with": repr(bytes(text[:40]))}
        raise VerifyError("the signature partition cannot be read", facts) from None
    return RootHashSignature(root_hash, fingerprint, pkcs7)


def read_signed_data(pkcs7: bytes) -> SignedData:
    """Take a detached signature apart.

    :raises VerifyError: it is none, or of a form that the kernel and systemd do not take.
    """
    try:
        outer = Reader(pkcs7)
        info = outer.enter(SEQUENCE)
        outer.close()
        if info.take_whole(OID) != SIGNED_DATA:
            raise DerError("not signed data")
        signed = info.enter(CONTEXT_0).enter(SEQUENCE)
        if signed.take(INTEGER) != b"\1" or signed.take(SET) != SHA256:
            raise DerError("the version is not 1, or the digest not SHA-256")
        content = signed.enter(SEQUENCE)
        if content.take_whole(OID) != DATA or not content.at_end:
            raise DerError("the content is not detached data")
        certificates = []
        if signed.next_tag() == CONTEXT_0:
            held = signed.enter(CONTEXT_0)
            while not held.at_end:
                certificates.append(held.take_whole(SEQUENCE))
        signers = signed.enter(SET)
        signed.close()
        signer = signers.enter(SEQUENCE)
        signers.close()
        return _read_signer(signer, tuple(certificates))
    except DerError as error:
        raise VerifyError("the PKCS#7 signature cannot be read", {"fault": str(error)}) from None


def verify_detached(pkcs7: bytes, content: bytes, certificate: Certificate) -> None:
    """Check a signature over ``content`` against a certificate that the caller trusts.

    :raises VerifyError: it is another's, or does not fit the content.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
    from cryptography.hazmat.primitives.serialization import Encoding

    signed = read_signed_data(pkcs7)
    der = certificate.public_bytes(Encoding.DER)
    if signed.identity != _identity(der):
        facts = {"certificate": f"{certificate.subject.rfc4514_string()}, {_sha256(der)}"}
        raise VerifyError("the root hash is signed by another key than the certificate's", facts)
    public = certificate.public_key()
    try:
        if isinstance(public, rsa.RSAPublicKey) and signed.algorithm == RSA:
            public.verify(signed.value, content, padding.PKCS1v15(), hashes.SHA256())
        elif isinstance(public, ec.EllipticCurvePublicKey) and signed.algorithm == ECDSA:
            public.verify(signed.value, content, ec.ECDSA(hashes.SHA256()))
        else:
            facts = {"algorithm": signed.algorithm.hex()}
            raise VerifyError("the signature's algorithm is not the certificate's", facts)
    except InvalidSignature:
        facts = {"certificate": _sha256(der)}
        raise VerifyError("the signature does not fit the root hash", facts) from None


def _read_signer(signer: Reader, certificates: tuple[bytes, ...]) -> SignedData:
    if signer.take(INTEGER) != b"\1":
        raise DerError("the signer's version is not 1")
    identity = signer.take_whole(SEQUENCE)
    if signer.take_whole(SEQUENCE) != SHA256:
        raise DerError("the digest is not SHA-256")
    if signer.next_tag() == CONTEXT_0:
        raise DerError("there are signed attributes")
    algorithm, value = signer.take_whole(SEQUENCE), signer.take(OCTETS)
    signer.close()
    return SignedData(certificates, identity, algorithm, value)


def _identity(certificate: bytes) -> bytes:
    """Return issuer and serial number as the certificate spells them (RFC 5280, section 4.1)."""
    body = Reader(certificate).enter(SEQUENCE).enter(SEQUENCE)
    if body.next_tag() == CONTEXT_0:
        body.take(CONTEXT_0)  # version
    serial = body.take_whole(INTEGER)
    body.take(SEQUENCE)  # algorithm
    return encode(SEQUENCE, body.take_whole(SEQUENCE), serial)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
