"""What an image policy says to an image: which partitions are used, and how they are protected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sysextlib.explain.look import GENERIC
from sysextlib.explain.policy import FILE_SYSTEMS, PARTITIONS, USES, protects
from sysextlib.image.gpt import READ_ONLY

if TYPE_CHECKING:
    from sysextlib.explain.look import Part, Seen
    from sysextlib.explain.policy import ImagePolicy

NO_AUTO = 1 << 63  # attribute bits of the Discoverable Partitions Specification
GROW_FS = 1 << 59


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """How an image would be used.

    :param fault: why the policy, or the layout, forbids it; "" when neither does.
    :param data: the partition that is mounted; None for an image without partitions.
    :param hashes: its verity tree; :param signature: what signs that tree's root.
    """

    fault: str = ""
    data: Part | None = None
    hashes: Part | None = None
    signature: Part | None = None


def protect(seen: Seen, policy: ImagePolicy, *, verity: bool = True) -> Protection:
    """Apply a policy to an image that is no folder.

    :param verity: whether verity partitions count; systemd's first look at an image ignores them.
    """
    if seen.kind == "file system":
        return _bare(seen, policy)
    found: dict[str, Part] = {}
    ignored: set[str] = set()
    for part in seen.parts:
        if part.entry.attributes & NO_AUTO or (protects(part.name) and not verity):
            continue
        if part.name == GENERIC:
            continue
        uses = policy.flags(part.name) & frozenset(USES)
        if uses == {"absent"}:
            return Protection(fault=f"the policy forbids a partition {part.name}")
        if uses - {"absent"} == {"unused"}:
            ignored.add(part.name)
        else:
            found.setdefault(part.name, part)
    if fault := _take_generic(seen, policy, found) or _layout(found):
        return Protection(fault=fault)
    for name in PARTITIONS:
        if fault := _check(name, found, ignored, policy):
            return Protection(fault=fault)
    name = "root" if "root" in found else "usr"
    hashes = found.get(f"{name}-verity")
    signature = found.get(f"{name}-verity-sig") if hashes else None
    return Protection(data=found[name], hashes=hashes, signature=signature)


def _bare(seen: Seen, policy: ImagePolicy) -> Protection:
    flags = policy.flags("root")
    state = "encrypted" if seen.file_system == "luks" else "unprotected"
    uses = flags & frozenset(USES)
    if not uses - {"absent", "unused"}:
        return Protection(fault="the policy lets no root be used, and the file system is one")
    if state not in flags:
        return Protection(fault=_wanted("the file system", state, uses))
    return Protection(fault=_attributes("the file system", 0, flags) or _type_fault(seen, flags))


def _type_fault(seen: Seen, flags: frozenset[str]) -> str:
    return _file_system("the file system", seen.file_system, flags)


def _take_generic(seen: Seen, policy: ImagePolicy, found: dict[str, Part]) -> str:
    """Take a partition of the generic type as root when there is no other."""
    generic = [
        part for part in seen.parts if part.name == GENERIC and not part.entry.attributes & NO_AUTO
    ]
    if "root" in found or "usr" in found or not generic:
        return ""
    if len(generic) > 1:
        return "it has several partitions of the generic type, and none for root or usr"
    uses = policy.flags("root") & frozenset(USES)
    if uses == {"absent"}:
        return "the policy forbids a partition root"
    if uses - {"absent"} != {"unused"}:
        found["root"] = generic[0]
    return ""


def _layout(found: dict[str, Part]) -> str:
    if "root" not in found and "usr" not in found:
        return "it has no partition root or usr that the policy lets be used"
    if "root-verity" in found and "usr-verity" in found:
        return "it has verity for both root and usr"
    if "root-verity" in found and "usr" in found:
        return "it has a root with verity beside a usr"
    return ""


def _check(name: str, found: dict[str, Part], ignored: set[str], policy: ImagePolicy) -> str:
    flags = policy.flags(name)
    part = found.get(name)
    absent = "unused" if name in ignored else "absent"
    is_so, looks = _looks(part, found) if part is not None else (absent, [{absent}])
    if not all(look & flags for look in looks):
        return _wanted(f"partition {name}", is_so, flags & frozenset(USES))
    if part is None:
        return ""
    fault = _attributes(f"partition {name}", part.entry.attributes, flags)
    return fault or _file_system(f"partition {name}", part.file_system, flags)


def _looks(part: Part, found: dict[str, Part]) -> tuple[str, list[set[str]]]:
    """Return how a partition is protected, and what systemd takes it for at each of two looks.

    It looks at the table, then at the file system, each time for any overlap with the policy, so
    that encrypted+signed lets in what is neither.
    """
    state = "unprotected"
    if f"{part.name}-verity" in found:
        state = "signed" if f"{part.name}-verity-sig" in found else "verity"
    table = {"encrypted", "unprotected"} if state == "unprotected" else {state}
    if part.file_system == "luks":
        return "encrypted", [table, {"encrypted"}]
    return state, [table, {"signed", "unprotected", "verity"}]


def _wanted(what: str, state: str, uses: frozenset[str]) -> str:
    wanted = " or ".join(use for use in USES if use in uses)
    return f"{what} is {state}, the policy wants {wanted}"


def _attributes(what: str, attributes: int, flags: frozenset[str]) -> str:
    for name, bit in (("read-only", READ_ONLY), ("growfs", GROW_FS)):
        allowed = {end for end in ("on", "off") if f"{name}-{end}" in flags}
        state = "on" if attributes & bit else "off"
        if allowed and state not in allowed:
            return f"{what} has {name} {state}, the policy wants the contrary"
    return ""


def _file_system(what: str, found: str, flags: frozenset[str]) -> str:
    wanted = [name for name in FILE_SYSTEMS if name in flags]
    if wanted and found not in wanted and found:
        return f"{what} is {found}, the policy wants {' or '.join(wanted)}"
    return ""
