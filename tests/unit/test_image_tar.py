"""What an image may hold, in both formats, and what is refused."""

from __future__ import annotations

import io
import re
import tarfile
from dataclasses import replace

import pytest

from sysextlib.binpkg.container import open_binpkg
from sysextlib.binpkg.place import Limits
from sysextlib.errors import OutputError, PackageError
from sysextlib.tree import Entry, Kind, directory_entry, file_entry, link_entry
from tests.builders.binpkg import (
    PackageSpec,
    compress,
    gpkg_container,
    gpkg_members,
    linked,
    package_bytes,
    xpak_segment,
)

CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")
ENTRIES = (
    directory_entry("usr", mtime=5),
    directory_entry("usr/bin", mode=0o711),
    replace(file_entry("usr/bin/su", b"root", mode=0o4755, mtime=7), uid=1000, gid=4000000000),
    *linked(file_entry("usr/bin/b", b"same"), file_entry("usr/bin/a", b"same")),
    link_entry("usr/bin/ln", "../lib/../far"),
    replace(file_entry("usr/bin/ping", b"p"), xattrs=(("security.capability", CAPABILITY),)),
    Entry(path="usr/pipe", kind=Kind.FIFO, mode=0o600),
    file_entry("usr/ü" + "n" * 200, b"long name"),
    file_entry("usr/" + "d" * 90 + "/" + "e" * 150, b"deep"),
    file_entry("usr/empty", b""),
)


def unpack(tmp_path, data, **options):
    path = tmp_path / "package"
    path.write_bytes(data)
    spool = tmp_path / "spool"
    spool.mkdir(exist_ok=True)
    limits = options.pop("limits", None)
    return open_binpkg(path, limits=limits).unpack(spool, **options)


def with_image(image, form="gpkg", compression="none"):
    """Return a package whose image is this tar, in a container that is right."""
    spec = PackageSpec(cpv="app-test/thing-1", form=form, compression=compression)
    packed = compress(image, compression)
    if form == "xpak":
        return packed + xpak_segment(spec.vdb())
    members = gpkg_members(spec)
    members[next(name for name in members if name.startswith("image"))] = packed
    return gpkg_container(members, folder="thing-1")


def tar_of(*members, form=tarfile.PAX_FORMAT):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for info, data in members:
            info.size = len(data) if data else info.size
            tar.addfile(info, io.BytesIO(data) if data else None)
    return buffer.getvalue()


def member(name, data=b"", form=tarfile.REGTYPE, **fields):
    info = tarfile.TarInfo(name)
    info.type = form
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def refusal(tmp_path, data, **options):
    with pytest.raises(PackageError) as caught:
        unpack(tmp_path, data, **options)
    assert not list((tmp_path / "spool").iterdir())
    return caught.value


@pytest.mark.parametrize("compression", ["none", "zstd", "gzip", "bzip2", "xz"])
@pytest.mark.parametrize("form", ["gpkg", "xpak"])
def test_every_kind_of_entry_comes_out_as_it_went_in(tmp_path, form, compression):
    spec = PackageSpec(cpv="app-test/thing-1", entries=ENTRIES, form=form, compression=compression)
    image = unpack(tmp_path, package_bytes(spec))
    found = {entry.path: entry for entry in image.entries}
    assert found == {entry.path: entry for entry in ENTRIES}
    for entry in ENTRIES:
        if entry.content:
            assert found[entry.path].content.read() == entry.content.data
    assert {entry.origin for entry in image.entries} == {"app-test/thing-1"}


def test_one_spool_file_holds_all_contents(tmp_path):
    spec = PackageSpec(cpv="app-test/thing-1", entries=ENTRIES)
    image = unpack(tmp_path, package_bytes(spec))
    assert list((tmp_path / "spool").iterdir()) == [image.spool]
    assert {e.content.spool for e in image.entries if e.content} == {image.spool}


