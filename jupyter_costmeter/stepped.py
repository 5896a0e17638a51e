"""What a counter that is refreshed only now and then must have been at a window's edges.

NVML's energy counter moves each 20 or 100 ms (FACTS §4), so the difference of two readings of
a 30 ms cell is noise. But the counter is exact at each refresh. Where the refreshes are
known, from readings before and after the edges, each step's energy is known exactly, and only
its division between the pieces of a step has to be found: a span that goes on keeps its
power, what begins takes the rest.

Values at edges are found in the order of time and never taken back, so the sums over windows
telescope: whatever is estimated, nothing is lost and nothing is counted twice.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import pairwise
from math import exp, hypot, inf, log
from typing import NamedTuple

from .refreshes import TIGHT_S, Grid, Refresh, refreshes

#: So many of the newest readings are kept, whatever is settled.
KEPT = 64
#: Seconds by whose energy a reading may be old, where the counter's steps are not known (FACTS §4).
OLD_S = 0.1
#: Two powers that differ by less than this (relative) are one level.
LEVEL = 0.03
#: The power between cells is the mean of at most so many seconds.
MEMORY_S = 10.0
#: How far a gap's power is trusted from one stretch of it to the next (relative).
GAP_TRUST = 0.05
#: Seconds of a cell's power by which it may have spilled over its end unseen (a GPU's clocks fall slowly).
SPILL_S = 0.01
#: How far the fall is trusted to be an exponential (relative).
FALL_TRUST = 0.25
#: Seconds after which a GPU's power has fallen to what it draws between cells.
FALLEN_S = 0.35
#: A smaller value so soon (seconds) after a larger one was read before it, by another thread.
OUT_OF_ORDER_S = 0.02
#: The part of its usual idle power that a device draws at least.
LEAST = 0.5
#: A spill of less than this share of the power is none.
SEEN = 0.02


class Estimate(NamedTuple):
    """A counter's value at an instant, by how much it may be wrong, and what it cannot exceed."""

    value: float
    error: float
    most: float = inf
    epoch: int = 0


@dataclass(slots=True)
class _Span:
    """From one edge to the next: of one window's work, or between windows."""

    start_s: float
    end_s: float
    works: bool


