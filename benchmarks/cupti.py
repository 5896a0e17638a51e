"""What tracing kernels costs, and whether it is right, on a real GPU with torch.

``python benchmarks/cupti.py [--rounds 7] [--kernels 20000] [--json FILE]``

Traced and untraced rounds take turns, so that a GPU whose clock changes changes it for both.
Columns: time of one launch (small kernels, the worst case), of 40 large ones and of a training
step; of a mark, which a cell pays twice; CPU time of our thread per kernel. Checks: the busy time
of known work against CUDA's own events. Where there is no GPU it says so and ends with 0.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from jupyter_costmeter.tracers.cupti import CuptiTracer

Work = Callable[[], object]


def without_gpu() -> str | None:
    """Why nothing can be measured here."""
    if importlib.util.find_spec("torch") is None:
        return "torch is not installed"
    import torch

    if not torch.cuda.is_available():
        return "torch finds no CUDA GPU"
    return None


class Counted:
    """CPU seconds of the tracer's own thread."""

    def __init__(self) -> None:
        self.cpu_s = 0.0

    @contextmanager
    def _working(self) -> Any:
        began = time.thread_time()
        yield
        self.cpu_s += time.thread_time() - began

    def working(self) -> AbstractContextManager[Any]:
        return self._working()


class Bench:
    def __init__(self, rounds: int, kernels: int) -> None:
        import torch

        self.torch, self.rounds, self.kernels = torch, rounds, kernels
        self.counted = Counted()
        self.tracer = CuptiTracer(patience_s=5.0)
        self.tracer.working = self.counted.working
        torch.zeros(1, device="cuda")
        torch.cuda.synchronize()

    def begin(self) -> float:
        """Seconds until kernels are traced (in the tracer's thread: nobody waits)."""
        began = time.perf_counter()
        print(self.tracer.open().message)
        self.tracer.mark()
        while self.tracer.status().message != "GPU kernels are traced":
            if not self.tracer.status().ok or time.perf_counter() - began > 30:
                sys.exit(f"tracing does not begin: {self.tracer.status()}")
            time.sleep(0.001)
        return time.perf_counter() - began

    def loads(self) -> dict[str, tuple[Work, int]]:
        """Work, and how many steps it is."""
        torch = self.torch
        small, large = torch.zeros(1024, device="cuda"), torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
        layers = torch.nn.Sequential(*[torch.nn.Linear(256, 256) for _ in range(8)]).cuda()
        optimizer, batch = torch.optim.AdamW(layers.parameters(), fused=True), torch.randn(64, 256, device="cuda")

        def train() -> None:
            for _ in range(300):
                optimizer.zero_grad()
                layers(batch).square().mean().backward()
                optimizer.step()

        return {
            "launch of a small kernel": (lambda: [small.add_(1) for _ in range(self.kernels)], self.kernels),
            "8192^3 matmul": (lambda: [large @ large for _ in range(40)], 40),
            "training step, 8 layers": (train, 300),
        }

    def timed(self, work: Work) -> float:
        self.torch.cuda.synchronize()
        began = time.perf_counter()
        work()
        self.torch.cuda.synchronize()
        return time.perf_counter() - began

    def overhead(self) -> dict[str, dict[str, float]]:
        loads = self.loads()
        for work, _ in loads.values():
            self.timed(work)
        times: dict[str, dict[str, list[float]]] = {name: {"untraced": [], "traced": []} for name in loads}
        for _ in range(self.rounds):
            for name, (work, steps) in loads.items():
                times[name]["untraced"].append(self.timed(work) / steps)
            self.begin()
            for name, (work, steps) in loads.items():
                start = self.tracer.mark()
                times[name]["traced"].append(self.timed(work) / steps)
                self.tracer.figures(start, self.tracer.mark())
            self.tracer.close()
        return {
            name: {which: statistics.median(found) * 1e6 for which, found in both.items()}
            for name, both in times.items()
        }

    def mark_us(self) -> float:
        found = []
        for _ in range(50):
            began = time.perf_counter()
            mark = self.tracer.mark()
            found.append(time.perf_counter() - began)
            self.tracer.figures(mark, mark)
        return statistics.median(found) * 1e6

    def thread_ns(self) -> float:
        """CPU time of our thread per kernel."""
        before, start = self.counted.cpu_s, self.tracer.mark()
        self.timed(self.loads()["launch of a small kernel"][0])
        time.sleep(0.5)
        print("20,000 small kernels:", self.tracer.figures(start, self.tracer.mark()))
        return (self.counted.cpu_s - before) / self.kernels * 1e9

    def checks(self) -> dict[str, float]:
        """Busy over what CUDA's events say, for work without gaps; 1 is right."""
        torch, matrix = self.torch, self.torch.randn(8192, 8192, device="cuda")
        return {
            "30 matmuls": self.ratio(lambda: [matrix @ matrix for _ in range(30)]),
            "one long kernel": self.ratio(lambda: torch.cuda._sleep(200_000_000)),
            "launched, not waited for": self.ratio(lambda: torch.cuda._sleep(400_000_000), wait=False),
        }

    def ratio(self, work: Work, wait: bool = True) -> float:
        events = [self.torch.cuda.Event(enable_timing=True) for _ in range(2)]
        self.torch.cuda.synchronize()
        start = self.tracer.mark()
        events[0].record()
        work()
        events[1].record()
        if wait:
            self.torch.cuda.synchronize()
        end = self.tracer.mark()
        figures = self.tracer.figures(start, end)
        self.torch.cuda.synchronize()
        print([(figure.value, figure.source, figure.reason) for figure in figures])
        busy_s = sum(figure.value or 0.0 for figure in figures)
        return busy_s / (events[0].elapsed_time(events[1]) / 1e3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--kernels", type=int, default=20_000)
    parser.add_argument("--json")
    args = parser.parse_args()
    if (why := without_gpu()) is not None:
        print(f"nothing to measure: {why}. Run this on a machine with an NVIDIA GPU and torch.")
        return
    bench = Bench(args.rounds, args.kernels)
    print(bench.torch.cuda.get_device_name(0), "torch", bench.torch.__version__, "CUDA", bench.torch.version.cuda)
    found: dict[str, Any] = {"overhead_us": bench.overhead(), "begin_s": bench.begin()}
    found |= {"mark_us": bench.mark_us(), "thread_ns_per_kernel": bench.thread_ns(), "busy_over_events": bench.checks()}
    bench.tracer.close()
    for name, both in found["overhead_us"].items():
        more = both["traced"] - both["untraced"]
        print(f"{name:28s} {both['untraced']:10.2f} us  traced {more:+8.2f} us ({more / both['untraced']:+.1%})")
    print(json.dumps({key: found[key] for key in found if key != "overhead_us"}, indent=1))
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump(found, file, indent=1)


if __name__ == "__main__":
    main()
