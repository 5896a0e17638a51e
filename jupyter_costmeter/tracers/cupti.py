"""Exact GPU busy time by CUPTI's activity records, on the libcupti that torch or CUDA has loaded.

Busy is the length of the union of a device's kernels, as for NVML's utilisation: copies and the
user's memsets are not in it. Off by default (``CostMeter.cupti``): docs/gpu-time.md says what is
proved of it, and what is not.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

from ..record import Figure, Provenance, Status
from . import native
from .library import CUDA, CUPTI, Cuda, Cupti, loaded
from .native import Buffers, NotYet, Unavailable
from .profilers import Profilers
from .trace import Mark, Trace

SOURCE = "CUPTI: kernels launched in this window"
#: CUPTI converts the GPU's clock into its own to better than a microsecond; launches are counted, not sampled.
EXACT = Provenance("measured", SOURCE, 0.01)
DROPPED = Provenance("measured", f"{SOURCE} (lower bound: some records were lost)", 0.1)
UNFINISHED = Provenance("measured", f"{SOURCE} (lower bound: not all of it was reported yet)", 0.1)

NO_CUDA = "CUDA was not in use yet"
LATE = "tracing began after this window did"
FORKED = "in a forked process CUDA does not work, and nothing is traced"
PROFILER = "torch.profiler had CUPTI, which serves one at a time"
RUNNING = "its kernels were still running when its record was made"
CLOSED = "tracing has ended"


class CuptiTracer:
    """Implements ``plugins.Tracer``. Tracing begins, in a thread of its own, once CUDA runs in this process.

    Set ``working`` to a context manager in which that thread's work is counted.

    Args:
        cupti: names under which libcupti may be loaded.
        cuda: likewise libcuda.
        patience_s: how long ``figures`` waits for what is still running.
    """

    name = "cupti"

    def __init__(self, cupti: Sequence[str] = CUPTI, cuda: Sequence[str] = CUDA, patience_s: float = 0.1) -> None:
        self.patience_s = patience_s
        self.working: Callable[[], AbstractContextManager[Any]] = nullcontext
        self._names = cupti, cuda
        self._numbers = itertools.count(1)
        self._profilers = Profilers(self._step_aside, self._resume)
        self._starting = threading.Lock()
        self._clear()

    def _clear(self) -> None:
        self._why: str | None = NO_CUDA  # nothing is traced; None: it is
        self._remedy: str | None = None
        self._pid = os.getpid()
        self._devices: dict[int, str] = {}
        self._trace: Trace | None = None
        self._cupti: Cupti | None = None
        self._cuda: Cuda | None = None
        self._buffers: Buffers | None = None
        self._thread: threading.Thread | None = None
        self._closing = self._aside = False

    def open(self) -> Status:
        """Nothing is loaded or begun: that is for when CUDA runs."""
        self.close()
        self._clear()
        try:
            native.supported()
        except Unavailable as refused:
            self._why, self._remedy = refused.message, refused.remedy
            return Status(self.name, False, refused.message, refused.remedy)
        return Status(self.name, True, "GPU kernels are traced once CUDA runs in this process")

    def status(self) -> Status:
        """As it is by now."""
        if self._why is None:
            return Status(self.name, True, "GPU kernels are traced")
        return Status(self.name, self._why in (NO_CUDA, PROFILER), self._why, self._remedy)

    def mark(self) -> Mark:
        """A memset of some bytes on our own stream; before CUDA runs, a look into ``sys.modules``."""
        mark = Mark(next(self._numbers))
        try:
            if os.getpid() != self._pid:
                mark.why = FORKED
            elif self._why is None and self._trace:
                self._trace.place(mark)
            else:
                mark.why = self._why or CLOSED
                if self._why == NO_CUDA and _torch_uses_cuda():
                    mark.why = LATE
                    self._start()
        except Exception as error:  # the cell must not fail: the figure says so instead
            mark.why = f"{type(error).__name__}: {error}"
        return mark

    def figures(self, start: object, end: object) -> tuple[Figure, ...]:
        """``gpu_busy_s`` of each GPU that this process has used. Waits ``patience_s`` for what still runs."""
        if not isinstance(start, Mark) or not isinstance(end, Mark):
            return ()
        if os.getpid() != self._pid:
            return self._without(FORKED)
        if start.why == end.why == NO_CUDA:
            self._look()
            return ()
        if (why := self._unknown(start, end)) or self._trace is None:
            return self._without(why or CLOSED)
        self._wait_for(self._trace, end)
        if why := self._unknown(start, end) or (RUNNING if end.correlation is None else None):
            return self._without(why)
        return self._figures(self._trace, start, end)

    def close(self) -> None:
        """Let CUPTI go. What was traced is forgotten; the buffers stay, as CUPTI may still hold some."""
        if os.getpid() != self._pid:
            return
        self._profilers.close()
        with self._starting:
            traced, self._why, self._closing = self._why is None, CLOSED, True
        if traced and self._cupti:
            self._cupti.stop()
        if self._buffers and self._thread:
            self._buffers.wake()
            self._thread.join(1)
        self._trace = None

    # What a window's figures are

    def _unknown(self, start: Mark, end: Mark) -> str | None:
        if start.why == NO_CUDA:
            return LATE
        if start.why or end.why:
            return start.why or end.why
        return PROFILER if start.period != end.period else None

    def _wait_for(self, trace: Trace, end: Mark) -> None:
        until = time.monotonic() + self.patience_s
        trace.drain(flush=self._why is None)
        while not trace.complete(end) and end.why is None and time.monotonic() < until:
            time.sleep(0.01)
            trace.drain(flush=self._why is None)

    def _figures(self, trace: Trace, start: Mark, end: Mark) -> tuple[Figure, ...]:
        busy_ns = trace.busy_ns(start.number, end.number)
        origin = EXACT if trace.complete(end) else UNFINISHED
        if trace.flawed(start.number, end.number):
            origin = DROPPED
        return tuple(
            Figure("gpu_busy_s", ns / 1e9, origin, self._devices.get(ordinal, f"GPU {ordinal}"))
            for ordinal, ns in sorted(busy_ns.items())
        )

    def _without(self, why: str) -> tuple[Figure, ...]:
        origin = Provenance(None, SOURCE, reason=why)
        used = sorted(self._trace.devices) if self._trace else []
        devices: list[str | None] = [self._devices.get(ordinal, f"GPU {ordinal}") for ordinal in used]
        return tuple(Figure("gpu_busy_s", None, origin, device) for device in devices or [None])

    # Beginning, stepping aside, going on

    def _look(self) -> None:
        """Off the user's path: CUDA may run without torch."""
        if self._why == NO_CUDA and (_torch_uses_cuda() or loaded(self._names[0])):
            self._start()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="costmeter-cupti", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        """The thread: asleep until CUPTI gives a buffer back. CUPTI's own start may take long, so it is here."""
        with self.working():
            self._begin()
        trace, buffers = self._trace, self._buffers
        while buffers and trace and self._why in (None, PROFILER):
            buffers.wait()
            with self.working():
                self._guarded(self._go_on)
                self._guarded(trace.drain)

    def _begin(self) -> None:
        self._guarded(self._find)
        if self._trace:
            self._profilers.watch()
            self._aside = self._profilers.running()
            with self._starting:
                self._why = CLOSED if self._closing else PROFILER
            self._guarded(self._go_on)

    def _find(self) -> None:
        self._cuda, self._cupti = Cuda(self._names[1]), Cupti(self._names[0])
        self._devices, self._buffers = self._cuda.names(), native.shared()
        self._trace = Trace(self._cupti, self._cuda, self._buffers)

    def _guarded(self, step: Callable[[], None]) -> None:
        """What keeps us from tracing becomes the figures' reason."""
        try:
            step()
        except NotYet:
            self._why = NO_CUDA
        except Unavailable as refused:
            self._why, self._remedy = refused.message, refused.remedy
        except Exception as error:  # a CUPTI unlike those we know
            self._why = f"CUPTI cannot be used: {type(error).__name__}: {error}"

    def _go_on(self) -> None:
        with self._starting:
            if self._why == PROFILER and not self._aside and self._cupti and self._buffers and self._cuda:
                self._cupti.start(self._buffers, self._cuda)
                self._why = None

    def _step_aside(self) -> None:
        """In the user's thread, as a profiler begins."""
        with suppress(Exception):  # the profiler must start, whatever becomes of us
            if os.getpid() == self._pid and not self._aside:
                self._aside = True
                with self._starting:
                    traced = self._why is None
                    self._why = PROFILER if traced else self._why
                if traced and self._cupti and self._trace:
                    self._cupti.stop()
                    self._trace.end(PROFILER)

    def _resume(self) -> None:
        with suppress(Exception):
            if os.getpid() == self._pid and self._buffers:
                self._aside = False
                self._buffers.wake()


def _torch_uses_cuda() -> bool:
    torch = sys.modules.get("torch")
    ask = getattr(getattr(torch, "cuda", None), "is_initialized", None)  # torch may be half imported
    return bool(ask and ask())
