"""Power over time: records as steps by device and as bands, as many as a screen can show; pure.

A record's mean power is its energy over its time, so the area of a step is that energy, and it stays so when steps are
put together. Records come one by one, and nothing is kept but what is drawn: a ledger may have a hundred thousand.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from heapq import heappop, heappush
from itertools import count
from math import inf
from typing import Generic, NamedTuple, Protocol, TypeVar

from . import accounting
from .accounting import Part
from .record import BUCKETS, ENERGY, Bucket, CellRecord, Figure, Total

#: Steps of a device, and bands of a lane, at most; so many times that are kept before some are put together.
STEPS, KEPT = 2000, 4
#: A record is drawn no shorter (seconds): in one that took no time there is energy, too.
SHORT_S = 1e-3
#: The clock that says when something began and the one that says how long it took are not one: so far they differ.
SLOP_S = 0.1
CPU, MEMORY, GPU = "CPU", "memory", "GPU"
OF_ALL = {"cpu_energy_j": CPU, "ram_energy_j": MEMORY}


def device_of(figure: Figure) -> str:
    """Whose line a figure's energy is on."""
    return OF_ALL.get(figure.name) or figure.device or GPU


class Spanned(Protocol):
    """What lasts from then to then (seconds since 1970)."""

    @property
    def start(self) -> float: ...

    @property
    def end(self) -> float: ...


S = TypeVar("S", bound=Spanned)


class Looked(NamedTuple):
    """The stretch that somebody zoomed into (seconds since 1970): told in more detail than the rest."""

    start: float
    end: float


#: Energy by device, figure and (the very object of a) provenance: looked up often, so a key must cost nothing.
Sums = dict[tuple[str, str, int], Part]


def put(sums: Sums, more: Sums) -> None:
    """Add to some sums."""
    for key, part in more.items():
        known = sums.get(key)
        sums[key] = part if known is None else accounting.merge(known, part)


class Step(NamedTuple):
    """A device's energy in a stretch of time: ``None`` where it was not measured; with a reason, a lower bound."""

    start: float
    end: float
    joules: float | None
    reason: str | None = None

    @property
    def watts(self) -> float | None:
        return None if self.joules is None else self.joules / (self.end - self.start)

    def and_then(self, later: Step) -> Step:
        known = [one.joules for one in (self, later) if one.joules is not None]
        return Step(self.start, later.end, sum(known) if known else None, self.reason or later.reason)


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
        sums: their energy.
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
    sums: Sums

    @property
    def energy(self) -> Total | None:
        return energy_of(self.sums.values())

    @property
    def by_device(self) -> dict[str, Total]:
        """What each took, GPUs first."""
        found = {device: self.sums_of(device) for device in sorted({key[0] for key in self.sums}, key=rank)}
        return {device: total for device, sums in found.items() if (total := energy_of(sums)) is not None}

    def sums_of(self, device: str) -> list[Part]:
        return [part for key, part in self.sums.items() if key[0] == device]

    def and_then(self, later: Band) -> Band:
        sums = dict(self.sums)
        put(sums, later.sums)
        most = self if self.joules >= later.joules else later
        return Band(
            self.bucket, self.start, max(self.end, later.end), most.dearest, most.joules, self.runs + later.runs,
            self.failed + later.failed, self.running + later.running, self.wall_s + later.wall_s, sums,
        )  # fmt: skip


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
    return next((total for total in accounting.totals(parts) if total.name == "energy_j"), None)


# Where the seconds of a record are


class Piece(NamedTuple):
    """A record, or a part of one (0 to 1), at its place."""

    start: float
    end: float
    share: float
    record: CellRecord


@dataclass(slots=True)
class _Gap:
    """What lay between cells: its seconds may be those of several gaps, from ``at`` on so many are still to be laid."""

    record: CellRecord
    at: float
    left: float

    def until(self, start: float, end: float) -> Piece | None:
        """What of it lies before a cell that ran then; the rest begins after that."""
        length = min(start - self.at, self.left)
        found = None
        if length >= SHORT_S:
            share = self.left if self.left - length < SLOP_S else length
            found = self._laid(self.at + length, share)
            self.left -= share
        self.at = max(self.at, end)
        return found

    def rest(self) -> list[Piece]:
        """What is left, as one piece at most."""
        return [self._laid(self.at + max(self.left, SHORT_S), self.left)] if self.left > 0 else []

    def _laid(self, end: float, length: float) -> Piece:
        return Piece(self.at, end, length / max(self.record.wall_s, SHORT_S), self.record)


