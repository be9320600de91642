"""The values that the readers of this folder hand out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sysextlib.gentoo.package import Package
    from sysextlib.tree import Entry


@dataclass(frozen=True, slots=True)
class IndexedPackage:
    """One package of a binhost, before its file is fetched.

    :param path: of the file, relative to the binhost.
    :param size: of the file, in bytes; 0 when the index does not say.
    :param digests: of the file, lower-case hex by the name that the index uses ("SHA1").
    """

    package: Package
    path: str
    size: int
    digests: Mapping[str, str] = field(hash=False)


@dataclass(frozen=True, slots=True)
class Index:
    """A Packages index: what it says of itself, and its packages in the index's order."""

    header: Mapping[str, str] = field(hash=False)
    packages: tuple[IndexedPackage, ...]


@dataclass(frozen=True, slots=True)
class Image:
    """The files of a package, their bytes in one spool file.

    :param entries: in the archive's order; hard links share a token, which is the least path of
        those that name the inode. The root itself is no entry.
    """

    entries: tuple[Entry, ...]
    spool: Path


class BinaryPackage(Protocol):
    """An opened gpkg or xpak: its metadata is read and checked, its image is not yet."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def package(self) -> Package:
        """What the metadata says, as a value."""

    @property
    def metadata(self) -> Mapping[str, bytes]:
        """All VDB keys as stored, environment.bz2 and the ebuild included."""

    @property
    def signatures(self) -> tuple[str, ...]:
        """The signed members of a gpkg, which were not verified."""

    def unpack(self, spool_dir: Path, *, allow_devices: bool = False) -> Image:
        """Decompress the image once into a new file below ``spool_dir``.

        :raises PackageError: the image is damaged or unsafe.
        """
