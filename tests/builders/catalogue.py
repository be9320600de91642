"""Binary packages of the shape that the catalogue's have upstream, and a base for them.

Contents are made up; paths, dependencies, slots, USE flags and SYSEXT_NAME are those of
flatcar/scripts.
"""

from __future__ import annotations

import bz2
from typing import TYPE_CHECKING

from sysextlib.tree import file_entry
from tests.builders.base import package_files
from tests.builders.binpkg import PackageSpec
from tests.builders.kmod import KERNEL, VERMAGIC, module

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sysextlib.tree import Entry

MTIME = 1_700_000_000
MODULES = f"usr/lib/modules/{KERNEL}"
UNIT = "usr/lib/systemd/system"
SLSA = "usr/share/SLSA"
DEBUG = "usr/lib/debug/x.debug"
OS_RELEASE = b'ID=flatcar\nVERSION_ID=4593.2.0\nVERSION=4593.2.0\nBUILD_ID=""\n'

OEM_NAMES = {
    "akamai": "Akamai",
    "ami": "Amazon EC2",
    "azure": "Microsoft Azure",
    "cloudsigma": "CloudSigma",
    "cloudstack": "CloudStack",
    "digitalocean": "DigitalOcean",
    "exoscale": "Exoscale",
    "gce": "Google Compute Engine",
    "hetzner": "Hetzner",
    "hyperv": "Microsoft Hyper-V",
    "kubevirt": "KubeVirt",
    "nutanix": "Nutanix",
    "openstack": "OpenStack",
    "oraclecloud": "Oracle Cloud",
    "proxmoxve": "Proxmox VE",
    "qemu": "QEMU",
    "scaleway": "Scaleway",
    "stackit": "STACKIT",
    "vagrant": "Vagrant",
    "virtualbox": "Oracle VirtualBox",
    "vmware": "VMware",
}
_CLOUD_CONFIG = "usr/share/flatcar/cloud-config.yml"
# files of each OEM package, and what it needs; the others install nothing of their own
_OEM: dict[str, tuple[str, tuple[str, ...]]] = {
    "ami": (
        "app-emulation/amazon-ssm-agent coreos-base/flatcar-eks",
        (f"{UNIT}/setup-oem.service", f"{UNIT}/multi-user.target.d/10-oem-ami.conf", DEBUG),
    ),
    "azure": (
        "app-emulation/wa-linux-agent app-emulation/hv-daemons dev-python/urllib3 net-misc/chrony"
        " sys-fs/inotify-tools",
        (
            f"{UNIT}/chronyd.service.d/chrony-hyperv.conf",
            "usr/lib/tmpfiles.d/var-chrony.conf",
            "usr/lib/tmpfiles.d/etc-chrony.conf",
            "usr/share/oem-azure/chrony.conf",
            "etc/systemd/system/multi-user.target.wants/waagent.service",
        ),
    ),
    "cloudsigma": ("", (_CLOUD_CONFIG,)),
    "cloudstack": (
        "",
        (
            _CLOUD_CONFIG,
            "usr/bin/cloudstack-coreos-cloudinit",
            "usr/bin/cloudstack-dhcp",
            "usr/bin/cloudstack-ssh-key",
            "usr/bin/flatcar-setup-environment",
        ),
    ),
    "exoscale": (
        "",
        (
            _CLOUD_CONFIG,
            "usr/bin/exoscale-coreos-cloudinit",
            "usr/bin/exoscale-dhcp",
            "usr/bin/exoscale-ssh-key",
            "usr/bin/flatcar-setup-environment",
        ),
    ),
    "gce": (
        "app-admin/google-guest-configs app-emulation/google-compute-engine",
        (
            f"{UNIT}/oem-gce.service",
            f"{UNIT}/oem-gce-enable-oslogin.service",
            f"{UNIT}/setup-oem.service",
            f"{UNIT}/multi-user.target.d/10-oem-gce.conf",
            "usr/bin/enable-oslogin",
            "usr/bin/init.sh",
            "usr/share/gce/google-cloud-sdk.sh",
            "usr/share/gce/hosts",
        ),
    ),
    "hyperv": ("app-emulation/hv-daemons", ()),
    "stackit": (
        "net-misc/chrony",
        (
            f"{UNIT}/chronyd.service.d/chrony-kvm.conf",
            "usr/lib/tmpfiles.d/var-chrony.conf",
            "usr/lib/tmpfiles.d/etc-chrony.conf",
            "usr/share/oem-stackit/chrony.conf",
        ),
    ),
    "vagrant": ("", (_CLOUD_CONFIG, "usr/bin/flatcar-setup-environment")),
    "vmware": (
        "app-emulation/open-vm-tools",
        (
            f"{UNIT}/vmtoolsd.service.d/flatcar-fixups.conf",
            f"{UNIT}/vgauthd.service.d/flatcar-fixups.conf",
            f"{UNIT}/multi-user.target.d/open-vm-tools-sysext-upholds.conf",
        ),
    ),
}
_PYTHON = "usr/lib/python3.12"


