"""What a part of a benchmark costs."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """Seconds."""

    wall: float = 0.0
    cpu: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.wall + other.wall, self.cpu + other.cpu)

    def __str__(self) -> str:
        return f"{self.wall:7.2f} wall {self.cpu:7.2f} CPU"


class Stopwatch:
    """Measures a block: its wall time, and the CPU of this process and of what it started."""

    def __init__(self) -> None:
        self.cost = Cost()

    def __enter__(self) -> Stopwatch:
        self._started = time.monotonic(), self._cpu()
        return self

    def __exit__(self, *_: object) -> None:
        wall, cpu = self._started
        self.cost = Cost(time.monotonic() - wall, self._cpu() - cpu)

    @staticmethod
    def _cpu() -> float:
        usages = [
            resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        ]
        return sum(usage.ru_utime + usage.ru_stime for usage in usages)
