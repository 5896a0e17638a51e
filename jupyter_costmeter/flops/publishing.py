"""In a child process: what is counted here can be read by the process that is metered, at any time.

Each count is written to the process's own file as it is made (``published``), some 0.3 µs more: so nothing is lost
of a pool's worker that is ended by a signal, and nobody has to ask. Loaded when the child imports torch.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from .. import inheriting
from ..published import COUNTS as IT_COUNTS
from ..published import FULL, VOID, Name, Publisher
from ..record import UNCOUNTED
from .aten.kernels import NOBODY
from .counts import Counts, Sums
from .torch_flops import COUNTS, Counting, TorchFlops

SET = dict.__setitem__


def _seen(names: Names, publisher: Publisher) -> type[Sums]:
    """A class of sums that are written to a file, too. Written out: it is on the path of the user's operators."""
    numbers, at = publisher.numbers, dict[Any, tuple[int, int]]()

    def place(key: Any) -> tuple[int, int]:
        """Where a new number goes, and how many of those one of these is; it raises nothing."""
        try:
            name, factor = names(key)
            at[key] = publisher.place(name), factor
        except Exception:
            numbers[FULL] = 1.0
            at[key] = VOID, 0
        return at[key]

    class Seen(Sums):
        def __setitem__(self, key: Any, value: int) -> None:
            SET(self, key, value)
            where, factor = at.get(key) or place(key)
            numbers[where] = value * factor

    return Seen


class Names:
    """What a count's key is called: a figure and its device."""

    def __init__(self, counting: Counting) -> None:
        self._tracer = TorchFlops(counting)

    def __call__(self, key: Any) -> tuple[Name, int]:
        if len(key) == 3:
            _, what, why = key
            return (UNCOUNTED, what, f"{what}: {why}"), 1
        figure, device, factor = self._tracer.figure_of(*key[1:])
        return (figure, device, ""), factor


def find(name: str, counting: Counting = COUNTS) -> Any:
    """A child imports torch: it is counted from its first operator on, as in the metered process itself."""
    return counting.watching(name)


def publish(counting: Counting = COUNTS) -> None:
    """Write what is counted from now on to this process's file, if it has one."""
    if inheriting.publisher is None or inheriting.publisher.pid != os.getpid():
        return
    counts, seen = counting.counts, _seen(Names(counting), inheriting.publisher)
    inheriting.publisher.numbers[IT_COUNTS] = 1.0
    _by_thread(counting)
    for sums in (counts.flops, counts.notes):
        sums.clear()
        sums.__class__ = seen


def _by_thread(counting: Counting) -> None:
    counting.counts.by_thread = True
    if counting.kernels is not None:
        counting.kernels.muted.add(NOBODY)


def stop(counting: Counting = COUNTS) -> None:
    """Count as a process of one's own does."""
    counts: Counts = counting.counts
    for sums in (counts.flops, counts.notes):
        sums.__class__ = Sums


def forked() -> None:
    """In a forked child, which goes on counting by what its parent has installed: in a file of its own, from 0."""
    if inheriting.publisher is None:
        stop()
    else:
        publish()


def peaks(publisher: Publisher) -> None:
    """The most memory that torch had on each GPU that this process used; torch counts it itself."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return
    tracer = TorchFlops()
    for device in range(torch.cuda.device_count()):
        if most := torch.cuda.max_memory_allocated(device):
            publisher.put(("peak_gpu_bytes", tracer.device_name(device), ""), float(most))
