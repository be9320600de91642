"""How a virtual machine is started: emulated, as KVM is not to be had on every machine of CI."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ci.vm.root import VmRoot

QEMU = "qemu-system-x86_64"
MEMORY = 2048  # MiB
# Without cx16: QEMU 7.2 (Debian 12) now and then returns wrong flags from CMPXCHG16B, on which the
# kernel's allocator then corrupts its lists.
# No initrd: the kernel has what the root disk needs built in. Its changes to the disk go to a
# temporary file, and are gone when the machine ends.
HARDWARE = (
    "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "Nehalem,-cx16", "-smp", "2",
    "-m", str(MEMORY), "-nodefaults", "-no-user-config", "-display", "none",
    "-device", "virtio-serial-pci",
)  # fmt: skip
KERNEL = "root=/dev/nvme0n1 rootwait rw console=hvc0 quiet mitigations=off panic=-1"
SELINUX = {
    "off": "selinux=0",
    "permissive": "security=selinux selinux=1 enforcing=0",
    "enforcing": "security=selinux selinux=1 enforcing=1",
}


def qemu_argv(
    root: VmRoot,
    *,
    console: Sequence[str],
    payload: Path | None = None,
    agent: Path | None = None,
    selinux: str = "off",
    kernel: str = "",
    network: bool = False,
) -> list[str]:
    """Return the command that boots a machine.

    :param console: what ``-chardev`` the first console is, without its id.
    :param payload: a file system that /mnt/payload shows in the machine; its file ``boot`` is run
        before extensions are merged.
    :param agent: the Unix socket of the second console, where the agent answers.
    :param selinux: off, permissive or enforcing.
    :param kernel: further words for the kernel's command line.
    :param network: let the machine reach what the host can reach; else only QEMU's own DHCP server.
    """
    words = [KERNEL, SELINUX[selinux], *(["vm.payload"] if payload else []), kernel]
    argv = [QEMU, *HARDWARE, "-kernel", str(root.kernel), "-append", " ".join(words)]
    argv += _disk("root", root.disk, "nvme,serial=root")
    argv += ["-nic", f"user,model=virtio-net-pci,restrict={'off' if network else 'on'}"]
    if payload:
        argv += _disk("payload", payload, "virtio-blk-pci")
    argv += [
        "-chardev",
        f"{','.join(console)},id=console",
        "-device",
        "virtconsole,chardev=console",
    ]
    if agent:
        argv += ["-chardev", f"socket,path={agent},server=on,wait=off,id=agent"]
        argv += ["-device", "virtconsole,chardev=agent"]
    return argv


def _disk(name: str, path: Path, device: str) -> list[str]:
    drive = f"file={path},if=none,id={name},format=raw,snapshot=on"
    return ["-drive", drive, "-device", f"{device},drive={name}"]
