"""The key that signs root hashes, and its certificate: a folder with sysexts.key and sysexts.crt.

The names and the certificate's shape are those of Flatcar's SDK (sdk_entry.sh), so that its key
folders work here and ours there.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sysextlib.errors import SigningKeyError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.x509 import Certificate

KEY_NAME, CERTIFICATE_NAME = "sysexts.key", "sysexts.crt"
BITS = 4096
DAYS = 36000
LARGEST = 1 << 20  # bytes read of a PEM file
CURVES = ("secp256r1", "secp384r1")  # what the kernel's own check of a root hash knows


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and the certificate that belongs to it.

    :param fingerprint: SHA-256 of the certificate's DER, in lower-case hex.
    """

    key: RSAPrivateKey | EllipticCurvePrivateKey = field(repr=False)
    certificate: Certificate
    fingerprint: str


def load_signing_key(folder: Path, *, now: datetime.datetime | None = None) -> SigningKey:
    """Read the pair of a folder and check that it can sign what systemd accepts.

    :param now: for the certificate's validity; the clock's time unless given.
    :raises SigningKeyError: a file is missing or unreadable, or the pair does not fit or serve.
    """
    return load_pair(folder / KEY_NAME, folder / CERTIFICATE_NAME, now=now)


def load_pair(
    key_path: Path, certificate_path: Path, *, now: datetime.datetime | None = None
) -> SigningKey:
    """Read a key and its certificate as ``load_signing_key`` does."""
    key = _parse_key(_read(key_path), key_path)
    certificate = load_certificate(certificate_path)
    if certificate.public_key() != key.public_key():
        facts: dict[str, object] = {"key": key_path, "certificate": certificate_path}
        hint = "put the certificate that was made from this key there"
        raise SigningKeyError(
            "the signing key and its certificate do not belong together", facts, hint
        )
    now = now or datetime.datetime.now(datetime.UTC)
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        span = f"{certificate.not_valid_before_utc} to {certificate.not_valid_after_utc}"
        facts = {"certificate": certificate_path, "valid": span}
        raise SigningKeyError("the signing certificate is not valid today", facts, "renew it")
    return SigningKey(key, certificate, fingerprint_of(certificate))


def load_certificate(path: Path) -> Certificate:
    """Read a certificate in PEM.

    :raises SigningKeyError: the file is missing, unreadable or no certificate.
    """
    data = _read(path)
    try:
        return parse_certificate(data, pem=True)
    except ValueError:
        facts = {"file": path, "begins with": repr(data[:40])}
        hint = "it must be a certificate in PEM, -----BEGIN CERTIFICATE-----"
        raise SigningKeyError("the signing certificate cannot be read", facts, hint) from None


def parse_certificate(data: bytes, *, pem: bool = False) -> Certificate:
    """Read a certificate of PEM or else DER, of a version and key that signatures here can have.

    :raises ValueError: it is none.
    """
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        read = x509.load_pem_x509_certificate if pem else x509.load_der_x509_certificate
        certificate = read(data)
        # these are read when they are asked for
        certificate.subject.rfc4514_string()
        certificate.public_key()
    except (x509.InvalidVersion, UnsupportedAlgorithm) as error:
        raise ValueError(str(error)) from error
    return certificate


def fingerprint_of(certificate: Certificate) -> str:
    """Return the SHA-256 of the certificate's DER, in lower-case hex."""
    from cryptography.hazmat.primitives.hashes import SHA256

    return certificate.fingerprint(SHA256()).hex()


def make_signing_key(folder: Path, common_name: str, *, bits: int = BITS) -> SigningKey:
    """Make a self-signed RSA pair and put it into a folder, both files or none.

    When the folder holds a pair already, say of another build that was faster, that one is read.

    :param folder: absent, or empty; the private key is readable by its owner only.
    :raises SigningKeyError: the folder holds half a pair, or cannot be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked(folder.parent):
            if not any((folder / name).exists() for name in (KEY_NAME, CERTIFICATE_NAME)):
                for left in folder.parent.glob(f".{folder.name}.new-*"):
                    shutil.rmtree(left, ignore_errors=True)  # of a run that was killed
                _write_pair(folder, *_new_pair(common_name, bits))
    except OSError as error:
        facts = {"folder": folder, "fault": error.strerror}
        hint = "choose another folder with SYSEXT_SIGNING_KEY_DIR"
        raise SigningKeyError("no signing key can be made", facts, hint) from error
    return load_signing_key(folder)


def _new_pair(common_name: str, bits: int) -> tuple[bytes, bytes]:
    """Return key and certificate in PEM, as ``openssl req -x509 -sha256`` makes them."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    public = key.public_key()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
    # a day's leeway, for machines whose clock is late
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    identifier = x509.SubjectKeyIdentifier.from_public_key(public)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    certificate = (
        x509.CertificateBuilder(name, name, public, x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=DAYS))
        .add_extension(identifier, critical=False)
        .add_extension(issuer, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem, certificate.public_bytes(serialization.Encoding.PEM)


def _write_pair(folder: Path, key: bytes, certificate: bytes) -> None:
    new = Path(tempfile.mkdtemp(prefix=f".{folder.name}.new-", dir=folder.parent))
    try:
        for name, mode, data in ((KEY_NAME, 0o600, key), (CERTIFICATE_NAME, 0o644, certificate)):
            descriptor = os.open(new / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(descriptor)
        new.rename(folder)  # also takes the place of an empty folder
    finally:
        shutil.rmtree(new, ignore_errors=True)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _parse_key(data: bytes, path: Path) -> RSAPrivateKey | EllipticCurvePrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    facts: dict[str, object] = {"file": path}
    try:
        # Whether the primes are prime takes a quarter of a second to know. That the key fits its
        # certificate is checked, and so is every signature that it makes.
        key = load_pem_private_key(data, password=None, unsafe_skip_rsa_key_validation=True)
    except TypeError:
        hint = "remove its password: openssl pkey -in KEY -out sysexts.key"
        raise SigningKeyError("the signing key is encrypted", facts, hint) from None
    except (ValueError, UnsupportedAlgorithm) as error:
        facts["fault"] = str(error).split(". ")[0]
        hint = "it must be a private key in PEM, -----BEGIN PRIVATE KEY-----"
        raise SigningKeyError("the signing key cannot be read", facts, hint) from None
    if isinstance(key, rsa.RSAPrivateKey):
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in CURVES:
        return key
    facts["type"] = getattr(getattr(key, "curve", None), "name", type(key).__name__)
    hint = f"use RSA, or ECDSA with {' or '.join(CURVES)}"
    raise SigningKeyError("systemd cannot use a signing key of this type", facts, hint)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(LARGEST + 1)
    except FileNotFoundError:
        hint = f"SYSEXT_SIGNING_KEY_DIR must name a folder with {KEY_NAME} and {CERTIFICATE_NAME}"
        raise SigningKeyError(f"there is no {path.name}", {"looked for": path}, hint) from None
    except OSError as error:
        facts = {"file": path, "fault": error.strerror}
        raise SigningKeyError(f"{path.name} cannot be read", facts) from None
    if len(data) > LARGEST:
        raise SigningKeyError(f"{path.name} is too large for a PEM file", {"file": path})
    return data
