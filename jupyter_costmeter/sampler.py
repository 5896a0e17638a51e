"""The one thread that looks at running cells: asleep in a queue while nothing runs.

A burst of short cells is settled together, ``SETTLE_S`` after the first has ended, so that
the thread does not take the interpreter lock from the next cell.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

from . import guard

#: Seconds from a window's opening to its first tick: soon enough to be seen start.
FIRST_S = 0.3
#: Seconds from a window's end to its settling.
SETTLE_S = 0.03


class Sampler:
    """Calls ``tick`` at each interval while something runs, ``settle`` soon after something ended.

    Args:
        running: whether a window is open.
        ended: whether closed windows wait to be settled.
    """

    def __init__(
        self,
        interval_s: float,
        running: Callable[[], bool],
        ended: Callable[[], bool],
        tick: Callable[[], None],
        settle: Callable[[], None],
    ) -> None:
        self.interval_s = interval_s
        self._running, self._ended = running, ended
        self._tick = guard.guarded("the sampler's tick")(tick)
        self._settle = guard.guarded("settling a cell")(settle)
        self._inbox: queue.SimpleQueue[threading.Event | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._tick_at: float | None = None
        self._settle_at: float | None = None

    def wake(self) -> None:
        """Something opened or closed. Some microseconds."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="costmeter-sampler", daemon=True)
            self._thread.start()
        self._inbox.put(None)

    def flush(self, timeout_s: float) -> None:
        """Wait until what has ended so far is settled."""
        if self._thread is None or not self._thread.is_alive():
            return
        done = threading.Event()
        self._inbox.put(done)
        done.wait(timeout_s)

    def _run(self) -> None:
        while True:
            asked = self._wait()
            if asked is not None:
                self._settle()
                self._settle_at = None
                asked.set()
            self._due(time.monotonic())

    def _wait(self) -> threading.Event | None:
        due = [at for at in (self._tick_at, self._settle_at) if at is not None]
        try:
            if not due:
                return self._inbox.get()
            return self._inbox.get(timeout=max(0.0, min(due) - time.monotonic()))
        except queue.Empty:
            return None

    def _due(self, now: float) -> None:
        """Do what is due, and note when the next is."""
        if self._settle_at is not None and now >= self._settle_at:
            self._settle_at = None
            self._settle()
        elif self._settle_at is None and self._ended():
            self._settle_at = now + SETTLE_S
        if not self._running():
            self._tick_at = None
        elif self._tick_at is None:
            self._tick_at = now + FIRST_S
        elif now >= self._tick_at:
            self._tick_at = now + self.interval_s
            self._tick()
