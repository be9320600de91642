"""Where things that can be made again are kept between builds."""

from __future__ import annotations

import os
from pathlib import Path

from sysextlib.errors import UsageError


def cache_root() -> Path:
    """Return the cache folder, which may not exist yet.

    BUILD_SYSEXT_CACHE names it; else it lies where the XDG base directories put caches.

    :raises UsageError: neither is named, and the user has no home.
    """
    named = os.environ.get("BUILD_SYSEXT_CACHE")
    if named:
        return Path(named).absolute()
    xdg = Path(os.environ.get("XDG_CACHE_HOME") or "")
    # A relative path there is to be ignored (XDG Base Directory Specification).
    return (xdg if xdg.is_absolute() else _home() / ".cache") / "build-sysext"


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:
        raise UsageError(
            "where the cache is to lie is not known: this user has no home folder",
            hint="name a folder with BUILD_SYSEXT_CACHE",
        ) from None
