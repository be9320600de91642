import hashlib
from uuid import UUID

import pytest

from sysextlib.errors import ImageError, VerifyError
from sysextlib.image.verity import (
    BLOCK,
    Superblock,
    check_tree,
    hash_tree,
    level_blocks,
    read_superblock,
    render_superblock,
)
from tests.builders.tree import noise

SALT = bytes(range(32))
FOUND = Superblock(UUID(int=7), SALT, 300)


def test_root_hash_of_one_block_is_the_hash_of_that_block():
    data = noise(BLOCK)
    tree = hash_tree(data, SALT)
    assert tree.root_hash == hashlib.sha256(SALT + data).digest()
    assert tree.blocks == b""


def test_root_hash_of_two_blocks_is_the_hash_of_the_one_padded_digest_block():
    data = noise(2 * BLOCK)
    leaves = b"".join(hashlib.sha256(SALT + data[at : at + BLOCK]).digest() for at in (0, BLOCK))
    tree = hash_tree(data, SALT)
    assert tree.blocks == leaves.ljust(BLOCK, b"\0")
    assert tree.root_hash == hashlib.sha256(SALT + tree.blocks).digest()


@pytest.mark.parametrize(
    ("blocks", "levels"),
    [(1, []), (2, [1]), (128, [1]), (129, [1, 2]), (16384, [1, 128]), (16385, [1, 2, 129])],
)
def test_a_level_has_a_block_for_each_128_below(blocks, levels):
    assert level_blocks(blocks) == levels


def test_tree_has_as_many_blocks_as_its_levels_say():
    tree = hash_tree(bytes(130 * BLOCK), SALT)
    assert len(tree.blocks) == sum(level_blocks(130)) * BLOCK


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK + 512])
def test_data_that_is_not_whole_blocks_is_refused(size):
    with pytest.raises(ImageError, match="cannot be hashed"):
        hash_tree(bytes(size), SALT)


def test_equal_data_with_another_salt_has_another_root_hash():
    assert hash_tree(bytes(BLOCK), SALT) != hash_tree(bytes(BLOCK), SALT[::-1])


@pytest.mark.parametrize("block", [0, 1, 127, 128, 299])
def test_a_changed_data_block_is_named(block):
    data = bytearray(noise(300 * BLOCK))
    tree = hash_tree(bytes(data), SALT)
    data[block * BLOCK + 17] ^= 1
    with pytest.raises(VerifyError, match="bytes do not match their hash") as caught:
        check_tree(bytes(data), tree.blocks, SALT, tree.root_hash)
    assert caught.value.facts["block"] == str(block)


@pytest.mark.parametrize(("block", "fault"), [(0, "does not match the root hash"), (2, "damaged")])
def test_a_changed_tree_block_is_told_from_changed_data(block, fault):
    data = noise(300 * BLOCK)
    tree = hash_tree(data, SALT)
    stored = bytearray(tree.blocks)
    stored[block * BLOCK + 5] ^= 1
    with pytest.raises(VerifyError, match=fault) as caught:
        check_tree(data, bytes(stored), SALT, tree.root_hash)
    assert caught.value.facts["block of the tree"] == str(block)


def test_another_root_hash_is_refused_though_tree_and_data_agree():
    data = noise(2 * BLOCK)
    tree = hash_tree(data, SALT)
    with pytest.raises(VerifyError, match="root hash"):
        check_tree(data, tree.blocks, SALT, bytes(32))


def test_superblock_reads_back():
    assert read_superblock(render_superblock(FOUND)) == FOUND


@pytest.mark.parametrize("at", [0, 8, 12, 32, 64, 68, 85, 88 + 32, 344, 511, 512, 4095])
def test_a_changed_byte_of_the_superblock_that_matters_is_refused(at):
    block = bytearray(render_superblock(FOUND))
    block[at] ^= 0x40
    with pytest.raises(VerifyError, match="superblock"):
        read_superblock(bytes(block))


def test_a_cut_superblock_is_refused():
    with pytest.raises(VerifyError, match="no superblock"):
        read_superblock(render_superblock(FOUND)[:512])
