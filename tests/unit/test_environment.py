"""Variables of environment.bz2, as bash's declare -p writes them."""

import pytest

from sysextlib.errors import PackageError
from sysextlib.install.environment import Environment


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ('"plain"', "plain"),
        ('"a \\"b\\" \\$c \\\\"', 'a "b" $c \\'),
        ('"Café"', "Café"),
        (r"$'Caf\303\251 \'x\' \"y\"'", "Café 'x' \"y\""),  # in the C locale
        (r"$'\a\b\E\f\n\r\t\v\\'", "\a\b\033\f\n\r\t\v\\"),
        (r"$'\0019'", "\x019"),
    ],
)
def test_a_value_is_what_bash_wrote(written, value):
    assert Environment(f"declare -x NAME={written}\n").scalar("NAME") == value


def test_a_value_that_bash_would_not_write_is_an_error_that_names_the_package():
    with pytest.raises(PackageError, match="NAME of a/b-1 is not understood"):
        Environment("declare -- NAME=$'\\q'\n").text("NAME", "a/b-1")