@pytest.mark.parametrize(
    ("bad", "rule"),
    [
        (member("/etc/passwd"), "outside image/|absolute"),
        (member("image//etc/passwd"), "empty part"),
        (member("image/../etc/passwd"), "leaves the root"),
        (member("image/usr/../../x"), "leaves the root"),
        (member("image/usr/./x"), "empty part"),
        (member("images/x"), "outside image/"),
        (member("image/usr/" + "n" * 256), "too long"),
        (member("image/" + "d/" * 2100 + "f"), "too long"),
        (member("image/" + "d/" * 129 + "f"), "more than 128 folders deep"),
        (member("image/usr/line\nfeed"), "line feed"),
        (member("image/dev/null", form=tarfile.CHRTYPE), "character device"),
        (member("image/dev/sda", form=tarfile.BLKTYPE), "block device"),
        (member("image/l", form=tarfile.SYMTYPE, linkname=""), "target"),
        (member("image/l", form=tarfile.LNKTYPE, linkname="image/none"), "hard link"),
        (member("image/l", form=tarfile.LNKTYPE, linkname="/etc/shadow"), "absolute"),
        (member("image/l", form=tarfile.LNKTYPE, linkname="image/../x"), "leaves the root"),
        (member("image/l", form=tarfile.LNKTYPE, linkname="image/usr"), "hard link"),
        (member("image/c", form=b"D"), "unknown type"),
        (member("image/c", form=b"V"), "unknown type"),
        (member("image", b"x"), "root is a file"),
        (member("image/x", uid=0xFFFFFFFF), "owner"),
        (member("image/x", uid=-1), "owner"),
        (member("image/x", pax_headers={"SCHILY.acl.access": "user::rw-"}), "SCHILY.acl"),
        (member("image/x", pax_headers={"SCHILY.xattr.user.a": "v" * 70000}), "attribute"),
        (member("image/x", pax_headers={"uid": "ten"}), "uid is not a number"),
        (member("image/x", pax_headers={"comment": "c" * 1100000}), "header is too large"),
    ],
)
def test_hostile_member_is_refused(tmp_path, bad, rule):
    image = tar_of(member("image/usr", form=tarfile.DIRTYPE), bad)
    error = refusal(tmp_path, with_image(image))
    assert re.search(rule, error.brief), error
    assert error.facts["file"].endswith("package")
    assert error.facts["part"] == "image.tar"


@pytest.mark.parametrize(("form", "rule"), [(b"0", "a member's size"), (b"L", "header's size")])
def test_negative_size_is_refused(tmp_path, form, rule):
    info, _ = member("image/x", form=form)
    block = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
    block[124:136] = (-1024).to_bytes(12, "big", signed=True)  # GNU's base 256
    block[148:156] = b"%06o\0 " % (sum(block) - sum(block[148:156]) + 8 * ord(" "))
    error = refusal(tmp_path, with_image(bytes(block) + bytes(4096)))
    assert f"{rule} is negative" in error.brief


def test_member_that_is_not_utf8_is_refused_and_shown_escaped(tmp_path):
    name = b"image/usr/\xff\xfe".decode("utf-8", "surrogateescape")
    image = tar_of(member(name), form=tarfile.GNU_FORMAT)
    error = refusal(tmp_path, with_image(image))
    assert "not UTF-8" in error.brief
    assert error.facts["member"] == r"image/usr/\xff\xfe"


@pytest.mark.parametrize("order", [1, -1])
def test_member_below_a_symlink_of_the_same_package_is_refused_in_either_order(tmp_path, order):
    link = member("image/usr/lib", form=tarfile.SYMTYPE, linkname="/etc")
    members = [link, member("image/usr/lib/passwd", b"x")][::order]
    error = refusal(tmp_path, with_image(tar_of(*members)))
    assert "below a symlink" in error.brief
    assert error.facts["below"] == "usr/lib"


def test_member_below_a_file_of_the_same_package_is_refused(tmp_path):
    image = tar_of(member("image/usr", b"x"), member("image/usr/lib/x", b"x"))
    assert "below a file" in refusal(tmp_path, with_image(image)).brief


@pytest.mark.parametrize("second", [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.LNKTYPE])
def test_second_member_of_one_name_is_refused(tmp_path, second):
    image = tar_of(
        member("image/a", b"x"), member("image/b", b"x"),
        member("image/b", form=second, linkname="image/a"),
    )  # fmt: skip
    assert "same name" in refusal(tmp_path, with_image(image)).brief


def test_device_nodes_are_entries_where_they_are_allowed(tmp_path):
    node = Entry(path="dev/null", kind=Kind.CHARDEV, mode=0o666, device=(1, 3))
    spec = PackageSpec(cpv="app-test/thing-1", entries=(directory_entry("dev"), node))
    image = unpack(tmp_path, package_bytes(spec), allow_devices=True)
    assert image.entries[1] == node


