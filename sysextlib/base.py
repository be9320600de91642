"""The base image: the operating system that an extension is made for, read without mounting it."""

from __future__ import annotations

import hashlib
import re
import struct
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, Self

from sysextlib.binpkg.contents import parse_contents
from sysextlib.binpkg.vdb import VDB, read_vdb
from sysextlib.errors import BaseError, SysextError
from sysextlib.gentoo.arch import Arch
from sysextlib.os_release import parse_env_file
from sysextlib.real_paths import LinkLoopError, RealPaths
from sysextlib.squashfs.reader import Squashfs
from sysextlib.tree import Content, Entry, Kind, Tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from sysextlib.binpkg.contents import Owned
    from sysextlib.gentoo.package import Package

OS_RELEASE = ("usr/lib/os-release", "etc/os-release")  # upstream reads the first; os-release(5)
# Files of a VDB entry that no one asks for here, and that make up most of its bytes.
VDB_UNREAD = re.compile(r"environment\.bz2|.*\.ebuild|CONTENTS|NEEDED.*|PROVIDES|REQUIRES|SIZE")
COUNTER = re.compile(rb"[0-9]{1,18}")
MACHINES = {arch.elf_machine: arch for arch in Arch}
ELF_CANDIDATES = ("usr/bin/bash", "usr/bin/sh", "usr/lib64/libc.so.6", "usr/lib/libc.so.6")


class BaseFiles(Protocol):
    """What installing and comparing need of a base."""

    def get(self, path: str) -> Entry | None:
        """Return the entry at a path whose leading parts are real directories."""

    def contents(self, paths: Iterable[str]) -> Mapping[str, Content]:
        """Return size and digest of the regular files among these paths."""

    def owners(self, paths: Iterable[str]) -> Mapping[str, str]:
        """Return the cpv of the package that brought each path, where one did."""


