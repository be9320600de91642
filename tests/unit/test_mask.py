import pytest

from sysextlib.install.mask import InstallMask
from tests.builders.base import tree_of


@pytest.mark.parametrize(
    ("patterns", "path", "masked"),
    [
        ("/usr/include", "usr/include/a/b.h", True),
        ("/usr/include", "usr/includes", False),
        ("/usr/lib*/*.la", "usr/lib64/deep/x.la", True),
        ("*.la", "usr/lib64/x.la", True),
        ("include", "usr/include/x.h", False),
        ("/usr/share -/usr/share/keep", "usr/share/keep/x", False),
        ("/usr/share -/usr/share/keep", "usr/share/x", True),
        ("-*.conf *.conf", "etc/x.conf", True),
        ("/usr/li?/x", "usr/lib/x", False),
        ("/usr/*/li?", "usr/a/lib", True),
    ],
)
def test_patterns_decide_as_in_portage(patterns, path, masked):
    assert InstallMask([patterns]).matches(path) is masked


def test_a_masked_directory_goes_only_when_nothing_in_it_stays():
    tree = tree_of({"usr/a/x": b"", "usr/a/keep": b"", "usr/b/x": b""})
    kept, gone = InstallMask(["/usr/a /usr/b -/usr/a/keep"]).apply(list(tree))
    assert [entry.path for entry in kept] == ["usr", "usr/a", "usr/a/keep"]
    assert gone == ("usr/a/x", "usr/b", "usr/b/x")


def test_a_directory_emptied_by_a_name_pattern_stays():
    kept, _ = InstallMask(["*.la"]).apply(list(tree_of({"usr/lib/x.la": b""})))
    assert [entry.path for entry in kept] == ["usr", "usr/lib"]
