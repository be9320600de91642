"""Kernel modules in an extension: how modprobe finds them although the base's index lacks them.

A merged extension shows its modules below the base's usr/lib/modules/VERSION, but modules.dep
there is the base's and knows nothing of them; an index in the extension would hide the base's
instead. Upstream's way (``helper``): modprobe.d gets an install line for each module that calls a
script, which runs depmod over both in a mount namespace of its own and then modprobe. Our way
(``index``): the index of our modules and of what they need of the base is made when the extension
is built, lies in a folder of the extension's own, and the install lines call modprobe with that
folder (``--dirname``): no script, no mount, no depmod, no privilege beyond modprobe's.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sysextlib.edit.changes import Change, EditContext, Edited, nothing_matched
from sysextlib.edit.files import put
from sysextlib.edit.module_index import index_file
from sysextlib.errors import EditError
from sysextlib.kernel_module import (
    MODULE_NAME,
    MODULES,
    KernelModule,
    ModuleFormatError,
    kernel_name,
    module_name,
    read_module,
)
from sysextlib.tree import Entry, Kind, Tree, file_entry, link_entry
from sysextlib.verbs import KernelModules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sysextlib.definition import SysextDef

SOFT_NAME = re.compile(r"[A-Za-z0-9_-]{1,63}")  # it reaches a shell
MODPROBE = "/sbin/modprobe"  # where the kernel itself looks for it

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


def add_modules(tree: Tree, definition: SysextDef, context: EditContext) -> Edited:
    """Let modprobe find the modules, in the way that the definition chose.

    Index files beside the modules go: they would hide the base's.

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
    if definition.kernel_modules is KernelModules.INDEX:
        own = _index(found, definition, context)
    else:
        own = _helper(found, definition, context)
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


def _helper(found: tuple[Entry, ...], definition: SysextDef, context: EditContext) -> list[Entry]:
    """Return upstream's modprobe.d lines and helper.

    Source of the names: sysext_mangle_kmod of flatcar/scripts. Its lines have the order of a
    directory; ours are sorted.
    """
    helper = f"usr/libexec/_{definition.name}_modprobe_helper"
    names = sorted({module_name(entry.name) for entry in found})
    lines = [
        line
        for name in names
        for line in (f"install {name} /{helper} {name}", f"remove {name} /{helper} -r {name}")
    ]
    script = _HELPER.format(name=definition.name)
    return [
        _text(_conf(definition), "".join(line + "\n" for line in lines), 0o644, context),
        _text(helper, script, 0o755, context),
    ]


def _index(found: tuple[Entry, ...], definition: SysextDef, context: EditContext) -> list[Entry]:
    """Return an index of our modules and what they need of the base, and the lines to use it."""
    folder = f"usr/share/{definition.name}/modules"
    lines: list[str] = []
    own: list[Entry] = [
        link_entry(f"{folder}/lib", "usr/lib", mtime=context.epoch, origin="definition")
    ]
    for kernel in sorted({entry.parts[3] for entry in found}):
        modules = {entry.path: _module(entry) for entry in found if entry.parts[3] == kernel}
        place = f"{folder}/{MODULES}/{kernel}"
        depends = _dependencies(modules, kernel, definition, context)
        aliases = [
            (alias, module.name) for module in modules.values() for alias in module.values("alias")
        ]
        symbols = [
            (f"symbol:{symbol}", module.name)
            for module in modules.values()
            for symbol in module.exports
        ]
        files = {
            "modules.dep": "".join(f"{line}\n" for _, line in depends).encode(),
            "modules.dep.bin": index_file(depends),
            "modules.alias.bin": index_file(aliases),
            "modules.symbols.bin": index_file(symbols),
            "modules.builtin.bin": index_file([]),
        }
        own += [
            file_entry(f"{place}/{name}", data, mtime=context.epoch, origin="definition")
            for name, data in files.items()
        ]
        for module in sorted(modules.values(), key=lambda module: module.name):
            call = f"{MODPROBE} --dirname=/{folder}"
            lines += [f"alias {alias} {module.name}" for alias in module.values("alias")]
            before, after = _soft(module)
            lines += [
                f"install {module.name} {before}{call} --ignore-install $CMDLINE_OPTS"
                f" {module.name}{after}",
                f"remove {module.name} {call} --ignore-remove -r $CMDLINE_OPTS {module.name}",
            ]
    text = "".join(f"{line}\n" for line in dict.fromkeys(lines))
    return [_text(_conf(definition), text, 0o644, context), *own]


