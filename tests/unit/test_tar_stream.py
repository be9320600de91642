import io
import os
import tarfile
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysextlib.errors import ImageError
from sysextlib.image.tar_stream import entry_header, write_tar
from sysextlib.tree import Content, Entry, Kind, Tree, file_entry, link_entry
from tests.builders.tree import every_kind, noise, spooled

KINDS = {
    tarfile.REGTYPE: Kind.FILE,
    tarfile.DIRTYPE: Kind.DIRECTORY,
    tarfile.SYMTYPE: Kind.SYMLINK,
    tarfile.FIFOTYPE: Kind.FIFO,
    tarfile.CHRTYPE: Kind.CHARDEV,
}


def archive(tree: Tree) -> bytes:
    with tempfile.TemporaryFile() as stream:
        write_tar(tree, stream.fileno(), epoch=5)
        stream.seek(0)
        return stream.read()


def read_back(data: bytes) -> Tree:
    """Read an archive by Python's own tarfile."""
    entries: list[Entry] = []
    by_path: dict[str, Entry] = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for member in tar.getmembers()[1:]:
            if member.islnk():
                head = by_path[member.linkname]
                if not head.hardlink:
                    entries.remove(head)
                    head = replace(head, hardlink="a")
                    entries.append(head)
                    by_path[head.path] = head
                entries.append(replace(head, path=member.name))
                continue
            stream = tar.extractfile(member) if member.isfile() else None
            prefix = "SCHILY.xattr."
            xattrs = tuple(
                sorted(
                    (key.removeprefix(prefix), value.encode("utf-8", "surrogateescape"))
                    for key, value in member.pax_headers.items()
                    if key.startswith(prefix)
                )
            )
            entry = Entry(
                path=member.name,
                kind=KINDS[member.type],
                mode=member.mode,
                uid=member.uid,
                gid=member.gid,
                mtime=int(member.mtime),
                target=member.linkname,
                content=Content.of(stream.read()) if stream else None,
                xattrs=xattrs,
            )
            entries.append(entry)
            by_path[entry.path] = entry
    return Tree(entries)


def test_another_reader_sees_every_kind_of_entry():
    assert read_back(archive(every_kind())) == every_kind()


def test_archive_begins_with_the_root_and_ends_with_two_empty_blocks():
    data = archive(Tree([file_entry("usr/a", b"x")]))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        root = tar.getmembers()[0]
    assert (root.name, root.mode, root.uid, root.gid, root.mtime) == (".", 0o755, 0, 0, 5)
    assert data.endswith(bytes(1024))
    assert len(data) % 512 == 0


def test_contents_of_a_spool_file_are_sliced_out(tmp_path):
    files = {"usr/a": noise(100_000), "usr/b": b"", "usr/c": noise(511), "usr/d": noise(32768)}
    tree = spooled(files, tmp_path / "spool")
    found = read_back(archive(tree))
    assert {entry.path: entry.content.read() for entry in found if entry.content} == files


def test_more_spool_files_than_may_be_open_are_all_read(tmp_path):
    trees = [spooled({f"usr/{n}": noise(n + 1)}, tmp_path / str(n)) for n in range(70)]
    tree = Tree(entry for one in trees for entry in one if entry.kind is Kind.FILE)
    before = len(os.listdir("/proc/self/fd"))
    assert read_back(archive(tree)) == tree
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("size", [10, 100_000])
def test_a_spool_file_that_was_cut_short_is_an_error(tmp_path, size):
    tree = spooled({"usr/a": noise(size)}, tmp_path / "spool")
    os.truncate(tmp_path / "spool", size // 2)
    with pytest.raises(ImageError, match="cut short"):
        archive(tree)


@pytest.mark.parametrize("length", [98, 99, 100, 101, 255])
def test_names_and_targets_of_any_length_arrive(length):
    tree = Tree([link_entry("n" * length, "t" * length)])
    assert read_back(archive(tree)) == tree


def test_numbers_too_great_for_octal_fields_arrive():
    entry = Entry(path="a", kind=Kind.FIFO, mode=0o600, uid=2**32 - 2, gid=2**21, mtime=2**33)
    assert read_back(archive(Tree([entry]))) == Tree([entry])


def test_a_file_of_more_than_8_gib_states_its_size_in_a_record(tmp_path):
    content = Content(2**33, "0" * 64, spool=tmp_path / "absent")
    header = entry_header(Entry(path="a", kind=Kind.FILE, mode=0o644, content=content))
    assert b" size=8589934592\n" in header


def test_a_record_counts_its_own_digits():
    for size in (*range(80, 100), *range(970, 1000)):
        entry = Entry(path="a", kind=Kind.FIFO, mode=0, xattrs=(("user.x", b"v" * size),))
        record = entry_header(entry)[512:].split(b"\n")[0] + b"\n"
        assert int(record.split(b" ")[0]) == len(record)


def test_an_attribute_whose_name_breaks_the_record_is_refused():
    entry = Entry(path="usr/a", kind=Kind.FIFO, mode=0, xattrs=(("user.a=b", b""),), origin="x/y-1")
    with pytest.raises(ImageError, match="usr/a has an extended attribute") as caught:
        archive(Tree([entry]))
    assert caught.value.facts["from"] == "x/y-1"


NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1)


@given(NAMES.filter(lambda name: name not in {".", ".."} and len(name.encode()) < 255))
def test_any_name_arrives(name):
    tree = Tree([file_entry(f"usr/{name}", b"x")])
    assert read_back(archive(tree)) == tree


def test_order_of_entries_does_not_depend_on_how_they_were_given():
    entries = list(every_kind())
    assert archive(Tree(entries)) == archive(Tree(reversed(entries)))


def test_reading_the_stream_through_a_pipe_gives_the_same(tmp_path: Path):
    tree = spooled({"usr/a": noise(3000)}, tmp_path / "spool")
    source, sink = os.pipe()
    write_tar(tree, sink, epoch=5)
    os.close(sink)
    with os.fdopen(source, "rb") as stream:
        assert stream.read() == archive(tree)