def pieces(records: Iterable[CellRecord]) -> Iterator[Piece]:
    """Records in the order of their start, at their places, again in that order."""
    number, waiting = count(), list[tuple[float, int, Piece]]()
    open_gaps: dict[str, list[_Gap]] = {}
    ends: dict[str, float] = {}  # of each session's cells
    for record in records:
        session, bucket, start = record.session_id, record.bucket, record.started_at
        if bucket == "cell":
            ends[session] = max(ends.get(session, -inf), start + max(record.wall_s, SHORT_S))
        begins = start if bucket == "cell" else max(start, min(ends.get(session, start), start + SLOP_S))
        for piece in (*_over(open_gaps, start), *_placed(open_gaps, record, begins)):
            heappush(waiting, (piece.start, next(number), piece))
        sure = min((gap.at for gaps in open_gaps.values() for gap in gaps), default=inf)
        while waiting and waiting[0][0] <= min(sure, record.started_at):
            yield heappop(waiting)[2]
    for piece in _over(open_gaps, inf):
        heappush(waiting, (piece.start, next(number), piece))
    while waiting:
        yield heappop(waiting)[2]


def _over(open_gaps: dict[str, list[_Gap]], now: float) -> list[Piece]:
    """The rest of the gaps that no later cell can lie in."""
    found = []
    for session, gaps in list(open_gaps.items()):
        found += [piece for gap in gaps if gap.at + gap.left <= now for piece in gap.rest()]
        open_gaps[session] = [gap for gap in gaps if gap.at + gap.left > now]
        if not open_gaps[session]:
            del open_gaps[session]
    return found


def _placed(open_gaps: dict[str, list[_Gap]], record: CellRecord, start: float) -> Iterator[Piece]:
    wall_s = max(record.wall_s, SHORT_S)
    if record.bucket == "cell":
        cut = [gap.until(start, start + wall_s) for gap in open_gaps.get(record.session_id, ())]
        yield from (piece for piece in cut if piece is not None)
        yield Piece(start, start + wall_s, 1.0, record)
        return
    mine = open_gaps.setdefault(record.session_id, [])
    for gap in [gap for gap in mine if gap.record.bucket == record.bucket]:  # two gaps do not overlap
        mine.remove(gap)
        yield from gap.rest()
    mine.append(_Gap(record, start, wall_s))


# Fewer of them


def decimated(
    found: list[S], merge: Callable[[S, S], S], most: int = STEPS, width: float = 0.0
) -> tuple[list[S], float]:
    """No more than ``most``: the shortest are put together with their neighbours, long ones stay as they are.

    Also how short those were (seconds), from where the next time may begin.
    """
    if len(found) <= most:
        return found, width
    spans = [(one.start, one.end) for one in found]
    width = max(width, SHORT_S, (max(end for _, end in spans) - spans[0][0]) / (most * 1024))
    while len(firsts := _apart(spans, width)) > most:
        width *= 1.5
    groups = zip(firsts, [*firsts[1:], len(found)], strict=True)
    return [reduce(merge, found[first:beyond]) for first, beyond in groups], width


def _apart(spans: Iterable[tuple[float, float]], width: float) -> list[int]:
    """Where something begins that is not put to the one before it: both must be shorter than that, side by side."""
    firsts, first, last = list[int](), 0.0, -inf
    for at, (start, end) in enumerate(spans):
        if not firsts or last - first >= width or end - start >= width or start - last >= width:
            firsts.append(at)
            first, last = start, end
        else:
            last = max(last, end)
    return firsts


