"""The dm-verity hash tree over a file system, and the superblock before it.

Source of the layout: the kernel's Documentation/admin-guide/device-mapper/verity.rst and
cryptsetup's wiki page "DMVerity"; hash type 1, SHA-256, 4096-byte blocks. All sizes are bytes.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from sysextlib.errors import ImageError, VerifyError

if TYPE_CHECKING:
    from mmap import mmap

BLOCK = 4096
DIGEST = 32
MAGIC = b"verity\0\0"
# signature, version, hash type, UUID, algorithm, data and hash block size, data blocks, salt size
SUPERBLOCK = struct.Struct("<8sII16s32sIIQH6x256s")


@dataclass(frozen=True, slots=True)
class HashTree:
    """The digests of a file system's blocks, the digests of those, and so on up to one."""

    root_hash: bytes
    data_blocks: int
    blocks: bytes  # the top level first; nothing when there is one data block only
    leaves: bytes  # the digests of the data blocks, without padding


@dataclass(frozen=True, slots=True)
class Superblock:
    """What the hash partition says of itself."""

    uuid: UUID
    salt: bytes
    data_blocks: int


def hash_tree(data: bytes | mmap | memoryview, salt: bytes) -> HashTree:
    """Hash a file system, salt before each block.

    One thread: hashlib holds the interpreter between blocks, and two threads were slower (130 MB:
    0.11 s by one, 0.13 s by two).

    :raises ImageError: ``data`` is empty, or its size no multiple of the block size.
    """
    with memoryview(data) as view:
        if not view.nbytes or view.nbytes % BLOCK:
            raise ImageError(f"{view.nbytes} bytes cannot be hashed in blocks of {BLOCK}")
        leaves = digests = _digests(view, salt)
        data_blocks = view.nbytes // BLOCK
    levels: list[bytes] = []
    while len(digests) > DIGEST:
        levels.insert(0, digests + bytes(-len(digests) % BLOCK))
        digests = _digests(memoryview(levels[0]), salt)
    return HashTree(digests, data_blocks, b"".join(levels), leaves)


def level_blocks(data_blocks: int) -> list[int]:
    """Return how many blocks each level of that many data blocks' tree has, the top first."""
    levels: list[int] = []
    while data_blocks > 1:
        data_blocks = -(-data_blocks * DIGEST // BLOCK)
        levels.insert(0, data_blocks)
    return levels


def check_tree(
    data: bytes | mmap | memoryview, stored: bytes, salt: bytes, root_hash: bytes
) -> None:
    """Check data against a stored tree, and that against its root hash.

    :param stored: all blocks of the tree and no more.
    :raises VerifyError: naming the first block that differs.
    """
    tree = hash_tree(data, salt)
    if tree.root_hash == root_hash and tree.blocks == stored:
        return
    expected, at = root_hash, 0
    for size in level_blocks(tree.data_blocks):
        level = stored[at : at + size * BLOCK]
        number = _first_difference(expected, _digests(memoryview(level), salt))
        if number is not None:
            facts = {"block of the tree": at // BLOCK + number}
            what = "is damaged" if at else "does not match the root hash in the partitions' UUIDs"
            raise VerifyError(f"the hash tree {what}", facts)
        expected, at = level, at + size * BLOCK
    number = _first_difference(expected, tree.leaves)
    facts = {"block": -1 if number is None else number}
    raise VerifyError("the file system's bytes do not match their hash", facts)


def render_superblock(found: Superblock) -> bytes:
    """Return the block that stands before the tree in the hash partition."""
    sizes = (BLOCK, BLOCK, found.data_blocks, len(found.salt))
    fields = (MAGIC, 1, 1, found.uuid.bytes, b"sha256", *sizes, found.salt)
    return SUPERBLOCK.pack(*fields).ljust(BLOCK, b"\0")


def read_superblock(block: bytes) -> Superblock:
    """Read the first block of a hash partition.

    :raises VerifyError: it is none, or of a kind that we do not write.
    """
    if len(block) < BLOCK or not block.startswith(MAGIC):
        raise VerifyError("the verity partition has no superblock")
    _, version, kind, uuid, algorithm, data, hashes, count, salt_size, salt = SUPERBLOCK.unpack(
        block[: SUPERBLOCK.size]
    )
    seen = (version, kind, algorithm.rstrip(b"\0"), data, hashes)
    if seen != (1, 1, b"sha256", BLOCK, BLOCK) or salt_size > len(salt):
        names = ("version", "hash type", "algorithm", "data block", "hash block")
        facts = dict(zip(names, (*seen[:2], repr(seen[2]), *seen[3:]), strict=True))
        hint = "this reads version 1, hash type 1, sha256 and blocks of 4096 bytes"
        raise VerifyError("the verity superblock is of an unknown kind", facts, hint)
    found = Superblock(UUID(bytes=uuid), salt[:salt_size], count)
    if render_superblock(found) != block:
        raise VerifyError("the verity superblock has bytes where none belong")
    return found


def _first_difference(expected: bytes, found: bytes) -> int | None:
    """Return the number of the first digest that differs; ``expected`` may end with padding."""
    for at in range(0, len(found), DIGEST):
        if expected[at : at + DIGEST] != found[at : at + DIGEST]:
            return at // DIGEST
    return None


def _digests(view: memoryview, salt: bytes) -> bytes:
    begin = hashlib.sha256(salt).copy
    digests = []
    for at in range(0, view.nbytes, BLOCK):
        sha = begin()
        sha.update(view[at : at + BLOCK])
        digests.append(sha.digest())
    return b"".join(digests)
