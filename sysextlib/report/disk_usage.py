"""NAME_disk_usage.txt: the row that ``df --human-readable`` prints of the mounted image."""

from __future__ import annotations

_UNITS = "KMGTPE"


def disk_usage_text(size: int) -> str:
    """Return the report of an EROFS file system of ``size`` bytes; it is always full.

    The columns are df's file, size, used, avail, pcent and fstype, with upstream's "/" as file.
    """
    shown = human(size)
    width = max(5, len(shown))
    percent = "100%" if size else "-"
    header = f"File {'Size':>{width}} {'Used':>{width}} {'Avail':>5} {'Use%':>4} Type\n"
    return header + f"/    {shown:>{width}} {shown:>{width}} {0:>5} {percent:>4} erofs\n"


def human(size: int) -> str:
    """Return a number of bytes as ``df -h`` does: rounded up, one decimal below ten."""
    power = 0
    while power < len(_UNITS) and size >= 1024 ** (power + 1):
        power += 1
    if power == 0:
        return str(size)
    unit = 1024**power
    tenths = -(-size * 10 // unit)
    if tenths < 100:
        return f"{tenths // 10}.{tenths % 10}{_UNITS[power - 1]}"
    whole = -(-size // unit)
    if whole == 1024 and power < len(_UNITS):
        return f"1.0{_UNITS[power]}"
    return f"{whole}{_UNITS[power - 1]}"
