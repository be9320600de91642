"""Kernel modules in an extension: how modprobe finds them although the base's index lacks them.

A merged extension shows its modules below the base's usr/lib/modules/VERSION, but modules.dep
there is the base's and knows nothing of them; an index in the extension would hide the base's
instead. As upstream does, modprobe.d gets an install line for each module that calls a helper,
which runs depmod over both in a mount namespace of its own and then modprobe.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sysextlib.edit.changes import Change, EditContext, Edited, nothing_matched
from sysextlib.edit.files import put
from sysextlib.errors import EditError
from sysextlib.tree import Entry, Kind, Tree, file_entry

if TYPE_CHECKING:
    from sysextlib.definition import SysextDef

MODULES = "usr/lib/modules"
MODULE_NAME = re.compile(r"(.+)\.ko(\.(xz|zst|gz))?")

_HELPER = """\
#!/bin/sh
# Runs modprobe for the kernel modules of the system extension {name}. The index of the base image
# does not list them: this makes an index over both, seen by nothing but this modprobe.
set -eu

if [ "${{1-}}" != --in-namespace ]; then
    exec unshare --mount --propagation private -- "$0" --in-namespace "$@"
fi
shift

modules=/usr/lib/modules/$(uname -r)
if ! mountpoint -q "$modules"; then
    scratch=/run/sysext-modprobe
    mkdir -p "$scratch"
    mount -t tmpfs -o mode=0700 tmpfs "$scratch"
    mkdir "$scratch/upper" "$scratch/work"
    layers="lowerdir=$modules,upperdir=$scratch/upper,workdir=$scratch/work"
    mount -t overlay -o "$layers" overlay "$modules"
    depmod
fi
exec modprobe --ignore-install "$@"
"""


def add_helper(tree: Tree, definition: SysextDef, context: EditContext) -> Edited:
    """Add upstream's modprobe.d lines and helper, and remove the index files beside the modules.

    Source of the names: sysext_mangle_kmod of flatcar/scripts. Its lines have the order of a
    directory; ours are sorted.

    :raises EditError: there is no module for the board's kernel, or one for another kernel.
    """
    found = kernel_modules(tree)
    if not found:
        raise nothing_matched("kernel_modules", f"module (*.ko) below {MODULES}")
    wrong = [entry.path for entry in found if not entry.parts[3].endswith(context.kernel_suffix)]
    if wrong:
        raise EditError(
            f"{wrong[0]} is for another kernel than the board's",
            {"the board's kernel ends with": context.kernel_suffix},
        )
    helper = f"usr/libexec/_{definition.name}_modprobe_helper"
    names = sorted({module_name(entry.name) for entry in found})
    lines = [
        line
        for name in names
        for line in (f"install {name} /{helper} {name}", f"remove {name} /{helper} -r {name}")
    ]
    conf = f"usr/lib/modprobe.d/10-{definition.name}-kmod-sysext.conf"
    script = _HELPER.format(name=definition.name)
    own = [
        _text(conf, "".join(line + "\n" for line in lines), 0o644, context),
        _text(helper, script, 0o755, context),
    ]
    index = [entry.path for entry in tree if _is_index(entry)]
    log = [
        Change(path, "kernel_modules", "index of modules, the base has its own") for path in index
    ]
    tree = tree.without(index)
    for entry in own:
        edited = put(tree, entry, definition, "kernel_modules")
        tree = edited.tree
        log += edited.log
    return Edited(tree, tuple(log))


def kernel_modules(tree: Tree) -> tuple[Entry, ...]:
    """Return the kernel modules of a tree in the order of their paths."""
    return tuple(
        entry
        for entry in tree
        if entry.kind is Kind.FILE
        and entry.path.startswith(MODULES + "/")
        and len(entry.parts) > 4
        and MODULE_NAME.fullmatch(entry.name)
    )


def module_name(file_name: str) -> str:
    """Return what modprobe calls the module in a file: its name up to ".ko"."""
    match = MODULE_NAME.fullmatch(file_name)
    return match.group(1) if match else file_name


def _is_index(entry: Entry) -> bool:
    """Tell whether a file lies right beside the folders of a kernel's modules."""
    in_place = len(entry.parts) == 5 and entry.path.startswith(MODULES + "/")
    return in_place and entry.kind is Kind.FILE and not MODULE_NAME.fullmatch(entry.name)


def _text(path: str, text: str, mode: int, context: EditContext) -> Entry:
    return file_entry(path, text.encode(), mode=mode, mtime=context.epoch, origin="definition")
