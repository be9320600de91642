"""All extensions of the demo board in one running system that accepts nothing unsigned."""

import io
import json
import zipfile

import pytest

from ci.vm.root import POLICY
from sysextlib.explain.policy import parse_policy
from sysextlib.explain.verdict import Effect, explain_image
from tests.builders.vm import Vm

pytestmark = [pytest.mark.vm, pytest.mark.demo, pytest.mark.slow]

NAMES = {"containerd-flatcar", "docker-flatcar", "flatcar-podman", "flatcar-python", "kmod-demo"}
NAMES |= {"flatcar-chrony"}
# A root file system for containers: a shell with its libraries.
CONTAINER = """
cd /tmp && lib=usr/lib/x86_64-linux-gnu
tar -chf root.tar -C / usr/bin/bash usr/bin/cat $lib/libc.so.6 $lib/libtinfo.so.6 \
    $lib/ld-linux-x86-64.so.2
tar -rf root.tar -C / usr/lib64 bin lib lib64
"""
SECONDS = 900


WHEEL = "probe-1.0-py3-none-any.whl"


def wheel() -> bytes:
    """A Python package with one module."""
    files = {
        "probe.py": "print('from probe')",
        "probe-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: probe\nVersion: 1.0\n",
        "probe-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n",
        "probe-1.0.dist-info/RECORD": "",
    }
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return data.getvalue()


@pytest.fixture(scope="module")
def vm(built):
    with Vm(images={**built, WHEEL: wheel()}, merged=sorted(built)) as running:
        yield running


def test_every_extension_is_merged_at_boot_under_a_strict_policy(vm):
    assert "--image-policy=root=signed+absent" in vm.ok("systemctl cat systemd-sysext.service")
    assert vm.merged_names() == NAMES


def test_each_is_read_through_dm_verity(vm):
    hashes = [line.split("-verity")[0] for line in vm.ok("dmsetup ls").splitlines()]
    assert len(hashes) == len(NAMES)
    assert all(len(root_hash) == 64 for root_hash in hashes)


def test_explain_said_so(vm, built, host):
    policy = parse_policy(POLICY)
    for path in built.values():
        assert explain_image(path, host, policy).effect is Effect.MERGED


def test_units_are_started_by_upholds(vm):
    vm.until("systemctl is-active containerd.service docker.socket")
    held = vm.ok("systemctl show --property=UpheldBy containerd.service docker.socket")
    assert held.split() == ["UpheldBy=multi-user.target", "UpheldBy=sockets.target"]


def test_users_and_groups_of_extensions_are_made_before_their_units_start(vm):
    assert vm.ok("stat -c '%U %G %a' /run/docker.sock") == "root docker 660"
    assert vm.ok("id -un 123; id -gn 123") == "chrony\nchrony"


def test_modules_that_an_extension_names_in_modules_load_d_are_loaded_at_boot(vm):
    vm.until("grep -w ^acpi_call /proc/modules")


def test_no_unit_failed(vm):
    assert vm.ok("systemctl --failed --no-legend --plain") == ""


def test_docker_runs_a_container_from_an_imported_root(vm):
    vm.ok(CONTAINER + "docker import root.tar probe", SECONDS)
    told = vm.ok(
        "docker run --rm probe /usr/bin/bash -c 'echo from $HOSTNAME; echo 6 * 7'", SECONDS
    )
    assert told.startswith("from ")
    info = json.loads(vm.ok("docker info --format '{{json .}}'"))
    assert info["CgroupDriver"] == "systemd"
    assert info["Driver"] == "overlay2"


@pytest.mark.vm_more
def test_podman_runs_a_container_without_a_daemon(vm):
    vm.ok(CONTAINER + "podman import root.tar probe", SECONDS)
    script = "podman run --rm --network=none probe /usr/bin/bash -c 'echo from podman'"
    assert vm.ok(script, SECONDS).endswith("from podman")


@pytest.mark.vm_more
def test_python_runs_pip(vm):
    assert vm.ok("python3 -c 'print(6 * 7)'", SECONDS) == "42"
    assert vm.ok("python3 -m pip --version", SECONDS).startswith("pip ")


@pytest.mark.vm_more
def test_pip_installs_into_a_virtual_environment(vm):
    vm.ok(
        f"cd /tmp && python -m venv v && v/bin/pip install --no-index /mnt/payload/{WHEEL}", SECONDS
    )
    assert vm.ok("/tmp/v/bin/python -m probe", SECONDS) == "from probe"


def test_plain_modprobe_loads_the_extensions_module_and_one_of_the_bases(vm):
    vm.ok("modprobe acpi_call && grep -w ^acpi_call /proc/modules", SECONDS)
    vm.ok("modprobe xfs && grep -w ^xfs /proc/modules", SECONDS)
    vm.ok("modprobe --remove xfs && modprobe --remove acpi_call", SECONDS)


def test_defaults_that_were_moved_out_of_etc_are_there(vm):
    vm.ok("test -s /etc/containers/policy.json")


def test_unmerge_and_refresh_bring_them_back(vm):
    vm.ok("systemctl stop docker.service docker.socket containerd.service", SECONDS)
    vm.ok("systemd-sysext unmerge", SECONDS)
    assert vm.merged_names() == set()
    assert vm.run("command -v docker").code != 0
    vm.ok(f"systemd-sysext refresh --image-policy={POLICY}", SECONDS)
    assert vm.merged_names() == NAMES
    vm.until("systemctl is-active containerd.service docker.socket")
