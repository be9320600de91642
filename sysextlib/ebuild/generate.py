"""Metadata of whole repositories: what is known is kept, the rest evaluated on all cores."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from sysextlib.ebuild.md5_cache import entry_path, parse_entry, read_entry, render_entry
from sysextlib.ebuild.metadata import KEYS, evaluate_ebuild
from sysextlib.ebuild.repository import (
    Ebuild,
    Eclass,
    Eclasses,
    Repository,
    eclass_folders,
    open_repositories,
    read_source,
)
from sysextlib.errors import EbuildError, SysextError
from sysextlib.gentoo.cpv import Cpv

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sysextlib.ebuild.metadata import Metadata
    from sysextlib.progress import Progress

CHUNK: Final = 24
"""Ebuilds that a process takes at once: whole packages mostly, so that processes end together."""

_SHARED_MODE: Final = 0o644


@dataclass(frozen=True, slots=True)
class Failure:
    """An ebuild that has no metadata, and why."""

    name: str
    error: EbuildError


@dataclass(frozen=True, slots=True)
class Difference:
    """A key that an entry has otherwise than its ebuild says; ``key`` is "" for a missing entry."""

    name: str
    key: str
    found: str
    expected: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataReport:
    """What became of the ebuilds of some repositories.

    :param written: entries that were new or out of date; 0 when only compared.
    :param unchanged: entries that were right already.
    :param removed: entries without an ebuild that were deleted, as REPOSITORY/CATEGORY/PF.
    """

    written: int = 0
    unchanged: int = 0
    failures: tuple[Failure, ...] = ()
    differences: tuple[Difference, ...] = ()
    removed: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every ebuild has metadata, and nothing that was compared differs."""
        return not self.failures and not self.differences


_Task: TypeAlias = "tuple[str, str, str]"  # repository, category/PF, path
_Outcome: TypeAlias = "tuple[bytes, tuple[str, dict[str, str], str] | None]"


class Evaluator:
    """Evaluates ebuilds of some repositories; eclasses are parsed once.

    :ivar repositories: by name, their masters included.
    """

    def __init__(self, repositories: Mapping[str, Repository]) -> None:
        self.repositories = repositories
        self._shared: dict[Path, Eclass] = {}
        self._sources: dict[str, Eclasses] = {}

    def eclasses(self, repository: str) -> Eclasses:
        """Return the eclasses that the ebuilds of a repository see."""
        if repository not in self._sources:
            folders = eclass_folders(self.repositories[repository], self.repositories)
            self._sources[repository] = Eclasses(folders, self._shared)
        return self._sources[repository]

    def metadata(self, ebuild: Ebuild, wanted: Sequence[str] = ()) -> Metadata:
        """Evaluate an ebuild.

        :param wanted: names of variables outside the keys to return as well.
        :raises EbuildError: it is wrong, or has what is not supported.
        """
        source = self.eclasses(ebuild.repository)
        data = read_source(ebuild.path)
        return evaluate_ebuild(data, ebuild.cpv, str(ebuild.path), source, wanted)

    def is_current(self, ebuild: Ebuild, entry: bytes) -> bool:
        """Tell whether an entry was made of this ebuild and of the eclasses as they are now."""
        try:
            known = parse_entry(entry, str(ebuild.path))
        except EbuildError:
            return False
        data = read_source(ebuild.path)
        if hashlib.md5(data, usedforsecurity=False).hexdigest() != known.md5:
            return False
        eclasses = self.eclasses(ebuild.repository)
        return all(eclasses.md5(name) == md5 for name, md5 in known.eclasses)


