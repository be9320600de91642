"""The checks on a whole real system, in which everything works: no false alarm."""

from collections import defaultdict
from dataclasses import replace

import pytest

from sysextlib.base import open_base
from sysextlib.check.all import check_tree
from sysextlib.findings import Severity
from sysextlib.gentoo.arch import Arch
from sysextlib.tree import Content, Kind, Tree
from tests.builders.definition import sysext
from tests.builders.demo import demo_board

pytestmark = [pytest.mark.demo, pytest.mark.slow]
# What an operating system may have and an extension not.
OF_A_SYSTEM = {"os-release", "privileged", "udev-rules-too-late"}
# What the system's packages bring for programs that are not installed.
MISSING = {
    "missing-program": {"usr/lib/systemd/system/quotaon-root.service"},
    "tmpfiles-source": {"usr/lib/tmpfiles.d/legacy.conf"},
    "missing-interpreter": {
        "usr/bin/c_rehash", "usr/bin/routel", "usr/libexec/selinux/remove-leaf-dirs",
        "usr/sbin/pam-auth-update", "usr/sbin/pam_getenv",
    },
}  # fmt: skip


def test_a_real_system_as_an_extension_of_itself_has_no_findings_but_true_ones():
    with open_base(demo_board().image) as base:
        tree = Tree(
            replace(entry, content=Content.of(base.read(entry.path) or b""))
            if entry.kind is Kind.FILE
            else entry
            for entry in base.tree.under("usr")
        )
        assert len(tree) > 3000
        told = defaultdict(set)
        for finding in check_tree(tree, base, sysext(), Arch.AMD64):
            if finding.severity is Severity.ERROR and finding.code not in OF_A_SYSTEM:
                told[finding.code].add(finding.subject)
    assert told == MISSING
