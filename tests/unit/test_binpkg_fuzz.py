"""Whatever a package or index was turned into, reading it ends with PackageError or a value."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from sysextlib.binpkg.container import open_binpkg
from sysextlib.binpkg.contents import parse_contents
from sysextlib.binpkg.index import read_index
from sysextlib.errors import PackageError
from sysextlib.tree import Entry, Kind, Tree, directory_entry, file_entry
from sysextlib.tree import link_entry as link
from tests.builders.binpkg import (
    PackageSpec,
    gpkg_container,
    image_tar,
    index_block,
    index_bytes,
    linked,
    metadata_tar,
    package_bytes,
    xpak_segment,
)

ROUNDS = 40
ENTRIES = (
    directory_entry("usr"),
    *linked(file_entry("usr/a", b"same"), file_entry("usr/b", b"same")),
    link("usr/l", "a"),
    replace(file_entry("usr/" + "n" * 120, b"x" * 700), xattrs=(("user.a", b"\xff"),)),
    Entry(path="usr/p", kind=Kind.FIFO, mode=0o600),
)
SPEC = PackageSpec(
    cpv="app-misc/jq-1.7", entries=ENTRIES, metadata={"RDEPEND": "a/b", "IUSE": "+x y"}
)
WORDS = (b"99999999999\0", b"-1\0", b"\xff" * 12, b"../../../..", b"\x80" + b"\xff" * 11)
INTERESTING = (0, 1, 0x20, 0x2F, 0x30, 0x39, 0x7F, 0x80, 0xFF)


def damaged(data, seed):
    """Return data after a few flips, cuts, repeats or moves that the seed decides."""
    choose = random.Random(seed)
    out = bytearray(data)
    for _ in range(choose.choice((1, 1, 1, 2, 5, 20))):
        at = choose.randrange(len(out))
        kind = choose.randrange(6)
        if kind <= 2:
            out[at] = choose.choice((*INTERESTING, choose.randrange(256)))
        elif kind == 3:
            del out[at : at + choose.choice((1, 8, 512, len(out)))]
        elif kind == 4:
            out[at:at] = out[at : at + choose.choice((1, 12, 512))]
        else:
            out[at : at + 12] = choose.choice(WORDS)
        out = out or bytearray(1)
    return bytes(out)


def attempt(action):
    """Return what the action does, or its PackageError."""
    try:
        return action()
    except PackageError as error:
        return error


def read(tmp_path, data):
    """Unpack; return whether it was accepted. What is accepted must form a tree."""
    path = tmp_path / "package"
    path.write_bytes(data)
    image = attempt(lambda: open_binpkg(path).unpack(tmp_path))
    if isinstance(image, PackageError):
        assert all(line.isprintable() for line in str(image).split("\n"))
        return False
    tree = Tree(image.entries)
    for entry in tree:
        if entry.content:
            assert len(entry.content.read()) == entry.size
    for spool in tmp_path.glob("*.spool"):
        spool.unlink()
    return True


def bare_gpkg(image, metadata):
    """Return a gpkg that vouches for these damaged bytes, so that they are read at all."""
    members = {"gpkg-1": b"", "metadata.tar": metadata, "image.tar": image}
    return gpkg_container(members, folder="jq-1.7")


@pytest.mark.parametrize("compression", ["zstd", "gzip", "bzip2", "xz", "none"])
@pytest.mark.parametrize("form", ["gpkg", "xpak"])
def test_damaged_package_is_only_ever_refused(tmp_path, form, compression):
    data = package_bytes(replace(SPEC, form=form, compression=compression))
    for seed in range(ROUNDS):
        read(tmp_path, damaged(data, seed))
    assert read(tmp_path, data)


@pytest.mark.parametrize("form", ["gpkg", "xpak"])
def test_damaged_image_behind_right_digests_is_only_ever_refused(tmp_path, form):
    image, metadata = image_tar(ENTRIES, "image/"), metadata_tar(SPEC.vdb())
    if form == "xpak":
        image = image_tar(ENTRIES, "./", root="./")
    accepted = 0
    for seed in range(ROUNDS * 4):
        bad = damaged(image.rstrip(b"\0") + bytes(1024), seed)
        bad += bytes(-len(bad) % 512)
        if form == "xpak":
            accepted += read(tmp_path, bad + xpak_segment(SPEC.vdb()))
        else:
            accepted += read(tmp_path, bare_gpkg(bad, metadata))
    assert accepted < ROUNDS * 3  # most damage is seen; that to contents cannot be


def test_damaged_metadata_behind_right_digests_is_only_ever_refused(tmp_path):
    image, metadata = image_tar(ENTRIES, "image/"), metadata_tar(SPEC.vdb())
    for seed in range(ROUNDS):
        read(tmp_path, bare_gpkg(image, damaged(metadata, seed)))


def test_damaged_index_is_only_ever_refused():
    data = index_bytes([index_block(SPEC, b"data"), index_block(replace(SPEC, build_id=3), b"d")])
    accepted = 0
    for seed in range(ROUNDS * 4):
        index = attempt(lambda: read_index(damaged(data, seed), "index"))  # noqa: B023
        if isinstance(index, PackageError):
            assert index.facts["read from"] == "index"
            assert all(line.isprintable() for line in str(index).split("\n"))
        else:
            accepted += 1
    assert 0 < accepted < ROUNDS * 4


def test_damaged_contents_are_only_ever_refused():
    data = b"dir /usr\nobj /usr/a " + b"0" * 32 + b" 12\nsym /usr/l -> a 5\n" * 20
    for seed in range(ROUNDS):
        contents = attempt(lambda: parse_contents(damaged(data, seed)))  # noqa: B023
        assert not isinstance(contents, PackageError) or contents.facts["line"]
