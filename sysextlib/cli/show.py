"""The commands that only look: list, verify and inspect."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sysextlib.cli.find_base import ROOT, built_folder
from sysextlib.cli.prepare import chosen_board, job_count
from sysextlib.definition import SysextKind
from sysextlib.errors import UsageError, VerifyError, harmless
from sysextlib.report.disk_usage import human
from sysextlib.workspace import OutputNames, image_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cryptography.x509 import Certificate

    from sysextlib.board import Board
    from sysextlib.cli.call import Call
    from sysextlib.definition import SysextDef
    from sysextlib.payload.keys import PayloadPublicKey


def catalogue(call: Call) -> int:
    """List the extensions that a board can have."""
    from sysextlib.cli.groups import full_catalogue

    if call.words:
        raise UsageError("list takes no words", {"given": " ".join(call.words)})
    board = chosen_board(call)
    fitting = [one for one in full_catalogue(ROOT).values() if one.fits(board.name, board.arch)]
    listed = [(one, _built(call, board, one)) for one in fitting]
    if call.on("json"):
        values = [_row(one, size) for one, size in listed]
        print(json.dumps({"board": board.name, "extensions": values}, indent=2))
        return 0
    kinds = list(SysextKind)
    listed.sort(key=lambda pair: kinds.index(pair[0].kind))
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    print("\n".join(_table(listed, width)))
    counts = Counter(str(one.kind) for one in fitting)
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
    built = sum(size > 0 for _, size in listed)
    print(f"\n{len(fitting)} extensions for {board.name} ({told}), {built} of them built")
    return 0


def _table(listed: Sequence[tuple[SysextDef, int]], width: int | None) -> Iterator[str]:
    """Yield a line for each extension, wrapped where a terminal has a ``width``.

    Names of images, which follow from kind and name, are left out where they would take half of it.
    """
    rows = [["NAME", "KIND", "SIZE", "IMAGE", "PACKAGES"]]
    for one, size in listed:
        use = f' USE="{" ".join(one.use)}"' if one.use else ""
        packages = " ".join(map(str, one.packages)) + use
        rows.append([one.key, str(one.kind), human(size) if size else "-", one.name, packages])
    if width is not None and width < 120:
        rows = [[*row[:3], row[4]] for row in rows]
    sizes = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    for row in rows:
        cells = [cell.ljust(size) for cell, size in zip(row, sizes, strict=False)]
        cells[2] = row[2].rjust(sizes[2])
        line = "  ".join([*cells, row[-1]])
        indent = " " * (sum(sizes) + 2 * len(sizes))
        yield line if width is None else textwrap.fill(
            line, max(width, len(indent) + 20), subsequent_indent=indent,
            break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip


def _row(definition: SysextDef, built: int) -> dict[str, object]:
    return {
        "key": definition.key,
        "name": definition.name,
        "kind": str(definition.kind),
        "summary": definition.summary,
        "packages": [str(atom) for atom in definition.packages],
        "use": list(definition.use),
        "arches": [str(arch) for arch in definition.arches],
        "after": list(definition.after),
        "built_bytes": built,
    }


def _built(call: Call, board: Board, definition: SysextDef) -> int:
    """Return the size of the image in the output folder, 0 when there is none."""
    folder = built_folder(call, board)
    if folder is None:
        return 0
    image = folder / OutputNames(definition.name).image
    return image.stat().st_size if image.is_file() else 0


def verify(call: Call) -> int:
    """Check files; each gets a line, and the first fault decides the exit code."""
    if not call.words:
        raise UsageError("verify needs files", hint="./build_sysext.py verify FILE...")
    trust = _trust(call)
    code, results = 0, []
    for word in call.words:
        path = Path(word)
        try:
            told = _verify(path, trust, job_count(call))
        except VerifyError as error:
            code = code or error.exit_code
            results.append({"file": word, "intact": False, "error": error.brief, **error.facts})
            if not call.on("json"):
                print(f"{word}: REFUSED")
                print(f"error: {error}", file=sys.stderr)
            continue
        results.append({"file": word, "intact": True, **told})
        if not call.on("json"):
            kind, *facts = [f"{key} {value}" for key, value in told.items()]
            print(f"{word}: ok, {kind.removeprefix('kind ')}, {harmless(', '.join(facts))}")
    if call.on("json"):
        print(json.dumps(results, indent=2))
    return code


@dataclass(frozen=True, slots=True)
class _Trust:
    """Who must have signed; None is anybody."""

    certificate: Certificate | None
    payload_key: PayloadPublicKey | None


def _trust(call: Call) -> _Trust:
    from sysextlib.image.keys import load_certificate
    from sysextlib.payload.keys import load_payload_public_key

    certificate, key = call.text("certificate"), call.text("payload_pubkey")
    return _Trust(
        load_certificate(Path(certificate)) if certificate else None,
        load_payload_public_key(Path(key)) if key else None,
    )


def _verify(path: Path, trust: _Trust, jobs: int) -> dict[str, str]:
    from sysextlib.payload.reader import is_payload

    _require_file(path)
    if is_payload(path):
        return _verify_payload(path, trust.payload_key, jobs)
    return _verify_image(path, trust.certificate, jobs)


def _require_file(path: Path) -> None:
    try:
        is_file = path.is_file()
    except OSError as error:  # a folder on the way is closed to us
        raise VerifyError(f"{path} cannot be read", {"reason": error.strerror}) from error
    if not is_file:
        raise VerifyError(f"{path} is not a file")


def _verify_payload(path: Path, key: PayloadPublicKey | None, jobs: int) -> dict[str, str]:
    from sysextlib.payload.verify import verify_payload

    found = verify_payload(path, key, jobs=jobs)
    return {
        "kind": "payload",
        "image sha256": found.image_sha256,
        "signed by": found.key or "someone (no --payload_pubkey given)",
    }


def _verify_image(path: Path, certificate: Certificate | None, jobs: int) -> dict[str, str]:
    from sysextlib.image.inspect import inspect_image
    from sysextlib.image.release import ImageClass
    from sysextlib.image.verify import verify_ddi
    from sysextlib.system.tools import Tools

    tools = Tools.locate()
    found = verify_ddi(path, tools, certificate=certificate, jobs=jobs)
    inside = inspect_image(path, tools)
    if inside.name != image_name(path.name):
        raise VerifyError(
            f"{path} is called otherwise than the extension in it, so systemd would refuse it",
            {"extension-release": inside.name},
            hint=f"rename it to {inside.name}.raw",
        )
    return {
        "kind": "image" if inside.kind is ImageClass.SYSEXT else str(inside.kind),
        "root hash": found.root_hash,
        "signed by": found.signer if found.trusted else f"{found.signer} (no --certificate given)",
    }


def inspect(call: Call) -> int:
    """Show what is in one image or payload."""
    if len(call.words) != 1:
        raise UsageError("inspect takes one file", hint="./build_sysext.py inspect FILE")
    from sysextlib.payload.reader import is_payload

    path = Path(call.words[0])
    _require_file(path)
    payload = is_payload(path)
    if call.on("labels"):
        if payload:
            raise UsageError("--labels is for images", {"this is a payload": path})
        return _labels(call, path)
    facts = _inspect_payload(path) if payload else _inspect_image(path)
    if call.on("json"):
        print(json.dumps(facts, indent=2))
        return 0
    for title, values in facts.items():
        print(title)
        for line in _lines(values):
            print(harmless(f"  {line}"))
    return 0


def _labels(call: Call, path: Path) -> int:
    """List the SELinux label of every entry of an image, None or "-" where there is none."""
    from sysextlib.image.ddi import read_ddi
    from sysextlib.selinux.label import label_of

    found = {f"/{one.path}": label_of(one) for one in read_ddi(path).erofs().entries() if one.path}
    if call.on("json"):
        print(json.dumps({"labels": found}, indent=2))
        return 0
    width = max((len(label or "-") for label in found.values()), default=0)
    for where, label in found.items():
        print(harmless(f"{label or '-':<{width}}  {where}"))
    return 0


def _lines(values: object) -> list[str]:
    if isinstance(values, dict):
        width = max(map(len, values), default=0)
        return [f"{key:<{width}}  {value}" for key, value in values.items()]
    return [str(value) for value in values] if isinstance(values, list) else [str(values)]


def _inspect_image(path: Path) -> dict[str, object]:
    from sysextlib.image.inspect import inspect_image
    from sysextlib.system.tools import Tools

    found = inspect_image(path, Tools.locate())
    ddi = found.ddi
    return {
        "release": dict(found.release),
        "image": {
            "architecture": ddi.arch.systemd_name,
            "bytes": path.stat().st_size,
            "root hash": ddi.root_hash.hex(),
            "signed by key": ddi.signature.fingerprint,
            "entries": len(found.entries),
        },
        "partitions": {
            part.name: f"{part.offset:>12} + {part.size:>12}  {part.uuid}"
            for part in ddi.partitions
        },
        "packages": _packages_beside(path),
        "contents": [_entry_line(entry) for entry in found.entries if entry.path],
    }


def _entry_line(entry: object) -> str:
    from sysextlib.image.erofs_reader import ImageEntry

    assert isinstance(entry, ImageEntry)
    target = f" -> {entry.target}" if entry.target else ""
    xattrs = "".join(f"  {name}={_shown(value)}" for name, value in entry.xattrs)
    return (
        f"{entry.kind:<9} {entry.mode:04o} {entry.uid}:{entry.gid} {entry.size:>10}"
        f" {entry.path}{target}{xattrs}"
    )


def _shown(value: bytes) -> str:
    """Return an extended attribute as text, labels without their NUL, or in hex."""
    text = value.removesuffix(b"\0").decode("ascii", "replace")
    return text if text.isascii() and text.isprintable() else f"0x{value.hex()}"


def _packages_beside(path: Path) -> list[str]:
    """Return the packages that the manifest beside an image names, if it is that image's."""
    import hashlib

    manifest = path.with_name(f"{image_name(path.name)}_manifest.json")
    try:
        values = json.loads(manifest.read_bytes())
        with path.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        if sha256 in {one["sha256"] for one in values["outputs"]}:
            return [one["cpv"] for one in values["packages"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    return [f"(unknown: no {manifest.name} of this image beside it)"]


def _inspect_payload(path: Path) -> dict[str, object]:
    from sysextlib.payload.reader import read_payload

    payload = read_payload(path)
    manifest = payload.manifest
    info = manifest.new
    return {
        "payload": {
            "bytes": payload.size,
            "operations": len(manifest.operations),
            "signatures": ", ".join(f"version {one.version}" for one in payload.signatures),
        },
        "image": {
            "bytes": info.size if info else "(not stated)",
            "sha256": info.sha256.hex() if info and info.sha256 else "(not stated)",
        },
    }
