"""A simulated GPU: plays a trace, for tests, for benchmarks and for the demo (docs/replay.md).

The energy is an exact integral, so that a test can compare with it, and every source says
"simulated". A trace's time begins when the sensor is opened. A device plays its ``segments``,
or follows this process (``Follow``).
"""

from __future__ import annotations

import math
import os
import threading
import time
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import replace

import psutil

from ..record import Channel, DeviceUse, Provenance, Reading, Status
from .trace import Device, Fault, Follow, Integral, Segment, Trace, TraceError, read_trace, trace_of

__all__ = ["Device", "Fault", "Follow", "ReplaySensor", "Segment", "Trace", "TraceError", "read_trace", "trace_of"]

#: The trace for a process: a path, or "demo".
VARIABLE = "JUPYTER_COSTMETER_REPLAY"
REMEDY = "correct the trace (docs/replay.md has an example), or unset JUPYTER_COSTMETER_REPLAY"
#: The threads of the meter's that live as long as the process, by their names.
OURS = ("costmeter-sampler", "costmeter-ledger")
DEMO = Trace((Device("SIMULATED-GPU-0", follow=Follow()),), name="demo, which follows this process")


class ReplaySensor:
    """Plays a trace as a driver's counter would show it.

    Args:
        trace: a ``Trace``, the path of one, "demo", or ``None`` for what ``JUPYTER_COSTMETER_REPLAY`` names.
        clock: monotonic seconds.
    """

    name = "replay"
    may_hang = False

    def __init__(
        self, trace: Trace | str | os.PathLike[str] | None = None, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.channels: tuple[Channel, ...] = ()
        self.names: dict[str, str] = {}
        self.memory_bytes: dict[str, int] = {}
        self.trace: Trace | None = None
        self._wanted = trace
        self._clock = clock
        self._began_s = 0.0
        self._devices: list[_Played | _Following] = []
        self._failing: dict[str, str] = {}

    def open(self) -> Status:
        """Read the trace; its time begins now. Never raises: the status names what is wrong."""
        self.close()
        try:
            self.trace = trace = _trace(os.environ.get(VARIABLE, "") if self._wanted is None else self._wanted)
        except TraceError as error:
            origin = Provenance(None, "simulated energy counter", reason=str(error))
            self.channels = (Channel("gpu_energy_j", "counter", origin),)
            return Status(self.name, False, str(error), REMEDY)
        self._devices = [_Played(d, trace.loop) if d.segments else _Following(d) for d in trace.devices]
        self.channels = tuple(_channel(device, trace.name) for device in trace.devices)
        self.names = {d.uuid: _named(d.name) for d in trace.devices}
        self.memory_bytes = {d.uuid: int(d.memory_bytes) for d in trace.devices}
        self._began_s = self._clock()
        return Status(self.name, True, f"simulated: {', '.join(d.name for d in trace.devices)} ({trace.name})")

    @property
    def elapsed_s(self) -> float:
        """The trace's own time."""
        return self._clock() - self._began_s

    def read(self) -> Reading:
        """Joules per device as its counter shows them, ``None`` during an error. About two microseconds."""
        now_s = self._clock() - self._began_s
        return tuple([self._joules(device, now_s) for device in self._devices])

    def observe(self) -> tuple[DeviceUse, ...]:
        """Who holds each device, its memory and its busy seconds since ``open``: all of the trace, exact."""
        now_s = self._clock() - self._began_s
        return tuple(device.use(now_s) for device in self._devices)

    def close(self) -> None:
        self._devices, self.channels, self._failing = [], (), {}

    def _joules(self, device: _Played | _Following, now_s: float) -> float | None:
        shown = device.counter(now_s)
        why = shown if isinstance(shown, str) else ""
        if why != self._failing.get(device.uuid, ""):
            self._failing[device.uuid] = why
            self._say(device.uuid, why or None)
        return None if isinstance(shown, str) else shown

    def _say(self, uuid: str, why: str | None) -> None:
        """The channel gives the error as its reason, as long as it lasts."""
        self.channels = tuple(
            replace(c, provenance=replace(c.provenance, reason=why)) if c.device == uuid else c for c in self.channels
        )


def _named(model: str) -> str:
    """It is said once."""
    return model if "simulated" in model.lower() else f"{model} (simulated)"


def _channel(device: Device, trace: str) -> Channel:
    origin = Provenance("declared", f"simulated energy counter (replay of {trace})", device.uncertainty)
    return Channel("gpu_energy_j", "counter", origin, device.uuid, stepped=device.step_ms > 0)


class _Played:
    """A device that plays its segments."""

    def __init__(self, device: Device, loop: bool) -> None:
        self.device, self.uuid = device, device.uuid
        own = [s.utilization for s in device.segments]
        everybody = [s.utilization + s.foreign_utilization for s in device.segments]
        seconds = [s.seconds for s in device.segments]
        self.joules = Integral(seconds, [s.power_w for s in device.segments], loop)
        self._own, self._all = Integral(seconds, own, loop), Integral(seconds, everybody, loop)
        self._busy = Integral(seconds, [min(1.0, share) for share in everybody], loop)
        self._resets = sorted(device.resets_s)
        self._step_s = device.step_ms / 1000.0

    def counter(self, now_s: float) -> float | str:
        """Joules since the last reset, as of the last refresh; an error as its message."""
        if self.device.errors and (why := self._error(now_s)):
            return why
        if self._step_s:
            now_s = math.floor(now_s / self._step_s + 1e-9) * self._step_s
        joules = self.joules.until(now_s)
        return joules - self.joules.until(self._last_reset(now_s)) if self._resets else joules

    def _error(self, now_s: float) -> str | None:
        _, rest_s = self.joules.turns(now_s)
        for fault in self.device.errors:
            if now_s >= fault.from_s if fault.until_s is None else fault.from_s <= rest_s < fault.until_s:
                return fault.message
        return None

    def _last_reset(self, now_s: float) -> float:
        turns, rest_s = self.joules.turns(now_s)
        index = bisect_right(self._resets, rest_s) - 1
        if index < 0:
            turns -= 1
        return max(0.0, turns * self.joules.starts[-1] + self._resets[index]) if turns >= 0 else 0.0

    def use(self, now_s: float) -> DeviceUse:
        if self._error(now_s):
            return DeviceUse(self.uuid, None)
        now = self.device.segments[self.joules.index(self.joules.turns(now_s)[1])]
        total = now.used_bytes + now.foreign_bytes
        return DeviceUse(
            self.uuid, now.held, now.foreign, now.used_bytes if now.held is not None else None,
            busy_s=self._busy.until(now_s), own_sm_s=self._own.until(now_s), all_sm_s=self._all.until(now_s),
            memory_share=now.used_bytes / total if total else None, slice_share=self.device.slice_share,
        )  # fmt: skip


class _Following:
    """A device that does what this process does.

    What is known is one tuple, replaced as a whole: two threads that read at once need no lock,
    since any of the tuples they leave behind is a point of the same curve, and never counts twice.
    """

    def __init__(self, device: Device) -> None:
        assert device.follow is not None
        self.device, self.uuid, self._follow = device, device.uuid, device.follow
        self._process = psutil.Process()
        self._rss = float(self._process.memory_info().rss)
        self._children_s = _children_s()
        self._known = (0.0, _cpu_s() + self._children_s, 0.0)  # trace time, CPU seconds, busy seconds

    def counter(self, now_s: float) -> float:
        return self._follow.idle_w * now_s + (self._follow.busy_w - self._follow.idle_w) * self._busy_s(now_s)

    def _busy_s(self, now_s: float) -> float:
        seen_s, seen_cpu_s, busy_s = self._known
        cpu_s = _cpu_s() + self._children_s
        busy_s += max(0.0, min(cpu_s - seen_cpu_s, now_s - seen_s))
        self._known = (now_s, cpu_s, busy_s)
        return busy_s

    def use(self, now_s: float) -> DeviceUse:
        self._children_s = max(self._children_s, _children_s())
        busy_s, follow = self._busy_s(now_s), self._follow
        grown = self._process.memory_info().rss - self._rss
        held = grown >= follow.held_bytes
        wanted = follow.context_bytes + follow.bytes_per_byte * grown if held else 0.0
        used = min(self.device.memory_bytes, wanted)
        return DeviceUse(
            self.uuid, held, used_bytes=used, busy_s=busy_s, own_sm_s=busy_s, all_sm_s=busy_s,
            memory_share=1.0 if held else None, slice_share=self.device.slice_share,
        )  # fmt: skip


def _cpu_s() -> float:
    """CPU seconds of this process without the meter's own threads, which compute nothing on a GPU."""
    return time.process_time() - sum(_spent_s(thread) for thread in threading.enumerate() if thread.name in OURS)


def _spent_s(thread: threading.Thread) -> float:
    if thread.ident is None or not hasattr(time, "pthread_getcpuclockid"):
        return 0.0
    return time.clock_gettime(time.pthread_getcpuclockid(thread.ident))


def _children_s() -> float:
    """CPU seconds of children that have ended."""
    spent = os.times()
    return spent.children_user + spent.children_system


def _trace(wanted: Trace | str | os.PathLike[str]) -> Trace:
    if isinstance(wanted, Trace):
        return wanted
    if str(wanted) == "demo":
        return DEMO
    if not str(wanted):
        raise TraceError(f"no trace is named: set {VARIABLE}, or CostMeter.replay, to its path or to demo")
    return read_trace(wanted)
