"""Binary packages of the shape that the catalogue's have upstream, and a base for them.

Contents are made up; paths, links, modes, dependencies, slots and USE flags are those of
flatcar/scripts. A file holds its own path unless the definition reads it.
"""

from __future__ import annotations

import bz2
from dataclasses import replace
from typing import TYPE_CHECKING

from sysextlib.gentoo.arch import Arch
from sysextlib.tree import Entry, file_entry, link_entry
from tests.builders.base import elf, package_files
from tests.builders.binpkg import PackageSpec
from tests.builders.kmod import KERNEL, VERMAGIC, module

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MTIME = 1_700_000_000
MODULES = f"usr/lib/modules/{KERNEL}"
UNIT = "usr/lib/systemd/system"
WANTS = f"{UNIT}/multi-user.target.wants"
DEBUG = "usr/lib/debug/x.debug"
PYTHON = "usr/lib/python3.12"
OS_RELEASE = b'ID=flatcar\nVERSION_ID=4593.2.0\nVERSION=4593.2.0\nBUILD_ID=""\n'
MACHINES = {Arch.AMD64: 62, Arch.ARM64: 183}  # e_machine of elf(5)
VIDEO = 27  # the group that may run nvidia-modprobe
# What the profile of every Flatcar board leaves in every package: hooks around each phase call the
# functions that are named for it.
_STACKED = [
    f"{when}_pkg_{what}" for when in ("pre", "post") for what in ("setup", "preinst", "postinst")
]
HOOKS = {
    "cros_stack_hooks": 'local f; for f in $(declare -F | awk "/cros_$1_/"); do ${f}; done',
    **{name: f"cros_stack_hooks {name}" for name in _STACKED},
    "cros_post_pkg_preinst_rm_masked_debug_files": 'find "${ED}"/usr/lib/debug -empty -delete',
    "cros_pre_pkg_postinst_no_modifications_of_users": "export ACCT_USER_NO_MODIFY=x",
}


def package(
    cpv: str,
    *paths: str,
    needs: str = "",
    use: str = "",
    texts: Mapping[str, str] | None = None,
    data: Mapping[str, bytes] | None = None,
    links: Mapping[str, str] | None = None,
    modes: Mapping[str, tuple[int, int]] | None = None,
    build_id: int = 0,
    slot: str = "0",
    home: str = "",
    environment: str = "",
    functions: Mapping[str, str] | None = None,
) -> PackageSpec:
    """Return a package of files that hold their own path.

    :param use: its flags, "-x" being off.
    :param links: symlinks by their path.
    :param modes: mode and group of files, where they are not what Portage would install.
    :param environment: lines of environment.bz2.
    :param functions: bodies of functions in it; those that are phases are the package's.
    """
    contents = {path: f"{path}\n".encode() for path in paths}
    contents |= {path: text.encode() for path, text in (texts or {}).items()}
    contents |= dict(data or {})
    slsa = f"usr/share/SLSA/{cpv.replace('/', '_')}.json.zst"  # every package has its provenance
    contents[slsa] = f"{slsa}\n".encode()
    entries = [_file(path, content, (modes or {}).get(path)) for path, content in contents.items()]
    entries += [link_entry(path, target, mtime=MTIME) for path, target in (links or {}).items()]
    flags = use.split()
    bodies = {**HOOKS, **(functions or {})}
    shell = environment + "".join(f"{f} () \n{{ \n    {body}\n}}\n" for f, body in bodies.items())
    phases = [name.removeprefix("pkg_") for name in functions or () if name.startswith("pkg_")]
    return PackageSpec(
        cpv=cpv,
        form="xpak",
        compression="bzip2",
        build_id=build_id,
        entries=sorted(entries, key=lambda entry: entry.path),
        metadata={
            "repository": "coreos",
            "RDEPEND": needs,
            "IUSE": " ".join(flag.removeprefix("-") for flag in flags),
            "USE": " ".join(flag for flag in flags if not flag.startswith("-")),
            "HOMEPAGE": home or f"https://{cpv.partition('/')[2]}.example",
            "SLOT": slot,
            "DEFINED_PHASES": " ".join(phases) or "-",
            "environment.bz2": bz2.compress(shell.encode()),
        },
    )


def units(*names: str) -> tuple[str, ...]:
    """Return the paths of units."""
    return tuple(f"{UNIT}/{name}" for name in names)


