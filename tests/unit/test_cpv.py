import pytest

from sysextlib.errors import ValueSyntaxError
from sysextlib.gentoo.cpv import Cpv


def test_the_parts_of_a_package_name():
    cpv = Cpv.parse("sys-fs/zfs-kmod-2.4.3_rc1-r1")
    assert (cpv.category, cpv.name, str(cpv.version)) == ("sys-fs", "zfs-kmod", "2.4.3_rc1-r1")
    assert (cpv.cp, cpv.pf, cpv.pvr) == (
        "sys-fs/zfs-kmod",
        "zfs-kmod-2.4.3_rc1-r1",
        "2.4.3_rc1-r1",
    )
    assert str(cpv) == "sys-fs/zfs-kmod-2.4.3_rc1-r1"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a/foo-1-bar-2", "foo-1-bar"),
        ("a/foo-r1-2", "foo-r1"),
        ("a/foo--2", "foo-"),
        ("a/gtk+-2", "gtk+"),
        ("a/foo-1.2x-3", None),
        ("a/foo-1-2", None),
        ("a/foo-1-r1-2", None),
    ],
)
def test_a_name_may_hold_what_looks_like_a_version_but_not_end_so(text, name):
    if name is None:
        with pytest.raises(ValueSyntaxError):
            Cpv.parse(text)
    else:
        assert Cpv.parse(text).name == name


def test_names_sort_by_category_then_name_then_version():
    texts = ["a/b-1.10", "a/b-1.9", "a/a-2", "b/a-1"]
    assert [str(c) for c in sorted(map(Cpv.parse, texts))] == [
        "a/a-2",
        "a/b-1.9",
        "a/b-1.10",
        "b/a-1",
    ]


@pytest.mark.parametrize(
    ("text", "brief"),
    [
        ("zfs-2.4", "'zfs-2.4' is not a package with its category"),
        ("sys-fs/zfs", "'sys-fs/zfs' is not a package with its version"),
        ("/zfs-1", "'/zfs-1' is not a package with its category"),
        ("a/b/c-1", "'a/b/c-1' is not a package with its version"),
        ("../b-1", "'../b-1' is not a package with its category"),
        ("a/" + "b" * 2000 + "-1", "a package name of 2004 characters"),
    ],
)
def test_a_text_that_is_no_package_is_refused_with_what_it_lacks(text, brief):
    with pytest.raises(ValueSyntaxError) as refusal:
        Cpv.parse(text)
    assert refusal.value.brief == brief
