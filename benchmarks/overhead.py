"""What metering costs a kernel: ours and its peers beside a bare kernel, interleaved in one run.

``python benchmarks/overhead.py [--peers FOLDER] [--cells 400] [--loads 7] [--idle 20] [--markdown]``

Each meter runs in a real ipykernel of its own; those marked "GPU" hold a simulated one, whose
energy counter is refreshed each 100 ms. Cells are run in turn on all of them, so that a
busy machine is busy for all. Columns: time to load on top of a bare kernel; both hooks of a
no-op cell; wall time of a no-op cell, from the kernel's "busy" to its "idle"; CPU seconds and voluntary context
switches of an idle kernel with its children; resident memory after the background imports.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from jupyter_client.manager import start_new_kernel
from peers import (
    BARE,
    CODECARBON_GPU,
    CODECARBON_TASKS,
    COSTMETER,
    COSTMETER_GPU,
    JUMPER_GPU,
    ZEUS_WINDOWS,
    Meter,
    environment,
    library,
    setup,
    simulated,
    there,
)
from tabulate import tabulate

METERS = (BARE, COSTMETER, COSTMETER_GPU, CODECARBON_TASKS, CODECARBON_GPU, ZEUS_WINDOWS, JUMPER_GPU)
#: Times both triggers from outside, so that each meter is measured alike.
PROBE = """
import time as _time
_spent, _trigger = [], get_ipython().events.trigger
def _timed(event, *args, **kwargs):
    began = _time.perf_counter()
    _trigger(event, *args, **kwargs)
    if event in ("pre_run_cell", "post_run_cell"):
        _spent.append((event, _time.perf_counter() - began))
get_ipython().events.trigger = _timed
"""
HOOKS = (
    "sum(map(__import__('statistics').median,"
    " ([s for e, s in _spent[-800:] if e == n] for n in ('pre_run_cell', 'post_run_cell'))))"
)


@dataclass
class Kernel:
    meter: Meter
    built: Path
    peers: str
    manager: Any = None
    client: Any = None
    load_s: list[float] = field(default_factory=list)
    cells_s: list[float] = field(default_factory=list)
    hooks_s: float = 0.0
    idle_cpu_s: float = 0.0
    idle_wakes: int = 0
    rss: int = 0

    def start(self) -> None:
        env = dict(os.environ)
        if self.meter.gpu:
            control = self.built / f"{id(self)}.gpu"
            gpu = simulated(self.built, control, step_ms=100.0)
            env = environment(self.built, control)
        self.manager, self.client = start_new_kernel(env=env, stderr=subprocess.DEVNULL)
        if self.meter.gpu:
            gpu.process(0, int(self.manager.provisioner.pid), 1 << 30)
        code = setup(self.meter, self.peers)
        began = self.run(f"import time as _t; _b = _t.perf_counter()\n{code}\n_l = _t.perf_counter() - _b")
        assert began["status"] == "ok", began
        self.load_s.append(float(self.value("_l")))

    def stop(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def run(self, code: str, **more: Any) -> dict[str, Any]:
        reply: dict[str, Any] = self.client.execute_interactive(code, output_hook=lambda _: None, timeout=120, **more)
        content: dict[str, Any] = reply["content"]
        return content

    def cell_s(self, code: str) -> float:
        """Seconds between the kernel's own "busy" and "idle" for a cell: no client's work is in it."""
        dates: dict[str, Any] = {}

        def note(message: dict[str, Any]) -> None:
            if message["msg_type"] == "status":
                dates[message["content"]["execution_state"]] = message["header"]["date"]

        self.client.execute_interactive(code, output_hook=note, timeout=120)
        seconds: float = (dates["idle"] - dates["busy"]).total_seconds()
        return seconds

    def value(self, expression: str) -> str:
        content = self.run("", silent=True, user_expressions={"it": expression})
        text: str = content["user_expressions"]["it"]["data"]["text/plain"]
        return text

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(int(self.value("__import__('os').getpid()")))


def loads(count: int, meters: Sequence[Meter], built: Path, peers: str) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {meter.name: [] for meter in meters}
    for _ in range(count):
        for meter in meters:
            kernel = Kernel(meter, built, peers)
            kernel.start()
            found[meter.name] += kernel.load_s
            kernel.stop()
    return found


def cells(kernels: list[Kernel], count: int) -> None:
    for kernel in kernels:
        kernel.run(PROBE)
    for i in range(count + 20):
        for kernel in kernels:
            taken = kernel.cell_s("pass")
            if i >= 20:
                kernel.cells_s.append(taken)
            time.sleep(0.01)
    for kernel in kernels:
        kernel.hooks_s = float(kernel.value(HOOKS))


def idle(kernels: list[Kernel], seconds: float) -> None:
    time.sleep(5)
    processes = [kernel.process for kernel in kernels]
    time.sleep(2)
    before = [_load(p) for p in processes]
    time.sleep(seconds)
    for kernel, process, (cpu, wakes) in zip(kernels, processes, before, strict=True):
        cpu_now, wakes_now = _load(process)
        kernel.idle_cpu_s, kernel.idle_wakes = cpu_now - cpu, wakes_now - wakes
        kernel.rss = sum(p.memory_info().rss for p in _family(process))


def _family(process: psutil.Process) -> list[psutil.Process]:
    """It and its children: a meter's collector may be a process of its own."""
    return [process, *process.children(recursive=True)]


