"""The finished demo board holds what its README says, and every file that something needs."""

from __future__ import annotations

import re
import stat
from typing import TYPE_CHECKING

import pytest

from sysextlib.base import Base, open_base
from sysextlib.binpkg.binhost import open_binhost
from sysextlib.binpkg.container import open_binpkg
from sysextlib.progress import Silent
from tests.builders.demo import DemoBoard, demo_board

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sysextlib.binpkg.model import BinaryPackage, IndexedPackage

pytestmark = pytest.mark.demo

VDB = "var/db/pkg"


@pytest.fixture(scope="module")
def board() -> DemoBoard:
    return demo_board()


@pytest.fixture(scope="module")
def base(board: DemoBoard) -> Iterator[Base]:
    with open_base(board.image) as opened:
        yield opened


@pytest.fixture(scope="module")
def packages(
    board: DemoBoard, tmp_path_factory: pytest.TempPathFactory
) -> tuple[IndexedPackage, ...]:
    cache = tmp_path_factory.mktemp("cache")
    return open_binhost(str(board.packages), cache, Silent()).packages


def builds(packages: tuple[IndexedPackage, ...], cp: str) -> list[IndexedPackage]:
    """Return all builds of CAT/PN, the lowest build id first."""
    found = [item for item in packages if item.package.cpv.cp == cp]
    return sorted(found, key=lambda item: item.package.build_id)


def opened(board: DemoBoard, packages: tuple[IndexedPackage, ...], cp: str) -> BinaryPackage:
    return open_binpkg(board.packages / builds(packages, cp)[-1].path)


def needed(lines: bytes) -> Iterator[tuple[str, str, list[str]]]:
    """Yield path, soname and the libraries wanted, of each line of a NEEDED.ELF.2."""
    for line in lines.decode().splitlines():
        _, path, soname, _, wanted, *_ = line.split(";")
        yield path, soname or path.rpartition("/")[2], [word for word in wanted.split(",") if word]


def test_base_says_which_release_it_is(board: DemoBoard, base: Base) -> None:
    assert (base.id, base.version_id, base.version) == (
        "sysext-demo",
        "1.0.0",
        board.facts["version"],
    )
    assert f"FLATCAR_VERSION={base.version}\n" in board.version_file.read_text()


def test_base_has_a_merged_usr_and_lib64_by_two_links(base: Base) -> None:
    links = {}
    for path in ("bin", "sbin", "lib", "lib64", "usr/lib64"):
        entry = base.get(path)
        assert entry is not None
        links[path] = entry.target
    assert links == {
        "bin": "usr/bin",
        "sbin": "usr/sbin",
        "lib": "usr/lib",
        "lib64": "usr/lib64",
        "usr/lib64": "lib/x86_64-linux-gnu",
    }


def test_everything_that_the_base_package_names_is_installed(board: DemoBoard, base: Base) -> None:
    assert {package.cpv.cp for package in base.installed} == set(board.facts["base"])  # type: ignore[call-overload]


def test_every_library_that_a_program_of_the_base_needs_is_in_the_base(base: Base) -> None:
    records = [
        record
        for path, data in base.files(VDB).items()
        if path.endswith("/NEEDED.ELF.2")
        for record in needed(data)
    ]
    assert len(records) > 500
    provided = {soname for _, soname, _ in records}
    missing = {(path, name) for path, _, names in records for name in names if name not in provided}
    assert missing == set()


def test_every_library_that_an_extension_needs_is_in_it_or_in_the_base(
    board: DemoBoard, base: Base, packages: tuple[IndexedPackage, ...]
) -> None:
    provided: set[str] = set()
    wanted: dict[str, str] = {}
    for path, data in base.files(VDB).items():
        if path.endswith("/NEEDED.ELF.2"):
            provided |= {soname for _, soname, _ in needed(data)}
    for item in packages:
        for path, soname, names in needed(
            open_binpkg(board.packages / item.path).metadata.get("NEEDED.ELF.2", b"")
        ):
            provided.add(soname)
            wanted |= dict.fromkeys(names, f"{item.package}: {path}")
    assert {name: who for name, who in wanted.items() if name not in provided} == {}


def test_base_can_be_booted_but_has_no_identity_yet(base: Base) -> None:
    for path in ("etc/machine-id", "etc/fstab", "etc/hostname"):
        assert base.get(path) is None
    for path in ("usr/lib/systemd/systemd", "usr/bin/sh", "usr/sbin/init", "etc/ld.so.cache"):
        assert base.get(path) is not None
    users = {line.split(":")[0] for line in (base.read("etc/passwd") or b"").decode().splitlines()}
    assert {"root", "messagebus", "systemd-network", "systemd-resolve"} <= users
    shadow = base.get("etc/shadow")
    assert shadow is not None
    assert (shadow.mode & 0o777, shadow.uid, shadow.gid) == (0o640, 0, 42)


