import itertools
import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from sysextlib.errors import ResolveError, ValueSyntaxError
from sysextlib.gentoo.atom import Atom
from sysextlib.resolve.resolver import resolve
from sysextlib.resolve.search import Search
from sysextlib.resolve.universe import Universe
from sysextlib.resolve.use_request import UseRequest, UseRule
from tests.builders.scenario import load_scenario, make_package, profile_of

FOLDER = Path(__file__).parents[1] / "scenarios/resolve"
SCENARIOS = [load_scenario(path) for path in sorted(FOLDER.glob("*.toml"))]


def by_name(*, merge):
    chosen = [s for s in SCENARIOS if (s.merge is not None) == merge]
    return pytest.mark.parametrize("scenario", chosen, ids=lambda s: s.name)


def atoms(*texts):
    return [Atom.parse(text) for text in texts]


def merged(wanted, available, installed=(), **more):
    plan = resolve(atoms(*wanted), available, installed, **more)
    return [str(package.cpv) for package in plan.packages]


@by_name(merge=True)
def test_scenario_is_resolved_in_its_order(scenario):
    assert tuple(map(scenario.title, scenario.resolve().packages)) == scenario.merge


@by_name(merge=False)
def test_scenario_is_refused_with_its_facts(scenario):
    with pytest.raises(ResolveError) as caught:
        scenario.resolve()
    for text in scenario.error:
        assert text in str(caught.value)


@by_name(merge=True)
def test_the_order_of_the_inputs_does_not_matter(scenario):
    expected = scenario.resolve()
    for seed in range(5):
        available = list(scenario.available)
        random.Random(seed).shuffle(available)
        installed = scenario.installed[::-1]
        assert replace(scenario, available=available, installed=installed).resolve() == expected


def test_there_are_at_least_sixty_scenarios_and_each_says_what_it_proves():
    assert len(SCENARIOS) >= 60
    assert len({scenario.about for scenario in SCENARIOS}) == len(SCENARIOS)