def write_metadata(
    paths: Sequence[Path],
    *,
    progress: Progress,
    out: Path | None = None,
    jobs: int = 0,
    check: bool = False,
) -> MetadataReport:
    """Bring the metadata caches of repositories up to date, or compare them.

    :param out: where ``REPOSITORY/CATEGORY/PF`` are written; None for each repository's own
        metadata/md5-cache.
    :param jobs: processes; 0 for as many as there are cores.
    :param check: write nothing, evaluate every ebuild, and report what differs.
    :raises EbuildError: a repository or one of its masters is missing, or a cache unreadable.
    """
    repositories = open_repositories(paths)
    named = list(repositories)[: len(paths)]
    evaluator = Evaluator(repositories)
    run = _Run(evaluator, out, check=check)
    with progress.step("Look at what is known"):
        for name in named:
            run.plan(repositories[name])
    total = len(run.tasks)
    with progress.step(f"Evaluate {total} ebuilds" if total else "Nothing to evaluate"):
        folders = [str(repository.path) for repository in repositories.values()]
        outcomes = _evaluate(run.tasks, folders, jobs or os.cpu_count() or 1, evaluator)
        for done, outcome in enumerate(outcomes, 1):
            run.take(done - 1, outcome)
            if done % CHUNK == 0 or done == total:
                progress.advance(done, total)
    if not check:
        run.sweep([repositories[name] for name in named])
    return run.report()


class _Run:
    """The state of one call of write_metadata."""

    def __init__(self, evaluator: Evaluator, out: Path | None, *, check: bool) -> None:
        self.evaluator = evaluator
        self.out = out
        self.check = check
        self.tasks: list[_Task] = []
        self.ebuilds: list[Ebuild] = []
        self.expected: dict[str, set[Path]] = {}
        self.failures: list[Failure] = []
        self.differences: list[Difference] = []
        self.removed: list[str] = []
        self.written = 0
        self.unchanged = 0

    def cache(self, repository: Repository) -> Path:
        """Return the root of a repository's cache."""
        if self.out is not None:
            return self.out / repository.name
        return repository.path / "metadata" / "md5-cache"

    def plan(self, repository: Repository) -> None:
        """Find out which ebuilds must be evaluated."""
        root = self.cache(repository)
        expected = self.expected.setdefault(repository.name, set())
        for ebuild in repository.ebuilds():
            if isinstance(ebuild, EbuildError):
                self.failures.append(Failure(ebuild.facts.get("file", ""), ebuild))
                continue
            path = entry_path(root, ebuild)
            expected.add(path)
            if not self.check:
                try:
                    entry = read_entry(path)
                    if entry is not None and self.evaluator.is_current(ebuild, entry):
                        self.unchanged += 1
                        continue
                except EbuildError as error:
                    self.failures.append(Failure(_name(ebuild), error))
                    continue
            self.ebuilds.append(ebuild)
            pf = ebuild.path.name.removesuffix(".ebuild")
            self.tasks.append((repository.name, f"{ebuild.cpv.category}/{pf}", str(ebuild.path)))

    def take(self, index: int, outcome: _Outcome) -> None:
        """Write or compare what one ebuild came to."""
        ebuild = self.ebuilds[index]
        entry, failure = outcome
        repository = self.evaluator.repositories[ebuild.repository]
        path = entry_path(self.cache(repository), ebuild)
        if failure is not None:
            self.failures.append(Failure(_name(ebuild), EbuildError(*failure)))
            self.expected[ebuild.repository].discard(path)
        elif self.check:
            self._compare(ebuild, path, entry)
        else:
            self._write(path, entry)
            self.written += 1

    def _write(self, path: Path, entry: bytes) -> None:
        try:
            _replace(path, entry)
        except OSError as error:
            raise EbuildError(f"{path} cannot be written", {"reason": error.strerror}) from error

    def _compare(self, ebuild: Ebuild, path: Path, entry: bytes) -> None:
        name = _name(ebuild)
        expected = parse_entry(entry, name)
        try:
            found_bytes = read_entry(path)
            if found_bytes is None:
                self.differences.append(Difference(name, "", "", ""))
                return
            found = parse_entry(found_bytes, str(path))
        except EbuildError as error:
            self.failures.append(Failure(name, error))
            return
        before = len(self.differences)
        for key in KEYS:
            have, want = found.value(key), expected.value(key)
            if have.split() != want.split():
                self.differences.append(Difference(name, key, have, want))
        if sorted(found.eclasses) != sorted(expected.eclasses):
            texts = [" ".join(" ".join(p) for p in e.eclasses) for e in (found, expected)]
            self.differences.append(Difference(name, "_eclasses_", *texts))
        if found.md5 != expected.md5:
            self.differences.append(Difference(name, "_md5_", found.md5, expected.md5))
        self.unchanged += len(self.differences) == before

    def sweep(self, repositories: Sequence[Repository]) -> None:
        """Delete entries that no ebuild has any more."""
        for repository in repositories:
            root = self.cache(repository)
            for path in _entries(root):
                if path not in self.expected[repository.name]:
                    path.unlink(missing_ok=True)
                    self.removed.append(f"{repository.name}/{path.relative_to(root)}")

    def report(self) -> MetadataReport:
        """Return what was done."""
        return MetadataReport(
            written=self.written,
            unchanged=self.unchanged,
            failures=tuple(self.failures),
            differences=tuple(self.differences),
            removed=tuple(self.removed),
        )


