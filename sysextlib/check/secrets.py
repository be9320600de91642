"""What must not be published: private keys and password databases."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sysextlib.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sysextlib.check.merged import Merged

LARGEST = 256 << 10  # bytes of a file that is looked into
NAMES = re.compile(r"opasswd|krb5\.keytab|ssh_host_\w+_key")
SHADOW = re.compile(r"g?shadow-?")
BINARY = (b"\x7fELF", b"\x1f\x8b", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"\x89PNG")
_KEY = re.compile(
    rb"^-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----[ \t]*\r?\n"
    rb"(?:[A-Za-z-]+: [^\n]*\n){0,5}\s*[A-Za-z0-9+/=]{32}",
    re.MULTILINE,
)
_HASH = re.compile(rb"^[a-z_][\w-]*:\$(?:1|2[aby]?|5|6|7|y|gy|apr1)\$[^:\n]{8,}", re.MULTILINE)
_SHADOW_LINE = re.compile(rb"^[\w.-]+:[^:\n]*:[^:\n]*:", re.MULTILINE)


def check_secrets(merged: Merged) -> Iterator[Finding]:
    """Yield the files that look like a secret of the machine that built them."""
    for path, head in merged.heads.items():
        name = path.rpartition("/")[2]
        content = merged.tree[path].content
        if NAMES.fullmatch(name):
            yield Finding("secret", path, "it is where passwords or keys lie")
        elif content is None or content.size > LARGEST or head.startswith(BINARY):
            continue
        else:
            data = content.read()
            if b"PRIVATE KEY" in data and _KEY.search(data):
                yield Finding("secret", path, "it holds a private key")
            elif SHADOW.fullmatch(name) and _SHADOW_LINE.search(data):
                yield Finding("secret", path, "it is a database of passwords")
            elif b":$" in data and _HASH.search(data):
                yield Finding("secret", path, "it holds a password's hash")
