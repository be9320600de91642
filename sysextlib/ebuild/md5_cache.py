"""metadata/md5-cache: one file an ebuild, ``KEY=value`` lines, as Portage writes and reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sysextlib.ebuild.metadata import KEYS, Metadata
from sysextlib.errors import EbuildError

if TYPE_CHECKING:
    from pathlib import Path

    from sysextlib.ebuild.repository import Ebuild

LARGEST: Final = 4 << 20  # bytes of an entry; the largest known has 200 000


def entry_path(root: Path, ebuild: Ebuild) -> Path:
    """Return where the entry of an ebuild lies below a cache's root, or metadata/md5-cache."""
    return root / ebuild.cpv.category / ebuild.path.name.removesuffix(".ebuild")


def render_entry(metadata: Metadata) -> bytes:
    """Return the bytes of an entry: keys sorted, empty ones left out, a newline at the end."""
    lines = [f"{key}={value}\n" for key, value in metadata.values.items()]
    if metadata.eclasses:
        pairs = "\t".join(f"{name}\t{md5}" for name, md5 in metadata.eclasses)
        lines.append(f"_eclasses_={pairs}\n")
    lines.append(f"_md5_={metadata.md5}\n")
    return "".join(lines).encode("utf-8", "surrogateescape")


def parse_entry(data: bytes, source: str) -> Metadata:
    """Read an entry.

    :param source: what errors call it.
    :raises EbuildError: it is none.
    """
    values: dict[str, str] = {}
    md5, eclasses = "", ""
    for number, line in enumerate(data.decode("utf-8", "surrogateescape").split("\n"), 1):
        key, equals, value = line.partition("=")
        if not equals:
            if line:
                raise EbuildError(
                    "a line of a metadata cache is no KEY=value", {"file": source, "line": number}
                )
        elif key == "_md5_":
            md5 = value
        elif key == "_eclasses_":
            eclasses = value
        elif value:
            values[key] = value
    fields = eclasses.split("\t") if eclasses else []
    if not md5 or len(fields) % 2:
        raise EbuildError(
            "an entry of a metadata cache is incomplete",
            {"file": source},
            hint="remove the file; it is written again",
        )
    pairs = tuple(zip(fields[::2], fields[1::2], strict=True))
    return Metadata({key: values[key] for key in KEYS if key in values}, pairs, md5)


def read_entry(path: Path) -> bytes | None:
    """Return the bytes of an entry, or None when there is none.

    :raises EbuildError: it is there and cannot be read.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise EbuildError(f"{path} cannot be read", {"reason": error.strerror}) from error
    if len(data) > LARGEST:
        raise EbuildError(f"{path} has more than {LARGEST} bytes")
    return data
