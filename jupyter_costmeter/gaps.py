"""The spans between cells: from the end of one to the start of the next, and what was held meanwhile.

``began`` and ``ended`` are on the user's path and only note where a gap's edges are.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator

from . import between
from .meter import COVERED_S, Meter, Window
from .reading import Sample
from .record import Bucket, DeviceUse, Held, Usage

#: A gap so short (seconds) is between two cells, not held idle.
SHORT_S = 0.5

Ended = tuple[Bucket, between.Pending]


class Gaps:
    """The gaps of one session.

    Args:
        meter: what meters them.
        add: told of each gap's bucket, start (seconds since 1970) and usage.
    """

    def __init__(self, meter: Meter, add: Callable[[Bucket, float, Usage], None]) -> None:
        self.meter = meter
        self._add = add
        self._last: tuple[Window | Sample, int] = (meter.boundary(), 0)  # where the gap of now began
        self._waiting: deque[tuple[int, Window]] = deque()
        self._pending: dict[Bucket, between.Pending] = {}
        self._edges: deque[tuple[Window | Sample, int, Window | Sample]] = deque()
        self._noted = -1  # after which cell a gap began that the ledger knows of before it has ended

    def __bool__(self) -> bool:
        return bool(self._edges)

    def ended(self, window: Window) -> None:
        """A cell begins."""
        self._edges.append((*self._last, window))

    def began(self, window: Window, seq: int) -> None:
        """The cell of that number has ended."""
        self._last = (window, seq)

    def close(self) -> None:
        """The process ends in a gap."""
        now = self.meter.boundary()
        self._edges.append((*self._last, now))
        self._last = (now, self._last[1])

    # Off the user's path

    @property
    def since_s(self) -> float:
        """When the gap of now began, by the meter's clock."""
        return _end(self._last[0]).t_s

    def take(self) -> list[Window]:
        """The gaps that have ended so far, to be settled and then added."""
        for _ in range(len(self._edges)):
            before, seq, after = self._edges.popleft()
            self._waiting.append((seq, self.meter.gap(before, after)))
        return [gap for _, gap in self._waiting]

    def settled(self, usage: Callable[[Window], Usage]) -> Iterator[Ended]:
        """Add those that were taken; what is long enough to be a record comes back."""
        while self._waiting:
            seq, gap = self._waiting.popleft()
            began = time.time() - (self.meter.clock() - gap.start.t_s)
            for bucket, part in between.split(usage(gap)).items():
                self._add(bucket, began, part)
                yield from self._merged(bucket, between.Pending(began, seq, part))

    def _merged(self, bucket: Bucket, new: between.Pending) -> Iterator[Ended]:
        earlier = self._pending.pop(bucket, None)
        both = earlier.and_then(new.usage) if earlier and new.seq != self._noted else None
        if earlier and both is None:
            yield bucket, earlier
        pending = both or new
        if pending.usage.wall_s >= between.LONG_S or pending.seq == self._noted:
            yield bucket, pending
        else:
            self._pending[bucket] = pending

    @property
    def waits_s(self) -> float:
        """How long the gaps are that have ended and were not looked at yet (seconds)."""
        return sum(_start(after).t_s - _end(before).t_s for before, _, after in list(self._edges))

    def so_far(self, noted: bool = False) -> Iterator[Ended]:
        """What is held idle in the gap of now: not the work in it, which may be over.

        Args:
            noted: the ledger is told, so it will be a record of its own.
        """
        before, seq = self._last
        if self.meter.clock() - self.since_s < SHORT_S:
            return
        now = self.meter.sample()
        gap = self.meter.gap(before, now)
        began = time.time() - (self.meter.clock() - gap.start.t_s)
        held = between.split(self.meter.usage(gap, now)).get("held_idle")
        if held is not None:
            self._noted = seq if noted else self._noted
            yield "held_idle", between.Pending(began, seq, held)

    def pending(self) -> list[Ended]:
        """What is too short to be a record so far, as it is."""
        return list(self._pending.items())

    def rest(self) -> list[Ended]:
        """What was too short to be a record so far."""
        found, self._pending = self._pending, {}
        return list(found.items())

    def held(self, until_s: float | None = None) -> tuple[Held, ...]:
        """The GPUs that this process tree holds: in the gap of now, or in the one that ended then."""
        last = self._last[0]
        idle_s = (until_s or self.meter.clock()) - self.since_s
        earlier = last.seen if isinstance(last, Window) else {}
        names = self.meter.devices()
        return tuple(
            Held(use.device, names.get(use.device), use.used_bytes, idle_s, _busy(use, earlier, idle_s))
            for use in (self.meter.uses if self.meter.hangs else self.meter.observe())
            if use.held
        )


def _end(edge: Window | Sample) -> Sample:
    return edge.end or edge.start if isinstance(edge, Window) else edge


def _start(edge: Window | Sample) -> Sample:
    return edge.start if isinstance(edge, Window) else edge


def _busy(use: DeviceUse, earlier: dict[str, DeviceUse], seconds: float) -> float | None:
    """The share of that time in which a GPU was busy, by the driver's samples: of a long time, of its end."""
    before = earlier.get(use.device)
    if use.busy_s is None or before is None or before.busy_s is None or seconds <= 0:
        return None
    return min(1.0, max(0.0, use.busy_s - before.busy_s) / min(seconds, COVERED_S))
