"""The root disk of a virtual machine: a base image, and little beside it.

What is added is only a machine's own: the policy that demands signed extensions, an agent that runs
the tests' commands, labels of SELinux, and a root who may log in on the console. Kept in the cache
by the digest of all that goes in; so the certificate of a checkout comes with the payload.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sysextlib.errors import MissingToolError, OutputError
from sysextlib.system.run import run

if TYPE_CHECKING:
    from collections.abc import Iterator

POLICY = "root=signed+absent:usr=signed+absent"
CONFEXT_POLICY = "root=signed+absent"
KEPT = 2  # roots in the cache; each takes about 200 MB
SIZE = "4G"  # of the root's file system; the file is sparse
GUEST = Path(__file__).with_name("guest")
UNITS = Path("etc/systemd/system")
WANTS = {
    "vm-agent.service": "multi-user.target.wants",
    "vm-payload.service": "sysinit.target.wants",
}
# Slow when emulated, and of no use to a machine that lives for a minute.
MASKED = (
    "dev-hugepages.mount",
    "dev-mqueue.mount",
    "getty@tty1.service",
    "kmod-static-nodes.service",
    "ldconfig.service",
    "modprobe@drm.service",
    "modprobe@fuse.service",
    "run-lock.mount",
    "selinux-autorelabel-mark.service",
    "sys-fs-fuse-connections.mount",
    "sys-kernel-config.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "systemd-firstboot.service",
    "systemd-hwdb-update.service",
    "systemd-journal-catalog-update.service",
    "systemd-network-generator.service",
    "systemd-networkd-persistent-storage.service",
    "systemd-pcrmachine.service",
    "systemd-pcrphase-sysinit.service",
    "systemd-pcrphase.service",
    "systemd-timesyncd.service",
    "systemd-tpm2-setup-early.service",
    "systemd-tpm2-setup.service",
    "systemd-udev-load-credentials.service",
    "systemd-update-done.service",
)
NETWORK = """\
[Match]
Kind=!*
Type=ether

[Network]
DHCP=ipv4
LinkLocalAddressing=no
"""
REFRESH = """\
[Service]
ExecStart=
ExecStart=systemd-{name} refresh --image-policy={policy}
ExecReload=
ExecReload=systemd-{name} refresh --image-policy={policy}
"""


@dataclass(frozen=True, slots=True)
class VmRoot:
    """A root disk (ext4, without partitions) with the kernel that boots it, uncompressed."""

    disk: Path
    kernel: Path


def vm_root(image: Path, cache: Path) -> VmRoot:
    """Return the root disk of a base image, made now when the cache has none.

    :raises MissingToolError: it has to be made, and this is not root.
    """
    folder = cache / "vm-root"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = folder / _digest(image)
        if not (result / "root").is_file():
            if os.geteuid() != 0:
                raise MissingToolError(
                    "the root disk of the virtual machine is not in the cache, "
                    "and only root can make it",
                    {"cache": folder},
                    "run this once as root",
                )
            for left in folder.glob(".new-*"):
                shutil.rmtree(left)
            _prune(folder)
            new = Path(tempfile.mkdtemp(prefix=".new-", dir=folder))
            _make(image, new)
            new.chmod(0o755)
            new.rename(result)
        os.utime(result)
    return VmRoot(result / "root", result / "kernel")


def _digest(image: Path) -> str:
    total = hashlib.sha256()
    for path in (image, Path(__file__), *sorted(GUEST.iterdir())):
        total.update(path.name.encode() + b"\0" + _sha256(path))
    return total.hexdigest()[:32]


def _sha256(path: Path) -> bytes:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()


def _prune(folder: Path) -> None:
    kept = sorted(folder.glob("*/root"), key=lambda path: path.parent.stat().st_mtime, reverse=True)
    for old in kept[KEPT - 1 :]:
        shutil.rmtree(old.parent)


def _make(image: Path, folder: Path) -> None:
    root = folder / "tree"
    run(["unsquashfs", "-quiet", "-no-progress", "-dest", root, image])
    for path, text in _files():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(text)
    for name in ("agent", "payload"):
        (root / "usr/local/lib/vm" / name).chmod(0o755)
    for unit, target in WANTS.items():
        wants = root / UNITS / target
        wants.mkdir(exist_ok=True)
        (wants / unit).symlink_to(f"../{unit}")
    for unit in MASKED:
        link = root / UNITS / unit
        link.unlink(missing_ok=True)
        link.symlink_to("/dev/null")
    shadow = root / "etc/shadow"
    shadow.write_text(shadow.read_text().replace("root:*:", "root::", 1))
    _label(root)
    kernels = sorted(root.glob("usr/lib/modules/*/vmlinuz"))
    if not kernels:
        raise OutputError("the base image holds no kernel", {"file": image})
    shutil.copyfile(kernels[-1], folder / "kernel")
    # No journal: a crash loses the disk's changes anyway, as they are never written to the file.
    run(["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", root, folder / "root.new", SIZE])
    shutil.rmtree(root)
    (folder / "root.new").rename(folder / "root")


def _files() -> Iterator[tuple[Path, bytes]]:
    yield Path("etc/machine-id"), b"5e2d7ea0c1f84b6f9d3a61b7c40f8e12\n"
    yield Path("etc/systemd/network/50-ether.network"), NETWORK.encode()
    for name in ("agent", "payload"):
        yield Path("usr/local/lib/vm", name), (GUEST / name).read_bytes()
    for unit in WANTS:
        yield UNITS / unit, (GUEST / unit).read_bytes()
    for name, policy in (("sysext", POLICY), ("confext", CONFEXT_POLICY)):
        text = REFRESH.format(name=name, policy=policy)
        yield UNITS / f"systemd-{name}.service.d/10-policy.conf", text.encode()


def _label(root: Path) -> None:
    """Give every file its label, and let udev's dmsetup wait for those who activate verity.

    Without that rule, which Debian's stock policy lacks, a merge hangs for ever when SELinux is
    enforcing: dmsetup (lvm_t) is denied the semaphore of systemd-sysext (init_t, initrc_t).
    """
    if not (root / "etc/selinux/config").exists():
        return
    shutil.copyfile(GUEST / "sem.cil", root / "tmp/sem.cil")
    run(["chroot", root, "semodule", "--noreload", "--install", "/tmp/sem.cil"], timeout=1800)
    (root / "tmp/sem.cil").unlink()
    contexts = "/etc/selinux/default/contexts/files/file_contexts"
    run(["chroot", root, "setfiles", "-F", contexts, "/"], timeout=1800)
