"""Peak GPU memory of torch's allocator in each window: its own high-water mark, read and reset.

The mark is the user's too: ``torch.cuda.max_memory_allocated()`` reads it, ``reset_peak_memory_stats()``
resets it. So what our resets take away is kept, and the lowest functions through which Python reads
and resets the marks are wrapped: they answer as if we were not there, after the user's own resets too.
torch 2.4 to 2.13 have the same two functions (``torch._C``; the ``_accelerator_`` pair since 2.9), and
the same nested dictionaries with a ``peak`` in each statistic. torch is never imported by us, nor its
CUDA initialised.

One gap: memory that another thread allocates *and* frees in the few microseconds between our reading a
mark and resetting it is seen by nobody.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable
from typing import Any

from ..devices import cuda_name
from ..record import Channel, Provenance, Reading, Status

SOURCE = "torch's allocator, peak in the window"
PEAK = Provenance("measured", SOURCE, 0.01)
NO_RESET = Provenance(
    "measured", SOURCE, 0.01, reason="no new high since an earlier cell, and this torch's mark cannot be reset"
)
#: Functions of torch._C that read the marks of a device, and that reset them.
READS, RESETS = (
    ("_cuda_memoryStats", "_accelerator_getDeviceStats"),
    ("_cuda_resetPeakMemoryStats", "_accelerator_resetPeakStats"),
)
Stats = dict[Any, Any]


class TorchMemory:
    """A ``plugins.LateSensor``: a channel for each GPU on which torch has allocated memory, as they come to be used."""

    name = "torch_memory"
    urgent = False

    def __init__(self) -> None:
        self.channels: tuple[Channel, ...] = ()
        self._marks: _Marks | None = None
        self._ordinals: list[int] = []  # of the channels

    def open(self) -> Status:
        self.close()
        self.channels, self._ordinals = (), []
        return Status(self.name, True, "peak GPU memory of torch's allocator, once torch uses CUDA")

    def take(self, quick: bool = False) -> Reading:
        """Bytes per channel; without torch, a look into ``sys.modules``. 30 to 60 µs a GPU."""
        torch = sys.modules.get("torch")
        if torch is None or not _uses_cuda(torch):
            return (None,) * len(self._ordinals)
        if self._marks is None:
            self._marks = _ResetMarks(torch) if _ResetMarks.possible(torch) else _GrowingMarks(torch)
        if not quick:
            self._look(torch, self._marks)
        return tuple([self._marks.take(ordinal) for ordinal in self._ordinals])

    def close(self) -> None:
        if self._marks:
            self._marks.close()
        self._marks = None

    def _look(self, torch: Any, marks: _Marks) -> None:
        """GPUs that are used by now; those that are not have no memory to speak of."""
        for ordinal in range(torch.cuda.device_count()):
            if ordinal not in self._ordinals and marks.used(ordinal):
                origin = PEAK if marks.resets else NO_RESET
                channel = Channel("peak_gpu_bytes", "peak", origin, cuda_name(torch, ordinal))
                self._ordinals.append(ordinal)
                self.channels += (channel,)


class _Marks:
    """The allocator's high-water marks."""

    resets = False

    def used(self, ordinal: int) -> bool:
        raise NotImplementedError

    def take(self, ordinal: int) -> float | None:
        """Bytes: the highest since the last ``take``."""
        raise NotImplementedError

    def close(self) -> None:
        pass