def wanted(*names: str) -> dict[str, str]:
    """Return the links by which an ebuild enables units."""
    return {f"{WANTS}/{name}": f"../{name}" for name in names}


def all_packages(arch: Arch = Arch.AMD64) -> list[PackageSpec]:
    """Return every package that a board's extensions are built from."""
    from tests.builders.catalogue_oem import oem_packages

    return [*_base(), *_extra(arch), *_python(), *oem_packages(arch)]


def base_paths(arch: Arch = Arch.AMD64) -> dict[str, bytes | str | None]:
    """Return what a base for them has beside ``small_base``."""
    return {
        "usr/lib/os-release": OS_RELEASE,
        "usr/share/baselayout/group": f"root:x:0:\nvideo:x:{VIDEO}:\n".encode(),
        f"{UNIT}/ntpd.service": b"[Unit]\nDescription=enabled by OEM extensions\n",
        "usr/lib64/libc.so.6": elf(MACHINES[arch]),
        f"{MODULES}/kernel/lib/zlib.ko": kernel_module("zlib", arch, exports=["inflate"]),
        f"{MODULES}/modules.dep": b"kernel/lib/zlib.ko:\n",
        **package_files("sys-kernel/coreos-modules-6.12.103"),
    }


def kernel_module(
    name: str,
    arch: Arch = Arch.AMD64,
    *,
    depends: Sequence[str] = (),
    aliases: Sequence[str] = (),
    exports: Sequence[str] = (),
    more: Sequence[str] = (),
) -> bytes:
    """Return a module that fits the base's kernel."""
    return module(
        name, depends=depends, aliases=aliases, exports=exports, more=more, vermagic=VERMAGIC,
        versions={"module_layout": 0x1234}, machine=MACHINES[arch],
    )  # fmt: skip


def _file(path: str, data: bytes, own: tuple[int, int] | None) -> Entry:
    executable = "bin/" in path or "/libexec/" in path or ".so." in path  # Portage sees to it
    mode, gid = own or (0o755 if executable else 0o644, 0)
    return replace(file_entry(path, data, mode=mode, mtime=MTIME), gid=gid)


def _with_other_use(spec: PackageSpec) -> list[PackageSpec]:
    """Return a package, and for each of its flags a later build in which the flag is another.

    The later ones hold a file that tells them: whoever takes the last build, takes the wrong one.
    """
    flags = str(spec.metadata["IUSE"]).split()
    chosen = set(str(spec.metadata["USE"]).split())
    found = [replace(spec, build_id=spec.build_id or 1)]
    for number, flag in enumerate(flags, found[0].build_id + 10):
        path = f"usr/share/built-with-another-{flag}"
        use = " ".join(one for one in flags if one in chosen ^ {flag})
        found.append(
            replace(
                spec,
                build_id=number,
                entries=[*spec.entries, _file(path, path.encode(), None)],
                metadata={**spec.metadata, "USE": use},
            )
        )
    return found


def _base() -> list[PackageSpec]:
    return [
        *_with_other_use(package(
            "app-containers/containerd-2.3.3", "usr/bin/containerd", "usr/bin/ctr",
            "usr/bin/containerd-shim-runc-v2", "usr/bin/containerd-stress", "usr/bin/gen-manpages",
            *units("containerd.service"), DEBUG,
            needs="app-containers/runc", use="btrfs device-mapper",
        )),
        package("app-containers/runc-1.4.3", "usr/bin/runc"),
        *_with_other_use(package(
            "app-containers/docker-29.5.2", "usr/bin/dockerd", "usr/bin/docker-proxy",
            "usr/share/docker/contrib/check-config.sh",
            "usr/share/docker/contrib/dockerd-rootless.sh",
            "usr/share/docker/contrib/dockerd-rootless-setuptool.sh",
            *units("docker.service", "docker.socket"), DEBUG,
            links={
                "usr/bin/docker-containerd": "containerd",
                "usr/bin/docker-runc": "runc",
                "usr/bin/dockerd-rootless.sh": "../share/docker/contrib/dockerd-rootless.sh",
                "usr/bin/dockerd-rootless-setuptool.sh":
                    "../share/docker/contrib/dockerd-rootless-setuptool.sh",
            },
            needs="app-containers/containerd app-containers/runc", use="btrfs overlay seccomp",
        )),
        package("app-containers/docker-cli-29.5.2", "usr/bin/docker"),
        package(
            "app-containers/docker-buildx-0.35.0", "usr/libexec/docker/cli-plugins/docker-buildx"
        ),
    ]  # fmt: skip


