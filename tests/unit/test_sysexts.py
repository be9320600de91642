"""The project's own definitions, on trees of the shape that upstream's packages have."""

from collections import Counter
from pathlib import Path

import pytest

from sysextlib.definition import SysextDef, load_catalogue, load_definitions
from sysextlib.edit.apply import apply_edits
from sysextlib.errors import EditError
from sysextlib.gentoo.arch import Arch
from sysextlib.tree import Tree, link_entry
from tests.builders.definition import CONTEXT, load_definition, tree_of

SYSEXTS = Path(__file__).parents[2] / "sysexts"
UNIT = "usr/lib/systemd/system/"


def built(key: str, *paths: str, link: str = "", **contents: str) -> Tree:
    tree = tree_of(*paths, **contents)
    if link:
        tree = tree.updated([link_entry(link, f"../{link.rpartition('/')[2]}")])
    edited = apply_edits(tree, definition(key), CONTEXT)
    return edited.tree.under("usr")


def definition(key: str) -> SysextDef:
    return load_definition(SYSEXTS / key)


def files(tree: Tree) -> set[str]:
    return {entry.path for entry in tree if entry.kind != "directory"}


def text(tree: Tree, path: str) -> str:
    content = tree[path].content
    assert content is not None
    return content.read().decode()


def test_containerd_holds_what_upstream_installs():
    tree = built(
        "containerd",
        "usr/bin/containerd",
        "usr/bin/containerd-stress",
        "usr/bin/gen-manpages",
        "usr/lib/debug/usr/bin/containerd.debug",
    )
    assert files(tree) == {
        "usr/bin/containerd",
        "usr/share/containerd/config.toml",
        "usr/share/containerd/config-cgroupfs.toml",
        UNIT + "containerd.service",
        UNIT + "multi-user.target.wants/containerd.service",
        UNIT + "multi-user.target.d/10-containerd-service.conf",
    }
    dropin = UNIT + "multi-user.target.d/10-containerd-service.conf"
    assert text(tree, dropin) == "[Unit]\nUpholds=containerd.service\n"
    assert (
        tree[UNIT + "multi-user.target.wants/containerd.service"].target == "../containerd.service"
    )


def test_docker_holds_what_upstream_installs():
    tree = built(
        "docker",
        "usr/bin/dockerd",
        "usr/bin/dockerd-rootless.sh",
        "usr/bin/dockerd-rootless-setuptool.sh",
        "usr/share/docker/contrib/x",
        "usr/lib/debug/x",
        UNIT + "docker.service",
    )
    assert files(tree) == {
        "usr/bin/dockerd",
        UNIT + "docker.service",
        UNIT + "docker.socket",
        UNIT + "sockets.target.d/10-docker-socket.conf",
        "usr/lib/systemd/network/50-docker.network",
        "usr/lib/systemd/network/90-docker-veth.network",
        "usr/lib/flatcar/dockerd",
    }
    assert tree["usr/lib/flatcar/dockerd"].mode == 0o755
    service = text(tree, UNIT + "docker.service")
    assert "--containerd=/var/run/docker/libcontainerd/docker-containerd.sock" in service
    assert "Requires=containerd.service docker.socket" in service


def test_python_loses_its_tests_headers_and_all_of_usr_share():
    lib = "usr/lib/python3.12/"
    tree = built(
        "python",
        "usr/bin/python3",
        "usr/include/python3.12/Python.h",
        "usr/lib/debug/x",
        "usr/lib64/pkgconfig/python3.pc",
        "usr/share/man/man1/python.1",
        lib + "os.py",
        lib + "test/test_os.py",
        lib + "unittest/test/x.py",
        lib + "site-packages/pip/tests/x.py",
        lib + "site-packages/pip/testing.py",
    )
    assert files(tree) == {"usr/bin/python3", lib + "os.py", lib + "site-packages/pip/testing.py"}


