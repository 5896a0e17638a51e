"""All sensors at one instant, such that no cell waits for a driver.

A counter is read on the user's thread, since handing over to another thread costs ten times as much. A driver's is read
there only where it has answered a moment ago, and quickly; else a thread of its own is asked, and the cell goes on as
soon as the call has begun: its answer comes into the sample later. (H100: a call of 3 ms; docs/gpu-checks.md)
"""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple, TypeVar

from . import guard
from .plugins import Sensor
from .record import DeviceUse, Reading

Answer = TypeVar("Answer")
#: Seconds for which a sensor that has answered is trusted to answer again.
FRESH_S = 1.5
#: An answer that took longer than this (seconds) belongs to no instant.
WAIT_S = 0.25
#: A cell waits so long (seconds) at most for a call to begin on another thread.
BEGIN_S = 0.005
#: A sensor of which ``SLOW`` calls in a row took longer than this (seconds) is not called on the user's thread.
SLOW_S, SLOW = 0.0005, 2


class Sample:
    """All sensors at one instant. ``t_s`` is monotonic: only differences mean anything."""

    __slots__ = ("marks", "readings", "t_s")

    def __init__(self, t_s: float, readings: list[Reading], marks: tuple[object, ...] = ()) -> None:
        self.t_s, self.readings, self.marks = t_s, readings, marks


class _Owed(NamedTuple):
    """A place in a sample whose reading is still to come."""

    readings: list[Reading]
    at: int
    since_s: float


class Patient:
    """A sensor that may hang or take long: read in a way that no cell waits for it.

    Args:
        clock: seconds by which ``told`` is told.
    """

    def __init__(self, sensor: Sensor, clock: Callable[[], float] = time.monotonic) -> None:
        self.sensor = sensor
        self.told: Callable[[float, Reading], object] = lambda t_s, reading: None  # of what the thread has read
        self._clock = clock
        self._read = sensor.read
        self._answered_at = time.monotonic()  # it has just been opened
        self._calls: dict[int, float] = {}  # of those who have no answer yet: when they began
        self._numbers = itertools.count()
        self._slow = 0  # so many calls in a row took long
        self._owed: deque[_Owed] = deque()
        self._asked: queue.SimpleQueue[queue.SimpleQueue[None]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._reading = False  # whether the thread is about to read, and all that is owed then has that answer

    @property
    def silent_s(self) -> float:
        """Seconds since when it owes somebody an answer; 0 where it owes none."""
        return time.monotonic() - min(self._calls.values(), default=time.monotonic())

    def read(self, readings: list[Reading]) -> None:
        """On the user's path: one reading more, or a place for it, into which the answer comes later."""
        began = time.monotonic()
        if self._slow < SLOW and not self._calls and began - self._answered_at < FRESH_S:
            number = next(self._numbers)  # as in _called, written out: each call costs a cold cell microseconds
            self._calls[number] = began
            try:
                reading = self._read()
            finally:
                del self._calls[number]
            self._answered_at = began
            self._slow = self._slow + 1 if time.monotonic() - began > SLOW_S else 0
            readings.append(reading)
            return
        readings.append(self._nothing())
        if self.silent_s <= WAIT_S:
            self._ask(_Owed(readings, len(readings) - 1, began))

    def now(self) -> Reading:
        """Directly, however long it takes."""
        reading = self._called(self.sensor.read)
        self._answered_at = time.monotonic()
        return reading

    def observe(self) -> tuple[DeviceUse, ...]:
        """Off the user's path, however long it takes."""
        return self._called(self.sensor.observe)

    def arrive(self) -> None:
        """Wait until what is owed has come, or never will."""
        while self._owed and time.monotonic() - self._owed[-1].since_s <= WAIT_S:
            time.sleep(0.0005)

    def _called(self, ask: Callable[[], Answer]) -> Answer:
        number = next(self._numbers)
        self._calls[number] = time.monotonic()
        try:
            return ask()
        finally:
            del self._calls[number]

    def _ask(self, owed: _Owed) -> None:
        """Have the thread read, and go on when it has begun: from then on it needs no lock that a cell may keep."""
        self._owed.append(owed)
        if self._reading:
            return
        if self._thread is None or not self._thread.is_alive():  # it does not come along into a forked child
            self._thread = threading.Thread(target=self._run, name=f"costmeter-{self.sensor.name}", daemon=True)
            self._thread.start()
        begun: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._asked.put(begun)
        with suppress(queue.Empty):
            begun.get(timeout=BEGIN_S)

    def _nothing(self) -> Reading:
        return (None,) * len(self.sensor.channels)

    def _run(self) -> None:
        while True:
            begun = self._asked.get()
            if self._owed:
                self._answer(begun)

    def _answer(self, begun: queue.SimpleQueue[None]) -> None:
        self._reading = True
        t_s, began, reading = self._clock(), time.monotonic(), self._nothing()
        begun.put(None)
        try:
            reading = self.now()
            self.told(t_s, reading)
        except Exception as error:
            guard.report(f"sensor {self.sensor.name}", error)
        now = time.monotonic()
        self._slow = 0 if now - began < SLOW_S else self._slow
        self._reading = False  # who comes from here on asks again
        for _ in range(len(self._owed)):
            owed = self._owed[0]
            if now - owed.since_s <= WAIT_S:
                owed.readings[owed.at] = reading
            self._owed.popleft()  # only now: until then it is waited for


class Reader:
    """Reads sensors together.

    Args:
        sensors: those that are ready.
        clock: monotonic seconds.
    """

    def __init__(self, sensors: Sequence[Sensor], clock: Callable[[], float]) -> None:
        self.sensors = sensors
        self.clock = clock
        self.patients = {s.name: Patient(s, clock) for s in sensors if s.may_hang}
        self._reads = [(s.read, self.patients.get(s.name)) for s in sensors]

    def sample(self, marks: tuple[object, ...] = ()) -> Sample:
        """All sensors at one instant; one that fails reads as not measured, and so does one that ``arrive`` waits for.

        The time is that just before the drivers' counters, which come last: they are the ones that move fast, and
        after a driver's call another thread may run first.
        """
        readings: list[Reading] = []
        t_s = None
        for read, patient in self._reads:
            if patient is not None and t_s is None:
                t_s = self.clock()
            count = len(readings)
            try:
                if patient is None:
                    readings.append(read())
                else:
                    patient.read(readings)
            except Exception as error:
                sensor = self.sensors[count]
                del readings[count:]
                guard.report(f"sensor {sensor.name}", error)
                readings.append((None,) * len(sensor.channels))
        return Sample(self.clock() if t_s is None else t_s, readings, marks)

    def arrive(self) -> None:
        """Off the user's path: wait, for a moment at most, until the samples taken so far are whole."""
        for patient in self.patients.values():
            patient.arrive()

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
