"""A machine with two versions of its base, and of an extension for each: update and roll back."""

import pytest

from tests.builders.vm import Vm

pytestmark = [pytest.mark.vm, pytest.mark.vm_more, pytest.mark.demo, pytest.mark.slow]

# What the initrd of an A/B system does: the base that is booted takes the image of its version.
BOOT = """
next=$(cat /var/next 2>/dev/null || echo 1.0.0)
sed "s/^VERSION_ID=.*/VERSION_ID=$next/" /usr/lib/os-release >/run/os-release
mount --bind /run/os-release /usr/lib/os-release
if [ -e /mnt/payload/$next/hello.raw ]; then
    ln -s /mnt/payload/$next/hello.raw /run/extensions/
else
    ln -s /mnt/payload/1.0.0/hello.raw /run/extensions/
fi
"""


@pytest.fixture(scope="module")
def vm(hello):
    images = {f"{version}/hello.raw": hello.build(version) for version in ("1.0.0", "2.0.0")}
    with Vm(images=images, boot=BOOT) as running:
        yield running


def boot(vm: Vm, version: str) -> None:
    vm.ok(f"echo {version} >/var/next; sync")
    vm.reboot()
    assert f"VERSION_ID={version}\n" in vm.ok("cat /etc/os-release; echo")


def test_switching_over_and_rolling_back_takes_the_extension_along(vm):
    assert vm.ok("hello") == "hello of 1.0.0"
    boot(vm, "2.0.0")
    assert vm.ok("hello") == "hello of 2.0.0"
    boot(vm, "1.0.0")
    assert vm.ok("hello") == "hello of 1.0.0"


def test_a_base_without_an_extension_of_its_version_boots_without_it(vm):
    boot(vm, "3.0.0")
    assert vm.merged_names() == set()
    assert vm.ok("systemctl --failed --no-legend --plain") == ""
