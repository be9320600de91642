"""What a build is asked for, complete and checked, and what several builds share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from sysextlib.base import Base
    from sysextlib.binpkg.binhost import Binhosts
    from sysextlib.binpkg.shared import SharedPackages
    from sysextlib.board import Board
    from sysextlib.definition import Compression, SysextDef
    from sysextlib.ebuild.profile import Profile
    from sysextlib.image.keys import SigningKey
    from sysextlib.install.emerge import Sdk
    from sysextlib.payload.keys import PayloadKey
    from sysextlib.resolve.use_request import UseRule
    from sysextlib.selinux.policy import Policy
    from sysextlib.system.tools import Tools


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One extension as the user wants it.

    :param after: the extensions below it, in dependency order; what they merge counts as installed.
    :param version_field: the key of the stamp that bears the base's VERSION_ID.
    :param payload: write an update payload beside the image.
    :param module_key: certificate of the key that must have signed kernel modules.
    :param reuse: leave outputs that the same ingredients gave before as they are.
    :param root_name: what emerge's ROOT is called, over what the definition says.
    :param policy: what labels the entries; None: they bear none, for the reason ``unlabelled``.
    """

    definition: SysextDef
    after: tuple[SysextDef, ...] = ()
    output: Path
    compression: Compression
    mkerofs_opts: str = ""
    strip: bool = False
    pkginfo: bool = False
    payload: bool = True
    mangle: Path | None = None
    version_field: str = "VERSION_ID"
    root_name: str = ""
    reuse: bool = True
    module_key: Path | None = None
    policy: Policy | None = None
    unlabelled: str = ""

    @property
    def name(self) -> str:
        """The image's name."""
        return self.definition.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What all builds of one call share; read once.

    :param use: USE=... of the call, over what board and definition say.
    :param jobs: how many things one build works on at once.
    :param shared: unpacks for all builds; None lets each unpack for itself.
    :param profile: what decides flags, masks and keywords; None where the call names none.
    :param sdk: where emerge merges packages; None when our own installer does.
    """

    board: Board
    base: Base
    pkginfo: tuple[Path, ...]
    binhosts: Binhosts
    use: tuple[UseRule, ...] = ()
    profile: Profile | None = None
    tools: Tools
    jobs: int
    shared: SharedPackages | None = None
    sdk: Sdk | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What signs.

    :param payload: update_engine looks at the last one's signature; none where no payload is
        written.
    """

    image: SigningKey
    payload: tuple[PayloadKey, ...]
