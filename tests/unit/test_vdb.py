"""Entries of installed packages, and their CONTENTS."""

from __future__ import annotations

import hashlib

import pytest

from sysextlib.binpkg.contents import Owned, owned_by, parse_contents, render_contents
from sysextlib.binpkg.vdb import read_vdb, vdb_entries, vdb_tree
from sysextlib.errors import PackageError
from sysextlib.tree import Entry, Kind, Tree, directory_entry, file_entry, link_entry
from tests.builders.binpkg import PackageSpec

SPEC = PackageSpec(cpv="app-misc/jq-1.7-r1", metadata={"environment.bz2": b"\xff", "USE": "a"})
TREE = Tree(
    [
        directory_entry("usr"),
        file_entry("usr/a name with blanks 12 34", b"x", mtime=9),
        file_entry("usr/ü", b"", mtime=-1),
        link_entry("usr/link", "a b -> c", mtime=8),
        Entry(path="usr/pipe", kind=Kind.FIFO, mode=0o600),
        Entry(path="usr/null", kind=Kind.CHARDEV, mode=0o600, device=(1, 3)),
    ]
)


def vdb_of(spec):
    return {f"{spec.cpv}/{key}": data for key, data in spec.vdb().items()}


def test_contents_survive_writing_and_reading_but_for_an_arrow_in_a_target():
    owned = tuple(o for o in owned_by(TREE) if o.kind != "sym")
    assert parse_contents(render_contents(owned)) == tuple(sorted(owned, key=lambda o: o.path))


def test_contents_have_the_lines_of_each_kind():
    digest = hashlib.md5(b"x").hexdigest()
    assert render_contents(owned_by(TREE)).decode().splitlines() == [
        "dir /usr",
        f"obj /usr/a name with blanks 12 34 {digest} 9",
        "sym /usr/link -> a b -> c 8",
        "dev /usr/null",
        "fif /usr/pipe",
        "obj /usr/ü d41d8cd98f00b204e9800998ecf8427e -1",
    ]


def test_symlink_is_split_at_its_last_arrow():
    (owned,) = parse_contents(b"sym /a -> b -> c 5\n")
    assert owned == Owned(kind="sym", path="a -> b", target="c", mtime=5)


HUGE_TIME = f"obj /a {'0' * 32} {'9' * 5000}"


@pytest.mark.parametrize(
    "line", ["obj /a", "dir a", "sym /a 5", "xyz /a", "obj /a zz 5", HUGE_TIME]
)
def test_damaged_contents_are_refused_with_their_line(line):
    with pytest.raises(PackageError) as caught:
        parse_contents(f"dir /usr\n{line}\n".encode())
    assert caught.value.facts["line"] == "2"


def test_written_entry_is_read_back():
    (package,) = read_vdb(vdb_of(SPEC))
    entries = vdb_entries(package, SPEC.vdb(), TREE, 7)
    files = {e.path.removeprefix("var/db/pkg/"): e.content.read() for e in entries if e.content}
    assert read_vdb(files) == (package,)
    assert files["app-misc/jq-1.7-r1/COUNTER"] == b"7"
    assert files["app-misc/jq-1.7-r1/environment.bz2"] == b"\xff"
    assert parse_contents(files["app-misc/jq-1.7-r1/CONTENTS"])[0].path == "usr"


def test_entry_bears_no_time_but_the_packages_own():
    (package,) = read_vdb(vdb_of(SPEC))
    assert {e.mtime for e in vdb_entries(package, SPEC.vdb(), TREE, 1)} == {1700000000}


def test_entries_of_one_category_form_a_tree():
    specs = [SPEC, PackageSpec(cpv="app-misc/yq-1")]
    entries = [
        entry
        for number, spec in enumerate(specs, start=1)
        for entry in vdb_entries(read_vdb(vdb_of(spec))[0], spec.vdb(), (), number)
    ]
    assert "var/db/pkg/app-misc/yq-1/PF" in vdb_tree(entries)


def test_metadata_of_another_package_is_refused():
    (package,) = read_vdb(vdb_of(SPEC))
    with pytest.raises(PackageError, match="another package"):
        vdb_entries(package, {"PF": b"yq-1\n"}, (), 1)


def test_what_is_no_entry_is_passed_over():
    files = {
        **vdb_of(SPEC),
        "app-misc/-MERGING-yq-1/PF": b"yq-1\n",
        ".cache/x/y": b"",
        "app-misc/.jq.portage_lockfile": b"",
        "world": b"",
        "a/b/c/d": b"",
    }
    assert [str(p.cpv) for p in read_vdb(files)] == ["app-misc/jq-1.7-r1"]


def test_damaged_entry_is_named():
    with pytest.raises(PackageError) as caught:
        read_vdb({**vdb_of(SPEC), "app-misc/jq-1.7-r1/PF": b"other-1\n"})
    assert caught.value.facts["read from"] == "var/db/pkg/app-misc/jq-1.7-r1"
