"""Presets turned into the links that enable units."""

import pytest

from sysextlib.edit.apply import apply_edits
from sysextlib.edit.changes import Edited
from sysextlib.errors import EditError
from sysextlib.toml_reader import TreePath
from sysextlib.tree import Kind, Tree, file_entry, link_entry
from sysextlib.verbs import Membership, Presets, UpholdWants
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


def wants(*links: str, optional: bool = False, dropin: str = "") -> Edited:
    files = [file_entry(UNIT + "a.service", b""), file_entry(UNIT + "b@.service", b"")]
    files += [link_entry(UNIT + link, "../" + link.rpartition("/")[2]) for link in links]
    order = UpholdWants(target="multi-user.target", dropin=dropin, optional=optional)
    return apply_edits(Tree(files), sysext(uphold_wants=(order,)), CONTEXT)


def test_wants_links_become_a_drop_in_that_upholds():
    folder = "multi-user.target.wants/"
    edited = wants(folder + "a.service", folder + "b@1.service", "x.target.wants/a.service")
    assert links(edited) == {"x.target.wants/a.service": "../a.service"}
    content = edited.tree[UNIT + "multi-user.target.d/10-demo.conf"].content
    assert content is not None
    assert content.read() == b"[Unit]\nUpholds=a.service b@1.service\n"
    assert UNIT + "multi-user.target.wants" not in edited.tree


def test_a_folder_of_wants_with_more_than_links_stays():
    link = link_entry(UNIT + "multi-user.target.wants/a.service", "../a.service")
    more = file_entry(UNIT + "multi-user.target.wants/README", b"")
    tree = Tree([file_entry(UNIT + "a.service", b""), link, more])
    order = UpholdWants(target="multi-user.target", dropin="20-x")
    edited = apply_edits(tree, sysext(uphold_wants=(order,)), CONTEXT)
    assert more.path in edited.tree
    assert UNIT + "multi-user.target.d/20-x.conf" in edited.tree


def test_no_link_to_convert_is_an_error_unless_optional():
    with pytest.raises(EditError, match="uphold_wants found no link"):
        wants()
    assert wants(optional=True).log == ()


def test_a_link_to_a_unit_that_is_not_there_is_an_error():
    with pytest.raises(EditError, match=r"no unit c\.service"):
        wants("multi-user.target.wants/c.service")


def test_a_member_of_a_group_is_a_file_that_userdbd_reads():
    order = Membership(user="core", group="incus-admin")
    edited = apply_edits(Tree(), sysext(membership=(order,)), CONTEXT)
    content = edited.tree["usr/lib/userdb/core:incus-admin.membership"].content
    assert content is not None
    assert content.read() == b" \n"


@pytest.mark.parametrize("name", ["", "a b", "a/b", "A", "../x", "a:b"])
def test_what_is_no_account_is_refused(name):
    with pytest.raises(ValueError, match="no name of a user or group"):
        Membership(user=name, group="g")


def test_udev_waits_by_a_drop_in_that_the_next_boot_finds():
    edited = apply_edits(Tree(), sysext(udev_waits=True), CONTEXT)
    path = UNIT + "systemd-udevd.service.d/10-demo.conf"
    texts = {e.path: e.content.read().decode() for e in edited.tree if e.content}
    assert texts[path] == "[Unit]\nAfter=systemd-sysext.service\n"
    line = f"C /etc/systemd/system/systemd-udevd.service.d/10-demo.conf - - - - /{path}\n"
    assert texts["usr/lib/tmpfiles.d/10-demo.conf"] == line
