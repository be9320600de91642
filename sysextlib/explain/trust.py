"""Whether a signed image is what its signer made, and whether the system trusts that signer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sysextlib.errors import VerifyError
from sysextlib.image.keys import fingerprint_of, parse_certificate
from sysextlib.image.signature import read_partition, read_signed_data, verify_detached
from sysextlib.image.verity import BLOCK, check_tree, level_blocks, read_superblock

if TYPE_CHECKING:
    from sysextlib.explain.host import HostFacts
    from sysextlib.explain.look import Part

KEYRING = "the kernel's keyring, which cannot be seen from here, may hold one"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What came of it.

    :param fault: why the image cannot be used; "" when it can.
    :param damage: why reading it will fail though it is merged.
    :param certificate: path of the certificate that its signature fits.
    """

    fault: str = ""
    damage: str = ""
    certificate: str = ""


def trust(data: Part, hashes: Part, signature: Part, host: HostFacts) -> Trust:
    """Check a signature against the system's certificates, and the bytes against what is signed.

    systemd takes the root hash from the signature partition; what the partitions' UUIDs say and
    which certificate lies within the signature has no say.
    """
    try:
        signed = read_partition(bytes(signature.data[: 1 << 20]))
        root_hash = bytes.fromhex(signed.root_hash)
    except (VerifyError, ValueError):
        return Trust(fault="its signature partition cannot be read")
    content = signed.root_hash.encode()
    wrong = ""
    for one in host.certificates:
        try:
            verify_detached(signed.pkcs7, content, one.certificate)
        except VerifyError as error:
            if "another key" not in error.brief:
                wrong = f"{error.brief} ({one.path})"
            continue
        found = _intact(data, hashes, root_hash)
        return Trust(fault=found.fault, damage=found.damage, certificate=one.path)
    if wrong:
        return Trust(fault=wrong)
    held = ", ".join(one.path for one in host.certificates)
    has = f"{host.name} has {held}" if held else f"{host.name} has none in verity.d"
    return Trust(fault=f"no certificate fits its signature by {_signer(signed.pkcs7)}: {has}")


def _signer(pkcs7: bytes) -> str:
    try:
        (der,) = read_signed_data(pkcs7).certificates
        certificate = parse_certificate(der)
        return f"{certificate.subject.rfc4514_string()} {fingerprint_of(certificate)[:16]}"
    except (VerifyError, ValueError):
        return "someone"


def _intact(data: Part, hashes: Part, root_hash: bytes) -> Trust:
    try:
        head = read_superblock(bytes(hashes.data[:BLOCK]))
        count = head.data_blocks
        size = sum(level_blocks(count)) * BLOCK if count <= len(data.data) // BLOCK else 0
        if not 1 <= count <= len(data.data) // BLOCK or size > len(hashes.data) - BLOCK:
            return Trust(fault="its verity superblock does not fit its partitions")
        stored = bytes(hashes.data[BLOCK : BLOCK + size])
        check_tree(data.data[: count * BLOCK], stored, head.salt, root_hash)
    except VerifyError as error:
        block = error.facts.get("block", "")
        if block and block != "0":
            return Trust(damage=f"block {block} of the file system does not match its hash")
        if block:
            return Trust(fault="the first block of the file system does not match its hash")
        return Trust(fault=_tree_fault(error))
    return Trust()


def _tree_fault(error: VerifyError) -> str:
    if "root hash" in error.brief:
        return "its hash tree does not match the signed root hash"
    return error.brief
