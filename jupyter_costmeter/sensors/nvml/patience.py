"""Driver's calls that nobody waits for long, for a tracer's marks: on the user's thread, or by one that may be left."""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

Answer = TypeVar("Answer")
Task = Callable[[], object]
#: Seconds for which a driver that has answered is trusted to answer again.
FRESH_S = 1.5
#: Seconds that a mark waits at most; a call that took longer is slow.
WAIT_S = 0.25
#: Seconds for which a slow driver is not asked by marks: each would wait, at both edges of every cell.
REST_S = 60.0


class Patience:
    """Makes calls: directly if the driver answered a moment ago, as handing over costs ten times as much; else not.

    Args:
        name: the thread's, which sleeps while there is nothing to do.
        working: gives a context in which the thread's work is counted.
    """

    def __init__(self, name: str, working: Callable[[], AbstractContextManager[Any]]) -> None:
        self._name, self._working = name, working
        self._answered_at = self._rests_until = float("-inf")
        self._calls: dict[int, float] = {}  # of those without an answer yet: when they began
        self._numbers = itertools.count()
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._pending = False

    def answer(self, ask: Callable[[], Answer]) -> Answer | None:
        """What ``ask`` gives within ``WAIT_S``, else ``None``; it must not raise."""
        now = time.monotonic()
        if now < self._rests_until or self._pending:
            return None
        silent_s = now - min(self._calls.values(), default=now)
        if silent_s > WAIT_S:
            return None
        if not self._calls and now - self._answered_at < FRESH_S:
            return self.made(ask)
        return self._handed(ask)

    def made(self, ask: Callable[[], Answer]) -> Answer:
        """The call itself, here and now, however long it takes; it tells how far the driver is trusted."""
        number, began = next(self._numbers), time.monotonic()
        self._calls[number] = began
        try:
            return ask()
        finally:
            del self._calls[number]
            self._answered_at = time.monotonic()
            if self._answered_at - began > WAIT_S:
                self._rests_until = self._answered_at + REST_S

    def post(self, task: Task) -> None:
        """Have the thread do it, after what it has to do already."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        self._tasks.put(task)

    def end(self) -> None:
        """The thread ends when it has done what it was asked for."""
        self._tasks.put(None)

    def _handed(self, ask: Callable[[], Answer]) -> Answer | None:
        answer: queue.SimpleQueue[Answer | None] = queue.SimpleQueue()
        self._pending = True
        self.post(lambda: self._reply(ask, answer))
        try:
            return answer.get(timeout=WAIT_S)
        except queue.Empty:
            return None

    def _reply(self, ask: Callable[[], Answer], answer: queue.SimpleQueue[Answer | None]) -> None:
        try:
            answer.put(self.made(ask))
        finally:
            self._pending = False

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            with self._working():
                task()
