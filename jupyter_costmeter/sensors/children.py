"""CPU seconds of all descendants: ``getrusage`` for those that have ended, ``/proc`` for those that live.

Finding out that there are none costs 20 µs in a real cell, so it is done late, off the
user's path, until some live: a child is billed to the cell that started it up to when it is
first seen, about a millisecond after that cell's end.
"""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from typing import NamedTuple

import psutil

from ..record import Channel, Provenance, Reading, Status
from .libc import LIBC

CLOCK = Provenance("measured", "CPU clocks of this process and its children", 0.01)
TICK = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


class Clocks(NamedTuple):
    """CPU seconds of a process and of those of its children that it has waited for; and of these alone."""

    whole_s: float
    waited_s: float


class ChildrenSensor:
    """CPU seconds of the children since this was opened, never going back.

    A child that was waited for is in ``getrusage``; one that lives is read; one that vanished
    without being waited for keeps what it was last seen with.
    """

    name = "children"
    channels: tuple[Channel, ...] = (Channel("children_cpu_s", "counter", CLOCK),)

    def __init__(self) -> None:
        self._live: dict[int, Clocks] = {}
        self._ended = 0.0
        self._lost = 0.0

    @property
    def urgent(self) -> bool:
        """Children live, so their clocks move between the edges and the late look."""
        return bool(self._live)

    def open(self) -> Status:
        self._live, self._lost = {}, 0.0
        self._ended = _ended()
        return Status(self.name, True, "CPU seconds of child processes")

    def take(self, quick: bool = False) -> Reading:
        ended = _ended()
        live = self._known() if quick else dict(_living(os.getpid())) if self._live or _has_children() else {}
        gone = sum(clocks.whole_s for pid, clocks in self._live.items() if pid not in live)
        # Whoever waited for one that has ended has it in its own clock from then on: we, or the child that started it.
        passed_on = sum(now.waited_s - self._live[pid].waited_s for pid, now in live.items() if pid in self._live)
        self._lost += max(0.0, gone - (ended - self._ended) - passed_on)
        self._live, self._ended = live, ended
        return (ended + self._lost + sum(clocks.whole_s for clocks in live.values()),)

    def _known(self) -> dict[int, Clocks]:
        """Those that were found living before: 15 µs each, while looking for others takes milliseconds."""
        found = {}
        for pid in self._live:
            with suppress(OSError, ValueError, IndexError, psutil.Error):
                found[pid] = _clocks_of(pid)
        return found

    def close(self) -> None:
        pass


def _ended() -> float:
    """CPU seconds of children that were waited for; 0 where the system does not add them up (Windows)."""
    try:
        import resource
    except ImportError:
        return 0.0
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return float(usage.ru_utime + usage.ru_stime)


def _has_children() -> bool:
    """Fails with ECHILD where there are none; takes no child's exit status away from the user (WNOWAIT)."""
    if LIBC is None or not hasattr(os, "waitid"):
        return True
    info = ctypes.create_string_buffer(128)  # siginfo_t
    flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return bool(LIBC.waitid(int(os.P_ALL), 0, info, flags) == 0)


def _living(parent: int) -> list[tuple[int, Clocks]]:
    """All living descendants with their CPU seconds, and those of their own ended children."""
    found: list[tuple[int, Clocks]] = []
    for pid in _child_ids(parent):
        with suppress(OSError, ValueError, IndexError, psutil.Error):
            found.append((pid, _clocks_of(pid)))
            found += _living(pid)
    return found


def _child_ids(pid: int) -> list[int]:
    ids: list[int] = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with suppress(ProcessLookupError), open(f"/proc/{pid}/task/{task}/children", "rb") as file:
                ids += [int(word) for word in file.read().split()]
    except OSError:  # no /proc, or a Linux built without the children files
        with suppress(psutil.Error):
            ids = [child.pid for child in psutil.Process(pid).children()]
    return ids


def _clocks_of(pid: int) -> Clocks:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except FileNotFoundError:
        times = psutil.Process(pid).cpu_times()
        return Clocks(float(times.user + times.system), 0.0)
    waited = int(fields[13]) + int(fields[14])  # utime stime cutime cstime, proc(5)
    return Clocks((int(fields[11]) + int(fields[12]) + waited) / TICK, waited / TICK)
