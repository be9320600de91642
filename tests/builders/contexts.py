"""File contexts and paths made up from a few words, so that many rules meet in one path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sysextlib.selinux.rules import literal

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

WORDS = (
    "usr",
    "lib",
    "bin",
    "a",
    "b",
    "ab",
    "x86-64",
    "lib64",
    "so.1",
    "c++",
    "d_e",
    "q,r",
    "z{1}",
)
TYPES = ("--", "-d", "-l", "-p", "-c", "-b", "-s")
TAILS = ("(/.*)?", "/.*", "/[^/]*", "(/[^/]+)?", r"\.so(\.[^/]*)*", "([^/]*)*", ".*", "/?", "")
PIECES = (
    "[ab]+", "[^/]+", "(a|b|ab)", "(.*/)?", ".?", "b{1,2}", "[[:alpha:]]*", r"\d+", "[x-z0-9-]+",
    r"so\.[0-9]", "(usr|lib)", "a?", "(?:b|c)", "[]a]", "a*?", "b++", r"\w+", "[^]/]+",
)  # fmt: skip


def made_up_contexts(rng: random.Random, count: int) -> str:
    """Return that many rules; no two name the same literal path."""
    lines: list[str] = []
    literals: set[str] = set()
    while len(lines) < count:
        regex = _regex(rng)
        path = literal(regex)
        if path is not None and path in literals:
            continue
        literals.add(path or "")
        kind = f"\t{rng.choice(TYPES)}" if rng.random() < 0.4 else ""
        context = f"u:object_r:t{len(lines)}_t:s0" if rng.random() < 0.93 else "<<none>>"
        lines.append(f"{regex}{kind}\t{context}")
    return "\n".join(lines) + "\n"


def made_up_substitutions(rng: random.Random) -> str:
    """Return substitutions of which at most one fits a path: versions try them in other orders."""
    first = rng.sample(WORDS, 3)
    return "".join(f"/{old} /{rng.choice(WORDS)}/{rng.choice(WORDS)}\n" for old in first)


def made_up_paths(rng: random.Random, count: int, near: Sequence[str] = ()) -> list[str]:
    """Return that many paths; some below or beside those of ``near``."""
    found = []
    for _ in range(count):
        parts = [_name(rng) for _ in range(rng.randint(1, 5))]
        start = rng.choice(near) if near and rng.random() < 0.7 else ""
        if start and rng.random() < 0.3:
            start = start.rpartition("/")[0]
            parts = parts[:2]
        path = f"{start}/{'/'.join(parts)}"
        if start and rng.random() < 0.2:
            path = start + rng.choice(("", ".1", "~", "x", ".so.1"))
        found.append(path or "/")
    return found


def _regex(rng: random.Random) -> str:
    parts = []
    for _ in range(rng.randint(1, 4)):
        if rng.random() < 0.65:
            parts.append("".join(f"\\{c}" if c in ".+{}-," else c for c in rng.choice(WORDS)))
        elif rng.random() < 0.5:
            parts.append(rng.choice(WORDS[:6]) + rng.choice(PIECES))
        else:
            parts.append(rng.choice(PIECES) + rng.choice(("", rng.choice(WORDS[:6]))))
    regex = "/" + "/".join(parts) + (rng.choice(TAILS) if rng.random() < 0.6 else "")
    if rng.random() < 0.03:
        regex += "|/" + rng.choice(WORDS[:6])  # anchored on one side only
    return regex


def _name(rng: random.Random) -> str:
    words = [rng.choice(WORDS) for _ in range(rng.choice((1, 1, 1, 2)))]
    return rng.choice(("", ".", "-", "")).join(words)
