"""Names of outputs, and of images as systemd sees them."""

import pytest

from sysextlib.errors import UsageError
from sysextlib.workspace import OutputNames, image_name


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("x.raw", "x"),
        ("x.confext.raw", "x"),
        ("x.sysext.raw", "x"),
        ("x.confext", "x"),
        ("x-1.2.raw", "x-1.2"),
        ("x.raw.raw", "x.raw"),
        ("x.confext.sysext.raw", "x.confext"),
    ],
)
def test_systemd_takes_one_suffix_of_each_sort_off(file, name):
    assert image_name(file) == name


def test_a_name_is_found_again_from_each_of_its_images():
    names = OutputNames("flatcar-x.1")
    assert {image_name(names.image), image_name(names.confext)} == {"flatcar-x.1"}
    assert {names.confext, names.confext_contents} <= names.all


@pytest.mark.parametrize("name", ["x.confext", "x.sysext", "", "a/b", ".x", "x" * 129])
def test_a_name_that_systemd_would_read_otherwise_is_refused(name):
    with pytest.raises(UsageError):
        OutputNames(name)
