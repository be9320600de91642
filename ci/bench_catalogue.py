"""Building all extensions of a board side by side, against each alone from a cold cache.

The packages are those that the tests make up after upstream's, filled up with files of the demo
board's base: programs, libraries, modules and texts, 5 to 60 MB for each extension. They are a
release's, whose base is the demo board's under Flatcar's name, signed; its server is this machine.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import shutil
import sys
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ci.bench_cost import Cost, Stopwatch
from sysextlib.definition import SysextDef, load_catalogue
from sysextlib.gentoo.arch import Arch
from sysextlib.system.cache import cache_root
from sysextlib.system.run import run
from sysextlib.system.tools import Tools
from sysextlib.tree import file_entry
from tests.builders.base import lay_out, small_base, tree_of
from tests.builders.binpkg import PackageSpec, write_binhost
from tests.builders.catalogue import MTIME, all_packages, base_paths
from tests.builders.gpg import GpgKey
from tests.builders.keys import certificate, private_key, write_pair
from tests.builders.releases import BOARD, checkout_of, image_of, packages_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).resolve().parent.parent
VERSION = "4593.2.0"
FILE_SIZES = range(1 << 10, 8 << 20)  # bytes of a file that is taken
MEGABYTE = 1_000_000
# MB that its packages hold of their own, about what upstream's have; the others' get OTHERS.
SIZES = {
    "containerd": 50, "docker": 60, "incus": 45, "overlaybd": 20, "podman": 40, "python": 30,
    "zfs": 15, "oem-ami": 40, "oem-azure": 20, "oem-gce": 20, "oem-vmware": 15,
    **{f"nvidia-drivers-{branch}{end}": 60 for branch in (535, 550, 570) for end in ("", "-open")},
}  # fmt: skip
OTHERS = 5
ADDED = ("usr/lib/modules/", "usr/lib/os-release", "usr/lib/systemd", "usr/share/baselayout",
         "var/db/pkg/sys-kernel")  # fmt: skip
RATIO, AGAIN = 0.6, 5.0  # what is asked for: of the sum; seconds of a second run


def measure_catalogue(image: Path, work: Path, scale: float) -> None:
    """Print what building all at once costs, and what each alone does."""
    definitions = [d for d in load_catalogue(ROOT).values() if d.fits(BOARD, Arch.AMD64)]
    with Stopwatch() as making:
        key = publish(image, definitions, work, scale)
    pair = private_key()
    write_pair(work / "keys", pair, certificate(pair))
    print(f"made base and packages         {making.cost}")
    with served(work / "site") as url:
        program = checkout_of(url, key, work / "checkout")
        alone = Cost()
        for one in definitions:
            cost = build(program, one.key, f"alone-{one.key}")
            print(f"  {one.name:<32} {cost}", flush=True)
            alone += cost
            shutil.rmtree(work / f"alone-{one.key}")
        together = build(program, "all", "together")
        again = build(program, "all", "together", keep=True)
    print(f"each alone, the sum            {alone}")
    print(f"all {len(definitions)} side by side            {together}")
    print(f"nothing changed                {again}")
    ratio = together.wall / alone.wall
    print(
        f"ratio {ratio:.2f} of the wall time (asked for: {RATIO}), {together.cpu / alone.cpu:.2f}"
    )
    print(f"  of the CPU time; again {again.wall:.1f} s (asked for: {AGAIN:.0f} s)")


def build(program: Path, what: str, name: str, *, keep: bool = False) -> Cost:
    """Build on the release with a cache of its own, which holds nothing but the tools."""
    work = program.parent.parent
    folder = work / name
    if not keep:
        folder.mkdir()
        (folder / "cache").mkdir()
        (folder / "cache/tools-tree").symlink_to(cache_root() / "tools-tree")
    env = {
        "HOME": os.environ["HOME"],
        "PATH": os.environ["PATH"],
        "BUILD_SYSEXT_CACHE": str(folder / "cache"),
        "SYSEXT_SIGNING_KEY_DIR": str(work / "keys"),
    }
    flags = [f"--board={BOARD}", f"--release={VERSION}", f"--image_builddir={folder / 'out'}"]
    with Stopwatch() as watch:
        done = run([sys.executable, program, *flags, "--json", what], env=env)
    reused = [one["reused"] for one in json.loads(done.stdout)["built"]]
    assert all(reused) if keep else not any(reused)
    return watch.cost


def publish(image: Path, definitions: Sequence[SysextDef], work: Path, scale: float) -> Path:
    """Lay out what a server has of a release; return the key that its base is signed with."""
    site = work / "site"
    base = image_of(site, VERSION)
    files = make_base(image, work, base)
    write_binhost(packages_of(site, VERSION), filled(definitions, files, scale))
    key = GpgKey.make(work / "key")
    key.sign(base)
    key.close()
    return key.public


def make_base(image: Path, work: Path, base: Path) -> list[Path]:
    """Write the demo board's base with Flatcar's name and kernel; return its files."""
    root = work / "root"
    run([*Tools.locate().argv("unsquashfs"), "-quiet", "-no-progress", "-dest", root, image])
    files = [path for path in root.joinpath("usr").rglob("*") if path.is_file()]
    files = sorted(p for p in files if not p.is_symlink() and p.stat().st_size in FILE_SIZES)
    small = {**small_base(), **base_paths()}
    added = {path: what for path, what in small.items() if path.startswith(ADDED)}
    lay_out(tree_of(added), work / "added")
    shutil.copytree(work / "added", root, dirs_exist_ok=True)
    # what a build reads of it is metadata, and that is compressed as ever
    options = ["-quiet", "-no-progress", "-noappend", "-noD", "-noF"]
    run([*Tools.locate().argv("mksquashfs"), root, base, *options])
    return files


def filled(
    definitions: Sequence[SysextDef], files: Sequence[Path], scale: float
) -> Iterator[PackageSpec]:
    """Yield the packages, those that an extension is about with contents of its size."""
    specs = all_packages()
    sizes = {}
    for one in definitions:
        assert one.main_package is not None
        sizes[one.main_package.cp] = SIZES.get(one.key, OTHERS) * MEGABYTE * scale
    at = 0
    for spec in specs:
        cp = spec.cpv.rpartition("-r")[0] if spec.cpv.rpartition("-r")[2].isdigit() else spec.cpv
        left = sizes.get(cp.rpartition("-")[0], 0) if spec.build_id < 10 else 0
        entries = list(spec.entries)
        while left > 0:
            path = files[at % len(files)]
            at += 7  # not all of one folder
            name = f"usr/share/contents/{spec.pf}-{spec.build_id}/{at}/{path.name}"
            data = b"\n" + path.read_bytes()  # a program is none: libraries of it would be missed
            entries.append(file_entry(name, data, mtime=MTIME))
            left -= path.stat().st_size
        yield replace(spec, entries=sorted(entries, key=lambda entry: entry.path))


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder to this machine."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(folder))
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
