"""Detached OpenPGP signatures, checked by gpgv(1) against one key file and nothing else."""

from __future__ import annotations

import base64
import binascii
import re
import tempfile
from pathlib import Path

from sysextlib.errors import BoardError, VerifyError
from sysextlib.system.run import run

LARGEST_KEY = 1 << 20  # bytes; Flatcar's has twenty thousand
_ARMOR = re.compile(
    rb"-----BEGIN PGP PUBLIC KEY BLOCK-----\s*?\n(?:[A-Za-z]+: [^\n]*\n)*\s*\n"
    rb"([A-Za-z0-9+/=\s]+?)\n=[A-Za-z0-9+/]{4}\s*\n-----END PGP PUBLIC KEY BLOCK-----"
)


def require_signature(file: Path, signature: Path, key: Path) -> str:
    """Check that a key of the file ``key`` made ``signature`` over ``file``; return who.

    A key that expired since it signed still counts, because releases outlive their yearly
    subkeys. gpgv does not look at revocations: a revoked subkey has to leave the key file.

    :param key: OpenPGP public keys, binary or armored, armored ones after any text.
    :returns: the fingerprint of the key or subkey that signed.
    :raises VerifyError: no good signature; nothing about the file can be trusted.
    :raises BoardError: the key file is none.
    :raises MissingToolError: gpgv is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="gpgv-") as scratch:
        ring = Path(scratch) / "keys.gpg"
        ring.write_bytes(_binary_keys(key))
        argv = ["gpgv", "--homedir", scratch, "--status-fd", "1", "--keyring", str(ring)]
        done = run([*argv, signature, file], codes=range(256))
    told = [line.split() for line in done.stdout.decode(errors="replace").splitlines()]
    words = {line[1]: line[2:] for line in told if len(line) > 1 and line[0] == "[GNUPG:]"}
    good = "GOODSIG" in words or "EXPKEYSIG" in words
    if done.code == 0 and good and words.get("VALIDSIG"):
        return words["VALIDSIG"][0]
    raise VerifyError(
        f"{file.name} is not signed by the board's key",
        {"signature": signature.name, "key": key, "gpgv says": _reason(words, done.stderr)},
        hint="someone changed the file on its way, or the board's key file is too old",
    )


def _reason(words: dict[str, list[str]], stderr: bytes) -> str:
    if "BADSIG" in words:
        return "the file is another than the one that was signed"
    if "NO_PUBKEY" in words:
        return f"signed by {words['NO_PUBKEY'][0]}, which is not among the keys"
    if "EXPSIG" in words:
        return "the signature itself has expired"
    lines = stderr.decode(errors="replace").strip().splitlines()
    return lines[-1].removeprefix("gpgv: ") if lines else "nothing"


def _binary_keys(key: Path) -> bytes:
    """Return the keys as gpgv reads them: it takes no armor."""
    try:
        with key.open("rb") as stream:
            data = stream.read(LARGEST_KEY + 1)
    except OSError as error:
        raise BoardError(
            f"the key file {key} cannot be read",
            {"reason": error.strerror},
            hint="put the public key that signs the board's releases there",
        ) from error
    if len(data) <= LARGEST_KEY and data[:1] and data[0] & 0x80:  # RFC 4880, 4.2: a packet tag
        return data
    blocks = _ARMOR.findall(data.replace(b"\r\n", b"\n")) if len(data) <= LARGEST_KEY else []
    try:
        keys = b"".join(
            base64.b64decode(b"".join(block.split()), validate=True) for block in blocks
        )
    except binascii.Error:
        keys = b""
    if not keys:
        raise BoardError(
            f"{key} holds no OpenPGP public key",
            hint="gpg --armor --export KEY writes such a file",
        )
    return keys
