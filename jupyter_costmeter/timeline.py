"""Power over time: records as steps by device and as bands, as many as a screen can show; pure.

A record's mean power is its energy over its time, so the area of a step is that energy, and it stays so when steps are
put together. Records come one by one, and nothing is kept but what is drawn: a ledger may have a hundred thousand.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from math import inf
from operator import attrgetter
from typing import NamedTuple

from . import accounting
from .accounting import Part
from .record import BUCKETS, ENERGY, Bucket, CellRecord, Provenance, Total
from .timeline_fewer import STEPS, Few, Looked
from .timeline_places import Piece, Places

CPU, MEMORY, GPU = "CPU", "memory", "GPU"
OF_ALL = {"cpu_energy_j": CPU, "ram_energy_j": MEMORY}


#: Energy by device, figure and (the very object of a) provenance: looked up often, so a key must cost nothing.
Sums = dict[tuple[str, str, int], Part]


def sums_of(record: CellRecord, share: float) -> Sums:
    """The energy of a record, or of a part of it."""
    found = Sums()
    for device, name, value, origin in energy_in(record):
        part = Part(name, origin, None if value is None else value * share, 1, int(value is None))
        key = (device, name, id(origin))
        found[key] = accounting.merge(found[key], part) if key in found else part
    return found


def energy_in(record: CellRecord) -> Iterator[tuple[str, str, float | None, Provenance]]:
    """By device and figure, with where it is from; what a machine does not have is left out."""
    for figure in record.usage.figures:
        name, value, origin = figure.name, figure.value, figure.provenance
        if name in ENERGY and (value is not None or not origin.absent):
            yield OF_ALL.get(name) or figure.device or GPU, name, value, origin


def added(several: Iterable[Sums]) -> Sums:
    """Some sums as one."""
    found: dict[tuple[str, str, int], list[Part]] = {}
    for sums in several:
        for key, part in sums.items():
            if key in found:
                found[key].append(part)
            else:
                found[key] = [part]
    return {key: parts[0] if len(parts) == 1 else _sum(parts) for key, parts in found.items()}


def _sum(parts: Sequence[Part]) -> Part:
    known = [part.value for part in parts if part.value is not None]
    count, missing = sum([part.count for part in parts]), sum([part.missing for part in parts])
    return Part(parts[0].name, parts[0].provenance, sum(known) if known else None, count, missing)


class Step(NamedTuple):
    """A device's energy in a stretch of time: ``None`` where it was not measured; with a reason, a lower bound."""

    start: float
    end: float
    joules: float | None
    reason: str | None = None

    @property
    def watts(self) -> float | None:
        return None if self.joules is None else self.joules / (self.end - self.start)

    @staticmethod
    def several(steps: Sequence[Step]) -> Step:
        """Those that stand one after the other as one."""
        known = [one.joules for one in steps if one.joules is not None]
        reason = next((one.reason for one in steps if one.reason), None)
        return Step(steps[0].start, steps[-1].end, sum(known) if known else None, reason)


@dataclass(frozen=True, slots=True)
class Line:
    """A device's steps in their order; ``energy`` is of all of them."""

    device: str
    steps: tuple[Step, ...]
    energy: Total


@dataclass(frozen=True, slots=True)
class Band:
    """A run of a cell, or what lies between cells; or several that a screen could not tell apart.

    Args:
        dearest: the one of them that took most energy.
        runs, failed, running: how many they are, did not end well, and have not ended.
        wall_s: the seconds of all of them.
        share: of one alone, which part of it this is.
        together: the energy of several; that of one is in its record.
    """

    bucket: Bucket
    start: float
    end: float
    dearest: CellRecord
    joules: float
    runs: int
    failed: int
    running: int
    wall_s: float
    share: float = 1.0
    together: Sums | None = None

    @property
    def sums(self) -> Sums:
        return sums_of(self.dearest, self.share) if self.together is None else self.together

    @property
    def energy(self) -> Total | None:
        return energy_of(self.sums.values())

    @property
    def by_device(self) -> dict[str, Total]:
        """What each took, GPUs first."""
        found: dict[str, list[Part]] = {}
        for (device, _, _), part in self.sums.items():
            found.setdefault(device, []).append(part)
        totals = ((device, energy_of(found[device])) for device in sorted(found, key=rank))
        return {device: total for device, total in totals if total is not None}

    def sums_of(self, device: str) -> list[Part]:
        return [part for key, part in self.sums.items() if key[0] == device]

    @staticmethod
    def several(bands: Sequence[Band]) -> Band:
        """Some of one bucket, in the order of their start, as one."""
        most = max(bands, key=_joules)
        runs, failed, running = (sum(counts) for counts in zip(*map(_counts, bands), strict=True))
        end, wall_s = max([one.end for one in bands]), sum([one.wall_s for one in bands])
        sums = added(one.sums for one in bands)
        return Band(
            most.bucket, bands[0].start, end, most.dearest, most.joules, runs, failed, running, wall_s, 1.0, sums
        )  # fmt: skip


_joules = attrgetter("joules")
_counts = attrgetter("runs", "failed", "running")


@dataclass(frozen=True, slots=True)
class Timeline:
    """What is drawn.

    Args:
        lines: GPUs first.
        bands: by bucket, each in the order of their start.
        whole: all records of a bucket as one.
        more: more records than are told one by one.
    """

    lines: tuple[Line, ...]
    bands: Mapping[Bucket, tuple[Band, ...]]
    whole: Mapping[Bucket, Band]
    more: bool = False

    @property
    def start(self) -> float:
        return min(band.start for band in self.whole.values())

    @property
    def end(self) -> float:
        return max(band.end for band in self.whole.values())

    def __bool__(self) -> bool:
        return bool(self.whole)


