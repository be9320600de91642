"""The project's own definitions, on trees of the shape that upstream's packages have."""

from pathlib import Path

import pytest

from sysextlib.definition import SysextDef, load_definition
from sysextlib.edit.apply import apply_edits
from sysextlib.errors import EditError
from sysextlib.tree import Tree
from tests.builders.definition import CONTEXT, tree_of

SYSEXTS = Path(__file__).parents[2] / "sysexts"
UNIT = "usr/lib/systemd/system/"


def built(key: str, *paths: str) -> Tree:
    edited = apply_edits(tree_of(*paths), definition(key), CONTEXT)
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


@pytest.mark.parametrize("key", ["python", "podman", "kmod-demo"])
def test_packages_that_lost_what_the_definition_is_about_are_refused(key):
    with pytest.raises(EditError):
        built(key, "usr/bin/x")
