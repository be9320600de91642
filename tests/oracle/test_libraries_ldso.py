"""Which libraries are missing, as the dynamic linker of the merged system itself says."""

import re
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest

from sysextlib.base import Base, open_base
from sysextlib.binpkg.binhost import open_binhost
from sysextlib.binpkg.container import open_binpkg
from sysextlib.check.libraries import Libraries, check_libraries
from sysextlib.check.merged import Merged
from sysextlib.gentoo.arch import Arch
from sysextlib.install.native import install
from sysextlib.progress import Silent
from sysextlib.system.run import run
from sysextlib.tree import Kind, Tree
from tests.builders.base import lay_out
from tests.builders.demo import demo_board
from tests.builders.needs import require_root
from tests.builders.tools import image_tools

pytestmark = [pytest.mark.oracle, pytest.mark.demo, pytest.mark.root, pytest.mark.slow]
LINKER = "/lib64/ld-linux-x86-64.so.2"
NEEDS = re.compile(r"needs (\S+?),")
NAMES = ("app-containers/podman", "app-containers/crun", "dev-libs/", "dev-lang/python")
# Taken away or moved from what the packages bring, so that something is missing.
GONE = re.compile(r".*/(libgcrypt|libglib-2\.0|libyajl|libgpgme)\.so.*")
MOVED = re.compile(r"usr/lib/x86_64-linux-gnu/(libassuan|libksba)\.so(.*)")


@pytest.fixture(scope="module")
def base():
    require_root()
    with open_base(demo_board().image) as opened:
        yield opened


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """The base, laid out."""
    folder = tmp_path_factory.mktemp("system") / "root"
    argv = [*image_tools("unsquashfs").argv("unsquashfs"), "-quiet", "-no-progress"]
    run([*argv, "-dest", folder, demo_board().image, "usr", "etc", "bin", "sbin", "lib", "lib64"])
    return folder


@pytest.fixture(scope="module")
def brought(base: Base, tmp_path_factory) -> Tree:
    """What packages with many libraries bring, below /usr."""
    work = tmp_path_factory.mktemp("merged")
    binhost = open_binhost(str(demo_board().packages), work / "cache", Silent())
    files = [
        binhost.fetch(item) for item in binhost.packages if str(item.package.cpv).startswith(NAMES)
    ]
    (work / "spool").mkdir()
    done = install(
        [open_binpkg(file) for file in files], base, spool=work / "spool", progress=Silent(),
        jobs=1, record=False,
    )  # fmt: skip
    return done.tree.under("usr")


def changed(tree: Tree) -> Tree:
    kept = [entry for entry in tree if not GONE.fullmatch(entry.path)]
    moved = [
        replace(entry, path=f"usr/lib/elsewhere/{match[1]}.so{match[2]}")
        if (match := MOVED.fullmatch(entry.path))
        else entry
        for entry in kept
    ]
    return Tree(moved)


@pytest.mark.parametrize("mutated", [False, True])
def test_the_dynamic_linker_misses_what_the_check_misses(base, root, brought, tmp_path, mutated):
    tree = changed(brought) if mutated else brought
    merged = Merged(tree, base)
    ours = defaultdict(set)
    for finding in check_libraries(merged, Arch.AMD64):
        if needs := NEEDS.match(finding.message):
            ours[finding.subject].add(needs[1])
    lay_out(tree, tmp_path / "laid")
    whole = tmp_path / "root"
    run(["cp", "--archive", "--link", f"{root}/", whole])
    run(["cp", "--archive", "--remove-destination", f"{tmp_path / 'laid'}/.", whole])
    seen, theirs = 0, defaultdict(set)
    for entry, elf in Libraries(merged, Arch.AMD64).own():
        assert not isinstance(elf, str)
        if not elf.needed or entry.kind is not Kind.FILE:
            continue
        argv = ["chroot", whole, "env", "LD_TRACE_LOADED_OBJECTS=1", LINKER, f"/{entry.path}"]
        done = run(argv, codes=range(256), name="ld.so")
        text = (done.stdout + done.stderr).decode()
        if lacking := {name for name in elf.needed if f"{name} => not found" in text}:
            theirs[entry.path] = lacking
        assert "version `" not in text
        seen += 1
    assert seen > 40
    assert ours == theirs
    assert len(theirs) > (5 if mutated else 0)
