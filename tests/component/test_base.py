import hashlib
import os
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from sysextlib.base import open_base
from sysextlib.errors import BaseError
from sysextlib.gentoo.arch import Arch
from sysextlib.squashfs.reader import Squashfs
from sysextlib.tree import Content, Entry, Kind, Tree, directory_entry, file_entry
from tests.builders.base import (
    MTIME,
    elf,
    package_files,
    small_base,
    tree_of,
    write_squashfs,
)
from tests.builders.needs import require_root, require_tool

pytestmark = pytest.mark.tool


@pytest.fixture(autouse=True)
def _tool():
    require_tool("mksquashfs")


@pytest.fixture
def pack(tmp_path):
    def run(tree, *options, name="base"):
        return write_squashfs(tree, tmp_path / f"{name}.squashfs", *options)

    return run


@pytest.fixture
def base_of(pack):
    def run(*extra, pkginfo=(), **more):
        return open_base(pack(tree_of(small_base(**more), *extra)), pkginfo)

    return run


def test_a_base_says_what_it_is(base_of):
    base = base_of()
    assert (base.id, base.version_id, base.build_id) == ("demo", "1.2.3", "b1")
    assert base.version == "1.2.3 (one)"
    assert base.epoch == MTIME
    assert base.arch is Arch.AMD64
    assert base.counter == 7
    assert [str(package.cpv) for package in base.installed] == ["sys-libs/glibc-2.40"]
    assert base.digest == hashlib.sha256(base.image.read_bytes()).hexdigest()


def test_os_release_behind_a_symlink_is_found(pack):
    files = small_base() | {"usr/lib/os-release": "../../etc/real", "etc/os-release": "real"}
    files["etc/real"] = b"ID=x\nVERSION_ID=1\n"
    assert open_base(pack(tree_of(files))).id == "x"


def test_files_below_a_folder_are_read_through_symlinks(base_of):
    base = base_of(file_entry("usr/lib64/x/a", b"1"), file_entry("usr/lib64/x/b/c", b"2"))
    assert base.files("lib64/x") == {"lib64/x/a": b"1", "lib64/x/b/c": b"2"}
    assert base.files("no/such") == {}
    assert base.read("lib64/x/a") == b"1"
    assert base.read("lib64/x/none") is None


def test_the_tree_holds_the_root_and_usr_but_not_var(base_of):
    tree = base_of().tree
    assert tree["lib64"].target == "usr/lib64"
    assert "usr/lib/os-release" in tree
    assert "var" in tree
    assert not any(entry.path.startswith("var/") for entry in tree)


def test_contents_are_digests_of_regular_files_only(base_of):
    base = base_of(file_entry("usr/big", bytes(300_000) + b"end"))
    got = base.contents(["usr/big", "usr/bin", "usr/none"])
    assert got == {"usr/big": Content.of(bytes(300_000) + b"end")}


def test_owners_are_found_in_the_package_database(pack):
    contents = "dir /usr/bin\nobj /bin/bash 0123456789abcdef0123456789abcdef 5\n"
    files = small_base() | {"usr/bin/bash": b""} | package_files("a/bash-5", contents=contents)
    base = open_base(pack(tree_of(files)))
    assert base.owners(["usr/bin/bash", "usr/none"]) == {"usr/bin/bash": "a/bash-5"}


@pytest.mark.parametrize("compressor", ["gzip", "xz", "zstd"])
def test_every_compressor_that_is_common_is_read(pack, compressor):
    data = os.urandom(200_000) + bytes(200_000)
    image = pack(tree_of({"a/f": data, "a/small": b"small"}), "-comp", compressor)
    with Squashfs(image) as squashfs:
        assert squashfs.read("a/f") == data
        assert squashfs.read("a/small") == b"small"


@pytest.mark.parametrize(
    "options",
    [
        ("-noI", "-noD", "-noF", "-noX"),
        ("-no-fragments",),
        ("-always-use-fragments",),
        ("-b", "4096"),
        ("-b", "1M"),
        ("-no-exports", "-no-xattrs"),
    ],
    ids=" ".join,
)
def test_every_layout_is_read(pack, options):
    files = {f"d{n % 3}/f{n}": os.urandom(n * 700 % 50_000) for n in range(200)}
    with Squashfs(pack(tree_of(files), *options)) as squashfs:
        assert {e.path: squashfs.read(e.path) for e in squashfs.walk() if e.content} == files


def test_a_compressor_that_is_not_read_is_named(pack):
    with pytest.raises(BaseError, match="compressed with lz4"):
        Squashfs(pack(tree_of({"a": b"1"}), "-comp", "lz4"))


