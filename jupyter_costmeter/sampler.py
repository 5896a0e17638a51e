"""The one thread that looks at running cells: asleep in a queue while nothing runs.

Waking a sleeping thread costs the one that wakes it 20 to 400 µs on a virtual machine. So a
hook wakes it only from its deep sleep: after something has ended it looks once more, a
second later, and a cell that begins until then is seen by that look. That something has
ended is told through ``defer``: by the event loop where there is one, after the cell's reply. A burst
of short cells is settled together, so that the thread does not take the interpreter lock
from each next one.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from math import inf

from . import guard
from .overhead import Overhead

#: Seconds from a window's opening to its first tick, if the thread slept.
FIRST_S = 0.3
#: Seconds from a window's end until it is settled, with what has ended meanwhile.
SETTLE_S = 0.2
#: Seconds until the last look after something has ended.
LINGER_S = 1.0


class Sampler:
    """Calls ``tick`` at each interval while something runs, ``settle`` soon after something ended.

    Args:
        interval_s: seconds between two ticks.
        first: what the thread does before anything else, as nobody waits for it.
        at_once: look at what has just begun to run, as the thread was asleep before.
        presses: whether what has ended must be looked at now, since counters move on.
        running: whether a window is open.
        ended: whether closed windows wait to be settled.
        tick: look at what runs.
        after: read what may be read late, on the user's thread when the cell has been answered.
        settle: deal with what has ended.
        rest: what there is to do before the thread falls asleep.
        overhead: where the thread's own work is counted.
    """

    def __init__(
        self,
        interval_s: float,
        first: Callable[[], object],
        at_once: Callable[[], object],
        presses: Callable[[], bool],
        running: Callable[[], bool],
        ended: Callable[[], bool],
        tick: Callable[[], None],
        after: Callable[[], None],
        settle: Callable[[], None],
        rest: Callable[[], None],
        overhead: Overhead,
    ) -> None:
        self.interval_s = interval_s
        self.overhead = overhead
        self.defer: Callable[[Callable[[], None]], object] = lambda tell: tell()
        self._running, self._ended, self._presses = running, ended, presses
        self._first = guard.guarded("the sampler's first look")(first)
        self._at_once = guard.guarded("a look at what has just begun")(at_once)
        self._tick = guard.guarded("the sampler's tick")(tick)
        self._after = guard.guarded("reading after a cell")(after)
        self._settle = guard.guarded("settling a cell")(settle)
        self._rest = guard.guarded("what comes before resting")(rest)
        self._inbox: queue.SimpleQueue[threading.Event | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._tick_at: float | None = None
        self._look_at = inf  # when the thread looks by itself
        self._told = False
        self._looking = False

    def start(self) -> None:
        """Before the first cell: starting a thread takes 100 µs."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="costmeter-sampler", daemon=True)
            self._thread.start()

    def opened(self) -> None:
        """A window opened."""
        if self._look_at == inf:
            self.start()
            self._inbox.put(None)

    def closed(self) -> None:
        """A window closed."""
        if not self._told:
            self._told = True
            self.defer(self._tell)

    def _tell(self) -> None:
        self._told = False
        self._after()
        if self._look_at > time.monotonic() + SETTLE_S or (self._presses() and not self._looking):
            self.start()
            self._inbox.put(None)

    def flush(self, timeout_s: float) -> bool:
        """Wait until what has ended so far is settled, that long at most; whether there is a thread to do it."""
        if self._thread is None or not self._thread.is_alive() or self._thread is threading.current_thread():
            return False
        done = threading.Event()
        self._inbox.put(done)
        done.wait(timeout_s)
        return True

    # On the thread

    def _run(self) -> None:
        with self.overhead.working():
            self._first()
        while True:
            try:
                asked = self._wait()
            except queue.Empty:
                self._look()
                continue
            if asked is not None:
                self._look()
                asked.set()
            else:  # something opened or closed
                if self._look_at == inf and self._running():
                    with self.overhead.working():
                        self._at_once()
                ended = self._ended()
                self._look_at = time.monotonic() + (SETTLE_S if ended else FIRST_S)
                if ended and self._presses():
                    self._look()

    def _wait(self) -> threading.Event | None:
        """Until woken (a question that somebody waits for comes with it), or empty when it is time to look."""
        if self._look_at == inf:
            return self._inbox.get()
        return self._inbox.get(timeout=max(0.0, self._look_at - time.monotonic()))

    def _look(self) -> None:
        """Settle what has ended, tick if that is due, and note when to look again."""
        settled = self._looking = self._ended()
        with self.overhead.working():
            if settled:
                self._settle()
            self._tick_if_due()
        self._looking = False
        rest = time.monotonic() + LINGER_S if settled else inf
        self._look_at = self._tick_at or rest
        # What opened or closed since saw an old time to look, and did not wake us.
        if self._ended() or (self._tick_at is None and self._running()):
            self._look_at = time.monotonic() + (0.0 if self._ended() and self._presses() else SETTLE_S)
        elif self._look_at == inf:
            with self.overhead.working():
                self._rest()

    def _tick_if_due(self) -> None:
        if not self._running():
            self._tick_at = None
        elif self._tick_at is None or time.monotonic() >= self._tick_at:
            due = (self._tick_at or time.monotonic()) + self.interval_s
            self._tick()  # however long that takes: the panel's clock goes on with it
            now = time.monotonic()
            self._tick_at = due if due > now else now + self.interval_s
