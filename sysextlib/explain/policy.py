"""Image policies: which partitions an image may have, and how they must be protected.

Source: systemd.image-policy(7), and for what it leaves open the behaviour of systemd 257 (an empty
list of flags allows everything; a partition without a rule of its own that protects another one
inherits that one's rule).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from sysextlib.errors import ValueSyntaxError, nearest
from sysextlib.image.release import ImageClass

if TYPE_CHECKING:
    from collections.abc import Mapping

PARTITIONS = (
    *("root", "usr", "home", "srv", "esp", "xbootldr", "swap", "tmp", "var"),
    *("root-verity", "usr-verity", "root-verity-sig", "usr-verity-sig"),
)
USES = ("verity", "signed", "encrypted", "unprotected", "unused", "absent")
READ_ONLY = ("read-only-on", "read-only-off")
GROW = ("growfs-on", "growfs-off")
FILE_SYSTEMS = ("btrfs", "erofs", "ext4", "f2fs", "squashfs", "vfat", "xfs")
SHORTCUTS = {"open": frozenset(USES), "ignore": frozenset({"unused", "absent"})}
WHOLE = {"": "ignore", "-": "ignore", "*": "open", "~": "absent"}  # policies of one sign
_WORDS = (*USES, *READ_ONLY, *GROW, *FILE_SYSTEMS, *SHORTCUTS)
_LOOSE = frozenset({"verity", "unprotected", "encrypted"})  # ways to be used without a signature
_PROTECTED = frozenset({"verity", "signed", "encrypted"})

Flags = frozenset[str]


@dataclass(frozen=True, slots=True)
class ImagePolicy:
    """A policy taken apart.

    :param rules: flags by partition, as they were written.
    :param default: flags of every other partition.
    """

    text: str
    rules: Mapping[str, Flags] = field(default_factory=dict)
    default: Flags = SHORTCUTS["ignore"]

    def flags(self, partition: str) -> Flags:
        """Return all flags that hold for a partition: its rule's, derived ones, or the default."""
        found = self._own(partition)
        return _complete(self.default, partition) if found is None else found

    def _own(self, partition: str) -> Flags | None:
        if partition in self.rules:
            return _complete(self.rules[partition], partition)
        data = protects(partition)
        if data is None:
            return None
        flags = self._own(data)
        needs = {"signed"} if partition.endswith("-sig") else {"signed", "verity"}
        if flags is None or not flags & needs:
            return None
        inherited = flags & {"unused", "absent", *READ_ONLY, *GROW}
        return _complete(inherited | {"unprotected"}, partition)

    def accepts_unsigned(self, partition: str) -> bool:
        """Tell whether an image that nobody signed may bring this partition."""
        return bool(self.flags(partition) & _LOOSE)

    def traps(self) -> tuple[str, ...]:
        """Return what a reader of the policy may take for more than it is, a sentence each."""
        found = []
        for name in ("root", "usr"):
            written = self.rules.get(name, frozenset())
            if "signed" in written and self.accepts_unsigned(name):
                others = "+".join(use for use in USES if use in written & _LOOSE)
                found.append(
                    f'{name}={others}+signed also accepts images that nobody signed: "+" means or;'
                    f" to insist, {name}=signed+absent"
                )
        for name, other in (("root", "usr"), ("usr", "root")):
            insists = "signed" in self.rules.get(name, ()) and not self.accepts_unsigned(name)
            if insists and other not in self.rules and self.accepts_unsigned(other):
                found.append(f"{other} has no rule, and the default lets unsigned images in")
        return tuple(found)


def protects(partition: str) -> str | None:
    """Return the partition that a verity partition or its signature protects."""
    for end in ("-verity-sig", "-verity"):
        if partition.endswith(end):
            return partition.removesuffix(end)
    return None


def parse_policy(text: str) -> ImagePolicy:
    """Read a policy such as ``root=signed+absent:usr=signed+absent:=ignore``.

    :raises ValueSyntaxError: it is none; what systemd refuses is refused.
    """
    if text in WHOLE:
        word = WHOLE[text]
        return ImagePolicy(text, {}, SHORTCUTS.get(word, frozenset({word})))
    rules: dict[str, Flags] = {}
    default: Flags | None = None
    at = 0
    for rule in text.split(":"):
        name, equals, flags = rule.partition("=")
        name = name.strip()
        if not equals:
            raise _error(text, at, f"rule {rule!r} has no '='", 'as in "root=signed+absent"')
        found = _flags(text, at + len(rule) - len(flags), flags)
        if name in rules or (not name and default is not None):
            raise _error(text, at, f"two rules for {name or 'the default'}", "")
        if not name:
            default = found
        elif name in PARTITIONS:
            rules[name] = found
        else:
            raise _error(text, at, f"unknown partition {name!r}", nearest(name, PARTITIONS))
        at += len(rule) + 1
    chosen = SHORTCUTS["ignore"] if default is None else default
    return ImagePolicy(text, MappingProxyType(rules), chosen)


def _flags(text: str, at: int, flags: str) -> Flags:
    if flags.strip() in {"", "-"}:
        return frozenset()
    found: set[str] = set()
    for word in flags.split("+"):
        name = word.strip()
        if name not in _WORDS:
            raise _error(text, at, f"unknown flag {name!r}", nearest(name, _WORDS))
        found |= SHORTCUTS.get(name, frozenset({name}))
        at += len(word) + 1
    return frozenset(found)


def _error(text: str, at: int, fault: str, hint: str) -> ValueSyntaxError:
    return ValueSyntaxError(f"image policy: {fault}", text=text, column=at, hint=hint)


def _complete(flags: Flags, partition: str) -> Flags:
    """Add what an unsaid part of a rule allows, and take what makes no sense for the partition."""
    if not flags & frozenset(USES):
        flags |= frozenset(USES)
    for both in (READ_ONLY, GROW):
        if not flags & frozenset(both):
            flags |= frozenset(both)
    if partition.endswith(("-verity", "-verity-sig")):
        flags -= _PROTECTED
    elif partition not in {"root", "usr"}:
        flags -= {"verity", "signed"}
    if flags & frozenset(USES) == {"absent"}:
        flags -= frozenset((*READ_ONLY, *GROW))
    return flags


_USABLE = "verity+signed+encrypted+unprotected+absent"
# What systemd-sysext and systemd-confext use unless told otherwise (systemd.image-policy(7)).
DEFAULTS = {
    ImageClass.SYSEXT: parse_policy(f"root={_USABLE}:usr={_USABLE}"),
    ImageClass.CONFEXT: parse_policy(f"root={_USABLE}"),
}
