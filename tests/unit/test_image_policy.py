"""Image policies, as systemd.image-policy(7) has them."""

import pytest

from sysextlib.errors import ValueSyntaxError
from sysextlib.explain.policy import DEFAULTS, PARTITIONS, USES, parse_policy
from sysextlib.image.release import ImageClass

STRICT = "root=signed+absent:usr=signed+absent"


def uses(policy: str, partition: str) -> set[str]:
    return set(parse_policy(policy).flags(partition) & frozenset(USES))


def test_a_rule_is_what_it_lists_and_the_rest_is_the_default():
    assert uses(STRICT, "root") == {"signed", "absent"}
    assert uses(STRICT, "home") == {"unused", "absent"}
    assert uses(f"{STRICT}:=absent", "home") == {"absent"}
    assert uses(" root = signed + absent :usr=verity", "root") == {"signed", "absent"}


def test_partitions_that_protect_follow_the_one_they_protect():
    assert uses(STRICT, "root-verity") == {"unprotected", "absent"}
    assert uses(STRICT, "root-verity-sig") == {"unprotected", "absent"}
    assert uses("root=verity", "root-verity") == {"unprotected"}
    assert uses("root=verity", "root-verity-sig") == {"unused", "absent"}
    assert uses("root=unprotected", "root-verity") == {"unused", "absent"}
    assert uses("root=signed:root-verity=absent", "root-verity") == {"absent"}


@pytest.mark.parametrize(
    ("policy", "all_of_them"),
    [("", {"unused", "absent"}), ("-", {"unused", "absent"}), ("~", {"absent"})],
)
def test_a_sign_alone_is_about_every_partition(policy, all_of_them):
    assert {frozenset(uses(policy, name)) for name in PARTITIONS} == {frozenset(all_of_them)}


def test_open_and_an_empty_list_allow_what_makes_sense_for_the_partition():
    for policy in ("*", "=open", "=", "root=:home=:root-verity=:=absent"):
        assert uses(policy, "root") == set(USES)
        assert uses(policy, "home") == set(USES) - {"signed", "verity"}
        assert uses(policy, "root-verity") == {"unprotected", "unused", "absent"}


@pytest.mark.parametrize(
    ("policy", "fault", "hint", "column"),
    [
        ("root", "no '='", "root=signed", 0),
        ("root=signed:", "no '='", "root=signed", 12),
        ("roat=signed", "unknown partition 'roat'", "root", 0),
        ("root=signed+absend", "unknown flag 'absend'", "absent", 12),
        ("root=signed++absent", "unknown flag ''", "", 12),
        ("root=open:root=absent", "two rules for root", "", 10),
        ("=open:=absent", "two rules for the default", "", 6),
    ],
)
def test_what_is_no_policy_is_refused_with_the_place(policy, fault, hint, column):
    with pytest.raises(ValueSyntaxError) as caught:
        parse_policy(policy)
    assert fault in caught.value.brief
    assert hint in caught.value.hint
    assert caught.value.column == column


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        ("root=verity+signed+absent:usr=signed+absent", ["root=verity+signed also accepts"]),
        ("root=signed+unprotected:usr=verity+signed", ["root=unprotected+", "usr=verity+"]),
        ("root=signed+absent:=open", ["usr has no rule"]),
        ("root=signed+absent", []),
        (STRICT, []),
        ("root=unprotected+absent", []),
        ("*", []),
    ],
)
def test_a_policy_that_takes_more_than_it_seems_is_warned_of(policy, told):
    traps = parse_policy(policy).traps()
    assert len(traps) == len(told)
    assert all(trap.startswith(start) for trap, start in zip(traps, told, strict=True))


def test_systemds_own_policies_take_anything_and_only_a_root_for_a_confext():
    assert DEFAULTS[ImageClass.SYSEXT].accepts_unsigned("usr")
    assert DEFAULTS[ImageClass.CONFEXT].accepts_unsigned("root")
    assert not DEFAULTS[ImageClass.CONFEXT].accepts_unsigned("usr")
