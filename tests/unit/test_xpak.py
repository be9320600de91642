"""The xpak container."""

from __future__ import annotations

import pytest

from sysextlib.binpkg.container import open_binpkg
from sysextlib.binpkg.place import Limits
from sysextlib.errors import PackageError
from sysextlib.tree import file_entry
from tests.builders.binpkg import PackageSpec, compress, image_tar, xpak_bytes, xpak_segment

SPEC = PackageSpec(
    cpv="app-misc/jq-1.7",
    metadata={"SLOT": "0", "environment.bz2": b"BZh"},
    entries=(file_entry("usr/bin/jq", b"jq"),),
    form="xpak",
    compression="bzip2",
)
IMAGE = compress(image_tar(SPEC.entries, "./", root="./"), "bzip2")


def opened(tmp_path, data, **options):
    path = tmp_path / "jq-1.7.tbz2"
    path.write_bytes(data)
    return open_binpkg(path, **options)


def segment(index, data=b"", *, index_size=None, data_size=None, size=None):
    index_size = len(index) if index_size is None else index_size
    data_size = len(data) if data_size is None else data_size
    body = b"XPAKPACK" + number(index_size) + number(data_size) + index + data + b"XPAKSTOP"
    return body + number(len(body) if size is None else size) + b"STOP"


def number(value):
    return value.to_bytes(4, "big")


def item(key, offset, size):
    return number(len(key)) + key + number(offset) + number(size)


def test_metadata_and_image_are_read(tmp_path):
    binary = opened(tmp_path, xpak_bytes(SPEC))
    assert str(binary.package) == "app-misc/jq-1.7"
    assert binary.metadata == SPEC.vdb()
    (entry,) = binary.unpack(tmp_path).entries
    assert (entry.path, entry.content.read()) == ("usr/bin/jq", b"jq")


def test_uncompressed_image_does_not_make_it_a_gpkg(tmp_path):
    image = image_tar(SPEC.entries, "./", root="./")
    binary = opened(tmp_path, image + xpak_segment(SPEC.vdb()))
    assert len(binary.unpack(tmp_path).entries) == 1


def test_members_without_the_leading_dot_are_read(tmp_path):
    image = compress(image_tar(SPEC.entries, "", root="."), "bzip2")
    binary = opened(tmp_path, image + xpak_segment(SPEC.vdb()))
    assert binary.unpack(tmp_path).entries[0].path == "usr/bin/jq"


@pytest.mark.parametrize(
    ("tail", "rule"),
    [
        (segment(b"", size=0), "trailer's size"),
        (segment(b"", size=0xFFFFFFFF), "trailer's size"),
        (segment(b"", size=25), "start and stop"),
        (segment(b"", index_size=7), "do not add up"),
        (segment(b"", data_size=7), "do not add up"),
        (segment(item(b"PF", 0, 5)), "leaves the data"),
        (segment(item(b"PF", 3, 1), b"abc"), "leaves the data"),
        (segment(item(b"A", 0, 3) + item(b"B", 0, 3), b"abc"), "leaves the data"),
        (segment(item(b"PF", 0, 0) + b"\0\0"), "leaves the index"),
        (segment(number(99) + b"PF"), "leaves the index"),
        (segment(item(b"PF", 0, 0) * 2), "same name"),
        (segment(item(b"../PF", 0, 0)), "no plain name"),
        (segment(item(b"", 0, 0)), "no plain name"),
        (segment(item(b"a\nb", 0, 0)), "no plain name"),
        (segment(item(b"PF", 0, 3), b"jq-"), "CATEGORY"),
    ],
)
def test_damaged_container_is_refused(tmp_path, tail, rule):
    with pytest.raises(PackageError) as caught:
        opened(tmp_path, IMAGE + tail)
    assert rule in caught.value.brief


def test_metadata_that_is_too_large_is_refused(tmp_path):
    with pytest.raises(PackageError, match="too large"):
        opened(tmp_path, xpak_bytes(SPEC), limits=Limits(metadata=50))


@pytest.mark.parametrize("garbage", [b"x", b"\0" * 512 + b"x", IMAGE[:20]])
def test_bytes_between_image_and_metadata_are_refused(tmp_path, garbage):
    binary = opened(tmp_path, IMAGE + garbage + xpak_segment(SPEC.vdb()))
    with pytest.raises(PackageError):
        binary.unpack(tmp_path)


def test_file_that_is_neither_format_is_refused(tmp_path):
    for data in (b"", b"STOP", b"x" * 600, IMAGE):
        with pytest.raises(PackageError, match="neither gpkg nor xpak"):
            opened(tmp_path, data)