def test_podman_brings_its_defaults_back_by_tmpfiles():
    conf = "usr/lib/tmpfiles.d/podman.conf"
    tree = built(
        "podman", "usr/bin/podman", "etc/containers/policy.json", "etc/fuse.conf", "etc/x", conf,
        "usr/share/fish/x", "usr/include/x", "usr/lib64/cmake/x", "usr/share/aclocal/x",
    )  # fmt: skip
    assert files(tree) == {
        "usr/bin/podman",
        "usr/share/podman/etc/containers/policy.json",
        "usr/share/podman/etc/fuse.conf",
        conf,
    }
    assert text(tree, conf).splitlines()[1:] == [
        "C /etc/containers - - - - /usr/share/podman/etc/containers",
        "C /etc/fuse.conf - - - - /usr/share/podman/etc/fuse.conf",
    ]


def test_zfs_holds_what_upstream_installs():
    modules = "usr/lib/modules/6.12.1-flatcar/"
    preset = "usr/lib/systemd/system-preset/50-zfs.preset"
    contents = {
        preset: "enable zfs.target\nenable zfs-zed.service\nenable zfs-import.service\n",
        UNIT + "zfs.target": "[Install]\nWantedBy=multi-user.target\n",
        UNIT + "zfs-zed.service": "[Install]\nAlias=zed.service\nWantedBy=zfs.target\n",
    }
    tree = built(
        "zfs", "usr/bin/zpool", "usr/lib/debug/x", "usr/lib64/cmake/x", "usr/include/x",
        "usr/lib/dracut/x", "usr/share/initramfs-tools/x", "usr/src/x", "etc/zfs/zed.d/a",
        "etc/zfs/zfs-functions", "etc/default/zfs", modules + "extra/zfs.ko.xz",
        modules + "extra/spl.ko.xz", modules + "modules.dep", *contents, **contents,
    )  # fmt: skip
    assert files(tree) == {
        "usr/bin/zpool",
        "usr/share/zfs/etc/zfs/zed.d/a",
        "usr/share/zfs/etc/zfs/zfs-functions",
        "usr/share/zfs/etc/default/zfs",
        "usr/lib/tmpfiles.d/10-zfs.conf",
        "usr/lib/modprobe.d/10-flatcar-zfs-kmod-sysext.conf",
        "usr/libexec/_flatcar-zfs_modprobe_helper",
        modules + "extra/zfs.ko.xz",
        modules + "extra/spl.ko.xz",
        preset,
        UNIT + "zfs.target",
        UNIT + "zfs-zed.service",
        UNIT + "zed.service",
        UNIT + "multi-user.target.wants/zfs.target",
        UNIT + "zfs.target.wants/zfs-zed.service",
        UNIT + "multi-user.target.d/10-zfs.conf",
        UNIT + "systemd-udevd.service.d/10-zfs.conf",
    }
    assert text(tree, UNIT + "multi-user.target.d/10-zfs.conf") == "[Unit]\nUpholds=zfs.target\n"
    lines = text(tree, "usr/lib/tmpfiles.d/10-zfs.conf").splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["d", "/etc/zfs"],
        ["L", "/etc/zfs/zed.d"],
        ["L", "/etc/zfs/zfs-functions"],
        ["L", "/etc/zfs/zpool.d"],
        ["C", "/etc/systemd/system/systemd-udevd.service.d/10-zfs.conf"],
    ]
    order = text(tree, UNIT + "systemd-udevd.service.d/10-zfs.conf")
    assert "[Unit]\nAfter=systemd-sysext.service\n" in order


def test_incus_holds_what_upstream_installs():
    tree = built(
        "incus", "usr/bin/incus", "usr/lib/debug/x", "usr/lib64/pkgconfig/x", "usr/include/x",
        "usr/lib64/cmake/x", UNIT + "incus.service",
    )  # fmt: skip
    assert files(tree) == {
        "usr/bin/incus",
        UNIT + "incus.service",
        UNIT + "multi-user.target.d/10-incus.conf",
        "usr/lib/tmpfiles.d/10-incus.conf",
        "usr/lib/userdb/core:incus-admin.membership",
    }
    line = "d /var/lib/lxc/rootfs 0755 root root - -\n"
    assert text(tree, "usr/lib/tmpfiles.d/10-incus.conf") == line
    assert text(tree, "usr/lib/userdb/core:incus-admin.membership") == " \n"
    assert text(tree, UNIT + "multi-user.target.d/10-incus.conf").endswith("=incus.service\n")


