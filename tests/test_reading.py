"""A sensor that hangs for ten seconds: the cell does not wait."""

from __future__ import annotations

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


def taken(reader: Reader) -> tuple[Reading, float]:
    began = time.monotonic()
    return reader.sample().readings[0], time.monotonic() - began


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
    assert waited < WAIT_S + 0.2
    value, waited = taken(reader)  # known to hang: no second wait
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
