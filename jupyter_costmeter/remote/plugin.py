"""What runs on a Dask worker: which cell its threads work for, and a meter of the whole process beside them.

This module is sent by value, so that a worker without jupyter_costmeter loads it, too, and says that it is not
metered: it must import nothing of this package but in ``_new_meter``. What it finds goes to the scheduler with the
worker's own heartbeats (``digest_metric``), as numbers that are added up there under a text that says all else.
"""

from __future__ import annotations

import asyncio
import json
import os
import queue
import socket
import threading
import uuid
from contextlib import suppress
from time import perf_counter
from typing import Any

import psutil
from distributed.diagnostics.plugin import WorkerPlugin

#: The annotation of a cell's tasks, the plugin's name, and how our numbers' names begin.
NAME = "costmeter"
#: Seconds that a piece of metering takes at most, and after which a worker that has nothing to do is idle.
PIECE_S, IDLE_S = 0.5, 0.02
#: Seconds that a worker which leaves waits for its last figures, and for the scheduler to take them.
LEAVING_S = 2.0
#: A task that was called off may go on in its thread.
RUNS = frozenset({"executing", "long-running", "cancelled", "resumed"})
STARTING = "the meter was still starting on this worker"


def machine() -> str:
    """What tells this machine, and on it this view of its processes (a container's), from others."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            boot = file.read().strip()[:8]
        return f"{boot}.{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return f"{socket.gethostname()}.{uuid.getnode()}"


def kin() -> frozenset[str]:
    """This process and its ancestors, each as ``MACHINE|PID``: the windows of a kernel among them meter us already."""
    here, pids = machine(), {os.getpid()}
    with suppress(psutil.Error):
        pids |= {parent.pid for parent in psutil.Process().parents()}
    return frozenset(f"{here}|{pid}" for pid in pids)


class Work:
    """What a worker did for one cell in one piece."""

    def __init__(self) -> None:
        self.seconds, self.done, self.failed = 0.0, 0, 0


class TaskMeter(WorkerPlugin):  # type: ignore[misc]  # of no known type
    """Meters a worker's tasks by the cells that sent them."""

    name = NAME
    idempotent = True  # whichever kernel comes first

    async def setup(self, worker: Any) -> None:
        self.worker = worker
        self.running: dict[Any, tuple[str | None, float]] = {}
        self.work: dict[str | None, Work] = {}
        self.ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.kin = kin()  # once: a busy worker's loop waits 10 ms for each file that it reads
        self.told: set[str] = set()
        self.peaks: dict[tuple[str, str], float] = {}
        self.meter: Any = None
        self.why = STARTING
        self.piece: Any = None
        self.since = 0.0
        self.checking = False
        self.loop = asyncio.get_running_loop()
        self._begin_with_what_runs()
        threading.Thread(target=self._settle, name="costmeter-tasks", daemon=True).start()

    async def teardown(self, worker: Any) -> None:
        """The worker leaves: as no heartbeat follows, what it did last is told as an event."""
        self._cut(perf_counter())
        done = asyncio.Event()
        self.ended.put(lambda: self.loop.call_soon_threadsafe(done.set))
        self.ended.put(None)
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(done.wait(), LEAVING_S)
        waiting = worker.digests_total_since_heartbeat
        ours = [name for name in waiting if isinstance(name, str) and name.startswith(f"{NAME}|")]
        if ours:
            worker.log_event(NAME, {"numbers": {name: waiting.pop(name) for name in ours}})

    # On the worker's event loop, at each task

    def transition(self, key: Any, start: str, finish: str, **kwargs: Any) -> None:
        if finish == "executing":
            if key not in self.running:
                self._began(key)
        elif start in RUNS and finish not in RUNS and key in self.running:
            self._ended(key, finish)

    def _began(self, key: Any) -> None:
        task, now = self.worker.state.tasks.get(key), perf_counter()
        self.running[key] = (task.annotations.get(NAME) if task and task.annotations else None, now)
        if self.piece is None:
            self._open(now)

    def _ended(self, key: Any, finish: str) -> None:
        cell, began = self.running.pop(key)
        work = self.work.get(cell)
        if work is None:
            work = self.work[cell] = Work()
        work.seconds += perf_counter() - max(began, self.since)
        if finish == "memory":
            work.done += 1
        elif finish == "error":
            work.failed += 1
        if not self.running and not self.checking:
            self.checking = True
            self.loop.call_later(IDLE_S, self._check)

    def _begin_with_what_runs(self) -> None:
        for key, task in self.worker.state.tasks.items():
            if task.state in RUNS:
                self._began(key)

    # Pieces

    def _open(self, now: float, edge: Any = None) -> None:
        self.since, self.piece = now, (self.meter.begin(edge) if self.meter else None, self.why)
        self.timer = self.loop.call_later(PIECE_S, self._renew)

    def _check(self) -> None:
        self.checking = False
        if not self.running:
            self._cut(perf_counter())

    def _renew(self) -> None:
        """The next piece begins where this one ends, at one reading: what is between two is nobody's."""
        now = perf_counter()
        edge = self._cut(now)
        if self.running:
            self._open(now, edge)

    def _cut(self, now: float) -> Any:
        """The piece ends here; whose it was is known now. Returns its last reading."""
        if self.piece is None:
            return None
        self.timer.cancel()
        for cell, began in self.running.values():
            self.work.setdefault(cell, Work()).seconds += now - max(began, self.since)
        (window, why), work = self.piece, self.work
        self.piece, self.work = None, {}
        edge = None if window is None else self.meter.end(window)
        ours = {mark: one for mark, one in work.items() if mark is not None and self._count(mark, one)}
        if ours:
            self.ended.put((window, why, {mark: one.seconds for mark, one in work.items()}, list(ours)))
        return edge

    def _count(self, mark: str, work: Work) -> bool:
        """Tell what can be told at once; whether figures follow."""
        cell, _, where = mark.partition("|")
        if where in self.kin:
            self._add(cell, "inside", "", work.done + work.failed)
            return False
        for name, value in {"task_s": work.seconds, "done": work.done, "failed": work.failed, "pieces": 1}.items():
            self._add(cell, name, "", value)
        return True

    # On a thread of ours

    def _settle(self) -> None:
        self._start()
        self.loop.call_soon_threadsafe(self._renew)
        while (one := self.ended.get()) is not None:
            if callable(one):
                one()
            else:
                figures, ours = self._figures(*one[:3]), one[3]
                self.loop.call_soon_threadsafe(self._send, {mark: figures[mark] for mark in ours})

    def _start(self) -> None:
        try:
            self.meter = _new_meter()
            self.why = ""
        except ImportError:
            self.why = f"{self.worker.address} has no jupyter_costmeter (pip install jupyter_costmeter)"
        except Exception as error:
            self.why = f"the meter on {self.worker.address} failed: {type(error).__name__}: {error}"

    def _figures(self, window: Any, why: str, seconds: dict[str | None, float]) -> Any:
        """What each cell's part of the piece is; a failure costs the figures, not the counts."""
        if window is None:
            return {mark: _missing(why) for mark in seconds}
        try:
            return self.meter.divided(window, seconds)
        except Exception as error:
            return {mark: _missing(f"{type(error).__name__}: {error}") for mark in seconds}

    # On the event loop again

    def _send(self, figures: dict[str, Any]) -> None:
        for mark, told in figures.items():
            cell = mark.partition("|")[0]
            if cell not in self.told:
                self.told.add(cell)
                self._add(cell, "is", json.dumps(self._what_we_are()), 1)
            for text, kind, value in told:
                self._add(cell, kind, text, self._grown(cell, text, value) if kind == "peak" else value)
            self._add(cell, "settled", "", 1)

    def _what_we_are(self) -> dict[str, Any]:
        known = self.meter.facts() if self.meter else {}
        return {"host": socket.gethostname(), "why": self.why, **known}

    def _grown(self, cell: str, text: str, value: float) -> float:
        """By how much a high-water mark has risen: the scheduler can only add."""
        before = self.peaks.get((cell, text), 0.0)
        self.peaks[cell, text] = max(before, value)
        return max(0.0, value - before)

    def _add(self, cell: str, kind: str, text: str, value: float) -> None:
        if not value:
            return
        name = f"{NAME}|{cell}|{self.worker.address}|{kind}|{text}"
        self.worker.digest_metric(name, value)
        for kept in (self.worker.digests_total, self.worker.digests_max):  # nobody here reads them
            kept.pop(name, None)


def _missing(why: str) -> list[tuple[str, str, float]]:
    """What was not measured, and why."""
    names = ("cpu_energy_j", "cpu_s", "flops_uncounted")
    return [(json.dumps([name, None, None, None, why]), "missing", 1.0) for name in names]


def _new_meter() -> Any:
    from jupyter_costmeter.remote.worker import WorkerMeter

    return WorkerMeter()
