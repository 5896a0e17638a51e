"""A counter that moves in steps, in simulated time: what the meter reads of it, and the truth."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from jupyter_costmeter.refreshes import calibrated
from jupyter_costmeter.stepped import Track

IDLE_W = 60.0


@dataclass
class SteppedCounter:
    """Joules of a power that follows what is set, by a lag if ``rise_s`` and ``fall_s`` say so.

    The counter shows the energy of the last refresh: each ``step_s``, off by up to ``jitter_s``.
    """

    step_s: float = 0.1
    jitter_s: float = 0.0
    rise_s: float = 0.0
    fall_s: float = 0.0
    seed: int = 0
    segments: list[tuple[float, float, float, float]] = field(default_factory=lambda: [(0.0, 0.0, IDLE_W, IDLE_W)])

    def __post_init__(self) -> None:
        self.phase_s = random.Random(self.seed).uniform(0, self.step_s or 1)

    def set(self, t_s: float, watts: float) -> None:
        joules, power = self._at(self.segments[-1], t_s)
        self.segments.append((t_s, joules, power, watts))

    def _at(self, segment: tuple[float, float, float, float], t_s: float) -> tuple[float, float]:
        since, joules, power, target = segment
        seconds, lag = t_s - since, self.rise_s if target > power else self.fall_s
        if not lag:
            return joules + target * seconds, target
        left = (power - target) * math.exp(-seconds / lag)
        return joules + target * seconds + (power - target - left) * lag, target + left

    def true_j(self, t_s: float) -> float:
        return self._at(next(s for s in reversed(self.segments) if s[0] <= t_s), t_s)[0]

    def _refresh_s(self, number: int) -> float:
        off = random.Random(self.seed * 7919 + number).uniform(-self.jitter_s, self.jitter_s)
        return self.phase_s + number * self.step_s + off

    def read(self, t_s: float) -> float:
        if not self.step_s:
            return round(self.true_j(t_s), 3)
        number = int((t_s - self.phase_s) // self.step_s) + 1
        while self._refresh_s(number) > t_s:
            number -= 1
        return round(self.true_j(max(0.0, self._refresh_s(number))), 3)


@dataclass
class Schedule:
    """Reads a counter as the meter does: fast at first, at each edge, and on after an end."""

    counter: SteppedCounter
    now: float = 1.0
    track: Track = field(default_factory=Track)

    def __post_init__(self) -> None:
        self._random = random.Random(5)
        log = []
        for _ in range(650):
            log.append((self.now, self.read()))
            self._tick()
        self.track.grid = calibrated(log)

    def _tick(self) -> None:
        self.now += 0.001 + self._random.random() * 2e-4

    def read(self) -> float:
        value = self.counter.read(self.now)
        self.track.read(self.now, value)
        return value

    def edge(self, opened: int) -> float:
        self.read()
        self.track.edge(self.now, opened)
        return self.now

    def work(self, seconds: float, watts: float) -> tuple[float, float]:
        start = self.edge(1)
        self.counter.set(self.now + 1e-5, watts)
        end = start + seconds
        while self.now + 1.0 < end:  # the sampler's ticks
            self.now += 1.0
            self.read()
        self.now = end
        self.edge(-1)
        self.counter.set(self.now + 1e-5, IDLE_W)
        self.now += 3e-4
        return start, end

    def follow(self, going_on: Callable[[], bool] = lambda: True) -> None:
        grid = self.track.grid
        if grid is None or not grid.step_s:
            return
        before, limit = self.read(), self.now + 2.5 * grid.step_s
        while self.now < limit:
            self._tick()
            if self.read() != before:
                break
        pause = max(1, round(0.1 / grid.step_s)) * grid.step_s
        for number in range(3):
            self.now += pause + (max(0.004, 2 * grid.jitter_s) if number == 0 else 0.0)
            self.read()