@pytest.mark.parametrize("form", ["gpkg", "xpak"])
@pytest.mark.parametrize("compression", ["none", "zstd", "gzip", "bzip2", "xz"])
def test_image_that_ends_early_is_refused_at_every_layer(tmp_path, form, compression):
    image = tar_of(*(member(f"image/{n}", bytes([n]) * 3000) for n in range(20)))
    end = -(-len(image.rstrip(b"\0")) // 512) * 512 + 1024  # without the padding of the record
    whole = compress(image[:end], compression)
    for cut in (1, 9, len(whole) // 2, len(whole) - 1):
        spec = PackageSpec(cpv="app-test/thing-1", form=form, compression=compression)
        data = whole[:cut]
        if form == "xpak":
            package = data + xpak_segment(spec.vdb())
        else:
            members = gpkg_members(spec)
            members[list(members)[-1]] = data
            package = gpkg_container(members, folder="thing-1")
        refusal(tmp_path, package)


def test_tar_without_its_end_is_refused(tmp_path):
    image = tar_of(member("image/a", b"x"))
    assert "ends early" in refusal(tmp_path, with_image(image[:1024])).brief


def test_tar_that_goes_on_after_its_end_is_refused(tmp_path):
    image = tar_of(member("image/a", b"x")) + tar_of(member("image/b", b"x"))
    assert "goes on after the end" in refusal(tmp_path, with_image(image)).brief


def test_member_that_is_larger_than_its_archive_is_refused(tmp_path):
    info, _ = member("image/a", size=1 << 40)
    image = info.tobuf(tarfile.GNU_FORMAT) + bytes(2048)
    assert "ends early" in refusal(tmp_path, with_image(image)).brief


def test_damaged_header_is_refused_and_not_taken_for_the_end(tmp_path):
    image = bytearray(tar_of(member("image/a", b"x"), member("image/b", b"x")))
    image[1024] ^= 1
    assert "checksum" in refusal(tmp_path, with_image(bytes(image))).brief


@pytest.mark.parametrize("compression", ["zstd", "gzip", "bzip2", "xz"])
def test_image_that_unpacks_to_more_than_is_allowed_is_refused(tmp_path, compression):
    image = tar_of(member("image/zeros", bytes(8 << 20)))
    data = with_image(image, compression=compression)
    error = refusal(tmp_path, data, limits=Limits(unpacked=4 << 20))
    assert "more than the allowed" in error.brief
    error = refusal(tmp_path, data, limits=Limits(ratio=10, ratio_free=1000))
    assert "more than the allowed" in error.brief


def test_too_many_members_are_refused(tmp_path):
    image = tar_of(*(member(f"image/{n}") for n in range(12)))
    error = refusal(tmp_path, with_image(image), limits=Limits(members=10))
    assert "too many members" in error.brief


def test_unsupported_compression_is_named(tmp_path):
    spec = PackageSpec(cpv="app-test/thing-1", form="xpak")
    package = b"\x04\x22\x4d\x18" + bytes(100) + xpak_segment(spec.vdb())
    assert "lz4" in refusal(tmp_path, package).brief


def test_spool_folder_that_cannot_be_written_is_an_output_error(tmp_path):
    path = tmp_path / "package"
    path.write_bytes(package_bytes(PackageSpec(cpv="app-test/thing-1", entries=ENTRIES)))
    with pytest.raises(OutputError, match="cannot be written"):
        open_binpkg(path).unpack(tmp_path / "absent")


def test_hard_links_in_any_order_share_the_least_path_as_token(tmp_path):
    names = ["usr/m", "usr/c", "usr/z", "usr/a"]
    entries = linked(*(file_entry(name, b"x") for name in names))
    image = unpack(tmp_path, package_bytes(PackageSpec(cpv="a/b-1", entries=entries)))
    assert {entry.hardlink for entry in image.entries} == {"usr/a"}


def test_hard_link_to_a_symlink_is_that_symlink(tmp_path):
    image = tar_of(
        member("image/a", form=tarfile.SYMTYPE, linkname="t"),
        member("image/b", form=tarfile.LNKTYPE, linkname="image/a"),
    )
    entries = unpack(tmp_path, with_image(image)).entries
    assert [(e.kind, e.target, e.hardlink) for e in entries] == [(Kind.SYMLINK, "t", "")] * 2


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_all_three_tar_formats_are_read(tmp_path, form):
    name = "image/" + "p" * 90 + "/" + "n" * 90
    image = tar_of(member(name, b"data", mtime=1700000000, uid=1, gid=2, mode=0o640), form=form)
    (entry,) = unpack(tmp_path, with_image(image)).entries
    assert (entry.path, entry.mtime, entry.uid, entry.gid, entry.mode) == (
        name[6:], 1700000000, 1, 2, 0o640,
    )  # fmt: skip
    assert entry.content.read() == b"data"


def test_times_are_whole_seconds_rounded_down(tmp_path):
    image = tar_of(member("image/a", mtime=1.9), member("image/b", mtime=-1.1))
    assert [e.mtime for e in unpack(tmp_path, with_image(image)).entries] == [1, -2]


def test_global_header_that_would_rename_members_is_refused(tmp_path):
    buffer = io.BytesIO()
    headers = {"path": "image/evil"}
    with tarfile.open(
        fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT, pax_headers=headers
    ) as tar:
        tar.addfile(tarfile.TarInfo("image/a"))
    assert "global" in refusal(tmp_path, with_image(buffer.getvalue())).brief
