"""Extensions in a system that enforces SELinux."""

import re

import pytest

from sysextlib.image.ddi import read_ddi
from tests.builders.vm import Vm

pytestmark = [pytest.mark.vm, pytest.mark.demo, pytest.mark.slow]

SECONDS = 900
# Denials that have nothing to do with extensions, as "permission source-type target-type class".
KNOWN: set[str] = set()
DENIAL = re.compile(
    r"avc: +denied +\{ (.*?) \}.*scontext=\w+:\w+:(\w+)\S* tcontext=\w+:\w+:(\w+)\S* tclass=(\w+)"
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
    assert found <= KNOWN