@dataclass
class Track:
    """One counter's readings and the windows' edges.

    Args:
        grid: when it is refreshed; ``None`` where that is not known, step 0 where it always is.
    """

    grid: Grid | None = None
    readings: list[tuple[float, float]] = field(default_factory=list)
    edges: list[tuple[float, int]] = field(default_factory=list)  # (seconds, windows opened less closed)
    idle_w: float | None = None  # the power between cells, after the clocks have fallen
    fall_s: float | None = None  # the time constant with which the power falls after work
    epoch: int = 0  # counts the counter's restarts
    _idle_s: float = 0.0  # of how many seconds idle_w is the mean
    _smoothed: tuple[Refresh, Refresh] | None = None
    _fixed: dict[float, Estimate] = field(default_factory=dict)
    _settled_s: float = -inf
    _last: tuple[float, float] = (-inf, 0.0)  # the last edge's time and value

    def read(self, t_s: float, value: float | None) -> None:
        """A reading; one from before the last one tells nothing new."""
        if value is None or (self.readings and t_s <= self.readings[-1][0]):
            return
        if self.readings and value < self.readings[-1][1]:
            if t_s - self.readings[-1][0] < OUT_OF_ORDER_S:
                return  # two threads read across a refresh, and this one was the first
            self._restart()
        if self.readings and self.grid and self.grid.step_s and value != self.readings[-1][1]:
            last_s = self.readings[-1][0]
            if t_s - last_s < TIGHT_S:
                self.grid.met((t_s + last_s) / 2)
        self.readings.append((t_s, value))

    def edge(self, t_s: float, opened: int) -> None:
        """A place where the value is wanted: windows opened there, less those closed."""
        insort(self.edges, (t_s, opened))

    def _restart(self) -> None:
        """The counter went backwards: what was known before tells nothing about what comes."""
        self.settle(self.readings[-1][0])
        self.readings.clear()
        self.epoch += 1
        self._last = (-inf, 0.0)

    def settle(self, until_s: float) -> None:
        """Find the values at the edges up to then, in their order, by the readings so far; for good."""
        for t, _ in self.edges[bisect_right(self.edges, (self._settled_s, 2**31)) :]:
            if t <= until_s and t not in self._fixed:
                found = self._found(t)
                if found is not None:
                    self._fixed[t] = self._risen(t, found)
        self._settled_s = max(self._settled_s, until_s)

    def _risen(self, t_s: float, found: Estimate) -> Estimate:
        """Not below what it was at the edge before, and what such a device draws at least."""
        at, value = self._last
        drawn = LEAST * (self.idle_w or 0.0) * max(0.0, t_s - at) if at > -inf else 0.0
        least = max(value, min(value + drawn, found.most)) if at > -inf else -inf
        self._last = (t_s, max(found.value, least))
        return Estimate(self._last[1], max(found.error, least - found.value), found.most, self.epoch)

    def at(self, t_s: float) -> Estimate | None:
        """The counter's value at an edge that is settled; ``None`` where no reading was near it."""
        return self._fixed.get(t_s)

    def refreshed(self, since_s: float) -> list[Refresh]:
        """The refreshes that are known since then."""
        return [p for p in refreshes(self.readings, self.grid) if p.at_s >= since_s] if self.grid else []

    def forget(self, wanted: Collection[float]) -> None:
        """Keep the values at these edges only, and of the rest what later ones are found by."""
        self._fixed = {t: e for t, e in self._fixed.items() if t in wanted}
        unsettled = self.edges[bisect_right(self.edges, (self._settled_s, 2**31)) :]
        needed = unsettled[0][0] if unsettled else self._settled_s
        del self.readings[: max(0, min(bisect_left(self.readings, (needed, -inf)), len(self.readings)) - KEPT)]
        oldest = min(self.readings[0][0], self._settled_s) if self.readings else self._settled_s
        cut = bisect_left(self.edges, (oldest, -(2**31)))
        if cut > 1:
            depth = sum(step for _, step in self.edges[:cut])
            self.edges[:cut] = [(self.edges[cut - 1][0], max(0, depth))]

    # The refreshes

    def _found(self, t_s: float) -> Estimate | None:
        if not self.readings:
            return None
        if self.grid is None or self.grid.step_s == 0.0:
            return self._as_read(t_s)
        points = refreshes(self.readings, self.grid)
        spans = self._spans(points)
        points = _certain(points, spans) or points
        index = bisect_right(points, t_s, key=lambda p: p.at_s)
        if index == 0:
            return Estimate(points[0].value, abs(self._watts(spans, points, t_s) * self.grid.step_s))
        if index == len(points):
            return self._beyond(points[-1], spans, points, t_s)
        return self._between(points, index - 1, spans, t_s)

    def _as_read(self, t_s: float) -> Estimate | None:
        """A counter that is always fresh, or whose refreshes are not known: by the readings around it."""
        index = bisect_left(self.readings, (t_s, -inf))
        near = self.readings[max(0, index - 1) : index + 1]
        if not near or (near[-1][0] < t_s and len(near) == 1):
            return Estimate(near[0][1], 0.0, near[0][1]) if near else None
        error = 0.0 if self.grid else OLD_S * self._mean_w(index)
        (t1, v1), (t0, v0) = near[-1], near[0]
        if t1 in (t_s, t0):
            return Estimate(v1, error, v1)
        # A reading that comes moments after the edge, as a slow driver's, tells it to within those moments.
        doubt = min((v1 - v0) / 2, 2 * min(t_s - t0, t1 - t_s) * self._mean_w(index))
        return Estimate(v0 + (v1 - v0) * (t_s - t0) / (t1 - t0), doubt + error, v1)

    def _mean_w(self, index: int) -> float:
        (t0, v0), (t1, v1) = self.readings[max(0, index - 8)], self.readings[-1]
        return (v1 - v0) / (t1 - t0) if t1 > t0 else 0.0

    # The division of a step

    def _spans(self, points: list[Refresh]) -> list[_Span]:
        """The spans between all edges, from before the first refresh to after the last."""
        first, last = points[0].at_s - 1.0, max(points[-1].at_s, self.readings[-1][0]) + 1.0
        cuts = [first, *(t for t, _ in self.edges if first < t < last), last]
        spans, depth = [], sum(step for t, step in self.edges if t <= first)
        changes = [step for t, step in self.edges if first < t < last]
        for (start, end), change in zip(pairwise(cuts), [0, *changes], strict=True):
            depth = max(0, depth + change)
            spans.append(_Span(start, end, depth > 0))
        return spans

    def _watts(self, spans: list[_Span], points: list[Refresh], t_s: float) -> float:
        span = next((s for s in spans if s.start_s <= t_s < s.end_s), spans[-1])
        return self._power(span, points) or self.idle_w or 0.0

    def _power(self, span: _Span, points: list[Refresh]) -> float | None:
        """The mean power of a span by the refreshes within it; ``None`` for work that is too short."""
        inside = [p for p in points if span.start_s <= p.at_s <= span.end_s]
        if not span.works:
            return self._idle(span, inside)
        return _slope(inside[0], inside[-1]) if len(inside) > 1 else None

    def _idle(self, gap: _Span, inside: list[Refresh]) -> float | None:
        """The power of a gap: by its refreshes after the clocks have fallen, else that of the gaps before."""
        step = self.grid.step_s if self.grid else 0.0
        fallen = max(3.5 * step, FALLEN_S, 5 * (self.fall_s or 0.0))
        settled = [p for p in inside if p.at_s >= gap.start_s + fallen]
        if len(settled) > 1:
            return self._settled(settled[0], settled[-1])
        if len(inside) > 2:
            one, two = _slope(inside[-3], inside[-2]), _slope(inside[-2], inside[-1])
            noise = LEVEL * two + 2 * two * sum(p.slack_s for p in inside[-3:]) / (inside[-1].at_s - inside[-2].at_s)
            if abs(two - one) <= noise and (self.idle_w is None or abs(two - self.idle_w) > 1.5 * noise):
                return two  # it idles on another level than before
        if self.idle_w is None and len(inside) > 1:
            return _slope(inside[-2], inside[-1])
        return self.idle_w

    def _settled(self, first: Refresh, last: Refresh) -> float:
        """A gap's power, smoothed with that of the gaps before if it is the same to within what is known."""
        seconds, power = max(last.at_s - first.at_s, 1e-9), _slope(first, last)
        if (first, last) == self._smoothed and self.idle_w is not None:
            return self.idle_w
        self._smoothed = (first, last)
        noise = power * (LEVEL + 2 * (first.slack_s + last.slack_s) / seconds)
        if self.idle_w is None or abs(power - self.idle_w) > noise:
            self.idle_w, self._idle_s = power, min(seconds, MEMORY_S)
        else:
            self.idle_w = (self.idle_w * self._idle_s + power * seconds) / (self._idle_s + seconds)
            self._idle_s = min(self._idle_s + seconds, MEMORY_S)
        return self.idle_w

    def _beyond(self, last: Refresh, spans: list[_Span], points: list[Refresh], t_s: float) -> Estimate:
        """No later refresh is known: on at the power of the time."""
        more = self._watts(spans, points, t_s) * (t_s - last.at_s)
        return Estimate(last.value + more, max(more, 0.0), last.value + 2 * max(more, 0.0))

    def _between(self, points: list[Refresh], index: int, spans: list[_Span], t_s: float) -> Estimate:
        before, after = points[index], points[index + 1]
        pieces = [
            _Piece(s, max(s.start_s, before.at_s), min(s.end_s, after.at_s))
            for s in spans
            if s.end_s > before.at_s and s.start_s < after.at_s
        ]
        for piece in pieces:
            piece.watts = self._power(piece.span, points)
            piece.begins = piece.span.start_s > before.at_s
        for work, gap in pairwise(pieces[:-1]):
            self._falling(work, gap)
        spill, doubt = self._spill(pieces, points, index + 1)
        _divide(pieces, after.value - before.value, spill, self.idle_w or 0.0, self.fall_s or 0.0)
        earlier = [p for p in pieces if p.end_s <= t_s]
        value = before.value + sum(p.joules for p in earlier)
        doubt = max(doubt, self._unfallen(pieces, spill))
        return Estimate(value, _error(pieces, len(earlier), before, after, doubt), after.value)

    def _unfallen(self, pieces: list[_Piece], spill: float) -> float:
        """Joules of work that may lie in the gaps after it, where these are too short to show it."""
        falls = [
            max(0.0, _mean(work) - (self.idle_w or 0.0)) * _tail_s(gap.seconds, self.fall_s or 0.0)
            for work, gap in pairwise(pieces)
            if work.span.works and not gap.span.works and not (spill and gap is pieces[-1])
        ]
        return max(falls, default=0.0)

    def _falling(self, work: _Piece, gap: _Piece) -> None:
        """A gap too short for the power to have fallen: by the fall that was seen after other cells."""
        if gap.span.works or not gap.begins or None in (self.fall_s, self.idle_w, work.watts) or not gap.seconds:
            return
        assert self.fall_s is not None
        assert self.idle_w is not None
        assert work.watts is not None
        excess = max(0.0, work.watts - self.idle_w) * self.fall_s * (1 - exp(-gap.seconds / self.fall_s))
        gap.watts = self.idle_w + excess / gap.seconds

    def _spill(self, pieces: list[_Piece], points: list[Refresh], index: int) -> tuple[float, float]:
        """Joules above idle in the last gap's piece, and how far that is in doubt.

        By the power in the gap's next steps, which still falls, as an exponential.
        """
        gap = pieces[-1]
        if gap.span.works or not gap.begins or self.idle_w is None or index + 1 >= len(points):
            return 0.0, 0.0
        seconds, one = self._excess(points, index, gap.span)
        noise = self.idle_w * sum(p.slack_s for p in points[index : index + 2])
        if one <= SEEN * self.idle_w * seconds + 2 * noise:
            return 0.0, 2 * noise
        later_s, two = self._excess(points, index + 1, gap.span)
        if abs(later_s - seconds) < seconds / 4 and 0.02 * one < two < 0.98 * one:
            fall = -seconds / log(two / one)
            self.fall_s = fall if self.fall_s is None else 0.7 * self.fall_s + 0.3 * fall
        if self.fall_s is None or self.fall_s < gap.seconds / 4:
            return 0.0, 2 * noise
        times = (exp(gap.seconds / self.fall_s) - 1) / (1 - exp(-seconds / self.fall_s))
        return one * times, (one * FALL_TRUST + 2 * noise) * times

    def _excess(self, points: list[Refresh], index: int, gap: _Span) -> tuple[float, float]:
        """From that refresh to the next: seconds, and joules above idle; none where the gap ends before."""
        if index + 1 >= len(points) or points[index + 1].at_s > gap.end_s or self.idle_w is None:
            return 0.0, 0.0
        seconds = points[index + 1].at_s - points[index].at_s
        return seconds, points[index + 1].value - points[index].value - self.idle_w * seconds