def package(
    cpv: str,
    *paths: str,
    needs: str = "",
    use: str = "",
    texts: Mapping[str, str] | None = None,
    data: Mapping[str, bytes] | None = None,
    build_id: int = 0,
    slot: str = "0",
    environment: bytes = b"",
) -> PackageSpec:
    """Return a package of files that hold their own path; ``use`` are its flags, "-x" being off."""
    contents = {path: f"{path}\n".encode() for path in paths}
    contents |= {path: text.encode() for path, text in (texts or {}).items()}
    contents |= dict(data or {})
    slsa = f"{SLSA}/{cpv.replace('/', '_')}.json.zst"
    contents[slsa] = f"provenance of {cpv}\n".encode()
    entries = [_file(path, content) for path, content in sorted(contents.items())]
    flags = use.split()
    return PackageSpec(
        cpv=cpv,
        form="xpak",
        compression="bzip2",
        build_id=build_id,
        entries=entries,
        metadata={
            "repository": "coreos",
            "RDEPEND": needs,
            "IUSE": " ".join(flag.removeprefix("-") for flag in flags),
            "USE": " ".join(flag for flag in flags if not flag.startswith("-")),
            "HOMEPAGE": f"https://{cpv.partition('/')[2]}.example",
            "SLOT": slot,
            **({"environment.bz2": bz2.compress(environment)} if environment else {}),
        },
    )


def all_packages() -> list[PackageSpec]:
    """Return every package that the boards amd64-usr and arm64-usr build extensions from."""
    return [*_base(), *_extra(), *_nvidia(), *_python(), *_oem_needs(), *map(_oem, OEM_NAMES)]


def base_paths() -> dict[str, bytes | str | None]:
    """Return what a base for them has beside ``small_base``: a kernel, and os-release."""
    crypto = f"{MODULES}/kernel/lib/zlib.ko"
    return {
        "usr/lib/os-release": OS_RELEASE,
        crypto: module("zlib", versions={"module_layout": 0x1234}, exports=["inflate"]),
        f"{MODULES}/modules.dep": b"kernel/lib/zlib.ko:\n",
        **package_files("sys-kernel/coreos-modules-6.12.103"),
    }


def _file(path: str, data: bytes) -> Entry:
    executable = "/bin/" in path or "/libexec/" in path or ".so." in path  # Portage sees to it
    mode = 0o755 if executable else 0o644
    return file_entry(path, data, mode=mode, mtime=MTIME)


def _unit(*names: str) -> tuple[str, ...]:
    return tuple(f"{UNIT}/{name}" for name in names)


def _base() -> list[PackageSpec]:
    return [
        package(
            "app-containers/containerd-2.3.0", "usr/bin/containerd", "usr/bin/ctr",
            "usr/bin/containerd-stress", "usr/bin/gen-manpages", DEBUG,
            needs="app-containers/runc", use="btrfs device-mapper",
        ),
        package("app-containers/runc-1.4.0", "usr/bin/runc"),
        package(
            "app-containers/docker-29.5.2", "usr/bin/dockerd", "usr/bin/docker-proxy",
            "usr/bin/dockerd-rootless.sh", "usr/bin/dockerd-rootless-setuptool.sh",
            "usr/share/docker/contrib/check-config.sh", DEBUG,
            needs="app-containers/containerd", use="btrfs overlay seccomp",
        ),
        package("app-containers/docker-cli-29.5.2", "usr/bin/docker"),
        package(
            "app-containers/docker-buildx-0.35.0", "usr/libexec/docker/cli-plugins/docker-buildx"
        ),
    ]  # fmt: skip


