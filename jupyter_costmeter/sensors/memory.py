"""The peak of this process's memory since the last look: a high-water mark that is reset.

Linux: ``VmHWM`` in ``/proc/self/status``, reset by writing 5 to ``clear_refs`` (proc(5)).
Elsewhere the system's mark only grows, so a peak is known where it is a new high.
"""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress

import psutil

from ..record import Channel, Provenance, Reading, Status
from .libc import LIBC

HIGH_WATER = Provenance("measured", "high-water mark of this process's resident set", 0.01)
NO_RESET = Provenance(
    "measured",
    "high-water mark of this process's resident set",
    0.01,
    reason="no new high since an earlier cell, and this system cannot reset the mark",
)


class MemoryMark:
    name = "memory"
    urgent = False

    def __init__(self, proc: str = "/proc/self") -> None:
        self.proc = proc
        self.channels: tuple[Channel, ...] = ()
        self._memory: _Memory = _GrowingMark()

    def open(self) -> Status:
        self.close()
        try:
            self._memory = _ResetMark(self.proc)
        except (OSError, ValueError):
            self._memory = _GrowingMark()
        self.channels = (Channel("peak_rss_bytes", "peak", HIGH_WATER if self._memory.resets else NO_RESET),)
        note = "" if self._memory.resets else "; a cell's peak shows only where it is a new high"
        return Status(self.name, True, f"peak memory of this process{note}")

    def take(self, quick: bool = False) -> Reading:
        return (self._memory.take(),)

    def close(self) -> None:
        self._memory.close()


class _Memory:
    """The highest resident set since the last look, in bytes."""

    resets = False

    def take(self) -> float | None:
        raise NotImplementedError

    def close(self) -> None:
        pass


class _ResetMark(_Memory):
    """One read (10 µs) and one write (1 µs)."""

    resets = True

    def __init__(self, proc: str) -> None:
        self._status = os.open(f"{proc}/status", os.O_RDONLY)
        try:
            self._clear = os.open(f"{proc}/clear_refs", os.O_WRONLY)
            os.pwrite(self._clear, b"5", 0)  # may be forbidden, which only this way raises
            self.take()
        except (OSError, ValueError):
            os.close(self._status)
            raise

    def take(self) -> float | None:
        buffer = ctypes.create_string_buffer(4096)
        LIBC.pread(self._status, buffer, 4095, 0)
        LIBC.pwrite(self._clear, b"5", 1, 0)
        text = buffer.value
        at = text.index(b"VmHWM:") + 6
        return int(text[at : text.index(b"kB", at)]) * 1024.0

    def close(self) -> None:
        os.close(self._status)
        os.close(self._clear)


class _GrowingMark(_Memory):
    def __init__(self) -> None:
        self._process = psutil.Process()
        self._before = self._highest()

    def take(self) -> float | None:
        highest = self._highest()
        new = highest is not None and self._before is not None and highest > self._before
        self._before = highest
        return highest if new else None

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
