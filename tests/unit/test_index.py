"""The Packages index."""

from __future__ import annotations

import gzip

import pytest

from sysextlib.binpkg.index import read_index
from sysextlib.errors import PackagesIndexError
from tests.builders.binpkg import PackageSpec, index_block, index_bytes

HEADER = "ARCH: amd64\nCHOST: x86_64-cros-linux-gnu\nREPO: portage-stable\nVERSION: 0\n\n"
BLOCK = "CPV: app-misc/jq-1.7\nSIZE: 10\nMD5: " + "0" * 32 + "\n\n"


def read(text):
    return read_index(text.encode(), "http://server/Packages")


def test_defaults_and_inherited_values_are_filled_in():
    index = read(HEADER + BLOCK)
    (item,) = index.packages
    package = item.package
    assert index.header["ARCH"] == "amd64"
    assert (package.slot, package.subslot, package.eapi) == ("0", "", "0")
    assert (package.build_id, package.build_time, package.use) == (0, 0, frozenset())
    assert package.repo == "portage-stable"
    assert package.value("CHOST") == "x86_64-cros-linux-gnu"


def test_path_defaults_to_the_place_of_a_package_without_build_id():
    assert read(HEADER + BLOCK).packages[0].path == "app-misc/jq-1.7.tbz2"


def test_everything_that_portage_writes_is_read():
    spec = PackageSpec(
        cpv="sys-fs/zfs-2.4.3-r1",
        metadata={
            "SLOT": "0/5",
            "IUSE": "+rootfs",
            "USE": "rootfs amd64",
            "RDEPEND": "a/b",
            "PDEPEND": "c/d",
            "IDEPEND": "e/f",
            "DESCRIPTION": "a: b",
            "repository": "test",
        },
        build_id=2,
    )
    data = b"the package"
    (item,) = read_index(index_bytes([index_block(spec, data)]), "x").packages
    package = item.package
    assert (package.rdepend, package.pdepend, package.idepend) == ("a/b", "c/d", "e/f")
    assert (package.slot, package.subslot, package.build_id) == ("0", "5", 2)
    assert (item.size, item.path) == (11, "sys-fs/zfs/zfs-2.4.3-r1-2.gpkg.tar")
    assert list(item.digests) == ["SHA1", "MD5"]
    assert package.value("DESCRIPTION") == "a: b"
    assert package.repo == "test"


def test_unknown_keys_are_kept():
    block = BLOCK.replace("SIZE", "NOVEL: thing\nSIZE")
    assert read(HEADER + block).packages[0].package.value("NOVEL") == "thing"


def test_gzip_is_read_and_a_damaged_one_refused():
    packed = gzip.compress((HEADER + BLOCK).encode())
    assert len(read_index(packed, "x").packages) == 1
    for bad in (packed[:-3], packed + b"x", packed[:20] + b"\xff\xff" + packed[22:]):
        with pytest.raises(PackagesIndexError, match="gzip"):
            read_index(bad, "x")


def test_missing_line_feed_at_the_end_is_no_damage():
    assert len(read((HEADER + BLOCK).rstrip("\n")).packages) == 1


@pytest.mark.parametrize(
    ("text", "line", "rule"),
    [
        ("", 1, "no header"),
        (BLOCK, 1, "no header"),
        (HEADER.replace("VERSION: 0", "VERSION: 1") + BLOCK, 1, "VERSION"),
        (HEADER + "CPV: app-misc/jq-1.7\nnonsense\n", 7, "KEY: value"),
        (HEADER + "CPV: a/b-1\nSIZE: 1\nSIZE: 2\n", 8, "key twice"),
        (HEADER + "SIZE: 1\n", 6, "no CPV"),
        (HEADER + "CPV: nothing\n", 6, "category"),
        (HEADER + "CPV: a/b-1\nSIZE: -1\n", 6, "SIZE"),
        (HEADER + f"CPV: a/b-1\nSIZE: {1 << 40}\n", 6, "so large"),
        (HEADER + "CPV: a/b-1\nSIZE: \u0661\n", 6, "SIZE"),
        (HEADER + "CPV: a/b-1\nBUILD_ID: x\n", 6, "BUILD_ID"),
        (HEADER + "CPV: a/b-1\nSLOT: -\n", 6, "SLOT"),
        (HEADER + "CPV: a/b-1\nEAPI: 77\n", 6, "EAPI"),
        (HEADER + "CPV: a/b-1\nMD5: 00\n", 6, "MD5 is no digest"),
        (HEADER + "CPV: a/b-1\nSHA1: " + "z" * 40, 6, "SHA1 is no digest"),
        (HEADER + BLOCK + BLOCK, 10, "listed twice"),
    ],
)
def test_damage_is_told_with_its_line(text, line, rule):
    with pytest.raises(PackagesIndexError) as caught:
        read(text)
    assert rule in caught.value.brief
    assert caught.value.facts["line"] == str(line)
    assert caught.value.facts["read from"] == "http://server/Packages"


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../x", "a/../../x", "a//b", "http://evil/x", "a\\b", "./a", "a\tb"]
)
def test_path_that_leaves_the_binhost_is_refused(path):
    with pytest.raises(PackagesIndexError, match="PATH leaves"):
        read(HEADER + f"CPV: a/b-1\nPATH: {path}\n")


def test_index_that_was_cut_short_is_refused():
    text = HEADER.replace("ARCH", "PACKAGES: 2\nARCH") + BLOCK
    with pytest.raises(PackagesIndexError, match="cut short") as caught:
        read(text)
    assert caught.value.facts["PACKAGES"] == "2"


def test_bytes_that_are_not_utf8_are_refused_with_their_line():
    with pytest.raises(PackagesIndexError) as caught:
        read_index(HEADER.encode() + b"CPV: \xff\n", "x")
    assert caught.value.facts["line"] == "6"