def _extra() -> list[PackageSpec]:
    preset = "usr/lib/systemd/system-preset/50-zfs.preset"
    zfs = {
        preset: "enable zfs-import.service\nenable zfs-zed.service\nenable zfs.target\n",
        f"{UNIT}/zfs.target": "[Install]\nWantedBy=multi-user.target\n",
        f"{UNIT}/zfs-zed.service": "[Install]\nAlias=zed.service\nWantedBy=zfs.target\n",
    }
    modules = {
        f"{MODULES}/extra/spl.ko": kernel_module("spl"),
        f"{MODULES}/extra/zfs.ko": kernel_module("zfs", depends=("spl", "zlib")),
        f"{MODULES}/modules.dep": b"",
        f"{MODULES}/modules.order": b"",
    }
    return [
        package(
            "sys-fs/overlaybd-1.0.16", *_unit("overlaybd-tcmu.service"),
            "usr/local/overlaybd/bin/overlaybd-tcmu", "usr/include/overlaybd/x.h",
            "usr/lib64/cmake/x.cmake", DEBUG,
        ),
        package(
            "app-containers/accelerated-container-image-1.4.2",
            *_unit("overlaybd-snapshotter.service"), "usr/local/overlaybd/snapshotter/ctr",
            "usr/lib/tmpfiles.d/overlaybd.conf",
        ),
        package(
            "app-containers/incus-7.2", "usr/bin/incus", "usr/bin/incusd", "usr/include/lxc/x.h",
            "usr/lib64/pkgconfig/lxc.pc", "usr/lib64/cmake/x", DEBUG,
            "usr/lib/tmpfiles.d/10-incus.conf", "usr/lib/userdb/incus-admin.group",
            *_unit("incus.service"),
        ),
        package(
            "app-containers/podman-6.0.0", "usr/bin/podman", "etc/containers/policy.json",
            "etc/containers/registries.conf", "usr/lib/tmpfiles.d/podman.conf", DEBUG,
            "usr/lib64/cmake/x", "usr/lib64/pkgconfig/x.pc", "usr/include/x.h",
            "usr/share/aclocal/x.m4", "usr/share/fish/x.fish", needs="sys-fs/fuse-common",
        ),
        package("sys-fs/fuse-common-3.17", "etc/fuse.conf"),
        package("net-misc/passt-2026.05.26", "usr/bin/passt", "usr/bin/pasta"),
        package(
            "sys-fs/zfs-2.4.3", "usr/bin/zpool", "usr/bin/zfs", "usr/lib64/libzfs.so.6", DEBUG,
            "usr/lib64/cmake/x", "usr/include/libzfs.h", "usr/lib/dracut/modules.d/90zfs/x",
            "usr/share/initramfs-tools/hooks/zfs", "usr/src/zfs-2.4.3/x", "etc/zfs/zed.d/zed.rc",
            "etc/zfs/zfs-functions", "etc/zfs/zpool.d/slot", texts=zfs, data=modules,
            use="minimal -rootfs -initramfs modules",
        ),
    ]  # fmt: skip


def kernel_module(name: str, depends: tuple[str, ...] = ()) -> bytes:
    """Return a module that fits the base's kernel."""
    return module(name, depends=depends, vermagic=VERMAGIC, versions={"module_layout": 0x1234})


