"""The syntax of atoms (PMS 8.3), and which rule of it a text breaks.

Wildcards and repositories, which only configuration files and command lines may use, are as in
Portage: ``cat/*``, ``*/name``, ``=*/*-*9999*``, ``cat/name::repo``.
"""

from __future__ import annotations

import re
from typing import Final, NoReturn, TypedDict

from sysextlib.errors import ValueSyntaxError
from sysextlib.gentoo.cpv import CATEGORY, is_name, split_pf
from sysextlib.gentoo.eapi import EapiFeatures, features
from sysextlib.gentoo.use import UseDep, read_use_dep
from sysextlib.gentoo.version import Version

MAX_LENGTH: Final = 8192
"""Characters of the longest atom read; USE dependencies make the long ones."""

SLOT: Final = r"[A-Za-z0-9_][A-Za-z0-9+_.-]*"  # PMS 3.1.3
REPO: Final = r"[A-Za-z0-9_][A-Za-z0-9_-]*"  # PMS 3.1.5

_HEAD: Final = r"(!{0,2})([<>]=?|[=~])?"
_PF: Final = r"[A-Za-z0-9_][A-Za-z0-9+_.-]*"
_SLOT: Final = rf"(?::(?:({SLOT})(?:/({SLOT}))?(=)?|([*=])))?"
_REPO: Final = rf"(?:::({REPO}))?"
_ATOM = re.compile(rf"{_HEAD}({CATEGORY})/({_PF})(\*)?{_SLOT}{_REPO}(?:\[([^\]]*)\])?")
_WILDCARD = re.compile(
    r"(!{0,2})(=)?([A-Za-z0-9_*][A-Za-z0-9+_.*-]*)/([A-Za-z0-9_*][A-Za-z0-9+_*-]*?)"
    rf"(?(2)-\*([A-Za-z0-9_]+)\*){_SLOT}{_REPO}"
)


class AtomFields(TypedDict, total=False):
    """The parts of an atom, by the names that ``Atom`` gives them; absent is empty."""

    category: str
    name: str
    blocker: str
    op: str
    version: Version | None
    glob: bool
    slot: str
    subslot: str
    slot_op: str
    use: tuple[UseDep, ...]
    repo: str
    version_part: str


def read_atom(text: str, eapi: str, *, wildcards: bool, repos: bool) -> AtomFields:
    """Take an atom apart.

    :raises ValueSyntaxError: it breaks a rule, which the error names.
    """
    rules = features(eapi)
    if len(text) > MAX_LENGTH:
        raise ValueSyntaxError(f"an atom of {len(text)} characters", text=text)
    match = _ATOM.fullmatch(text)
    if match is not None and not (wildcards and match[5] and not match[2]):
        fields = _plain(text, match)
    elif wildcards and "*" in text and "**" not in text and (match := _WILDCARD.fullmatch(text)):
        fields = _wildcard(text, match)
    else:
        _explain(text, wildcards=wildcards)
    if fields["repo"] and not (repos or wildcards):
        _refuse(text, text.index("::"), "no EAPI lets a dependency name a repository")
    if not rules.slot_operators:  # the newest of the features checked
        _check_eapi(text, fields, rules)
    return fields


def _plain(text: str, match: re.Match[str]) -> AtomFields:
    blocker, op, category, name, glob, slot, subslot, bound, either, repo, _ = match.groups("")
    version = None
    if op:
        parts = split_pf(name)
        if parts is None:
            _explain_version(text, match.start(4), name)
        if glob and op != "=":
            _refuse(text, match.start(5), f"an asterisk after the version needs = before, not {op}")
        name, version = parts[0], Version.parse(parts[1])
    elif glob or not is_name(name):
        _explain_name(text, match.start(4), name)
    return AtomFields(
        category=category,
        name=name,
        blocker=blocker,
        op=op,
        version=version,
        glob=bool(glob),
        slot=slot,
        subslot=subslot,
        slot_op=bound or either,
        use=_use_deps(text, match.start(11)) if match[11] is not None else (),
        repo=repo,
    )


def _wildcard(text: str, match: re.Match[str]) -> AtomFields:
    blocker, op, category, name, part, slot, subslot, bound, either, repo = match.groups("")
    if not is_name(name.replace("*", "x")):
        _explain_name(text, match.start(4), name)
    return AtomFields(
        category=category,
        name=name,
        blocker=blocker,
        op=op,
        glob=bool(op),
        slot=slot,
        subslot=subslot,
        slot_op=bound or either,
        repo=repo,
        version_part=part,
    )


def _use_deps(text: str, start: int) -> tuple[UseDep, ...]:
    """Read the USE dependencies that begin at ``start`` and end before the last character."""
    deps = []
    defaults: dict[str, str] = {}
    at = start
    for word in text[start:-1].split(","):
        dep = read_use_dep(word)
        if dep is None:
            what = f"{word[:80]!r} is no USE dependency" if word else "a USE flag is missing here"
            hint = "write flag, -flag, flag?, !flag?, flag= or !flag=, with (+) or (-) after flag"
            _refuse(text, at, what, hint)
        if defaults.setdefault(dep.flag, dep.default) != dep.default:
            _refuse(text, at, f"USE flag {dep.flag} occurs with two different defaults")
        deps.append(dep)
        at += len(word) + 1
    return tuple(deps)


