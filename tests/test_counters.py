"""Counters that move in steps, read in real time: their steps are learnt, and reading them is not overdone."""

from __future__ import annotations

import time

import pytest

from jupyter_costmeter.counters import Counters
from jupyter_costmeter.reading import SLOW, Reader, Sample
from jupyter_costmeter.record import Channel, DeviceUse, Figure, Provenance, Reading, Status

COUNTED = Provenance("measured", "NVML energy counter", 0.05)
WATTS = 300.0


class Gpu:
    """A counter at 300 W, refreshed each ``step_s``; each reading loses up to ``lost_s`` of it, as an RTX 4090 does."""

    name = "gpu"
    may_hang = False
    channels: tuple[Channel, ...] = (Channel("gpu_energy_j", "counter", COUNTED, "G", stepped=True),)

    def __init__(self, step_s: float, lost_s: float = 0.0) -> None:
        self.step_s, self.lost_s = step_s, lost_s
        self.reads, self.lost = 0, 0.0
        self.began = self.last = time.perf_counter()

    def open(self) -> Status:
        return Status(self.name, True, "")

    def read(self) -> Reading:
        now = time.perf_counter()
        self.reads += 1
        self.lost += min(self.lost_s, now - self.last)
        self.last = now
        seen = (now - self.began) // self.step_s * self.step_s if self.step_s else now - self.began
        return (round(WATTS * max(0.0, seen - self.lost), 3),)

    def observe(self) -> tuple[DeviceUse, ...]:
        return ()

    def close(self) -> None: ...


def calibrated(gpu: Gpu) -> tuple[Reader, Counters]:
    reader = Reader([gpu], time.perf_counter)
    counters = Counters(reader)
    counters.calibrate()
    return reader, counters


def edge(reader: Reader, counters: Counters, opened: int) -> Sample:
    sample = reader.sample()
    counters.note(sample, opened)
    return sample


def energy(counters: Counters, start: Sample, end: Sample) -> Figure:
    before, after = start.readings[0][0], end.readings[0][0]
    assert before is not None
    assert after is not None
    counters.settle(end.t_s, {start.t_s, end.t_s})
    return counters.better((0, 0), Figure("gpu_energy_j", after - before, COUNTED, "G"), start, end)


def test_a_short_cell_between_two_steps() -> None:
    reader, counters = calibrated(Gpu(0.1))
    time.sleep(0.5)
    start = edge(reader, counters, 1)
    time.sleep(0.03)
    end = edge(reader, counters, -1)
    counters.follow(lambda: False)
    found = energy(counters, start, end)
    assert found.value == pytest.approx(WATTS * (end.t_s - start.t_s), rel=0.35)
    assert "around the edges" in (found.source or "")
    assert (found.uncertainty or 0) > 0.05


class Slow(Gpu):
    """One whose calls take so long that an edge's reading comes after the edge."""

    may_hang = True

    def read(self) -> Reading:
        time.sleep(0.004)
        return super().read()


def test_the_step_after_an_end_is_seen_although_the_ends_own_reading_comes_late() -> None:
    reader, counters = calibrated(Slow(0.1))
    for _ in range(SLOW):
        reader.sample()
    (counter,) = counters.found.values()
    for _ in range(4):
        time.sleep(0.13)  # so that each reading but the end's is old
        edge(reader, counters, 1)
        time.sleep(0.13)
        end = edge(reader, counters, -1)
        counters.follow(lambda: False)
        first = min(counter.track.refreshed(end.t_s), key=lambda refresh: refresh.at_s)
        assert first.by_s - first.after_s < 0.04


def test_following_stops_when_something_runs_again() -> None:
    reader, counters = calibrated(Gpu(0.1))
    edge(reader, counters, 1)
    edge(reader, counters, -1)
    began = time.monotonic()
    counters.follow(lambda: True)
    assert time.monotonic() - began < 0.3


def test_a_fresh_counter_is_read_at_the_edges_only() -> None:
    gpu = Gpu(0.0)
    reader, counters = calibrated(gpu)
    reads = gpu.reads
    counters.follow(lambda: False)
    assert gpu.reads == reads
    start = edge(reader, counters, 1)
    time.sleep(0.05)
    end = edge(reader, counters, -1)
    found = energy(counters, start, end)
    assert found.value == pytest.approx(WATTS * (end.t_s - start.t_s), rel=0.02)
    assert found.source == COUNTED.source


def test_a_counter_that_reading_distorts_is_left_alone_and_says_so() -> None:
    """An RTX 4090's loses some 15 ms at each reading (FACTS §4)."""
    gpu = Gpu(0.02, lost_s=0.015)
    reader, counters = calibrated(gpu)
    reads = gpu.reads
    counters.follow(lambda: False)
    assert gpu.reads == reads
    start = edge(reader, counters, 1)
    time.sleep(0.2)
    end = edge(reader, counters, -1)
    found = energy(counters, start, end)
    assert "distorts" in (found.source or "")
    assert (found.uncertainty or 0) >= 0.3
    truth = WATTS * (end.t_s - start.t_s)
    assert abs((found.value or 0.0) - truth) <= (found.uncertainty or 0.0) * (found.value or 0.0)


def test_a_counter_that_stands_still_is_not_waited_for_long() -> None:
    gpu = Gpu(1e9)
    began = time.monotonic()
    reader, counters = calibrated(gpu)
    assert time.monotonic() - began < 1.5
    start, end = edge(reader, counters, 1), edge(reader, counters, -1)
    found = energy(counters, start, end)
    assert "not known" in (found.source or "")
