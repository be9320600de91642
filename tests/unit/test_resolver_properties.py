"""Whatever the packages are, a plan holds together, and an error means that there is none."""

import random
from dataclasses import replace

import pytest

from sysextlib.errors import ResolveError
from sysextlib.gentoo.atom import Atom
from sysextlib.gentoo.dependency import evaluate, leaves, parse_depend
from sysextlib.resolve.plan import MergePlan
from tests.builders.universe import answers, faults, random_universe


def outcome(scenario) -> MergePlan | None:
    try:
        return scenario.resolve()
    except ResolveError:
        return None


def told(scenario) -> str:
    try:
        return scenario.resolve().to_json()
    except ResolveError as error:
        return str(error)


@pytest.mark.parametrize("seed", range(150))
def test_a_plan_satisfies_all_its_packages_and_changes_nothing_of_the_base(seed):
    scenario = random_universe(random.Random(seed))
    plan = outcome(scenario)
    if plan is not None:
        assert list(faults(scenario, plan.packages)) == []


@pytest.mark.parametrize("seed", range(150))
def test_what_a_package_needs_is_merged_before_it_but_in_a_cycle(seed):
    scenario = random_universe(random.Random(seed))
    plan = outcome(scenario)
    if plan is None:
        return
    place = {package: number for number, package in enumerate(plan.packages)}
    needs = needs_of(scenario, plan.packages)
    may_need = {package: may_need_of(package, plan.packages) for package in plan.packages}
    for package in plan.packages:
        for need in needs[package]:
            if package not in reached(need, may_need):
                assert place[need] < place[package]


def needs_of(scenario, merge):
    """Return the direct needs that only one package satisfies."""
    found = {package: [] for package in merge}
    for package in merge:
        for node in evaluate(parse_depend(package.rdepend), package.use).children:
            if isinstance(node, Atom) and not node.blocker:
                there = [p for p in (*scenario.installed, *merge) if node.matches(p)]
                if len(there) == 1 and there[0] in found:
                    found[package] += there
    return found


def may_need_of(package, merge):
    """Return all that any atom of a package's RDEPEND, groups included, could mean."""
    atoms = [
        a for a in leaves(evaluate(parse_depend(package.rdepend), package.use)) if not a.blocker
    ]
    return [other for other in merge if any(atom.matches(other) for atom in atoms)]


def reached(start, needs):
    seen, todo = set(), [start]
    while todo:
        package = todo.pop()
        if package not in seen:
            seen.add(package)
            todo += needs[package]
    return seen


@pytest.mark.parametrize("seed", range(75))
def test_shuffled_inputs_give_the_same_plan_or_the_same_error(seed):
    scenario = random_universe(random.Random(seed))
    available = list(scenario.available)
    random.Random(1).shuffle(available)
    shuffled = replace(scenario, available=available, installed=scenario.installed[::-1])
    assert told(shuffled) == told(scenario)


@pytest.mark.parametrize("seed", range(40))
def test_an_error_means_that_no_set_of_packages_would_do(seed):
    scenario = random_universe(random.Random(seed))
    if len(scenario.available) <= 9 and outcome(scenario) is None:
        assert next(answers(scenario), None) is None