def _load(process: psutil.Process) -> tuple[float, int]:
    """CPU seconds, and how often any of its threads woke."""
    cpu_s, wakes = 0.0, 0
    for one in _family(process):
        times = one.cpu_times()
        cpu_s += times.user + times.system
        for thread in one.threads():
            with open(f"/proc/{one.pid}/task/{thread.id}/status") as file:
                wakes += next(int(line.split()[1]) for line in file if line.startswith("voluntary_ctxt"))
    return cpu_s, wakes


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--peers", default="", help=f"folders with the peers, {os.pathsep!r} between them")
    asked.add_argument("--cells", type=int, default=400)
    asked.add_argument("--loads", type=int, default=7)
    asked.add_argument("--idle", type=float, default=20)
    asked.add_argument("--markdown", action="store_true")
    options = asked.parse_args()
    os.environ["JUPYTER_DATA_DIR"] = tempfile.mkdtemp()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # installed packages have their bytecode
    built = library(Path(tempfile.mkdtemp()))
    meters = there(METERS, options.peers)
    load_s = loads(options.loads, meters, built, options.peers)
    kernels = [Kernel(meter, built, options.peers) for meter in meters]
    for kernel in kernels:
        kernel.start()
    cells(kernels, options.cells)
    idle(kernels, options.idle)
    for kernel in kernels:
        kernel.stop()
    bare = kernels[0]
    rows = [
        [
            k.meter.name,
            f"{1e3 * statistics.median(load_s[k.meter.name]):.0f}",
            f"{1e6 * k.hooks_s:.0f}",
            f"{1e3 * statistics.median(k.cells_s):.2f}",
            f"{statistics.median(k.cells_s) / statistics.median(bare.cells_s):.2f}",
            f"{1e3 * k.idle_cpu_s:.0f}",
            k.idle_wakes,
            f"{k.rss / 2**20:.0f} (+{(k.rss - bare.rss) / 2**20:.0f})",
        ]
        for k in kernels
    ]
    head = ["", "load, ms", "hooks, µs", "no-op cell, ms", "ratio", "idle CPU, ms", "idle wakes", "RSS, MiB"]
    print(tabulate(rows, headers=head, tablefmt="github" if options.markdown else "simple", disable_numparse=True))
    print(f"\n{options.cells} cells each, {options.loads} loads, {options.idle:.0f} s idle")


if __name__ == "__main__":
    main()
