"""Reads all of a script as bash does: what stands in ``$(...)`` too, and what never runs.

The evaluator reads such text when it runs it. A damaged script whose only fault is in text that
never runs is one that bash refuses and the evaluator takes: that is known and told.
"""

from __future__ import annotations

import dataclasses

from sysextlib.ebuild.failure import ScriptSyntaxError, UnsupportedError
from sysextlib.ebuild.nodes import Arithmetic, Assign, Function, Redirect, Word
from sysextlib.ebuild.parser import extended_glob_in, parse_body, parse_commands
from sysextlib.ebuild.parts import HEREDOC, WORD, Substitution, parse_parts


def read_all(node: object) -> None:
    """Read a tree of commands to its last quote.

    :raises ScriptSyntaxError: something in it breaks the grammar.
    """
    if isinstance(node, tuple):
        for item in node:
            read_all(item)
    elif isinstance(node, Function):
        read_all(parse_body(node))
    elif isinstance(node, Word):
        _read_text(node.text)
    elif isinstance(node, Assign):
        read_all((node.subscript, node.value, node.array))
    elif isinstance(node, Redirect):
        read_all(node.target)
        if node.body and not node.literal:
            _read_text(node.body, HEREDOC)
    elif isinstance(node, Arithmetic):
        _read_text(node.text)
    elif isinstance(node, Substitution):
        commands = parse_commands(node.text)
        if extended_glob_in(commands):
            raise ScriptSyntaxError("an extended glob in a substitution that may never run", 0)
        read_all(commands)
    elif dataclasses.is_dataclass(node):
        read_all(tuple(getattr(node, field.name) for field in dataclasses.fields(node)))


def _read_text(text: str, mode: str = WORD) -> None:
    if mode == WORD and text.startswith(("<(", ">(")):
        read_all(parse_commands(text[2:-1]))
    try:
        parts = parse_parts(text, mode)
    except UnsupportedError:
        return  # it has no meaning here, but is no fault
    read_all(parts)
