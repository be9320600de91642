import pytest

from sysextlib.errors import UsageError
from sysextlib.image.compression import Compression, mkfs_options

LAST = "-E^fragdedupe"  # a fault of erofs-utils 1.8 is avoided


@pytest.mark.parametrize(
    ("compression", "options"),
    [
        ("lz4", ("-zlz4",)),
        ("lz4hc", ("-zlz4hc,12", "-C65536", "-Efragments,ztailpacking")),
        ("zstd", ("-zzstd,level=22", "-C524288", "-Efragments,ztailpacking")),
    ],
)
def test_options_are_those_that_upstream_passes(compression, options):
    assert mkfs_options(Compression(compression)) == (*options, LAST)


def test_no_compression_has_no_options():
    assert mkfs_options(Compression.NONE) == ()


def test_own_options_take_the_place_of_the_tuned_ones():
    options = mkfs_options(Compression.ZSTD, "-C4096 -E'dedupe'")
    assert options == ("-zzstd", "-C4096", "-Ededupe", LAST)


def test_own_options_without_compression_are_kept():
    assert mkfs_options(Compression.NONE, "-Enoinline_data") == ("-Enoinline_data", LAST)


def test_unknown_compression_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match="unknown compression 'lz4h'") as caught:
        Compression.parse("lz4h")
    assert "did you mean" in caught.value.hint
    assert "lz4hc" in caught.value.hint


def test_unknown_compression_without_a_near_one_lists_all():
    with pytest.raises(UsageError) as caught:
        Compression.parse("qqq")
    assert caught.value.hint == "known: lz4, lz4hc, none, zstd"


def test_an_open_quotation_is_refused():
    with pytest.raises(UsageError, match="mkerofs_opts"):
        mkfs_options(Compression.LZ4, "-C 'x")
