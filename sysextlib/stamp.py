"""Which extension-release a build gets: the base's version, and what its main package says."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sysextlib.errors import MergeConflictError
from sysextlib.image.release import ExtensionRelease, ImageClass
from sysextlib.install.environment import Environment
from sysextlib.tree import Kind, file_entry, parents

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sysextlib.base import Base
    from sysextlib.binpkg.model import BinaryPackage
    from sysextlib.gentoo.arch import Arch
    from sysextlib.order import Order
    from sysextlib.tree import Tree


def stamp(
    order: Order, arch: Arch, base: Base, packages: Sequence[BinaryPackage]
) -> ExtensionRelease:
    """Return the stamp of an extension made of these packages.

    Name, version and home page are those of the definition's main package; an extension without
    one has none of the three.

    :raises PackageError: the main package's environment cannot be read.
    """
    release = ExtensionRelease(
        name=order.name,
        os_id=base.id,
        version_id=base.version_id,
        version_field=order.version_field,
        arch=arch,
        scope=tuple(order.definition.scope),
    )
    main = _main_package(order, packages)
    if main is None:
        return release
    homepage = main.metadata.get("HOMEPAGE", b"").decode(errors="replace")
    return replace(
        release,
        sysext_name=Environment.of(main.metadata, str(main.package)).text(
            "SYSEXT_NAME", main.package
        ),
        sysext_version_id=main.package.cpv.pvr,
        home_url=" ".join(homepage.split()),
    )


def confext_stamp(release: ExtensionRelease) -> ExtensionRelease:
    """Return the stamp of the confext beside the extension that bears ``release``."""
    return replace(release, kind=ImageClass.CONFEXT)


def stamped(tree: Tree, release: ExtensionRelease, epoch: int) -> Tree:
    """Return the tree with its stamp, whose mtime is ``epoch``.

    :raises MergeConflictError: the tree has a stamp, or what should be a folder of it is none.
    """
    entry = file_entry(release.path, release.text().encode(), mtime=epoch, origin="stamp")
    folder, *leading = parents(release.path)
    taken = [other for other in tree if other.path.startswith(folder + "/")]
    above = [tree[path] for path in (folder, *leading) if path in tree]
    taken += [other for other in above if other.kind is not Kind.DIRECTORY]
    if taken:
        raise MergeConflictError(
            "the packages bring what only the stamp of the build may hold",
            {f"/{other.path}": f"{other.origin or 'the tree'}: {other.kind}" for other in taken},
            hint="remove it in the definition",
        )
    return tree.updated([entry])


def _main_package(order: Order, packages: Sequence[BinaryPackage]) -> BinaryPackage | None:
    atom = order.definition.main_package
    if atom is None:
        return None
    return next((one for one in packages if atom.matches(one.package)), None)
