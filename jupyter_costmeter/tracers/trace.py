"""What CUPTI reports, put in the order of launches.

Each launch has a correlation id, given out in launch order over the whole process. A mark is a
launch of our own, a memset of a few bytes on a stream of our own, so that its correlation id
divides all others into before and after. A kernel belongs to the span in which it was *launched*,
whenever it runs and whichever thread launched it.
"""

from __future__ import annotations

import threading
import weakref
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import repeat

from .library import SIZES, Cuda, Cupti
from .native import Batch, Buffers
from .spans import Device, Row

MASK, HALF = (1 << 32) - 1, 1 << 31  # correlation ids have 32 bits and start again
WAITING, HELD = 64, 1_000_000  # marks, and kernels after the first of them, that may be unplaced
LOST = "CUPTI lost this window's edge"
BEHIND = "CUPTI reports nothing: this GPU is far behind, or another profiler has taken CUPTI over"


@dataclass(eq=False)
class Mark:
    """A point in the order of launches. As long as somebody keeps it, what was launched since is kept.

    ``why`` says why nothing can be told from here; ``asked`` how many buffers CUPTI had been lent
    when it was placed, ``correlation`` its place, once that has been reported.
    """

    number: int
    period: int = 0
    why: str | None = None
    asked: int = 0
    correlation: int | None = None