def test_all_metadata_survives(pack):
    require_root()
    odd = Tree(
        [
            directory_entry("dir", mode=0o1777, mtime=5),
            Entry(path="dir/fifo", kind=Kind.FIFO, mode=0o600, uid=3, mtime=1),
            Entry(path="dir/null", kind=Kind.CHARDEV, mode=0o666, device=(1, 3), mtime=1),
            Entry(path="dir/disk", kind=Kind.BLOCKDEV, mode=0o660, device=(259, 70000), mtime=1),
            replace(file_entry("dir/suid", b"s", mode=0o6711, mtime=MTIME), uid=70000, gid=12),
            replace(
                file_entry("dir/capable", b"c", mtime=1),
                xattrs=(
                    ("security.capability", bytes.fromhex("01000002" + "00200000" + "0" * 24)),
                    ("user.note", b"x" * 300),
                ),
            ),
            replace(file_entry("dir/again", b"c", mtime=1), xattrs=(("user.note", b"x" * 300),)),
            replace(file_entry("dir/link1", b"l", mtime=1), hardlink="t"),
            replace(file_entry("dir/link2", b"l", mtime=1), hardlink="t"),
            Entry(path="dir/to", kind=Kind.SYMLINK, mode=0o777, target="../x y\n", mtime=9),
        ]
    )
    with Squashfs(pack(odd)) as squashfs:
        got = {entry.path: entry for entry in squashfs.walk()}
        for entry in odd:
            ours = got[entry.path]
            content = Content.of(squashfs.read(entry.path)) if entry.content else None
            assert replace(ours, content=content, hardlink="") == replace(entry, hardlink="")
    assert got["dir/link1"].hardlink == got["dir/link2"].hardlink != ""


def test_names_of_any_bytes_are_read(tmp_path, pack):
    names = [b"a b", b"new\nline", b'"quoted"', b"back\\slash", b"\xff\xfe", b"-dash", b"'", b"*"]
    tree = Tree(file_entry(name.decode(errors="surrogateescape"), name) for name in names)
    with Squashfs(pack(tree)) as squashfs:
        got = {os.fsencode(entry.path): squashfs.read(entry.path) for entry in squashfs.walk()}
    assert got == {name: name for name in names}


def test_a_directory_of_thousands_of_names_is_read(pack):
    files = {f"d/{'x' * (n % 200)}{n}": b"" for n in range(5000)}
    with Squashfs(pack(tree_of(files))) as squashfs:
        assert len(squashfs.names("d")) == 5000


def test_what_is_not_there_is_none(base_of):
    base = base_of()
    assert base.get("usr/none") is None
    assert base.get("usr/lib/os-release/below") is None
    assert base.get("lib64/libc.so.6") is None  # lib64 is a symlink


# What is refused.


def test_a_base_that_is_no_squashfs_is_refused(tmp_path):
    (tmp_path / "x").write_bytes(b"#!/bin/sh\n")
    with pytest.raises(BaseError, match="is not a squashfs"):
        open_base(tmp_path / "x")


def test_a_base_that_does_not_exist_or_is_a_folder_is_refused(tmp_path):
    with pytest.raises(BaseError, match="cannot be opened"):
        open_base(tmp_path / "none")
    with pytest.raises(BaseError, match="not a regular file"):
        open_base(tmp_path)


def test_a_base_that_was_cut_short_is_refused_at_once(pack):
    image = pack(tree_of(small_base() | {"usr/big": os.urandom(100_000)}))
    os.truncate(image, image.stat().st_size - 8192)
    with pytest.raises(BaseError, match="cut short"):
        open_base(image)


def test_damage_anywhere_is_a_base_error_or_harmless(pack):
    image = pack(tree_of(small_base()))
    whole = image.read_bytes()
    refused = 0
    for at in range(0, len(whole), 7):
        image.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        try:
            with open_base(image) as base:
                _ = len(base.tree), base.arch, base.files("usr/lib64")
        except BaseError:
            refused += 1
    assert refused > 10


@pytest.mark.parametrize("keep", [*range(0, 96, 8), 200, 500])
def test_a_short_file_is_a_base_error(pack, keep):
    image = pack(tree_of(small_base()))
    os.truncate(image, keep)
    with pytest.raises(BaseError):
        open_base(image)


def test_a_directory_that_holds_itself_is_refused(pack):
    image = pack(tree_of({"a/b/c": b""}), "-noI")
    raw = bytearray(image.read_bytes())
    with Squashfs(image) as squashfs:
        top = squashfs._find("")
        inner = squashfs._names(squashfs._find("a"))["b"] & 0xFFFF
        outer = squashfs._names(top)["a"] & 0xFFFF
        table = squashfs._blocks.directory_table
    listing = raw.find(b"b", table + 2)
    entry = listing - 8  # offset of the inode, difference, type, size of the name: 2 bytes each
    assert int.from_bytes(raw[entry : entry + 2], "little") == inner
    raw[entry : entry + 2] = outer.to_bytes(2, "little")
    image.write_bytes(raw)
    with Squashfs(image) as squashfs, pytest.raises(BaseError, match="lies within itself"):
        list(squashfs.walk())


