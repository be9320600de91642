"""What a package's own phases would do to an image, told without running them.

A binary package brings shell functions that emerge runs when it merges (pkg_setup, pkg_preinst,
pkg_postinst). Nearly all of them come from eclasses and mean nothing in an image that is built
once and never changed: they print advice, or update a cache that the running system updates
itself. File capabilities are the exception, and become xattrs here. Any command that is not known
to be one of these is a finding, which a definition can acknowledge.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sysextlib.findings import Finding
from sysextlib.install.capabilities import capability_xattr
from sysextlib.install.environment import Environment
from sysextlib.install.shell import Command, commands
from sysextlib.install.shell_lexer import ShellError, unquote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sysextlib.gentoo.package import Package

PHASES = ("pkg_setup", "pkg_preinst", "pkg_postinst")  # those that run when a binary is merged
SHOWN = 5  # commands that a finding shows
CALL_LIMIT = 40  # functions within functions
# The hooks of a profile's bashrc: Portage's own names, and those of Flatcar's profile.
_HOOK = re.compile(r"(?:cros_)?(?:pre|post)_pkg_(?:setup|preinst|postinst)(?:_\w+)?")
_ROOT = re.compile(r"\$\{(?:EROOT|ROOT|EPREFIX|ED|D)(?:%/)?\}|\$(?:EROOT|ROOT|EPREFIX|ED|D)\b")

# Commands that change nothing: they print, test, or read.
HARMLESS = frozenset(
    """
    : [ [[ true false test echo printf cat grep egrep fgrep head tail cut tr sort uniq wc seq
    basename dirname readlink realpath uname stat ls pwd id date
    break continue return exit shift local declare typeset export unset readonly let read mapfile
    readarray set shopt type command hash getopts wait cd pushd popd
    einfo einfon elog ewarn eerror eqawarn ebegin eend eqatag debug-print debug-print-function
    debug-print-section die assert nonfatal has hasv hasq use usev useq usex use_enable use_with
    in_iuse has_version best_version ver_cut ver_rs ver_test ver_replacing
    get_libdir get_modname get_major_version get_version_component_range version_is_at_least
    replace_all_version_separators contains_word optfeature optfeature_header
    readme.gentoo_print_elog readme.gentoo-r1_print_elog
    """.split()  # noqa: SIM905 - a table in columns
)
# Functions of eclasses, and programs, whose work an image does not need: caches outside /usr or
# that the desktop makes again; checks of the build host; users, which sysusers.d makes; what
# depmod does, which our own edit of kernel modules does. Not here, because the result would lie
# in /usr and matter: eselect, glib-compile-schemas, users of the old user.eclass.
NO_EFFECT = frozenset(
    """
    ldconfig env-update depmod update_depmod update_moduledb remove_moduledb
    systemd_get_systemunitdir systemd_get_userunitdir systemd_get_systempresetdir
    systemd_get_utildir systemd_get_sleepdir systemd_get_systemgeneratordir systemd_is_booted
    systemd_reenable systemd_update_catalog systemd-hwdb systemd-sysusers systemd-tmpfiles
    journalctl udevadm udev_reload hwdb_update tmpfiles_process sysusers_process
    acct-user_pkg_pretend acct-user_pkg_preinst acct-user_pkg_postinst
    acct-group_pkg_pretend acct-group_pkg_preinst egetent egethome egetshell egetcomment
    egetgroups egetusername
    xdg_pkg_preinst xdg_pkg_postinst xdg_environment_reset xdg_desktop_database_update
    xdg_icon_cache_update xdg_mimeinfo_database_update gtk-update-icon-cache
    update-desktop-database update-mime-database gnome2_icon_savelist gnome2_icon_cache_update
    gnome2_schemas_savelist gnome2_gdk_pixbuf_savelist gnome2_environment_reset
    font_pkg_setup font_pkg_postinst font_xfont_config font_fontconfig fc-cache
    python-single-r1_pkg_setup python-any-r1_pkg_setup python_setup python_export
    lua-single_pkg_setup lua_setup ruby-single_pkg_setup rust_pkg_setup
    llvm_pkg_setup llvm-r1_pkg_setup llvm-r2_pkg_setup java-pkg-2_pkg_setup perl_set_version
    linux-info_pkg_setup linux-info_get_any_version check_extra_config get_version
    get_running_version linux_config_exists linux_chkconfig_present linux_chkconfig_module
    linux_chkconfig_builtin linux_chkconfig_string kernel_is require_configured_kernel
    check_kernel_built check_modules_supported set_arch_to_kernel set_arch_to_portage
    linux-mod_pkg_setup linux-mod_pkg_preinst linux-mod_pkg_postinst
    linux-mod-r1_pkg_setup linux-mod-r1_pkg_postinst
    check-reqs_pkg_setup check-reqs_pkg_pretend secureboot_pkg_setup
    tc-export tc-check-openmp tc-is-gcc tc-is-clang tc-is-cross-compiler append-flags vala_setup
    """.split()  # noqa: SIM905 - a table in columns
)
# Of Flatcar's profile.bashrc, and so in each of its packages: what calls the hooks, each of which
# is looked at by its own name, and one that removes debug symbols of what INSTALL_MASK kept out.
FLATCAR_HOOKS = frozenset({"cros_stack_hooks", "cros_post_pkg_preinst_rm_masked_debug_files"})
# systemctl's verbs that leave something behind; the others talk to the running system.
SYSTEMCTL_WRITES = frozenset({"enable", "disable", "reenable", "preset", "mask", "link", "edit"})


@dataclass(frozen=True, slots=True)
class FileCapability:
    """A call of fcaps: a file gets capabilities.

    :param path: relative to the root, as the package spells it.
    :param xattr: the value of security.capability.
    :param mode: the permission bits that it gets, or None when it keeps its own.
    :param denied: permission bits that are taken from its own.
    """

    path: str
    xattr: bytes
    mode: int | None = None
    denied: int = 0

    def mode_of(self, before: int) -> int:
        """Return the mode of a file that had ``before``."""
        return before & ~self.denied if self.mode is None else self.mode


@dataclass(frozen=True, slots=True)
class PhaseEffects:
    """What the phases of one package come to in an image."""

    capabilities: tuple[FileCapability, ...] = ()
    findings: tuple[Finding, ...] = ()


def phase_effects(package: Package, metadata: Mapping[str, bytes]) -> PhaseEffects:
    """Tell what the phases of a package would do.

    Hooks of the profile that were in force when the package was built count as phases too.

    :param metadata: VDB keys as the package carries them; environment.bz2 is read.
    :raises PackageError: environment.bz2 is damaged.
    """
    environment = Environment.of(metadata, str(package.cpv))
    defined = [phase for phase in PHASES if phase.removeprefix("pkg_") in package.defined_phases]
    names = environment.functions - FLATCAR_HOOKS
    hooks = sorted(name for name in names if _HOOK.fullmatch(name))
    capabilities: list[FileCapability] = []
    findings: list[Finding] = []
    for name in (*defined, *hooks):
        reading = _PhaseReading(package, environment)
        try:
            reading.function(name)
        except (ShellError, ValueError) as error:
            reading.unknown.append(f"({error})")
        capabilities += reading.capabilities
        if reading.unknown:
            findings.append(_unrun(package, name, reading.unknown))
    return PhaseEffects(tuple(capabilities), tuple(findings))


def _unrun(package: Package, phase: str, unknown: Iterable[str]) -> Finding:
    lines = list(dict.fromkeys(unknown))
    shown = [line if len(line) <= 120 else line[:117] + "..." for line in lines[:SHOWN]]
    if len(lines) > SHOWN:
        shown.append(f"and {len(lines) - SHOWN} more")
    return Finding(
        "unrun-phase",
        f"{package.cpv.cp}:{phase}",
        "\n".join([f"{phase} of {package.cpv} is not run, and would do:", *shown]),
    )


def _changes_nothing(name: str, arguments: tuple[str, ...]) -> bool:
    if name == "sed":
        return not any(re.match(r"-\w*i|--in-place", word) for word in arguments)
    if name == "systemctl":
        return not SYSTEMCTL_WRITES.intersection(arguments)
    return name in HARMLESS or name in NO_EFFECT or name in FLATCAR_HOOKS


class _PhaseReading:
    """One walk through a phase and the functions that it calls."""

    def __init__(self, package: Package, environment: Environment) -> None:
        self.capabilities: list[FileCapability] = []
        self.unknown: list[str] = []
        self._package = package
        self._environment = environment
        self._open: list[str] = []

    def function(self, name: str, *, certain: bool = True) -> None:
        """Classify the commands of a function."""
        body = self._environment.body(name)
        if body is None:
            self.unknown.append(f"({name} is not in environment.bz2)")
            return
        if name in self._open:  # it calls itself: what it does is already being counted
            return
        if len(self._open) > CALL_LIMIT:
            raise ShellError("functions call each other too deeply")
        self._open.append(name)
        for command in commands(body, self._decide):
            self._command(command, certain=certain and command.certain)
        self._open.pop()

    def _command(self, command: Command, *, certain: bool) -> None:
        words = command.words
        while words[0] in {"nonfatal", "command", "builtin", "LC_ALL=C"} and len(words) > 1:
            words = words[1:]
        name = words[0] if words[0] in HARMLESS else unquote(words[0])
        text = " ".join(words)
        if command.writes:
            self.unknown.append(" ".join([text, *(f"> {target}" for target in command.writes)]))
        elif name == "fcaps_pkg_postinst" and certain:
            self._file_capabilities()
        elif name == "fcaps" and certain:
            self.capabilities += self._fcaps([self._literal(word) for word in words[1:]])
        elif name is not None and _changes_nothing(name, words[1:]):
            pass
        elif name in self._environment.functions and name not in {"fcaps", "fcaps_pkg_postinst"}:
            self.function(name, certain=certain)
        else:
            self.unknown.append(text if certain else f"{text}  (under some condition)")

    def _decide(self, words: tuple[str, ...]) -> bool | None:
        """Tell the outcome of a condition on the first installation of a binary package."""
        if words[0] in {":", "true"}:
            return True
        if words[0] == "false":
            return False
        if words[0] == "use" and len(words) == 2:
            flag = unquote(words[1])
            if flag is None:
                return None
            return (flag.removeprefix("!") in self._package.use) != flag.startswith("!")
        if words[0] == "[[" and len(words) == 3:
            return self._decide_empty(words[1], words[2])
        if words[0] == "[[" and len(words) == 4:
            return self._decide_equal(words[1], words[2], words[3])
        return None

    def _decide_empty(self, operator: str, word: str) -> bool | None:
        values = {"REPLACING_VERSIONS": "", "EPREFIX": "", "ROOT": "set", "EROOT": "set"}
        name = re.sub(r"[\"${}]", "", word)
        if operator not in {"-z", "-n"} or name not in values:
            return None
        return (values[name] == "") == (operator == "-z")

    def _decide_equal(self, left: str, operator: str, right: str) -> bool | None:
        known = {"MERGE_TYPE": "binary", "ROOT": "set", "EROOT": "set"}
        name, value = re.sub(r"[\"${}]", "", left), unquote(right)
        if operator not in {"=", "==", "!="} or name not in known or value is None:
            return None
        if known[name] == "set" and value.strip("/"):
            return None
        return (known[name] == value) == (operator != "!=")

    def _file_capabilities(self) -> None:
        """Act on FILECAPS: calls of fcaps, separated by "--"."""
        call: list[str] = []
        for word in (*self._environment.array("FILECAPS"), "--"):
            if word == "--":
                self.capabilities += self._fcaps(call)
                call = []
            else:
                call.append(word)

    def _fcaps(self, words: list[str]) -> Iterator[FileCapability]:
        """Yield what one call of fcaps does.

        Its defaults changed over the years (modes 711 and, failing, 4711; since 2025 the file
        keeps its mode), so they are taken from the package's own copy. Without USE=filecaps it
        may make files setuid, which is left for the definition to decide.
        """
        options = {
            "-o": "",
            "-g": "",
            "-m": self._default("mode"),
            "-M": self._default("caps_mode"),
        }
        rest = list(words)
        while len(rest) > 1 and rest[0] in options:
            options[rest[0]] = rest[1]
            rest = rest[2:]
        if len(rest) < 2:
            raise ShellError(f"fcaps {' '.join(words)} is not understood")
        if "filecaps" not in self._package.use:
            if options["-m"]:
                self.unknown.append(f"fcaps {' '.join(words)}  (mode {options['-m']} instead)")
            return
        if not re.fullmatch("[0-7]{3,4}|", options["-M"]):
            raise ShellError(f"the mode {options['-M']} of fcaps is not understood")
        mode = int(options["-M"], 8) if options["-M"] else None
        text = rest[0] if re.search("[-=+]", rest[0]) else f"{rest[0]}=ep"
        xattr = capability_xattr(text)
        denied = 0o044 if self._environment.scalar("FCAPS_DENY_WORLD_READ") else 0
        for path in rest[1:]:
            yield FileCapability(path.strip("/"), xattr, mode, denied)

    def _default(self, variable: str) -> str:
        body = self._environment.body("fcaps") or ""
        match = re.search(rf"\b{variable}=['\"]?([^\s'\";]*)", body)
        return match[1] if match else ""

    def _literal(self, word: str) -> str:
        """Return what a word of a call means; a variable that names the root is dropped."""
        value = unquote(_ROOT.sub("", word))
        if value is None:
            raise ShellError(f"the word {word} is not understood")
        return value
