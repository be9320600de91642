"""The image tools of this machine, for tests."""

from __future__ import annotations

from sysextlib.errors import MissingToolError
from sysextlib.system.tools import Tools
from tests.builders.needs import unmet


def image_tools(*names: str) -> Tools:
    """Return the tools when these programs are among them; else skip, or fail in CI."""
    tools = Tools.locate()
    try:
        tools.require(*names)
    except MissingToolError as error:
        unmet(str(error))
    return tools
