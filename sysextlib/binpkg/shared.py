"""Packages that several builds of one call want: each is opened and decompressed once."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sysextlib.binpkg.container import open_binpkg

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sysextlib.binpkg.model import BinaryPackage, Image
    from sysextlib.gentoo.package import Package


class SharedPackages:
    """Opens packages; those of one path are one, and their bytes lie in ``spool``.

    The bytes stay until whoever made ``spool`` removes it.
    """

    def __init__(self, spool: Path) -> None:
        self._spool = spool
        self._lock = threading.Lock()
        self._opened: dict[Path, _Shared] = {}

    def open(self, path: Path) -> BinaryPackage:
        """Return the package in a file; see ``open_binpkg`` for what it raises."""
        with self._lock:
            known = self._opened.get(path)
        if known is None:
            opened = _Shared(open_binpkg(path), self._spool)
            with self._lock:
                known = self._opened.setdefault(path, opened)
        return known


@dataclass(slots=True)
class _Shared:
    """A package that remembers what it was unpacked to."""

    binary: BinaryPackage
    spool: Path
    lock: threading.Lock = field(default_factory=threading.Lock)
    images: dict[bool, Image] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        return self.binary.path

    @property
    def package(self) -> Package:
        return self.binary.package

    @property
    def metadata(self) -> Mapping[str, bytes]:
        return self.binary.metadata

    @property
    def signatures(self) -> tuple[str, ...]:
        return self.binary.signatures

    def unpack(self, spool_dir: Path, *, allow_devices: bool = False) -> Image:  # noqa: ARG002
        """Unpack into the shared folder, whoever asks first; the others wait."""
        with self.lock:
            if allow_devices not in self.images:
                image = self.binary.unpack(self.spool, allow_devices=allow_devices)
                self.images[allow_devices] = image
            return self.images[allow_devices]
