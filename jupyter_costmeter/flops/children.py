"""What child processes count of themselves, by their files: a ``plugins.Tracer`` of the process that started them.

A window's part of it is the difference of two readings, so children may live through many cells; one that has ended
is added to those that have, and its file goes. While none was started, an edge costs one comparison.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

from .. import inheriting
from ..published import Name, Published
from ..record import FLOPS, HIGHEST, UNCOUNTED, Figure, Provenance, Status
from .torch_flops import origin_of

OF_CHILDREN = "torch operators that ran in child processes, counted there by their shapes"
CLOCK = Provenance("measured", "CPU clock of the child process", 0.01)
CLOCK_LAST = Provenance("measured", f"{CLOCK.source}, when it was last seen (lower bound)", 0.5)
NO_CPU = Provenance(None, CLOCK.source, reason="it was ended by a signal, or runs still where its clock cannot be read")
RSS = Provenance("measured", "the child process's own high-water mark, as it ended", 0.01)
PEAK = Provenance("measured", "torch's allocator in the child process, as it ended", 0.01)
FULL = Provenance(None, OF_CHILDREN, reason="child processes: one counted more kinds of work than its file holds")
#: Feed attribution: the CPU seconds of children that count, how many of those ended without a word of it, and what
#: the others may have used after their word: torch takes a third of a short process's time to be taken apart.
REPORTED, SILENT, LEAVING = "reported_cpu_s", "silent_children", "leaving_cpu_s"
LEAVING_PART, LEAVING_S = 0.5, 1.0
#: Of so many children that have ended what they did is known one by one; of all of them it is in the sums.
REMEMBERED = 1024


@dataclass(slots=True, eq=False)
class Child:
    """A process that counts, as it was last read."""

    file: Published
    values: Mapping[Name, float] = field(default_factory=dict)
    cpu_s: float | None = None
    ended_s: float | None = None  # when it told so, or was seen to be gone

    def look(self) -> bool:
        """Read it; whether it lives. Of one that does not, what it had counted at its end."""
        clock = _cpu_s(self.file.pid)
        self.values = self.file.read()
        if self.file.ended_s is not None:
            clock = clock and self.file.cpu_s
            self.cpu_s = self.file.cpu_s
        elif clock:
            self.cpu_s = clock
        if clock is None:
            self.ended_s = self.file.ended_s or time.perf_counter()
        return clock is not None


def _cpu_s(pid: int) -> float | None:
    """CPU seconds of a process by its clock (clock_getcpuclockid(3)), 0 where it has none; ``None`` if it has ended."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except (AttributeError, OSError, OverflowError):
        return 0.0 if not sys.platform.startswith("linux") and inheriting.lives(pid) else None


@dataclass(frozen=True, slots=True)
class Reading:
    """All children at one instant, cumulative.

    ``cpu_s`` are the seconds of those that count. Of these, ``silent`` ended without telling what they used, and
    ``full`` had no room for all they counted; ``leaving_s`` is what those that told may have used since. So many of all
    had ``ended``; ``living`` are the others, with what each had counted, and its CPU seconds.
    """

    sums: Mapping[Name, float]
    cpu_s: float = 0.0
    leaving_s: float = 0.0
    silent: int = 0
    full: int = 0
    ended: int = 0
    living: tuple[tuple[Child, Mapping[Name, float], float | None], ...] = ()

    def and_(self, child: Child) -> Reading:
        """With one child more."""
        sums = dict(self.sums)
        for name, value in child.values.items():
            sums[name] = sums.get(name, 0.0) + value
        full, counts, told = self.full + child.file.full, child.file.counts, child.file.ended_s is not None
        used_s = (child.cpu_s or 0.0) if counts else 0.0
        leaving_s = self.leaving_s + (min(LEAVING_S, LEAVING_PART * used_s) if told else 0.0)
        more = replace(self, sums=sums, cpu_s=self.cpu_s + used_s, leaving_s=leaving_s, full=full)
        if child.ended_s is None:
            return replace(more, living=(*self.living, (child, child.values, child.cpu_s)))
        return replace(more, silent=self.silent + (counts and not told), ended=self.ended + 1)


NONE = Reading({})
#: What a child had counted at some time, and its CPU seconds.
Known = tuple[Mapping[Name, float], "float | None"]


@dataclass(frozen=True, slots=True)
class Part:
    """What one child did in a window: from when to when (by ``perf_counter``), and its figures."""

    pid: int
    began_s: float
    ended_s: float | None  # None: it lives on
    figures: tuple[Figure, ...]


