"""Words of the command line that stand for extensions: names, and groups of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sysextlib.cli.flags import COMMANDS
from sysextlib.definition import GROUPS, choose, load_catalogue
from sysextlib.errors import DefinitionError, nearest
from sysextlib.keywords import with_keywords

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sysextlib.board import Board
from sysextlib.definition import SysextDef


def full_catalogue(root: Path) -> Mapping[str, SysextDef]:
    """Return the catalogue, with the arches of the ebuilds where the checkout has them.

    :raises DefinitionError: a definition is wrong. :raises EbuildError: an ebuild is.
    """
    return with_keywords(load_catalogue(root), root)


def choose_all(
    catalogue: Mapping[str, SysextDef], words: Sequence[str], board: Board
) -> tuple[SysextDef, ...]:
    """Return the extensions that words name, each once and in the order in which they are named.

    A group stands for all its extensions that are built for the board.

    :raises DefinitionError: a word names nothing, a group is empty, or an extension is not built
        for the board.
    """
    chosen = {one.key: one for word in words for one in _named(word, catalogue, board)}
    for definition in chosen.values():
        if not definition.fits(board.name, board.arch):
            boards = ", ".join(definition.boards) or ", ".join(definition.arches)
            raise DefinitionError(
                f"{definition.key} is not built for board {board.name}",
                {"built for": boards},
                f"./build_sysext.py list --board={board.name} shows what is",
            )
    return tuple(chosen.values())


def _named(word: str, catalogue: Mapping[str, SysextDef], board: Board) -> tuple[SysextDef, ...]:
    if word not in GROUPS:
        try:
            return (choose(catalogue, word),)
        except DefinitionError as error:
            hint = nearest(word, [*catalogue, *GROUPS, *COMMANDS]) or "groups: " + ", ".join(GROUPS)
            brief = f"there is no extension or group called {word!r}"
            raise DefinitionError(brief, error.facts, hint) from error
    fitting = [one for one in catalogue.values() if one.fits(board.name, board.arch)]
    group = tuple(one for one in fitting if word in {"all", one.kind})
    if not group:
        kinds = ", ".join(sorted({str(one.kind) for one in fitting})) or "(none)"
        raise DefinitionError(
            f"board {board.name} has no extension of the group {word}", {"it has": kinds}
        )
    return group
