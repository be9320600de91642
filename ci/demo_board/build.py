"""The steps from .deb files to a base image and a folder of binary packages."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci.demo_board.base_root import IMAGE, VERSION_FILE, finish_root, pack_root, version_file
from ci.demo_board.buildroot import make_buildroot
from ci.demo_board.debs import Deb, DebStore, render_lock
from ci.demo_board.portage import Portage
from ci.demo_board.recipe import FOLDER, Recipe, gentoo_version

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

    from ci.demo_board.receipt import Terminal

BASE = "demo-base/demo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is built, and with what."""

    recipe: Recipe
    debs: tuple[Deb, ...]
    store: DebStore
    programs: Path
    jobs: int


def build(order: Order, out: Path, work: Path, terminal: Terminal) -> None:
    """Build the board's base image and packages into ``out``, which exists and is empty.

    :param work: an empty folder on the same file system, of no use afterwards.
    """
    recipe = order.recipe
    portage = stage(order, out, work)
    base, extension = split(recipe, out / "overlay")
    root, sysroot = work / "root", work / "sysroot"
    with side_by_side() as pool:
        with terminal.step("prepare Portage and the build root"):
            toolchain = pool.submit(
                make_buildroot, work / "buildroot", recipe.buildroot, work / "debs"
            )
            portage.write_cache()
            toolchain.result()
        first, rest = parted(base, recipe.base_first)
        with terminal.step(f"build {len(first)} base packages that others bind to"):
            pack(portage, recipe, first, root, "base-first")
        with terminal.step("merge them into the base root"):
            portage.emerge(["--usepkgonly", "--nodeps", "sys-apps/baselayout"], root, "layout")
            portage.emerge(["--usepkgonly", "--nodeps", *first], root, "merge-first")
        shutil.copytree(root / "var/db/pkg", sysroot / "var/db/pkg", symlinks=True)
        with terminal.step(f"build the other {len(rest)} base packages"):
            pack(portage, recipe, rest, root, "base-rest")
        image = pool.submit(make_base, order, out, root, portage)
        first, rest = parted(extension, recipe.extension_first)
        with terminal.step(f"build {len(extension)} packages for extensions, make the base image"):
            pack(portage, recipe, first, sysroot, "extension-first")
            portage.emerge(["--usepkgonly", "--nodeps", *first], sysroot, "merge-extension")
            pack(portage, recipe, rest, sysroot, "extension-rest")
            image.result()
    with terminal.step("write the index of the packages"):
        portage.write_index()
    (out / VERSION_FILE).write_text(version_file(recipe), encoding="utf-8")
    (out / "debs.lock").write_text(render_lock(order.debs), encoding="utf-8")
    facts = {"version": recipe.version, "kernel": kernel_version(order.debs), "base": base}
    (out / "build.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def stage(order: Order, out: Path, work: Path) -> Portage:
    """Copy the overlay, with the versions that the Debian packages have, and Portage's settings."""
    shutil.copytree(FOLDER / "overlay", out / "overlay")
    rename_ebuilds(out / "overlay", order.recipe, order.debs)
    portage = out / "config/etc/portage"
    portage.mkdir(parents=True)
    shutil.copytree(FOLDER / "profile", portage / "make.profile")
    for file in ("make.conf", "package.use"):
        shutil.copy(FOLDER / file, portage / file)
    debs_folder = work / "debs"
    debs_folder.mkdir()
    for deb in order.debs:
        (debs_folder / f"{deb.alias}.deb").symlink_to(order.store.path(deb).resolve())
    result = Portage(
        programs=order.programs,
        work=work,
        overlay=out / "overlay",
        config=out / "config",
        packages=out / "packages",
        extra={
            "DEMO_DEBS": str(debs_folder),
            "DEMO_BUILDROOT": str(work / "buildroot"),
            "SOURCE_DATE_EPOCH": str(order.recipe.epoch),
        },
        jobs=order.jobs,
    )
    result.prepare()
    return result


@contextlib.contextmanager
def side_by_side() -> Iterator[ThreadPoolExecutor]:
    """Give threads for what runs beside the main steps, waited for unless Ctrl-C ends it all."""
    pool = ThreadPoolExecutor(max_workers=2)
    try:
        yield pool
    except KeyboardInterrupt:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    except BaseException:
        pool.shutdown(cancel_futures=True)
        raise
    pool.shutdown()


def parted(names: Iterable[str], first: Collection[str]) -> tuple[list[str], list[str]]:
    """Return those of ``names`` that are in ``first``, and the others."""
    names = list(names)
    return [n for n in names if n in first], [n for n in names if n not in first]


def rename_ebuilds(overlay: Path, recipe: Recipe, debs: Iterable[Deb]) -> None:
    """Give each ebuild the version of the Debian package that it repackages first."""
    versions = {deb.alias: gentoo_version(deb.version) for deb in debs}
    for name, parts in recipe.debs.items():
        for ebuild in (overlay / name).glob("*.ebuild") if parts else ():
            package = name.partition("/")[2]
            ebuild.rename(ebuild.with_name(f"{package}-{versions[parts[0]]}.ebuild"))


def split(recipe: Recipe, overlay: Path) -> tuple[list[str], list[str]]:
    """Return the packages of the base and those for extensions only, each sorted."""
    (ebuild,) = (overlay / BASE).glob("*.ebuild")
    found = re.search(r'^RDEPEND="([^"]*)"', ebuild.read_text(encoding="utf-8"), re.MULTILINE)
    base = {BASE, *(found.group(1).split() if found else ())}
    return sorted(base), sorted(set(recipe.debs) - base)


def pack(portage: Portage, recipe: Recipe, names: Iterable[str], root: Path, log: str) -> None:
    """Build binary packages, each in the container and with the USE flags that it is to have.

    Dependencies are not looked at, but what is merged in ``root`` gives `:=` its sub-slot.
    """
    groups: dict[tuple[bool, bool, bool], list[str]] = {}
    for name in names:
        old = name in recipe.xpak or name in recipe.tbz2
        groups.setdefault((old, name in recipe.tbz2, name in recipe.bzip2), []).append(name)
    extra = {name: recipe.variants[name] for name in names if name in recipe.variants}
    for name, variant in extra.items():
        if variant.before:
            _emerge(portage, [name], root, f"{log}-variant", {"USE": variant.use})
    for number, ((old, single, bzip2), members) in enumerate(sorted(groups.items())):
        env = {}
        if old:
            env["BINPKG_FORMAT"] = "xpak"
        if single:
            env["FEATURES"] = "-binpkg-multi-instance"
        if bzip2:
            env |= {"BINPKG_COMPRESS": "bzip2", "BINPKG_COMPRESS_FLAGS": "-9"}
        _emerge(portage, members, root, f"{log}-{number}", env)
    for name, variant in extra.items():
        if not variant.before:
            _emerge(portage, [name], root, f"{log}-variant", {"USE": variant.use})


def make_base(order: Order, out: Path, root: Path, portage: Portage) -> None:
    """Merge the base's packages by their dependencies, complete the root and pack it."""
    portage.emerge(["--usepkgonly", "--noreplace", BASE], root, "merge-base")
    finish_root(root, order.recipe, out / "config")
    pack_root(root, out / IMAGE, order.recipe.epoch, order.jobs)


def kernel_version(debs: Iterable[Deb]) -> str:
    """Return what uname -r says on the board."""
    (name,) = (deb.name for deb in debs if deb.alias == "linux-image-cloud-amd64")
    return name.removeprefix("linux-image-")


def _emerge(portage: Portage, names: list[str], root: Path, log: str, env: dict[str, str]) -> None:
    portage.emerge(["--buildpkgonly", "--nodeps", *names], root, log, env)
