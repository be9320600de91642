"""The image tools of this machine, for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sysextlib.errors import MissingToolError, ToolError
from sysextlib.system.run import run
from sysextlib.system.tools import Tools
from tests.builders.needs import unmet

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def image_tools(*names: str) -> Tools:
    """Return the tools when these programs are among them; else skip, or fail in CI."""
    tools = Tools.locate()
    try:
        tools.require(*names)
    except MissingToolError as error:
        unmet(str(error))
    return tools


def repart_image(out: Path, partitions: Mapping[str, str], keys: Path, *more: str) -> Path:
    """Have systemd-repart make an image, and return where it is.

    :param partitions: what the definition of each says, by its type, in their order.
    :param keys: folder of sysexts.key and sysexts.crt. :param more: further options.
    """
    definitions = out.with_name("definitions")
    definitions.mkdir()
    for at, (kind, rest) in enumerate(partitions.items()):
        text = f"[Partition]\nType={kind}\nVerityMatchKey=root\n{rest}\n"
        (definitions / f"{at}.conf").write_text(text)
    try:
        run(
            [
                *image_tools("systemd-repart").argv("systemd-repart"), "--empty=create",
                "--size=auto", "--dry-run=no", "--architecture=x86-64",
                f"--definitions={definitions}", f"--private-key={keys}/sysexts.key",
                f"--certificate={keys}/sysexts.crt", *more, out,
            ],
            name="systemd-repart",
        )  # fmt: skip
    except ToolError as error:
        if "Permission denied" in str(error):
            unmet(f"systemd-repart may not work here: {error}")
        raise
    return out