class Trace:
    """Marks, and the kernels between them. ``cupti`` may be stopped and started again: another period."""

    def __init__(self, cupti: Cupti, cuda: Cuda, buffers: Buffers) -> None:
        self.period = 1
        self.devices: dict[int, Device] = {cuda.device: Device()}
        self._cupti, self._cuda, self._buffers = cupti, cuda, buffers
        self._placing, self._draining = threading.Lock(), threading.Lock()
        self._newest = 0  # the last mark's number
        self._waiting: dict[int, Mark] = {}  # by size
        self._known: dict[int, weakref.ref[Mark]] = {}  # by number
        self._places: list[int] = []  # of the marks of this period, ascending, with
        self._numbers: list[int] = []
        self._last = 0  # a correlation id seen lately
        self._held: list[tuple[int, int, int, int]] = []  # correlation id, device, start and end
        self._flaws: list[tuple[int, int]] = []  # spans, first and last, of which records are missing
        self._drained = 0  # the newest mark at the last drain

    def place(self, mark: Mark) -> None:
        """On the user's path. One at a time: marks are numbered in the order of their launch."""
        with self._placing:
            if len(self._waiting) >= WAITING:
                mark.why = BEHIND
                return
            size, mark.period = 1 + mark.number % SIZES, self.period
            failed: int | None = None
            try:
                self._waiting[size] = mark  # before its launch: what is launched later is held until it is known
                failed = self._cuda.place(size)
            finally:
                if failed != 0:  # or an interrupt
                    self._waiting.pop(size, None)
                    mark.why = f"CUDA error {failed}"
            mark.asked, self._newest = self._buffers.asked, mark.number

    def complete(self, mark: Mark) -> bool:
        """Whether all that was launched before it has been reported."""
        return mark.correlation is not None and not self._buffers.outstanding(mark.asked)

    def flawed(self, first: int, last: int) -> bool:
        return any(begins < last and ends >= first for begins, ends in tuple(self._flaws))

    def busy_ns(self, first: int, last: int) -> dict[int, int]:
        """By CUDA's ordinal: time with a kernel of these spans running."""
        with self._draining:
            return {ordinal: device.busy_ns(first, last) for ordinal, device in self.devices.items()}

    def drain(self, flush: bool = False) -> None:
        """Off the user's path: take in what CUPTI has reported."""
        if flush:
            self._cupti.flush()
        with self._draining:
            batches = self._buffers.batches(self._cupti.next_record)
            missing = self._cupti.dropped() or any(batch.unknown for batch in batches)
            before, self._drained = self._drained, self._newest
            if missing:
                self._flaws.append((before, self._drained))
            for batch in batches:
                self._take(batch)
            self._give_up()
            self._release()
            self._forget()

    def end(self, why: str) -> None:
        """Tracing has stopped. Another period may follow, in which correlation ids may start again."""
        self.drain()
        with self._draining:
            for size, mark in list(self._waiting.items()):
                self._waiting.pop(size, None)
                mark.why = why
            self._release()
            self._places, self._numbers, self._held, self._last = [], [], [], 0
            self.period += 1

    def _take(self, batch: Batch) -> None:
        if batch.places or batch.marks:
            self._last = self._whole(batch.places[-1] & MASK if batch.places else batch.marks[-1][1])
        for size, correlation in batch.marks:
            self._found(size, self._whole(correlation))
        batch = _in_ns(batch, self._cupti.rate)
        if batch.places and not self._at_once(batch):
            ids = (self._whole(place & MASK) for place in batch.places)
            devices = (place >> 32 for place in batch.places)
            self._held += zip(ids, devices, batch.starts, batch.ends, strict=True)

    def _at_once(self, batch: Batch) -> bool:
        """A buffer is mostly of one device and one span: then its kernels are not looked at one by one."""
        lowest, highest, fence = min(batch.places), max(batch.places), self._fence()
        if lowest >> 32 != highest >> 32 or highest - lowest >= HALF:
            return False
        low, high = self._whole(lowest & MASK), self._whole(highest & MASK)
        if self._span(low) != self._span(high) or (fence is not None and high >= fence):
            return False
        if (span := self._span(low)) is not None:
            self._add(lowest >> 32, list(zip(batch.starts, batch.ends, repeat(span))))
        return True

    def _whole(self, correlation: int) -> int:
        """Without the turn-over: the nearest to those seen lately."""
        return self._last + ((correlation - self._last + HALF) & MASK) - HALF

    def _found(self, size: int, correlation: int) -> None:
        mark = self._waiting.pop(size, None)
        if mark is None or mark.period != self.period:
            return
        mark.correlation = correlation
        self._known[mark.number] = weakref.ref(mark)
        at = bisect_left(self._places, correlation)
        self._places.insert(at, correlation)
        self._numbers.insert(at, mark.number)

    def _fence(self) -> int | None:
        """Launches from here on may lie beyond a mark whose place is not known; ``None``: there is none."""
        if not self._waiting:
            return None
        first = min(mark.number for mark in tuple(self._waiting.values()))
        at = bisect_left(self._numbers, first)
        return self._places[at - 1] if at else -(1 << 62)

    def _release(self) -> None:
        """What is held, up to where all marks are known."""
        fence = self._fence()
        ready = [row for row in self._held if fence is None or row[0] < fence]
        if not ready:
            return
        self._held = [row for row in self._held if fence is not None and row[0] >= fence]
        for correlation, device, start, end in ready:
            if (span := self._span(correlation)) is not None:
                self._add(device, [(start, end, span)])

    def _span(self, correlation: int) -> int | None:
        """``None``: launched before every mark that is kept."""
        at = bisect_right(self._places, correlation)
        return self._numbers[at - 1] if at else None

    def _add(self, ordinal: int, rows: list[Row]) -> None:
        device = self.devices.setdefault(ordinal, Device())
        self._flaws += [(late, late) for late in device.add(rows)]

    def _give_up(self) -> None:
        """On marks whose record was dropped, so that nothing waits for them."""
        for size, mark in sorted(self._waiting.items(), key=lambda item: item[1].number):
            later = bool(self._numbers) and self._numbers[-1] > mark.number
            lost = later and not self._buffers.outstanding(mark.asked)
            if lost or len(self._held) > HELD:
                self._waiting.pop(size, None)
                mark.why = LOST
                return

    def _forget(self) -> None:
        """What lies between marks that nobody keeps becomes one, what lies before all of them goes."""
        alive = sorted(number for number, mark in self._known.items() if mark() is not None)
        if len(self._known) - len(alive) < WAITING:
            return
        self._known = {number: self._known[number] for number in alive}
        for device in self.devices.values():
            device.keep(alive)
        kept = [(place, n) for place, n in zip(self._places, self._numbers, strict=True) if n in self._known]
        self._places, self._numbers = [place for place, _ in kept], [n for _, n in kept]
        self._flaws = list(self._relevant(alive))

    def _relevant(self, alive: list[int]) -> Iterator[tuple[int, int]]:
        oldest = alive[0] if alive else self._drained
        return ((begins, ends) for begins, ends in dict.fromkeys(self._flaws) if ends >= oldest)


def _in_ns(batch: Batch, rate: float) -> Batch:
    if rate == 1.0:
        return batch
    starts, ends = ([round(ticks / rate) for ticks in column] for column in (batch.starts, batch.ends))
    return replace(batch, starts=starts, ends=ends)
