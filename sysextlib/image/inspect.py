"""What an image says of itself, without mounting it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sysextlib.errors import ToolError, VerifyError
from sysextlib.image.ddi import read_ddi
from sysextlib.image.release import ImageClass
from sysextlib.os_release import parse_env_file
from sysextlib.system.run import run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sysextlib.image.ddi import Ddi
    from sysextlib.image.erofs_reader import ImageEntry
    from sysextlib.system.tools import Tools

LARGEST = 1 << 20  # bytes of an extension-release file, which have a few hundred
RELEASE_PREFIXES = {f"{kind.folder}/extension-release.": kind for kind in ImageClass}


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """An image's parts and contents; nothing was checked.

    :param name: of the extension, as its extension-release file is called.
    :param release: the fields of that file.
    """

    ddi: Ddi
    name: str
    kind: ImageClass
    release: Mapping[str, str]
    entries: tuple[ImageEntry, ...]


def inspect_image(path: Path, tools: Tools) -> Inspected:
    """Read partitions, entries and extension-release of an image.

    :raises VerifyError: it is damaged, or has not exactly one extension-release file.
    :raises MissingToolError: dump.erofs is absent or too old.
    """
    ddi = read_ddi(path)
    entries = ddi.erofs().entries()
    found = [
        (entry, prefix)
        for entry in entries
        for prefix in RELEASE_PREFIXES
        if entry.path.startswith(prefix)
    ]
    if len(found) != 1:
        names = ", ".join(entry.path for entry, _ in found) or "(none)"
        raise VerifyError(f"{path} has not one extension-release file", {"in the image": names})
    ((entry, prefix),) = found
    return Inspected(
        ddi=ddi,
        name=entry.path.removeprefix(prefix),
        kind=RELEASE_PREFIXES[prefix],
        release=parse_env_file(_read(ddi, entry, tools), f"{entry.path} in {path}"),
        entries=entries,
    )


def _read(ddi: Ddi, entry: ImageEntry, tools: Tools) -> bytes:
    """Return a small file's bytes, which may be compressed."""
    if entry.size > LARGEST:
        facts = {"file": ddi.path, "bytes": entry.size, "at most": LARGEST}
        raise VerifyError(f"{entry.path} is too large to be what its name says", facts)
    if entry.extents is not None:
        return ddi.erofs().read(entry)
    words = (f"--offset={ddi.data.offset}", f"--nid={entry.nid}", "--cat")
    try:
        return run([*tools.argv("dump.erofs"), *words, ddi.path], name="dump.erofs").stdout
    except ToolError as error:
        raise VerifyError(
            f"{entry.path} cannot be read", {"file": ddi.path, **error.facts}
        ) from error
