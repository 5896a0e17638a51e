"""When a counter that moves in steps was refreshed, by readings around it.

Two readings of different value, a millisecond apart, tell it exactly; from some such the grid of
all refreshes is known, so that any reading tells what the counter was at the refresh before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf, sqrt

#: Two readings closer than this (seconds) tell when the counter was refreshed between them.
TIGHT_S = 0.006
#: Two readings closer than this (seconds) tell one step from the next, where the driver is slow or busy with others.
WIDE_S = 0.02
#: A counter refreshed more often than this (seconds) is taken as it is read.
FINE_S = 0.003
#: A counter that has moved at more than this share of the readings is taken as it is read, however slow they came.
FRESH = 0.8
#: So many refreshes that were seen tell the grid.
KEPT = 24


@dataclass(frozen=True, slots=True)
class Refresh:
    """The counter had exactly ``value`` at ``at_s``, which is known to within ``slack_s``.

    It was refreshed after ``after_s``, when the value before was read, and by ``by_s``, when this one was.
    """

    at_s: float
    value: float
    slack_s: float
    after_s: float
    by_s: float

    def moved(self, at_s: float, slack_s: float) -> Refresh:
        """The same at another time, as far as the readings allow."""
        within = min(max(at_s, self.after_s), self.by_s)
        return Refresh(within, self.value, min(slack_s, self.by_s - self.after_s), self.after_s, self.by_s)


class Grid:
    """When the counter is refreshed: each ``step_s`` from ``anchor_s`` on, to within ``jitter_s``.

    Fitted to the refreshes that were seen, the last ``KEPT`` of them.
    """

    def __init__(self, step_s: float, seen: Sequence[float]) -> None:
        self.step_s = step_s
        self._seen = [(round((t - seen[0]) / step_s) if step_s else 0, t) for t in seen]
        self.anchor_s, self.jitter_s, self.drift = seen[-1], 0.0, 0.01
        if step_s:
            self._fit()

    @property
    def count(self) -> int:
        """Of how many refreshes it is known."""
        return len(self._seen)

    def before(self, t_s: float) -> tuple[float, float]:
        """The last refresh at or before ``t_s``, and by how much it may be wrong."""
        return self._at((t_s - self.anchor_s) // self.step_s, t_s - self.step_s / 2)

    def near(self, t_s: float) -> tuple[float, float]:
        """The refresh nearest to ``t_s``, and by how much it may be wrong."""
        return self._at(round((t_s - self.anchor_s) / self.step_s), t_s)

    def _at(self, steps: float, unknown_s: float) -> tuple[float, float]:
        slack = self.jitter_s + abs(steps) * self.step_s * self.drift
        known = slack < self.step_s / 2
        return (self.anchor_s + steps * self.step_s, slack) if known else (unknown_s, self.step_s / 2)

    def met(self, at_s: float) -> None:
        """A refresh was seen: keep pace with it."""
        steps = round((at_s - self.anchor_s) / self.step_s)
        if abs(steps) * self.step_s * self.drift > self.step_s / 4:
            self._seen = self._seen[-1:]  # too long ago to know how many there were between
        if steps > 0:
            self._seen = [*self._seen[-KEPT:], (self._seen[-1][0] + steps, at_s)]
            self._fit()

    def _fit(self) -> None:
        """Least squares of time over number."""
        count = len(self._seen)
        mean_k, mean_t = sum(k for k, _ in self._seen) / count, sum(t for _, t in self._seen) / count
        spread = sum((k - mean_k) ** 2 for k, _ in self._seen)
        if count > 2 and spread:
            self.step_s = sum((k - mean_k) * (t - mean_t) for k, t in self._seen) / spread
        left = [t - mean_t - (k - mean_k) * self.step_s for k, t in self._seen]
        rms = sqrt(sum(x * x for x in left) / max(1, count - 2))
        self.jitter_s = max(0.0005, 2 * rms)
        self.anchor_s = mean_t + (self._seen[-1][0] - mean_k) * self.step_s
        if count > 2 and spread:
            self.drift = max(0.0002, 2 * rms / sqrt(spread) / self.step_s)


def calibrated(readings: Sequence[tuple[float, float]]) -> Grid | None:
    """The grid of a counter that was read each millisecond for some steps; ``None``: it did not move often enough.

    A counter finer than ``FINE_S`` has step 0.
    """
    pairs = [(a, b, new != old) for (a, old), (b, new) in pairwise(readings) if b - a < WIDE_S]
    wide = [(a + b) / 2 for a, b, moved in pairs if moved]
    seen = [(a + b) / 2 for a, b, moved in pairs if moved and b - a < TIGHT_S]
    if len(wide) < 3:
        return None
    apart = sorted(b - a for a, b in pairwise(wide))  # the statistics module takes 2 ms to import
    step = apart[len(apart) // 2]
    always = len(wide) > FRESH * len(pairs)
    return Grid(0.0 if always or step < FINE_S else step, seen if len(seen) > 2 else wide)


def refreshes(readings: Sequence[tuple[float, float]], grid: Grid) -> list[Refresh]:
    """When each value that was read came up, in the order of time."""
    found: list[Refresh] = []
    last_s, last_value = -inf, None
    for t, value in readings:
        if value != last_value:
            new = Refresh((t + last_s) / 2, value, (t - last_s) / 2, last_s, t)
            found.append(new if t - last_s < TIGHT_S else new.moved(*grid.before(t)))
            last_value = value
        last_s = t
    return _by_the_next(found, grid)


def _by_the_next(points: list[Refresh], grid: Grid) -> list[Refresh]:
    """Which of two refreshes a guessed one is, is told by the next one, if that was seen."""
    for index in range(len(points) - 2, -1, -1):
        one, two = points[index], points[index + 1]
        if one.slack_s > two.slack_s and abs(two.at_s - one.at_s - grid.step_s) < grid.step_s * 0.6:
            points[index] = one.moved(*grid.near(two.at_s - grid.step_s))
    return points
