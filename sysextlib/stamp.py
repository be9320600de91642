"""Which extension-release a build gets: the base's version, and what its main package says."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sysextlib.image.release import ExtensionRelease, ImageClass
from sysextlib.install.environment import Environment
from sysextlib.tree import file_entry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sysextlib.base import Base
    from sysextlib.binpkg.model import BinaryPackage
    from sysextlib.gentoo.arch import Arch
    from sysextlib.order import Order
    from sysextlib.tree import Entry


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
        sysext_name=Environment.of(main.metadata, str(main.package)).scalar("SYSEXT_NAME"),
        sysext_version_id=main.package.cpv.pvr,
        home_url=" ".join(homepage.split()),
    )


def confext_stamp(release: ExtensionRelease) -> ExtensionRelease:
    """Return the stamp of the confext beside the extension that bears ``release``."""
    return replace(release, kind=ImageClass.CONFEXT)


def release_entry(release: ExtensionRelease, epoch: int) -> Entry:
    """Return the stamp as a file; ``epoch`` is its mtime."""
    return file_entry(release.path, release.text().encode(), mtime=epoch, origin="stamp")


def _main_package(order: Order, packages: Sequence[BinaryPackage]) -> BinaryPackage | None:
    atom = order.definition.main_package
    if atom is None:
        return None
    return next((one for one in packages if atom.matches(one.package)), None)
