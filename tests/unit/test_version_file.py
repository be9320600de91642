"""version.txt: data with upstream's rules for the version, never run as shell."""

import pytest

from sysextlib.errors import BoardError
from sysextlib.version_file import VersionFile, read_version_file

NIGHTLY = (
    "FLATCAR_VERSION=4799.0.0+nightly-20260821-2100\n"
    "FLATCAR_VERSION_ID=4799.0.0\n"
    'FLATCAR_BUILD_ID="nightly-20260821-2100"\n'
    "FLATCAR_SDK_VERSION=4799.0.0+nightly-20260821-2100\n"
)
RELEASE = 'FLATCAR_VERSION=1.0.0\nFLATCAR_VERSION_ID=4593.2.0\nFLATCAR_BUILD_ID=""\n'


def read(tmp_path, text: str) -> VersionFile:
    path = tmp_path / "version.txt"
    path.write_text(text)
    return read_version_file(path)


def test_a_nightly_has_version_id_and_build_id(tmp_path):
    version = read(tmp_path, NIGHTLY)
    assert (version.version_id, version.build_id) == ("4799.0.0", "nightly-20260821-2100")
    assert version.sdk_version == "4799.0.0+nightly-20260821-2100"


def test_the_base_of_a_nightly_must_bear_its_build_id(tmp_path):
    assert read(tmp_path, NIGHTLY).expected_version("other") == "4799.0.0+nightly-20260821-2100"


def test_an_official_build_has_no_build_id(tmp_path):
    assert read(tmp_path, NIGHTLY).expected_version("x", official=True) == "4799.0.0"


def test_a_development_build_on_a_release_takes_the_bases_build_id_not_the_clock(tmp_path):
    version = read(tmp_path, RELEASE)
    assert version.expected_version("2026-01-01-0000") == "4593.2.0+2026-01-01-0000"
    assert version.expected_version("") == "4593.2.0"


@pytest.mark.parametrize(
    "line",
    [
        "FLATCAR_BUILD_ID=$(date)",
        "FLATCAR_BUILD_ID=`date`",
        'FLATCAR_BUILD_ID="${USER}"',
        "FLATCAR_BUILD_ID=a; touch /tmp/x",
        "FLATCAR_BUILD_ID=a b",
        "rm -rf /",
        'FLATCAR_BUILD_ID="a',
        "source other.txt",
    ],
)
def test_a_line_that_a_shell_would_run_or_expand_is_refused(tmp_path, line):
    with pytest.raises(BoardError, match="more than plain assignments") as caught:
        read(tmp_path, "FLATCAR_VERSION_ID=1.0.0\n" + line + "\n")
    assert caught.value.facts["line"] == "2"


def test_comments_export_and_both_quotes_are_read_as_a_shell_does(tmp_path):
    text = "# x\n\nexport FLATCAR_VERSION_ID='4799.0.0' # y\nFLATCAR_BUILD_ID=\"b\"#no\n"
    version = read(tmp_path, text.replace('"b"#no', '"b"'))
    assert (version.version_id, version.build_id) == ("4799.0.0", "b")


@pytest.mark.parametrize("text", ["", "FLATCAR_VERSION=1\n", "FLATCAR_VERSION_ID=x\n"])
def test_a_file_without_a_version_is_refused(tmp_path, text):
    with pytest.raises(BoardError, match="states no version"):
        read(tmp_path, text)


def test_an_absent_large_or_binary_file_is_refused(tmp_path):
    with pytest.raises(BoardError, match="cannot be read"):
        read_version_file(tmp_path / "none")
    with pytest.raises(BoardError, match="larger than"):
        read(tmp_path, "#" * 70000)
    (tmp_path / "version.txt").write_bytes(b"\xff")
    with pytest.raises(BoardError, match="cannot be read"):
        read_version_file(tmp_path / "version.txt")