class Base:
    """An open base image. Metadata is read when asked for, contents too.

    ``epoch`` is the mtime of os-release, ``counter`` the number of the last merge into the base.
    """

    def __init__(self, image: Squashfs, pkginfo: Sequence[Squashfs]) -> None:
        """Read what every build needs: os-release and the installed packages.

        :raises BaseError: one of them is missing, malformed or contradicts another.
        """
        self.image = image.image
        self._squashfs = image
        self._pkginfo = tuple(pkginfo)
        self._paths = RealPaths(image.get)
        self._tree: Tree | None = None
        self._contents: dict[str, Content] = {}
        self.os_release, self.epoch = self._read_os_release()
        self.installed, self.counter = self._read_installed()
        self._digest = ""
        self._hashing = threading.Thread(target=self._hash, name="digest of base", daemon=True)
        self._hashing.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files."""
        for image in (self._squashfs, *self._pkginfo):
            image.close()

    @property
    def digest(self) -> str:
        """SHA-256 of the image file; computed beside other work, waited for here."""
        self._hashing.join()
        if not self._digest:
            raise BaseError("base image cannot be read", {"file": self.image})
        return self._digest

    @property
    def id(self) -> str:
        """ID of os-release: the operating system."""
        return self.os_release["ID"]

    @property
    def version_id(self) -> str:
        """VERSION_ID of os-release."""
        return self.os_release["VERSION_ID"]

    @property
    def version(self) -> str:
        """VERSION of os-release, or ""; with a build id where there is one."""
        return self.os_release.get("VERSION", "")

    @property
    def build_id(self) -> str:
        """BUILD_ID of os-release, or ""."""
        return self.os_release.get("BUILD_ID", "")

    @property
    def arch(self) -> Arch | None:
        """The architecture of its programs, or None when it holds no ELF file in usual places.

        :raises BaseError: it is one that no board has.
        """
        folder = ((f"usr/bin/{name}") for name in self._squashfs.names("usr/bin")[:200])
        for path in (*ELF_CANDIDATES, *folder):
            real = self._real(path)
            entry = self.get(real) if real else None
            if entry is None or entry.kind is not Kind.FILE or entry.size < 64:
                continue
            head = next(self._squashfs.chunks(entry.path))[:20]
            if head[:4] != b"\x7fELF":
                continue
            (machine,) = struct.unpack("<H" if head[5] == 1 else ">H", head[18:20])
            if machine not in MACHINES:
                raise BaseError(
                    "base image is of an architecture that is not known",
                    {"file": self.image, "seen in": path, "e_machine": machine},
                )
            return MACHINES[machine]
        return None

    @property
    def tree(self) -> Tree:
        """All entries but those below /var and /tmp, metadata complete.

        A file's content states its size, and no digest: ask ``contents``.
        """
        if self._tree is None:
            top = [entry for name in self._squashfs.names("") if (entry := self.get(name))]
            below = (
                entry
                for entry in top
                if entry.kind is Kind.DIRECTORY and entry.path not in {"var", "tmp"}
                for entry in self._squashfs.walk(entry.path)
            )
            self._tree = Tree([*top, *below])
        return self._tree

    def get(self, path: str) -> Entry | None:
        """Return the entry at a path whose leading parts are real directories."""
        return self._squashfs.get(path)

    def contents(self, paths: Iterable[str]) -> Mapping[str, Content]:
        """Return size and digest of the regular files among these paths; bytes are not kept."""
        wanted = list(paths)
        for path in sorted(set(wanted) - self._contents.keys()):
            entry = self.get(path)
            if entry is not None and entry.kind is Kind.FILE:
                sha = hashlib.sha256()
                for chunk in self._squashfs.chunks(path):
                    sha.update(chunk)
                self._contents[path] = Content(entry.size, sha.hexdigest())
        return {path: self._contents[path] for path in wanted if path in self._contents}

    def read(self, path: str) -> bytes | None:
        """Return the bytes of a file, symlinks followed, or None when there is none.

        :raises BaseError: it is larger than squashfs.READ_LIMIT, or damaged.
        """
        real = self._real(path)
        entry = self.get(real) if real else None
        if entry is None or entry.kind is not Kind.FILE:
            return None
        return self._squashfs.read(entry.path)

    def files(self, folder: str) -> Mapping[str, bytes]:
        """Return the regular files below a folder by path; for folders of small files.

        The folder's own path may lead through symlinks; the paths returned begin with ``folder``.
        """
        real = self._real(folder)
        return {
            folder + entry.path[len(real) :]: self._squashfs.read(entry.path)
            for entry in self._squashfs.walk(real)
            if real and entry.kind is Kind.FILE
        }

    def owners(self, paths: Iterable[str]) -> Mapping[str, str]:
        """Return the cpv of the package that brought each path, where one did.

        Reads CONTENTS of every installed package: for error messages.
        """
        wanted = set(paths)
        found: dict[str, str] = {}
        for package, item in self._owned(self._squashfs, *self._pkginfo):
            if item.path in wanted:
                found.setdefault(item.path, package)
        return found

    def owned_below(self) -> Mapping[str, tuple[str, Owned]]:
        """Return, by path, the cpv and line of CONTENTS of packages in pkginfo images."""
        return {item.path: (package, item) for package, item in self._owned(*self._pkginfo)}

    def _owned(self, *images: Squashfs) -> Iterator[tuple[str, Owned]]:
        """Yield cpv and line of CONTENTS of all packages, at the path where the base puts it."""
        for image in images:
            for package in (
                f"{c}/{p}" for c in image.names(VDB) for p in image.names(f"{VDB}/{c}")
            ):
                where = f"{VDB}/{package}/CONTENTS"
                entry = image.get(where)
                if entry is None or entry.kind is not Kind.FILE:
                    continue
                for item in parse_contents(image.read(where)):
                    if real := self._real(item.path, last=False):
                        yield package, replace(item, path=real)

    def _real(self, path: str, *, last: bool = True) -> str:
        try:
            return self._paths.place(path, follow=last)
        except LinkLoopError:
            return ""

    def _hash(self) -> None:
        try:
            with self.image.open("rb") as stream:
                self._digest = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError:
            self._digest = ""  # told by whoever asks for it

    def _read_os_release(self) -> tuple[Mapping[str, str], int]:
        for path in OS_RELEASE:
            real = self._real(path)
            entry = self.get(real) if real else None
            if entry is None or entry.kind is not Kind.FILE:
                continue
            source = f"{path} in {self.image}"
            values = parse_env_file(self._squashfs.read(entry.path), source)
            missing = [key for key in ("ID", "VERSION_ID") if not values.get(key)]
            if missing:
                raise BaseError(
                    f"base image does not say its {' and '.join(missing)}",
                    {"file": self.image, "read from": path},
                )
            for key in ("ID", "VERSION_ID"):
                if not values[key].isprintable() or "'" in values[key]:
                    raise BaseError(
                        f"{key} of the base image cannot stand in an extension-release",
                        {"file": self.image, "read from": path, key: repr(values[key])},
                        hint="systemd would read back another value, and never merge the extension",
                    )
            return values, entry.mtime
        raise BaseError(
            "base image has no os-release",
            {"file": self.image, "looked for": ", ".join(OS_RELEASE)},
            hint="give the squashfs of the whole root, flatcar_production_image_sysext.squashfs",
        )

    def _read_installed(self) -> tuple[tuple[Package, ...], int]:
        """Return the installed packages, and the highest COUNTER: the last merge's number."""
        highest = 0
        found: dict[str, tuple[Package, Squashfs]] = {}
        slots: dict[tuple[str, str], tuple[Package, Squashfs]] = {}
        for image in (self._squashfs, *self._pkginfo):
            packages, counter = _read_packages(image)
            highest = max(highest, counter)
            for package in packages:
                for known in (
                    found.get(str(package.cpv)),
                    slots.get((package.cpv.cp, package.slot)),
                ):
                    if known is not None and known[0] != package:
                        raise _contradiction(known, (package, image))
                found[str(package.cpv)] = slots[package.cpv.cp, package.slot] = package, image
        return tuple(package for _, (package, _) in sorted(found.items())), highest


