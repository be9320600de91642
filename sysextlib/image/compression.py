"""How an image is compressed, spelled as ``--compression`` and as mkfs.erofs(1) want it."""

from __future__ import annotations

import shlex
from enum import StrEnum

from sysextlib.errors import UsageError, nearest


class Compression(StrEnum):
    """What ``--compression`` may say."""

    NONE = "none"
    LZ4 = "lz4"
    LZ4HC = "lz4hc"
    ZSTD = "zstd"

    @classmethod
    def parse(cls, text: str) -> Compression:
        """Return the compression of this name.

        :raises UsageError: there is none; upstream would find out after the whole merge.
        """
        try:
            return cls(text)
        except ValueError:
            known = [str(item) for item in cls]
            hint = nearest(text, known) or f"known: {', '.join(known)}"
            raise UsageError(f"unknown compression {text!r}", hint=hint) from None


# Flatcar's build_sysext passes exactly these, so that an image is as small as theirs.
TUNED = {
    Compression.NONE: (),
    Compression.LZ4: ("-zlz4",),
    Compression.LZ4HC: ("-zlz4hc,12", "-C65536", "-Efragments,ztailpacking"),
    Compression.ZSTD: ("-zzstd,level=22", "-C524288", "-Efragments,ztailpacking"),
}


def mkfs_options(compression: Compression, mkerofs_opts: str = "") -> tuple[str, ...]:
    """Return the options of mkfs.erofs; the user's own take the place of the tuned ones.

    :param mkerofs_opts: options as a shell would split them.
    :raises UsageError: they end within a quotation.
    """
    try:
        extra = shlex.split(mkerofs_opts)
    except ValueError as error:
        facts = {"given": mkerofs_opts, "fault": str(error).lower()}
        raise UsageError("--mkerofs_opts cannot be split into options", facts) from None
    if not extra:
        return TUNED[compression]
    if compression is Compression.NONE:
        return tuple(extra)
    return (f"-z{compression}", *extra)
