"""Which image tools there are, and how to start them.

The host's are often too old (Debian 12 has erofs-utils 1.5). ``ci/make-tools-tree`` then unpacks
the packages of RECIPE into a folder of the cache, the *tools tree*. Nothing in it is installed or
entered: a program of it is started by its own dynamic loader with its own libraries, which needs
no privilege and no mount. (So such a program sees the host's files, and cannot start another one
of the tree by name.)
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import platform
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from sysextlib.errors import MissingToolError, nearest
from sysextlib.system.cache import cache_root
from sysextlib.system.run import ENVIRONMENT, run

STAMP = "tools.json"
MULTIARCH = {"x86_64": "x86_64-linux-gnu", "aarch64": "aarch64-linux-gnu"}
LOADERS = {"x86_64": "ld-linux-x86-64.so.2", "aarch64": "ld-linux-aarch64.so.1"}
DEBIAN_ARCH = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class Program:
    """A program that we use.

    :param package: Debian's package, which holds it at ``path``.
    :param needed: the oldest version that does what we ask of it; () when any will do.
    :param ask: arguments that make it print its version; () when it cannot, then any will do.
    """

    name: str
    package: str
    path: str
    needed: tuple[int, ...] = ()
    ask: tuple[str, ...] = ("--version",)


PROGRAMS = {
    program.name: program
    for program in (
        # --tar=f came with 1.7; this is the oldest that was seen to write what it was given
        Program("mkfs.erofs", "erofs-utils", "usr/bin/mkfs.erofs", (1, 8, 6)),
        Program("fsck.erofs", "erofs-utils", "usr/bin/fsck.erofs", (1, 8)),
        Program("dump.erofs", "erofs-utils", "usr/bin/dump.erofs", (1, 8)),
        Program("veritysetup", "cryptsetup-bin", "usr/sbin/veritysetup", (2, 0)),
        # --make-ddi, --copy-source and split verity signatures
        Program("systemd-repart", "systemd-repart", "usr/bin/systemd-repart", (257,)),
        Program("systemd-dissect", "systemd-container", "usr/bin/systemd-dissect", (257,)),
        Program("openssl", "openssl", "usr/bin/openssl", (3,), ("version",)),
        # 4.6 can list and extract with xattrs as any user, and streams to standard output
        Program("mksquashfs", "squashfs-tools", "usr/bin/mksquashfs", (4, 6), ("-version",)),
        Program("unsquashfs", "squashfs-tools", "usr/bin/unsquashfs", (4, 6), ("-version",)),
        Program("strip", "binutils", "usr/bin/strip"),
        Program(
            "x86_64-linux-gnu-strip", "binutils-x86-64-linux-gnu", "usr/bin/x86_64-linux-gnu-strip"
        ),
        Program(
            "aarch64-linux-gnu-strip",
            "binutils-aarch64-linux-gnu",
            "usr/bin/aarch64-linux-gnu-strip",
        ),
        Program("setfiles", "policycoreutils", "usr/sbin/setfiles", ask=()),
        Program("matchpathcon", "selinux-utils", "usr/sbin/matchpathcon", ask=()),
        Program("sfdisk", "fdisk", "usr/sbin/sfdisk"),
        Program("depmod", "kmod", "usr/sbin/depmod"),
        Program("protoc", "protobuf-compiler", "usr/bin/protoc"),
        Program("bwrap", "bubblewrap", "usr/bin/bwrap"),
    )
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a tools tree is made from."""

    suite: str
    arch: str
    packages: tuple[str, ...]

    @classmethod
    def here(cls) -> Recipe:
        """Return the recipe for this machine."""
        machine = platform.machine()
        packages = {program.package for program in PROGRAMS.values()}
        return cls("trixie", DEBIAN_ARCH.get(machine, machine), tuple(sorted(packages)))

    @property
    def digest(self) -> str:
        """Name of the tree's folder; another recipe makes another tree."""
        text = json.dumps(["1", self.suite, self.arch, self.packages])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def folder(self, cache: Path) -> Path:
        """Where the tree lies, whether or not it has been made."""
        return cache / "tools-tree" / self.digest


