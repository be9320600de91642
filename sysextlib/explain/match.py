"""Whether an extension-release fits a host, decided as systemd decides.

Source: os-release(5), systemd-sysext(8), and systemd 257 for the order of questions: scope,
architecture, ID (of the host, or one that it is like), then the level where both sides have one,
else VERSION_ID.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sysextlib.image.release import ImageClass

ANY = "_any"
DEFAULT_SCOPES = ("system", "portable")


def mismatch(
    release: Mapping[str, str],
    host: Mapping[str, str],
    kind: ImageClass,
    *,
    arch: str,
    scope: str = "system",
) -> str:
    """Return why an extension does not fit, in one sentence; "" when it does.

    :param release: the fields of its extension-release; :param host: of the host's os-release.
    :param arch: the host's, spelled as in ARCHITECTURE=; "" when it is not known.
    :param scope: "system", or "initrd".
    """
    if not release:
        return f"it has no {kind} extension-release that says anything"
    return (
        _scope(release, kind, scope)
        or _arch(release, arch)
        or _os(release, host)
        or _version(release, host, kind)
    )


def _scope(release: Mapping[str, str], kind: ImageClass, scope: str) -> str:
    key = f"{kind.prefix}SCOPE"
    stated = release.get(key)
    scopes = tuple(stated.split()) if stated is not None else DEFAULT_SCOPES
    if scope in scopes:
        return ""
    article = "an" if scope[0] in "aeiou" else "a"
    if stated is None:
        return f"without {key} it is not for {article} {scope}"
    return f"{key} is {' '.join(scopes) or 'empty'}, and this is {article} {scope}"


def _arch(release: Mapping[str, str], arch: str) -> str:
    stated = release.get("ARCHITECTURE", "")
    if not arch or stated in {"", ANY, arch}:
        return ""
    return f"ARCHITECTURE is {stated}, the system's is {arch}"


def _os(release: Mapping[str, str], host: Mapping[str, str]) -> str:
    stated = release.get("ID", "")
    if not stated:
        return "it states no ID"
    likes = host.get("ID_LIKE", "").split()
    if stated in {ANY, host.get("ID", ""), *likes}:
        return ""
    like = f" (like {' '.join(likes)})" if likes else ""
    return f"ID is {stated}, the system's is {host.get('ID', '')}{like}"


def _version(release: Mapping[str, str], host: Mapping[str, str], kind: ImageClass) -> str:
    if release["ID"] == ANY:
        return ""
    key = f"{kind.prefix}LEVEL"
    for name, both in ((key, True), ("VERSION_ID", False)):
        wanted, has = release.get(name, ""), host.get(name, "")
        if not has or (both and not wanted):
            continue
        if not wanted:
            return f"it states no {name}, the system's is {has}"
        return "" if wanted == has else f"{name} is {wanted}, the system's is {has}"
    return ""
