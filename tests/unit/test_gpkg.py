"""The gpkg container, and how each of its promises is held to."""

from __future__ import annotations

import pytest

from sysextlib.binpkg.container import open_binpkg
from sysextlib.binpkg.place import Limits
from sysextlib.errors import PackageError
from sysextlib.tree import file_entry
from tests.builders.binpkg import (
    PackageSpec,
    gpkg_bytes,
    gpkg_container,
    gpkg_members,
    manifest_line,
    metadata_tar,
    plain_tar,
)

SPEC = PackageSpec(
    cpv="sys-fs/zfs-2.4.3-r1",
    metadata={
        "SLOT": "0/5",
        "USE": "amd64 kernel-builtin",
        "IUSE": "+rootfs kernel-builtin",
        "RDEPEND": "sys-apps/util-linux:=\n\tsys-libs/zlib",
        "DEFINED_PHASES": "compile install",
        "repository": "portage-stable",
        "environment.bz2": b"BZh\xff\xfe",
        "LICENSE": "CDDL",
    },
    entries=(file_entry("usr/bin/zfs", b"zfs"),),
    build_id=3,
)
SIGNATURE = "-----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----\n"


def opened(tmp_path, data):
    path = tmp_path / "p.gpkg.tar"
    path.write_bytes(data)
    return open_binpkg(path)


def refusal(tmp_path, data):
    with pytest.raises(PackageError) as caught:
        opened(tmp_path, data).unpack(tmp_path)
    assert caught.value.facts["file"].endswith("p.gpkg.tar")
    assert caught.value.hint
    return caught.value.brief


def container(**changes):
    """Return a gpkg with some members replaced, or left out where None; its Manifest fits."""
    members = {
        name: data for name, data in {**gpkg_members(SPEC), **changes}.items() if data is not None
    }
    return gpkg_container(members, folder="zfs-2.4.3-r1-3")


def manifest():
    return "".join(manifest_line(n, d) for n, d in gpkg_members(SPEC).items())


def with_manifest(text):
    return gpkg_container(gpkg_members(SPEC), folder="zfs-2.4.3-r1-3", manifest=text.encode())


def test_metadata_becomes_a_package(tmp_path):
    binary = opened(tmp_path, gpkg_bytes(SPEC))
    package = binary.package
    assert str(package.cpv) == "sys-fs/zfs-2.4.3-r1"
    assert (package.slot, package.subslot, package.repo) == ("0", "5", "portage-stable")
    assert package.use == {"amd64", "kernel-builtin"}
    assert package.iuse == {"rootfs", "kernel-builtin"}
    assert package.rdepend == "sys-apps/util-linux:= sys-libs/zlib"
    assert package.defined_phases == {"compile", "install"}
    assert (package.build_id, package.build_time) == (3, 1700000000)
    assert package.value("LICENSE") == "CDDL"
    assert binary.metadata["environment.bz2"] == b"BZh\xff\xfe"
    assert binary.metadata["RDEPEND"] == b"sys-apps/util-linux:=\n\tsys-libs/zlib\n"


def test_name_of_the_file_does_not_matter(tmp_path):
    path = tmp_path / "anything.xpak"
    path.write_bytes(gpkg_bytes(SPEC))
    assert open_binpkg(path).package.cpv.name == "zfs"


def test_signatures_are_tolerated_and_told(tmp_path):
    members = gpkg_members(SPEC)
    members["metadata.tar.zst.sig"] = members["image.tar.zst.sig"] = b"sig"
    lines = "".join(manifest_line(n, d) for n, d in members.items())
    text = f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{lines}{SIGNATURE}"
    data = gpkg_container(members, folder="f", manifest=text.encode())
    assert opened(tmp_path, data).signatures == ("Manifest", "image.tar.zst", "metadata.tar.zst")
    assert opened(tmp_path, gpkg_bytes(SPEC)).signatures == ()


def test_signed_manifest_without_its_end_is_refused(tmp_path):
    text = f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{manifest()}"
    assert "signature is not whole" in refusal(tmp_path, with_manifest(text))


@pytest.mark.parametrize("name", ["gpkg-1", "metadata.tar.zst", "image.tar.zst"])
def test_missing_member_is_refused(tmp_path, name):
    assert name.split(".")[0] in refusal(tmp_path, container(**{name: None}))


def test_missing_manifest_is_refused(tmp_path):
    data = gpkg_container(gpkg_members(SPEC), folder="f", manifest=b"")
    assert "no Manifest" in refusal(tmp_path, data)


def test_member_that_the_manifest_does_not_list_is_refused(tmp_path):
    members = {**gpkg_members(SPEC), "extra": b"x"}
    data = gpkg_container(members, folder="f", manifest=manifest().encode())
    assert "missing from its Manifest" in refusal(tmp_path, data)


def test_member_that_only_the_manifest_has_is_refused(tmp_path):
    text = manifest() + manifest_line("extra", b"x")
    assert "missing from the file" in refusal(tmp_path, with_manifest(text))


