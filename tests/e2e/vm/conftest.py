from dataclasses import replace
from pathlib import Path

import pytest

from ci.vm.payload import checkout_certificate
from sysextlib.explain.host import HostFacts, TrustedCertificate, host_of
from sysextlib.image.keys import load_certificate
from sysextlib.tree import file_entry
from tests.builders.binpkg import PackageSpec
from tests.builders.demo import demo_board
from tests.builders.world import MTIME, make_world

UNIT = """\
[Service]
ExecStart=/usr/bin/hello
Type=oneshot
RemainAfterExit=yes
"""


@pytest.fixture(scope="session")
def built(extensions: Path) -> dict[str, Path]:
    """Return the images that one machine merges, by the file's name: all but those for clouds."""
    return {name: path for name, path in _images(extensions).items() if not _is_oem(name)}


@pytest.fixture(scope="session")
def oems(extensions: Path) -> dict[str, Path]:
    """Return the images of which a machine merges one, that of its cloud or hypervisor."""
    return {name: path for name, path in _images(extensions).items() if _is_oem(name)}


def _images(extensions: Path) -> dict[str, Path]:
    others = ("_pkginfo.raw", ".confext.raw")
    images = sorted(extensions.glob("*.raw"))
    return {path.name: path for path in images if not path.name.endswith(others)}


def _is_oem(name: str) -> bool:
    return name.startswith("oem-")


@pytest.fixture(scope="session")
def host() -> HostFacts:
    """Return what ``explain`` knows of the machine: the base, and the certificate it was given."""
    path = checkout_certificate()
    trusted = TrustedCertificate(path=str(path), certificate=load_certificate(path))
    return replace(host_of(demo_board().image), certificates=(trusted,))


class Hello:
    """Builds a small extension for a version of the base, by the whole pipeline."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0

    def build(self, version: str, keys: Path | None = None) -> Path:
        """Return hello.raw, whose program says the version."""
        self.count += 1
        script = f"#!/bin/sh\necho hello of {version}\n".encode()
        entries = [
            file_entry("usr/bin/hello", script, mode=0o755, mtime=MTIME),
            file_entry("usr/share/hello/needle", b"a needle in a haystack" * 40_000, mtime=MTIME),
            file_entry("usr/lib/systemd/system/hello.service", UNIT.encode(), mtime=MTIME),
        ]
        spec = PackageSpec(
            cpv="app-misc/hello-2.0", metadata={"repository": "test"}, entries=entries
        )
        release = f'ID=sysext-demo\nVERSION_ID={version}\nVERSION="{version}+b"\nBUILD_ID=b\n'
        place = self.folder / str(self.count)
        base = {"usr/lib/os-release": release.encode(), "usr/bin/sh": b"", "bin": "usr/bin"}
        world = make_world(place, [spec], base)
        key = {"SYSEXT_SIGNING_KEY_DIR": str(keys or checkout_certificate().parent)}
        done = world.run(
            "hello", "app-misc/hello", "--compression=none", output=place / "out", env=key
        )
        assert done.returncode == 0, done.stderr
        return place / "out/hello.raw"


@pytest.fixture(scope="session")
def hello(tmp_path_factory: pytest.TempPathFactory) -> Hello:
    return Hello(tmp_path_factory.mktemp("hello"))
