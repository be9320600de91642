"""Small made-up worlds of packages for the resolver, and a judge that knows only the rules."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from sysextlib.gentoo.atom import Atom
from sysextlib.gentoo.dependency import AllOf, AnyOf, evaluate, leaves, parse_depend
from tests.builders.scenario import IMPLICIT, Scenario, make_package

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from random import Random

    from sysextlib.gentoo.dependency import Node
    from sysextlib.gentoo.package import Package

NAMES = ("app/a", "app/b", "dev/c", "dev/d", "dev/e", "dev/f", "virtual/g")
FLAGS = ("foo", "bar")


def random_universe(random: Random, name: str = "random") -> Scenario:
    """Make a world of at most twelve binary packages, some of the base, and one or two wishes.

    Half of the worlds have no USE flags. Where there are some, the rules are a whole profile's
    (``profile``), so that emerge decides by the same flags.
    """
    flags = FLAGS if random.random() < 0.5 else ()
    slots = {name: random.choice((("0",), ("0",), ("1", "2"))) for name in NAMES}
    available = []
    installed = []
    for cp in NAMES:
        base_slots = set()
        for version in sorted(random.sample((1, 2, 3), random.choice((0, 1, 1, 2, 2, 2, 3, 3, 3)))):
            slot = random.choice(slots[cp])
            if random.random() < 0.12 and slot not in base_slots:
                base_slots.add(slot)
                installed.append(_package(random, f"{cp}-{version}", slot, flags, build_id=0))
            else:
                builds = 2 if flags and random.random() < 0.3 else 1
                for build in range(1, builds + 1):
                    package = _package(random, f"{cp}-{version}", slot, flags, build_id=build)
                    available.append(package)
    there = {package.cpv.cp for package in available}
    in_base = {package.cpv.cp for package in installed}
    wanted = [cp for cp in NAMES if cp in there and (cp not in in_base or random.random() < 0.1)]
    random.shuffle(wanted)
    return Scenario(
        name=name,
        about="made up",
        wanted=tuple(wanted[: random.choice((1, 2, 3))] or ["app/a"]),
        available=tuple(available),
        installed=tuple(installed),
        everywhere=tuple(flag for flag in flags if random.random() < 0.4),
        profile=True,
    )


def _package(
    random: Random, cpv: str, slot: str, flags: Sequence[str], *, build_id: int
) -> Package:
    iuse = [flag for flag in flags if random.random() < 0.7]
    keys = {
        "SLOT": f"{slot}/{cpv[-1]}" if random.random() < 0.3 else slot,
        "IUSE": " ".join(iuse),
        "USE": " ".join(flag for flag in iuse if random.random() < 0.5),
        "RDEPEND": _depend(random, iuse, random.choice((0, 0, 1, 1, 2, 3))),
        "PDEPEND": _depend(random, iuse, random.choice((0, 0, 0, 1))),
    }
    return make_package(cpv, keys, build_id=build_id)


def _depend(random: Random, iuse: Sequence[str], count: int) -> str:
    words = []
    for _ in range(count):
        kind = random.random()
        if kind < 0.25:
            words.append(
                f"|| ( {' '.join(_option(random) for _ in range(random.choice((2, 3))))} )"
            )
        elif kind < 0.35 and iuse:
            words.append(f"{random.choice(('', '!'))}{random.choice(iuse)}? ( {_atom(random)} )")
        elif kind < 0.39:
            words.append(f"!{_atom(random, use=False)}")
        else:
            words.append(_atom(random))
    return " ".join(words)


def _option(random: Random) -> str:
    if random.random() < 0.2:
        return f"( {_atom(random)} {_atom(random)} )"
    return _atom(random)


def _atom(random: Random, *, use: bool = True) -> str:
    cp = random.choice(NAMES)
    kind = random.random()
    if kind < 0.25:
        return random.choice(
            (">={}-1", ">={}-2", "<{}-3", "={}-2", "~{}-1", "<={}-2", ">{}-1")
        ).format(cp)
    if kind < 0.35:
        return f"{cp}:{random.choice((0, 1, 2))}"
    if kind < 0.38:
        return f"{cp}:{random.choice((0, 1, 2))}/{random.choice((1, 2, 3))}="
    if kind < 0.48 and use:
        dep = random.choice(("foo", "-foo", "foo(+)", "bar(-)", "foo(-)"))
        return f"{cp}[{dep}]"
    return cp


def faults(scenario: Scenario, merge: Sequence[Package]) -> Iterator[str]:
    """Say what is wrong with a set of packages as an answer: nothing, when it is one."""
    use = scenario.use_request()
    base = scenario.installed
    everything = (*base, *merge)
    slots = [(p.cpv.cp, p.slot) for p in everything]
    if len(set(slots)) < len(slots) or len({p.cpv for p in everything}) < len(slots):
        yield "two packages share a slot or a name"
    for text in scenario.wanted:
        atom = Atom.parse(text)
        if any(atom.matches(p, implicit=IMPLICIT) for p in base):
            yield f"{text} is in the base"
        if not any(atom.matches(p, implicit=IMPLICIT) for p in merge):
            yield f"{text} is not merged"
    for package in merge:
        if use.unmet(package):
            yield f"{package} was built otherwise"
        for text in (package.rdepend, package.pdepend):
            if not _holds(evaluate(parse_depend(text), package.use), package, everything):
                yield f"{package} lacks {text}"
    for owner, text in itertools.chain.from_iterable(
        ((p, p.rdepend), (p, p.pdepend)) for p in everything
    ):
        others = merge if owner in base else everything
        for leaf in leaves(evaluate(parse_depend(text), owner.use)):
            if not isinstance(leaf, Atom) or not leaf.blocker:
                continue
            if any(p is not owner and leaf.matches(p) for p in others):
                yield f"{owner} blocks by {leaf}"


def _holds(node: Node, parent: Package, there: Sequence[Package]) -> bool:
    if isinstance(node, Atom):
        if node.blocker:
            return True
        return any(node.matches(p, parent.use, implicit=IMPLICIT) for p in there)
    if isinstance(node, AnyOf):
        return any(_holds(child, parent, there) for child in node.children)
    assert isinstance(node, AllOf)
    return all(_holds(child, parent, there) for child in node.children)


def answers(scenario: Scenario) -> Iterator[tuple[Package, ...]]:
    """Yield every set of packages that is an answer, by trying them all."""
    use = scenario.use_request()
    fitting = [package for package in scenario.available if not use.unmet(package)]
    for count in range(len(fitting) + 1):
        for merge in itertools.combinations(fitting, count):
            if next(faults(scenario, merge), None) is None:
                yield merge
