"""The Packages index of a binhost.

Blocks of "KEY: value" lines with an empty line after each; the first is the header. Portage leaves
out what has its default and what repeats the header's value of the same key (CHOST, REPO), and
names three keys otherwise than in the VDB.
"""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING

from sysextlib.binpkg.metadata import package_from_values
from sysextlib.binpkg.model import Index, IndexedPackage
from sysextlib.binpkg.place import show
from sysextlib.errors import PackageError, PackagesIndexError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sysextlib.gentoo.package import Package

LARGEST_PACKAGE = 16 << 30  # bytes; the largest of Gentoo's own have one gigabyte
MOST = 256 << 20  # bytes of an index; Gentoo's own, of 40,000 packages, has 60 MiB
GZIP = b"\x1f\x8b"
SUPPORTED_VERSION = 0
VDB_NAMES = {"REPO": "repository", "DESC": "DESCRIPTION"}
INHERITED = ("CHOST", "repository")
# From the strongest to the weakest, with how many hex digits each has.
DIGESTS = {"SHA512": 128, "BLAKE2B": 128, "SHA256": 64, "SHA1": 40, "MD5": 32}
# Keys that tell of the file and not of the package.
FILE_KEYS = frozenset({"PATH", "SIZE", "MTIME", *DIGESTS})
KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


def read_index(data: bytes, source: str) -> Index:
    """Read a Packages index, plain or compressed by gzip.

    :param source: what errors call it: a path or URL.
    :raises PackagesIndexError: it is damaged, or lists a package that cannot be.
    """
    blocks = _blocks(_text(data, source), source)
    _, header = next(blocks, (1, {}))
    if not header or "CPV" in header:
        raise _refusal(source, 1, "there is no header block before the packages")
    version = header.get("VERSION", "0")
    if version != str(SUPPORTED_VERSION):
        raise _refusal(source, 1, "VERSION is not 0, the only one that is known", VERSION=version)
    defaults = {key: header[key] for key in INHERITED if header.get(key)}
    packages = []
    names: dict[tuple[str, int], int] = {}
    for line, block in blocks:
        item = _item(defaults | block, line, source)
        name = str(item.package.cpv), item.package.build_id
        if name in names:
            raise _refusal(source, line, f"{item.package} is listed twice", first_line=names[name])
        names[name] = line
        packages.append(item)
    count = header.get("PACKAGES", str(len(packages)))
    if count != str(len(packages)):
        raise PackagesIndexError(
            "the Packages index is cut short or damaged",
            {"read from": source, "PACKAGES": show(count), "found": len(packages)},
            hint="fetch or make the index again",
        )
    return Index(header, tuple(packages))


def _text(data: bytes, source: str) -> str:
    if data.startswith(GZIP):
        unpacker = zlib.decompressobj(wbits=31)
        try:
            data = unpacker.decompress(data, MOST)
        except zlib.error as error:
            raise _refusal(source, 0, "it is no whole gzip file", reason=error) from error
        if not unpacker.eof or unpacker.unused_data:
            raise _refusal(source, 0, "it is no whole gzip file, or too large", allowed=MOST)
    if len(data) > MOST:
        raise _refusal(source, 0, "it is too large", allowed=MOST)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _refusal(source, line, "it is not UTF-8") from error


def _blocks(text: str, source: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield every block with the number of its first line; keys by their VDB names."""
    block: dict[str, str] = {}
    first = 1
    for number, line in enumerate(text.split("\n"), start=1):
        if not line:
            if block:
                yield first, block
            block = {}
            continue
        key, colon, value = line.partition(":")
        if not colon or not KEY.fullmatch(key) or (value and not value.startswith(" ")):
            raise _refusal(source, number, "a line is not KEY: value", text=line)
        if not block:
            first = number
        key = VDB_NAMES.get(key, key)
        if key in block:
            raise _refusal(source, number, "a block has a key twice", key=key)
        block[key] = value[1:]
    if block:
        yield first, block


def _item(block: Mapping[str, str], line: int, source: str) -> IndexedPackage:
    cpv = block.get("CPV", "")
    if not cpv:
        raise _refusal(source, line, "a block has no CPV")
    values = {key: value for key, value in block.items() if key not in FILE_KEYS}
    try:
        package = package_from_values(values, cpv, source)
    except PackageError as error:
        facts = {**error.facts, "line": line}
        raise PackagesIndexError(f"the Packages index: {error.brief}", facts, error.hint) from error
    size = block.get("SIZE", "0")
    if not size.isascii() or not size.isdecimal() or len(size) > 18:
        raise _refusal(source, line, "SIZE is no number", CPV=cpv, SIZE=size)
    if int(size) > LARGEST_PACKAGE:
        raise _refusal(source, line, "no package is so large", CPV=cpv, SIZE=size)
    path = block.get("PATH") or default_path(package)
    if not is_safe_path(path):
        raise _refusal(source, line, "PATH leaves the binhost", CPV=cpv, PATH=path)
    return IndexedPackage(package, path, int(size), _digests(block, line, source))


def default_path(package: Package) -> str:
    """Return where a package lies when the index has no PATH: as before there were build ids."""
    return f"{package.cpv}.tbz2"


def is_safe_path(path: str) -> bool:
    """Return whether a path stays below the folder or URL that it is relative to."""
    parts = path.split("/")
    return (
        path.isprintable()
        and "\\" not in path
        and len(path) <= 1024
        and not any(part in {"", ".", ".."} for part in parts)
        and ":" not in parts[0]
    )


def _digests(block: Mapping[str, str], line: int, source: str) -> dict[str, str]:
    found = {}
    for name, digits in DIGESTS.items():
        value = block.get(name, "").lower()
        if value and not re.fullmatch(f"[0-9a-f]{{{digits}}}", value):
            raise _refusal(source, line, f"{name} is no digest", CPV=block["CPV"], value=value)
        if value:
            found[name] = value
    return found


def _refusal(source: str, line: int, fault: str, **facts: object) -> PackagesIndexError:
    where: dict[str, object] = {"read from": source}
    if line:
        where["line"] = line
    where |= {name.replace("_", " "): show(str(value)) for name, value in facts.items()}
    return PackagesIndexError(
        f"the Packages index is damaged: {fault}", where, hint="fetch or make the index again"
    )
