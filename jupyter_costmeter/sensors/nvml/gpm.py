"""FLOPs by the GPU's own pipe counters, through NVML's GPM (Hopper and later): a check on the counted ones.

At a window's edges the driver is asked for a sample of its counters, and for the SM clock; later two samples give the
share of cycles in which each pipe was active. FLOPs = share × FLOP per clock and SM (``pipes``) × SMs × SM clock ×
seconds. They are the whole device's (or MIG slice's), whoever used it, and never a part of the figure ``flops``. Off by
default (``CostMeter.gpm``): docs/gpm.md says what is not proved of it.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from math import ceil, floor
from typing import Any, NamedTuple

from ...record import Figure, Provenance, Status
from . import gpm_devices, pipes
from .gpm_devices import CLOSED, SM_CLOCK, Gpu, Sample, Samples
from .library import Library, Unavailable
from .patience import Patience
from .pipes import Span
from .processes import Tree, listed

#: NVIDIA: what two samples less than 100 ms apart give is not valid (NVIDIA/DCGM#310).
SHORTEST_S = 0.1
#: Seconds by which a sample lags behind at most: seen refreshed each 0.1 s, and then 0.1 s old (docs/gpu-checks.md).
STALE_S = 0.2
#: Seconds until a lost GPU is looked for again; twice as many each time that it is not there.
RETRY_S, MOST_RETRY_S = 5.0, 60.0
#: So many of the clock's readings are kept: an hour of a running cell's, for one GPU.
READINGS = 3600
#: The least half-width: the counters' own error is not published.
LEAST = 0.05

SOURCE = "NVML GPM: active pipe cycles × SM clock"
PARTS = "FP64, FP32, FP16 and tensor cores, without int8"
WHY_BETWEEN = "a tensor cycle may be TF32, BF16 or FP16 (taken) or narrower, an addition is half a multiply-add"
STARTING = "NVML was still starting"
SLOW = "the driver took too long to answer: cells do not wait for it, and it is asked again a minute later"
FORKED = "in a forked process NVML has to be started anew"
SHORT = "shorter than 0.1 s, below which the GPU's pipe counters give nothing valid"
LOST = "the GPU was not there all the time"
NOT_HELD = "this kernel did not use this GPU"
NO_CLOCK = "the driver does not tell the SM clock"


class Part(NamedTuple):
    """One GPU at an edge: when (seconds), its sample and SM clock, or why there is none."""

    gpu: Gpu
    t_s: float
    sample: Sample | None
    mhz: float | None
    why: str | None = None


class Mark:
    """An edge. The samples are the driver's again when the mark is forgotten."""

    __slots__ = ("parts", "why")

    def __init__(self, parts: tuple[Part, ...] = (), why: str | None = None) -> None:
        self.parts, self.why = parts, why


