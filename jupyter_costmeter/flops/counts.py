"""Cumulative counts of work done, safe to add to from any thread and cheap to photograph.

A key holds the thread that adds, so that no two threads write one number, and no lock is needed on the user's
path (the commonest operators do without it: ``of_cpu``). Counts only grow: a window is the difference of two snapshots.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from typing import Any, NamedTuple

#: Thread, operator, what was multiplied (a dtype, or a precision's name), device (-1 is the CPU).
Key = tuple[int, str, Hashable, int]
#: Thread, what did arithmetic uncounted, why.
Note = tuple[int, str, str]


#: Stands for all threads.
ANY = 0


class Snapshot(NamedTuple):
    """All counts at one instant."""

    flops: dict[Key, int]
    notes: dict[Note, int]
    compiled: int = 0  # so many graphs were compiled, for which compilers ran


class Sums(defaultdict[Any, int]):
    """Numbers that grow; of a class of its own, so that a child process can have others see them (``publishing``)."""


class Counts:
    """FLOPs by key, and how often something ran that was not counted."""

    def __init__(self) -> None:
        self.flops, self.notes = Sums(int), Sums(int)
        self.by_thread = False  # each number has one thread that writes it: ``of_cpu`` is not used
        self.compiled = 0
        self._cpu: dict[str, defaultdict[Hashable, int]] = {}

    def of_cpu(self, operator: str) -> defaultdict[Hashable, int]:
        """One operator's FLOPs on the CPU by dtype, of all threads: for those who can add without being interrupted."""
        return self._cpu.setdefault(operator, defaultdict(int))

    def snapshot(self) -> Snapshot:
        """Some microseconds: each copy is atomic."""
        flops = dict(self.flops)
        for operator, found in self._cpu.items():
            for kind, count in found.copy().items():
                flops[ANY, operator, kind, -1] = count
        return Snapshot(flops, dict(self.notes), self.compiled)


def between(start: Snapshot, end: Snapshot) -> Snapshot:
    """What was added from the one to the other, by any thread."""
    flops = {key: n for key, total in end.flops.items() if (n := total - start.flops.get(key, 0))}
    notes = {key: n for key, total in end.notes.items() if (n := total - start.notes.get(key, 0))}
    return Snapshot(flops, notes, end.compiled - start.compiled)
