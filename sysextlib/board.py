"""What a board is: board_overlays/NAME/board.toml and Portage's own files beside it -> Board.

board_overlays/README.md explains every key; a test holds the two together.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from sysextlib.errors import BoardError, SysextError, ValueSyntaxError, nearest
from sysextlib.gentoo.arch import Arch  # noqa: TC001 - the TOML reader needs it at run time
from sysextlib.gentoo.atom import Atom
from sysextlib.gentoo.cpv import Cpv
from sysextlib.toml_reader import NOT_READ, TomlReader, UseFlag, use_flag

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLACE = re.compile(r"\{([^}]*)\}")
_PLACES = frozenset({"board"})  # what may stand in braces in a location
_SERVER_PLACES = frozenset({"board", "arch", "channel", "version"})  # and in one of a server
_URL = re.compile(r"(https?|file)://")


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageUse:
    """One line of package.use: the flags that packages matching ``atom`` are built with."""

    atom: Atom
    flags: tuple[UseFlag, ...]


class Installer(StrEnum):
    """Who merges packages: our own installer, or emerge in the SDK container."""

    NATIVE = "native"
    SDK = "sdk"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseServer:
    """Where one server has the releases of a board.

    In the URLs ``{board}``, ``{arch}``, ``{channel}`` and
    ``{version}`` stand for themselves.

    :param base_image: URL of the base image; its signature has ".sig" after that.
    :param binhost: URL of the folder with the Packages index of the same version.
    """

    base_image: str
    binhost: str

    def __post_init__(self) -> None:
        for url in (self.base_image, self.binhost):
            if not url.startswith(("https://", "http://")):
                raise ValueError(f"{url} is no URL of a web server")
            for word in _PLACE.findall(url):
                if word not in _SERVER_PLACES:
                    hint = nearest(word, _SERVER_PLACES)
                    raise ValueError(f"unknown place {{{word}}} in {url}; {hint}")
            if "{version}" not in url:
                raise ValueError(f"{url} lacks {{version}}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Releases:
    """How releases of a board are found and trusted.

    :param signing_key: file with the OpenPGP keys that sign base images.
    :param channels: in the order of the second number of a version, alpha being 0.
    :param default_channel: whose newest release is taken when nothing names another.
    :param servers: an earlier one is asked first.
    """

    signing_key: str
    channels: tuple[str, ...]
    default_channel: str
    servers: tuple[ReleaseServer, ...]

    def __post_init__(self) -> None:
        if self.default_channel not in self.channels:
            raise ValueError(f"default_channel {self.default_channel!r} is not among channels")
        if not self.servers:
            raise ValueError("servers must name at least one")


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A board: which machine and which OS the extensions are for, and where its inputs lie.

    Locations have ``{board}`` filled in. A local one is an absolute path, made from what the file
    says relative to the checkout; the rest are URLs.

    :param base_images: where the base image may lie, the first that exists is used.
    :param binhosts: where binary packages may lie; an earlier one wins over a later one.
    :param version_file: upstream's version.txt; None when the base alone decides.
    :param install_mask: paths that no package installs, in the syntax of Portage's INSTALL_MASK.
    :param kernel_suffix: how the name of the kernel's folder below usr/lib/modules ends.
    :param releases: where published versions are; None when there are none.
    :param installer: who merges packages when the call does not say; without a container engine it
        is our own in any case.
    :param sdk_image: the SDK's container image; ``{sdk_version}`` stands for version.txt's.
    :param package_use: package.use beside the file, in its order.
    :param provided: package.provided beside it: what dependencies find though nothing has it.
    """

    name: str = field(metadata=NOT_READ)
    folder: Path = field(metadata=NOT_READ, compare=False)
    package_use: tuple[PackageUse, ...] = field(default=(), metadata=NOT_READ)
    provided: tuple[Cpv, ...] = field(default=(), metadata=NOT_READ)
    summary: str = ""
    arch: Arch
    chost: str
    os_id: str
    kernel_suffix: str
    base_images: tuple[str, ...]
    binhosts: tuple[str, ...]
    version_file: str | None = None
    install_mask: tuple[str, ...] = ()
    releases: Releases | None = None
    installer: Installer = Installer.NATIVE
    sdk_image: str | None = None

    def base_image_paths(self) -> tuple[Path, ...]:
        """Return the local places of the base image, the preferred first."""
        return tuple(Path(place) for place in self.base_images if not _URL.match(place))