class _Few(Generic[S]):
    """As many as a screen can show, while more and more come; of a stretch that is looked at as many as of all else."""

    def __init__(self, merge: Callable[[S, S], S], looked: Looked | None, most: int) -> None:
        self._merge, self._looked = merge, looked
        self._found: tuple[list[S], ...] = ([], [], [])
        self._widths = [0.0, 0.0, 0.0]
        less = max(1, most // 4)
        self._most = (less, most, less) if looked else (most, most, most)

    def add(self, one: S) -> None:
        """The next in the order of their start."""
        at = 0 if self._looked is None or one.end <= self._looked.start else 1 if one.start < self._looked.end else 2
        self._found[at].append(one)
        if len(self._found[at]) > KEPT * self._most[at]:
            self._shrink(at)

    def _shrink(self, at: int) -> None:
        made, self._widths[at] = decimated(self._found[at], self._merge, self._most[at], self._widths[at])
        self._found[at][:] = made

    def all(self) -> tuple[S, ...]:
        for at in range(3):
            self._shrink(at)
        return (*self._found[0], *self._found[1], *self._found[2])


@dataclass(slots=True)
class _Drawing:
    """A device's line while its records come: what overlaps adds up, as of several kernels."""

    steps: _Few[Step]
    at: float = -inf
    _open: list[tuple[float, int, float | None, str | None]] = field(default_factory=list)
    _number: Iterator[int] = field(default_factory=count)

    def add(self, start: float, end: float, part: Part) -> None:
        self.go(start)
        watts = None if part.value is None else part.value / (end - start)
        reason = None if watts is not None else part.provenance.reason or "the sensor did not say it"
        heappush(self._open, (end, next(self._number), watts, reason))

    def go(self, now: float) -> None:
        """Up to then nothing more will come."""
        while self._open and self._open[0][0] <= now:
            self._step(self._open[0][0])
            heappop(self._open)
        self._step(now)

    def _step(self, end: float) -> None:
        if self._open and end > self.at:
            known = [watts for _, _, watts, _ in self._open if watts is not None]
            reason = next((why for _, _, watts, why in self._open if watts is None), None)
            joules = sum(known) * (end - self.at) if known else None
            self.steps.add(Step(self.at, end, joules, reason))
        self.at = max(self.at, end)

    def done(self) -> tuple[Step, ...]:
        """All of it."""
        self.go(max((end for end, *_ in self._open), default=self.at))
        return self.steps.all()


# All of it


def timeline(
    records: Iterable[CellRecord], running: Container[str] = (), looked: Looked | None = None, most: int = STEPS
) -> Timeline:  # fmt: skip
    """Outermost records in the order of their start; ``running`` are the ids of those that have not ended."""
    drawn: dict[str, _Drawing] = {}
    bands: dict[Bucket, _Few[Band]] = {}
    for piece in pieces(records):
        band = _band(piece, piece.record.id in running)
        bands.setdefault(band.bucket, _Few(Band.and_then, looked, most)).add(band)
        for (device, _, _), part in band.sums.items():
            drawn.setdefault(device, _Drawing(_Few(Step.and_then, looked, most))).add(piece.start, piece.end, part)
    shown = {bucket: bands[bucket].all() for bucket in BUCKETS if bucket in bands}
    whole = {bucket: reduce(Band.and_then, some) for bucket, some in shown.items()}
    more = any(band.runs > 1 for some in shown.values() for band in some)
    return Timeline(tuple(_lines(drawn, whole.values())), shown, whole, more)


def _lines(drawn: Mapping[str, _Drawing], whole: Iterable[Band]) -> Iterator[Line]:
    sums = Sums()
    for band in whole:
        put(sums, band.sums)
    for device in sorted(drawn, key=rank):
        total = energy_of(part for key, part in sums.items() if key[0] == device)
        if total is not None:
            yield Line(device, drawn[device].done(), total)


def rank(device: str) -> tuple[bool, bool, str]:
    """GPUs, then the CPU, then memory."""
    return device == MEMORY, device == CPU, device


def _band(piece: Piece, running: bool) -> Band:
    record, sums = piece.record, Sums()
    for figure in record.usage.figures:
        value, origin = figure.value, figure.provenance
        if figure.name in ENERGY and not (value is None and origin.absent):
            part = Part(figure.name, origin, None if value is None else value * piece.share, 1, int(value is None))
            put(sums, {(device_of(figure), figure.name, id(origin)): part})
    joules = sum(part.value or 0.0 for part in sums.values())
    failed = record.outcome != "ok" and not running
    return Band(
        record.bucket, piece.start, piece.end, record, joules, 1, int(failed), int(running),
        record.wall_s * piece.share, sums,
    )  # fmt: skip
