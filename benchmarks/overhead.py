"""What metering costs a kernel: ours and codecarbon's tasks beside a bare kernel, interleaved in one run.

``python benchmarks/overhead.py [--cells 400] [--loads 7] [--idle 20] [--markdown]``

Each meter runs in a real ipykernel of its own. Cells are run in turn on all of them, so that a
busy machine is busy for all. Columns: time to load on top of a bare kernel; both hooks of a
no-op cell; wall time of a no-op cell, from the kernel's "busy" to its "idle"; CPU seconds and voluntary context
switches of an idle kernel; resident memory after the background imports.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from typing import Any

import psutil
from jupyter_client.manager import start_new_kernel
from tabulate import tabulate

LOAD = {
    "bare": "pass",
    "jupyter_costmeter": "get_ipython().run_line_magic('load_ext', 'jupyter_costmeter')",
    "codecarbon tasks": """
from codecarbon import OfflineEmissionsTracker as _Tracker
_tracker = _Tracker(country_iso_code="FRA", save_to_file=False, log_level="critical", allow_multiple_runs=True)
_tracker.start_task("warm"); _tracker.stop_task("warm")
get_ipython().events.register("pre_run_cell", lambda info: _tracker.start_task("cell"))
get_ipython().events.register("post_run_cell", lambda result: _tracker.stop_task("cell"))
""",
}
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
    name: str
    manager: Any = None
    client: Any = None
    load_s: list[float] = field(default_factory=list)
    cells_s: list[float] = field(default_factory=list)
    hooks_s: float = 0.0
    idle_cpu_s: float = 0.0
    idle_wakes: int = 0
    rss: int = 0

    def start(self) -> None:
        self.manager, self.client = start_new_kernel()
        began = self.run(f"import time as _t; _b = _t.perf_counter()\n{LOAD[self.name]}\n_l = _t.perf_counter() - _b")
        assert began["status"] == "ok", began
        self.load_s.append(float(self.value("_l")))

    def stop(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def run(self, code: str, **more: Any) -> dict[str, Any]:
        reply: dict[str, Any] = self.client.execute_interactive(code, output_hook=lambda _: None, timeout=120, **more)
        return reply["content"]

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


def loads(count: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in LOAD}
    for _ in range(count):
        for name in LOAD:
            kernel = Kernel(name)
            kernel.start()
            found[name] += kernel.load_s
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
        kernel.rss = process.memory_info().rss


def _load(process: psutil.Process) -> tuple[float, int]:
    """CPU seconds, and how often any of its threads woke."""
    times, wakes = process.cpu_times(), 0
    for thread in process.threads():
        with open(f"/proc/{process.pid}/task/{thread.id}/status") as file:
            wakes += next(int(line.split()[1]) for line in file if line.startswith("voluntary_ctxt"))
    return times.user + times.system, wakes


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--cells", type=int, default=400)
    asked.add_argument("--loads", type=int, default=7)
    asked.add_argument("--idle", type=float, default=20)
    asked.add_argument("--markdown", action="store_true")
    options = asked.parse_args()
    os.environ["JUPYTER_DATA_DIR"] = tempfile.mkdtemp()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # installed packages have their bytecode
    load_s = loads(options.loads)
    kernels = [Kernel(name) for name in LOAD]
    for kernel in kernels:
        kernel.start()
    cells(kernels, options.cells)
    idle(kernels, options.idle)
    for kernel in kernels:
        kernel.stop()
    bare = kernels[0]
    rows = [
        [
            k.name,
            f"{1e3 * statistics.median(load_s[k.name]):.0f}",
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
