"""A package as the resolver and the reports see it, whether installed or binary."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sysextlib.gentoo.cpv import Cpv


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """Metadata of one built package, as its VDB entry or the Packages index states it.

    Dependency strings are kept as written; USE conditionals in them are decided by ``use``.

    :param iuse: USE flags that the ebuild knows, without the "+" or "-" of their default.
    :param iuse_default: those of them that are on by default.
    :param use: the flags it was built with, implicit ones (USE_EXPAND, ARCH) included.
    :param build_id: number of the build among those of one cpv; 0 when there is none.
    :param build_time: seconds since 1970; 0 when not stated.
    :param values: every other key of the entry, as written, for reports.
    """

    cpv: Cpv
    slot: str = "0"
    subslot: str = ""
    repo: str = ""
    eapi: str = "0"
    iuse: frozenset[str] = frozenset()
    iuse_default: frozenset[str] = frozenset()
    use: frozenset[str] = frozenset()
    rdepend: str = ""
    pdepend: str = ""
    idepend: str = ""
    build_id: int = 0
    build_time: int = 0
    defined_phases: frozenset[str] = frozenset()
    values: tuple[tuple[str, str], ...] = field(default=(), compare=False, repr=False)

    @property
    def effective_subslot(self) -> str:
        """The sub-slot, which is the slot when the ebuild names none."""
        return self.subslot or self.slot

    def value(self, key: str) -> str:
        """Return a key of the entry that has no field here, or ""."""
        return dict(self.values).get(key, "")

    def __str__(self) -> str:
        return f"{self.cpv}-{self.build_id}" if self.build_id else str(self.cpv)
