import json
from types import MappingProxyType

import pytest

from sysextlib.findings import Finding
from sysextlib.gentoo.cpv import Cpv
from sysextlib.gentoo.package import Package
from sysextlib.report.contents import (
    ContentsOptions,
    contents_text,
    contents_wtd_text,
    directory_size,
    names_by_id,
)
from sysextlib.report.disk_usage import disk_usage_text, human
from sysextlib.report.dropped import DroppedPath, dropped_text
from sysextlib.report.manifest import (
    File,
    Manifest,
    ManifestPackage,
    SigningKeyUsed,
    manifest_json,
)
from sysextlib.report.packages import packages_text
from sysextlib.resolve.plan import MergeStep
from sysextlib.tree import Content, Entry, Kind, Tree, directory_entry, file_entry, link_entry

OPTIONS = ContentsOptions(root_mtime=0, users={0: "root"}, groups={0: "root", 5: "tty"})
TREE = Tree(
    [
        directory_entry("usr", mtime=60),
        directory_entry("usr/bin", mtime=60),
        Entry(path="usr/bin/su", kind=Kind.FILE, mode=0o4755, content=Content.of(b"x" * 70), gid=5),
        Entry(path="usr/bin/a", kind=Kind.FILE, mode=0o644, content=Content.of(b""), hardlink="h"),
        Entry(path="usr/bin/b", kind=Kind.FILE, mode=0o644, content=Content.of(b""), hardlink="h"),
        link_entry("usr/bin/sh", "bash", mtime=1700000000),
        Entry(path="usr/dev", kind=Kind.CHARDEV, mode=0o600, device=(1, 3), uid=1000),
    ]
)


def test_contents_are_the_columns_of_upstreams_find():
    assert contents_text(TREE, OPTIONS) == (
        "drwxr-xr-x  3 root    root         42 1970-01-01 00:00 ./\n"
        "drwxr-xr-x  3 root    root         57 1970-01-01 00:01 ./usr\n"
        "drwxr-xr-x  2 root    root         81 1970-01-01 00:01 ./usr/bin\n"
        "-rw-r--r--  2 root    root          0 1970-01-01 00:00 ./usr/bin/a\n"
        "-rw-r--r--  2 root    root          0 1970-01-01 00:00 ./usr/bin/b\n"
        "lrwxrwxrwx  1 root    root          4 2023-11-14 22:13 ./usr/bin/sh -> bash\n"
        "-rwsr-xr-x  1 root    tty          70 1970-01-01 00:00 ./usr/bin/su\n"
        "crw-------  1 1000    root          0 1970-01-01 00:00 ./usr/dev\n"
    )


def test_technical_details_number_the_inodes_and_hard_links_share_one():
    assert contents_wtd_text(TREE) == (
        "drwxr-xr-x 0 1 3 42 ./\n"
        "drwxr-xr-x 0 2 3 57 ./usr\n"
        "drwxr-xr-x 0 3 2 81 ./usr/bin\n"
        "-rw-r--r-- 0 4 2 0 ./usr/bin/a\n"
        "-rw-r--r-- 0 4 2 0 ./usr/bin/b\n"
        "lrwxrwxrwx 0 5 1 4 ./usr/bin/sh\n"
        "-rwsr-xr-x 0 6 1 70 ./usr/bin/su\n"
        "crw------- 0 7 1 0 ./usr/dev\n"
    )


def test_a_newline_in_a_name_does_not_make_a_second_line():
    tree = Tree([file_entry("usr/a\nb", b"")])
    assert contents_text(tree, OPTIONS).splitlines()[-1].endswith(" ./usr/a\\012b")


def test_a_backslash_in_a_unit_name_stays_as_it_is():
    tree = Tree([file_entry("usr/dev-a\\x2db.swap", b"")])
    assert contents_text(tree, OPTIONS).splitlines()[-1].endswith(" ./usr/dev-a\\x2db.swap")


def test_a_directory_that_outgrows_a_block_starts_the_next_one():
    assert directory_size([]) == 27
    assert directory_size([b"a" * 244] * 15) == 27 + 15 * 256
    assert directory_size([b"a" * 244] * 16) == 4096 + 256


