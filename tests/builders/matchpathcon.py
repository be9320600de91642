"""What libselinux says of paths, and a policy as a folder that its programs can read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sysextlib.selinux.policy import CONTEXTS
from sysextlib.system.run import run
from sysextlib.tree import Kind
from tests.builders.tools import image_tools
from tests.builders.world import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sysextlib.base import Base

WORDS = {  # as matchpathcon -m calls a kind; None is a path whose kind is not known
    Kind.FILE: "file", Kind.DIRECTORY: "dir", Kind.SYMLINK: "link", Kind.FIFO: "pipe",
    Kind.CHARDEV: "chr_file", Kind.BLOCKDEV: "blk_file",
}  # fmt: skip
AT_ONCE = 4000  # paths for one call


def matchpathcon(contexts: Path, paths: Sequence[str], kind: Kind) -> dict[str, str]:
    """Return what libselinux says of each path."""
    argv: list[str | Path] = [*image_tools("matchpathcon").argv("matchpathcon"), "-f", contexts]
    said: dict[str, str] = {}
    for at in range(0, len(paths), AT_ONCE):
        some = paths[at : at + AT_ONCE]
        done = run([*argv, "-m", WORDS[kind], *some], codes=(0, 1), name="matchpathcon")
        complaints = done.stderr.splitlines()
        assert [one for one in complaints if b"continuing using regex" not in one] == []
        said |= dict(line.rsplit("\t", 1) for line in done.stdout.decode().splitlines())
    return said


def lay_out_policy(base: Base, folder: Path) -> Path:
    """Write the base's policy store to a folder, and return that."""
    for path, data in base.files("etc/selinux").items():
        if not path.endswith(".bin"):  # the compiled form, which libselinux prefers
            where = folder / path.removeprefix("etc/selinux/")
            where.parent.mkdir(parents=True, exist_ok=True)
            where.write_bytes(data)
    return folder


def own_rules(kind: str, *keys: str) -> str:
    """Return our rules for these extensions and this type of policy, as one file's text."""
    names = [name for key in keys for name in (f"{key}.fc", f"{kind}/{key}.fc")]
    paths = [ROOT / "selinux" / name for name in names]
    return "".join(path.read_text() for path in paths if path.exists())


def with_own_rules(store: Path, kind: str, key: str) -> Path:
    """Add our rules for an extension as the administrator's own; return the file contexts."""
    contexts = store / kind / CONTEXTS
    contexts.with_name("file_contexts.local").write_text(own_rules(kind, key))
    return contexts
