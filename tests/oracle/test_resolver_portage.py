"""Each resolver scenario, run by real ``emerge --pretend --usepkgonly``."""

import functools
from importlib.util import find_spec
from pathlib import Path
from random import Random

import pytest

from tests.builders.emerge import pretend
from tests.builders.needs import unmet
from tests.builders.scenario import load_scenario
from tests.builders.universe import faults, random_universe

pytestmark = pytest.mark.oracle

FOLDER = Path(__file__).parents[1] / "scenarios/resolve"
SCENARIOS = [load_scenario(path) for path in sorted(FOLDER.glob("*.toml"))]
WORLDS = 100
BATCH = 20  # scenarios that share one loading of Portage


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    if find_spec("portage") is None:
        unmet("Portage is not installed in this environment")

    @functools.cache
    def batch(number):
        part = SCENARIOS[number * BATCH : (number + 1) * BATCH]
        return pretend(part, tmp_path_factory.mktemp(f"emerge-{number}"))

    return lambda number: batch(number // BATCH)[SCENARIOS[number].name]


@pytest.mark.parametrize("number", range(len(SCENARIOS)), ids=[s.name for s in SCENARIOS])
def test_emerge_does_what_the_scenario_says(number, outcomes):
    scenario, outcome = SCENARIOS[number], outcomes(number)
    assert "Traceback" not in outcome.output
    names = {str(package): scenario.title(package) for package in scenario.available}
    merged = tuple(names.get(name, name) for name in outcome.merged)
    assert (merged if outcome.code == 0 else None) == scenario.portage_merge, outcome.output


@pytest.mark.slow
def test_emerge_finds_no_plan_for_made_up_worlds_that_we_miss(tmp_path):
    if find_spec("portage") is None:
        unmet("Portage is not installed in this environment")
    worlds = [random_universe(Random(seed), f"u{seed}") for seed in range(WORLDS)]
    outcomes = pretend(worlds, tmp_path)
    same = compared = 0
    for world in worlds:
        merged = emerge_plan(world, outcomes[world.name])
        if merged is None:
            continue
        plan = world.resolve().packages  # a ResolveError here is a plan that we missed
        compared += 1
        same += set(plan) == set(merged)
    # Where they differ, each takes another of several right answers: which version is given up
    # first, or which virtual comes along. Of 1,000 worlds 335 could be compared; 327 were equal.
    assert compared >= WORLDS / 5
    assert same / compared >= 0.95


def emerge_plan(world, outcome):
    """Return what emerge merges, or None when it refuses or changes the base to get there."""
    if outcome.code or "uninstall" in outcome.output:
        return None
    by_name = {str(package): package for package in world.available}
    merged = [by_name[name] for name in outcome.merged]
    return None if any(faults(world, merged)) else merged
