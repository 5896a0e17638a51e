"""CPU seconds and peak memory of this process, CPU seconds of its children.

Linux: the process clock, ``getrusage`` for children that have ended, ``/proc`` for those
that live; the high-water mark of the resident set is reset through ``clear_refs``
(proc(5)), so that a peak is a cell's own. Elsewhere: psutil, without that reset.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress

import psutil

from ..record import Channel, DeviceUse, Provenance, Reading, Status

CLOCK = Provenance("measured", "CPU clocks of this process and its children", 0.01)
RSS = Provenance("measured", "resident set of this process", 0.01)
HIGH_WATER = Provenance("measured", "high-water mark of this process's resident set", 0.01)
NO_RESET = Provenance(
    "measured",
    "high-water mark of this process's resident set",
    0.01,
    reason="no new high since an earlier cell, and this system cannot reset the mark",
)


class ProcessSensor:
    name = "process"

    def __init__(self, proc: str = "/proc/self") -> None:
        self.proc = proc
        self.channels: tuple[Channel, ...] = ()
        self._memory: _Memory = _PortableMemory()
        self._children = _Children()

    def open(self) -> Status:
        self.close()
        self._memory = _memory(self.proc)
        self._children = _Children()
        high = HIGH_WATER if self._memory.resets else NO_RESET
        self.channels = (
            Channel("cpu_s", "counter", CLOCK),
            Channel("rss_bytes", "gauge", RSS),
            Channel("peak_rss_bytes", "peak", high),
        )
        note = "" if self._memory.resets else "; a cell's peak shows only where it is a new high"
        return Status(self.name, True, f"CPU seconds of this process and its children, peak memory{note}")

    def mark(self) -> None:
        self._memory.mark()

    def read(self) -> Reading:
        return (time.process_time() + self._children.cpu_s(), *self._memory.read())

    def observe(self) -> tuple[DeviceUse, ...]:
        return ()

    def close(self) -> None:
        self._memory.close()


class _Memory:
    """Resident set now, and its highest since the mark, in bytes."""

    resets = False

    def mark(self) -> None:
        raise NotImplementedError

    def read(self) -> tuple[float | None, float | None]:
        raise NotImplementedError

    def close(self) -> None:
        pass


class _LinuxMemory(_Memory):
    """One read of ``status`` (10 µs) gives both; writing 5 to ``clear_refs`` resets the mark (1 µs)."""

    resets = True

    def __init__(self, proc: str) -> None:
        self._status = os.open(f"{proc}/status", os.O_RDONLY)
        try:
            self._clear = os.open(f"{proc}/clear_refs", os.O_WRONLY)
            self.mark()
        except OSError:
            os.close(self._status)
            raise

    def mark(self) -> None:
        os.pwrite(self._clear, b"5", 0)

    def read(self) -> tuple[float | None, float | None]:
        text = os.pread(self._status, 4096, 0)
        high = text.index(b"VmHWM:") + 6
        now = text.index(b"VmRSS:", high) + 6
        return (
            int(text[now : text.index(b"kB", now)]) * 1024.0,
            int(text[high : text.index(b"kB", high)]) * 1024.0,
        )

    def close(self) -> None:
        os.close(self._status)
        os.close(self._clear)


class _PortableMemory(_Memory):
    """The system's own high-water mark, which only grows: a cell's peak is known where it is a new one."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._before = self._highest()

    def mark(self) -> None:
        self._before = self._highest()

    def read(self) -> tuple[float | None, float | None]:
        highest = self._highest()
        new = highest is not None and self._before is not None and highest > self._before
        return float(self._process.memory_info().rss), (highest if new else None)

    def _highest(self) -> float | None:
        peak = getattr(self._process.memory_info(), "peak_wset", None)  # Windows
        if peak is not None:
            return float(peak)
        with suppress(ImportError):
            import resource
            import sys

            unit = 1 if sys.platform == "darwin" else 1024  # getrusage(2): bytes there, kilobytes elsewhere
            return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
        return None


def _memory(proc: str) -> _Memory:
    try:
        return _LinuxMemory(proc)
    except (OSError, ValueError):
        return _PortableMemory()


class _Children:
    """CPU seconds of all descendants since this process began, never going back.

    A child that was waited for is in ``getrusage``; one that lives is read from ``/proc``;
    one that vanished without being waited for keeps what it was last seen with.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()  # the sampler reads too
        self._live: dict[int, float] = {}
        self._reaped = 0.0
        self._lost = 0.0

    def cpu_s(self) -> float:
        if not hasattr(os, "waitid"):
            return self._portable()
        reaped = self._ended()
        if not self._live and not _has_children():
            self._reaped = reaped
            return reaped + self._lost
        with self._lock:
            return self._with_living(reaped)

    def _ended(self) -> float:
        import resource  # where os.waitid is, this is

        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return float(usage.ru_utime + usage.ru_stime)

    def _with_living(self, reaped: float) -> float:
        live = dict(_living(os.getpid()))
        gone = sum(cpu for pid, cpu in self._live.items() if pid not in live)
        self._lost += max(0.0, gone - (reaped - self._reaped))
        self._live, self._reaped = live, reaped
        return reaped + self._lost + sum(live.values())

    def _portable(self) -> float:
        total = 0.0
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                times = child.cpu_times()
                total += times.user + times.system
        self._lost = max(self._lost, total)  # never back: Windows does not add up ended children
        return self._lost


def _has_children() -> bool:
    """2 µs, and it takes no child's exit status away from the user (WNOWAIT)."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _living(parent: int) -> list[tuple[int, float]]:
    """All living descendants with their CPU seconds, and those of their own ended children."""
    found: list[tuple[int, float]] = []
    for pid in _child_ids(parent):
        with suppress(OSError, ValueError, IndexError):
            found.append((pid, _cpu_of(pid)))
            found += _living(pid)
    return found


def _child_ids(pid: int) -> list[int]:
    ids: list[int] = []
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
        for task in tasks:
            with suppress(FileNotFoundError), open(f"/proc/{pid}/task/{task}/children", "rb") as file:
                ids += [int(word) for word in file.read().split()]
    except OSError:  # no /proc, or a kernel without the children files
        with suppress(psutil.Error):
            ids = [child.pid for child in psutil.Process(pid).children()]
    return ids


TICK = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


def _cpu_of(pid: int) -> float:
    with open(f"/proc/{pid}/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    return sum(int(f) for f in fields[11:15]) / TICK  # utime stime cutime cstime, proc(5)
