"""The tool's own cost: time on the user's path, CPU seconds of its threads.

The threads' seconds are in the process's CPU clock but are nobody's cell: they are taken out
of each window, and shown (``%cost doctor``).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from .record import Channel, DeviceUse, Provenance, Reading, Status

CLOCK = Provenance("measured", "CPU clocks of the meter's own threads", 0.01)


class Overhead:
    """Counts; also a sensor, so that windows can be freed of it."""

    name = "overhead"
    may_hang = False
    channels: tuple[Channel, ...] = (Channel("meter_cpu_s", "counter", CLOCK),)

    def __init__(self) -> None:
        self.hook_s, self.hooks = 0.0, 0
        self._spent_s = 0.0
        self._working: dict[int, float] = {}  # the clocks of threads that work, as they began

    @contextmanager
    def working(self) -> Iterator[None]:
        """Around what a thread of ours does."""
        clock, began = _clock(), time.thread_time()
        self._working[clock] = began
        try:
            yield
        finally:
            self._working.pop(clock, None)
            self._spent_s += time.thread_time() - began

    @property
    def cpu_s(self) -> float:
        """CPU seconds of the meter's threads so far."""
        spent = self._spent_s
        for clock, began in tuple(self._working.items()):
            spent += _time_of(clock, began) - began
        return spent

    def open(self) -> Status:
        return Status(self.name, True, "the meter's own cost, taken out of every cell's CPU seconds")

    def read(self) -> Reading:
        return (self.cpu_s if self._working else self._spent_s,)

    def observe(self) -> tuple[DeviceUse, ...]:
        return ()

    def close(self) -> None:
        pass


def _clock() -> int:
    """This thread's CPU clock, to be read from another; where there is none, its number."""
    if hasattr(time, "pthread_getcpuclockid"):
        return time.pthread_getcpuclockid(threading.get_ident())
    return threading.get_ident()


def _time_of(clock: int, began: float) -> float:
    try:
        return time.clock_gettime(clock)
    except (AttributeError, OSError):  # no such clock here, or the thread has just ended
        return began