def test_overlaybd_upholds_both_its_services_and_keeps_its_headers():
    units = (UNIT + "overlaybd-tcmu.service", UNIT + "overlaybd-snapshotter.service")
    tree = built("overlaybd", *units, "usr/include/x", "usr/lib/debug/x")
    dropin = UNIT + "multi-user.target.d/10-overlaybd.conf"
    assert files(tree) == {*units, "usr/include/x", dropin}
    upheld = "Upholds=overlaybd-tcmu.service overlaybd-snapshotter.service\n"
    assert text(tree, dropin) == "[Unit]\n" + upheld


def test_the_nvidia_pairs_differ_by_use_alone():
    pairs = load_definitions(SYSEXTS / "nvidia-drivers")
    assert [one.name.removeprefix("flatcar-nvidia-drivers-") for one in pairs] == [
        "535", "535-open", "550", "550-open", "570", "570-open",
    ]  # fmt: skip
    for closed, opened in zip(pairs[::2], pairs[1::2], strict=True):
        assert closed.packages == opened.packages
        assert (closed.use, opened.use) == (
            ("-kernel-open", "persistenced"),
            ("kernel-open", "persistenced"),
        )
        assert closed.install_root == f"{closed.name}-extra-sysext-rootfs"


def test_azure_holds_what_upstream_installs():
    tree = built(
        "oem-azure", "usr/include/x", "usr/lib/debug/x", "usr/share/gdb/x", "usr/lib64/pkgconfig/x",
        "usr/lib/python3.12/test/x", "usr/lib/python3.12/os.py", UNIT + "chronyd.service",
        "etc/systemd/system/waagent.service", link=UNIT + "multi-user.target.wants/chronyd.service",
    )  # fmt: skip
    assert files(tree) == {
        "usr/lib/python3.12/os.py",
        "usr/bin/eject",
        UNIT + "chronyd.service",
        UNIT + "waagent.service",
        UNIT + "multi-user.target.d/10-oem-azure.conf",
    }
    assert tree["usr/bin/eject"].target == "/usr/bin/true"


def test_gce_and_ami_hold_what_upstream_installs():
    test = "usr/lib/python3.12/tests/x"
    link = UNIT + "multi-user.target.wants/x.service"
    unit = UNIT + "x.service"
    dropins = UNIT + "multi-user.target.d/"
    assert files(built("oem-gce", "usr/lib/debug/x", test, unit, link=link)) == {
        unit,
        dropins + "10-oem-gce.conf",
    }
    assert files(built("oem-ami", "usr/lib/debug/x", unit, link=link)) == {
        unit,
        dropins + "20-oem-ami.conf",
    }


def test_vmware_holds_what_upstream_installs():
    tree = built(
        "oem-vmware", "etc/vmware-tools/tools.conf", "usr/bin/vmtoolsd", "usr/bin/dnet-config",
        "usr/bin/xslt-config", "usr/bin/xmlsec1-config", "usr/lib64/xml2Conf.sh", "usr/include/x",
        "usr/lib/debug/x", "usr/share/open-vm-tools/messages/x", "usr/lib64/cmake/x",
        "usr/lib64/pkgconfig/x", "usr/share/aclocal/x",
    )  # fmt: skip
    assert files(tree) == {
        "usr/bin/vmtoolsd",
        "usr/share/flatcar/oem-vmware/vmware-tools/tools.conf",
    }


def test_the_catalogue_has_what_upstream_builds_for_each_board():
    catalogue = load_catalogue(SYSEXTS.parent).values()
    for board, arch, counts in (
        ("amd64-usr", Arch.AMD64, {"base": 2, "extra": 11, "oem": 21}),
        ("arm64-usr", Arch.ARM64, {"base": 2, "extra": 5, "oem": 11}),
    ):
        kinds = Counter(str(one.kind) for one in catalogue if one.fits(board, arch))
        assert kinds == counts


def test_oem_extensions_bear_the_name_of_their_package():
    for one in load_catalogue(SYSEXTS.parent).values():
        if one.kind == "oem":
            assert one.key == one.name
            assert [str(atom) for atom in one.packages] == [f"coreos-base/{one.name}"]


@pytest.mark.parametrize("key", ["python", "podman", "kmod-demo", "zfs", "incus", "overlaybd"])
def test_packages_that_lost_what_the_definition_is_about_are_refused(key):
    with pytest.raises(EditError):
        built(key, "usr/bin/x")
