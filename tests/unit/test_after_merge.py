"""The unit that does for an extension what the boot did before it was merged."""

from dataclasses import replace

import pytest

from sysextlib.edit.after_merge import PROGRAMS, add_after_merge
from sysextlib.errors import EditError
from sysextlib.tree import Tree, link_entry
from tests.builders.definition import CONTEXT, EPOCH, sysext, tree_of

UNITS = "usr/lib/systemd/system/"
UNIT = UNITS + "flatcar-demo-after-merge.service"


def added(tree: Tree) -> dict[str, str]:
    made = add_after_merge(tree, sysext(), CONTEXT)
    texts = {}
    for change in made.log:
        entry = made.tree[change.path]
        assert entry.content is not None
        assert (entry.mode, entry.mtime) == (0o644, EPOCH)
        texts[entry.path] = entry.content.read().decode()
    return texts


def calls(tree: Tree) -> list[str]:
    text = added(tree).get(UNIT, "")
    return [line for line in text.splitlines() if line.startswith("ExecStart")]


def test_an_extension_without_such_files_stays_as_it_is():
    tree = tree_of("usr/bin/a", UNITS + "a.service", "usr/lib/sysusers.d/")
    assert add_after_merge(tree, sysext(), CONTEXT).tree == tree


@pytest.mark.parametrize(("folder", "program"), PROGRAMS.items())
def test_the_program_of_each_folder_reads_what_the_extension_brings(folder, program):
    tree = tree_of(f"{folder}/b.conf", f"{folder}/a.conf", f"{folder}/README", f"{folder}/x/c.conf")
    assert calls(tree) == [f"ExecStart=-{program} a.conf b.conf"]


def test_users_are_made_before_files_that_belong_to_them():
    tree = tree_of("usr/lib/tmpfiles.d/a.conf", "usr/lib/sysusers.d/a.conf")
    assert [line.split()[0] for line in calls(tree)] == [
        "ExecStart=-systemd-sysusers",
        "ExecStart=-systemd-tmpfiles",
    ]


def test_what_the_base_has_too_was_done_at_boot():
    tree = tree_of("usr/lib/sysusers.d/a.conf", "usr/lib/sysusers.d/base.conf")
    context = replace(CONTEXT, read_base=lambda path: b"" if path.endswith("base.conf") else None)
    text = add_after_merge(tree, sysext(), context).tree[UNIT].content
    assert text is not None
    assert b"systemd-sysusers a.conf\n" in text.read()


def test_units_of_the_extension_wait_for_it():
    alias = link_entry(UNITS + "alias.service", "a.service")
    names = ("a.service", "a.socket", "b@.service", "c.mount", "d.target", "e.timer")
    units = tree_of("usr/lib/sysusers.d/a.conf", *(UNITS + name for name in names))
    texts = added(units.updated([alias]))
    dropin = ".d/10-flatcar-demo-after-merge.conf"
    waiting = {path: text for path, text in texts.items() if "Wants=" in text}
    assert set(waiting) == {UNITS + name + dropin for name in names[:4]}
    wanted = (
        "[Unit]\nWants=flatcar-demo-after-merge.service\nAfter=flatcar-demo-after-merge.service\n"
    )
    assert set(waiting.values()) == {wanted}


def test_it_is_started_as_soon_as_the_extension_is_merged():
    texts = added(tree_of("usr/lib/modules-load.d/a.conf"))
    upheld = texts[UNITS + "multi-user.target.d/10-flatcar-demo-after-merge.conf"]
    assert upheld == "[Unit]\nUpholds=flatcar-demo-after-merge.service\n"


def test_a_package_that_brings_a_unit_of_that_name_is_an_error():
    with pytest.raises(EditError, match="after_merge would take the place"):
        added(tree_of("usr/lib/sysusers.d/a.conf", UNIT))
