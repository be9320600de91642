"""Everything that decides the bytes of one extension, as digests by name.

Two builds with the same ingredients give the same outputs, so the second can be left out; where
they differ, the names tell why it cannot.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sysextlib.binpkg.cache import strongest
from sysextlib.tree import length_prefixed
from sysextlib.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sysextlib.order import Inputs, Keys, Order
    from sysextlib.resolve.plan import MergePlan

ROOT = Path(__file__).resolve().parent
NOT_COUNTED = frozenset({"definition", "after", "output", "reuse", "policy"})  # of an Order
TOOLS = ("mkfs.erofs", "fsck.erofs")


def ingredients(order: Order, inputs: Inputs, keys: Keys, plan: MergePlan) -> dict[str, str]:
    """Return the digest of each ingredient by a name that means something to people.

    Packages count by the digests of their index, so that nothing needs to be fetched; what an
    index does not say is read.
    """
    found = {
        "definition": order.definition.digest(),
        "extensions below": _digest([below.digest() for below in order.after]),
        "board": _digest(_board_facts(inputs)),
        "base image": inputs.base.digest,
        "program": _program(),
        "image key": keys.image.fingerprint,
        "payload keys": _digest(
            [key.public.fingerprint for key in keys.payload] if order.payload else []
        ),
        "environment's USE": _digest([repr(rule) for rule in inputs.use]),
    }
    for flag in dataclasses.fields(order):
        if flag.name not in NOT_COUNTED:
            found[f"flag {flag.name}"] = _digest([_told(getattr(order, flag.name))])
    if order.policy is not None:
        sources = [f"{name} {sha256}" for name, sha256 in order.policy.sources]
        found["SELinux policy"] = _digest([order.policy.type, *sources])
    for path in inputs.pkginfo:
        found[f"package database {path.name}"] = _file(path)
    at_times = [*(["mksquashfs"] if order.pkginfo else []), *(["strip"] if order.strip else [])]
    for name in (*TOOLS, *at_times):
        found[f"tool {name}"] = _digest([inputs.tools.version(name)])
    for step in plan:
        item = inputs.binhosts.find(step.package)
        best = strongest(item.digests)
        digest = item.digests[best] if best else _file(inputs.binhosts.fetch(item))
        found[f"package {step.package}"] = _digest([digest, *step.wanted_by, *step.flags])
    return found


def differences(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[str, ...]:
    """Say what is not as it was, sorted by name."""
    changed = [name for name in old.keys() & new.keys() if old[name] != new[name]]
    said = {name: f"{name} changed" for name in changed}
    said |= {name: f"{name} is new" for name in new.keys() - old.keys()}
    said |= {name: f"{name} is no longer needed" for name in old.keys() - new.keys()}
    return tuple(said[name] for name in sorted(said))


def _board_facts(inputs: Inputs) -> list[str]:
    board = inputs.board
    words = (board.name, board.arch, board.chost, board.os_id, board.kernel_suffix)
    return [*words, *board.install_mask]


def _told(value: Any) -> str:
    """Return what a flag's value stands for; a file counts by what is in it."""
    if isinstance(value, Path):
        return _file(value)
    if isinstance(value, tuple):
        return _digest([_told(item) for item in value])
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _digest([_told(getattr(value, one.name)) for one in dataclasses.fields(value)])
    return repr(value)


def _digest(texts: list[str]) -> str:
    return hashlib.sha256(length_prefixed(text.encode() for text in texts)).hexdigest()


def _file(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@functools.cache
def _program() -> str:
    """Return a digest of this program's version and source: other code, other bytes."""
    return _digest([VERSION, *_sources()])


def _sources() -> Iterator[str]:
    for path in sorted(ROOT.rglob("*")):
        if path.suffix in {".py", ".lark", ".sh"} and path.is_file():
            yield path.relative_to(ROOT).as_posix()
            yield _file(path)
