"""What packages put below /etc, merged as a second image."""

import pytest

from tests.builders.vm import Vm

pytestmark = [pytest.mark.vm, pytest.mark.vm_more, pytest.mark.demo, pytest.mark.slow]

SECONDS = 900
SYSEXT, CONFEXT = "flatcar-chrony.raw", "flatcar-chrony.confext.raw"
# The user comes with the extension; while a confext is merged, /etc/passwd cannot be written.
BOOT = f"[ ! -e /var/with-confext ] || ln -s /mnt/payload/{CONFEXT} /run/confexts/"


@pytest.fixture(scope="module")
def vm(extensions):
    images = {name: extensions / name for name in (SYSEXT, CONFEXT)}
    with Vm(images=images, merged=[SYSEXT], boot=BOOT) as running:
        running.until("id chrony")
        running.ok("touch /var/with-confext; sync")
        running.reboot()
        yield running


def test_it_is_merged_at_boot_under_a_strict_policy(vm):
    assert "--image-policy=root=signed+absent" in vm.ok("systemctl cat systemd-confext.service")
    assert "flatcar-chrony" in vm.ok("systemd-confext status")
    assert vm.merged_names() == {"flatcar-chrony"}


def test_etc_shows_its_files_with_their_owners_and_nothing_else_is_lost(vm):
    assert vm.ok("stat -c '%U %G %a' /etc/chrony/chrony.keys") == "root chrony 640"
    vm.ok("test -s /etc/passwd && test -s /etc/chrony/chrony.conf")
    assert "Read-only" in vm.run("touch /etc/new").text


def test_the_extensions_service_runs_with_its_configuration(vm):
    vm.ok("systemctl start chrony.service", SECONDS)
    assert vm.ok("ps -o user= -C chronyd").split()[0] == "chrony"
    vm.ok("systemctl stop chrony.service", SECONDS)


def test_unmerged_it_is_gone(vm):
    vm.ok("systemd-confext unmerge", SECONDS)
    vm.ok("test ! -e /etc/chrony/chrony.conf && touch /etc/new")