def open_base(image: Path, pkginfo: Sequence[Path] = ()) -> Base:
    """Open a base image and the pkginfo images whose packages count as installed.

    :param pkginfo: squashfs files of var/db/pkg, as ``--generate_pkginfo`` writes them.
    :raises BaseError: a file is unreadable, no squashfs, cut short or damaged, lacks os-release
        or VDB, or a pkginfo image contradicts the base.
    """
    opened: list[Squashfs] = []
    try:
        opened.append(Squashfs(image, "base image"))
        opened += [Squashfs(path, "pkginfo image") for path in pkginfo]
        return Base(opened[0], opened[1:])
    except BaseException:
        for each in opened:
            each.close()
        raise


def _read_packages(image: Squashfs) -> tuple[tuple[Package, ...], int]:
    """Return the packages whose VDB entries an image holds, and their highest COUNTER."""
    files = {
        entry.path[len(VDB) + 1 :]: image.read(entry.path)
        for entry in image.walk(VDB)
        if entry.kind is Kind.FILE and not VDB_UNREAD.fullmatch(entry.name)
    }
    try:
        packages = read_vdb(files)
    except SysextError as error:
        raise BaseError(
            f"{image.what} has a package database that cannot be read",
            {"file": image.image, "reason": error},
        ) from error
    if not packages:
        raise BaseError(
            f"{image.what} has no installed packages",
            {"file": image.image, "looked for": VDB},
            hint="the final OS image has no package database; give the squashfs made before that",
        )
    counters = (data.strip() for path, data in files.items() if path.endswith("/COUNTER"))
    numbers = (int(text) for text in counters if COUNTER.fullmatch(text))
    return packages, max(numbers, default=0)


def _contradiction(known: tuple[Package, Squashfs], other: tuple[Package, Squashfs]) -> BaseError:
    facts: dict[str, object] = {
        f"{which}, in {image.what} {image.image.name}": f"{package} (slot {package.slot}, built at "
        f"{package.build_time}, USE {' '.join(sorted(package.use)) or 'none'})"
        for which, (package, image) in (("one", known), ("the other", other))
    }
    return BaseError(
        f"{other[1].what} contradicts what is installed: {other[0].cpv}",
        facts,
        hint="give the pkginfo images that were built on this very base"
        if other[1] is not known[1]
        else "two packages cannot fill one slot; build the image again",
    )