class GpmTracer:
    """Implements ``plugins.Tracer``. NVML is started in a thread of its own, once this is opened.

    Set ``working`` to a context manager in which that thread's work is counted.

    Args:
        proc: where Linux shows its processes.
        clock: monotonic seconds.
    """

    name = "gpm"

    def __init__(self, proc: str = "/proc", clock: Callable[[], float] = time.monotonic) -> None:
        self.working: Callable[[], AbstractContextManager[Any]] = nullcontext
        self._proc, self._clock = proc, clock
        self._patience: Patience | None = None
        self._changing = threading.Lock()
        self._clear()

    def _clear(self) -> None:
        self._why: str | None = CLOSED  # nothing is sampled; None: it is
        self._remedy: str | None = None
        self._absent = self._closing = False
        self._pid = os.getpid()
        self._gpus: Sequence[Gpu] = ()
        self._library = Library()
        self._samples = Samples(self._library)
        self._clocks: deque[tuple[Gpu, float, float]] = deque(maxlen=READINGS)  # (GPU, seconds, MHz)
        self._retry_at, self._wait_s = 0.0, RETRY_S

    def open(self) -> Status:
        """Have NVML started, which takes up to 3 s and is not waited for."""
        self.close()
        self._clear()
        self._why = STARTING
        self._patience = Patience("costmeter-gpm", lambda: self.working())
        self._patience.post(self._begin)
        return self.status()

    def status(self) -> Status:
        """As it is by now."""
        if self._why is not None:
            return Status(self.name, self._why == STARTING, self._why, self._remedy)
        sampled = [gpu for gpu in self._gpus if not gpu.missing]
        reasons = sorted({gpu.missing for gpu in self._gpus if gpu.missing})
        message = f"pipe activity of {len(sampled)} of {len(self._gpus)} GPUs"
        return Status(self.name, bool(sampled), "; ".join([message, *reasons]))

    def mark(self) -> Mark:
        """Three short calls to the driver for each GPU; none while it hangs, and a quarter of a second at most."""
        try:
            if os.getpid() != self._pid:
                return Mark(why=FORKED)
            if self._why or self._patience is None:
                return Mark(why=self._why or CLOSED)
            parts = self._patience.answer(partial(self._take, self._gpus))
            return Mark(why=SLOW) if parts is None else Mark(parts)
        except Exception as error:  # the cell must not fail: the figure says so instead
            return Mark(why=f"{type(error).__name__}: {error}")

    def figures(self, start: object, end: object) -> tuple[Figure, ...]:
        """``flops_hardware`` of each GPU, without a value and with its reason where that is not known."""
        if not isinstance(start, Mark) or not isinstance(end, Mark):
            return ()
        if os.getpid() != self._pid:
            return self._without(FORKED)
        if self._absent:
            return ()
        self._look_again()
        if why := start.why or end.why:
            return self._without(why)
        before, tree = {part.gpu.uuid: part for part in start.parts}, Tree(self._proc)
        return tuple(self._figure(before.get(part.gpu.uuid), part, tree) for part in end.parts)

    def close(self) -> None:
        """Give the samples back and undo our own start of NVML, in the process that made it."""
        if os.getpid() != self._pid:
            return
        with self._changing:
            started, self._why, self._closing = self._why is None, CLOSED, True
        if self._patience:
            self._patience.end()
        if started:
            self._samples.free()
            self._library.stop()

    # At an edge

    def _take(self, gpus: Sequence[Gpu]) -> tuple[Part, ...]:
        return tuple([self._part(gpu) for gpu in gpus])

    def _part(self, gpu: Gpu) -> Part:
        t_s = self._clock()
        if gpu.missing:
            return Part(gpu, t_s, None, None, gpu.missing)
        sample, code = self._samples.take(gpu)
        if sample is None:
            self._library.answered(code)
            return Part(gpu, t_s, None, None, gpu.refused(code))
        mhz = self._library.ask("nvmlDeviceGetClockInfo", gpu.handle, SM_CLOCK)
        if mhz:
            self._clocks.append((gpu, t_s, float(mhz)))
        return Part(gpu, t_s, sample, mhz or None, None if mhz else NO_CLOCK)

    # What lies between two

    def _figure(self, first: Part | None, last: Part, tree: Tree) -> Figure:
        try:
            found = self._between(first, last, tree)
        except Unavailable as why:
            origin = Provenance(None, SOURCE, reason=why.message, absent=why.absent)
            return Figure("flops_hardware", None, origin, last.gpu.uuid)
        return Figure("flops_hardware", found.value, _provenance(found, last.gpu), last.gpu.uuid)

    def _between(self, first: Part | None, last: Part, tree: Tree) -> Span:
        gpu, seconds = last.gpu, last.t_s - first.t_s if first else 0.0
        if not self._held(gpu, tree):
            raise Unavailable(NOT_HELD, absent=True)
        if why := (first and first.why) or last.why:
            raise Unavailable(why)
        if first is None or first.gpu is not gpu or first.sample is None or last.sample is None:
            raise Unavailable(LOST)
        if seconds < SHORTEST_S:
            raise Unavailable(SHORT)
        cycles = self._hertz(first, last) * Span(*[seconds * gpu.sms] * 3)
        found = pipes.flops(self._samples.percents(first.sample, last.sample), gpu.capability, cycles)
        stale = min(1.0, STALE_S / seconds)
        return found * Span(1 - stale, 1.0, 1 + stale)

    def _held(self, gpu: Gpu, tree: Tree) -> bool:
        """Not where it is plain that nobody of us has a context there: then its FLOPs are others'."""
        processes = listed(self._library, gpu.part)
        return processes is None or tree.holds(processes) is not False

    def _hertz(self, first: Part, last: Part) -> Span:
        """The mean of the readings in the window. Where there are two only, it may have been the highest in between."""
        between = [mhz for gpu, t_s, mhz in tuple(self._clocks) if gpu is last.gpu and first.t_s < t_s < last.t_s]
        read = [first.mhz or 0.0, *between, last.mhz or 0.0]
        highest = max(read) if between else max(*read, last.gpu.highest_mhz or 0.0)
        return Span(*(1e6 * mhz for mhz in (min(read), sum(read) / len(read), highest)))

    def _without(self, why: str) -> tuple[Figure, ...]:
        origin = Provenance(None, SOURCE, reason=why)
        devices: list[str | None] = [gpu.uuid for gpu in self._gpus]
        return tuple(Figure("flops_hardware", None, origin, device) for device in devices or [None])

    # In the thread: beginning, and bringing back what was lost

    def _begin(self) -> None:
        library = self._library
        try:
            library.start()
            gpus = gpm_devices.found(library)
            if self._patience:
                self._patience.made(partial(self._take, gpus))  # so what is refused is known before a cell asks
        except Unavailable as refused:
            self._become(library, (), refused)
        except Exception as error:  # an NVML unlike those we know
            self._become(library, (), Unavailable(f"NVML cannot be used: {type(error).__name__}: {error}"))
        else:
            self._become(library, gpus, None)

    def _become(self, library: Library, gpus: Sequence[Gpu], refused: Unavailable | None) -> None:
        with self._changing:
            if library is not self._library or self._closing:  # closed meanwhile, and perhaps opened anew
                library.stop()
                return
            self._gpus, self._why = gpus, None
            if refused:
                self._why, self._remedy, self._absent = refused.message, refused.remedy, refused.absent

    def _look_again(self) -> None:
        """At most each few seconds."""
        wanted = self._library.reloaded or any(gpu.lost for gpu in self._gpus)
        if wanted and self._why is None and self._patience and self._clock() >= self._retry_at:
            self._retry_at = self._clock() + self._wait_s
            self._wait_s = min(2 * self._wait_s, MOST_RETRY_S)
            self._patience.post(self._bring_back)

    def _bring_back(self) -> None:
        try:
            if reloaded := self._library.reloaded:
                self._library.stop()
                self._library.start()
            self._gpus = gpm_devices.renewed(self._library, self._gpus, reloaded)
        except Unavailable:
            return  # the reason stays the one by which it was lost
        if not any(gpu.lost for gpu in self._gpus):
            self._wait_s = RETRY_S


def _provenance(found: Span, gpu: Gpu) -> Provenance:
    """The range as multiples of the value, rounded outwards: few texts, as each is a row of the ledger."""
    whose = "whole device" if gpu.instance is None else "whole MIG slice"
    source = f"{SOURCE}, {whose}, whoever used it ({PARTS})"
    if found.value:
        low, high = floor(10 * found.low / found.value) / 10, ceil(10 * found.high / found.value) / 10
        source += f"; between {low:g} and {high:g} times this: {WHY_BETWEEN}"
    return Provenance("modelled", source, max(LEAST, ceil(100 * found.half_width) / 100))
