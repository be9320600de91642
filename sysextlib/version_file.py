"""upstream's version.txt, which states the version of a checkout: read as data, never as shell."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sysextlib.errors import BoardError

if TYPE_CHECKING:
    from pathlib import Path

LARGEST = 1 << 16  # bytes; the real file has about two hundred
_LINE = re.compile(
    r"""\s*(?:export\s+)?(?P<key>[A-Za-z_][A-Za-z0-9_]*)=
        (?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<plain>[^\s"'\#]*))\s*(?:\#.*)?""",
    re.VERBOSE,
)
# anything that a shell would expand has no place in a version, a build id or a URL
_VALUE = re.compile(r"[A-Za-z0-9._+~:/@%=,-]*")
_VERSION_ID = re.compile(r"[0-9]+(\.[0-9]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionFile:
    """What version.txt states.

    :param version: FLATCAR_VERSION, which is a release's name on its server; "" when not stated.
    :param build_id: such as "nightly-20260821-2100"; "" for a release.
    :param source: where it was read.
    """

    version: str = ""
    version_id: str
    build_id: str
    sdk_version: str
    source: Path

    def expected_version(
        self, base_build_id: str, *, official: bool = False, build_id: str = ""
    ) -> str:
        """Return the VERSION that the base image must have in its os-release.

        The version id, then "+" and the build id; an official build leaves the latter out. When
        the file has none, the base's own counts: a development build on top of a release, for
        which upstream would otherwise take the time of day. FLATCAR_VERSION in the file is not
        looked at. Source: common.sh and build_sysext of flatcar/scripts.

        :param base_build_id: BUILD_ID of the base image's os-release, or "".
        :param official: upstream's COREOS_OFFICIAL=1.
        :param build_id: instead of the file's, upstream's FLATCAR_BUILD_ID; "" is none.
        """
        build_id = "" if official else build_id or self.build_id or base_build_id
        return f"{self.version_id}+{build_id}" if build_id else self.version_id


def read_version_file(path: Path) -> VersionFile:
    """Read version.txt.

    :raises BoardError: it cannot be read, a line is no plain assignment, or it lacks a version.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(LARGEST + 1)
        text = data.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise BoardError(f"{path} cannot be read", {"reason": error}) from error
    if len(data) > LARGEST:
        raise BoardError(f"{path} is larger than {LARGEST} bytes")
    values: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        value = (
            next((v for v in match.group("double", "single", "plain") if v), "") if match else ""
        )
        if match is None or not _VALUE.fullmatch(value):
            raise BoardError(
                f"{path} holds more than plain assignments",
                {"line": number, "text": line[:200]},
                hint="the file is data: KEY=value, without expansion or commands",
            )
        values[match["key"]] = value
    version_id = values.get("FLATCAR_VERSION_ID", "")
    if not _VERSION_ID.fullmatch(version_id):
        raise BoardError(
            f"{path} states no version",
            {"FLATCAR_VERSION_ID": version_id or "(none)"},
            hint="it should look like FLATCAR_VERSION_ID=4799.0.0",
        )
    return VersionFile(
        version=values.get("FLATCAR_VERSION", ""),
        version_id=version_id,
        build_id=values.get("FLATCAR_BUILD_ID", ""),
        sdk_version=values.get("FLATCAR_SDK_VERSION", ""),
        source=path,
    )
