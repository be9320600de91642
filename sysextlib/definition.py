"""What the catalogue says of each extension: sysexts/NAME/sysext.toml -> SysextDef.

sysexts/README.md explains every key to the people who write them; a test holds the two together.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path  # noqa: TC003 - the TOML reader needs it at run time
from typing import TYPE_CHECKING, Any

from sysextlib.errors import DefinitionError, nearest
from sysextlib.gentoo.arch import Arch
from sysextlib.gentoo.atom import Atom
from sysextlib.toml_reader import NOT_READ, Glob, TomlReader, TreePath, UseFlag
from sysextlib.tree import Entry, Tree, file_entry, length_prefixed, link_entry
from sysextlib.verbs import (  # noqa: TC001 - read at run time
    Append,
    KeepOnly,
    KernelModules,
    Membership,
    Presets,
    Remove,
    Symlink,
    Sysusers,
    Tmpfiles,
    Transfer,
    Upholds,
    UpholdWants,
    VendorEtc,
    Write,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

LARGEST_FILE = 16 << 20  # bytes of one file below files/, which is kept in memory
GROUPS = ("base", "extra", "oem", "all")  # words that stand for every extension of a kind
_NAME = re.compile(r"[a-z0-9][a-z0-9._+-]{0,99}")


class SysextKind(StrEnum):
    """Which family an extension belongs to; decides the defaults that upstream has for it."""

    BASE = "base"
    EXTRA = "extra"
    OEM = "oem"
    DEMO = "demo"
    ADHOC = "adhoc"


class Compression(StrEnum):
    """How the file system of an image is compressed; options as upstream's for each."""

    NONE = "none"
    LZ4 = "lz4"
    LZ4HC = "lz4hc"
    ZSTD = "zstd"


class Scope(StrEnum):
    """Where systemd may merge an extension (SYSEXT_SCOPE of os-release(5))."""

    SYSTEM = "system"
    INITRD = "initrd"
    PORTABLE = "portable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Privileged:
    """A path that may be setuid, setgid or bear capabilities, and why.

    :param optional: packages may bring it without any of these.
    """

    path: Glob
    reason: str
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SysextDef:
    """One extension of the catalogue, independent of board and release.

    :param key: its name in the catalogue, such as "zfs" for the image "flatcar-zfs".
    :param folder: where it was read from; None when it was given on the command line.
    :param sets: the globs of every set that ``remove`` names.
    :param files: what lies below its files/, 0755 where the owner may execute it, else 0644.
    """

    key: str = field(metadata=NOT_READ)
    folder: Path | None = field(default=None, metadata=NOT_READ, compare=False)
    files: Tree = field(default=Tree(), metadata=NOT_READ)
    sets: Mapping[str, tuple[Glob, ...]] = field(default_factory=dict, metadata=NOT_READ)
    name: str
    summary: str = ""
    kind: SysextKind
    packages: tuple[Atom, ...]
    main_package: Atom | None = None
    use: tuple[UseFlag, ...] = ()
    package_use: Mapping[Atom, tuple[UseFlag, ...]] = field(default_factory=dict)
    arches: tuple[Arch, ...] = tuple(Arch)
    boards: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    compression: Compression = Compression.LZ4HC
    scope: tuple[Scope, ...] = ()
    confext: bool = False
    may_replace: tuple[Glob, ...] = ()
    required: tuple[Glob, ...] = ()
    acknowledge: Mapping[str, str] = field(default_factory=dict)
    privileged: tuple[Privileged, ...] = ()
    remove: tuple[Remove, ...] = ()
    keep_only: tuple[KeepOnly, ...] = ()
    copy: tuple[Transfer, ...] = ()
    move: tuple[Transfer, ...] = ()
    vendor_etc: tuple[VendorEtc, ...] = ()
    replace: tuple[TreePath, ...] = ()
    write: tuple[Write, ...] = ()
    symlink: tuple[Symlink, ...] = ()
    append: tuple[Append, ...] = ()
    presets: tuple[Presets, ...] = ()
    sysusers: tuple[Sysusers, ...] = ()
    tmpfiles: tuple[Tmpfiles, ...] = ()
    membership: tuple[Membership, ...] = ()
    upholds: tuple[Upholds, ...] = ()
    uphold_wants: tuple[UpholdWants, ...] = ()
    udev_waits: bool = False
    kernel_modules: KernelModules | None = None

    def __post_init__(self) -> None:
        for word in (self.key, self.name):
            if not _NAME.fullmatch(word):
                raise ValueError(f"{word!r} is no name for an extension")
            if self.kind is not SysextKind.ADHOC and word in GROUPS:
                raise ValueError(f"{word!r} is the name of a group of extensions")
        for key, reason in self.acknowledge.items():
            if ":" not in key or not reason:
                raise ValueError(f"acknowledge {key!r} is not CODE:SUBJECT with a reason")
        if not self.packages:
            raise ValueError("packages must name at least one atom")
        if self.main_package is None and len(self.packages) == 1:
            object.__setattr__(self, "main_package", self.packages[0])
        if self.main_package and self.main_package.cp not in {a.cp for a in self.packages}:
            raise ValueError(f"main_package {self.main_package.cp} is not among packages")

    @property
    def install_root(self) -> str:
        """Upstream's name of the staging root, whose ending tells package hooks what is built."""
        if self.kind is SysextKind.ADHOC:
            return "install-root"
        kind = SysextKind.EXTRA if self.kind is SysextKind.DEMO else self.kind
        return f"{self.name}-{kind}-sysext-rootfs"

    def fits(self, board: str, arch: Arch) -> bool:
        """Tell whether the extension is built for a board."""
        return arch in self.arches and (not self.boards or board in self.boards)

    def digest(self) -> str:
        """Return a SHA-256 of all that decides what is built; where it was read does not."""
        return hashlib.sha256(_canonical(self)).hexdigest()


