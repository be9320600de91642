"""What of a tree an image cannot hold, told before anything is written."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from sysextlib.errors import ImageError
from sysextlib.image.tar_stream import linked, pax_data
from sysextlib.tree import Kind

if TYPE_CHECKING:
    from sysextlib.tree import Entry, Tree

LARGEST_PAX = (
    1 << 15
)  # bytes of an entry's records; mkfs.erofs 1.8.6 ends with an I/O error on more
MOST_NAMES = 65_000  # of one file: LINK_MAX of ext4, on which images are unpacked to be verified


def require_fitting(tree: Tree) -> None:
    """Refuse a tree that mkfs.erofs, or whoever unpacks the image, would choke on.

    :raises ImageError: naming the first entry that does not fit.
    """
    _require_equal_links(tree)
    for entry in tree:
        if entry.kind in {Kind.CHARDEV, Kind.BLOCKDEV}:
            raise ImageError(
                f"{entry.path} is a {entry.kind}",
                _origin(entry),
                hint="remove it in the definition: extensions are mounted with nodev",
            )
        if entry.xattrs and len(pax_data(entry)) > LARGEST_PAX:
            raise _too_large_attributes(entry)


def _require_equal_links(tree: Tree) -> None:
    """Refuse hard links that differ: an inode has one mode, owner, time and content."""
    for head, entry in linked(tree):
        if replace(entry, path=head.path) != head:
            raise ImageError(
                f"{head.path} and {entry.path} are one file with two sets of metadata",
                _origin(entry),
            )
    names = Counter(entry.hardlink for entry in tree if entry.hardlink)
    for entry in tree:
        if names[entry.hardlink] > MOST_NAMES:
            raise ImageError(
                f"{entry.path} has {names[entry.hardlink]} names",
                {"at most": MOST_NAMES, **_origin(entry)},
                hint="have the package make copies or symlinks, or remove some in the definition",
            )


def _too_large_attributes(entry: Entry) -> ImageError:
    sizes = "\n".join(f"{name}: {len(value)} bytes" for name, value in entry.xattrs)
    return ImageError(
        f"the extended attributes of {entry.path} do not fit into an image",
        {"attributes": sizes, "at most": f"{LARGEST_PAX} bytes in all", **_origin(entry)},
        hint="remove the file in the definition, or have the package set fewer attributes",
    )


def _origin(entry: Entry) -> dict[str, object]:
    return {"from": entry.origin or "(unknown)"}