@pytest.mark.parametrize("name", ["gpkg-1", "metadata.tar.zst", "image.tar.zst"])
@pytest.mark.parametrize("digest", ["BLAKE2B", "SHA512"])
def test_wrong_digest_of_any_member_is_refused(tmp_path, name, digest):
    lines = []
    for line in manifest().splitlines():
        words = line.split()
        if words[1] == name:
            at = words.index(digest) + 1
            words[at] = ("0" if words[at][0] != "0" else "1") + words[at][1:]
        lines.append(" ".join(words))
    assert f"{digest} is not what" in refusal(tmp_path, with_manifest("\n".join(lines) + "\n"))
    assert [p.name for p in tmp_path.iterdir()] == ["p.gpkg.tar"]


def test_wrong_size_is_refused(tmp_path):
    size = len(gpkg_members(SPEC)["image.tar.zst"])
    text = manifest().replace(f"image.tar.zst {size}", f"image.tar.zst {size + 1}")
    assert "size is not what" in refusal(tmp_path, with_manifest(text))


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("DATA x", "damaged"),
        ("DATA x 1 BLAKE2B", "damaged"),
        ("DIST x 1 BLAKE2B 00 SHA512 00", "damaged"),
        ("DATA x one BLAKE2B 00 SHA512 00", "damaged"),
        ("DATA gpkg-1 0 BLAKE2B 00 SHA512 00", "twice"),
        ("DATA x 1 SHA1 00", "neither BLAKE2B nor SHA512"),
        (f"DATA x {'9' * 30} SHA512 00", "out of range"),
    ],
)
def test_damaged_manifest_is_refused(tmp_path, line, rule):
    assert rule in refusal(tmp_path, with_manifest(manifest() + line + "\n"))


def test_image_that_is_damaged_inside_a_wrong_digest_is_reported_by_its_digest(tmp_path):
    members = gpkg_members(SPEC)
    image = bytearray(members["image.tar.zst"])
    image[10] ^= 0xFF
    members["image.tar.zst"] = bytes(image)
    data = gpkg_container(members, folder="f", manifest=manifest().encode())
    assert "is not what the Manifest says" in refusal(tmp_path, data)


@pytest.mark.parametrize(
    ("names", "rule"),
    [
        (["a/gpkg-1", "b/Manifest"], "one folder"),
        (["gpkg-1"], "one folder"),
        (["a/b/gpkg-1"], "one folder"),
        (["/gpkg-1"], "one folder"),
        (["../gpkg-1"], "one folder"),
        (["a/gpkg-1", "a/gpkg-1"], "same name"),
        (["a/x"], "no member gpkg-1"),
        ([], "neither|folder"),
    ],
)
def test_container_of_another_shape_is_refused(tmp_path, names, rule):
    brief = refusal(tmp_path, plain_tar((name, b"") for name in names))
    assert any(word in brief for word in rule.split("|"))


def test_two_images_are_refused(tmp_path):
    assert "one image.tar" in refusal(tmp_path, container(**{"image.tar.gz": b"x"}))


@pytest.mark.parametrize(
    ("members", "rule"),
    [
        ([("metadata/../x", b"")], "metadata key"),
        ([("metadata/a/b", b"")], "metadata key"),
        ([("other/PF", b"")], "below metadata/"),
        ([("metadata/PF", b"a"), ("metadata/PF", b"b")], "same name"),
        ([("metadata/PF", b"zfs-1")], "CATEGORY"),
        ([("metadata/PF", b"zfs"), ("metadata/CATEGORY", b"sys-fs")], "version"),
        (
            [("metadata/PF", b"a-1"), ("metadata/CATEGORY", b"b"), ("metadata/SLOT", b"-")],
            "is no slot",
        ),
        (
            [("metadata/PF", b"a-1"), ("metadata/CATEGORY", b"b"), ("metadata/USE", b"\xff")],
            "not UTF-8",
        ),
        (
            [("metadata/PF", b"a-1"), ("metadata/CATEGORY", b"b"), ("metadata/BUILD_ID", b"x")],
            "is no number",
        ),
        (
            [("metadata/PF", b"a-1"), ("metadata/CATEGORY", b"b"), ("metadata/EAPI", b"99")],
            "EAPI",
        ),
    ],
)
def test_bad_metadata_is_refused(tmp_path, members, rule):
    data = gpkg_container(
        {"gpkg-1": b"", "metadata.tar": plain_tar(members), "image.tar": plain_tar([])},
        folder="f",
    )
    with pytest.raises(PackageError) as caught:
        opened(tmp_path, data)
    assert rule in caught.value.brief


def test_metadata_that_is_too_large_is_refused(tmp_path):
    data = container(**{"metadata.tar.zst": None, "metadata.tar": metadata_tar({"A": bytes(9999)})})
    path = tmp_path / "p.gpkg.tar"
    path.write_bytes(data)
    with pytest.raises(PackageError, match="more than the allowed"):
        open_binpkg(path, limits=Limits(metadata=5000))


def test_file_that_is_cut_anywhere_is_refused(tmp_path):
    data = gpkg_bytes(SPEC)
    end = len(data.rstrip(b"\0"))
    for size in range(0, end, 97):
        refusal(tmp_path, data[:size])


def test_bytes_after_the_end_are_refused(tmp_path):
    assert "goes on after the end" in refusal(tmp_path, gpkg_bytes(SPEC) + b"more")


def test_absent_file_is_a_package_error(tmp_path):
    with pytest.raises(PackageError, match="cannot be read"):
        open_binpkg(tmp_path / "none")
    with pytest.raises(PackageError):
        open_binpkg(tmp_path)