def _entries(root: Path) -> Iterator[Path]:
    """Yield the entries of a cache, two folders deep, sorted; nothing else is looked at."""
    if not root.is_dir():
        return
    for category in sorted(root.iterdir()):
        if category.is_dir() and not category.is_symlink():
            for path in sorted(category.iterdir()):
                if path.is_file() and not path.is_symlink():
                    yield path


def _name(ebuild: Ebuild) -> str:
    return f"{ebuild.cpv}::{ebuild.repository}"


# -- processes


def _evaluate(
    tasks: Sequence[_Task], folders: Sequence[str], jobs: int, evaluator: Evaluator
) -> Iterator[_Outcome]:
    """Yield the outcome of every task, in order."""
    chunks = [tasks[at : at + CHUNK] for at in range(0, len(tasks), CHUNK)]
    if jobs <= 1 or len(chunks) <= 1:
        for chunk in chunks:
            yield from _evaluate_chunk(evaluator, chunk)
        return
    # A server process is forked from: this process may have threads that hold locks.
    context = multiprocessing.get_context("forkserver")
    workers = min(jobs, len(chunks))
    work = functools.partial(_work, tuple(folders))
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        for outcomes in pool.map(work, chunks):
            yield from outcomes


@functools.cache
def _evaluator_of(folders: tuple[str, ...]) -> Evaluator:
    return Evaluator(open_repositories([Path(folder) for folder in folders]))


def _work(folders: tuple[str, ...], chunk: Sequence[_Task]) -> list[_Outcome]:
    """Evaluate a chunk in a process of its own."""
    return _evaluate_chunk(_evaluator_of(folders), chunk)


def _evaluate_chunk(evaluator: Evaluator, chunk: Sequence[_Task]) -> list[_Outcome]:
    outcomes: list[_Outcome] = []
    for repository, name, path in chunk:
        try:
            ebuild = Ebuild(Cpv.parse(name), Path(path), repository)
            outcomes.append((render_entry(evaluator.metadata(ebuild)), None))
        except SysextError as error:
            outcomes.append((b"", (error.brief, error.facts, error.hint)))
    return outcomes


@dataclass(slots=True)
class MetadataStore:
    """Metadata for the rest of the library: evaluated once, kept between runs.

    :param cache: folder of the user's own for entries; never a place that others write.
    :param keep: write entries, too.
    """

    evaluator: Evaluator
    cache: Path
    keep: bool = True
    _read: dict[Path, Metadata] = field(default_factory=dict)

    def metadata(self, ebuild: Ebuild) -> Metadata:
        """Return the metadata of an ebuild, from the cache when neither it nor an eclass changed.

        :raises EbuildError: the ebuild is wrong, or has what is not supported.
        """
        if ebuild.path in self._read:
            return self._read[ebuild.path]
        path = entry_path(self.cache / ebuild.repository, ebuild)
        entry = read_entry(path)
        if entry is not None and self.evaluator.is_current(ebuild, entry):
            result = parse_entry(entry, str(path))
        else:
            result = self.evaluator.metadata(ebuild)
            if self.keep:
                with contextlib.suppress(OSError):  # it only costs time then
                    _replace(path, render_entry(result))
        self._read[ebuild.path] = result
        return result


def _replace(path: Path, entry: bytes) -> None:
    """Write an entry that anyone may read, whole or not at all."""
    scratch = path.parent / f".{path.name}.{os.getpid()}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch.write_bytes(entry)
        scratch.chmod(_SHARED_MODE)
        scratch.replace(path)
    except OSError:
        scratch.unlink(missing_ok=True)
        raise
