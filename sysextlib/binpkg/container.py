"""A binary package file, whichever of the two formats it has."""

from __future__ import annotations

import os
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from sysextlib.binpkg.compression import Slice, StreamError
from sysextlib.binpkg.gpkg import Gpkg, check_digests, checked_meanwhile, read_gpkg, read_metadata
from sysextlib.binpkg.image_tar import Rules, unpack_image
from sysextlib.binpkg.metadata import package_from_vdb
from sysextlib.binpkg.place import Limits, Place
from sysextlib.binpkg.xpak import is_xpak, read_xpak
from sysextlib.errors import PackageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sysextlib.binpkg.model import BinaryPackage, Image
    from sysextlib.gentoo.package import Package

USTAR = slice(257, 262)  # where every tar header says "ustar"


@dataclass(frozen=True, slots=True)
class _Opened:
    """What both formats have in common once they are read."""

    path: Path
    package: Package
    metadata: Mapping[str, bytes]
    limits: Limits
    gpkg: Gpkg | None = None

    @property
    def signatures(self) -> tuple[str, ...]:
        return self.gpkg.signatures if self.gpkg else ()

    def unpack(self, spool_dir: Path, *, allow_devices: bool = False) -> Image:
        origin = str(self.package.cpv)
        with _File(self.path) as file:
            place = Place(self.path, limits=self.limits)
            if self.gpkg is None:
                source, _ = read_xpak(file, place)
                rules = Rules(prefix=b".", origin=origin, allow_devices=allow_devices)
                return unpack_image(source, spool_dir, place.inside("image"), rules)
            name = self.gpkg.part("image", place)
            known = self.gpkg.parts[name]
            source = Slice(file.descriptor, known.offset, known.size)
            rules = Rules(prefix=b"image", origin=origin, allow_devices=allow_devices)
            listed = self.gpkg.manifest[name]
            return checked_meanwhile(
                lambda: check_digests(source, name, listed, place),
                lambda: unpack_image(source, spool_dir, place.inside(name), rules),
            )


class _File:
    """A package file that is open for the length of a block."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def __enter__(self) -> Slice:
        try:
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            return Slice(self._descriptor, 0, os.fstat(self._descriptor).st_size)
        except OSError as error:
            self.__exit__()
            raise _unreadable(self._path, error) from error

    def __exit__(self, *_: object) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)


def open_binpkg(path: Path, *, limits: Limits | None = None) -> BinaryPackage:
    """Open a gpkg or xpak, known by what it holds and not by its name, and read its metadata.

    Structure, Manifest and metadata are checked here, the image when it is unpacked.

    :raises PackageError: it is neither, or it is damaged or unsafe.
    """
    limits = limits or Limits()
    place = Place(path, limits=limits)
    try:
        with _File(path) as file:
            if is_xpak(file):
                _, metadata = read_xpak(file, place)
                gpkg = None
            elif file.at(0, 512)[USTAR] == b"ustar":
                gpkg = read_gpkg(file, place)
                metadata = read_metadata(gpkg, place)
            else:
                raise place.refuse("it is neither gpkg nor xpak", size=file.size)
    except (OSError, StreamError) as error:
        raise _unreadable(path, error) from error
    package = package_from_vdb(metadata, _cpv(metadata, place), str(path))
    return _Opened(path, package, MappingProxyType(metadata), limits, gpkg)


def _cpv(metadata: Mapping[str, bytes], place: Place) -> str:
    """Return CATEGORY/PF; the file's name is nobody's promise."""
    words = [
        metadata.get(key, b"").decode("utf-8", "replace").strip() for key in ("CATEGORY", "PF")
    ]
    if not all(words):
        raise place.refuse("its metadata lacks CATEGORY or PF")
    return "/".join(words)


def _unreadable(path: Path, error: Exception) -> PackageError:
    reason = error.strerror if isinstance(error, OSError) else error
    return PackageError(
        f"binary package {path.name} cannot be read", {"file": path, "reason": reason}
    )
