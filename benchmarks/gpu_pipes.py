"""The driver's own counters of active pipes (NVML's GPM), read by hand, for ``gpu.py``."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any

import torch
from gpu_work import event, product, say


def activity(kind: str) -> None:
    """The driver's raw shares of active cycles, by its number of the metric, over a second and a half of products."""
    pipes = Pipes()
    multiply, side = product(kind)
    multiply()
    torch.cuda.synchronize()
    first, began, count = pipes.sample(), time.monotonic(), 0
    while time.monotonic() - began < 1.5:
        for _ in range(10):
            multiply()
        torch.cuda.synchronize()
        count += 10
    mhz, last, seconds = pipes.mhz(), pipes.sample(), time.monotonic() - began
    per_cycle = 2.0 * side**3 * count / seconds / mhz / 1e6 / 132
    say(kind=kind, shares=pipes.shares(first, last), mhz=mhz, flops_per_cycle=per_cycle)


def lag() -> None:
    """How old the driver's samples are: half a second of products between pauses, a sample each 20 ms."""
    pipes, (multiply, _) = Pipes(), product("bf16")
    multiply()
    torch.cuda.synchronize()
    time.sleep(1)
    taken, marks = [], list[float]()
    began = time.monotonic()
    while (now := time.monotonic() - began) < 1.6:
        if now > 0.5 and not marks:
            marks.append(now)
            for _ in range(350):
                multiply()
            ended = event()
            ended.record()
        if len(marks) == 1 and ended.query():
            marks.append(time.monotonic() - began)
        taken.append((time.monotonic() - began, pipes.sample()))
        time.sleep(0.02)
    shares = [(round(t, 3), pipes.shares(a, b).get(7)) for (_, a), (t, b) in pairwise(taken)]
    say(work=marks, tensor_share=shares)


class Pipes:
    """The driver's counters of active cycles (NVML's GPM)."""

    def __init__(self) -> None:
        import pynvml

        self._nvml: Any = pynvml
        pynvml.nvmlInit()
        self._gpu = pynvml.nvmlDeviceGetHandleByIndex(0)

    def sample(self) -> Any:
        made = self._nvml.nvmlGpmSampleAlloc()
        self._nvml.nvmlGpmSampleGet(self._gpu, made)
        return made

    def mhz(self) -> int:
        return int(self._nvml.nvmlDeviceGetClockInfo(self._gpu, self._nvml.NVML_CLOCK_SM))

    def shares(self, first: Any, last: Any, most: int = 13) -> dict[int, float]:
        """Percent by metric, of those that the driver gives."""
        query = self._nvml.c_nvmlGpmMetricsGet_t()
        query.version, query.numMetrics = self._nvml.NVML_GPM_METRICS_GET_VERSION, most
        query.sample1, query.sample2 = first, last
        for place in range(most):
            query.metrics[place].metricId = place + 1
        self._nvml.nvmlGpmMetricsGet(query)
        return {m.metricId: round(m.value, 2) for m in list(query.metrics)[:most] if not m.nvmlReturn}