def _check_eapi(text: str, fields: AtomFields, rules: EapiFeatures) -> None:
    """Refuse what came with a newer EAPI."""
    use = fields.get("use", ())
    slot = bool(fields["slot"] or fields["slot_op"])
    news = (
        (rules.slots, slot, ":", "slots", 1),
        (rules.strong_blockers, fields["blocker"] == "!!", "!!", "strong blockers", 2),
        (rules.use_deps, bool(use), "[", "USE dependencies", 2),
        (rules.use_dep_defaults, any(dep.default for dep in use), "(", "USE defaults", 4),
        (rules.slot_operators, bool(fields["slot_op"]), ":", "slot operators", 5),
        (rules.slot_operators, bool(fields["subslot"]), "/", "sub-slots", 5),
    )
    for allowed, used, mark, what, first in news:
        if used and not allowed:
            at = text.index(mark, 0 if mark == "!!" else text.index("/") + 1)
            _refuse(text, at, f"{what} begin with EAPI {first}, and this is EAPI {rules.eapi}")


_FORM: Final = "an atom is like >=dev-lang/python-3.11:3.11[ssl]"


def _explain(text: str, *, wildcards: bool) -> NoReturn:
    """Refuse a text that has not the form of an atom, naming the first part that is wrong."""
    if wildcards and "*" in text:
        hint = "asterisks stand for parts of CATEGORY/NAME, never two in a row; then a slot and "
        hint += "a repository may follow, but no version and no USE dependencies"
        _refuse(text, text.index("*"), "not what an atom with wildcards looks like", hint)
    head = re.match(_HEAD, text)
    start = head.end() if head else 0
    category = re.compile(CATEGORY).match(text, start)
    at = category.end() if category else start
    if text[at : at + 1] != "/":
        _explain_category(text, start, at)
    pf = re.compile(_PF).match(text, at + 1)
    if pf is None:
        if text[at + 1 : at + 2] == "*":
            _refuse(text, at + 1, "only configuration files may use wildcards")
        _refuse(text, at + 1, "no package name after the category", _FORM)
    _explain_tail(text, pf.end())


def _explain_category(text: str, start: int, at: int) -> NoReturn:
    found = text[at : at + 1]
    if not text:
        _refuse(text, 0, "an empty atom", _FORM)
    if found == "!":
        _refuse(text, at, "a blocker has one or two exclamation marks")
    if found == "*":
        _refuse(text, at, "only configuration files may use wildcards")
    if "/" not in text[start:]:
        _refuse(text, start, f"{text[:80]!r} has no category", _FORM)
    _refuse(text, at, f"a category cannot {'begin with' if at == start else 'hold'} {found!r}")


def _explain_version(text: str, at: int, pf: str) -> NoReturn:
    if is_name(pf):
        _refuse(text, at, f"{pf[:80]!r} has no version, which the operator before it needs")
    name = re.compile(r".*?(?=-[0-9])").match(pf)
    _refuse(
        text,
        at + len(name[0]) if name else at,
        f"{pf[:80]!r} is not NAME-VERSION",
        "a name cannot end like a version; a version is like 1.2.3b_rc4-r5",
    )


def _explain_name(text: str, at: int, name: str) -> NoReturn:
    dot = name.find(".")
    if split_pf(name) or "." not in name:
        brief = f"{name[:80]!r} ends in a version, which needs an operator before the atom"
        _refuse(text, at, brief, f"write ={text[:200]} for exactly this version")
    _refuse(text, at + dot, "a package name cannot hold '.'")


def _explain_tail(text: str, at: int) -> NoReturn:
    """Refuse what comes after category, name and version."""
    at += text.startswith("*", at)
    slot = re.compile(_SLOT).match(text, at)
    repo = re.compile(_REPO).match(text, slot.end() if slot else at)
    end = repo.end() if repo else at
    found = text[end : end + 1]
    if found == ":":
        what = "a repository name" if text.startswith("::", end) else "a slot"
        hint = "a slot is :SLOT, :SLOT/SUBSLOT, either with = after it, or := or :*"
        _refuse(text, end + 1, f"{what} cannot be like this", hint)
    if found == "[":
        close = text.find("]", end)
        if close < 0:
            _refuse(text, end, "the USE dependencies that open here are not closed")
        _refuse(text, close + 1, "nothing can follow the USE dependencies")
    if found == "*":
        _refuse(text, end, "only configuration files may use wildcards")
    _refuse(text, end, f"{found!r} cannot stand here", _FORM)


def _refuse(text: str, column: int, rule: str, hint: str = "") -> NoReturn:
    brief = f"{text[:120]!r} is not an atom: {rule}" if text else rule
    raise ValueSyntaxError(brief, text=text, column=column, hint=hint)
