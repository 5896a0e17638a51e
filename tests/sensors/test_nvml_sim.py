"""The simulation itself: its counter is the truth that it tells, and it errs as a real one does."""

from __future__ import annotations

import math
import random
import time

import pytest
from nvml.probing import opened
from nvml.sim import Gpu

MISREAD = 0.0006  # the counter's own rounding, in J


@pytest.fixture
def counter(gpus, probe):
    """A GPU at 300 W, its process, and ``at(t)``: what its counter shows then, in J."""

    def make(**fields):
        sim = gpus()
        sim.set(power_w=300.0, **fields)
        there, _ = opened(probe, sim)

        def at(t):
            sim.at(t)
            return there.ask("sensor.read()[0]")

        return sim, there, at

    return make


@pytest.mark.parametrize(("rise_ms", "fall_ms"), [(0.0, 0.0), (20.0, 150.0), (500.0, 3.0)])
def test_the_truth_is_what_the_counter_shows_without_a_step(counter, rise_ms, fall_ms):
    sim, _, at = counter(rise_ms=rise_ms, fall_ms=fall_ms)
    rng = random.Random(3)
    for _ in range(60):
        sim.play([(0.0, rng.uniform(20.0, 700.0), None)])
        for _ in range(3):
            t = sim.clock() + rng.expovariate(20.0)
            assert at(t) == pytest.approx(sim.energy_j(0, t), abs=0.001)


def test_what_is_planned_is_played_when_its_time_comes(counter):
    sim, _, at = counter(rise_ms=20.0)
    sim.play([(0.1, 400.0, 90.0), (0.3, 100.0, 5.0), (0.35, 400.0, None)])
    for i in range(60):
        t = 100.0 + i * 0.01
        assert at(t) == pytest.approx(sim.energy_j(0, t), abs=0.001)


def test_power_ramps_and_energy_is_its_integral():
    gpu = Gpu("GPU-0", rise_ms=20.0, fall_ms=150.0)
    gpu.move(0.0, 50.0, 0.0)
    gpu.move(10.0, 350.0, 100.0)
    assert gpu.power_w(10.02) == pytest.approx(350 - 300 / math.e)
    gpu.move(11.0, 50.0, 0.0)
    assert gpu.power_w(11.15) == pytest.approx(50 + 300 / math.e)
    steps = 200_000
    summed = sum(gpu.power_w(9.0 + 3.0 * (i + 0.5) / steps) for i in range(steps)) * 3.0 / steps
    assert gpu.energy_j(12.0) - gpu.energy_j(9.0) == pytest.approx(summed, rel=1e-6)
    assert summed == pytest.approx(50 * 3 + 300 * (1 - 0.02) + 300 * 0.15 * (1 - math.exp(-1 / 0.15)), rel=1e-3)


def refreshes(at, seconds=6.0, every_s=0.001):
    """The times at which the counter moved, seen by reading each millisecond."""
    seen, before = [], at(200.0)
    for i in range(1, int(seconds / every_s)):
        if (now := at(200.0 + i * every_s)) != before:
            seen.append(200.0 + i * every_s)
            before = now
    return seen


def test_refreshes_jitter_around_their_grid_and_do_so_again(counter):
    _, _, at = counter(step_ms=100.0, jitter_ms=10.0)
    seen = refreshes(at)
    off_ms = [(t - round(t, 1)) * 1e3 for t in seen]
    assert len(seen) in (59, 60, 61)
    assert all(-10.0 <= off <= 11.1 for off in off_ms)
    assert min(off_ms) < -6.0
    assert max(off_ms) > 6.0
    assert refreshes(at) == seen


def test_a_jittering_counter_shows_the_energy_of_its_refresh(counter):
    sim, _, at = counter(step_ms=100.0, jitter_ms=10.0)
    for t in refreshes(at, seconds=1.0):
        assert at(t) == pytest.approx(sim.energy_j(0, t), abs=300.0 * 0.001 + MISREAD)


@pytest.mark.parametrize(("every_s", "lost"), [(0.0005, 0.954), (0.01, 0.756), (0.1, 0.133), (1.0, 0.016)])
def test_a_counter_that_loses_what_is_read_too_often(counter, every_s, lost):
    """An RTX 4090 (FACTS §4)."""
    sim, _, at = counter(distort_ms=15.0)
    start, end = at(200.0), 0.0
    reads = min(400, round(20 / every_s))
    for i in range(1, reads + 1):
        assert (now := at(200.0 + i * every_s)) >= end
        end = now
    truth = sim.energy_j(0, sim.clock()) - sim.energy_j(0, 200.0)
    assert 1 - (end - start) / truth == pytest.approx(lost, abs=0.035)


def test_a_distorted_counter_with_a_step_never_falls(counter):
    _, _, at = counter(distort_ms=15.0, step_ms=20.0, jitter_ms=5.0)
    shown = [at(200.0 + i * 0.003) for i in range(500)]
    assert shown == sorted(shown)
    assert 0 < shown[-1] - shown[0] < 0.5 * 300 * 1.5


def test_a_call_that_hangs_keeps_only_its_caller(gpus, probe):
    sim = gpus()
    there, _ = opened(probe, sim)
    there.ask("import threading, pynvml, time; thread = threading.Thread(target=sensor.read)")
    sim.hang("nvmlDeviceGetTotalEnergyConsumption", 1500)
    began = time.monotonic()
    there.ask("thread.start()")
    assert there.ask("pynvml.nvmlDeviceGetCount()") == 1
    assert there.ask("thread.is_alive()")
    assert time.monotonic() - began < 1.0
    there.ask("thread.join()")
    assert time.monotonic() - began > 1.4
    sim.hang("nvmlDeviceGetTotalEnergyConsumption", 0)
    began = time.monotonic()
    there.ask("sensor.read()")
    assert time.monotonic() - began < 1.0


def test_a_reload_voids_handles_and_starts_the_counter_again(counter):
    sim, there, _ = counter()
    there.ask("import pynvml; handle = pynvml.nvmlDeviceGetHandleByIndex(0)")
    sim.reload_driver()
    for call in ("nvmlDeviceGetCount()", "nvmlDeviceGetName(handle)", "nvmlShutdown()"):
        with pytest.raises(AssertionError, match="Uninitialized"):
            there.ask(f"pynvml.{call}")
    there.ask("pynvml.nvmlInit()")
    with pytest.raises(AssertionError, match="InvalidArgument"):
        there.ask("pynvml.nvmlDeviceGetName(handle)")
    energy = "pynvml.nvmlDeviceGetTotalEnergyConsumption(pynvml.nvmlDeviceGetHandleByIndex(0))"
    assert there.ask(energy) == 0
    sim.advance(2.0)
    assert there.ask(energy) == 600_000
    assert sim.energy_j(0, 102.0) - sim.energy_j(0, 100.0) == pytest.approx(600.0)


def test_two_threads_may_ask_while_the_gpus_change(gpus, probe):
    sim = gpus(4, now=None)
    there, _ = opened(probe, sim)
    there.ask(
        """
import threading
wrong = []
def reading():
    last = sensor.read()
    for _ in range(3000):
        now = sensor.read()
        if None in now or any(b < a for a, b in zip(last, now)):
            wrong.append((last, now))
        last = now
threads = [threading.Thread(target=reading) for _ in range(3)]
[thread.start() for thread in threads]
"""
    )
    for watts in range(200):
        sim.set(power_w=float(watts))
    assert there.ask("[thread.join() for thread in threads] and wrong") == []
