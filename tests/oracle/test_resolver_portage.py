"""Each resolver scenario, run by real ``emerge --pretend --usepkgonly``."""

import functools
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.builders.emerge import pretend
from tests.builders.needs import unmet
from tests.builders.scenario import load_scenario

pytestmark = pytest.mark.oracle

FOLDER = Path(__file__).parents[1] / "scenarios/resolve"
SCENARIOS = [load_scenario(path) for path in sorted(FOLDER.glob("*.toml"))]
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
