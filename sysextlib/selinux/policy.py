"""The policy that decides labels: the base image's own, or a folder's, and what we add to it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from sysextlib.errors import LabelError
from sysextlib.selinux.contexts import FileContexts
from sysextlib.selinux.policydb import PolicyNames, read_names
from sysextlib.selinux.rules import Rule, read_rules, read_substitutions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Where an image keeps it: selinux_config(5); Flatcar's; Flatcar's /etc as its finished /usr has it.
STORES = ("etc/selinux", "usr/lib/selinux", "usr/share/flatcar/etc/selinux")
CONTEXTS = "contexts/files/file_contexts"
OPTIONAL = ("homedirs", "local")  # in this order: the later wins
DEFAULT_TYPE = "targeted"  # when the config names none; libselinux/src/selinux_config.c
LARGEST = 64 << 20  # bytes of a file in a folder
_POLICY = re.compile(r"policy\.([0-9]{1,4})")


class Files(Protocol):
    """Where a policy is read from; a Base is one. Paths are relative, symlinks are followed."""

    def read(self, path: str) -> bytes | None:
        """Return the bytes of a file, or None when there is none."""

    def files(self, folder: str) -> Mapping[str, bytes]:
        """Return the files below a folder by path."""


@dataclass(frozen=True, slots=True)
class Policy:
    """File contexts, and what they may say.

    :param type: its name, such as "mcs" or "targeted"; "" when only a folder was given.
    :param names: of the binary policy; None when there is none to ask.
    :param sources: name and SHA-256 of each file that decides labels.
    """

    type: str
    rules: tuple[Rule, ...]
    substitutions: tuple[tuple[tuple[str, str], ...], ...]
    contexts: FileContexts
    names: PolicyNames | None
    sources: tuple[tuple[str, str], ...]

    def adding(self, own: OwnRules) -> Policy:
        """Return the policy with rules that win over all of its own."""
        if not own.rules:
            return self
        rules = (*self.rules, *own.rules)
        contexts = FileContexts(rules, self.substitutions)
        sources = (*self.sources, *own.sources)
        return Policy(self.type, rules, self.substitutions, contexts, self.names, sources)

    def unknown(self, rule: Rule) -> str:
        """Return what of a rule's context the policy does not know, or ""."""
        if self.names is None:
            return ""
        role, kind = rule.context.split(":")[1:3]
        if kind not in self.names.types:
            return f"type {kind}"
        return "" if role in self.names.roles else f"role {role}"


@dataclass(frozen=True, slots=True)
class OwnRules:
    """What this repository adds for one extension."""

    rules: tuple[Rule, ...] = ()
    sources: tuple[tuple[str, str], ...] = ()


def find_policy(files: Files) -> Policy | None:
    """Return the policy of an image, or None when it has none.

    :raises LabelError: it has a damaged one.
    """
    for store in STORES:
        config = files.read(f"{store}/config")
        kind = _type(config or b"")
        data = files.read(f"{store}/{kind}/{CONTEXTS}")
        if data is not None:
            return _read(files, f"{store}/{kind}", kind, data)
    return None


def named_policy(files: Files) -> str:
    """Return the type that an image's config names, "" without a config.

    Flatcar compiles its policy late: a base from before then has a config and no contexts.
    """
    configs = (files.read(f"{store}/config") for store in STORES)
    return next((_type(config) for config in configs if config is not None), "")


def load_policy(folder: Path) -> Policy:
    """Return the policy of a folder such as /etc/selinux, or /etc/selinux/mcs.

    :raises LabelError: there is none, or it is damaged.
    """
    files = _Folder(folder)
    data = files.read(CONTEXTS)
    if data is not None:
        return _read(files, "", folder.resolve().name, data)
    kind = _type(files.read("config") or b"")
    data = files.read(f"{kind}/{CONTEXTS}")
    if data is None:
        raise LabelError(
            f"{folder} holds no SELinux policy",
            {"looked for": f"{CONTEXTS}\n{kind}/{CONTEXTS}"},
            hint="give a folder like /etc/selinux, or that of one policy in it",
        )
    return _read(files, kind, kind, data)


def load_own_rules(folder: Path, name: str, policy_type: str) -> OwnRules:
    """Return what selinux/NAME.fc and selinux/TYPE/NAME.fc add, the latter the stronger.

    :param folder: the repository's selinux/.
    :raises LabelError: a file cannot be read.
    """
    rules: list[Rule] = []
    sources = []
    names = [f"{name}.fc", f"{policy_type}/{name}.fc"] if policy_type else [f"{name}.fc"]
    for number, path in enumerate(names, 1 + len(OPTIONAL)):
        data = _Folder(folder).read(path)
        if data is not None:
            rules += read_rules(data, f"selinux/{path}", number)
            sources.append((f"selinux/{path}", hashlib.sha256(data).hexdigest()))
    return OwnRules(tuple(rules), tuple(sources))


def _type(config: bytes) -> str:
    """Return what SELINUXTYPE= says, read as libselinux does: the last line wins."""
    kind = DEFAULT_TYPE
    for line in config.decode("utf-8", "replace").splitlines():
        key, equals, value = line.strip().partition("=")
        if equals and key == "SELINUXTYPE" and value.strip() and "/" not in value:
            kind = value.strip()
    return kind


def _read(files: Files, folder: str, kind: str, data: bytes) -> Policy:
    start = f"{folder}/" if folder else ""
    main = f"{start}{CONTEXTS}"
    found = {main: data}
    rules = list(read_rules(data, f"/{main}", 0))
    for number, suffix in enumerate(OPTIONAL, 1):
        path = f"{main}.{suffix}"
        more = files.read(path)
        if more is not None:
            found[path] = more
            rules += read_rules(more, f"/{path}", number)
    substitutions = []
    for path in (f"{main}.subs", f"{main}.subs_dist"):
        more = files.read(path)
        if more is not None:
            found[path] = more
            substitutions.append(read_substitutions(more, f"/{path}"))
    binary = files.files(f"{start}policy")
    versions = {
        int(match[1]): path
        for path in binary
        if (match := _POLICY.fullmatch(path.rpartition("/")[2]))
    }
    names = None
    if versions:
        newest = versions[max(versions)]
        names = read_names(binary[newest], f"/{newest}")
        found[newest] = binary[newest]
    return Policy(
        type=kind,
        rules=tuple(rules),
        substitutions=tuple(substitutions),
        contexts=FileContexts(rules, substitutions),
        names=names,
        sources=tuple(
            (path, hashlib.sha256(content).hexdigest()) for path, content in found.items()
        ),
    )


class _Folder:
    """A folder of this machine as ``Files``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, path: str) -> bytes | None:
        where = self._folder / path
        try:
            with where.open("rb") as stream:
                data = stream.read(LARGEST + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise LabelError(f"{where} cannot be read", {"reason": error.strerror}) from error
        if len(data) > LARGEST:
            raise LabelError(f"{where} is larger than {LARGEST} bytes")
        return data

    def files(self, folder: str) -> Mapping[str, bytes]:
        try:
            names = sorted(path.name for path in (self._folder / folder).iterdir())
        except OSError:
            return {}
        found = {f"{folder}/{name}": self.read(f"{folder}/{name}") for name in names}
        return {path: data for path, data in found.items() if data is not None}