def load_catalogue(root: Path) -> Mapping[str, SysextDef]:
    """Return every extension below ``root``/sysexts by its key, in the order of keys.

    :raises DefinitionError: one of them is wrong, two have one name, or ``after`` leads nowhere
        or in a circle.
    """
    folder = root / "sysexts"
    try:
        files = sorted(folder.glob("*/sysext.toml"))
    except OSError as error:
        raise DefinitionError(f"{folder} cannot be read", {"reason": error.strerror}) from error
    found: dict[str, SysextDef] = {}
    names: dict[str, SysextDef] = {}
    for definition in (one for file in files for one in load_definitions(file.parent)):
        for index, word in ((found, definition.key), (names, definition.name)):
            if word in index:
                raise DefinitionError(
                    f"two extensions are called {word}",
                    {"first": index[word].folder, "second": definition.folder},
                )
            index[word] = definition
    for definition in found.values():
        _check_after(definition, found)
    return dict(sorted(found.items()))


def below(definition: SysextDef, catalogue: Mapping[str, SysextDef]) -> tuple[SysextDef, ...]:
    """Return the extensions under a definition, the lowest first."""
    found: dict[str, SysextDef] = {}
    for name in definition.after:
        for lower in below(catalogue[name], catalogue):
            found.setdefault(lower.key, lower)
        found.setdefault(name, catalogue[name])
    return tuple(found.values())


def choose(catalogue: Mapping[str, SysextDef], word: str) -> SysextDef:
    """Return the extension whose key or image name is ``word``.

    :raises DefinitionError: there is none; the nearest are named.
    """
    if word in catalogue:
        return catalogue[word]
    by_name = {definition.name: definition for definition in catalogue.values()}
    if word in by_name:
        return by_name[word]
    hint = nearest(word, catalogue)
    raise DefinitionError(f"there is no extension called {word!r}", hint=hint)


def load_definitions(folder: Path) -> tuple[SysextDef, ...]:
    """Return the extension that a folder defines, or each of its ``[variant.NAME]``.

    A variant has the keys of the file with its own ones in their place; its key in the catalogue
    is FOLDER-NAME, and it must have a name of its own.

    :raises DefinitionError: the file is wrong.
    """
    source = folder / "sysext.toml"
    values = _READER.load(source)
    variants = values.pop("variant", None)
    files = _read_files(folder / "files")
    sets = _load_sets(folder.parent / "sets.toml")
    common = {"folder": folder, "files": files}
    if variants is None:
        return (_definition(values, source, sets, key=folder.name, **common),)
    tables = isinstance(variants, dict) and all(isinstance(v, dict) for v in variants.values())
    if not variants or not tables:
        raise DefinitionError("variant must be a table of tables", {"file": source})
    return tuple(
        _definition({**values, **own}, source, sets, key=f"{folder.name}-{name}", **common)
        for name, own in variants.items()
    )


