import re

import pytest

from sysextlib import errors
from sysextlib.errors import SysextError, UsageError, ValueSyntaxError, nearest


def classes() -> list[type[SysextError]]:
    found, todo = [], [SysextError]
    while todo:
        subclasses = todo.pop().__subclasses__()
        found += subclasses
        todo += subclasses
    return found


def test_every_class_has_an_exit_code_of_its_own():
    codes = [cls.exit_code for cls in classes()]
    assert len(set(codes)) == len(codes)
    assert not set(codes) & {0, 1, 130}


def test_the_table_at_the_top_names_every_class_with_its_code():
    table = dict(re.findall(r"(\w+Error) +(\d+)", errors.__doc__))
    assert table == {cls.__name__: str(cls.exit_code) for cls in classes()}


def test_an_error_shows_fault_facts_and_next_step_in_this_order():
    error = errors.BaseError("no os-release", {"image": "x.squashfs"}, hint="build it again")
    assert str(error) == "no os-release\n  image: x.squashfs\n  hint: build it again"


def test_a_syntax_error_points_at_the_place():
    error = ValueSyntaxError("unbalanced", text="a/b\n( c/d ) )", column=12, source="RDEPEND")
    assert str(error).splitlines() == [
        "unbalanced",
        "  read from: RDEPEND",
        "  line: 2",
        "  column: 9",
        "  near: ",
        "    ( c/d ) )",
        "            ^",
    ]


@pytest.mark.parametrize(
    ("word", "known", "hint"),
    [
        ("dockr", ["docker", "zfs"], "did you mean docker?"),
        ("xyz", ["docker", "zfs"], "known: docker, zfs"),
        ("xyz", [], ""),
    ],
)
def test_an_unknown_word_is_answered_with_the_nearest_known_ones(word, known, hint):
    assert nearest(word, known) == hint


def test_a_terminal_has_nothing_to_obey_in_an_error():
    error = UsageError("a\x1b]0;b", {"c\x07": "d\x9bm\nline\udcff", "name": "é\tx"}, "e\x1b[m")
    assert str(error).splitlines() == [
        "a\\x1b]0;b",
        "  c\\x07: d\\x9bm",
        "    line\\udcff",
        "  name: é\tx",
        "  hint: e\\x1b[m",
    ]
