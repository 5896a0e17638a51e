"""A GPU's own energy counter, read by a process of its own each 5 ms: what ``gpu.py`` compares with."""

from __future__ import annotations

import subprocess
import sys
import time
from bisect import bisect_right
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from statistics import median

EACH_S = 0.005


def watch(path: str) -> None:
    """Until this process is told to end: monotonic seconds, millijoules since the driver was loaded, milliwatts."""
    import pynvml

    pynvml.nvmlInit()
    gpu = pynvml.nvmlDeviceGetHandleByIndex(0)
    with open(path, "w", encoding="ascii", buffering=1) as file:
        while True:
            began = time.monotonic()
            joules, watts = pynvml.nvmlDeviceGetTotalEnergyConsumption(gpu), pynvml.nvmlDeviceGetPowerUsage(gpu)
            file.write(f"{began} {joules} {watts}\n")
            time.sleep(EACH_S)


def calls() -> dict[str, float]:
    """Microseconds that the driver takes for each of the calls of which the meter is made; medians of 50."""
    import pynvml as nv

    nv.nvmlInit()
    gpu, energy = nv.nvmlDeviceGetHandleByIndex(0), nv.NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION
    sample = nv.nvmlGpmSampleAlloc()
    asked: dict[str, Callable[[], object]] = {
        "energy": lambda: nv.nvmlDeviceGetTotalEnergyConsumption(gpu),
        "energy, as a field": lambda: nv.nvmlDeviceGetFieldValues(gpu, [energy]),
        "power": lambda: nv.nvmlDeviceGetPowerUsage(gpu),
        "utilisation samples": lambda: nv.nvmlDeviceGetSamples(gpu, nv.NVML_GPU_UTILIZATION_SAMPLES, 0),
        "processes": lambda: nv.nvmlDeviceGetComputeRunningProcesses(gpu),
        "processes' utilisation": lambda: nv.nvmlDeviceGetProcessUtilization(gpu, 0),
        "SM clock": lambda: nv.nvmlDeviceGetClockInfo(gpu, nv.NVML_CLOCK_SM),
        "GPM sample": lambda: nv.nvmlGpmSampleGet(gpu, sample),
    }
    return {name: _median_us(call, nv.NVMLError) for name, call in asked.items()}


def _median_us(call: Callable[[], object], error: type[Exception]) -> float:
    found = []
    for _ in range(50):
        began = time.perf_counter()
        with suppress(error):
            call()
        found.append((time.perf_counter() - began) * 1e6)
        time.sleep(0.002)
    return median(found)


class Watched:
    """What such a process has seen."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "counter.txt"
        command = [sys.executable, __file__, str(self._path)]
        self._process = subprocess.Popen(command, stderr=(folder / "counter.err").open("w"))

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)

    def rows(self) -> list[tuple[float, float, float]]:
        """Seconds, joules, watts."""
        text = self._path.read_text(encoding="ascii").splitlines() if self._path.exists() else []
        found = [line.split() for line in text[:-1]]
        return [(float(t), float(j) / 1e3, float(w) / 1e3) for t, j, w in found]

    def joules(self, start_s: float, end_s: float) -> float:
        """Between two times: the counter as it was refreshed, and straight lines between its refreshes."""
        rows = self.rows()
        moved = [(t, joules) for (_, before, _), (t, joules, _) in pairwise(rows) if joules != before]
        return _at(moved, end_s) - _at(moved, start_s)

    def watts(self, start_s: float, end_s: float) -> float:
        """The mean of the readings of its power, which the driver averages over a second."""
        found = [watts for t, _, watts in self.rows() if start_s <= t <= end_s]
        return sum(found) / len(found)

    def facts(self) -> dict[str, float]:
        """How often the counter moved, and how long a look took."""
        rows = self.rows()
        moved = [t for (_, before, _), (t, joules, _) in pairwise(rows) if joules != before]
        steps = [b - a for a, b in pairwise(moved)]
        looks = [b - a - EACH_S for (a, _, _), (b, _, _) in pairwise(rows)]
        return {"rows": len(rows), "step_s": median(steps), "longest_step_s": max(steps), "look_s": median(looks)}


def _at(moved: list[tuple[float, float]], t_s: float) -> float:
    at = min(max(1, bisect_right(moved, (t_s, 0.0))), len(moved) - 1)
    (t0, first), (t1, last) = moved[at - 1], moved[at]
    return first + (last - first) * (t_s - t0) / (t1 - t0)


if __name__ == "__main__":
    watch(sys.argv[1])