def _extra(arch: Arch) -> list[PackageSpec]:
    found = [
        package(
            "sys-fs/overlaybd-1.0.18", *units("overlaybd-tcmu.service"),
            "usr/local/overlaybd/bin/overlaybd-tcmu", "usr/local/overlaybd/etc/overlaybd.json",
            "usr/lib/tmpfiles.d/10-overlaybd.conf", "usr/include/overlaybd/x.h", DEBUG,
            links=wanted("overlaybd-tcmu.service"),
        ),
        package(
            "app-containers/accelerated-container-image-1.4.4",
            *units("overlaybd-snapshotter.service"), "usr/local/overlaybd/snapshotter/ctr",
            "usr/lib/tmpfiles.d/10-overlaybd-snapshotter.conf", needs="sys-fs/overlaybd",
            links=wanted("overlaybd-snapshotter.service"),
        ),
        *_incus(arch),
        package(
            "app-containers/podman-6.0.2", "usr/bin/podman", *units("podman.socket"),
            "usr/lib/tmpfiles.d/podman.conf", "usr/lib64/cmake/x", "usr/lib64/pkgconfig/x.pc",
            "usr/include/x.h", "usr/share/aclocal/x.m4",
            "usr/share/fish/vendor_completions.d/podman.fish", DEBUG,
            needs="app-containers/container-libs sys-fs/fuse-common",
        ),
        package(
            "app-containers/container-libs-0.69.0", "etc/containers/policy.json",
            "etc/containers/registries.conf",
        ),
        package(
            "sys-fs/fuse-common-3.10.4-r3", "etc/fuse.conf", "usr/lib/udev/rules.d/99-cuse.rules",
            needs="acct-group/cuse",
            texts={
                "usr/lib/tmpfiles.d/static-nodes-permissions-cuse.conf":
                    "z /dev/cuse 0660 root cuse - -\n",
            },
        ),
        package("acct-group/cuse-0", texts={"usr/lib/sysusers.d/cuse.conf": "g cuse 150\n"}),
        package("net-misc/passt-2026.07.28", "usr/bin/passt", "usr/bin/pasta"),
        *_zfs(arch),
    ]  # fmt: skip
    return [*found, *_nvidia()] if arch is Arch.AMD64 else found


def _incus(arch: Arch) -> list[PackageSpec]:
    agent = {Arch.AMD64: "x86_64", Arch.ARM64: "aarch64"}[arch]
    user_nic = "usr/libexec/lxc/lxc-user-nic"
    return [
        package(
            "app-containers/incus-7.2", "usr/bin/incus", "usr/sbin/incusd",
            f"usr/libexec/incus/agents/incus-agent.linux.{agent}", *units("incus.service"),
            "usr/lib/userdb/incus-admin.group", DEBUG, "etc/env.d/90incus",
            needs="app-containers/lxc net-dns/dnsmasq sys-fs/fuse-common",  # lxcfs' need
        ),
        package(
            "net-dns/dnsmasq-2.92_p2", "usr/sbin/dnsmasq",
            functions={
                "pkg_preinst": '[[ -f /var/lib/misc/x ]] && cp /var/lib/misc/x "${T}"',
                "pkg_postinst": '[[ -f "${T}"/x ]] && cp "${T}"/x /var/lib/misc/x',
            },
        ),
        package(
            "app-containers/lxc-7.0.0", "usr/bin/lxc-ls", user_nic, "usr/include/lxc/x.h",
            "usr/lib64/pkgconfig/lxc.pc", "usr/lib64/cmake/lxc/x.cmake",
            modes={user_nic: (0o4755, 0)},
        ),
    ]  # fmt: skip


