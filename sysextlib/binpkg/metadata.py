"""VDB keys and Packages index keys as a Package."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sysextlib.binpkg.place import show
from sysextlib.errors import PackageError, ValueSyntaxError
from sysextlib.gentoo.cpv import Cpv
from sysextlib.gentoo.package import Package
from sysextlib.gentoo.use import parse_iuse

if TYPE_CHECKING:
    from collections.abc import Mapping

# Keys that have a field of their own in Package, or that name it.
FIELDS = frozenset(
    {
        "BUILD_ID",
        "BUILD_TIME",
        "CATEGORY",
        "CPV",
        "DEFINED_PHASES",
        "EAPI",
        "IDEPEND",
        "IUSE",
        "PDEPEND",
        "PF",
        "RDEPEND",
        "SLOT",
        "USE",
        "repository",
    }
)
# What a VDB entry holds that is no line of text to report; the ebuild is known by its name.
BULK = frozenset({"CONTENTS", "environment.bz2", "COUNTER"})
SLOT = re.compile(r"([A-Za-z0-9_][A-Za-z0-9+_.-]*)(?:/([A-Za-z0-9_][A-Za-z0-9+_.-]*))?")
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")  # all but the tab
NUMBER = re.compile(r"[0-9]{1,18}")


def package_from_vdb(metadata: Mapping[str, bytes], cpv: str, source: str) -> Package:
    """Return the package that VDB keys describe.

    :param cpv: its name, which CATEGORY and PF must repeat where they are present.
    :raises PackageError: a key is not of its form.
    """
    values = {}
    for key, data in metadata.items():
        if key in BULK or key.endswith(".ebuild"):
            continue
        try:
            values[key] = " ".join(data.decode().split())
        except UnicodeDecodeError as error:
            raise _refusal(cpv, show(key), show(data), "is not UTF-8", source) from error
    category, _, pf = cpv.partition("/")
    for key, wanted in (("CATEGORY", category), ("PF", pf)):
        if values.get(key, wanted) != wanted:
            fault = f"is not {show(wanted)}"
            raise _refusal(cpv, key, values[key], fault, source)
    return package_from_values(values, cpv, source)


def package_from_values(values: Mapping[str, str], cpv: str, source: str) -> Package:
    """Return the package that these values describe; those of an index bear VDB names.

    :raises PackageError: a value is not of its form.
    """
    for key, value in (("CPV", cpv), *values.items()):
        if CONTROL.search(value):
            raise _refusal(cpv, show(key), value, "holds a control character", source)
    slot = SLOT.fullmatch(values.get("SLOT") or "0")
    if slot is None:
        raise _refusal(cpv, "SLOT", values["SLOT"], "is no slot", source)
    eapi = values.get("EAPI") or "0"
    try:
        parsed = Cpv.parse(cpv)
        iuse, by_default = parse_iuse(values.get("IUSE", ""), eapi)
    except ValueSyntaxError as error:
        shown = {key: "\n".join(map(show, text.split("\n"))) for key, text in error.facts.items()}
        brief = f"package {show(cpv)}: {show(error.brief)}"
        raise PackageError(brief, {"read from": source, **shown}, error.hint) from error
    return Package(
        cpv=parsed,
        slot=slot[1],
        subslot=slot[2] or "",
        repo=values.get("repository", ""),
        eapi=eapi,
        iuse=iuse,
        iuse_default=by_default,
        use=frozenset(values.get("USE", "").split()),
        rdepend=values.get("RDEPEND", ""),
        pdepend=values.get("PDEPEND", ""),
        idepend=values.get("IDEPEND", ""),
        build_id=_number(values, "BUILD_ID", cpv, source),
        build_time=_number(values, "BUILD_TIME", cpv, source),
        defined_phases=frozenset(values.get("DEFINED_PHASES", "").split()) - {"-"},
        values=tuple(sorted((k, v) for k, v in values.items() if k not in FIELDS)),
    )


def _number(values: Mapping[str, str], key: str, cpv: str, source: str) -> int:
    text = values.get(key, "")
    if text and not NUMBER.fullmatch(text):
        raise _refusal(cpv, key, text, "is no number", source)
    return int(text or "0")


def _refusal(cpv: str, key: str, text: str, fault: str, source: str) -> PackageError:
    return PackageError(
        f"package {show(cpv)}: {key} {fault}",
        {"read from": source, key: show(text)},
        hint="build the package again",
    )
