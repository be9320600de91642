"""The commands metadata and affected: what ebuilds say, and what a change to them means."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sysextlib.affected import find_affected
from sysextlib.cli.find_base import ROOT
from sysextlib.cli.prepare import job_count
from sysextlib.cli.views import choose_view
from sysextlib.ebuild.generate import write_metadata
from sysextlib.errors import EbuildError, UsageError
from sysextlib.system.cache import cache_root

if TYPE_CHECKING:
    from sysextlib.cli.call import Call
    from sysextlib.ebuild.generate import MetadataReport

SHOWN = 20  # differences that are printed one by one; --json has all


def metadata(call: Call) -> int:
    """Write metadata/md5-cache of whole repositories, or compare with what is there."""
    if not call.words:
        raise UsageError("metadata needs repositories", hint="./build_sysext.py metadata REPO...")
    out = call.text("out")
    check = call.on("check")
    if check and out:
        raise UsageError("--check compares with what is there, --out writes elsewhere")
    with choose_view(quiet=call.on("json")) as view:
        report = write_metadata(
            [Path(word) for word in call.words],
            progress=view.build("metadata"),
            out=Path(out) if out else None,
            jobs=job_count(call),
            check=check,
        )
    if call.on("json"):
        print(json.dumps(_values(report), indent=2))
    else:
        _show(report, check=check)
    return 0 if report.ok else EbuildError.exit_code


def _values(report: MetadataReport) -> dict[str, object]:
    return {
        "written": report.written,
        "unchanged": report.unchanged,
        "removed": list(report.removed),
        "failures": [
            {"ebuild": one.name, "error": one.error.brief, **one.error.facts}
            for one in report.failures
        ],
        "differences": [
            {"ebuild": one.name, "key": one.key, "found": one.found, "expected": one.expected}
            for one in report.differences
        ],
    }


def _show(report: MetadataReport, *, check: bool) -> None:
    for failure in report.failures:
        print(f"error: {failure.name}: {failure.error}", file=sys.stderr)
    for one in report.differences[:SHOWN]:
        what = f"{one.key} is {one.found!r}, not {one.expected!r}" if one.key else "has no entry"
        print(f"{one.name}: {what}")
    if len(report.differences) > SHOWN:
        print(f"... and {len(report.differences) - SHOWN} more differences")
    told = [f"{report.unchanged} entries are right"]
    if check:
        told.append(f"{len(report.differences)} differences")
    else:
        told += [f"{report.written} written", f"{len(report.removed)} removed"]
    print(", ".join([*told, f"{len(report.failures)} ebuilds refused"]))


def affected(call: Call) -> int:
    """Print which extensions a change since a revision means to build again, and why."""
    since, repos = call.text("since"), call.texts("repo")
    if call.words:
        raise UsageError("affected takes no words", {"given": " ".join(call.words)})
    if since is None or not repos:
        raise UsageError("affected needs --since=REVISION and --repo=FOLDER")
    with choose_view(quiet=call.on("json")) as view:
        report = find_affected(
            ROOT,
            [Path(repo) for repo in repos],
            since,
            cache=cache_root() / "metadata",
            progress=view.build("affected"),
            runtime=call.on("runtime"),
        )
    if call.on("json"):
        print(json.dumps(report.to_json(), indent=2))
    else:
        print(report.render(), end="")
    return 0
