"""How an image is compressed, spelled as ``--compression`` and as mkfs.erofs(1) want it."""

from __future__ import annotations

import shlex

from sysextlib.definition import Compression
from sysextlib.errors import UsageError

# As Flatcar's build_sysext has them, so that an image is as small as theirs, but without its
# ztailpacking: with fragments it saves no more than a block, and before erofs-utils 1.9.3 the small
# files at the end get wrong bytes when the last piece of all fragments cannot be compressed.
TUNED = {
    Compression.NONE: (),
    Compression.LZ4: ("-zlz4",),
    Compression.LZ4HC: ("-zlz4hc,12", "-C65536", "-Efragments"),
    Compression.ZSTD: ("-zzstd,level=22", "-C524288", "-Efragments"),
}
# Needed until erofs-utils 1.9. To find files with equal ends, 1.8 looks for a tar member's bytes at
# the start of its buffer file and not where they lie in it, and so gives small files the bytes of
# others. Without the search an image is up to 0.3 % larger.
WHOLE_FRAGMENTS = "-E^fragdedupe"


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
    if compression is Compression.NONE and not extra:
        return ()
    if not extra:
        return (*TUNED[compression], WHOLE_FRAGMENTS)
    if compression is Compression.NONE:
        return (*extra, WHOLE_FRAGMENTS)
    return (f"-z{compression}", *extra, WHOLE_FRAGMENTS)
