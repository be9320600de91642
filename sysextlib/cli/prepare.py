"""From the command line to orders and inputs: everything that can be wrong is found here."""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from sysextlib.base import open_base
from sysextlib.binpkg.binhost import Binhosts, open_binhost
from sysextlib.board import load_board
from sysextlib.cli.build_missing import module_key
from sysextlib.cli.find_base import ROOT, find_base
from sysextlib.cli.flags import CHAIN, MERGING
from sysextlib.cli.groups import choose_all, full_catalogue
from sysextlib.cli.mismatch import mismatches_of
from sysextlib.definition import Compression, SysextDef, adhoc, below
from sysextlib.ebuild.profile import Profile, load_profile
from sysextlib.ebuild.repository import open_repositories
from sysextlib.edit.mangle import require_program
from sysextlib.edit.strip import strip_argv
from sysextlib.errors import FetchError, UsageError
from sysextlib.image.compression import mkfs_options
from sysextlib.image.erofs import ErofsOptions, write_erofs
from sysextlib.image.keys import KEY_NAME, load_signing_key, make_signing_key
from sysextlib.image.release import require_version_field
from sysextlib.made_from import require_unchanged
from sysextlib.order import Inputs, Keys, Order
from sysextlib.payload.keys import load_or_make_payload_key, load_payload_key
from sysextlib.resolve.use_request import UseRule
from sysextlib.selinux.policy import (
    Policy,
    find_policy,
    load_own_rules,
    load_policy,
    named_policy,
)
from sysextlib.system.cache import cache_root
from sysextlib.system.tools import Tools
from sysextlib.tree import Tree, directory_entry
from sysextlib.versions import Checkout, require_one_version
from sysextlib.workspace import NAME, OutputNames

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sysextlib.base import Base
    from sysextlib.board import Board
    from sysextlib.cli.call import Call
    from sysextlib.image.keys import SigningKey
    from sysextlib.payload.keys import PayloadKey
    from sysextlib.progress import Progress

