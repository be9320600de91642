"""What of a system decides which extensions it merges: os-release, architecture, certificates."""

from __future__ import annotations

import contextlib
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sysextlib.base import ELF_CANDIDATES, MACHINES
from sysextlib.errors import BaseError
from sysextlib.explain.root import Folder, Root
from sysextlib.image.keys import parse_certificate
from sysextlib.os_release import parse_env_file
from sysextlib.squashfs.reader import Squashfs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.x509 import Certificate

OS_RELEASE = ("etc/os-release", "usr/lib/os-release")  # systemd reads the first that is there
# Where systemd looks for certificates, a file of an earlier folder hiding one of the same name.
VERITY_D = ("etc/verity.d", "run/verity.d", "usr/local/lib/verity.d", "usr/lib/verity.d")
# ConditionArchitecture= of systemd.unit(5) by what uname(2) says
UNAME = {
    "x86_64": "x86-64",
    "aarch64": "arm64",
    "riscv64": "riscv64",
    "ppc64le": "ppc64-le",
    "s390x": "s390x",
    "i686": "x86",
    "armv7l": "arm",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedCertificate:
    """A certificate that systemd takes for checking signatures."""

    path: str
    certificate: Certificate


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """A system as systemd-sysext sees it.

    :param name: what messages call it.
    :param arch: spelled as ARCHITECTURE= is; "" when it is not known.
    :param certificates: of verity.d; what the kernel's keyring holds cannot be known from here.
    """

    name: str
    os_release: Mapping[str, str]
    arch: str
    certificates: tuple[TrustedCertificate, ...] = ()


def host_of(place: Path) -> HostFacts:
    """Read a base image (squashfs), or a folder that holds a root.

    :raises BaseError: it cannot be read, or has no os-release with an ID.
    """
    if place.is_dir():
        return _facts(Root(Folder(place)), f"the root {place}", "")
    with Squashfs(place) as image:
        return _facts(Root(image), f"base {place.name}", "")


def this_host() -> HostFacts:
    """Read the system that we run on.

    :raises BaseError: it has no os-release with an ID.
    """
    machine = os.uname().machine
    return _facts(Root(Folder(Path("/"))), "this system", UNAME.get(machine, machine))


def _facts(root: Root, name: str, arch: str) -> HostFacts:
    texts = ((path, root.read(path)) for path in OS_RELEASE)
    path, data = next(((path, data) for path, data in texts if data is not None), ("", b""))
    os_release = parse_env_file(data, f"{path} in {name}")
    if not os_release.get("ID"):
        raise BaseError(
            f"{name} does not say its ID",
            {"looked for": ", ".join(OS_RELEASE)},
            hint="name a base image or the folder of a root",
        )
    return HostFacts(
        name=name,
        os_release=os_release,
        arch=arch or _elf_arch(root),
        certificates=_certificates(root),
    )


def _elf_arch(root: Root) -> str:
    """Return the architecture of the root's programs, "" when it holds none in usual places."""
    for path in (*ELF_CANDIDATES, *(f"usr/bin/{name}" for name in root.names("usr/bin")[:200])):
        head = root.head(path, 20)
        if head[:4] == b"\x7fELF":
            (machine,) = struct.unpack("<H" if head[5] == 1 else ">H", head[18:20])
            found = MACHINES.get(machine)
            return found.systemd_name if found else ""
    return ""


def _certificates(root: Root) -> tuple[TrustedCertificate, ...]:
    """Return what verity.d holds as systemd reads it: *.crt, the first certificate of each file."""
    places: dict[str, str] = {}
    for folder in VERITY_D:
        for name in root.names(folder):
            if name.endswith(".crt"):
                places.setdefault(name, f"{folder}/{name}")
    found = []
    for _, path in sorted(places.items()):
        data = root.read(path)
        if not data:  # an empty file, or a link to /dev/null, hides one of the same name
            continue
        with contextlib.suppress(ValueError):
            certificate = parse_certificate(data, pem=True)
            found.append(TrustedCertificate(path=f"/{path}", certificate=certificate))
    return tuple(found)
