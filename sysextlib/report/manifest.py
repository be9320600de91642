"""NAME_manifest.json: what went into an extension and what came out, for programs.

Equal builds give equal bytes: there is no time in it, no path of the machine, no user.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from sysextlib.findings import Finding
    from sysextlib.resolve.plan import MergeStep

FORMAT = 1  # raised when a reader of the last format would be misled


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file that was read or written.

    :param name: without any folder.
    :param sha256: hex; :param size: bytes.
    """

    name: str
    size: int
    sha256: str

    def __post_init__(self) -> None:
        assert "/" not in self.name, f"a folder would differ between machines: {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestPackage:
    """A merged package.

    :param use: flags of its IUSE that are on, then those that are off with "-".
    :param reason: who wanted it, the nearest first.
    """

    cpv: str
    repo: str
    slot: str
    build_id: int
    use: tuple[str, ...]
    reason: tuple[str, ...]
    file: File

    @classmethod
    def of(cls, step: MergeStep, file: File) -> ManifestPackage:
        """Describe a step of the merge plan that was done with ``file``."""
        package = step.package
        return cls(
            cpv=str(package.cpv),
            repo=package.repo,
            slot=f"{package.slot}/{package.effective_subslot}",
            build_id=package.build_id,
            use=step.flags,
            reason=step.wanted_by,
            file=file,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKeyUsed:
    """A key that signed something.

    :param purpose: "image" or "payload".
    :param fingerprint: SHA-256, hex: of the certificate in DER for the image's, of the
        SubjectPublicKeyInfo in DER for the payload's.
    """

    purpose: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a build knows of itself at its end.

    :param order: the flags that were in force, by name.
    :param inputs: every file that was read beside packages, by its role ("base", "definition").
    :param base: ID, VERSION_ID and what else identifies the base.
    :param release: the fields of the stamp.
    :param tools: version by the program's name.
    :param edits: one line for each change the definition made, in the order they were made.
    :param image: root hash, UUIDs and sizes of the partitions.
    :param confext: likewise of the second image; empty without one.
    :param selinux: the policy that labels come from, by file; or why there are none.
    :param outputs: every file that was written, but the manifest itself.
    :param ingredients: digests of all that decides the outputs' bytes, by name; a build with the
        same ones is left out.
    """

    name: str
    board: str
    arch: str
    order: Mapping[str, str | bool | int | tuple[str, ...]]
    inputs: Mapping[str, tuple[File, ...]]
    base: Mapping[str, str]
    packages: tuple[ManifestPackage, ...]
    release: Mapping[str, str]
    tools: Mapping[str, str]
    keys: tuple[SigningKeyUsed, ...]
    findings: tuple[Finding, ...] = ()
    edits: tuple[str, ...] = ()
    image: Mapping[str, str | int] = field(default_factory=dict)
    confext: Mapping[str, str | int] = field(default_factory=dict)
    selinux: Mapping[str, str | Mapping[str, str]] = field(default_factory=dict)
    outputs: tuple[File, ...] = ()
    ingredients: Mapping[str, str] = field(default_factory=dict)


def manifest_json(manifest: Manifest) -> str:
    """Return the report's text: JSON with sorted keys; lists keep the order that they have."""
    plain = {**_plain_fields(manifest), "format": FORMAT}
    for key in ("findings", "keys", "outputs"):
        plain[key] = sorted(plain[key], key=lambda item: json.dumps(item, sort_keys=True))
    return json.dumps(plain, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _plain_fields(value: DataclassInstance) -> dict[str, Any]:
    return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}


def _plain(value: object) -> object:
    """Return what json can write; unlike dataclasses.asdict for every kind of mapping."""
    if is_dataclass(value) and not isinstance(value, type):
        return _plain_fields(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