def _soft(module: KernelModule) -> tuple[str, str]:
    """Return the commands before and after a module is loaded, for what it would like beside it.

    A softdep line is no way: modprobe lets it win over the install line, modprobe.d(5).
    """
    words: dict[str, list[str]] = {"pre:": [], "post:": []}
    for line in module.values("softdep"):
        at = ""
        for word in line.split():
            if word in words:
                at = word
            elif at and SOFT_NAME.fullmatch(word):
                words[at].append(word)
    commands = {at: f"{MODPROBE} -qa {' '.join(names)}" for at, names in words.items() if names}
    before = f"{commands['pre:']}; " if "pre:" in commands else ""
    return before, f" && {{ {commands['post:']}; true; }}" if "post:" in commands else ""


def _dependencies(
    modules: Mapping[str, KernelModule],
    kernel: str,
    definition: SysextDef,
    context: EditContext,
) -> list[tuple[str, str]]:
    """Return name and line of modules.dep for our modules and all that they need.

    Paths are absolute, for the index lies elsewhere than the modules.

    :raises EditError: a module needs one that neither we nor the base have.
    """
    known = _base_dependencies(kernel, context)
    paths = {module.name: f"/{path}" for path, module in modules.items()}
    needs = {module.name: module.depends for module in modules.values()}
    found: dict[str, str] = {}
    todo = sorted(needs)
    while todo:
        name = todo.pop()
        if name in found:
            continue
        if name in paths:
            order: dict[str, None] = {}
            _collect(name, needs, known, order, definition)
            words = [paths.get(one) or known[one][0] for one in reversed(order)]
        elif name in known:
            _, below = known[name]
            order = dict.fromkeys(kernel_name(module_name(one.rpartition("/")[2])) for one in below)
            words = list(below)
        else:  # the base's own index is not whole
            continue
        own = paths.get(name) or known[name][0]
        found[name] = f"{own}: {' '.join(words)}".rstrip()
        todo += order
    return sorted(found.items())


def _collect(
    name: str,
    needs: Mapping[str, tuple[str, ...]],
    known: Mapping[str, tuple[str, tuple[str, ...]]],
    order: dict[str, None],
    definition: SysextDef,
) -> None:
    """Add all that a module needs, each after what it needs itself."""
    for need in needs.get(name, ()):
        if need in order:
            continue
        if need in needs:
            _collect(need, needs, known, order, definition)
        elif need in known:
            for path in reversed(known[need][1]):
                order.setdefault(kernel_name(module_name(path.rpartition("/")[2])))
        else:
            raise EditError(
                f"kernel module {name} of {definition.key} needs {need}, which nobody has",
                {"looked for in": "the packages, and modules.dep of the base image"},
            )
        order.setdefault(need)


def _base_dependencies(kernel: str, context: EditContext) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return path and needs, both absolute, of every module of the base by its name."""
    data = context.read_base(f"{MODULES}/{kernel}/modules.dep") or b""
    known: dict[str, tuple[str, tuple[str, ...]]] = {}
    for line in data.decode("utf-8", "replace").splitlines():
        path, colon, rest = line.partition(":")
        if colon:
            name = kernel_name(module_name(path.rpartition("/")[2]))
            words = (path, *rest.split())
            whole = tuple(
                word if word.startswith("/") else f"/{MODULES}/{kernel}/{word}" for word in words
            )
            known[name] = whole[0], whole[1:]
    return known


def _module(entry: Entry) -> KernelModule:
    assert entry.content is not None
    try:
        module = read_module(entry.content.read(), entry.name)
        for word in (module.name, *module.values("alias")):
            if not word.isascii() or not word.isprintable() or " " in word:
                raise ModuleFormatError(f"it has the name {word!r}")
        if not SOFT_NAME.fullmatch(module.name):
            raise ModuleFormatError(f"it is called {module.name!r}")
        return module
    except ModuleFormatError as error:
        raise EditError(
            f"{entry.path} is no kernel module", {"brought by": entry.origin, "reason": error}
        ) from error


def _conf(definition: SysextDef) -> str:
    return f"usr/lib/modprobe.d/10-{definition.name}-kmod-sysext.conf"


def _is_index(entry: Entry) -> bool:
    """Tell whether a file lies right beside the folders of a kernel's modules."""
    in_place = len(entry.parts) == 5 and entry.path.startswith(MODULES + "/")
    return in_place and entry.kind is Kind.FILE and not MODULE_NAME.fullmatch(entry.name)


def _text(path: str, text: str, mode: int, context: EditContext) -> Entry:
    return file_entry(path, text.encode(), mode=mode, mtime=context.epoch, origin="definition")
