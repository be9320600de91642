"""Where things that can be made again are kept between builds."""

from __future__ import annotations

import os
from pathlib import Path


def cache_root() -> Path:
    """Return the cache folder, which may not exist yet.

    BUILD_SYSEXT_CACHE names it; else it lies where the XDG base directories put caches.
    """
    named = os.environ.get("BUILD_SYSEXT_CACHE")
    if named:
        return Path(named).absolute()
    xdg = Path(os.environ.get("XDG_CACHE_HOME") or "")
    # A relative path there is to be ignored (XDG Base Directory Specification).
    return (xdg if xdg.is_absolute() else Path.home() / ".cache") / "build-sysext"
