"""Laying out any tree and reading it back gives that tree."""

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from sysextlib.edit.layout import lay_out, read_back
from sysextlib.tree import Entry, Kind, Tree, directory_entry, file_entry, link_entry

names = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=("Cs",)), min_size=1, max_size=20
).filter(lambda name: name not in {".", ".."} and len(name.encode()) < 200)
paths = st.lists(names, min_size=1, max_size=3).map("/".join)
modes = st.integers(0, 0o7777)
targets = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1)
EPOCH = 2_000_000_000


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    path, mode, mtime = draw(paths), draw(modes), draw(st.integers(0, EPOCH))
    match draw(st.sampled_from([Kind.FILE, Kind.DIRECTORY, Kind.SYMLINK, Kind.FIFO, Kind.CHARDEV])):
        case Kind.FILE:
            entry = file_entry(path, draw(st.binary(max_size=64)), mode=mode, mtime=mtime)
            entry = replace(entry, hardlink=draw(st.sampled_from(["", "", "alone-" + path])))
        case Kind.DIRECTORY:
            entry = directory_entry(path, mode=mode, mtime=mtime)
        case Kind.SYMLINK:
            entry = link_entry(path, draw(targets), mtime=mtime)
        case Kind.FIFO:
            entry = Entry(path=path, kind=Kind.FIFO, mode=mode, mtime=mtime)
        case _:
            entry = Entry(path=path, kind=Kind.CHARDEV, mode=mode, device=(0, 0))
    xattrs = tuple(sorted(draw(st.dictionaries(st.just("user.a"), st.binary(max_size=3))).items()))
    return replace(entry, uid=draw(st.integers(0, 1000)), gid=7, xattrs=xattrs)


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Entries of which none lies below another that is no folder."""
    chosen: dict[str, Entry] = {}
    for entry in draw(st.lists(entries(), max_size=8)):
        above = [p for p in chosen if entry.path.startswith(p + "/")]
        below = any(p.startswith(entry.path + "/") for p in chosen)
        blocked = any(chosen[p].kind is not Kind.DIRECTORY for p in above)
        if not blocked and not (below and entry.kind is not Kind.DIRECTORY):
            chosen[entry.path] = entry
    return Tree(chosen.values())


@settings(max_examples=150, deadline=None)
@given(trees())
def test_a_tree_that_nobody_touched_is_read_back_as_it_was(tree):
    with tempfile.TemporaryDirectory() as scratch:
        assert read_back(lay_out(tree, Path(scratch) / "root"), EPOCH) == tree


def test_a_scratch_folder_can_be_removed_after_reading_back(tmp_path):
    tree = Tree([directory_entry("a", mode=0), directory_entry("a/b", mode=0)])
    laid = lay_out(tree, tmp_path / "root")
    (tmp_path / "root/a/b").chmod(0)
    read_back(laid, EPOCH)
    shutil.rmtree(tmp_path / "root")