class _ResetMarks(_Marks):
    """Reads and resets, and hides that from everybody who asks torch."""

    resets = True

    def __init__(self, torch: Any) -> None:
        self._c = torch._C
        self._read, self._reset = (getattr(self._c, names[0]) for names in (READS, RESETS))
        self._lock = threading.RLock()
        self._kept: dict[int, Stats] = {}  # peaks that our resets took from the user, by ordinal
        self._ours: dict[int, float] = {}  # peaks that the user's resets took from us
        self._closed = False
        self._wrapped: dict[str, tuple[Any, Any]] = {}  # theirs and ours
        for names, wrap in ((READS, self._reading), (RESETS, self._resetting)):
            for name in names:
                if hasattr(self._c, name):
                    self._install(name, wrap(getattr(self._c, name)))

    @staticmethod
    def possible(torch: Any) -> bool:
        """Whether this torch has the functions, and they answer as they should."""
        c = getattr(torch, "_C", None)
        if not all(hasattr(c, names[0]) for names in (READS, RESETS)):
            return False
        try:
            return isinstance(_allocated(getattr(c, READS[0])(0))["peak"], int)
        except (KeyError, TypeError, RuntimeError):  # an allocator of the user's own keeps no statistics
            return False

    def used(self, ordinal: int) -> bool:
        return bool(_allocated(self._read(ordinal))["peak"] or self._ours.get(ordinal))

    def take(self, ordinal: int) -> float | None:
        with self._lock:
            stats = self._read(ordinal)
            self._reset(ordinal)
            _raise(self._kept.setdefault(ordinal, {}), stats)
            return float(max(_allocated(stats)["peak"], self._ours.pop(ordinal, 0.0)))

    def close(self) -> None:
        """Take no more. The wrappers stay as long as they know of a peak that torch does not."""
        with self._lock:
            self._closed = True
            self._leave()

    def _reading(self, theirs: Callable[[int], Stats]) -> Callable[[int], Stats]:
        @functools.wraps(theirs)
        def read(device: int) -> Stats:
            with self._lock:
                stats = theirs(device)
                _restore(self._kept.get(device, {}), stats)
                return stats

        return read

    def _resetting(self, theirs: Callable[[int], object]) -> Callable[[int], object]:
        @functools.wraps(theirs)
        def reset(device: int) -> object:
            with self._lock:
                if not self._closed:
                    peak = _allocated(self._read(device))["peak"]
                    self._ours[device] = max(peak, self._ours.get(device, 0.0))
                answer = theirs(device)
                self._kept.pop(device, None)
                self._leave()
                return answer

        return reset

    def _install(self, name: str, ours: Any) -> None:
        self._wrapped[name] = getattr(self._c, name), ours
        setattr(self._c, name, ours)

    def _leave(self) -> None:
        if self._closed and not self._kept:
            for name, (theirs, ours) in self._wrapped.items():
                if getattr(self._c, name) is ours:  # and nobody has wrapped it since
                    setattr(self._c, name, theirs)


class _GrowingMarks(_Marks):
    """Without a reset: a peak is known where it is a new high."""

    def __init__(self, torch: Any) -> None:
        self._ask = torch.cuda.max_memory_allocated
        self._before: dict[int, float] = {}

    def used(self, ordinal: int) -> bool:
        return bool(self._highest(ordinal))

    def take(self, ordinal: int) -> float | None:
        highest, before = self._highest(ordinal), self._before.get(ordinal, 0.0)
        self._before[ordinal] = highest
        return highest if highest > before else None

    def _highest(self, ordinal: int) -> float:
        try:
            return float(self._ask(ordinal))
        except RuntimeError:  # an allocator of the user's own
            return 0.0


def _uses_cuda(torch: Any) -> bool:
    """Also false while torch is being imported, and in a forked child."""
    ask = getattr(getattr(torch, "cuda", None), "is_initialized", None)
    return bool(ask and ask())


def _allocated(stats: Stats) -> Stats:
    found: Stats = stats["allocated_bytes"]["all"]
    return found


def _raise(kept: Stats, stats: Stats) -> None:
    """Keep the highest ``peak`` of each statistic."""
    for key, value in stats.items():
        if key == "peak":
            kept[key] = max(value, kept.get(key, 0))
        elif isinstance(value, dict):
            _raise(kept.setdefault(key, {}), value)


def _restore(kept: Stats, stats: Stats) -> None:
    """Each ``peak`` as it would be without our resets."""
    for key, value in kept.items():
        if key == "peak":
            stats[key] = max(value, stats.get(key, 0))
        elif isinstance(stats.get(key), dict):
            _restore(value, stats[key])
