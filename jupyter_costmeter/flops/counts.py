"""Cumulative counts of work done, safe to add to from any thread and cheap to photograph.

A key holds the thread that adds, so that no two threads write one number, and no lock is needed
on the user's path. Counts only grow: a window is the difference of two snapshots.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from typing import NamedTuple

#: Thread, operator, what was multiplied (a dtype, or a precision's name), device (-1 is the CPU).
Key = tuple[int, str, Hashable, int]
#: Thread, what did arithmetic uncounted, why.
Note = tuple[int, str, str]


class Snapshot(NamedTuple):
    """All counts at one instant."""

    flops: dict[Key, int]
    notes: dict[Note, int]


class Counts:
    """FLOPs by key, and how often something ran that was not counted."""

    def __init__(self) -> None:
        self.flops: defaultdict[Key, int] = defaultdict(int)
        self.notes: defaultdict[Note, int] = defaultdict(int)

    def snapshot(self) -> Snapshot:
        """Some microseconds: each copy is atomic."""
        return Snapshot(dict(self.flops), dict(self.notes))


def between(start: Snapshot, end: Snapshot) -> Snapshot:
    """What was added from the one to the other, by any thread."""
    flops = {key: n for key, total in end.flops.items() if (n := total - start.flops.get(key, 0))}
    notes = {key: n for key, total in end.notes.items() if (n := total - start.notes.get(key, 0))}
    return Snapshot(flops, notes)
