"""Drives the simulated libcupti (``cupti_sim.c``) in this process: the test says what each GPU runs, and when."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MEMCPY, MEMSET, KERNEL = 1, 2, 10


class SimulatedCupti:
    """The GPUs of one test, loaded into this process as torch would load the real ones.

    ``names`` are those under which a tracer finds them. Times are in seconds of the GPU's clock.
    """

    def __init__(self, cuda: Path, cupti: str, gpus: int = 1) -> None:
        self._held = ctypes.CDLL(str(cuda))
        self.lib: Any = ctypes.CDLL(str(cuda.with_name(cupti)))
        self.holding_the_lock: Any = ctypes.PyDLL(str(cuda.with_name(cupti)))
        self.lib.sim_launch.argtypes = [*[ctypes.c_uint32] * 3, *[ctypes.c_uint64] * 2]
        self.holding_the_lock.sim_launch.argtypes = self.lib.sim_launch.argtypes
        self.lib.sim_launch_many.argtypes = [*[ctypes.c_uint32] * 2, *[ctypes.c_uint64] * 3]
        self.lib.sim_end.argtypes = [ctypes.c_uint32, *[ctypes.c_uint64] * 2]
        self.lib.sim_ticks.argtypes = [ctypes.c_double]
        self.names = {"cupti": (cupti,), "cuda": (cuda.name,)}
        self.reset(gpus)

    def reset(self, gpus: int = 1, context: bool = True) -> None:
        self.lib.sim_reset(gpus, int(context))

    def uuid(self, device: int = 0) -> str:
        return f"GPU-{device:08x}-1111-1111-1111-111111111111"

    def kernel(self, start: float, end: float, device: int = 0, stream: int = 7, kind: int = KERNEL) -> int:
        """Launch now what runs from ``start`` to ``end``; gives the launch's correlation id."""
        return int(self.lib.sim_launch(kind, device, stream, ns(start), ns(end)))

    def running(self, device: int = 0) -> int:
        """Launch what goes on until ``ended``."""
        return int(self.lib.sim_launch(KERNEL, device, 7, 0, 0))

    def ended(self, launch: int, start: float, end: float) -> None:
        self.lib.sim_end(launch, ns(start), ns(end))


def ns(seconds: float) -> int:
    return round((seconds + 1) * 1e9)  # 0 is "unknown"


def until(condition: Callable[[], bool], say: Callable[[], object] = lambda: "", seconds: float = 10) -> None:
    """Wait for what another thread does; ``say`` describes what is there instead."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, say()
        time.sleep(0.005)
