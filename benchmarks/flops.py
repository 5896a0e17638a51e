"""What counting FLOPs costs, side by side in one run: none, ours, torch's FlopCounterMode, torch.profiler with_flops.

``python benchmarks/flops.py [--rounds 15] [--threads 1] [--markdown]``

Each workload is run in turn under each counter, so that a busy machine is busy for all. Of small operators the
time that one of them takes longer is told, of steps the ratio to the bare one: medians over the rounds (ten times as
many of small operators), and by the least of all rounds, since a busy machine only adds.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from tabulate import tabulate
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from jupyter_costmeter.flops.torch_flops import Counting

OPERATORS = 1000
Counter = Callable[[], contextlib.AbstractContextManager[Any]]


@contextlib.contextmanager
def ours() -> Iterator[Counting]:
    counting = Counting()
    counting.acquire()
    try:
        yield counting
    finally:
        counting.release()


def profiler() -> contextlib.AbstractContextManager[Any]:
    return torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], with_flops=True)


COUNTERS: dict[str, Counter] = {
    "none": contextlib.nullcontext,
    "ours": ours,
    "FlopCounterMode": lambda: FlopCounterMode(display=False),
    "torch.profiler": profiler,
}


class Residual(nn.Module):
    """A bottleneck block as in ResNet."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = width // 4
        self.layers = nn.Sequential(
            nn.Conv2d(width, inner, 1, bias=False), nn.BatchNorm2d(inner), nn.ReLU(),
            nn.Conv2d(inner, inner, 3, padding=1, bias=False), nn.BatchNorm2d(inner), nn.ReLU(),
            nn.Conv2d(inner, width, 1, bias=False), nn.BatchNorm2d(width),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(x + self.layers(x))


def adds() -> Callable[[], object]:
    x = torch.randn(8, 8)
    return lambda: [torch.add(x, x) for _ in range(OPERATORS)]


def products() -> Callable[[], object]:
    x = torch.randn(8, 8)
    return lambda: [torch.mm(x, x) for _ in range(OPERATORS)]


def linears() -> Callable[[], object]:
    x, b = torch.randn(8, 8), torch.randn(8)
    return lambda: [torch.addmm(b, x, x) for _ in range(OPERATORS)]


def step(model: nn.Module, x: torch.Tensor) -> Callable[[], object]:
    optimizer = torch.optim.AdamW(model.parameters(), foreach=True)

    def run() -> None:
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()

    return run


def transformer(width: int, layers: int, tokens: int, batch: int) -> Callable[[], object]:
    block = nn.TransformerEncoderLayer(width, 4, 4 * width, batch_first=True, dropout=0.0)
    return step(nn.TransformerEncoder(block, layers, enable_nested_tensor=False), torch.randn(batch, tokens, width))


def resnet() -> Callable[[], object]:
    body = [nn.Conv2d(3, 64, 7, 2, 3), *(Residual(64) for _ in range(4)), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return step(nn.Sequential(*body, nn.Linear(64, 10)), torch.randn(4, 3, 64, 64))


WORK: dict[str, tuple[Callable[[], Callable[[], object]], int]] = {
    "1,000 × add 8×8": (adds, OPERATORS),
    "1,000 × mm 8×8": (products, OPERATORS),
    "1,000 × addmm 8×8": (linears, OPERATORS),
    "small transformer step": (lambda: transformer(64, 2, 16, 4), 0),
    "large transformer step": (lambda: transformer(512, 4, 128, 4), 0),
    "ResNet-like step": (resnet, 0),
}


def measured(make: Callable[[], Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each round under each counter, the first run of each left out."""
    found: dict[str, list[float]] = {name: [] for name in COUNTERS}
    run = make()
    run()
    for _ in range(rounds):
        for name, counter in COUNTERS.items():
            with counter():
                run()
                began = time.perf_counter()
                run()
                found[name].append(time.perf_counter() - began)
    return found


def row(name: str, times: dict[str, list[float]], operators: int) -> list[str]:
    bare = statistics.median(times["none"])
    cells = [name, f"{bare * 1e3:.2f} ms"]
    for counter in list(COUNTERS)[1:]:
        took = statistics.median(times[counter])
        if operators:
            added = 1e6 * (took - bare) / operators
            least = 1e6 * (min(times[counter]) - min(times["none"])) / operators
            cells.append(f"{added:+.2f} µs (least {least:+.2f})")
        else:
            pairs = [t / b for t, b in zip(times[counter], times["none"], strict=True)]
            least = min(times[counter]) / min(times["none"])
            cells.append(f"×{statistics.median(pairs):.3f} (least ×{least:.3f})")
    return cells


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--markdown", action="store_true")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(asked.threads)
    rows = []
    for name, (make, operators) in WORK.items():
        rows.append(row(name, measured(make, asked.rounds * (10 if operators else 1)), operators))
    columns = ["added per operator, or ratio of a step", "bare", *list(COUNTERS)[1:]]
    print(tabulate(rows, columns, "github" if asked.markdown else "simple", disable_numparse=True))
    print(f"\ntorch {torch.__version__}, {asked.threads} thread(s), {asked.rounds} rounds")


if __name__ == "__main__":
    main()
