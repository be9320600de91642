"""Images that GNU tar wrote, compared with the files it read."""

from __future__ import annotations

import hashlib
import os

import pytest

from sysextlib.binpkg.container import open_binpkg
from sysextlib.binpkg.place import Limits
from sysextlib.errors import PackageError
from sysextlib.system.run import run
from sysextlib.tree import Tree
from tests.builders.binpkg import PackageSpec, compress, xpak_segment
from tests.builders.needs import require_tool, unmet

pytestmark = [pytest.mark.oracle, pytest.mark.tool]

SPEC = PackageSpec(cpv="app-test/sparse-1", form="xpak")
FORMATS = [
    ("--format=gnu",),
    ("--format=posix", "--sparse-version=0.0"),
    ("--format=posix", "--sparse-version=0.1"),
    ("--format=posix", "--sparse-version=1.0"),
]


@pytest.fixture
def root(tmp_path):
    """Holes at the start, amid, at the end; many of them; nothing but a hole."""
    require_tool("tar")
    folder = tmp_path / "root"
    folder.mkdir()
    layouts = {
        "start": ([3 << 20], 0),
        "amid": ([0, 2 << 20, 5 << 20], 0),
        "end": ([0], 4 << 20),
        "many": ([n << 16 for n in range(90)], 0),
        "hole": ([], 1 << 20),
        "n" * 150: ([1 << 20], 3 << 20),
        "dense": ([0], 0),
    }
    for name, (offsets, size) in layouts.items():
        with (folder / name).open("wb") as file:
            for offset in offsets:
                file.seek(offset)
                file.write(f"{name} at {offset}\n".encode())
            if size:
                file.truncate(size)
    os.link(folder / "amid", folder / "zz-linked")
    return folder


def packed(root, tmp_path, *options):
    image = run(["tar", "--numeric-owner", *options, "-C", root, "-c", "."]).stdout
    path = tmp_path / "package.xpak"
    path.write_bytes(compress(image, "zstd") + xpak_segment(SPEC.vdb()))
    return image, path


@pytest.mark.parametrize("options", FORMATS, ids=lambda o: o[-1])
def test_sparse_files_come_out_whole_in_every_version_of_the_format(root, tmp_path, options):
    image, path = packed(root, tmp_path, "--sparse", *options)
    real = sum(file.stat().st_size for file in root.iterdir())
    assert len(image) < real / 4, "tar stored the holes: the file system under test has none"
    tree = Tree(open_binpkg(path).unpack(tmp_path).entries)
    assert {entry.path for entry in tree} == {file.name for file in root.iterdir()}
    for file in root.iterdir():
        data = file.read_bytes()
        content = tree[file.name].content
        assert (content.size, content.read()) == (len(data), data), file.name
        assert content.sha256 == hashlib.sha256(data).hexdigest()
    assert tree["amid"].hardlink == tree["zz-linked"].hardlink == "amid"
    assert tree["amid"].content == tree["zz-linked"].content


@pytest.mark.parametrize("options", FORMATS, ids=lambda o: o[-1])
def test_hole_that_is_larger_than_is_allowed_is_refused(root, tmp_path, options):
    with (root / "bomb").open("wb") as file:
        file.truncate(1 << 43)
    _, path = packed(root, tmp_path, "--sparse", *options)
    with pytest.raises(PackageError, match="sparse files are larger"):
        open_binpkg(path, limits=Limits(unpacked=1 << 30)).unpack(tmp_path)
    assert not list(tmp_path.glob("*.spool"))


@pytest.mark.parametrize("options", FORMATS, ids=lambda o: o[-1])
def test_damaged_sparse_map_is_only_ever_refused(root, tmp_path, options):
    image, path = packed(root, tmp_path, "--sparse", *options)
    start = image.find(b"many")
    for at in range(start, min(start + 1536, len(image)), 37):
        bad = bytearray(image)
        bad[at] ^= 1
        path.write_bytes(bytes(bad) + xpak_segment(SPEC.vdb()))
        try:
            Tree(open_binpkg(path).unpack(tmp_path).entries)
        except PackageError as error:
            assert error.brief  # noqa: PT017 - either end is right
        for spool in tmp_path.glob("*.spool"):
            spool.unlink()


def test_extended_attributes_are_read_as_gnu_tar_stores_them(root, tmp_path):
    value = bytes(range(256))
    try:
        os.setxattr(root / "dense", "user.binary", value)
    except OSError as error:
        unmet(f"this file system keeps no user attributes ({error.strerror})")
    _, path = packed(root, tmp_path, "--format=posix", "--xattrs")
    tree = Tree(open_binpkg(path).unpack(tmp_path).entries)
    assert tree["dense"].xattrs == (("user.binary", value),)
    assert tree["start"].xattrs == ()


def test_a_capability_is_read_as_the_bytes_that_the_kernel_keeps(root, tmp_path):
    require_tool("setcap")
    if os.geteuid() != 0:
        unmet("setting a capability needs root")
    run(["setcap", "cap_net_raw=ep", root / "dense"])
    _, path = packed(root, tmp_path, "--format=posix", "--xattrs", "--xattrs-include=*")
    tree = Tree(open_binpkg(path).unpack(tmp_path).entries)
    kept = os.getxattr(root / "dense", "security.capability")
    assert dict(tree["dense"].xattrs)["security.capability"] == kept