@dataclass(slots=True)
class _Piece:
    """A span's part of one step: what is known of its power, and the energy that it gets."""

    span: _Span
    start_s: float
    end_s: float
    watts: float | None = None
    begins: bool = False
    joules: float = 0.0

    @property
    def seconds(self) -> float:
        return self.end_s - self.start_s


def _certain(points: list[Refresh], spans: list[_Span]) -> list[Refresh]:
    """Without those of which it is not known whether they lie in a window or beside it."""
    works = [s for s in spans if s.works]
    unsure = {
        p for p in points for s in works
        if s.start_s - p.slack_s < p.at_s < s.end_s + p.slack_s
        and min(abs(p.at_s - s.start_s), abs(p.at_s - s.end_s)) < p.slack_s - 0.001
        and s.start_s < p.at_s < s.end_s
    }  # fmt: skip
    return [p for p in points if p not in unsure]


def _slope(one: Refresh, two: Refresh) -> float:
    return (two.value - one.value) / max(two.at_s - one.at_s, 1e-9)


def _divide(pieces: list[_Piece], joules: float, spill: float, idle_w: float, fall_s: float) -> None:
    """Share out a step's energy: what goes on keeps its power, what begins takes the rest.

    Work of unknown power takes it together with the gaps after it, in which its power falls.
    """
    for piece in pieces:
        piece.joules = (piece.watts if piece.watts is not None else idle_w) * piece.seconds
    pieces[-1].joules += spill
    rest = joules - sum(p.joules for p in pieces)
    weights = _weights(pieces, fall_s if not spill else 0.0)
    if rest < 0 and any(p.watts is None for p in pieces):  # less than idle: all of it in proportion to time
        rest, weights = rest + sum(p.joules for p in pieces if p.watts is None), _weights(pieces, 0.0)
        for piece in pieces:
            piece.joules = piece.joules if piece.watts is not None else 0.0
    for piece, weight in zip(pieces, weights, strict=True):
        piece.joules += rest * weight
    if any(p.joules < 0 for p in pieces):
        floor = [max(0.0, p.joules) for p in pieces]
        for piece, value in zip(pieces, floor, strict=True):
            piece.joules = value * joules / sum(floor) if sum(floor) else joules / len(pieces)


