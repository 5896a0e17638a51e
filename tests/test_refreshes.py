"""When a counter is refreshed, by readings of it."""

from __future__ import annotations

import itertools

import pytest
from stepping import Schedule, SteppedCounter

from jupyter_costmeter.refreshes import calibrated


@pytest.mark.parametrize("step_s", [0.02, 0.1])
def test_the_step_is_learnt_from_a_second_of_readings(step_s: float) -> None:
    grid = Schedule(SteppedCounter(step_s)).track.grid
    assert grid is not None
    assert grid.step_s == pytest.approx(step_s, rel=0.01)


@pytest.mark.parametrize("pauses_ms", [(4.0, 7.0), (7.0,), (3.5, 9.0, 14.0)])
def test_a_driver_that_is_slow_or_busy_with_others_hides_no_step(pauses_ms: tuple[float, ...]) -> None:
    """An H100's call takes 3 ms, and twice that while another process asks (docs/gpu-checks.md)."""
    pause, t, readings = itertools.cycle(pauses_ms), 0.013, []
    while t < 0.85:
        readings.append((t, float(t // 0.1)))
        t += next(pause) / 1000
    grid = calibrated(readings)
    assert grid is not None
    assert grid.step_s == pytest.approx(0.1, rel=0.1)


def test_a_counter_that_is_always_fresh_has_no_step() -> None:
    grid = Schedule(SteppedCounter(0.0)).track.grid
    assert grid is not None
    assert grid.step_s == 0.0


def test_a_counter_that_hardly_moves_tells_nothing() -> None:
    assert calibrated([(i / 1000, 5.0) for i in range(600)]) is None
    assert calibrated([]) is None


def test_the_grid_keeps_pace_with_a_clock_that_drifts() -> None:
    grid = calibrated([(i / 1000, float(i // 100)) for i in range(650)])
    assert grid is not None
    at = grid.anchor_s
    for _ in range(200):
        at += 0.1003  # 0.3 % slower than at first
        grid.met(at)
    assert grid.before(at + 0.05)[0] == pytest.approx(at, abs=0.001)


def test_after_a_long_time_the_phase_is_not_pretended_to_be_known() -> None:
    grid = calibrated([(i / 1000, float(i // 100)) for i in range(650)])
    assert grid is not None
    at, slack = grid.before(grid.anchor_s + 36_000.0)
    assert slack == pytest.approx(0.05, rel=0.01)
    assert grid.anchor_s + 36_000.0 - at == pytest.approx(slack, rel=0.1)