def energy_of(parts: Iterable[Part]) -> Total | None:
    """The sum of some parts; ``None`` where there are none."""
    return accounting.total("energy_j", parts)


# While records come


class _Line:
    """A device's line while its records come: what overlaps adds up, as of several kernels."""

    def __init__(self, steps: Few[Step]) -> None:
        self._steps = steps
        self._alone: Step | None = None  # the last one, which nothing has overlapped so far
        self._at = -inf
        self._open: list[tuple[float, int, float | None, str | None]] = []
        self._number = 0

    def add(self, start: float, end: float, joules: float | None, reason: str | None) -> None:
        """The next in the order of their start, with the reason where it was not measured."""
        self._go(start)
        if not self._open:
            self._alone, self._at = Step(start, end, joules, reason), end
        else:
            self._wait(Step(start, end, joules, reason))

    def _go(self, now: float) -> None:
        """Up to then nothing more will come."""
        alone = self._alone
        if alone is not None:
            self._alone = None
            if alone.end <= now:
                self._steps.add(alone)
                return
            self._at = alone.start
            self._wait(alone)
        while self._open and self._open[0][0] <= now:
            self._step(self._open[0][0])
            heappop(self._open)
        self._step(now)

    def _wait(self, step: Step) -> None:
        self._number += 1
        heappush(self._open, (step.end, self._number, step.watts, step.reason))

    def _step(self, end: float) -> None:
        if self._open and end > self._at:
            known = [watts for _, _, watts, _ in self._open if watts is not None]
            reason = next((why for _, _, watts, why in self._open if watts is None), None)
            joules = sum(known) * (end - self._at) if known else None
            self._steps.add(Step(self._at, end, joules, reason))
        self._at = max(self._at, end)

    def done(self) -> tuple[Step, ...]:
        """All of it: no more comes."""
        self._go(max((end for end, *_ in self._open), default=self._at))
        return self._steps.all()

    def copy(self) -> _Line:
        """Another one with the same, to which others come."""
        made = _Line(self._steps.copy())
        made._alone, made._at, made._open, made._number = self._alone, self._at, list(self._open), self._number
        return made


class Growing:
    """A timeline while its records come, in the order of their start; it keeps nothing but what is drawn of them."""

    def __init__(self, looked: Looked | None = None, most: int = STEPS) -> None:
        self._looked, self._most = looked, most
        self._places = Places()
        self._lines: dict[str, _Line] = {}
        self._bands: dict[Bucket, Few[Band]] = {}

    def add(self, record: CellRecord, running: Container[str] = ()) -> None:
        """The next one; ``running`` are the ids of those that have not ended."""
        self._draw(self._places.add(record), running)

    def _draw(self, pieces: Iterable[Piece], running: Container[str]) -> None:
        for piece in pieces:
            start, end, share, record = piece
            energy = list(energy_in(record))
            band = _band(piece, energy, record.id in running)
            self._bands_of(band.bucket).add(band)
            for device, _, value, origin in energy:
                if value is None:
                    self._line(device).add(start, end, None, origin.reason or "the sensor did not say it")
                else:
                    self._line(device).add(start, end, value * share, None)

    def _bands_of(self, bucket: Bucket) -> Few[Band]:
        found = self._bands.get(bucket)
        if found is None:
            found = self._bands[bucket] = Few(Band.several, self._looked, self._most)
        return found

    def _line(self, device: str) -> _Line:
        found = self._lines.get(device)
        if found is None:
            found = self._lines[device] = _Line(Few(Step.several, self._looked, self._most))
        return found

    def done(self, running: Container[str] = ()) -> Timeline:
        """All of it: no more come."""
        self._draw(self._places.rest(), running)
        shown = {bucket: self._bands[bucket].all() for bucket in BUCKETS if bucket in self._bands}
        whole = {bucket: Band.several(some) for bucket, some in shown.items()}
        more = any(band.runs > 1 for some in shown.values() for band in some)
        return Timeline(tuple(_lines(self._lines, whole.values())), shown, whole, more)

    def copy(self) -> Growing:
        """Another one with the same, to which other records come."""
        made = Growing(self._looked, self._most)
        made._places = self._places.copy()
        made._lines = {device: line.copy() for device, line in self._lines.items()}
        made._bands = {bucket: bands.copy() for bucket, bands in self._bands.items()}
        return made


# All of it


def timeline(
    records: Iterable[CellRecord], running: Container[str] = (), looked: Looked | None = None, most: int = STEPS
) -> Timeline:  # fmt: skip
    """Outermost records in the order of their start; ``running`` are the ids of those that have not ended."""
    growing = Growing(looked, most)
    for record in records:
        growing.add(record, running)
    return growing.done(running)


def _lines(drawn: Mapping[str, _Line], whole: Iterable[Band]) -> Iterator[Line]:
    sums = added(band.sums for band in whole)
    for device in sorted(drawn, key=rank):
        total = energy_of(part for key, part in sums.items() if key[0] == device)
        if total is not None:
            yield Line(device, drawn[device].done(), total)


def rank(device: str) -> tuple[bool, bool, str]:
    """GPUs, then the CPU, then memory."""
    return device == MEMORY, device == CPU, device


def _band(piece: Piece, energy: Iterable[tuple[str, str, float | None, Provenance]], running: bool) -> Band:
    start, end, share, record = piece
    joules = sum([value for _, _, value, _ in energy if value is not None]) * share
    failed = record.outcome != "ok" and not running
    wall_s = record.wall_s * share
    return Band(record.bucket, start, end, record, joules, 1, int(failed), int(running), wall_s, share)
