"""What changed in a git checkout, in the words of ebuild repositories and definitions."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from sysextlib.ebuild.failure import ScriptSyntaxError
from sysextlib.ebuild.make_defaults import parse_make_defaults
from sysextlib.errors import SysextError, ToolError, UsageError, ValueSyntaxError
from sysextlib.gentoo.atom import Atom
from sysextlib.gentoo.cpv import Cpv
from sysextlib.system.run import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_GIT: Final = ("git", "-c", "safe.directory=*", "-c", "core.quotePath=off", "-c", "core.fsmonitor=")

_ATOM_LISTS: Final = frozenset({
    "package.use", "package.use.mask", "package.use.force", "package.use.stable.mask",
    "package.use.stable.force", "package.mask", "package.unmask", "package.keywords",
    "package.accept_keywords", "package.provided",
})  # fmt: skip
_FLAG_LISTS: Final = frozenset({"use.mask", "use.force", "use.stable.mask", "use.stable.force"})
_SILENT: Final = frozenset({
    "use.desc", "use.local.desc", "arches.desc", "profiles.desc", "desc", "updates", "repo_name",
    "thirdpartymirrors", "info_pkgs", "info_vars", "license_groups", "package.deprecated",
    "arch.list", "categories", "README", "README.md", "deprecated",
})  # fmt: skip
_OUTSIDE: Final = frozenset({"metadata.xml", "ChangeLog", "README", "README.md"})


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """A file that differs from the revision.

    :param path: absolute; where a symlink leads to the file, another one names the link.
    :param real: the file itself. :param deleted: it is gone now.
    """

    path: Path
    real: Path
    deleted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a changed file changes; every field that is set says which packages are concerned.

    :param cause: the file, relative to the checkout.
    :param package: CATEGORY/NAME. :param pf: the one ebuild of it, or "" for all its versions.
    :param eclass: every ebuild that sources it. :param atoms: what they match.
    :param flags: every ebuild that knows one of these USE flags. :param everything: all.
    :param definition: folder of an extension. :param board: only extensions that fit this board.
    """

    cause: str
    package: str = ""
    pf: str = ""
    eclass: str = ""
    atoms: tuple[Atom, ...] = ()
    flags: frozenset[str] = frozenset()
    everything: bool = False
    definition: str = ""
    board: str = ""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A git checkout, compared with one of its revisions.

    :param top: its root. :param commit: full name of the revision.
    """

    top: Path
    commit: str

    def changed(self) -> tuple[ChangedFile, ...]:
        """Return the files that differ from the revision, those git does not know included.

        A file that tracked symlinks lead to, or to a folder that holds it, comes under each name.
        """
        diff = _git(self.top, "diff", "--name-status", "-z", "--no-renames", self.commit, "--")
        words = diff.split("\0")
        found = {
            path: status.startswith("D")
            for status, path in zip(words[::2], words[1::2], strict=False)
        }
        new = _git(self.top, "ls-files", "--others", "--exclude-standard", "-z")
        found |= {path: False for path in new.split("\0") if path}
        links = self._links() if found else {}
        files = []
        for name in sorted(found):
            path = self.top / name
            files.append(ChangedFile(path, path, found[name]))
            for target in (path, *path.parents):
                for link in links.get(target, ()):
                    alias = link / path.relative_to(target)
                    files.append(ChangedFile(alias, path, found[name]))
        return tuple(files)

    def _links(self) -> dict[Path, list[Path]]:
        """Return the symlinks that git knows, by where they lead."""
        links: dict[Path, list[Path]] = {}
        for entry in _git(self.top, "ls-files", "--stage", "-z").split("\0"):
            if entry.startswith("120000 "):
                link = self.top / entry.partition("\t")[2]
                links.setdefault(link.resolve(), []).append(link)
        return links

    def name_of(self, changed: ChangedFile) -> str:
        """Return what reports call a changed file: its path in the checkout."""
        return changed.real.relative_to(self.top).as_posix()

    def write_before(self, folder: Path, place: Path, suffixes: tuple[str, ...]) -> None:
        """Write the files with these suffixes that a folder had in the revision, to ``place``."""
        inside = folder.relative_to(self.top).as_posix()
        prefix = "" if inside == "." else f"{inside}/"
        where = ("--", prefix) if prefix else ()  # lists nothing where there was no such folder
        listing = _git(self.top, "ls-tree", "-r", "-z", "--full-tree", self.commit, *where)
        wanted = []
        for entry in listing.split("\0"):
            facts, _, name = entry.partition("\t")
            if name.endswith(suffixes):
                mode, _, oid = facts.split()
                wanted.append((mode, oid, place / name.removeprefix(prefix)))
        for (mode, _, path), data in zip(wanted, self._blobs(wanted), strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            if mode == "120000":
                path.symlink_to(os.fsdecode(data))
            else:
                path.write_bytes(data)

    def _blobs(self, wanted: Sequence[tuple[str, str, Path]]) -> Iterator[bytes]:
        """Yield what ``git cat-file --batch`` says: for each a line that ends in its size."""
        asked = "".join(f"{oid}\n" for _, oid, _ in wanted).encode()
        answer = _git_bytes(self.top, "cat-file", "--batch", feed=asked)
        at = 0
        for _ in wanted:
            end = answer.index(b"\n", at)
            size = answer[at:end].rpartition(b" ")[2]
            if not size.isdigit():
                raise UsageError(
                    f"the clone lacks files of revision {self.commit[:12]}",
                    {"checkout": self.top, "git says": answer[at:end].decode()},
                    "fetch them: git fetch --unshallow, or clone without --filter",
                )
            yield answer[end + 1 : end + 1 + int(size)]
            at = end + int(size) + 2

    def before(self, path: Path) -> str:
        """Return the text that a file had in the revision, "" when it was not there."""
        name = path.relative_to(self.top).as_posix()
        try:
            return _git(self.top, "show", f"{self.commit}:{name}")
        except ToolError:
            return ""


def open_checkout(folder: Path, since: str) -> Checkout:
    """Return the checkout that a folder lies in.

    :raises UsageError: it lies in none, or there is no such revision.
    """
    try:
        top = _git(folder, "rev-parse", "--show-toplevel").rstrip("\n")
    except ToolError as error:
        raise UsageError(
            f"{folder} is in no git checkout", error.facts, "name a folder of a clone"
        ) from error
    try:
        words = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{since}^{{commit}}")
        commit = _git(folder, *words).strip()
    except ToolError as error:
        raise UsageError(
            f"there is no revision {since[:80]!r}",
            {"checkout": top},
            "name a commit, a tag or a branch that is in the clone",
        ) from error
    return Checkout(Path(top), commit)


def _git(folder: Path, *words: str) -> str:
    return _git_bytes(folder, *words).decode("utf-8", "surrogateescape")


def _git_bytes(folder: Path, *words: str, feed: bytes = b"") -> bytes:
    return run([*_GIT, "-C", folder, *words], name="git", feed=feed, timeout=120).stdout


def repository_effects(
    checkout: Checkout, changed: ChangedFile, inside: PurePosixPath, expanded: frozenset[str]
) -> Iterator[Effect]:
    """Yield what a changed file of an ebuild repository changes; nothing when it is unrelated.

    :param inside: its path in the repository. :param expanded: names of USE_EXPAND variables.
    """
    cause = checkout.name_of(changed)
    parts = inside.parts
    if parts[0] == "eclass":
        if len(parts) == 2 and inside.suffix == ".eclass":
            yield Effect(cause=cause, eclass=inside.stem)
    elif parts[0] == "profiles":
        yield from profile_effects(checkout, changed, parts[1:], expanded)
    elif inside.as_posix() == "metadata/layout.conf":
        yield Effect(cause=cause, everything=True)
    elif len(parts) >= 3 and parts[0] not in {"metadata", "licenses", "scripts"}:
        if inside.suffix == ".ebuild" and len(parts) == 3:
            yield Effect(cause=cause, package=f"{parts[0]}/{parts[1]}", pf=inside.stem)
        elif parts[-1] not in _OUTSIDE or "files" in parts[2:-1]:
            # A profile's bashrc may read patches and settings from FOLDER/CATEGORY/NAME.
            for category, name in itertools.pairwise(parts):
                yield Effect(cause=cause, package=f"{category}/{_package_name(category, name)}")


def _package_name(category: str, name: str) -> str:
    """Return the package that NAME, NAME-VERSION or NAME:SLOT is named after."""
    try:
        return Cpv.parse(f"{category}/{name}").name
    except ValueSyntaxError:
        return name.partition(":")[0]


def profile_effects(
    checkout: Checkout,
    changed: ChangedFile,
    parts: Sequence[str],
    expanded: frozenset[str],
    board: str = "",
) -> Iterator[Effect]:
    """Yield what a changed file of a profile changes.

    :param parts: its path below the profiles folder. :param board: it is that board's alone.
    """
    cause = checkout.name_of(changed)
    names = set(parts)
    if not parts or names & _SILENT:
        return
    before = checkout.before(changed.real)
    now = ""
    if not changed.deleted and changed.real.is_file():
        now = changed.real.read_text(encoding="utf-8", errors="surrogateescape")
    lines = _changed_lines(before, now)
    if names & _ATOM_LISTS:
        atoms = _atoms(lines, provided="package.provided" in names)
        if atoms is None:
            yield Effect(cause=cause, everything=True, board=board)
        elif atoms:
            yield Effect(cause=cause, atoms=atoms, board=board)
    elif names & _FLAG_LISTS:
        flags = frozenset(line.lstrip("-") for line in lines)
        if flags:
            yield Effect(cause=cause, flags=flags, board=board)
    elif parts[-1] == "make.defaults":
        yield from _defaults(cause, before, now, expanded, board)
    elif lines:
        yield Effect(cause=cause, everything=True, board=board)


def _defaults(
    cause: str, before: str, now: str, expanded: frozenset[str], board: str
) -> Iterator[Effect]:
    """Yield the flags that a make.defaults sets otherwise than before."""
    try:
        old, new = parse_make_defaults(before, {}), parse_make_defaults(now, {})
    except ScriptSyntaxError:
        yield Effect(cause=cause, everything=True, board=board)
        return
    flags: set[str] = set()
    for name in {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}:
        words = set(old.get(name, "").split()) ^ set(new.get(name, "").split())
        if name in {"USE", "IUSE_IMPLICIT"}:
            flags |= {word.lstrip("-") for word in words}
        elif name in expanded:
            flags |= {f"{name.lower()}_{word.lstrip('-')}" for word in words}
        else:
            yield Effect(cause=cause, everything=True, board=board)
            return
    if "*" in flags or any(flag.endswith("_*") for flag in flags):
        yield Effect(cause=cause, everything=True, board=board)
    elif flags:
        yield Effect(cause=cause, flags=frozenset(flags), board=board)


def _changed_lines(before: str, now: str) -> frozenset[str]:
    """Return the lines of a list that only one of its two versions has."""
    clean: Callable[[str], set[str]] = lambda text: {  # noqa: E731
        " ".join(line.partition("#")[0].split()) for line in text.splitlines()
    }
    return frozenset(clean(before) ^ clean(now)) - {""}


def _atoms(lines: frozenset[str], *, provided: bool) -> tuple[Atom, ...] | None:
    """Return the atoms that lines begin with; None when one of them is not understood.

    :param provided: lines are versions, which stand in for all others of their package.
    """
    atoms = []
    for line in sorted(lines):
        word = line.split()[0].lstrip("-")
        try:
            atoms.append(Atom.parse(Cpv.parse(word).cp if provided else word, wildcards=True))
        except SysextError:
            return None
    return tuple(atoms)