def test_names_come_from_passwd_or_group_files():
    assert names_by_id(
        b"root:x:0:0::/:/\ntoor:x:0:0\nbad\n:x:7\nq:x:-1\nl:x:"
        + b"9" * 5000
        + b"\nsvc:x:990:990\xff\n"
    ) == {
        0: "root",
        990: "svc",
    }


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0"),
        (1023, "1023"),
        (1024, "1.0K"),
        (1025, "1.1K"),
        (10188, "10K"),
        (10240, "10K"),
        (10241, "11K"),
        (1024 * 1023, "1023K"),
        (1024 * 1023 + 1, "1.0M"),
        (1024**2, "1.0M"),
        (134_500_000, "129M"),
        (2**40 + 1, "1.1T"),
    ],
)
def test_sizes_are_rounded_up_as_df_does(size, text):
    assert human(size) == text


def test_disk_usage_is_dfs_table():
    assert disk_usage_text(27 << 20) == (
        "File  Size  Used Avail Use% Type\n/      27M   27M     0 100% erofs\n"
    )


def test_packages_are_sorted_by_version_not_by_text():
    packages = [
        Package(cpv=Cpv.parse(text), repo="demo")
        for text in ("b/c-1.10", "b/c-1.9", "a/z-2", "b/c-1.9-r1")
    ]
    assert packages_text(packages) == (
        "a/z-2::demo\nb/c-1.9::demo\nb/c-1.9-r1::demo\nb/c-1.10::demo\n"
    )


def test_dropped_paths_are_sorted_and_each_is_one_line():
    assert (
        dropped_text(
            [
                DroppedPath("usr/b", "a/b-1", "removed by the definition"),
                DroppedPath("etc/a\n", "a/b-1", "outside /usr"),
                DroppedPath("etc/a\n", "a/b-1", "outside /usr"),
            ]
        )
        == "etc/a\\012\ta/b-1\toutside /usr\nusr/b\ta/b-1\tremoved by the definition\n"
    )


def manifest(**changes):
    step = MergeStep(
        Package(
            cpv=Cpv.parse("sys-fs/zfs-2.4.3"),
            repo="demo",
            iuse=frozenset({"b", "a", "off"}),
            use=frozenset({"a", "b", "amd64"}),
        ),
        ("asked for",),
    )
    values = {
        "name": "zfs",
        "board": "demo-amd64",
        "arch": "amd64",
        "order": {"compression": "lz4hc", "packages": ("sys-fs/zfs",)},
        "inputs": {"base": (File(name="base.squashfs", size=1, sha256="aa"),)},
        "base": MappingProxyType({"ID": "demo", "VERSION_ID": "1"}),
        "packages": (ManifestPackage.of(step, File(name="zfs.gpkg.tar", size=2, sha256="bb")),),
        "release": {"ID": "demo"},
        "tools": {"mkfs.erofs": "1.8.6"},
        "keys": (SigningKeyUsed(purpose="payload", fingerprint="cc"),),
        "findings": (Finding("z", "s", "m"), Finding("a", "s", "m")),
        "outputs": (File(name="b", size=1, sha256="1"), File(name="a", size=1, sha256="2")),
    }
    return Manifest(**{**values, **changes})


def test_the_manifest_is_json_with_everything_that_went_in():
    found = json.loads(manifest_json(manifest()))
    assert found["packages"] == [
        {
            "cpv": "sys-fs/zfs-2.4.3",
            "repo": "demo",
            "slot": "0/0",
            "build_id": 0,
            "use": ["a", "b", "-off"],
            "reason": ["asked for"],
            "file": {"name": "zfs.gpkg.tar", "size": 2, "sha256": "bb"},
        }
    ]
    assert found["base"] == {"ID": "demo", "VERSION_ID": "1"}
    assert found["order"]["packages"] == ["sys-fs/zfs"]
    assert [item["code"] for item in found["findings"]] == ["a", "z"]
    assert [item["name"] for item in found["outputs"]] == ["a", "b"]
    assert found["format"] == 1


def test_the_order_in_which_mappings_and_findings_were_made_does_not_show():
    first = manifest(tools={"a": "1", "b": "2"})
    other = manifest(tools={"b": "2", "a": "1"}, findings=first.findings[::-1])
    assert manifest_json(first) == manifest_json(other)


def test_a_file_with_a_folder_in_its_name_is_a_bug():
    with pytest.raises(AssertionError, match="differ between machines"):
        File(name="/home/me/base.squashfs", size=1, sha256="")