def _weights(pieces: list[_Piece], fall_s: float) -> list[float]:
    """By which the pieces take what is left over; they sum to 1."""
    unknown = any(p.watts is None for p in pieces)
    begins = any(p.begins for p in pieces)
    found = []
    for before, piece in zip([None, *pieces], pieces, strict=False):
        takes = piece.watts is None if unknown else piece.begins or not begins
        tail = unknown and before is not None and before.watts is None and not piece.span.works
        found.append(piece.seconds if takes else _tail_s(piece.seconds, fall_s) if tail else 0.0)
    total = sum(found)
    return [weight / total if total > 0 else 1 / len(found) for weight in found]


def _tail_s(seconds: float, fall_s: float) -> float:
    """For how long a power that falls was, so to speak, there in full."""
    return fall_s * (1 - exp(-seconds / fall_s)) if fall_s > 0 else 0.0


def _error(pieces: list[_Piece], cut: int, before: Refresh, after: Refresh, doubt: float) -> float:
    """By how much the value at the edge after the first ``cut`` pieces may be wrong."""
    if not 0 < cut < len(pieces):
        return 0.0
    left, right = pieces[cut - 1], pieces[cut]
    gaps = hypot(*(GAP_TRUST * p.joules for p in pieces if not p.span.works))
    slack = hypot(before.slack_s * _mean(pieces[0]), after.slack_s * _mean(pieces[-1]))
    unknown = [p for p in pieces if p.watts is None]
    mixed = sum(p.joules for p in unknown) if len(unknown) > 1 else 0.0
    unseen = abs(_mean(left) - _mean(right)) * SPILL_S if left.span.works else 0.0
    return hypot(gaps, slack, max(doubt, min(unseen, left.joules))) + mixed


def _mean(piece: _Piece) -> float:
    return piece.joules / piece.seconds if piece.seconds > 0 else 0.0
