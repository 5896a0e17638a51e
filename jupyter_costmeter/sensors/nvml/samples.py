"""The driver's own samples, added up: how busy a GPU was, whose its SM time was, what power it drew.

The driver keeps the last 10 to 20 s of samples (of power: 2 s and more), so looking each second
misses none, and nothing is polled. A time stamp is the driver's, in µs; each sample is taken
for the time since the one before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from ...record import Provenance
from .library import NO_DATA, NOT_FOUND, OK, POWER_SAMPLES, UTILISATION_SAMPLES, Library

SAMPLED = Provenance("modelled", "NVML power samples, integrated (this GPU's energy counter cannot be read)", 0.1)
READINGS = Provenance("modelled", "NVML power, read each second (this GPU's energy counter cannot be read)", 0.2)

LONGEST_S = 2.5


@dataclass(slots=True)
class BusySeconds:
    """The seconds in which any kernel ran, by the driver's utilisation samples."""

    newest_us: int | None  # None: it gives no samples
    total_s: float = 0.0

    @classmethod
    def begun(cls, library: Library, part: Any) -> BusySeconds:
        samples = library.samples(part, UTILISATION_SAMPLES, 0)
        return cls(None if samples is None else _newest(samples, 0))

    def look(self, library: Library, part: Any) -> float | None:
        """Seconds so far. Of time for which the driver no longer has samples, a lower bound."""
        if self.newest_us is None or (samples := library.samples(part, UTILISATION_SAMPLES, self.newest_us)) is None:
            return None
        self.total_s += integral(self.newest_us, samples) / 100
        self.newest_us = _newest(samples, self.newest_us)
        return self.total_s


@dataclass(slots=True)
class SmSeconds:
    """The SM time of a process tree and of everybody, by the driver's samples of each process.

    The driver may give each of its samples of a process, or one for all since the last look;
    none for a process that was idle.
    """

    seen_us: int | None  # None: it gives no samples
    own_s: float = 0.0
    all_s: float = 0.0
    _ours: set[int] = field(default_factory=set)  # as of the last look: one of us may have ended since

    @classmethod
    def begun(cls, library: Library, part: Any, busy: BusySeconds) -> SmSeconds:
        samples = _of_processes(library, part, 0)
        return cls(None if samples is None else max(busy.newest_us or 0, _newest(_together(samples), 0)))

    def look(self, library: Library, part: Any, pids: Collection[int], busy: BusySeconds) -> tuple[float, float] | None:
        """Seconds of these processes and of all, so far; to be asked after ``busy``, whose clock it needs."""
        if self.seen_us is None or (samples := _of_processes(library, part, self.seen_us)) is None:
            return None
        ours, self._ours = self._ours.union(pids), set(pids)
        for pid, of_pid in samples.items():
            seconds = integral(self.seen_us, of_pid) / 100
            self.all_s += seconds
            self.own_s += seconds if pid in ours else 0.0
        self.seen_us = max(busy.newest_us or 0, _newest(_together(samples), self.seen_us))
        return self.own_s, self.all_s


@dataclass(slots=True)
class SampledJoules:
    """Energy from the driver's power samples, for a GPU without an energy counter.

    Time for which the driver no longer has samples (nobody looks between cells) is left out: it
    is a lower bound, and a cell does not get the joules of a long rest before it.
    """

    newest_us: int
    total_j: float = 0.0
    provenance = SAMPLED

    @classmethod
    def begun(cls, library: Library, handle: Any) -> SampledJoules | None:
        samples = library.samples(handle, POWER_SAMPLES, 0)
        return None if samples is None else cls(_newest(samples, 0))

    def look(self, library: Library, handle: Any) -> float | None:
        """Joules so far."""
        samples = library.samples(handle, POWER_SAMPLES, self.newest_us)
        if samples is None:
            return None
        self.total_j += integral(self.newest_us, samples) / 1e3
        self.newest_us = _newest(samples, self.newest_us)
        return self.total_j


@dataclass(slots=True)
class ReadJoules:
    """Energy from the power as it is at each look, for a GPU without a counter and without samples.

    Two looks that are further apart than ``LONGEST_S`` count as that far apart, as above.
    """

    clock: Callable[[], float]
    at_s: float
    power_w: float
    total_j: float = 0.0
    provenance = READINGS

    @classmethod
    def begun(cls, library: Library, handle: Any, clock: Callable[[], float]) -> ReadJoules | None:
        milliwatts = library.ask("nvmlDeviceGetPowerUsage", handle)
        return None if milliwatts is None else cls(clock, clock(), milliwatts / 1e3)

    def look(self, library: Library, handle: Any) -> float | None:
        milliwatts, now = library.ask("nvmlDeviceGetPowerUsage", handle), self.clock()
        if milliwatts is None:
            return None
        self.total_j += (self.power_w + milliwatts / 1e3) / 2 * min(now - self.at_s, LONGEST_S)
        self.at_s, self.power_w = now, milliwatts / 1e3
        return self.total_j


def integral(since_us: int, samples: Sequence[tuple[int, float]]) -> float:
    """Value seconds: a sample holds since the one before; a gap of over two spacings counts as one."""
    times = [since_us or next((at for at, _ in samples), 0), *(at for at, _ in samples)]
    steps = [after - before for before, after in pairwise(times)]
    usual = sorted(steps)[len(steps) // 2] if steps else 0
    spans = [step if step <= 2 * usual else usual for step in steps]
    return sum(value * span for (_, value), span in zip(samples, spans, strict=True)) / 1e6


def _newest(samples: Sequence[tuple[int, float]], before: int) -> int:
    return max((at for at, _ in samples), default=before)


def _together(samples: dict[int, list[tuple[int, float]]]) -> list[tuple[int, float]]:
    return [sample for of_pid in samples.values() for sample in of_pid]


def _of_processes(library: Library, part: Any, after_us: int) -> dict[int, list[tuple[int, float]]] | None:
    """(µs, SM use in %) by process; what the driver leaves in its buffer unwritten is no percentage."""
    found, code = library.attempt("nvmlDeviceGetProcessUtilization", part, after_us)
    if found is None:  # pynvml raises "success" for an empty list
        return {} if code in (OK, NOT_FOUND, NO_DATA) else None
    samples: dict[int, list[tuple[int, float]]] = defaultdict(list)
    for sample in sorted(found, key=lambda s: int(s.timeStamp)):
        if sample.timeStamp > after_us and sample.smUtil <= 100:
            samples[int(sample.pid)].append((int(sample.timeStamp), float(sample.smUtil)))
    return samples