class ChildrenFlops:
    """Implements ``plugins.Tracer``."""

    name = "children_flops"

    def __init__(self) -> None:
        self.working: Callable[[], AbstractContextManager[Any]] = nullcontext
        self._folder: inheriting.Folder | None = None
        self._changes = 0
        self._now = self._ended = NONE
        self._living: dict[str, Child] = {}
        self._gone: deque[Child] = deque(maxlen=REMEMBERED)
        self._lock = threading.Lock()

    def open(self) -> Status:
        return self.status()

    def status(self) -> Status:
        if inheriting.parent is not None:
            return Status(self.name, True, "this process counts for the one that started it")
        if inheriting.own is None:
            return Status(self.name, True, "child processes are not metered from inside")
        return Status(self.name, True, "child processes that run Python count their own FLOPs")

    def mark(self) -> Reading:
        """What all of them have counted so far: each that lives costs some microseconds."""
        folder = inheriting.own
        if folder is None or (not self._living and folder.changes == self._changes and folder is self._folder):
            return self._now
        with self._lock:
            with suppress(OSError):  # the folder was taken away
                self._read(folder)
            return self._now

    def figures(self, start: object, end: object) -> tuple[Figure, ...]:
        """FLOPs by precision and device, what they could not count, and for how much of the CPU time they speak."""
        before = start if isinstance(start, Reading) else NONE
        if not isinstance(end, Reading) or end is before:
            return ()
        found = list(_figures(end.sums, before.sums))
        if end.full > before.full:
            found.append(Figure(UNCOUNTED, None, FULL, "child processes"))
        silent, leaving_s = float(end.silent - before.silent), end.leaving_s - before.leaving_s
        known = (REPORTED, end.cpu_s - before.cpu_s), (SILENT, silent), (LEAVING, leaving_s)
        return (*found, *(Figure(name, value, CLOCK) for name, value in known if value > 0))

    def parts(self, starts: Iterable[object], ends: Iterable[object]) -> list[Part]:
        """What each child did in a window that lived in it, the oldest first; ours is among the marks at its edges."""
        before, end = (next((m for m in marks if isinstance(m, Reading)), NONE) for marks in (starts, ends))
        if end is before:
            return []
        then = {id(child): (values, cpu_s) for child, values, cpu_s in before.living}
        with self._lock:
            gone, first = list(self._gone), self._ended.ended - len(self._gone)
        between = gone[max(0, before.ended - first) : max(0, end.ended - first)]
        now = [*((child, child.values, child.cpu_s) for child in between), *end.living]
        found = [_part(child, (values, cpu_s), then.get(id(child), ({}, 0.0))) for child, values, cpu_s in now]
        return sorted(found, key=lambda part: part.began_s)

    def close(self) -> None:
        pass

    def _read(self, folder: inheriting.Folder) -> None:
        children = self._found(folder)
        living = {name: child for name, child in children.items() if child.look()}
        gone = [child for name, child in children.items() if name not in living]
        ended = now = reduce(Reading.and_, gone, self._ended)
        if living:
            now = reduce(Reading.and_, living.values(), ended)
        self._gone.extend(gone)
        self._living, self._ended, self._now = living, ended, now
        for child in gone:
            with suppress(OSError):
                os.unlink(child.file.path)

    def _found(self, folder: inheriting.Folder) -> dict[str, Child]:
        """Those that are known, and those that have come since."""
        changes, found = folder.changes, dict(self._living)
        if changes != self._changes or folder is not self._folder:
            for name in os.listdir(folder.path):
                if name not in found and name != inheriting.PAGE:
                    with suppress(OSError, ValueError):
                        found[name] = Child(Published(os.path.join(folder.path, name)))
            self._changes, self._folder = changes, folder
        return found


def _figures(end: Mapping[Name, float], start: Mapping[Name, float]) -> Iterator[Figure]:
    """FLOPs that were counted in between, and what was not."""
    reasons: dict[str, list[str]] = {}
    for name, value in end.items():
        more, (figure, device, reason) = value - start.get(name, 0.0), name
        if more <= 0:
            continue
        if figure == UNCOUNTED:
            reasons.setdefault(device, []).append(reason)
        elif figure in FLOPS:
            yield Figure(figure, more, replace(origin_of(figure), source=OF_CHILDREN), device)
    for what, whys in reasons.items():
        yield Figure(UNCOUNTED, None, Provenance(None, OF_CHILDREN, reason="; ".join(sorted(whys))), what)


def _part(child: Child, now: Known, before: Known) -> Part:
    file, (values, cpu_s), (earlier, cpu_before) = child.file, now, before
    figures = list(_figures(values, earlier))
    known = None if cpu_s is None else max(0.0, cpu_s - (cpu_before or 0.0))
    told = child.ended_s is None or file.ended_s is not None
    figures.append(Figure("cpu_s", known, (CLOCK if told else CLOCK_LAST) if known is not None else NO_CPU))
    figures += [Figure(name[0], most, PEAK, name[1]) for name, most in values.items() if name[0] in HIGHEST]
    if file.ended_s is not None and file.peak_rss_bytes:
        figures.append(Figure("peak_rss_bytes", file.peak_rss_bytes, RSS))
    return Part(file.pid, file.began_s, child.ended_s, tuple(figures))
