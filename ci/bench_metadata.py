"""Metadata of whole repositories, and their dependency strings, beside Portage and pkgcore."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ci.bench_cost import Cost, Stopwatch
from ci.bench_pkgcore import measure_pkgcore
from sysextlib.ebuild.md5_cache import parse_entry
from sysextlib.ebuild.repository import open_repositories
from sysextlib.errors import EbuildError, ToolError
from sysextlib.keywords import REPOSITORIES
from sysextlib.system.run import run
from tests.builders.portage_root import PortageRoot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sysextlib.ebuild.repository import Repository

ROOT = Path(__file__).resolve().parent.parent
DEPENDENCIES: Final = ("BDEPEND", "DEPEND", "IDEPEND", "PDEPEND", "RDEPEND")
HOUR: Final = 3600  # seconds
ASKED: Final = {"cold": 20.0, "warm": 1.5, "strings": 0.3}  # CPU seconds that are allowed

# Each reads a file of strings, one a line, and prints the CPU seconds that parsing them takes in a
# process that has parsed nothing yet; what is imported first is no part of it.
OURS: Final = """
import sys, time
from sysextlib.gentoo.dependency import parse_depend
texts = [line.rstrip("\\n").partition("\\t")[::2] for line in open(sys.argv[1])]
began = time.process_time()
for eapi, text in texts:
    parse_depend(text, eapi)
print(time.process_time() - began)
"""
THEIRS: Final = """
import sys, time
from portage.dep import Atom, use_reduce
texts = [line.rstrip("\\n").partition("\\t")[::2] for line in open(sys.argv[1])]
began = time.process_time()
for eapi, text in texts:
    use_reduce(text, matchall=True, eapi=eapi, token_class=Atom)
print(time.process_time() - began)
"""


def repositories_at_hand() -> list[Path]:
    """Return the repositories of the checkout that FLATCAR_SCRIPTS names, or the demo overlay."""
    named = os.environ.get("FLATCAR_SCRIPTS")
    if named:
        return [Path(named) / place for place in REPOSITORIES]
    return [(ROOT / "__build__/packages/demo-amd64").resolve().parent / "overlay"]


def measure_metadata(folders: Sequence[Path], work: Path) -> None:
    """Print what reading all ebuilds of some repositories costs."""
    folders = [folder.resolve() for folder in folders]
    repositories = open_repositories(folders)
    for repository in repositories.values():
        count = sum(1 for _ in repository.ebuilds())
        print(f"{repository.name}: {count} ebuilds")
    cold = ours(folders, work / "one", 1)
    warm = ours(folders, work / "one", 1)
    both = ours(folders, work / "two", 2)
    print(f"  one process, cold            {cold}   {verdict(cold.cpu, ASKED['cold'])}")
    print(f"  one process, nothing changed {warm}   {verdict(warm.cpu, ASKED['warm'])}")
    share = both.wall / cold.wall
    print(f"  two processes, cold          {both.wall:7.2f} wall   {share:.2f} of one's")
    portage(list(repositories.values())[: len(folders)], repositories, work, cold)
    pkgcore(list(repositories)[: len(folders)], repositories, work, cold)
    strings(work)


def ours(folders: Sequence[Path], out: Path, jobs: int) -> Cost:
    argv: list[str | Path] = [ROOT / "build_sysext.py", "metadata", "--json", f"--out={out}"]
    with Stopwatch() as watch:
        # 24 is the exit code of refused ebuilds
        run([*argv, f"--jobs={jobs}", *folders], codes=(0, EbuildError.exit_code), timeout=HOUR)
    return watch.cost


def portage(
    named: Sequence[Repository], known: dict[str, Repository], work: Path, cold: Cost
) -> None:
    """Print what egencache costs, one process, on repositories without a cache."""
    root = PortageRoot.create(work / "portage", {})
    places = {name: bare(repository, work / "bare") for name, repository in known.items()}
    main = next(iter(known))
    conf = f"[DEFAULT]\nmain-repo = {main}\n" + "".join(
        f"[{name}]\nlocation = {place}\nauto-sync = no\n" for name, place in places.items()
    )
    total = Cost()
    for repository in named:
        argv = ["egencache", "--config-root", str(work / "portage/conf")]
        argv += ["--repositories-configuration", conf, "--update", "--jobs=1"]
        with Stopwatch() as watch:
            try:
                root.call(*argv, "--repo", repository.name, codes=(0, 1), timeout=HOUR)
            except ToolError as error:
                print(f"  Portage: not measured, egencache failed\n{error}")
                return
        cache = places[repository.name] / "metadata/md5-cache"
        written = sum(1 for path in cache.glob("*/*") if path.is_file())
        print(f"  egencache {repository.name:<18} {watch.cost}   {written} entries")
        total += watch.cost
    print(f"  egencache of all             {total}   {total.cpu / cold.cpu:.0f} times our CPU")


def pkgcore(named: Sequence[str], known: dict[str, Repository], work: Path, cold: Cost) -> None:
    """Print what pkgcore costs on repositories without a cache."""
    place = work / "pkgcore"
    places = {name: bare(repository, place / "bare") for name, repository in known.items()}
    total = measure_pkgcore(named, places, place)
    if total is not None:
        print(f"  pkgcore's CPU                {total.cpu / cold.cpu:26.1f} times ours")


def bare(repository: Repository, place: Path) -> Path:
    """Return a copy of a repository by links, without its metadata cache."""
    folder = place / repository.name
    folder.mkdir(parents=True)
    for path in repository.path.iterdir():
        if path.name != "metadata" and not path.name.startswith("."):
            (folder / path.name).symlink_to(path)
    (folder / "metadata").mkdir()
    layout = repository.path / "metadata/layout.conf"
    (folder / "metadata/layout.conf").write_bytes(layout.read_bytes())
    return folder


def strings(work: Path) -> None:
    """Print what parsing the dependency strings of all entries costs."""
    texts: list[str] = []
    for path in sorted((work / "one").glob("*/*/*")):
        entry = parse_entry(path.read_bytes(), str(path))
        values = (entry.value(key) for key in DEPENDENCIES)
        texts += [f"{entry.value('EAPI')}\t{value}\n" for value in values if value]
    file = work / "strings"
    file.write_text("".join(texts))
    env = {"PYTHONPATH": str(ROOT)}
    mine, theirs = (
        float(run([sys.executable, "-c", script, file], env=env, timeout=HOUR).stdout)
        for script in (OURS, THEIRS)
    )
    print(
        f"  {len(texts)} dependency strings    {mine:26.2f} CPU   {verdict(mine, ASKED['strings'])}"
    )
    print(f"  the same by use_reduce       {theirs:26.2f} CPU   {mine / theirs:.1f} times theirs")


def verdict(seconds: float, allowed: float) -> str:
    return f"{'within' if seconds <= allowed else 'OVER'} the {allowed:g} s of CPU allowed"