def test_a_base_without_os_release_is_refused(pack):
    files = small_base()
    del files["usr/lib/os-release"]
    with pytest.raises(BaseError, match="no os-release"):
        open_base(pack(tree_of(files)))


def test_a_base_that_does_not_say_its_version_is_refused(pack):
    with pytest.raises(BaseError, match="does not say its VERSION_ID"):
        open_base(pack(tree_of(small_base() | {"usr/lib/os-release": b"ID=x\n"})))


def test_a_base_without_packages_is_refused(pack):
    tree = tree_of(small_base()).without(["var"])
    with pytest.raises(BaseError, match="no installed packages"):
        open_base(pack(tree))


def test_a_base_of_another_machine_is_told(pack):
    files = small_base()
    base = open_base(pack(tree_of(files | {"usr/lib64/libc.so.6": elf(183)})))
    assert base.arch is Arch.ARM64
    strange = open_base(pack(tree_of(files | {"usr/lib64/libc.so.6": elf(243)}), name="riscv"))
    with pytest.raises(BaseError, match="architecture"):
        _ = strange.arch


# pkginfo images.


def test_packages_of_pkginfo_images_count_as_installed(base_of, pack):
    info = pack(tree_of(dict(package_files("app/containerd-2"))), name="info")
    base = base_of(pkginfo=[info])
    assert [str(package.cpv) for package in base.installed] == [
        "app/containerd-2",
        "sys-libs/glibc-2.40",
    ]


def test_what_packages_of_pkginfo_images_own_is_told_where_the_base_puts_it(base_of, pack):
    line = f"obj /lib64/libx.so {'0' * 32} 5\n"
    info = pack(tree_of(package_files("a/below-1", contents=line)), name="info")
    with base_of(pkginfo=[info]) as base:
        ((path, (owner, item)),) = base.owned_below().items()
    assert (path, owner, item.md5) == ("usr/lib64/libx.so", "a/below-1", "0" * 32)
    with base_of() as base:
        assert base.owned_below() == {}


def test_a_pkginfo_image_may_repeat_the_base(base_of, pack):
    info = pack(tree_of(dict(package_files("sys-libs/glibc-2.40"))), name="info")
    assert len(base_of(pkginfo=[info]).installed) == 1


@pytest.mark.parametrize(
    ("cpv", "metadata"),
    [("sys-libs/glibc-2.41", {}), ("sys-libs/glibc-2.40", {"BUILD_TIME": "1"})],
)
def test_a_pkginfo_image_that_contradicts_the_base_is_refused(base_of, pack, cpv, metadata):
    info = pack(tree_of(dict(package_files(cpv, metadata))), name="info")
    with pytest.raises(BaseError, match="pkginfo image contradicts"):
        base_of(pkginfo=[info])


def test_two_packages_in_one_slot_of_a_base_are_both_named(pack):
    files = small_base() | package_files("app-misc/a-1") | package_files("app-misc/a-2")
    with pytest.raises(BaseError) as caught:
        open_base(pack(tree_of(files)))
    assert "app-misc/a-1 (slot" in str(caught.value)
    assert "app-misc/a-2 (slot" in str(caught.value)


@pytest.mark.parametrize("counter", ["9" * 5000, "\u00b2", "-5", "abc", ""])
def test_a_counter_that_is_no_number_does_not_count(pack, counter):
    files = small_base() | package_files("app-misc/a-1", {"COUNTER": counter})
    assert open_base(pack(tree_of(files))).counter == 7


def test_a_damaged_package_entry_names_the_image(pack):
    files = small_base() | {"var/db/pkg/sys-libs/glibc-2.40/SLOT": b"not a slot!\n"}
    with pytest.raises(BaseError, match="package database that cannot be read"):
        open_base(pack(tree_of(files)))


@pytest.mark.parametrize("compressor", ["gzip", "xz", "zstd"])
def test_threads_may_read_one_base_at_once(pack, compressor):
    """As builds side by side do; no cache or decompressor of it is one thread's alone."""
    files = {f"usr/share/d{n % 7}/{n}": b"%d " % n * (500 + n % 900) for n in range(300)}
    links = {f"usr/l{n}": f"share/d{n}" for n in range(7)} | {
        f"usr/m{n}": f"l{n}" for n in range(7)
    }
    image = pack(tree_of(small_base() | files | links), "-comp", compressor, "-b", "4096")

    def read(seed: int) -> list[int]:
        numbers = random.Random(seed).choices(range(300), k=300)
        return [
            n for n in numbers if base.read(f"usr/m{n % 7}/{n}") != files[f"usr/share/d{n % 7}/{n}"]
        ]

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with open_base(image) as base, ThreadPoolExecutor(6) as pool:
            assert list(pool.map(read, range(30))) == [[]] * 30
    finally:
        sys.setswitchinterval(before)
