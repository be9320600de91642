"""Images that a machine must not accept: each is a good one with one thing changed."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from sysextlib.image.ddi import read_ddi
from sysextlib.image.gpt import disk_size, render_gpt

if TYPE_CHECKING:
    from pathlib import Path

BLOCK = 4096


def flip(image: Path, out: Path, at: int) -> Path:
    """Copy the image with the byte at this offset changed."""
    shutil.copyfile(image, out)
    with out.open("r+b") as stream:
        stream.seek(at)
        byte = stream.read(1)[0]
        stream.seek(at)
        stream.write(bytes([byte ^ 0xFF]))
    return out


def altered_data(image: Path, out: Path, needle: bytes) -> Path:
    """Change a byte of a file in the image, in the middle of where ``needle`` is written.

    (What looks for a file system reads the first and the last blocks before it is merged.)
    """
    ddi = read_ddi(image)
    data = bytes(ddi.view(ddi.data))
    at = data.index(needle, (data.index(needle) + data.rindex(needle)) // 2)
    return flip(image, out, ddi.data.offset + at)


def altered_tree(image: Path, out: Path) -> Path:
    """Change a digest of the hash tree's top block."""
    return flip(image, out, read_ddi(image).hashes.offset + BLOCK)


def altered_signature(image: Path, out: Path) -> Path:
    """Change a byte of the signature's own value, which the PKCS#7 structure ends with."""
    return _with_signature(image, out, "signature")


def altered_root_hash(image: Path, out: Path) -> Path:
    """Name another root hash beside the signature than the one that was signed."""
    return _with_signature(image, out, "rootHash")


def _with_signature(image: Path, out: Path, key: str) -> Path:
    import base64

    ddi = read_ddi(image)
    told = json.loads(bytes(ddi.view(ddi.sign)).rstrip(b"\0"))
    if key == "rootHash":
        told[key] = ("0" if told[key][0] != "0" else "1") + told[key][1:]
    else:
        value = bytearray(base64.b64decode(told[key]))
        value[-9] ^= 0xFF
        told[key] = base64.b64encode(value).decode()
    text = json.dumps(told, separators=(",", ":")).encode()
    shutil.copyfile(image, out)
    with out.open("r+b") as stream:
        stream.seek(ddi.sign.offset)
        stream.write(text.ljust(ddi.sign.size, b"\0"))
    return out


def unsigned(image: Path, out: Path) -> Path:
    """Take the signature's partition out of the table: verity remains."""
    ddi = read_ddi(image)
    kept = ddi.partitions[:2]
    end = ddi.sign.offset
    size = disk_size(end)
    head, tail = render_gpt(ddi.disk, kept, size)
    data = bytearray(image.read_bytes()[:end].ljust(size, b"\0"))
    data[: len(head)] = head
    data[size - len(tail) :] = tail
    out.write_bytes(data)
    return out


def bare(image: Path, out: Path) -> Path:
    """Take the file system alone, without a table, hashes and signature."""
    ddi = read_ddi(image)
    out.write_bytes(ddi.view(ddi.data))
    return out
