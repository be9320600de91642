"""Extensions in a system that enforces SELinux."""

import re

import pytest

from sysextlib.image.ddi import read_ddi
from tests.builders.demo import CHECKOUT
from tests.builders.vm import Vm

pytestmark = [pytest.mark.vm, pytest.mark.demo, pytest.mark.slow]

SECONDS = 900
# Denials as "source-type target-type class", by why Debian's policy has them. Those of the base
# are there without any extension.
BASE = "the policy does not know what systemd 257 does; the base alone shows it"
KNOWN = {
    "syslogd_t tmpfs_t dir": BASE,  # the file system of its credentials
    "systemd_networkd_t tmpfs_t dir": BASE,
    "getty_t tmpfs_t dir": BASE,
    "systemd_networkd_t fixed_disk_device_t blk_file": BASE,
    "systemd_networkd_t mount_runtime_t dir": BASE,
    "systemd_networkd_t cgroup_t dir": BASE,
    "systemd_tmpfiles_t user_home_dir_t dir": BASE,  # /root, labelled from outside
    "systemd_tmpfiles_t systemd_networkd_var_lib_t dir": BASE,
    "systemd_tmpfiles_t init_var_lib_t dir": BASE,
    "systemd_tmpfiles_t container_var_lib_t dir": "tmpfiles.d may make no folders of containers",
    "systemd_tmpfiles_t usr_t dir": "tmpfiles.d may copy nothing from below /usr/share",
    "systemd_modules_load_t bin_t lnk_file": "modules-load.d may run no install line of modprobe.d",
}
DENIAL = re.compile(
    r"avc: +denied .*scontext=\w+:\w+:(\w+)\S* tcontext=\w+:\w+:(\w+)\S* tclass=(\w+)"
)


def labels(path):
    """Return each path of an image as the merged system has it, with its label."""
    return {
        "/" + entry.path: dict(entry.xattrs).get("security.selinux", b"").rstrip(b"\0").decode()
        for entry in read_ddi(path).erofs().entries()
    }


@pytest.fixture(scope="module")
def labelled(built):
    found = {name: labels(path) for name, path in built.items()}
    if not any(label for one in found.values() for label in one.values()):
        pytest.skip("the images carry no labels")
    return found


@pytest.fixture(scope="module")
def vm(built, labelled):
    with Vm(images=built, merged=sorted(built), selinux="enforcing") as running:
        yield running


def test_the_system_enforces(vm):
    assert vm.ok("cat /sys/fs/selinux/enforce") == "1"
    assert len(vm.merged_names()) > 3


def test_every_file_has_the_label_that_the_running_policy_wants(vm, labelled):
    """With our own rules where an administrator has his: file_contexts.local."""
    own = "\n".join(path.read_text() for path in sorted((CHECKOUT / "selinux/default").iterdir()))
    vm.ok(f"cat >>/etc/selinux/default/contexts/files/file_contexts.local <<'END'\n{own}\nEND")
    paths = sorted({path for one in labelled.values() for path in one if path != "/"})
    words = "\n".join(paths)
    vm.ok(f"cat >/tmp/paths <<'END'\n{words}\nEND")
    seen = vm.ok("xargs --delimiter='\\n' stat --format=%C </tmp/paths", SECONDS).splitlines()
    wanted = vm.ok("xargs --delimiter='\\n' matchpathcon -n </tmp/paths", SECONDS).splitlines()
    assert len(seen) == len(wanted) == len(paths)
    triples = zip(paths, seen, wanted, strict=True)
    assert [one for one in triples if one[1] != one[2] and one[2] != "<<none>>"] == []


def test_units_of_extensions_can_be_controlled(vm):
    vm.until("systemctl is-active containerd.service docker.socket")
    vm.ok("systemctl restart containerd.service && systemctl is-active containerd.service", SECONDS)


def test_nothing_is_denied_but_what_is_known(vm):
    found = {" ".join(denial) for denial in DENIAL.findall(vm.ok("dmesg"))}
    assert sorted(found - set(KNOWN)) == []
