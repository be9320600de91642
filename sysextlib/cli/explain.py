"""The command explain: would systemd merge these images, and why not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sysextlib.errors import UsageError, harmless

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sysextlib.cli.call import Call
    from sysextlib.explain.host import HostFacts
    from sysextlib.explain.policy import ImagePolicy
    from sysextlib.explain.verdict import Verdict

NOT_ALL = 27  # exit code: an image would not be merged, or not work when it is


def explain(call: Call) -> int:
    """Predict for each image what systemd does; return 0 when it merges all of them."""
    from sysextlib.explain.policy import parse_policy
    from sysextlib.explain.verdict import explain_image

    if not call.words:
        raise UsageError(
            "explain needs images", hint="./build_sysext.py explain IMAGE... --base=FILE"
        )
    text = call.text("image_policy")
    policy = None if text is None else parse_policy(text)
    host = _host(call)
    verdicts = [explain_image(Path(word), host, policy) for word in call.words]
    if call.on("json"):
        print(json.dumps(_json(verdicts, host, policy), indent=2))
    else:
        _show(verdicts, host, policy)
    return NOT_ALL if any(verdict.reasons for verdict in verdicts) else 0


def _host(call: Call) -> HostFacts:
    from sysextlib.explain.host import TrustedCertificate, host_of, this_host
    from sysextlib.image.keys import load_certificate

    base = call.text("base")
    if call.on("host") == (base is not None):
        raise UsageError(
            "explain needs to know for which system",
            hint="either --base=FILE, a base image or the folder of a root, or --host",
        )
    if base is not None and not Path(base).exists():
        raise UsageError(f"base {base} does not exist", hint="see --base")
    host = this_host() if base is None else host_of(Path(base))
    given = call.text("certificate")
    if given is None:
        return host
    more = TrustedCertificate(path=given, certificate=load_certificate(Path(given)))
    return replace(host, certificates=(*host.certificates, more))


def _show(verdicts: Sequence[Verdict], host: HostFacts, policy: ImagePolicy | None) -> None:
    version = host.os_release.get("VERSION_ID", "(no VERSION_ID)")
    lines = [
        f"for {host.name}: {host.os_release['ID']} {version}, {host.arch or 'of unknown arch'}"
    ]
    lines += [f"warning: image policy: {trap}" for trap in (policy.traps() if policy else ())]
    for verdict in verdicts:
        lines.append(verdict.line)
        lines += [f"  also: {reason.text}" for reason in verdict.reasons[1:]]
        lines += [f"  note: {note}" for note in verdict.notes]
    for line in (*lines, *_together(verdicts)):
        print(harmless(line))


def _together(verdicts: Sequence[Verdict]) -> list[str]:
    """Return what images do to each other, a line for each kind of which one stops all."""
    from sysextlib.explain.verdict import Effect
    from sysextlib.image.release import ImageClass

    lines = []
    for kind in ImageClass:
        of_kind = [verdict for verdict in verdicts if verdict.kind is kind]
        stops = [one.path.name for one in of_kind if one.effect is Effect.STOPS_ALL]
        if stops and len(of_kind) > len(stops):
            lines.append(f"together: no {kind} is merged, because of {', '.join(stops)}")
    return lines


def _json(
    verdicts: Sequence[Verdict], host: HostFacts, policy: ImagePolicy | None
) -> dict[str, object]:
    return {
        "host": {
            "name": host.name,
            "arch": host.arch,
            "os_release": dict(host.os_release),
            "certificates": [one.path for one in host.certificates],
        },
        "policy": policy.text if policy else None,
        "policy_warnings": list(policy.traps()) if policy else [],
        "images": [
            {
                "file": str(verdict.path),
                "name": verdict.name,
                "kind": str(verdict.kind),
                "effect": str(verdict.effect),
                "reasons": [
                    {"effect": str(one.effect), "text": one.text} for one in verdict.reasons
                ],
                "notes": list(verdict.notes),
            }
            for verdict in verdicts
        ],
        "together": _together(verdicts),
    }
