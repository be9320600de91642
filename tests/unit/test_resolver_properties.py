"""Whatever the packages are, a plan holds together, and an error means that there is none."""

import random
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sysextlib.errors import ResolveError
from sysextlib.resolve.plan import MergePlan
from tests.builders.universe import answers, faults, random_universe

COMMON = settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


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


@settings(COMMON, max_examples=150)
@given(st.randoms(use_true_random=False))
def test_a_plan_satisfies_all_its_packages_and_changes_nothing_of_the_base(rnd):
    scenario = random_universe(rnd)
    plan = outcome(scenario)
    if plan is not None:
        assert list(faults(scenario, plan.packages)) == []


@settings(COMMON, max_examples=100)
@given(st.randoms(use_true_random=False))
def test_shuffled_inputs_give_the_same_plan_or_the_same_error(rnd):
    scenario = random_universe(rnd)
    available = list(scenario.available)
    random.Random(1).shuffle(available)
    shuffled = replace(scenario, available=available, installed=scenario.installed[::-1])
    assert told(shuffled) == told(scenario)


@settings(COMMON, max_examples=40)
@given(st.randoms(use_true_random=False))
def test_an_error_means_that_no_set_of_packages_would_do(rnd):
    scenario = random_universe(rnd)
    if len(scenario.available) <= 9 and outcome(scenario) is None:
        assert next(answers(scenario), None) is None
