"""Every report of one build, written beside its image."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from sysextlib.os_release import parse_env_file
from sysextlib.report.contents import (
    ContentsOptions,
    contents_text,
    contents_wtd_text,
    names_by_id,
)
from sysextlib.report.disk_usage import disk_usage_text
from sysextlib.report.dropped import DroppedPath, dropped_text
from sysextlib.report.manifest import (
    File,
    Manifest,
    ManifestPackage,
    SigningKeyUsed,
    manifest_json,
)
from sysextlib.report.packages import packages_text
from sysextlib.report.receipt import Build, file_facts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sysextlib.image.ddi import DdiFacts
    from sysextlib.order import Order
    from sysextlib.tree import Tree
    from sysextlib.workspace import OutputNames

TOOLS = ("mkfs.erofs", "fsck.erofs")


def write_reports(build: Build, names: OutputNames, folder: Path) -> tuple[File, ...]:
    """Write the reports into ``folder``, which holds the image and all other outputs already.

    :returns: all that is there now, in the order of the names.
    """
    base = build.inputs.base
    options = ContentsOptions(
        root_mtime=base.epoch,
        users=names_by_id(base.read("etc/passwd") or b""),
        groups=names_by_id(base.read("etc/group") or b""),
    )
    texts = {
        names.packages: packages_text(build.plan.packages),
        names.contents: contents_text(build.tree, options),
        names.contents_wtd: contents_wtd_text(build.tree),
        names.disk_usage: disk_usage_text(_filesystem_size(build)),
        names.dropped: dropped_text(_dropped(build)),
    }
    if build.confext is not None:
        texts[names.confext_contents] = contents_text(build.confext.tree, options)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    outputs = _outputs(build, folder)
    manifest = folder / names.manifest
    manifest.write_text(manifest_json(_manifest(build, outputs)), "utf-8")
    return tuple(sorted((*outputs, file_facts(manifest)), key=lambda file: file.name))


def _outputs(build: Build, folder: Path) -> tuple[File, ...]:
    """Return what ``folder`` holds, in the order of the names; the large ones were read before."""
    known = {one.path: one.sha256 for one in (build.image, build.payload) if one}
    if build.confext is not None:
        known[build.confext.image.path] = build.confext.image.sha256
    return tuple(file_facts(path, known.get(path, "")) for path in sorted(folder.iterdir()))


def _filesystem_size(build: Build) -> int:
    return build.image.partitions[0].size


def _dropped(build: Build) -> list[DroppedPath]:
    masked = [DroppedPath(path, "", "INSTALL_MASK of the board") for path in build.masked]
    return masked + [DroppedPath(one.path, one.origin, one.reason) for one in build.dropped]


def _manifest(build: Build, outputs: tuple[File, ...]) -> Manifest:
    order, inputs = build.order, build.inputs
    packages = zip(build.plan, build.files, strict=True)
    tools = [
        *TOOLS,
        *(["mksquashfs"] if order.pkginfo else []),
        *(["strip"] if order.strip else []),
    ]
    release = build.release
    return Manifest(
        name=order.name,
        board=inputs.board.name,
        arch=inputs.board.arch,
        order=_order(build),
        inputs={
            "base": (_base_file(build),),
            "base_pkginfo": tuple(file_facts(path) for path in inputs.pkginfo),
            "manglefs_script": (file_facts(order.mangle),) if order.mangle else (),
        },
        base={key: inputs.base.os_release.get(key, "") for key in ("ID", "VERSION", "VERSION_ID")},
        packages=tuple(ManifestPackage.of(step, file_facts(path)) for step, path in packages),
        release=parse_env_file(release.text().encode(), release.path),
        tools={name: inputs.tools.version(name) for name in tools},
        keys=(
            SigningKeyUsed(purpose="image", fingerprint=build.image.fingerprint),
            *(SigningKeyUsed(purpose="payload", fingerprint=key) for key in _payload_keys(build)),
        ),
        findings=build.findings,
        edits=tuple(
            f"{change.verb} {change.path}" + (f": {change.detail}" if change.detail else "")
            for change in build.changes
        ),
        image=_image(build.image, build.tree),
        confext=_image(build.confext.image, build.confext.tree) if build.confext else {},
        selinux=_selinux(build.order),
        outputs=outputs,
        ingredients=build.ingredients,
    )


def _payload_keys(build: Build) -> tuple[str, ...]:
    return tuple(build.payload.keys) if build.payload else ()


def _selinux(order: Order) -> dict[str, str | Mapping[str, str]]:
    if order.policy is None:
        return {"unlabelled": order.unlabelled}
    return {"policy": order.policy.type, "sources": dict(order.policy.sources)}


def _image(image: DdiFacts, tree: Tree) -> dict[str, str | int]:
    return {
        "root_hash": image.root_hash,
        "entries": len(tree),
        "tree_sha256": tree.digest(),
        **{f"{part.name} uuid": str(part.uuid) for part in image.partitions},
        **{f"{part.name} bytes": part.size for part in image.partitions},
    }


def _order(build: Build) -> dict[str, str | bool | int | tuple[str, ...]]:
    order, inputs = build.order, build.inputs
    return {
        "definition_sha256": order.definition.digest(),
        "packages": tuple(str(atom) for atom in order.definition.packages),
        "after": tuple(below.name for below in order.after),
        "use": tuple(
            word
            for rule in inputs.use
            for word in (*sorted(rule.on), *(f"-{f}" for f in sorted(rule.off)))
        ),
        "compression": order.compression,
        "mkerofs_opts": order.mkerofs_opts,
        "strip_binaries": order.strip,
        "generate_pkginfo": order.pkginfo,
        "version_field": order.version_field,
        "install_mask_sha256": hashlib.sha256(
            "\n".join(inputs.board.install_mask).encode()
        ).hexdigest(),
    }


def _base_file(build: Build) -> File:
    base = build.inputs.base
    return File(name=base.image.name, size=base.image.stat().st_size, sha256=base.digest)