def test_scenario_with_an_unknown_key_is_refused(tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text('about = "x"\n[want]\npackages = []\natom = 1\n[expect]\nmerge = []\n')
    with pytest.raises(AssertionError, match="atom"):
        load_scenario(path)


def test_plan_is_rendered_with_flags_slots_and_reasons():
    available = [
        make_package(
            "sys-fs/zfs-2.4.3", {"RDEPEND": "dev/lib:2", "IUSE": "nls +pam", "USE": "pam"}
        ),
        make_package("dev/lib-2.1", {"SLOT": "2/2.1"}),
    ]
    plan = resolve(atoms("sys-fs/zfs"), available, ())
    assert plan.render() == (
        "1. dev/lib-2.1-1:2/2.1 <- RDEPEND of sys-fs/zfs-2.4.3-1\n"
        "2. sys-fs/zfs-2.4.3-1 [pam -nls] <- asked for\n"
    )
    assert json.loads(plan.to_json())[0] == {
        "cpv": "dev/lib-2.1",
        "build_id": 1,
        "slot": "2",
        "subslot": "2.1",
        "repo": "test",
        "use": [],
        "wanted_by": ["RDEPEND of sys-fs/zfs-2.4.3-1", "asked for"],
    }


def test_nothing_wanted_is_an_empty_plan():
    plan = resolve((), [make_package("app/a-1", {})], ())
    assert len(plan) == 0
    assert plan.render() == ""


def test_word_that_is_no_flag_is_refused():
    with pytest.raises(ValueSyntaxError, match="no USE flag"):
        UseRule.parse(["foo", "--bar"])


def test_flag_named_twice_counts_as_the_last_says():
    package = make_package("app/a-1", {"IUSE": "foo"})
    assert UseRequest(rules=(UseRule.parse(["foo", "-foo"]),)).unmet(package) == ()
    assert UseRequest(rules=(UseRule.parse(["-foo", "foo"]),)).unmet(package) == ("foo",)


def test_base_with_dependencies_that_cannot_be_read_is_no_obstacle():
    base = [
        make_package("dev/b-1", {"RDEPEND": "!app/a || ("}),
        make_package("dev/c-1", {"EAPI": "99", "RDEPEND": "!app/a"}),
    ]
    assert merged(["app/a"], [make_package("app/a-1", {})], base) == ["app/a-1"]


def test_chain_longer_than_python_recurses_is_resolved():
    length = 1500
    available = [
        make_package(f"app/p{n}-1", {"RDEPEND": f"app/p{n + 1}"} if n < length else {})
        for n in range(length + 1)
    ]
    found = merged(["app/p0"], available)
    assert found[0] == f"app/p{length}-1"
    assert found[-1] == "app/p0-1"


def test_conflict_behind_many_free_choices_does_not_multiply_them():
    # 30 packages with 5 versions each come between the two that cannot be together.
    free = [f"dev/f{n}" for n in range(30)]
    available = [
        make_package(f"{name}-{version}", {}) for name, version in itertools.product(free, range(5))
    ]
    available += [
        make_package("app/a-2", {"RDEPEND": "=dev/x-2"}),
        make_package("app/a-1", {"RDEPEND": "=dev/x-1"}),
        make_package("app/b-1", {"RDEPEND": "=dev/x-1"}),
        *(make_package(f"dev/x-{version}", {}) for version in (1, 2)),
    ]
    search = Search(Universe(available, (), UseRequest(), ()))
    state = search.run(atoms("app/a", *free, "app/b"))
    assert str(state.chosen["app/a", "0"].candidate.package.cpv) == "app/a-1"
    assert search.attempts < 200


def test_search_that_is_too_long_is_given_up_with_its_first_obstacle():
    available = [make_package(f"app/a-{n}", {"RDEPEND": "dev/missing"}) for n in range(50)]
    search = Search(Universe(available, (), UseRequest(), ()), most_attempts=20)
    with pytest.raises(ResolveError, match="no plan was found in 20 attempts") as caught:
        search.run(atoms("app/a"))
    assert caught.value.facts["first obstacle"] == "there is no package dev/missing"


def test_group_of_very_many_alternatives_is_refused_in_a_short_error():
    group = f"|| ( {' '.join(f'dev/a{n}' for n in range(5000))} )"
    available = [make_package("app/a-1", {"RDEPEND": group})]
    with pytest.raises(ResolveError, match="there is no package dev/a0") as caught:
        resolve(atoms("app/a"), available, ())
    assert len(str(caught.value)) < 1000


def test_empty_group_in_a_long_dependency_is_refused_in_a_short_error():
    inner = " ".join(f"( dev/a{n} || ( foo? ( dev/b ) ) )" for n in range(2000))
    available = [
        make_package("app/a-1", {"IUSE": "foo", "RDEPEND": f"|| ( {inner} )"}),
        *(make_package(f"dev/a{n}-1", {}) for n in range(2000)),
    ]
    with pytest.raises(ResolveError, match="nothing satisfies") as caught:
        resolve(atoms("app/a"), available, ())
    assert len(str(caught.value)) < 5000


def test_very_many_groups_are_decided_one_by_one():
    groups = " ".join(f"|| ( dev/a{n} dev/b{n} )" for n in range(1000))
    available = [make_package("app/a-1", {"RDEPEND": groups})]
    available += [make_package(f"dev/b{n}-1", {}) for n in range(1000)]
    assert len(merged(["app/a"], available)) == 1001


def test_virtuals_that_lead_in_circles_are_looked_through_once():
    available = [
        make_package(f"virtual/v{n}-1", {"RDEPEND": f"|| ( virtual/v{n + 1} virtual/v{n + 2} )"})
        for n in range(100)
    ]
    available += [make_package(f"virtual/v{n}-1", {"RDEPEND": "virtual/v0"}) for n in (100, 101)]
    assert len(merged(["virtual/v0"], available)) == 101


def test_blocker_cannot_be_asked_for():
    with pytest.raises(ResolveError, match="nobody can ask for"):
        resolve(atoms("!app/a"), (), ())


def large_binhost():
    chain = [
        make_package(
            f"app/p{n}-1",
            {
                "RDEPEND": " ".join(f">=app/p{m}-1:0=[foo?]" for m in (n + 1, n + 2) if m < 14)
                + " ssl? ( || ( dev/q1 >=dev/q2-1:= ) ) !<app/p0-1"
            }
            | {"IUSE": "foo ssl", "USE": ""},
        )
        for n in range(14)
    ]
    rest = [
        make_package(f"dev/q{n}-{v}", {"RDEPEND": f"dev/q{n + 1} !<dev/q{n}-1", "IUSE": "foo"})
        for n, v in itertools.product(range(1000), (1, 2, 3))
    ]
    return chain + rest


def test_fourteen_packages_of_three_thousand_are_found_without_looking_at_the_rest(monkeypatch):
    steps = []
    step = Search._step
    monkeypatch.setattr(Search, "_step", lambda self: steps.append(self) or step(self))
    base = [
        make_package(f"sys/s{n}-1", {"RDEPEND": f"!<sys/s{n}-1 !!sys/t{n} || ( a/b c/d )"})
        for n in range(300)
    ]
    plan = resolve(
        atoms("app/p0"), large_binhost(), base, use=UseRequest(rules=(UseRule.parse(["-foo"]),))
    )
    assert len(plan) == 14
    assert len(steps) < 100 * len(plan)  # one step deals with one requirement or package


def test_a_package_that_the_profile_masks_is_refused_by_the_mask():
    profile = replace(profile_of(()), masked=(Atom.parse("<app/a-2"),))
    available = [make_package("app/a-1", {})]
    with pytest.raises(ResolveError) as caught:
        resolve(atoms("app/a"), available, (), use=UseRequest(profile=profile))
    assert caught.value.facts["refused"] == "app/a-1-1: the profile masks <app/a-2"


def test_without_a_profile_flags_it_was_built_with_are_known_to_a_package():
    package = make_package("app/a-1", {"IUSE": "foo", "USE": "foo kernel_linux"})
    assert UseRequest().implicit(package) == {"kernel_linux"}