DEFAULT_BOARD = "amd64-usr"
KEYS = ROOT / "__build__" / "keys"
MOST_JOBS = 1024
TOOLS = ("mkfs.erofs", "fsck.erofs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What one call does.

    :param keys: None where nothing is signed.
    """

    orders: tuple[Order, ...]
    inputs: Inputs
    keys: Keys | None


def prepare_keys(call: Call, progress: Progress) -> Keys:
    """Load the keys that sign, or make the checkout's own.

    :raises SigningKeyError: one of them cannot serve.
    """
    with_payload = call.command != CHAIN and not call.off("payload")
    return Keys(
        image=_signing_key(progress),
        payload=_payload_keys(call, progress) if with_payload else (),
    )


def chosen_board(call: Call) -> Board:
    """Return the board that the call, the checkout's .default_board or upstream's default names.

    :raises BoardError: there is none of that name.
    """
    default = ROOT / ".default_board"
    name = call.text("board")
    if name is None and default.exists():
        name = default.read_text(encoding="utf-8", errors="replace").strip()
    return load_board(name or DEFAULT_BOARD, ROOT)


def prepare(call: Call, progress: Progress, keys: Keys | None = None) -> Job:
    """Check everything about a call before the first slow step.

    What the call itself says comes first, as the base image may have to be fetched.

    :param keys: those of an earlier call; else they are loaded where the command signs.
    :raises SysextError: what is wrong, and what to do.
    """
    jobs = job_count(call)
    warn_of_sudo(call, progress)
    board = chosen_board(call)
    orders = _orders(call, board)
    pkginfo = _pkginfo(call)
    use = (UseRule.parse(os.environ["USE"].split()),) if os.environ.get("USE") else ()
    profile = _profile(call)
    policy = _given_policy(call)
    tools = Tools.locate()
    if call.command in MERGING:
        _require_tools(tools, call, board)
        _try_mkfs(tools, orders)
        keys = keys or prepare_keys(call, progress)
    found = find_base(call, board, progress)
    if not found.release and call.text("squashfs_base") is None:
        with mismatches_of(call, progress):
            require_unchanged(found.image, ROOT)
    base = open_base(found.image, pkginfo)
    binhosts = open_binhosts(call, found.binhosts, progress)
    checkout = Checkout(
        official=call.on("official"),
        build_id=call.text("build_id") or "",
        release=found.release,
    )
    with mismatches_of(call, progress):
        places = [one.location for one in binhosts.binhosts]
        require_one_version(base, board, places, checkout=checkout)
    inputs = Inputs(
        board=board,
        base=base,
        pkginfo=pkginfo,
        binhosts=binhosts,
        use=use,
        profile=profile,
        tools=tools,
        jobs=jobs,
    )
    if call.command != "plan":
        policy = policy or _policy_of(base, progress)
        orders = [_with_labels(order, policy) for order in orders]
    placed = tuple(replace(order, output=found.output) for order in orders)
    return Job(orders=placed, inputs=inputs, keys=keys)


def warn_of_sudo(call: Call, progress: Progress) -> None:
    """Tell who calls by sudo out of habit what it leads to; emerge on this machine does need it."""
    caller = os.environ.get("SUDO_USER")
    if caller and os.geteuid() == 0 and call.text("installer") != "emerge":
        progress.warn(f"nothing here needs sudo, and what it writes will be root's, not {caller}'s")


def job_count(call: Call) -> int:
    """Return --jobs, or the number of processors that this process may use.

    :raises UsageError: not a number from 1 to MOST_JOBS.
    """
    text = call.text("jobs")
    if text is None:
        return len(os.sched_getaffinity(0))
    if not re.fullmatch("[0-9]{1,4}", text) or not 0 < int(text) <= MOST_JOBS:
        raise UsageError(f"--jobs takes a number from 1 to {MOST_JOBS}, not {text!r}")
    return int(text)


def _require_tools(tools: Tools, call: Call, board: Board) -> None:
    tools.require(*TOOLS)
    if call.on("generate_pkginfo"):
        tools.require("mksquashfs")
    if call.text("manglefs_script"):
        tools.require("bwrap")
    if call.on("strip_binaries"):
        strip_argv(board.chost, board.arch, tools)


def _try_mkfs(tools: Tools, orders: Sequence[Order]) -> None:
    """See whether mkfs.erofs takes the call's options, on a file system of one folder."""
    tree = Tree([directory_entry("usr")])
    for compression, opts in dict.fromkeys((one.compression, one.mkerofs_opts) for one in orders):
        if not opts:
            continue
        options = ErofsOptions(
            uuid=UUID(int=0), epoch=0, compression=compression, mkerofs_opts=opts
        )
        with tempfile.TemporaryDirectory(prefix="mkfs-options-") as folder:
            scratch = Path(folder)
            write_erofs(tree, scratch / "image", options, tools=tools, scratch=scratch)


def _definitions(
    call: Call, board: Board
) -> tuple[tuple[SysextDef, ...], Mapping[str, tuple[SysextDef, ...]]]:
    """Return what to build, and what lies below each."""
    catalogue = full_catalogue(ROOT)
    atoms = [atom for atom in (call.text("metapkgs") or "").split(",") if atom]
    words = list(call.words)
    if not words:
        raise UsageError(
            "nothing to build is named", hint="./build_sysext.py list shows what there is"
        )
    if atoms or any("/" in word for word in words[1:]):
        definition = adhoc(words[0], [*atoms, *words[1:]])
        return (definition,), {definition.key: ()}
    if "/" in words[0]:
        raise UsageError(
            f"{words[0]} is a package, and the extension has no name",
            hint=f"./build_sysext.py NAME {' '.join(words)}",
        )
    found = choose_all(catalogue, words, board)
    return found, {definition.key: below(definition, catalogue) for definition in found}


def _orders(call: Call, board: Board) -> list[Order]:
    """Return what the call asks for; where it goes may depend on the base image."""
    definitions, after = _definitions(call, board)
    given = call.text("manglefs_script")
    mangle = require_program(Path(given)) if given else None
    mkfs_options(Compression.LZ4HC, call.text("mkerofs_opts") or "")
    key = module_key(call)
    version_field = os.environ.get("VERSION_FIELD_OVERRIDE") or "VERSION_ID"
    require_version_field(version_field)
    compression = call.text("compression")
    root_name = str(call.given.get("install_root_basename", ""))
    if "install_root_basename" in call.given and not NAME.fullmatch(root_name):
        raise UsageError(f"--install_root_basename takes one name, not {root_name!r}")
    accepted = dict.fromkeys(call.texts("acknowledge"), "named with --acknowledge")
    wrong = [key for key in accepted if ":" not in key]
    if wrong:
        raise UsageError("--acknowledge takes CODE:SUBJECT", {"given": ", ".join(wrong)})
    orders = []
    for one in definitions:
        OutputNames(one.name)  # refuses what cannot be a file name
        order = Order(
            definition=replace(one, acknowledge={**one.acknowledge, **accepted}),
            after=after[one.key],
            output=Path(),
            compression=Compression(compression) if compression else one.compression,
            mkerofs_opts=call.text("mkerofs_opts") or "",
            strip=call.on("strip_binaries"),
            pkginfo=call.on("generate_pkginfo"),
            payload=not call.off("payload"),
            mangle=mangle,
            reuse=not call.off("cache"),
            module_key=key,
            version_field=version_field,
            root_name=root_name,
        )
        orders.append(order)
    return orders


def _given_policy(call: Call) -> Policy | str | None:
    """Return what the call says of labels; None: the base's policy is taken.

    :raises LabelError: the policy is damaged. :raises UsageError: both flags are given.
    """
    folder = call.text("selinux_policy")
    if call.off("selinux"):
        if folder is not None:
            raise UsageError("--selinux_policy and --no-selinux say the opposite")
        return "--no-selinux"
    return load_policy(Path(folder)) if folder is not None else None


def _policy_of(base: Base, progress: Progress) -> Policy | str:
    """Return the base's policy, or why there is none."""
    policy = find_policy(base)
    if policy is not None:
        return policy
    kind = named_policy(base)
    if not kind:
        return "the base has no SELinux policy"
    progress.warn(
        f"nothing gets a label: the base names the SELinux policy {kind} and does not hold its file"
        " contexts; --selinux_policy takes a folder that does, --no-selinux says it is meant"
    )
    return f"the base lacks the file contexts of its SELinux policy {kind}"


def _with_labels(order: Order, policy: Policy | str) -> Order:
    if not isinstance(policy, Policy):
        return replace(order, unlabelled=policy)
    definition = order.definition
    name = definition.folder.name if definition.folder else definition.key
    return replace(order, policy=policy.adding(load_own_rules(ROOT / "selinux", name, policy.type)))


def _profile(call: Call) -> Profile | None:
    """Return the profile that the call names, with its parents in the repositories beside its own.

    :raises EbuildError: one of its files is wrong, or a repository is missing.
    """
    text = call.text("profile")
    if text is None:
        return None
    folder = Path(text).resolve()  # make.profile is a symlink into a repository
    if not folder.is_dir():
        raise UsageError(f"profile {text} is no folder", hint="see --profile")
    homes = [path.parent for path in folder.parents if path.name == "profiles"]
    return load_profile(folder, open_repositories(homes[:1]))


def _pkginfo(call: Call) -> tuple[Path, ...]:
    paths = tuple(Path(text) for text in (call.text("base_pkginfo") or "").split(":") if text)
    for path in paths:
        if not path.is_file():
            raise UsageError(f"package database {path} is not a file", hint="see --base_pkginfo")
    return paths


def open_binhosts(call: Call, default: Sequence[str], progress: Progress) -> Binhosts:
    """Open the binhosts that the call names, else those of ``default`` that are there.

    A board lists where its packages may lie: in the SDK at one place, in a checkout at another.

    :raises FetchError: one that is named is absent, or all of ``default`` are.
    """
    locations = call.texts("binhost") or [
        place
        for place in default
        if "://" in place or os.path.isdir(place)  # noqa: PTH112
    ]
    if not locations:
        raise FetchError(
            "the board has no binary packages here",
            {"looked for": "\n".join(default) or "(nothing)"},
            hint="name a folder or URL of packages of the base's version with --binhost",
        )
    cache = cache_root()
    offline = call.on("offline")
    return Binhosts(
        tuple(open_binhost(place, cache, progress, offline=offline) for place in locations)
    )


def _signing_key(progress: Progress) -> SigningKey:
    """Return the key of SYSEXT_SIGNING_KEY_DIR, else the checkout's own, made when absent."""
    given = os.environ.get("SYSEXT_SIGNING_KEY_DIR")
    if given:
        return load_signing_key(Path(given))
    folder = KEYS / "sysext"
    if not os.path.exists(folder / KEY_NAME):  # noqa: PTH110 - Path's raises in a closed folder
        key = make_signing_key(folder, "Extension key of a checkout")
        progress.warn(
            f"images are signed with a key made just now, {folder}; set SYSEXT_SIGNING_KEY_DIR"
            " for a key that machines trust"
        )
        return key
    progress.warn("images are signed with this checkout's own key (SYSEXT_SIGNING_KEY_DIR unset)")
    return load_signing_key(folder)


def _payload_keys(call: Call, progress: Progress) -> tuple[PayloadKey, ...]:
    given = call.texts("payload_key")
    if given:
        return tuple(load_payload_key(Path(path)) for path in given)
    key, made = load_or_make_payload_key(KEYS / "payload")
    if made:
        progress.warn(f"payloads are signed with a key made just now, {KEYS / 'payload'}")
    return (key,)
