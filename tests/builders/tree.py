"""Trees for tests: one with every kind of entry, and ones as large as wanted."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from sysextlib.tree import (
    Content,
    Entry,
    Kind,
    Tree,
    directory_entry,
    file_entry,
    link_entry,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

EPOCH = 1_700_000_000
LABEL = b"system_u:object_r:bin_t:s0\0"
# VFS_CAP_REVISION_2, effective, cap_net_bind_service
CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")


def every_kind() -> Tree:
    """Return a small tree of all that an image must carry through unchanged."""
    labelled = (("security.selinux", LABEL),)
    linked = Entry(
        path="usr/lib/h1",
        kind=Kind.FILE,
        mode=0o755,
        mtime=7,
        content=Content.of(b"hard"),
        xattrs=labelled,
        hardlink="a",
    )
    return Tree(
        [
            file_entry("usr/bin/plain", b"hello\n" * 1000, mode=0o755, mtime=EPOCH - 5),
            file_entry("usr/bin/empty", b"", mtime=EPOCH),
            file_entry("usr/bin/block", b"b" * 4096, mtime=1),
            file_entry("usr/share/zeros", bytes(300_000), mtime=EPOCH),
            file_entry("usr/share/text", b"all work and no play\n" * 20_000, mtime=EPOCH),
            file_entry("usr/share/noise", noise(200_001), mtime=EPOCH),
            file_entry("usr/share/" + "n" * 200 + "/" + "m" * 255, b"deep", mtime=3),
            file_entry("usr/share/new\nline", b"1"),
            file_entry("usr/share/Zürich \U0001f600", b"2"),
            file_entry("usr/share/-dash", b"before the dots in a directory"),
            file_entry("usr/share/.hidden", b"3", mode=0o400),
            file_entry("usr/share/unreadable", b"4" * 9000, mode=0),
            link_entry("usr/bin/link", "plain", mtime=9),
            link_entry("usr/bin/long", "x/" * 2040 + "y", mtime=EPOCH - 1),
            link_entry("usr/bin/escaping", "../../../../etc/shadow"),
            directory_entry("usr/lib/closed", mode=0o500, mtime=EPOCH - 9),
            file_entry("usr/lib/closed/inside", b"5" * 5000),
            directory_entry("usr/lib/sticky", mode=0o1777),
            Entry(path="usr/lib/pipe", kind=Kind.FIFO, mode=0o600, mtime=11),
            Entry(
                path="usr/bin/capable",
                kind=Kind.FILE,
                mode=0o4755,
                uid=70_000,
                gid=3_000_000,
                mtime=EPOCH,
                content=Content.of(b"ping"),
                xattrs=(
                    ("security.capability", CAPABILITY),
                    ("security.selinux", LABEL),
                    ("user.binary", bytes(range(256))),
                    ("user.empty", b""),
                ),
            ),
            Entry(path="usr/libexec", kind=Kind.DIRECTORY, mode=0o750, gid=5, xattrs=labelled),
            linked,
            replace(linked, path="usr/lib/x/h2"),
            replace(linked, path="usr/libexec/h3"),
        ]
    )


def release_only(name: str = "demo") -> Tree:
    """Return the least that an extension can be."""
    text = b"ID=demo\nVERSION_ID=1\nARCHITECTURE=x86-64\n"
    path = f"usr/lib/extension-release.d/extension-release.{name}"
    return Tree([file_entry(path, text, mtime=EPOCH)])


def noise(size: int) -> bytes:
    """Return bytes that do not compress, always the same."""
    return hashlib.shake_128(b"noise").digest(size)


def spooled(files: Mapping[str, bytes], spool: Path) -> Tree:
    """Return a tree whose contents lie in one spool file, as those of packages do."""
    entries = []
    with spool.open("wb") as stream:
        for path, data in files.items():
            content = Content(
                len(data), hashlib.sha256(data).hexdigest(), spool=spool, offset=stream.tell()
            )
            stream.write(data)
            entries.append(
                Entry(path=path, kind=Kind.FILE, mode=0o644, mtime=EPOCH, content=content)
            )
    return Tree(entries)
