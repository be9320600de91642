"""Binhosts: where binary packages are listed and fetched from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

from sysextlib.binpkg.cache import PackageCache, file_digest, strongest
from sysextlib.binpkg.container import open_binpkg
from sysextlib.binpkg.http import Http
from sysextlib.binpkg.index import MOST, read_index
from sysextlib.binpkg.model import IndexedPackage
from sysextlib.binpkg.remote import HttpBinhost, cached_index
from sysextlib.errors import FetchError, PackageError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sysextlib.gentoo.package import Package
    from sysextlib.progress import Progress

SUFFIXES = (".gpkg.tar", ".xpak", ".tbz2")


class Binhost(Protocol):
    """A place that has binary packages."""

    @property
    def location(self) -> str:
        """The folder or URL, as it was given."""

    @property
    def packages(self) -> tuple[IndexedPackage, ...]:
        """What it has, in its index's order."""

    def fetch(self, item: IndexedPackage) -> Path:
        """Return a file that is on this machine and has the size and digest of the index.

        :raises FetchError: there is none.
        """


def open_binhost(
    location: str,
    cache: Path,
    progress: Progress,
    *,
    offline: bool = False,
    http: Http | None = None,
) -> Binhost:
    """Open a folder, a file:// URL, or an http:// or https:// URL, and read its index.

    :param cache: folder for downloads and indexes; may not exist yet.
    :param offline: use what the cache has and ask no server.
    :raises FetchError: the index cannot be had.
    :raises PackagesIndexError: it is damaged.
    :raises UsageError: the location is of no known kind.
    """
    scheme = urlsplit(location).scheme if "://" in location else ""
    packages = PackageCache(cache / "packages")
    if scheme in {"http", "https"}:
        http = http or Http()
        index, base = cached_index(location, cache / "indexes", http, offline=offline)
        return HttpBinhost(location, base, index, packages, http, progress, offline)
    if scheme == "file":
        url = urlsplit(location)
        if url.netloc not in {"", "localhost"}:
            raise UsageError("a file:// URL names a folder of another host", {"URL": location})
        return _open_folder(location, Path(unquote(url.path)), packages, progress)
    if scheme:
        raise UsageError(
            f"a binhost by {scheme}:// is not supported",
            {"URL": location},
            hint="known: a folder, file://, http://, https://",
        )
    return _open_folder(location, Path(location), packages, progress)


@dataclass(frozen=True, slots=True)
class FolderBinhost:
    """A folder of this machine; its packages are used where they are."""

    location: str
    folder: Path
    packages: tuple[IndexedPackage, ...]
    cache: PackageCache

    def fetch(self, item: IndexedPackage) -> Path:
        """Return the file in the folder after its size and digest were seen to be right.

        :raises FetchError: there is none, or another.
        """
        path = self.folder / item.path
        try:
            size = path.stat().st_size
        except OSError as error:
            raise FetchError(
                f"the binhost has no file for {item.package}",
                {"binhost": self.location, "file": path, "reason": error.strerror},
                hint="its Packages index is older than the folder; run emaint binhost --fix",
            ) from error
        if item.size and size != item.size:
            raise self._differs(item, "size", item.size, size)
        name = strongest(item.digests)
        if name is not None and not _is_intact(self.cache, path, item):
            raise self._differs(item, name, item.digests[name], file_digest(path, name))
        return path

    def _differs(self, item: IndexedPackage, what: str, wanted: object, has: object) -> FetchError:
        return FetchError(
            f"the file of {item.package} is not the one that the Packages index lists",
            {
                "file": self.folder / item.path,
                f"{what} in the index": wanted,
                f"{what} of the file": has,
            },
            hint="run emaint binhost --fix if the package was rebuilt; else fetch it again",
        )


def _is_intact(cache: PackageCache, path: Path, item: IndexedPackage) -> bool:
    try:
        return cache.is_intact(path, item.digests)
    except OSError as error:
        raise FetchError(
            f"the file of {item.package} cannot be read", {"file": path, "reason": error.strerror}
        ) from error


def _open_folder(
    location: str, folder: Path, cache: PackageCache, progress: Progress
) -> FolderBinhost:
    if not folder.is_dir():
        raise FetchError(
            "the binhost is not a folder",
            {"binhost": location, "folder": folder.absolute()},
            hint="build the packages first, or name another folder or URL",
        )
    folder = folder.absolute()
    for name in ("Packages", "Packages.gz"):
        path = folder / name
        if path.is_file():
            packages = read_index(_read(path), str(path)).packages
            return FolderBinhost(location, folder, packages, cache)
    return FolderBinhost(location, folder, tuple(_scan(folder, progress)), cache)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MOST + 1)  # one more than read_index takes
    except OSError as error:
        raise FetchError(
            "the Packages index cannot be read", {"file": path, "reason": error.strerror}
        ) from error


def _scan(folder: Path, progress: Progress) -> Iterator[IndexedPackage]:
    """Index a folder that has no Packages by reading every package's metadata."""
    files = sorted(p for p in folder.rglob("*") if p.name.endswith(SUFFIXES) and p.is_file())
    seen: dict[tuple[str, int], Path] = {}
    for done, path in enumerate(files, start=1):
        package = open_binpkg(path).package
        name = str(package.cpv), package.build_id
        if name in seen:
            raise PackageError(
                f"two files of the binhost are {package}",
                {"first": seen[name], "second": path},
                hint="remove one of them, or make a Packages index with emaint binhost --fix",
            )
        seen[name] = path
        progress.advance(done, len(files))
        relative = path.relative_to(folder).as_posix()
        yield IndexedPackage(package, relative, path.stat().st_size, {})


class Binhosts:
    """Several binhosts as one: for a cpv and build id, the first that has it counts."""

    def __init__(self, binhosts: tuple[Binhost, ...]) -> None:
        self.binhosts = binhosts
        self._owner: dict[tuple[str, int], tuple[IndexedPackage, Binhost]] = {}
        for binhost in binhosts:
            for item in binhost.packages:
                self._owner.setdefault(_name(item.package), (item, binhost))

    @property
    def location(self) -> str:
        """All locations, in order."""
        return " ".join(binhost.location for binhost in self.binhosts)

    @property
    def packages(self) -> tuple[IndexedPackage, ...]:
        """What there is, in the order of the binhosts and their indexes."""
        return tuple(item for item, _ in self._owner.values())

    def find(self, package: Package) -> IndexedPackage:
        """Return the item whose package this is.

        :raises KeyError: no binhost has it.
        """
        return self._owner[_name(package)][0]

    def binhost_of(self, item: IndexedPackage) -> Binhost:
        """Return the binhost that an item comes from.

        :raises KeyError: none.
        """
        return self._owner[_name(item.package)][1]

    def fetch(self, item: IndexedPackage) -> Path:
        """Fetch an item from the binhost that it comes from.

        :raises FetchError: it does not deliver.
        """
        return self.binhost_of(item).fetch(item)


def _name(package: Package) -> tuple[str, int]:
    return str(package.cpv), package.build_id