def test_base_holds_the_compiled_selinux_policy_and_its_contexts(base: Base) -> None:
    contexts = base.read("etc/selinux/default/contexts/files/file_contexts")
    assert contexts is not None
    assert b"system_u:object_r:bin_t:s0" in contexts
    assert any(entry.path.startswith("etc/selinux/default/policy/policy.") for entry in base.tree)


def test_kernel_module_was_compiled_for_the_kernel_of_the_base(
    board: DemoBoard, base: Base, packages: tuple[IndexedPackage, ...], tmp_path: Path
) -> None:
    image = opened(board, packages, "sys-kernel/kmod-demo").unpack(tmp_path)
    folder = f"usr/lib/modules/{board.kernel}"
    (module,) = (e for e in image.entries if e.path == f"{folder}/extra/acpi_call.ko")
    assert module.content is not None
    assert f"vermagic={board.kernel} ".encode() in module.content.read()
    for name in ("modules.dep", "modules.dep.bin", "modules.alias", "modules.builtin.bin"):
        assert base.get(f"{folder}/{name}") is not None
    assert b"kernel/fs/overlayfs/overlay.ko" in (base.read(f"{folder}/modules.dep") or b"")


def test_kernel_module_is_bound_to_that_kernel(packages: tuple[IndexedPackage, ...]) -> None:
    (module,) = builds(packages, "sys-kernel/kmod-demo")
    (kernel,) = builds(packages, "sys-kernel/linux-cloud")
    assert module.package.rdepend == f"sys-kernel/linux-cloud:0/{kernel.package.cpv.version}="


def test_containers_and_layouts_of_both_formats_occur(packages: tuple[IndexedPackage, ...]) -> None:
    paths = {item.package.cpv.cp: item.path for item in packages}
    assert re.fullmatch(r"sys-apps/sed/sed-[\d.]+-1\.gpkg\.tar", paths["sys-apps/sed"])
    assert re.fullmatch(r"net-misc/chrony/chrony-[\d.]+-1\.xpak", paths["net-misc/chrony"])
    assert re.fullmatch(r"net-misc/iputils-\d+\.tbz2", paths["net-misc/iputils"])


@pytest.mark.parametrize(
    ("cp", "flag", "path", "with_flag"),
    [
        ("app-containers/docker", "container-init", "usr/bin/docker-init", [False, True]),
        ("dev-lang/python", "sqlite", "usr/lib/python3.13/sqlite3", [False, True]),
        ("app-emulation/open-vm-tools", "vgauth", "usr/bin/VGAuthService", [True, False]),
    ],
)
def test_two_builds_of_one_version_differ_by_a_flag_and_by_files(
    board: DemoBoard,
    packages: tuple[IndexedPackage, ...],
    tmp_path: Path,
    cp: str,
    flag: str,
    path: str,
    with_flag: list[bool],
) -> None:
    found = builds(packages, cp)
    assert [item.package.build_id for item in found] == [1, 2]
    assert [flag in item.package.use for item in found] == with_flag
    for item, expected in zip(found, with_flag, strict=True):
        image = open_binpkg(board.packages / item.path).unpack(tmp_path)
        assert any(entry.path == path for entry in image.entries) is expected


def test_file_capabilities_are_in_the_environment_not_in_the_files(
    board: DemoBoard, packages: tuple[IndexedPackage, ...], tmp_path: Path
) -> None:
    package = opened(board, packages, "net-misc/iputils")
    assert "postinst" in package.package.defined_phases
    assert b"fcaps" in package.metadata["INHERITED"].split()
    (ping,) = (e for e in package.unpack(tmp_path).entries if e.path == "usr/bin/ping")
    assert not ping.xattrs
    assert stat.S_IMODE(ping.mode) == 0o755


def test_user_package_brings_a_sysusers_file_and_the_home(
    board: DemoBoard, packages: tuple[IndexedPackage, ...], tmp_path: Path
) -> None:
    image = opened(board, packages, "acct-user/chrony").unpack(tmp_path)
    entries = {entry.path: entry for entry in image.entries}
    lines = entries["usr/lib/sysusers.d/acct-user-chrony.conf"].content
    assert lines is not None
    assert lines.read().startswith(b"u chrony 123:chrony ")
    home = entries["var/lib/chrony"]
    assert (home.uid, home.gid, stat.S_IMODE(home.mode)) == (123, 123, 0o750)


def test_nothing_of_the_build_host_is_in_the_base(board: DemoBoard, base: Base) -> None:
    for path in ("var/cache/edb", "var/tmp/portage", "var/lib/portage/config", "etc/passwd-"):
        assert base.get(path) is None
    settings = base.read("etc/portage/make.conf")
    assert settings == (board.config / "etc/portage/make.conf").read_bytes()