@dataclass(frozen=True, slots=True)
class Tools:
    """The programs that this machine offers: those of the tools tree, else the host's.

    :param tree: the tools tree, or None where there is none.
    :param packages: name and version of what was unpacked into the tree, as Debian spells it.
    :param wanted: where the tree would be, for error messages.
    """

    tree: Path | None
    packages: tuple[tuple[str, str], ...]
    wanted: Path

    @classmethod
    def locate(cls, cache: Path | None = None, tree: Path | None = None) -> Tools:
        """Find the tools tree; no program is started.

        :param cache: the cache folder; default is ``cache_root()``.
        :param tree: a tree to use instead of the one in the cache.
        """
        wanted = tree or Recipe.here().folder(cache or cache_root())
        try:
            stamp = json.loads((wanted / STAMP).read_bytes())
            packages = tuple(sorted((str(k), str(v)) for k, v in stamp["packages"].items()))
        except (OSError, ValueError, KeyError, AttributeError):
            return cls(None, (), wanted)
        return cls(wanted, packages, wanted)

    def argv(self, name: str) -> tuple[str, ...]:
        """Return the words that start a program; its own arguments are to be appended.

        :raises MissingToolError: it is absent or too old.
        """
        program = _known(name)
        if self.tree is not None:
            return _by_loader(self.tree, program)
        found = _on_host(program)
        self._require_version(program, found)
        return (str(found),)

    def version(self, name: str) -> str:
        """Return a program's version without a distribution's suffix, like "1.8.6".

        :raises MissingToolError: it is absent.
        """
        program = _known(name)
        if self.tree is not None:
            return upstream_version(dict(self.packages).get(program.package, ""))
        return _host_version(program, _on_host(program))

    def require(self, *names: str) -> None:
        """Go on only when these programs are there and new enough.

        :raises MissingToolError: the first that is not.
        """
        for name in names:
            self.argv(name)

    def _require_version(self, program: Program, found: Path) -> None:
        if not program.needed or not program.ask:
            return
        version = _host_version(program, found)
        if _numbers(version) < program.needed:
            raise MissingToolError(
                f"{program.name} is too old",
                {
                    "found": f"{found}, version {version or 'unknown'}",
                    "needed": ".".join(map(str, program.needed)) + " or newer",
                    "tools tree": f"none at {self.wanted}",
                },
                hint=HINT,
            )


HINT = "run ci/make-tools-tree, which unpacks current tools into the cache and needs no root"


def upstream_version(debian: str) -> str:
    """Cut epoch, revision and repacking suffix off a Debian version: "2:2.7.5-2" is "2.7.5"."""
    version = debian.partition(":")[2] if ":" in debian else debian
    version = version.rpartition("-")[0] or version
    return re.split(r"[+~]", version, maxsplit=1)[0]


def _known(name: str) -> Program:
    try:
        return PROGRAMS[name]
    except KeyError:
        hint = nearest(name, PROGRAMS)
        raise MissingToolError(f"{name} is no tool that we know", hint=hint) from None


def _by_loader(tree: Path, program: Program) -> tuple[str, ...]:
    machine = platform.machine()
    path = tree / program.path
    libraries = tree / "usr/lib" / MULTIARCH.get(machine, "")
    loader = libraries / LOADERS.get(machine, "")
    if not path.is_file() or not loader.is_file():
        raise MissingToolError(
            f"the tools tree lacks {program.name}",
            {"looked for": path if loader.is_file() else loader},
            hint=f"remove {tree} and run ci/make-tools-tree",
        )
    words = (str(loader), "--library-path", f"{libraries}:{libraries}/systemd", str(path))
    if program.name == "openssl":
        # its compiled-in folder is the host's, whose settings may be another version's
        settings = f"OPENSSL_CONF={tree}/etc/ssl/openssl.cnf"
        return ("/usr/bin/env", settings, f"OPENSSL_MODULES={libraries}/ossl-modules", *words)
    return words


def _on_host(program: Program) -> Path:
    for folder in ENVIRONMENT["PATH"].split(":"):
        path = Path(folder) / program.name
        try:
            if stat.S_ISREG(path.stat().st_mode) and os.access(path, os.X_OK):
                return path
        except OSError:
            continue
    raise MissingToolError(
        f"{program.name} is not installed",
        {
            "looked in": ENVIRONMENT["PATH"],
            "tools tree": f"none at {Recipe.here().folder(cache_root())}",
        },
        hint=HINT,
    )


@functools.cache
def _host_version(program: Program, found: Path) -> str:
    if not program.ask:
        return ""
    # mksquashfs 4.5 ends with 1 after it has printed its version
    result = run([found, *program.ask], codes=range(256), timeout=20)
    match = re.search(rb"\d+(\.\d+)*", result.stdout or result.stderr)
    return match[0].decode() if match else ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
