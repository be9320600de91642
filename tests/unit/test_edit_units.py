"""Presets turned into the links that enable units."""

import pytest

from sysextlib.edit.apply import apply_edits
from sysextlib.edit.changes import Edited
from sysextlib.errors import EditError
from sysextlib.toml_reader import TreePath
from sysextlib.tree import Kind, Tree, file_entry, link_entry
from sysextlib.verbs import Presets
from tests.builders.definition import CONTEXT, sysext

UNIT = "usr/lib/systemd/system/"
PRESET = TreePath("usr/lib/systemd/system-preset/50-zfs.preset")


def enabled(preset: str, optional: bool = False, **units: str) -> Edited:
    files = [file_entry(PRESET, preset.encode())] if preset else []
    files += [
        file_entry(UNIT + name.replace("_", "."), f"[Unit]\n[Install]\n{text}\n".encode())
        for name, text in units.items()
    ]
    definition = sysext(presets=(Presets(path=PRESET, optional=optional),))
    return apply_edits(Tree(files), definition, CONTEXT)


def links(edited: Edited) -> dict[str, str]:
    return {e.path.removeprefix(UNIT): e.target for e in edited.tree if e.kind is Kind.SYMLINK}


def test_an_enabled_unit_is_wanted_by_every_target_it_names():
    edited = enabled(
        "enable a.service\n", a_service="WantedBy=x.target y.target\nWantedBy=z.target"
    )
    assert links(edited) == {
        "x.target.wants/a.service": "../a.service",
        "y.target.wants/a.service": "../a.service",
        "z.target.wants/a.service": "../a.service",
    }


def test_other_kinds_of_install_lines_make_their_links():
    edited = enabled(
        "enable a.service", a_service="RequiredBy=x.target\nUpheldBy=x.target\nAlias=b.service"
    )
    assert links(edited) == {
        "x.target.requires/a.service": "../a.service",
        "x.target.upholds/a.service": "../a.service",
        "b.service": "a.service",
    }


def test_comments_and_other_sections_enable_nothing():
    text = "#WantedBy=x.target\n[Service]\nWantedBy=y.target\n[Install]\nWantedBy=\\\n z.target"
    edited = enabled("# enable b.service\nenable a.service", a_service=text, b_service="WantedBy=q")
    assert list(links(edited)) == ["z.target.wants/a.service"]


def test_the_first_line_that_names_a_unit_decides():
    edited = enabled(
        "disable a.service\nenable *.service\n", a_service="WantedBy=x.target",
        b_service="WantedBy=x.target",
    )  # fmt: skip
    assert list(links(edited)) == ["x.target.wants/b.service"]


def test_a_link_that_a_package_brought_already_is_fine():
    unit = file_entry(UNIT + "a.service", b"[Install]\nWantedBy=x.target\n")
    link = link_entry(UNIT + "x.target.wants/a.service", "../a.service")
    tree = Tree([unit, link, file_entry(PRESET, b"enable a.service")])
    edited = apply_edits(tree, sysext(presets=(Presets(path=PRESET),)), CONTEXT)
    assert (edited.tree, edited.log) == (tree, ())


def test_a_unit_that_is_not_there_is_passed_over_and_logged():
    edited = enabled("enable gone.service\nenable a.service", a_service="WantedBy=x.target")
    assert edited.log[0].detail == "no such unit: passed over"
    assert edited.log[0].path == UNIT + "gone.service"
    assert list(links(edited)) == ["x.target.wants/a.service"]


@pytest.mark.parametrize("preset", ["", "disable a.service", "enable gone.service"])
def test_a_preset_that_enables_nothing_is_an_error_unless_optional(preset):
    with pytest.raises(EditError, match="presets found no"):
        enabled(preset, a_service="WantedBy=x.target")
    assert links(enabled(preset, optional=True, a_service="WantedBy=x.target")) == {}
