"""What the package manager defines for ebuilds: inherit, EXPORT_FUNCTIONS, die, has ...

Facts from PMS chapters 10 and 12, and from what Portage does where PMS leaves it open.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from sysextlib.ebuild.builtins import BUILTINS, texts
from sysextlib.ebuild.failure import ScriptError, UnsupportedError
from sysextlib.ebuild.fields import DEFAULT_IFS
from sysextlib.ebuild.flow import Defined, Frame
from sysextlib.ebuild.nodes import Function
from sysextlib.ebuild.output import write
from sysextlib.ebuild.parser import parse_commands
from sysextlib.ebuild.shell import Shell
from sysextlib.ebuild.version_commands import ver_cut, ver_rs, ver_test

if TYPE_CHECKING:
    from sysextlib.ebuild.nodes import Block
    from sysextlib.ebuild.repository import Eclass, EclassSource
    from sysextlib.ebuild.shell import Argument, Builtin

ACCUMULATED: Final = (
    "IUSE", "REQUIRED_USE", "DEPEND", "RDEPEND", "PDEPEND", "BDEPEND", "IDEPEND",
)  # fmt: skip
_LOCALS: Final = ("__export_funcs_var", "repo_location", "location", "potential_location", "x")

_SILENT: Final = (
    "debug-print", "debug-print-function", "debug-print-section",
)  # fmt: skip
_MESSAGES: Final = (
    "einfo", "einfon", "elog", "ewarn", "eerror", "eqawarn", "ebegin", "eend",
)  # fmt: skip
_FORBIDDEN: Final = (
    "diropts", "docompress", "dostrip", "exeopts", "get_KV", "insopts", "KV_major", "KV_micro",
    "KV_minor", "KV_to_int", "libopts", "register_die_hook", "register_success_hook", "use", "useq",
    "usev", "use_with", "use_enable", "best_version", "has_version", "portageq", "addread",
    "addwrite", "adddeny", "addpredict",
)  # fmt: skip
_MISSING: Final = (
    "awk", "bash", "cc", "egrep", "equery", "fgrep", "g++", "gawk", "gcc", "grep", "javac",
    "java-config", "nawk", "perl", "pkg-config", "python", "python-config", "sed",
)  # fmt: skip
"""Programs for which Portage has functions that only tell that there is none (status 127)."""


class EbuildShell(Shell):
    """A shell that reads one ebuild.

    :ivar eclasses: those that were sourced, in the order of first sourcing.
    :ivar inherited: arguments of inherit in the ebuild itself, repetitions kept.
    :ivar gathered: values that eclasses gave to accumulated variables, in order of completion.
    """

    def __init__(self, eapi: int, source: EclassSource) -> None:
        options = ["failglob"] if eapi >= 6 else []
        compatibility = 32 if eapi < 6 else 42 if eapi < 8 else 50 if eapi == 8 else 53
        super().__init__(commands_of(eapi), compatibility=compatibility, options=options)
        self.eapi = eapi
        self.source = source
        self.eclasses: dict[str, Eclass] = {}
        self.inherited: list[str] = []
        self.running: list[tuple[str, list[str]]] = []
        names = ACCUMULATED if eapi < 8 else (*ACCUMULATED, "PROPERTIES", "RESTRICT")
        self.accumulated = names
        self.gathered: dict[str, str] = {}


def inherit(shell: Shell, arguments: list[Argument]) -> int:
    """Source eclasses; what they set in accumulated variables is gathered, not kept."""
    assert isinstance(shell, EbuildShell)
    words = texts(shell, arguments)
    variables = shell.variables
    if shell.expansion.ifs() != DEFAULT_IFS:
        raise UnsupportedError("inherit while IFS is changed")
    shell.descend("inherit")
    shell.frames.append(Frame("inherit", "ebuild.sh"))
    variables.enter()
    variables.make_local("ECLASS").exported = True
    for name in (*_LOCALS, *(f"B_{name}" for name in ACCUMULATED), "B_PROPERTIES", "B_RESTRICT"):
        variables.make_local(name)
    outer = shell.positional
    for index, word in enumerate(words):
        if not word:
            break
        shell.positional = words[index:]
        _inherit_one(shell, word)
    shell.positional = outer
    variables.leave()
    shell.frames.pop()
    shell.depth -= 1
    return 0


def _inherit_one(shell: EbuildShell, word: str) -> None:
    variables = shell.variables
    name = word.rpartition("/")[2]
    variables.set("ECLASS", name)
    eclass = shell.source.eclass(name)
    saved = {}
    for key in shell.accumulated:
        variable = variables.get(key)
        if variable is not None:
            if variable.is_set:
                saved[key] = variable.scalar() or ""
            variables.unset(key)
    exports: list[str] = []
    shell.running.append((name, exports))
    shell.frames += [Frame("__qa_source", "ebuild.sh"), Frame("source", eclass.file)]
    positional = shell.positional
    shell.positional = [eclass.file]
    depth = len(shell.running)
    if depth == 1:
        shell.inherited.append(word)
    if sum(1 for other, _ in shell.running if other == name) > 8:
        raise ScriptError(f"{name}.eclass inherits itself without end")
    shell.eclasses.setdefault(word, eclass)
    status = _source(shell, eclass)
    shell.positional = positional
    del shell.frames[-2:]
    shell.running.pop()
    if status != 0:
        raise ScriptError(f"the last command of {name}.eclass failed, which ends the ebuild")
    for key in shell.accumulated:
        variable = variables.get(key)
        if variable is not None and variable.is_set:
            before = shell.gathered.get(key, "")
            shell.gathered[key] = before + (" " if before else "") + (variable.scalar() or "")
        if key in saved:
            variables.set(key, saved[key])
        elif variable is not None:
            variables.unset(key)
    _export(shell, name, exports)


def _source(shell: EbuildShell, eclass: Eclass) -> int:
    place = (shell.file, shell.base, shell.line)
    status = shell.run_file(eclass.block, eclass.file)
    shell.file, shell.base, shell.line = place
    return status


def _export(shell: EbuildShell, eclass: str, phases: list[str]) -> None:
    """Define the phase functions that an eclass exports."""
    for phase in phases:
        target = f"{eclass}_{phase}"
        if target not in shell.functions:
            raise ScriptError(f"EXPORT_FUNCTIONS: {target} is not defined")
        function = Function(phase, f'{target} "$@"', shell.line, 0)
        function.parsed = _forward(target)
        shell.functions[phase] = Defined(function, shell.file, shell.base, extended=False)


def _forward(target: str) -> Block:
    return parse_commands(f'{target} "$@"')


def export_functions(shell: Shell, arguments: list[Argument]) -> int:
    """Remember which phase functions the eclass that is read exports."""
    assert isinstance(shell, EbuildShell)
    if not shell.running:
        raise ScriptError("EXPORT_FUNCTIONS outside of an eclass")
    shell.running[-1][1].extend(word for text in texts(shell, arguments) for word in text.split())
    return 0


def die(shell: Shell, arguments: list[Argument]) -> int:
    """End the ebuild."""
    message = " ".join(texts(shell, arguments))
    raise ScriptError(f"it calls die: {message[:300]}" if message else "it calls die")


def assert_(shell: Shell, arguments: list[Argument]) -> int:
    """End the ebuild when the command before failed."""
    if shell.status != 0:
        return die(shell, arguments)
    return 0


def has(shell: Shell, arguments: list[Argument]) -> int:
    """Tell whether the first argument is among the others."""
    words = texts(shell, arguments)
    needle = words[0] if words else ""
    return int(needle not in words[1:])


def hasv(shell: Shell, arguments: list[Argument]) -> int:
    """Tell the same, and write the word when it is."""
    status = has(shell, arguments)
    if status == 0:
        write(shell, shell.argument_text(arguments[0]) + "\n")
    return status


def contains_word(shell: Shell, arguments: list[Argument]) -> int:
    """Tell whether the first argument is a word of the others."""
    words = texts(shell, arguments)
    if not words or not words[0] or words[0].split() != [words[0]]:
        return 1
    return int(words[0] not in " ".join(words[1:]).split())


def _silent(_: Shell, __: list[Argument]) -> int:
    return 0


def _message(shell: Shell, _: list[Argument]) -> int:
    """Take a message for the user, which nobody reads while metadata is made."""
    if shell.streams.stderr is not None:
        raise UnsupportedError("a message that is redirected")
    return 0


def _missing(shell: Shell, _: list[Argument]) -> int:
    if shell.streams.stderr is not None:
        raise UnsupportedError("a message that is redirected")
    return 127


def _forbidden(name: str) -> Builtin:
    def refuse(_: Shell, __: list[Argument]) -> int:
        raise ScriptError(f"{name} may not be called while metadata is read")

    return refuse


class Commands(Mapping[str, "Builtin"]):
    """The commands that are not functions of the script.

    :ivar functions: names that are functions to the script, so that ``declare -F`` knows them.
    """

    def __init__(self, own: Mapping[str, Builtin]) -> None:
        self.functions = frozenset(own)
        self._all = {**BUILTINS, **own}

    def __getitem__(self, name: str) -> Builtin:
        return self._all[name]

    def __contains__(self, name: object) -> bool:
        return name in self._all

    def get(self, name: str, default: object = None) -> Builtin | None:  # type: ignore[override]  # noqa: ARG002
        """Return a command, or None."""
        return self._all.get(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)


_TABLES: dict[int, Commands] = {}


def commands_of(eapi: int) -> Commands:
    """Return the commands that an ebuild of this EAPI may call in its global scope."""
    if eapi not in _TABLES:
        own: dict[str, Builtin] = {
            "inherit": inherit,
            "EXPORT_FUNCTIONS": export_functions,
            "die": die,
            "has": has,
            "contains_word": contains_word,
        }
        own.update(dict.fromkeys(_SILENT, _silent))
        own.update(dict.fromkeys(_MESSAGES, _message))
        own.update(dict.fromkeys(_MISSING, _missing))
        own.update({name: _forbidden(name) for name in _FORBIDDEN})
        if eapi >= 5:
            own["usex"] = _forbidden("usex")
        if eapi >= 6:
            own.update({name: _forbidden(name) for name in ("in_iuse", "get_libdir")})
        if eapi >= 7:
            own.update({"ver_cut": ver_cut, "ver_rs": ver_rs, "ver_test": ver_test})
        if eapi <= 7:
            own.update({"hasq": has, "hasv": hasv})
        if eapi <= 8:
            own["assert"] = assert_
        if eapi >= 9:
            own["ver_replacing"] = _forbidden("ver_replacing")
            own["pipestatus"] = _forbidden("pipestatus")
        _TABLES[eapi] = Commands(own)
    return _TABLES[eapi]
