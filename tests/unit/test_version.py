import pytest
from hypothesis import given, settings

from sysextlib.errors import ValueSyntaxError
from sysextlib.gentoo.version import MAX_LENGTH, Version
from tests.builders.gentoo_values import VERSIONS

repeatable = settings(deadline=None, derandomize=True)

ASCENDING = [
    "0_alpha",
    "0",
    "0-r1",
    "1_alpha1_beta",
    "1_alpha1",
    "1_beta",
    "1_pre",
    "1_rc2",
    "1_rc10",
    "1",
    "1-r1",
    "1-r10",
    "1_p",
    "1_p1",
    "1a",
    "1b_rc1",
    "1b",
    "1.0",
    "1.01",
    "1.010.0",
    "1.1",
    "1.2",
    "1.10",
    "2",
    "10",
    "20260101",
]


def test_versions_ascend_as_in_pms():
    shuffled = sorted(map(Version.parse, reversed(ASCENDING)))
    assert [str(version) for version in shuffled] == ASCENDING


@pytest.mark.parametrize(
    ("left", "right"),
    [("1.0", "1.0-r0"), ("1_p", "1_p0"), ("01.1", "1.1"), ("1.010", "1.01"), ("1-r01", "1-r1")],
)
def test_versions_that_differ_only_in_spelling_are_equal(left, right):
    assert Version.parse(left) == Version.parse(right)
    assert hash(Version.parse(left)) == hash(Version.parse(right))
    assert str(Version.parse(left)) == left


def test_the_revision_can_be_read_and_taken_off():
    version = Version.parse("2.4.3_rc1-r12")
    assert version.revision == 12
    assert str(version.without_revision) == "2.4.3_rc1"
    assert version.without_revision.revision == 0
    assert version.without_revision < version


@repeatable
@given(VERSIONS)
def test_a_version_prints_as_it_was_written(text):
    assert str(Version.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("", 0),
        ("a", 0),
        ("1.", 1),
        ("1..2", 1),
        ("1ab", 2),
        ("1_gamma", 1),
        ("1-r", 1),
        ("1-r1-r2", 4),
        ("1 ", 1),
        ("1\n", 1),
        ("\u0661", 0),
    ],
)
def test_a_text_that_is_no_version_is_refused_where_it_stops_being_one(text, column):
    with pytest.raises(ValueSyntaxError) as refusal:
        Version.parse(text)
    assert refusal.value.column == column


def test_numbers_of_any_length_are_refused_before_they_are_converted():
    assert Version.parse("9" * MAX_LENGTH) > Version.parse("1")
    with pytest.raises(ValueSyntaxError, match="a version of 5000 characters"):
        Version.parse("9" * 5000)
