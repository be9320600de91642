"""The prediction for one image: merged, skipped, or the end of every merge, and why.

What systemd 257 does with each kind of image was seen in a virtual machine; systemd-sysext reads
the extension-release of every image before it merges any, so that one that it cannot read stops
all, whereas one that does not fit is left out alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sysextlib.errors import ValueSyntaxError, VerifyError
from sysextlib.explain.look import UnreadableError, file_system_of, files_of, look, readable
from sysextlib.explain.match import mismatch
from sysextlib.explain.policy import DEFAULTS
from sysextlib.explain.protection import protect
from sysextlib.explain.trust import KEYRING, trust
from sysextlib.image.release import ImageClass
from sysextlib.os_release import parse_env_file
from sysextlib.tree import Kind
from sysextlib.workspace import image_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sysextlib.explain.host import HostFacts
    from sysextlib.explain.look import Seen
    from sysextlib.explain.policy import ImagePolicy
    from sysextlib.explain.protection import Protection
    from sysextlib.explain.root import Root

STRICT = "user.extension-release.strict"  # xattr: "0" lets the file have any name (os-release(5))
SIDECARS = (".verity", ".roothash", ".roothash.p7s", ".usrhash", ".usrhash.p7s")


class Effect(StrEnum):
    """What systemd does; from harmless to worst."""

    MERGED = "merged"
    DAMAGED = "merged, but damaged"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"
    STOPS_ALL = "stops all"


ORDER = tuple(Effect)


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that stands in the way."""

    effect: Effect
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A prediction.

    :param name: of the image, as systemd calls it.
    :param kind: which of systemd's two programs would take it.
    :param reasons: what stands in the way, the worst first; empty when it would be merged.
    :param notes: what else to know.
    """

    path: Path
    name: str
    kind: ImageClass
    reasons: tuple[Reason, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def effect(self) -> Effect:
        """What systemd does with it."""
        return self.reasons[0].effect if self.reasons else Effect.MERGED

    @property
    def line(self) -> str:
        """The verdict in one line."""
        if not self.reasons:
            return f"{self.path}: would be merged as {self.kind} {self.name}"
        told = {
            Effect.DAMAGED: "would be merged, but is damaged",
            Effect.SKIPPED: "would be skipped",
            Effect.UNKNOWN: "cannot be judged",
            Effect.STOPS_ALL: f"would stop the merge of every {self.kind}",
        }
        return f"{self.path}: {told[self.effect]}: {self.reasons[0].text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Contents:
    """What the files of an image say.

    :param releases: what the extension-release of each kind says; None for a kind without one
        that bears the image's name.
    :param misnamed: extension-release files of other names.
    """

    releases: Mapping[ImageClass, Mapping[str, str] | None]
    misnamed: tuple[str, ...]
    os_tree: bool
    forbidden: bool


def explain_image(path: Path, host: HostFacts, policy: ImagePolicy | None = None) -> Verdict:
    """Predict what systemd does with an image that lies where it looks for images.

    :param policy: what ``--image-policy`` says; None is systemd's default for the kind of image.
    :raises VerifyError: there is no such file.
    :raises MissingToolError: see ``files_of``.
    """
    if not path.exists():
        raise VerifyError(f"{path} does not exist")
    kind = ImageClass.CONFEXT if ".confext" in path.suffixes[-2:] else ImageClass.SYSEXT
    name = _systemd_name(path)
    if not path.is_dir() and path.suffix != ".raw":
        reason = Reason(Effect.SKIPPED, 'systemd looks at folders and files that end in ".raw"')
        return Verdict(path=path, name=name, kind=kind, reasons=(reason,))
    if path.is_dir() and path.suffix == ".v":
        why = "a folder of versions, of which systemd takes the newest; name that one"
        return _hopeless(path, name, kind, why, Effect.UNKNOWN)
    try:
        seen = look(path)
        first = protect(seen, DEFAULTS[kind], verity=False) if seen.kind != "folder" else None
        if first is not None and first.fault:
            return _hopeless(path, name, kind, first.fault)
        contents = _contents(seen, first, _file_stem(path, name))
    except VerifyError as error:
        return _hopeless(path, name, kind, readable(error))
    if isinstance(contents, str):
        fault = protect(seen, policy or DEFAULTS[kind]).fault
        effect, why = (Effect.STOPS_ALL, fault) if fault else (Effect.UNKNOWN, contents)
        return _hopeless(path, name, kind, why, effect)
    kind = _kind(path, kind, contents)
    reasons, notes = _judge(seen, kind, host, policy, contents)
    notes += [f"{beside} lies beside it and was not considered" for beside in _sidecars(path)]
    ordered = sorted(reasons, key=lambda reason: -ORDER.index(reason.effect))
    return Verdict(path=path, name=name, kind=kind, reasons=tuple(ordered), notes=tuple(notes))


def _hopeless(
    path: Path, name: str, kind: ImageClass, why: str, effect: Effect = Effect.STOPS_ALL
) -> Verdict:
    return Verdict(path=path, name=name, kind=kind, reasons=(Reason(effect, why),))


def _systemd_name(path: Path) -> str:
    """Return the image's name; in a folder NAME.raw.v or NAME.v, that one's."""
    if path.parent.suffix == ".v":
        return image_name(path.parent.name.removesuffix(".v"))
    return image_name(path.name)


def _file_stem(path: Path, name: str) -> str:
    """Return the name by which the extension-release is looked for: of a file, its own one."""
    return name if path.is_dir() else image_name(path.name)


def _kind(path: Path, kind: ImageClass, contents: _Contents) -> ImageClass:
    """Return which program would take an image, by what it holds where its name does not say."""
    if set(path.suffixes[-2:]) & {one.suffix for one in ImageClass}:
        return kind
    has = [one for one in ImageClass if contents.releases[one] is not None]
    if not has:
        inside = [one for one in ImageClass if any(one.folder in p for p in contents.misnamed)]
        has = inside
    return has[0] if has else kind


def _contents(seen: Seen, first: Protection | None, stem: str) -> _Contents | str:
    """Read what systemd reads before it looks at any policy of the user's or any signature.

    The text is why only systemd can.
    """
    try:
        return _read_contents(seen, first, stem)
    except UnreadableError as error:
        return str(error)


def _read_contents(seen: Seen, first: Protection | None, stem: str) -> _Contents:
    data, kind = seen.whole, seen.file_system
    part = first.data if first else None
    if part is not None:
        data, kind = part.data, file_system_of(part.data)
    usr = part is not None and part.name == "usr"
    with files_of(seen.path, data, kind) as root:
        found = {one: _release(root, one, stem, usr=usr) for one in ImageClass}
        os_release = _inside("usr/lib/os-release", usr=usr)
        forbidden = root.get(os_release) is not None
        return _Contents(
            releases={one: fields for one, (fields, _) in found.items()},
            misnamed=tuple(path for _, others in found.values() for path in others),
            os_tree=forbidden or (not usr and root.get("etc/os-release") is not None),
            forbidden=forbidden,
        )


def _inside(path: str, *, usr: bool) -> str:
    """Return where a path lies in a file system that is mounted on /usr."""
    return path.removeprefix("usr/") if usr else path


def _release(
    root: Root, kind: ImageClass, stem: str, *, usr: bool
) -> tuple[Mapping[str, str] | None, tuple[str, ...]]:
    """Return the fields of the extension-release for an image called ``stem``, and other ones.

    A file of another name counts when it is the only one, and either named like the image without
    a version (from "_" or "+" on) or marked by an xattr.
    """
    if usr and kind is ImageClass.CONFEXT:
        return None, ()
    folder = _inside(kind.folder, usr=usr)
    start = "extension-release."
    names = [name for name in root.names(folder) if name.startswith(start)]
    if f"{start}{stem}" in names:
        chosen = [f"{start}{stem}"]
    else:
        files = [(name, root.get(f"{folder}/{name}")) for name in names]
        plain = stem.replace("+", "_").partition("_")[0]
        chosen = [
            name
            for name, entry in files
            if entry is not None
            and entry.kind is Kind.FILE
            and (name == f"{start}{plain}" or dict(entry.xattrs).get(STRICT) in _FALSE)
        ]
    if len(chosen) != 1:
        return None, tuple(f"{kind.folder}/{name}" for name in names)
    data = root.read(f"{folder}/{chosen[0]}") or b""
    try:
        return parse_env_file(data, chosen[0]), ()
    except ValueSyntaxError:  # systemd takes it for one that says nothing
        return {}, ()


_FALSE = (b"0", b"no", b"n", b"false", b"f", b"off")  # what systemd takes for false


def _judge(
    seen: Seen,
    kind: ImageClass,
    host: HostFacts,
    policy: ImagePolicy | None,
    contents: _Contents,
) -> tuple[list[Reason], list[str]]:
    reasons: list[Reason] = []
    notes: list[str] = []
    folder = seen.kind == "folder"
    has_any = any(fields is not None for fields in contents.releases.values())
    if contents.forbidden and (kind is ImageClass.SYSEXT or not folder):
        effect = Effect.STOPS_ALL if folder else Effect.SKIPPED
        reasons.append(Reason(effect, "it holds usr/lib/os-release, which no extension may"))
    if not has_any and not folder and not contents.os_tree:
        reasons.append(Reason(Effect.STOPS_ALL, _unnamed(seen.path, contents)))
    else:
        fields = contents.releases[kind]
        why = mismatch(fields or {}, host.os_release, kind, arch=host.arch)
        if fields is None and contents.misnamed:
            why = _unnamed(seen.path, contents)
        if why:
            reasons.append(Reason(Effect.SKIPPED, why))
        elif fields and not host.arch and fields.get("ARCHITECTURE", "_any") != "_any":
            notes.append(f"the architecture of {host.name} is not known")
    if folder:
        notes.append("a folder: no image policy and no signature apply")
    else:
        _protected(seen, host, policy or DEFAULTS[kind], (reasons, notes))
    return reasons, notes


def _unnamed(path: Path, contents: _Contents) -> str:
    wanted = f"extension-release.{image_name(path.name)}"
    if not contents.misnamed:
        return f"it has no {wanted}"
    return f"it has no {wanted}, but {', '.join(contents.misnamed)}"


def _protected(
    seen: Seen,
    host: HostFacts,
    policy: ImagePolicy,
    out: tuple[list[Reason], list[str]],
) -> None:
    """Judge partitions and signature."""
    reasons, notes = out
    found = protect(seen, policy)
    if found.fault:
        reasons.append(Reason(Effect.STOPS_ALL, f"image policy: {found.fault}"))
        return
    if found.data is not None and found.hashes is not None and found.signature is not None:
        trusted = trust(found.data, found.hashes, found.signature, host)
        if trusted.fault:
            reasons.append(Reason(Effect.STOPS_ALL, trusted.fault))
            if trusted.fault.startswith("no certificate"):
                notes.append(KEYRING)
        elif trusted.damage:
            reasons.append(Reason(Effect.DAMAGED, f"{trusted.damage}; reading it fails"))
        else:
            notes.append(f"signed; {trusted.certificate} fits")
        return
    state = "its signature is not looked at" if _is_signed(seen) else "nobody signed it"
    notes.append(f"{state}, and the policy lets it in; nothing protects its bytes")


def _is_signed(seen: Seen) -> bool:
    return any(part.name.endswith("-verity-sig") for part in seen.parts)


def _sidecars(path: Path) -> list[str]:
    stem = path.name.removesuffix(".raw")
    return [stem + end for end in SIDECARS if path.with_name(stem + end).exists()]
