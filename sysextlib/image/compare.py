"""Compares what an image holds with the tree that it was made from."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from sysextlib.errors import ImageError, ToolError, VerifyError
from sysextlib.system.run import run
from sysextlib.tree import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from sysextlib.image.ddi import Ddi
    from sysextlib.image.erofs_reader import ImageEntry
    from sysextlib.system.tools import Tools
    from sysextlib.tree import Entry, Tree

MOST_SHOWN = 10  # differing entries
BATCH = 1 << 20  # bytes that one thread hashes in a go
SMALL = 1 << 14  # bytes that a file counts for beside its own
LONGEST = 1800  # seconds for decompressing a file system


def compare_entries(tree: Tree, entries: Collection[ImageEntry]) -> None:
    """Compare all but contents.

    :raises ImageError: naming the first entries that differ, and how.
    """
    links: dict[str, int] = {}
    for entry in tree:
        if entry.hardlink:
            links[entry.hardlink] = links.get(entry.hardlink, 0) + 1
    found = {entry.path: entry for entry in entries if entry.path}
    faults = [f"{path}: not in the tree" for path in found if path not in tree]
    inodes: dict[int, str] = {}
    for entry in tree:
        image = found.get(entry.path)
        if image is None:
            faults.append(f"{entry.path}: not in the image")
            continue
        faults += [f"{entry.path}: {fault}" for fault in _differences(entry, image, links)]
        token = entry.hardlink or entry.path
        if inodes.setdefault(image.nid, token) != token:
            faults.append(f"{entry.path}: one inode with another file")
    if faults:
        raise _not_the_tree(faults)


def compare_contents(
    tree: Tree,
    entries: Collection[ImageEntry],
    ddi: Ddi,
    *,
    tools: Tools,
    jobs: int,
    scratch: Path | None,
) -> None:
    """Compare the bytes of every file: where they lie, or as fsck.erofs decompresses them.

    :raises ImageError: naming the first files that differ.
    """
    files = {entry.nid: entry for entry in entries if entry.kind is Kind.FILE}.values()
    plain = [entry for entry in files if entry.extents is not None]
    packed = [entry for entry in files if entry.extents is None]
    erofs = ddi.erofs()
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        digests = list(_each(pool, erofs.sha256, plain))
        if packed:
            with extracted(ddi, tools, scratch or ddi.path.parent, entries) as folder:
                digests += _each(pool, lambda entry: _sha256(f"{folder}/{entry.path}"), packed)
    faults = []
    for entry, digest in digests:
        content = tree[entry.path].content
        if content is None or content.sha256 != digest:
            faults.append(f"{entry.path}: other bytes")
    if faults:
        raise _not_the_tree(faults)


def _each(
    pool: ThreadPoolExecutor, sha256: Callable[[ImageEntry], str], entries: Iterable[ImageEntry]
) -> Iterator[tuple[ImageEntry, str]]:
    """Hash files side by side."""
    batches = list(_batches(entries))
    hashed = pool.map(lambda batch: [(entry, sha256(entry)) for entry in batch], batches)
    return itertools.chain.from_iterable(hashed)


def _batches(entries: Iterable[ImageEntry]) -> Iterator[list[ImageEntry]]:
    """Group small files: handing one to a thread costs more than hashing it."""
    batch: list[ImageEntry] = []
    size = 0
    for entry in entries:
        batch.append(entry)
        size += SMALL + entry.size
        if size >= BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


@contextlib.contextmanager
def extracted(
    ddi: Ddi, tools: Tools, parent: Path, entries: Collection[ImageEntry]
) -> Iterator[Path]:
    """Lay the file system out in a folder for the length of the block, readable by this user.

    Its names must have been checked by the reader before.
    """
    scratch = Path(tempfile.mkdtemp(dir=parent, prefix=".verify-"))
    folder = scratch / "root"
    try:
        _fsck(ddi, tools, f"--extract={folder}", "--no-preserve", "--no-xattrs")
        for entry in entries:
            if entry.kind is Kind.DIRECTORY and entry.mode & 0o700 != 0o700:
                (folder / entry.path).chmod(0o700)
            elif entry.kind is Kind.FILE and not entry.mode & 0o400:
                (folder / entry.path).chmod(0o600)
        yield folder
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def decode(ddi: Ddi, tools: Tools) -> None:
    """Have every file decompressed, to nowhere.

    :raises VerifyError: fsck.erofs refuses the file system.
    """
    _fsck(ddi, tools, "--extract")


def _fsck(ddi: Ddi, tools: Tools, *options: str) -> None:
    argv = tools.argv("fsck.erofs")
    try:
        run(
            [*argv, f"--offset={ddi.data.offset}", *options, ddi.path],
            name="fsck.erofs",
            timeout=LONGEST,
        )
    except ToolError as error:
        facts = {"file": ddi.path, **error.facts}
        raise VerifyError("fsck.erofs refuses the file system", facts) from error


def _differences(entry: Entry, image: ImageEntry, links: Mapping[str, int]) -> Iterator[str]:
    kinds = (entry.kind, image.kind)
    pairs = {
        "type": kinds,
        "mode": (f"{entry.mode:04o}", f"{image.mode:04o}"),
        "owner": (f"{entry.uid}:{entry.gid}", f"{image.uid}:{image.gid}"),
        "mtime": (entry.mtime, image.mtime),
        "target": (entry.target, image.target),
        "size": (entry.size, image.size),
        "xattrs": (entry.xattrs, image.xattrs),
    }
    if entry.kind is not Kind.DIRECTORY:
        pairs["links"] = (links.get(entry.hardlink, 1), image.nlink)
    for name, (wanted, found) in pairs.items():
        if wanted != found:
            yield f"{name} {found!r:.100}, wanted {wanted!r:.100}"


def _not_the_tree(faults: list[str]) -> ImageError:
    shown = "\n".join(faults[:MOST_SHOWN])
    more = f"\nand {len(faults) - MOST_SHOWN} more" if len(faults) > MOST_SHOWN else ""
    hint = "mkfs.erofs dropped or changed them: look at --mkerofs_opts"
    return ImageError("the image does not hold the tree", {"entries": shown + more}, hint)


def _sha256(path: str) -> str:
    with open(path, "rb") as stream:  # noqa: PTH123 - a Path takes as long as the reading
        return hashlib.file_digest(stream, "sha256").hexdigest()
