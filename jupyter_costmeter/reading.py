"""All sensors at one instant, such that no cell waits for one that hangs.

A counter is read on the user's thread, since handing over to another thread costs ten times
as much. A sensor that may hang (a driver's call) is read there only where it has answered a
moment ago; else another thread is asked, and is waited for a quarter of a second, once.
"""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from . import guard
from .plugins import Sensor
from .record import DeviceUse, Reading

Answer = TypeVar("Answer")
#: Seconds for which a sensor that has answered is trusted to answer again.
FRESH_S = 1.5
#: Seconds that a cell waits for a sensor at most, and once.
WAIT_S = 0.25


class Sample:
    """All sensors at one instant. ``t_s`` is monotonic: only differences mean anything."""

    __slots__ = ("marks", "readings", "t_s")

    def __init__(self, t_s: float, readings: list[Reading], marks: tuple[object, ...] = ()) -> None:
        self.t_s, self.readings, self.marks = t_s, readings, marks


class Patient:
    """A sensor that may hang: read in a way that nobody waits for it long."""

    def __init__(self, sensor: Sensor) -> None:
        self.sensor = sensor
        self._read = sensor.read
        self._answered_at = time.monotonic()  # it has just been opened
        self._calls: dict[int, float] = {}  # of those who have no answer yet: when they began
        self._numbers = itertools.count()
        self._asked: queue.SimpleQueue[queue.SimpleQueue[Reading]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._pending = False

    @property
    def silent_s(self) -> float:
        """Seconds since when it owes somebody an answer; 0 where it owes none."""
        return time.monotonic() - min(self._calls.values(), default=time.monotonic())

    def read(self) -> Reading:
        """On the user's path: an answer within ``WAIT_S``, or none."""
        began = time.monotonic()
        if not self._calls and began - self._answered_at < FRESH_S:
            number = next(self._numbers)  # as in _called, written out: each call costs a cold cell microseconds
            self._calls[number] = began
            try:
                reading = self._read()
            finally:
                del self._calls[number]
            self._answered_at = began
            return reading
        if self._pending or self.silent_s > WAIT_S:
            return self._nothing()
        return self._ask()

    def now(self) -> Reading:
        """Directly, however long it takes."""
        reading = self._called(self.sensor.read)
        self._answered_at = time.monotonic()
        return reading

    def observe(self) -> tuple[DeviceUse, ...]:
        """Off the user's path, however long it takes."""
        return self._called(self.sensor.observe)

    def _called(self, ask: Callable[[], Answer]) -> Answer:
        number = next(self._numbers)
        self._calls[number] = time.monotonic()
        try:
            return ask()
        finally:
            del self._calls[number]

    def _ask(self) -> Reading:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=f"costmeter-{self.sensor.name}", daemon=True)
            self._thread.start()
        answer: queue.SimpleQueue[Reading] = queue.SimpleQueue()
        self._pending = True
        self._asked.put(answer)
        try:
            return answer.get(timeout=WAIT_S)
        except queue.Empty:
            return self._nothing()

    def _nothing(self) -> Reading:
        return (None,) * len(self.sensor.channels)

    def _run(self) -> None:
        while True:
            answer = self._asked.get()
            reading = self._nothing()
            try:
                reading = self.now()
            except Exception as error:
                guard.report(f"sensor {self.sensor.name}", error)
            self._pending = False
            answer.put(reading)


class Reader:
    """Reads sensors together.

    Args:
        sensors: those that are ready.
        clock: monotonic seconds.
    """

    def __init__(self, sensors: Sequence[Sensor], clock: Callable[[], float]) -> None:
        self.sensors = sensors
        self.clock = clock
        self.patients = {s.name: Patient(s) for s in sensors if s.may_hang}
        self._reads = [(self.patients[s.name].read, True) if s.may_hang else (s.read, False) for s in sensors]

    def sample(self, marks: tuple[object, ...] = ()) -> Sample:
        """All sensors at one instant; one that fails reads as not measured.

        The time is that just before the drivers' counters, which come last: they are the ones that move fast, and
        after a driver's call another thread may run first.
        """
        readings: list[Reading] = []
        t_s = None
        for read, late in self._reads:
            if late and t_s is None:
                t_s = self.clock()
            try:
                readings.append(read())
            except Exception as error:
                sensor = self.sensors[len(readings)]
                guard.report(f"sensor {sensor.name}", error)
                readings.append((None,) * len(sensor.channels))
        return Sample(self.clock() if t_s is None else t_s, readings, marks)

    def read(self, sensor: Sensor) -> Reading:
        """One sensor, off the user's path."""
        patient = self.patients.get(sensor.name)
        try:
            return patient.now() if patient else sensor.read()
        except Exception as error:
            guard.report(f"sensor {sensor.name}", error)
            return (None,) * len(sensor.channels)

    def observe(self, sensor: Sensor) -> tuple[DeviceUse, ...]:
        """What a sensor sees that has no counter, off the user's path."""
        patient = self.patients.get(sensor.name)
        try:
            return patient.observe() if patient else sensor.observe()
        except Exception as error:
            guard.report(f"sensor {sensor.name}", error)
            return ()
