"""Extensions of clouds and hypervisors, each merged alone into a running system."""

import pytest

from ci.vm.root import POLICY
from tests.builders.vm import Vm

pytestmark = [pytest.mark.vm, pytest.mark.vm_more, pytest.mark.demo, pytest.mark.slow]

SECONDS = 900


@pytest.fixture(scope="module")
def vm(oems):
    with Vm(images=oems) as running:
        yield running


def test_each_is_merged_by_refresh_under_a_strict_policy(vm, oems):
    assert len(oems) > 3
    merged = {}
    for name in oems:
        vm.ok(f"rm -f /run/extensions/* && ln -s /mnt/payload/{name} /run/extensions/")
        vm.ok(f"systemd-sysext refresh --image-policy={POLICY}", SECONDS)
        merged[name] = vm.merged_names()
    assert merged == {name: {name.removesuffix(".raw")} for name in oems}
