"""A sensor that hangs for ten seconds: the cell does not wait."""

from __future__ import annotations

import sys
import threading
import time

import pytest

from jupyter_costmeter import reading
from jupyter_costmeter.reading import WAIT_S, Reader
from jupyter_costmeter.record import Channel, DeviceUse, Provenance, Reading, Status

CHANNEL = Channel("gpu_energy_j", "counter", Provenance("measured", "a counter", 0.05), "GPU-1")


class Hanging:
    """A driver that may stop answering."""

    may_hang = True
    channels: tuple[Channel, ...] = (CHANNEL,)

    def __init__(self) -> None:
        self.name = "hanging"
        self.answers = threading.Event()
        self.answers.set()
        self.readers: set[str] = set()

    def open(self) -> Status:
        return Status(self.name, True, "")

    def read(self) -> Reading:
        self.readers.add(threading.current_thread().name)
        self.answers.wait(30)
        return (1.0,)

    def observe(self) -> tuple[DeviceUse, ...]:
        self.answers.wait(30)
        return ()

    def close(self) -> None: ...


@pytest.fixture
def sensor() -> Hanging:
    return Hanging()


class Slow(Hanging):
    """A driver whose calls take long, as an H100's do (docs/gpu-checks.md): tells when each began."""

    def __init__(self, takes_s: float = 0.05) -> None:
        super().__init__()
        self.takes_s = takes_s
        self.calls: list[float] = []

    def read(self) -> Reading:
        self.calls.append(time.perf_counter())
        self.readers.add(threading.current_thread().name)
        time.sleep(self.takes_s)
        return (self.calls[-1],)


def taken(reader: Reader) -> tuple[Reading, float]:
    began = time.monotonic()
    sample = reader.sample()
    waited = time.monotonic() - began
    reader.arrive()
    return sample.readings[0], waited


def test_one_that_answers_is_read_where_the_cell_runs(sensor: Hanging) -> None:
    assert taken(Reader([sensor], time.perf_counter))[0] == (1.0,)
    assert sensor.readers == {threading.current_thread().name}


def test_one_that_has_been_silent_is_not_waited_for(sensor: Hanging, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader([sensor], time.perf_counter)
    monkeypatch.setattr(reading, "FRESH_S", 0.0)
    assert taken(reader)[0] == (1.0,)
    sensor.answers.clear()
    value, waited = taken(reader)
    assert value == (None,)
    assert waited < WAIT_S / 2
    value, waited = taken(reader)
    assert value == (None,)
    assert waited < WAIT_S / 2
    sensor.answers.set()
    time.sleep(0.1)
    assert taken(reader)[0] == (1.0,)


def test_one_that_hangs_elsewhere_is_not_asked(sensor: Hanging) -> None:
    """The sampler's thread looks each second, and is the one that hangs."""
    reader = Reader([sensor], time.perf_counter)
    sensor.answers.clear()
    threading.Thread(target=reader.observe, args=(sensor,), daemon=True).start()
    time.sleep(WAIT_S + 0.1)
    value, waited = taken(reader)
    assert value == (None,)
    assert waited < WAIT_S / 2
    sensor.answers.set()


def test_one_that_raises_costs_its_own_figures_only(sensor: Hanging, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Hanging()
    other.name = "other"
    monkeypatch.setattr(sensor, "read", lambda: 1 / 0)
    assert Reader([sensor, other], time.perf_counter).sample().readings == [(None,), (1.0,)]


def test_one_of_whom_one_call_hangs_is_not_asked_because_another_is_answered(
    sensor: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = Reader([sensor], time.perf_counter)
    monkeypatch.setattr(sensor, "observe", tuple)
    monkeypatch.setattr(reading, "FRESH_S", 0.0)
    sensor.answers.clear()
    taken(reader)
    monkeypatch.setattr(reading, "FRESH_S", 1.5)
    reader.observe(sensor)
    value, waited = taken(reader)
    assert value == (None,)
    assert waited < WAIT_S / 2
    sensor.answers.set()


def known(sensor: Slow) -> Reader:
    """A reader that knows how long its calls take."""
    reader = Reader([sensor], time.perf_counter)
    for _ in range(reading.SLOW):
        assert taken(reader)[1] >= sensor.takes_s
    return reader


def test_a_slow_one_is_not_waited_for_and_its_reading_comes() -> None:
    slow = Slow()
    reader = known(slow)
    sample, other = reader.sample(), reader.sample()
    assert sample.readings == other.readings == [(None,)]
    reader.arrive()
    assert sample.readings == other.readings == [(slow.calls[-1],)]
    assert abs(slow.calls[-1] - sample.t_s) < slow.takes_s / 2


def test_the_call_has_begun_before_the_cell_goes_on() -> None:
    """The cell may keep Python's lock for seconds: the reading is of its start all the same."""
    slow = Slow()
    reader = known(slow)
    switching = sys.getswitchinterval()
    sys.setswitchinterval(10.0)  # nobody is made to let go
    try:
        sample = reader.sample()
        assert len(slow.calls) == reading.SLOW + 1
        until = time.perf_counter() + 2 * slow.takes_s
        while time.perf_counter() < until:
            pass
    finally:
        sys.setswitchinterval(switching)
    reader.arrive()
    assert sample.readings == [(slow.calls[-1],)]


def test_edges_that_follow_each_other_share_a_call() -> None:
    """Else the thread would lag behind quick cells further and further."""
    slow = Slow()
    reader = known(slow)
    samples = [reader.sample() for _ in range(20)]
    reader.arrive()
    assert len(slow.calls) == reading.SLOW + 1
    assert {sample.readings[0] for sample in samples} == {(slow.calls[-1],)}


def test_what_came_too_late_is_of_no_instant() -> None:
    slow = Slow()
    reader = known(slow)
    slow.takes_s = WAIT_S + 0.1
    sample = reader.sample()
    reader.arrive()
    time.sleep(0.2)
    assert sample.readings == [(None,)]


def test_one_that_is_quick_again_is_read_where_the_cell_runs() -> None:
    slow = Slow()
    reader = known(slow)
    slow.takes_s = 0.0
    taken(reader)
    slow.readers.clear()
    taken(reader)
    assert slow.readers == {threading.current_thread().name}


def test_a_slow_one_that_fails_is_not_measured_and_asked_again() -> None:
    slow = Slow()
    reader = known(slow)
    slow.calls = None  # type: ignore[assignment]
    assert taken(reader)[0] == (None,)
    slow.calls = []
    assert taken(reader)[0] == (slow.calls[-1],)
