"""Words of the command line that stand for extensions."""

from pathlib import Path

import pytest

from sysextlib.board import load_board
from sysextlib.cli.groups import choose_all
from sysextlib.definition import load_catalogue
from sysextlib.errors import DefinitionError

ROOT = Path(__file__).parents[2]
BOARD = load_board("arm64-usr", ROOT)
CATALOGUE = load_catalogue(ROOT)


def test_a_group_that_the_board_lacks_says_what_it_has():
    few = {key: CATALOGUE[key] for key in ("podman", "docker")}
    with pytest.raises(DefinitionError, match="no extension of the group oem") as caught:
        choose_all(few, ["oem"], BOARD)
    assert caught.value.facts == {"it has": "base, extra"}


def test_groups_and_names_may_overlap_and_each_comes_once():
    chosen = choose_all(CATALOGUE, ["docker", "base", "docker-flatcar"], BOARD)
    assert [one.key for one in chosen] == ["docker", "containerd"]


def test_an_extension_of_another_board_says_where_it_is_built():
    with pytest.raises(DefinitionError, match="not built for board arm64-usr") as caught:
        choose_all(CATALOGUE, ["oem-vmware"], BOARD)
    assert caught.value.facts == {"built for": "amd64"}


def test_an_unknown_group_is_answered_with_the_nearest():
    with pytest.raises(DefinitionError) as caught:
        choose_all(CATALOGUE, ["extras"], BOARD)
    assert "did you mean extra" in str(caught.value.hint)
