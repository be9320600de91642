"""Reads an image back by other means than wrote it, and says the first thing that is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sysextlib.errors import VerifyError
from sysextlib.image.compare import compare_contents, compare_entries, decode
from sysextlib.image.ddi import Ddi, read_ddi
from sysextlib.image.gpt import BACKUP_SECTORS, FIRST_USABLE, SECTOR
from sysextlib.image.keys import fingerprint_of, parse_certificate
from sysextlib.image.signature import read_signed_data, verify_detached
from sysextlib.image.verity import BLOCK, check_tree, level_blocks

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.x509 import Certificate

    from sysextlib.image.erofs_reader import ImageEntry
    from sysextlib.system.tools import Tools
    from sysextlib.tree import Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What an intact image says.

    :param signer: subject of the certificate that the signature fits.
    :param trusted: whether that certificate was given by the caller; when not, the image's own
        was used, which shows that the image is whole, not who made it.
    """

    root_hash: str
    fingerprint: str
    signer: str
    trusted: bool
    entries: tuple[ImageEntry, ...]


def verify_ddi(
    path: Path,
    tools: Tools,
    *,
    certificate: Certificate | None = None,
    tree: Tree | None = None,
    jobs: int = 2,
    scratch: Path | None = None,
) -> Verified:
    """Check an image whole: table, hashes, signature, file system and, given one, the tree.

    :param certificate: whose key must have signed it; without one the embedded one is used.
    :param tree: what the image must hold, entry by entry.
    :param scratch: a folder as large as the tree's contents.
    :raises VerifyError: the image is damaged, or signed by another.
    :raises ImageError: it is whole, but does not hold the tree.
    """
    ddi = read_ddi(path)
    used = check_bytes(ddi, certificate)
    try:
        entries = ddi.erofs().entries()
    except VerifyError as error:
        raise VerifyError(error.brief, {"file": path, **error.facts}, error.hint) from None
    if tree is None:
        decode(ddi, tools)
    else:
        compare_entries(tree, entries)
        compare_contents(tree, entries, ddi, tools=tools, jobs=jobs, scratch=scratch)
    return Verified(
        root_hash=ddi.root_hash.hex(),
        fingerprint=fingerprint_of(used),
        signer=used.subject.rfc4514_string(),
        trusted=certificate is not None,
        entries=entries,
    )


def check_bytes(ddi: Ddi, certificate: Certificate | None = None) -> Certificate:
    """Check every byte by the hashes, and their root by its signature; return whose that is.

    :param certificate: whose key must have signed it; without one the embedded one is used.
    :raises VerifyError: the image is damaged, or signed by another.
    """
    try:
        check_gaps(ddi)
        check_hashes(ddi)
        return check_signature(ddi, certificate)
    except VerifyError as error:
        raise VerifyError(error.brief, {"file": ddi.path, **error.facts}, error.hint) from None


def check_gaps(ddi: Ddi) -> None:
    """Refuse bytes that no partition, and so no signature, covers."""
    ends = sorted((p.offset, p.offset + p.size) for p in ddi.partitions)
    starts = [FIRST_USABLE * SECTOR, *(end for _, end in ends)]
    stops = [*(start for start, _ in ends), len(ddi.image) - BACKUP_SECTORS * SECTOR]
    for start, stop in zip(starts, stops, strict=True):
        if ddi.image[start:stop].strip(b"\0"):
            raise VerifyError("there are bytes outside of the partitions", {"from byte": start})


def check_hashes(ddi: Ddi) -> None:
    """Check every block of the file system against the hash tree, and that up to its root.

    :raises VerifyError: naming the first block that differs.
    """
    count = ddi.superblock.data_blocks
    size = sum(level_blocks(count)) * BLOCK if count <= ddi.data.size // BLOCK else 0
    if not 1 <= count <= ddi.data.size // BLOCK or size > ddi.hashes.size - BLOCK:
        facts = {"states": f"{count} blocks", "data partition": f"{ddi.data.size // BLOCK} blocks"}
        raise VerifyError("the verity superblock does not fit the partitions", facts)
    data, hashes = ddi.view(ddi.data), ddi.view(ddi.hashes)
    stored = bytes(hashes[BLOCK : BLOCK + size])
    check_tree(data[: count * BLOCK], stored, ddi.superblock.salt, ddi.root_hash)
    for what, rest in (("file system", data[count * BLOCK :]), ("tree", hashes[BLOCK + size :])):
        if any(rest):
            raise VerifyError(f"there are bytes after the {what} that no hash covers")
    if ddi.erofs().size > count * BLOCK:
        raise VerifyError("the hash tree does not cover the whole file system")


def check_signature(ddi: Ddi, certificate: Certificate | None) -> Certificate:
    """Check the signature, and that what it signs is this image; return the certificate used."""
    signature = ddi.signature
    if signature.root_hash != ddi.root_hash.hex():
        facts = {"signed": signature.root_hash, "of the partitions": ddi.root_hash.hex()}
        raise VerifyError("the signed root hash is not that of the partitions' UUIDs", facts)
    embedded = read_signed_data(signature.pkcs7).certificates
    try:
        own = tuple(parse_certificate(der) for der in embedded)
    except ValueError:
        raise VerifyError("the certificate in the signature cannot be read") from None
    if certificate is None and not own:
        raise VerifyError("the signature holds no certificate", hint="give the signer's")
    used = certificate or own[0]
    states = {signature.fingerprint or fingerprint_of(used), *map(fingerprint_of, own)}
    if states != {fingerprint_of(used)}:
        facts = {"signed by": ", ".join(sorted(states)), "certificate": fingerprint_of(used)}
        raise VerifyError("the image is signed by another certificate's key", facts)
    verify_detached(signature.pkcs7, signature.root_hash.encode(), used)
    return used