def _zfs(arch: Arch) -> list[PackageSpec]:
    preset = """\
# ZFS is enabled by default
enable zfs-import-cache.service
disable zfs-import-scan.service
enable zfs-import.target
enable zfs-mount.service
enable zfs-zed.service
enable zfs.target
"""
    install = {
        "zfs-import-cache.service": "WantedBy=zfs-import.target",
        "zfs-import-scan.service": "WantedBy=zfs-import.target",
        "zfs-import.target": "WantedBy=zfs.target",
        "zfs-mount.service": "WantedBy=zfs.target",
        "zfs-zed.service": "Alias=zed.service\nWantedBy=zfs.target",
        "zfs.target": "WantedBy=multi-user.target",
    }
    texts = {f"{UNIT}/{name}": f"[Install]\n{lines}\n" for name, lines in install.items()}
    texts["usr/lib/systemd/system-preset/50-zfs.preset"] = preset
    modules = {
        f"{MODULES}/extra/spl.ko": kernel_module("spl", arch),
        f"{MODULES}/extra/zfs.ko": kernel_module("zfs", arch, depends=("spl", "zlib")),
    }
    return _with_other_use(package(
        "sys-fs/zfs-2.4.3", "usr/bin/zpool", "usr/bin/zfs", "usr/lib64/libzfs.so.6", DEBUG,
        "usr/lib64/cmake/x", "usr/include/libzfs.h", "usr/lib/dracut/modules.d/90zfs/x",
        "usr/share/initramfs-tools/hooks/zfs", "usr/src/zfs-2.4.3/x", "etc/zfs/zed.d/zed.rc",
        "etc/zfs/zfs-functions", "etc/zfs/zpool.d/slot", f"{MODULES}/modules.dep",
        "usr/lib/udev/rules.d/90-zfs.rules",
        f"{MODULES}/modules.order", texts=texts, data=modules,
        use="minimal -rootfs -initramfs",
        functions={
            "pkg_postinst": 'udev_reload; [[ -e ${old} ]] && rm -rv "${old}";'
            ' einfo "$(systemd_get_systempresetdir)/50-zfs.preset"',
            "systemd_get_systempresetdir": "$(tc-getPKG_CONFIG) --variable=x systemd",
        },
    ))  # fmt: skip


def _nvidia() -> list[PackageSpec]:
    found = []
    modprobe = "usr/bin/nvidia-modprobe"
    for cp, version, slot in (
        ("x11-drivers/nvidia-drivers", "535.309.01", "0/535"),
        ("x11-drivers/old-nvidia-drivers", "550.163.01-r2", "0/550"),
        ("x11-drivers/old-nvidia-drivers", "570.211.01-r1", "0/570"),
    ):
        for build_id, flag in ((1, "-kernel-open"), (2, "kernel-open")):
            kernel = "Dual MIT/GPL" if build_id == 2 else "NVIDIA"
            modules = {
                f"{MODULES}/video/nvidia.ko": kernel_module(
                    "nvidia", aliases=["pci:v000010DEd*sv*sd*bc03sc00i00*"], more=[f"note={kernel}"]
                ),
                f"{MODULES}/video/nvidia-uvm.ko": kernel_module("nvidia_uvm", depends=("nvidia",)),
            }
            spec = package(
                f"{cp}-{version}", "usr/bin/nvidia-smi", "usr/bin/nvidia-persistenced", modprobe,
                *units("nvidia-persistenced.service"), f"usr/lib64/libcuda.so.{version[:3]}",
                f"{MODULES}/modules.order", "etc/modprobe.d/nvidia.conf",
                f"usr/share/nvidia/{'open' if build_id == 2 else 'closed'}-modules",
                "usr/share/nvidia/supported-gpus.json",
                functions={"pkg_preinst": 'rm "${ED}"/usr/share/nvidia/supported-gpus.json'},
                data=modules, modes={modprobe: (0o4710, VIDEO)}, use=f"{flag} persistenced",
                build_id=build_id, slot=slot,
            )  # fmt: skip
            without = _with_other_use(spec)[-1]  # the pair itself differs by the other flag
            found += [spec, replace(without, build_id=build_id + 10)]
    return found


def _python() -> list[PackageSpec]:
    return [
        package(
            "dev-lang/python-3.12.13", "usr/bin/python3.12", f"{PYTHON}/os.py", DEBUG,
            f"{PYTHON}/test/test_os.py", f"{PYTHON}/unittest/tests/x.py",
            "usr/include/python3.12/Python.h", "usr/lib64/pkgconfig/python-3.12.pc",
            "usr/share/gdb/auto-load/python.py", "usr/share/applications/idle.desktop",
        ),
        package(
            "dev-python/pip-26.1.2", "usr/bin/pip", f"{PYTHON}/site-packages/pip/__init__.py",
            f"{PYTHON}/site-packages/pip/tests/x.py", needs="dev-lang/python",
        ),
    ]  # fmt: skip
