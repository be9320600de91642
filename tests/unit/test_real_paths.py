import pytest

from sysextlib.real_paths import LinkLoopError, RealPaths
from tests.builders.base import tree_of

TREE = tree_of(
    {
        "lib64": "usr/lib64",
        "usr/lib64": "lib",
        "usr/lib/deep": "../../../../etc/x",
        "usr/lib/abs": "/lib64/sub",
        "dangling": "nowhere/at/all",
        "a": "b",
        "b": "c/../a",
    }
)


@pytest.mark.parametrize(
    ("path", "real"),
    [
        ("lib64/libc.so", "usr/lib/libc.so"),
        ("usr/lib/deep/f", "etc/x/f"),
        ("lib64/abs/f", "usr/lib/sub/f"),
        ("dangling/f", "nowhere/at/all/f"),
        ("plain/f", "plain/f"),
    ],
)
def test_symlinks_are_followed_and_never_leave_the_root(path, real):
    assert RealPaths(TREE.get).real(path) == real


def test_a_circle_of_symlinks_is_an_error_that_shows_the_way():
    with pytest.raises(LinkLoopError, match="/a lead nowhere") as caught:
        RealPaths(TREE.get).real("a/f")
    assert caught.value.way == "/a -> /b -> /a"


def test_a_chain_of_symlinks_longer_than_the_kernels_limit_is_an_error():
    tree = tree_of({f"l{i}": f"l{i + 1}" for i in range(60)})
    with pytest.raises(LinkLoopError):
        RealPaths(tree.get).real("l0")


def test_links_that_lead_through_each_other_many_times_are_an_error_at_once():
    tree = tree_of({f"l{i}": "/".join([f"l{i + 1}", ".."] * 5) for i in range(30)})
    with pytest.raises(LinkLoopError):
        RealPaths(tree.get).real("l0")


def test_a_path_of_thousands_of_parts_is_followed():
    deep = "/".join(["d"] * 2000)
    assert RealPaths(TREE.get).real(f"lib64/{deep}") == f"usr/lib/{deep}"