def board_names(root: Path) -> tuple[str, ...]:
    """Return the names of all boards of a checkout, sorted."""
    return tuple(
        sorted(path.parent.name for path in (root / "board_overlays").glob("*/board.toml"))
    )


def load_board(name: str, root: Path) -> Board:
    """Return the board ``name`` of the checkout ``root``.

    :raises BoardError: there is none of that name, or its files are wrong.
    """
    known = board_names(root)
    if name not in known:
        raise BoardError(f"there is no board called {name!r}", hint=nearest(name, known))
    folder = root / "board_overlays" / name
    source = folder / "board.toml"
    values = _READER.load(source)
    for key in ("base_images", "binhosts"):
        places = values.get(key)
        if isinstance(places, list):
            values[key] = [_location(place, name, root, source, key) for place in places]
    if "version_file" in values:
        values["version_file"] = _location(
            values["version_file"], name, root, source, "version_file"
        )
    releases = values.get("releases")
    if isinstance(releases, dict) and "signing_key" in releases:
        place = _location(releases["signing_key"], name, root, source, "releases.signing_key")
        values["releases"] = {**releases, "signing_key": place}
    return _READER.build(
        Board,
        values,
        source,
        name=name,
        folder=folder,
        package_use=tuple(_package_use(*line) for line in _lines(folder / "package.use")),
        provided=tuple(_provided(*line) for line in _lines(folder / "package.provided")),
    )


_READER = TomlReader(BoardError)


def _location(place: object, board: str, root: Path, source: Path, key: str) -> object:
    """Return a location with its braces filled in and, when local, made absolute."""
    if not isinstance(place, str):
        return place  # the reader says what is wrong
    for word in _PLACE.findall(place):
        if word not in _PLACES:
            raise BoardError(
                f"unknown place {{{word}}}", {"file": source, "key": key}, nearest(word, _PLACES)
            )
    if "\0" in place:
        raise BoardError("a place cannot hold a NUL character", {"file": source, "key": key})
    filled = place.replace("{board}", board)
    return filled if _URL.match(filled) else str((root / filled).resolve())


def _lines(path: Path) -> Iterator[tuple[list[str], Path, int]]:
    """Yield the words of each line of one of Portage's files, or of a folder of them, and where."""
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for file in files:
        if not file.exists():
            continue
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise BoardError(f"{file} cannot be read", {"reason": error}) from error
        for number, line in enumerate(lines, 1):
            words = line.partition("#")[0].split()
            if words:
                yield words, file, number


def _package_use(words: list[str], file: Path, number: int) -> PackageUse:
    """Return one line; ``NAME:`` before flags stands for the prefix of a USE_EXPAND variable."""
    try:
        atom = Atom.parse(words[0], wildcards=True)
        prefix, flags = "", []
        for word in words[1:]:
            if word.endswith(":"):
                prefix = word[:-1].lower() + "_"
            else:
                sign = "-" if word.startswith("-") else ""
                flags.append(use_flag(sign + prefix + word.removeprefix("-")))
    except SysextError as error:
        place = {"file": file, "line": number}
        raise BoardError(error.brief, {**place, **error.facts, **place}, error.hint) from error
    except ValueError as error:
        raise BoardError(str(error), {"file": file, "line": number}) from error
    return PackageUse(atom=atom, flags=tuple(flags))


def _provided(words: list[str], file: Path, number: int) -> Cpv:
    place = {"file": file, "line": number}
    try:
        cpv, *more = words
        if more:
            raise BoardError("package.provided has one package on a line", {**place, "more": more})
        return Cpv.parse(cpv)
    except ValueSyntaxError as error:
        hint = error.hint or "write CATEGORY/NAME-VERSION"
        raise BoardError(error.brief, {**place, **error.facts, **place}, hint) from error