def adhoc(name: str, atoms: Sequence[str]) -> SysextDef:
    """Return the definition of an extension that only the command line names.

    :raises DefinitionError: the name is none. :raises ValueSyntaxError: an atom is none.
    """
    packages = tuple(Atom.parse(text) for text in atoms)
    try:
        return SysextDef(key=name, name=name, kind=SysextKind.ADHOC, packages=packages)
    except ValueError as error:
        raise DefinitionError(str(error)) from error


_READER = TomlReader(DefinitionError, {Atom: Atom.parse})


@dataclass(frozen=True, slots=True, kw_only=True)
class _PathSet:
    """Globs that several extensions remove, under a name of sysexts/sets.toml."""

    paths: tuple[Glob, ...]


def _definition(
    values: Mapping[str, Any], source: Path, sets: Mapping[str, _PathSet], **given: Any
) -> SysextDef:
    if values.get("kind") in (SysextKind.BASE, SysextKind.OEM):  # stored on compressed partitions
        values = {"compression": Compression.NONE, **values}
    definition = _READER.build(SysextDef, values, source, **given)
    if definition.kind is SysextKind.ADHOC:
        raise DefinitionError("kind adhoc is for the command line", {"file": source, "key": "kind"})
    if definition.main_package is None:
        raise DefinitionError(
            "missing key 'main_package'",
            {"file": source, "packages": " ".join(map(str, definition.packages))},
            hint="with several packages, say whose version the extension bears",
        )
    used: dict[str, tuple[Glob, ...]] = {}
    for at, name in enumerate(removal.set for removal in definition.remove):
        if name and name not in sets:
            raise DefinitionError(
                f"there is no set called {name!r}",
                {"file": source, "key": f"remove[{at}].set"},
                nearest(name, sets),
            )
        if name:
            used[name] = sets[name].paths
    return replace(definition, sets=used)


def _load_sets(source: Path) -> dict[str, _PathSet]:
    if not source.exists():
        return {}
    values = _READER.load(source)
    return {name: _READER.build(_PathSet, own, source) for name, own in values.items()}


def _check_after(definition: SysextDef, found: Mapping[str, SysextDef]) -> None:
    """Follow ``after`` to its end: every name exists, and none comes back to ``definition``."""
    chain = [definition.key]
    todo = [(name, chain) for name in definition.after]
    while todo:
        name, chain = todo.pop()
        if name not in found:
            raise DefinitionError(
                f"there is no extension called {name!r}",
                {"file": found[chain[-1]].folder, "key": "after"},
                nearest(name, found),
            )
        if name in chain:
            raise DefinitionError(
                f"{name} must come after itself", {"chain": " after ".join([*chain, name])}
            )
        todo += [(further, [*chain, name]) for further in found[name].after]


def _read_files(folder: Path) -> Tree:
    """Return what lies below a definition's files/ as entries of the image."""
    if not folder.is_dir():
        return Tree()
    entries = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            target = os.readlink(path)  # noqa: PTH115 - Path.readlink changes "./a" to "a"
            entries.append(link_entry(name, target, origin="definition"))
        elif path.is_file():
            entries.append(_read_file(path, name))
        elif not path.is_dir():
            raise DefinitionError(f"{path} is neither a file, a folder nor a symlink")
    return Tree(entries)


def _read_file(path: Path, name: str) -> Entry:
    try:
        status = path.stat()
        if status.st_size > LARGEST_FILE:
            raise DefinitionError(f"{path} is larger than {LARGEST_FILE} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise DefinitionError(f"{path} cannot be read", {"reason": error.strerror}) from error
    # git keeps no other bit of a mode, and the umask of a checkout must not reach an image
    mode = 0o755 if status.st_mode & 0o100 else 0o644
    return file_entry(name, data, mode=mode, origin="definition")


def _canonical(value: Any) -> bytes:
    """Return bytes that two values share only when they are equal."""
    if isinstance(value, Tree):
        return value.digest().encode()
    if dataclasses.is_dataclass(value) and not isinstance(value, Atom | type):
        names = [item.name for item in dataclasses.fields(value) if item.compare]
        parts = [part for name in names for part in (name, getattr(value, name))]
        return _canonical(parts)
    if isinstance(value, Mapping):
        pairs = sorted((str(key), value[key]) for key in value)
        return _canonical([part for pair in pairs for part in pair])
    if isinstance(value, tuple | list):
        return length_prefixed([b"list", *map(_canonical, value)])
    return length_prefixed([b"text", str(value).encode()])
