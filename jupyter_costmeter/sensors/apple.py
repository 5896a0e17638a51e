"""Apple silicon through ``zeus-apple-silicon``, which reads the chip's own energy counters (IOReport).

Energy of the CPU, the memory and the GPU, in millijoules, of the whole machine. The CPU's and
the memory's have RAPL's names, and so this kernel's share of them is found as RAPL's is. Who uses
the GPU cannot be seen. The neural engine's energy is left out: nothing tells whose it is. On some
chips the counters come in batches of 2 s (lablup/all-smi issue 410), so they are said to be stepped.
Tested against recorded answers only, never on a Mac by us. Nothing is imported on another machine.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import psutil

from ..record import Channel, DeviceUse, Provenance, Reading, Status

PACKAGE = "zeus_apple_silicon"
NONE = "no Apple silicon here"
INSTALL = "pip install zeus-apple-silicon"
CHIP, GPU = "Apple chip", "Apple GPU"
SOURCE = "Apple energy counter (IOReport)"
MACHINE_CPU = Provenance("measured", "the machine's busy CPU time (host_statistics)", 0.01)
MACHINE_MEMORY = Provenance("measured", "the machine's memory (sysctl)", 0.0)
#: Figure, device, what it is, and the metrics that are its parts, in the names of all releases.
COUNTERS = (
    ("package_energy_j", CHIP, "CPU", (("cpu_total_mj", "cpu_mj"),)),
    ("dram_energy_j", CHIP, "DRAM", (("dram_mj",),)),
    ("gpu_energy_j", GPU, "GPU", (("gpu_mj",), ("gpu_sram_mj",))),
)
Parts = tuple[tuple[str, ...], ...]
#: The CPU and the memory always draw power: a counter of theirs that rests so many seconds is stuck.
STUCK_S = 10.0
STUCK = "this chip's energy counter stands still (a fault of macOS)"


class _Counter:
    """One of the chip's counters; no dataclass, whose making alone takes 1 ms of ``%load_ext``."""

    __slots__ = ("channel", "joules", "moved_at", "parts")

    def __init__(self, channel: Channel, parts: Parts) -> None:
        self.channel, self.parts = channel, parts
        self.joules: float | None = None
        self.moved_at = 0.0

    def stuck(self, joules: float | None, now: float) -> bool:
        if joules != self.joules:
            self.joules, self.moved_at = joules, now
        return self.channel.device != GPU and now - self.moved_at > STUCK_S


class AppleSensor:
    """The chip's CPU, memory and GPU, whole machine; with what it takes to find a share."""

    name = "apple"
    may_hang = True  # a reading asks the kernel for a report

    def __init__(self, system: str = sys.platform, machine: str | None = None) -> None:
        self.names: dict[str, str] = {}
        self.memory_bytes: dict[str, int] = {}
        self._apple = system == "darwin" and (machine or os.uname().machine) == "arm64"
        self._energy: Callable[[], Any] | None = None
        self._counters: list[_Counter] = []
        self._memory = 0.0

    @property
    def channels(self) -> tuple[Channel, ...]:
        machine = (
            Channel("machine_cpu_s", "counter", MACHINE_CPU),
            Channel("machine_memory_bytes", "gauge", MACHINE_MEMORY),
        )
        return (*(c.channel for c in self._counters), *machine) if self._counters else ()

    def open(self) -> Status:
        """Find the counters that this chip has; never raises. On another machine there is no channel."""
        self.close()
        if not self._apple:
            return Status(self.name, False, NONE)
        if find_spec(PACKAGE) is None:
            return Status(self.name, False, "the Python package zeus-apple-silicon is missing", INSTALL)
        try:
            self._energy = import_module(PACKAGE).AppleEnergyMonitor().get_cumulative_energy
            metrics = self._energy()
        except Exception as error:  # nanobind's own kinds, of what macOS refuses
            self.close()
            return Status(self.name, False, f"zeus-apple-silicon does not start: {error}", "upgrade it")
        return self._with(metrics)

    def read(self) -> Reading:
        """Joules per counter since the chip started, then the machine's busy CPU seconds and its memory in bytes."""
        try:
            metrics = self._energy() if self._energy else None
        except Exception:  # nanobind's own kinds; the next reading may succeed
            metrics = None
        if metrics is None:
            return (None,) * len(self.channels)
        now = time.monotonic()
        return (*[self._read(counter, metrics, now) for counter in self._counters], _busy_s(), self._memory)

    def observe(self) -> tuple[DeviceUse, ...]:
        """That it cannot be seen who uses the GPU: its energy is the whole device's, an upper bound."""
        return (DeviceUse(GPU, None),) if GPU in self.names else ()

    def close(self) -> None:
        self._energy, self._counters, self.names = None, [], {}

    def _with(self, metrics: Any) -> Status:
        there = [c for c in COUNTERS if _joules(metrics, c[3]) is not None]
        self._counters = [
            _Counter(Channel(figure, "counter", _origin(what), device, stepped=True), parts)
            for figure, device, what, parts in there
        ]
        self._memory = float(psutil.virtual_memory().total)
        self.names = {GPU: GPU} if any(device == GPU for _, device, *_ in there) else {}
        return Status(self.name, bool(there), f"{SOURCE}: {', '.join(what for *_, what, _ in there) or 'none'}")

    def _read(self, counter: _Counter, metrics: Any, now: float) -> float | None:
        joules = _joules(metrics, counter.parts)
        if not counter.stuck(joules, now):
            return joules
        origin = replace(counter.channel.provenance, reason=STUCK)
        counter.channel = replace(counter.channel, provenance=origin)
        return None


def _origin(what: str) -> Provenance:
    return Provenance("measured", f"{SOURCE}, {what}", 0.05)


def _joules(metrics: Any, parts: Parts) -> float | None:
    """The sum of the parts that this chip has, ``None`` where it has not the first."""
    found = [next((v for n in names if (v := getattr(metrics, n, None)) is not None), None) for names in parts]
    return None if found[0] is None else sum(mj or 0 for mj in found) / 1000.0


def _busy_s() -> float:
    spent = psutil.cpu_times()
    return float(spent.user + spent.nice + spent.system)
