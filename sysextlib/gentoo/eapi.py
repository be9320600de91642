"""What each EAPI allows in values: the differences of PMS that readers of metadata must know."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from sysextlib.errors import ValueSyntaxError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class EapiFeatures:
    """The rules of one EAPI.

    :param empty_groups_hold: an empty ``||`` or ``^^`` group counts as satisfied.
    :param uri_restrictions: ``fetch+`` and ``mirror+`` before a URI lift a RESTRICT.
    """

    eapi: str
    iuse_defaults: bool
    slots: bool
    strong_blockers: bool
    use_deps: bool
    uri_renames: bool
    required_use: bool
    use_dep_defaults: bool
    at_most_one_of: bool
    slot_operators: bool
    iuse_effective: bool
    empty_groups_hold: bool
    bdepend: bool
    idepend: bool
    uri_restrictions: bool


def _of(number: int) -> EapiFeatures:
    """Return the features of an EAPI; each line names the first (or last) that has it."""
    return EapiFeatures(
        eapi=str(number),
        iuse_defaults=number >= 1,
        slots=number >= 1,
        strong_blockers=number >= 2,
        use_deps=number >= 2,
        uri_renames=number >= 2,
        required_use=number >= 4,
        use_dep_defaults=number >= 4,
        at_most_one_of=number >= 5,
        slot_operators=number >= 5,
        iuse_effective=number >= 5,
        empty_groups_hold=number <= 6,
        bdepend=number >= 7,
        idepend=number >= 8,
        uri_restrictions=number >= 8,
    )


EAPIS: Final[Mapping[str, EapiFeatures]] = MappingProxyType(
    {str(number): _of(number) for number in range(10)}
)


def features(eapi: str) -> EapiFeatures:
    """Return what an EAPI allows.

    :raises ValueSyntaxError: it is none of 0 to 9.
    """
    known = EAPIS.get(eapi)
    if known is None:
        raise ValueSyntaxError(
            f"unknown EAPI {eapi[:40]!r}", text=eapi, hint="known: " + ", ".join(EAPIS)
        )
    return known
