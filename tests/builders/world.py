"""A small world for whole builds: a base image, a binhost and keys, made in a second."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sysextlib.tree import directory_entry, file_entry, link_entry
from tests.builders.base import small_base, tree_of, write_squashfs
from tests.builders.binpkg import PackageSpec, write_binhost
from tests.builders.keys import certificate, private_key, write_pair

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).resolve().parents[2]
OS_RELEASE = b'ID=sysext-demo\nVERSION_ID=1.2.3\nVERSION="1.2.3+build-7"\nBUILD_ID=build-7\n'
MTIME = 1_700_000_000


@dataclass(frozen=True, slots=True)
class World:
    """Where things lie, and how to call the program on them."""

    folder: Path

    @property
    def base(self) -> Path:
        """The base image."""
        return self.folder / "base.squashfs"

    @property
    def binhost(self) -> Path:
        """The folder of binary packages."""
        return self.folder / "binhost"

    @property
    def keys(self) -> Path:
        """The folder that SYSEXT_SIGNING_KEY_DIR names."""
        return self.folder / "keys"

    def argv(self, *words: str, output: Path | None = None) -> list[str]:
        """Return the command line of a build on this world."""
        flags = [
            "--board=demo-amd64",
            f"--squashfs_base={self.base}",
            f"--binhost={self.binhost}",
        ]
        if output is not None:
            flags.append(f"--image_builddir={output}")
        return [sys.executable, str(ROOT / "build_sysext.py"), *flags, *words]

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment of a call; a cache of its own, and the tools tree of the user."""
        known = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        return {
            **known,
            "LC_ALL": "C.UTF-8",
            "SYSEXT_SIGNING_KEY_DIR": str(self.keys),
            **more,
        }

    def run(
        self, *words: str, output: Path | None = None, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a build to its end."""
        return subprocess.run(
            self.argv(*words, output=output),
            env=self.environment(**(env or {})),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def build(self, *words: str, output: Path) -> list[dict[str, Any]]:
        """Build, and return the receipts; a failure is one of the test."""
        done = self.run(*words, "--json", output=output)
        assert done.returncode == 0, done.stderr
        built: list[dict[str, Any]] = json.loads(done.stdout)["built"]
        return built


def hello(build_id: int = 1, **more: Any) -> PackageSpec:
    """Return a package with a bit of everything that an extension may hold."""
    entries = [
        directory_entry("usr", mtime=MTIME),
        file_entry("usr/bin/hello", b"#!/bin/sh\necho hello\n", mode=0o755, mtime=MTIME),
        link_entry("usr/bin/hi", "hello", mtime=MTIME),
        file_entry("usr/share/hello/data", bytes(range(256)) * 1000, mtime=MTIME),
        file_entry("etc/hello.conf", b"greeting=hello\n", mtime=MTIME),
    ]
    values = {"RDEPEND": "app-misc/libgreet", "HOMEPAGE": "https://hello.example", **more}
    return PackageSpec(
        cpv="app-misc/hello-2.0-r1",
        metadata={**values, "repository": "test"},
        entries=entries,
        build_id=build_id,
    )


def greet() -> PackageSpec:
    """Return the library that ``hello`` needs."""
    library = file_entry("usr/lib64/libgreet.so.1", b"not really\n", mode=0o755, mtime=MTIME)
    return PackageSpec(
        cpv="app-misc/libgreet-1.1", metadata={"repository": "test"}, entries=[library]
    )


def make_world(
    folder: Path,
    specs: Sequence[PackageSpec] = (),
    base: Mapping[str, bytes | str | None] | None = None,
) -> World:
    """Make a world below ``folder``; without ``specs`` its binhost has hello and libgreet."""
    folder.mkdir(parents=True, exist_ok=True)
    world = World(folder)
    paths = {**small_base(), "usr/lib/os-release": OS_RELEASE, **(base or {})}
    write_squashfs(tree_of(paths), world.base)
    write_binhost(world.binhost, specs or [hello(), greet()])
    key = private_key()
    write_pair(world.keys, key, certificate(key))
    return world