def _nvidia() -> list[PackageSpec]:
    found = []
    for cp, version, slot in (
        ("x11-drivers/nvidia-drivers", "535.288.01", "0/535"),
        ("x11-drivers/old-nvidia-drivers", "550.163.01-r2", "0/550"),
        ("x11-drivers/old-nvidia-drivers", "570.211.01-r1", "0/570"),
    ):
        for build_id, flag in ((1, "-kernel-open"), (2, "kernel-open")):
            licence = "Dual MIT/GPL" if build_id == 2 else "NVIDIA"
            found.append(
                package(
                    f"{cp}-{version}", "usr/bin/nvidia-smi", "usr/bin/nvidia-persistenced",
                    *_unit("nvidia-persistenced.service"), f"usr/lib64/libcuda.so.{version[:3]}",
                    data={
                        f"{MODULES}/video/nvidia.ko": module(
                            "nvidia", versions={"module_layout": 0x1234}, more=[f"note={licence}"],
                            aliases=["pci:v000010DEd*sv*sd*bc03sc00i00*"],
                        ),
                        f"{MODULES}/video/nvidia-uvm.ko": kernel_module("nvidia_uvm", ("nvidia",)),
                        f"{MODULES}/modules.order": b"",
                    },
                    use=f"{flag} persistenced", build_id=build_id, slot=slot,
                )
            )  # fmt: skip
    return found


def _python() -> list[PackageSpec]:
    return [
        package(
            "dev-lang/python-3.12.12", "usr/bin/python3.12", f"{_PYTHON}/os.py", DEBUG,
            f"{_PYTHON}/test/test_os.py", f"{_PYTHON}/unittest/test/x.py",
            "usr/include/python3.12/Python.h", "usr/lib64/pkgconfig/python-3.12.pc",
            "usr/share/gdb/auto-load/python.py", "usr/share/applications/idle.desktop",
        ),
        package(
            "dev-python/pip-25.3", "usr/bin/pip", f"{_PYTHON}/site-packages/pip/__init__.py",
            f"{_PYTHON}/site-packages/pip/tests/x.py", needs="dev-lang/python",
        ),
        package(
            "dev-python/urllib3-2.6", f"{_PYTHON}/site-packages/urllib3/__init__.py",
            needs="dev-lang/python",
        ),
    ]  # fmt: skip


def _oem_needs() -> list[PackageSpec]:
    return [
        package(
            "app-emulation/amazon-ssm-agent-3.3.2299.0", "usr/bin/amazon-ssm-agent", DEBUG,
            *_unit("amazon-ssm-agent.service"),
        ),
        package(
            "coreos-base/flatcar-eks-0.0.1-r4", "usr/share/amazon/eks/bootstrap.sh",
            "usr/share/amazon/eks/kubelet.service",
        ),
        package(
            "app-emulation/wa-linux-agent-2.12.0.4", "usr/bin/waagent", *_unit("waagent.service"),
            f"{_PYTHON}/site-packages/azurelinuxagent/agent.py",
            f"{_PYTHON}/site-packages/azurelinuxagent/tests/x.py", needs="dev-lang/python",
        ),
        package("app-emulation/hv-daemons-6.12", "usr/bin/hv_kvp_daemon"),
        package("net-misc/chrony-4.8", "usr/bin/chronyd", *_unit("chronyd.service")),
        package("sys-fs/inotify-tools-4.25", "usr/bin/inotifywait", "usr/include/inotifytools/x.h"),
        package("app-admin/google-guest-configs-20260504", "usr/lib/sysctl.d/60-gce.conf"),
        package(
            "app-emulation/google-compute-engine-20260504", "usr/bin/google_metadata",
            needs="dev-lang/python",
        ),
        package(
            "app-emulation/open-vm-tools-13.0.10", "usr/bin/vmtoolsd", *_unit("vmtoolsd.service"),
            "etc/vmware-tools/tools.conf", "etc/vmware-tools/scripts/vmware/network",
            "usr/bin/dnet-config", "usr/bin/xslt-config", "usr/bin/xmlsec1-config",
            "usr/lib64/xml2Conf.sh", "usr/include/vmGuestLib/x.h", DEBUG,
            "usr/share/open-vm-tools/messages/de/toolboxcmd.vmsg", "usr/lib64/cmake/x",
            "usr/lib64/pkgconfig/vmguestlib.pc", "usr/share/aclocal/x.m4",
        ),
    ]  # fmt: skip


def _oem(key: str) -> PackageSpec:
    needs, paths = _OEM.get(key, ("", ()))
    name = f'declare -- SYSEXT_NAME="{OEM_NAMES[key]}"\n'.encode()
    return package(
        f"coreos-base/oem-{key}-1.0.0-r1",
        *paths,
        needs=needs,
        environment=name,
    )
