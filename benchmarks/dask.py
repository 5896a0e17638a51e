"""What a cell of many tasks on a Dask cluster costs with the meter on and off, side by side in one run.

``python benchmarks/dask.py [--tasks 10000] [--rounds 7] [--workers 2] [--milliseconds 1] [--markdown]``

A cluster of its own processes, no children of the kernel. Each round runs the same cell twice, with the meter and
without it (in turn which comes first): the marks taken off, and the plugin off the workers. Told are the ratios of
neighbouring cells, since a busy machine is busy for both: of their seconds, and of the CPU seconds that kernel,
scheduler and workers took up to 3 s after the cell, in which nothing of ours is left out and waiting is not.
"""

from __future__ import annotations

import os
import sys

sys.path.pop(0)  # this folder, whose dask.py is not the package

import argparse
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from tabulate import tabulate

PORT = 8791
AFTER_S = 3.0
TASK = """
import time
def spin(n):
    end = time.thread_time() + {seconds}
    while time.thread_time() < end:
        pass
    return n
"""
KINDS = {
    "map": "_ = client.gather(client.map(spin, range(start, start + {tasks})))",
    "graph": "keys = [f'n{{start + n}}' for n in range({tasks})]\n"
    "_ = client.get({{key: (spin, n) for n, key in enumerate(keys)}}, keys)",
}


def started(words: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def cluster(workers: int) -> list[subprocess.Popen[bytes]]:
    plain = ["--no-dashboard", "--host", "127.0.0.1"]
    found = [started(["distributed.cli.dask_scheduler", "--port", str(PORT), *plain])]
    one = ["distributed.cli.dask_worker", f"tcp://127.0.0.1:{PORT}", "--no-nanny", "--nthreads", "1", *plain]
    return found + [started(one) for _ in range(workers)]


class Notebook:
    """A shell in this process, whose cells' own times are read."""

    def __init__(self, quick: bool) -> None:
        self.quick = quick
        from IPython.core.interactiveshell import InteractiveShell

        self.ip: Any = InteractiveShell.instance()
        self.run("%load_ext jupyter_costmeter")
        self.start = 0
        self.on = True  # once the first cell of a client has run

    def run(self, code: str) -> float:
        began = time.perf_counter()
        self.ip.run_cell(code, store_history=True).raise_error()
        return time.perf_counter() - began

    def meter(self, on: bool) -> None:
        """Mark tasks and have the plugin on the workers, or neither (``quick``: or no marks)."""
        from jupyter_costmeter.remote import plugin, sending

        hooks = self.ip.costmeter
        sending.put_back()
        for one in () if self.quick or on == self.on else hooks.dask.clusters._clusters.values():
            if on:
                one.register()
            else:
                one._ask("unregister_worker_plugin", name=plugin.NAME)
        self.on = on
        if on:
            hooks.dask._found(sys.modules["distributed.client"])
            time.sleep(0.0 if self.quick else 2.0)  # the workers' meters open their drivers

    def cell(self, code: str, tasks: int) -> float:
        self.start += tasks
        self.ip.user_ns["start"] = self.start
        return self.run(code)


class Cost(NamedTuple):
    """Of a cell: its seconds, and the CPU seconds of the kernel, the scheduler and the workers."""

    wall_s: float
    kernel_s: float
    scheduler_s: float
    workers_s: float

    @property
    def cpu_s(self) -> float:
        """Of all processes."""
        return self.kernel_s + self.scheduler_s + self.workers_s


def compared(notebook: Notebook, pids: list[int], code: str, asked: argparse.Namespace) -> list[tuple[Cost, Cost]]:
    """Neighbouring cells with the meter and without."""
    found = []
    for number in range(asked.rounds):
        pair: dict[bool, Cost] = {}
        for on in (True, False) if number % 2 else (False, True):
            notebook.meter(on)
            if not asked.quick:
                notebook.cell(code, asked.tasks // 10)  # what was loaded or forgotten since is warm again
                time.sleep(AFTER_S)
            before = cpu_s(pids)
            wall_s = notebook.cell(code, asked.tasks)
            time.sleep(AFTER_S)
            used = [after - then for after, then in zip(cpu_s(pids), before, strict=True)]
            pair[on] = Cost(wall_s, used[0], used[1], sum(used[2:]))
        found.append((pair[True], pair[False]))
        told = (f"{name} {one:.2f} / {other:.2f}" for name, one, other in zip(Cost._fields, *found[-1], strict=True))
        print(f"round {number + 1}, with / without: {', '.join(told)}", file=sys.stderr, flush=True)
    return found


def cpu_s(pids: list[int]) -> list[float]:
    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return [one.user + one.system for one in times]


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--tasks", type=int, default=10_000)
    ask.add_argument("--rounds", type=int, default=7)
    ask.add_argument("--workers", type=int, default=2)
    ask.add_argument("--milliseconds", type=float, default=1.0, help="that each task takes")
    ask.add_argument("--only", choices=KINDS, action="append", help="one of both")
    ask.add_argument("--quick", action="store_true", help="the plugin stays, only the marks go: many rounds soon")
    ask.add_argument("--markdown", action="store_true")
    asked = ask.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["JUPYTER_COSTMETER_LEDGER"] = str(Path(folder) / "ledger.sqlite")
        processes = cluster(asked.workers)
        try:
            rows = measured(asked, [os.getpid(), *(process.pid for process in processes)])
        finally:
            for process in processes:
                process.kill()
    columns = ["a cell of", "without", "with", "time, with / without", "CPU time, with / without"]
    print(tabulate(rows, columns, tablefmt="github" if asked.markdown else "simple"))


def measured(asked: argparse.Namespace, pids: list[int]) -> list[list[str]]:
    notebook = Notebook(asked.quick)
    notebook.run(f"from distributed import Client\nclient = Client('tcp://127.0.0.1:{PORT}')")
    notebook.run(f"client.wait_for_workers({asked.workers}); client.submit(abs, -1).result()")
    notebook.run(TASK.format(seconds=asked.milliseconds / 1000))
    rows = []
    for name in asked.only or KINDS:
        pairs = compared(notebook, pids, KINDS[name].format(tasks=asked.tasks), asked)
        without, with_it = (statistics.median(pair[at].wall_s for pair in pairs) for at in (1, 0))
        cell = f"{asked.tasks:,} tasks of {asked.milliseconds:g} ms, {name}"
        rows.append(
            [cell, f"{without:.2f} s", f"{with_it:.2f} s", *(ratios(pairs, what) for what in ("wall_s", "cpu_s"))]
        )
    return rows


def ratios(pairs: list[tuple[Cost, Cost]], what: str) -> str:
    """The median of neighbours' ratios, and the middle half of them."""
    found = sorted(getattr(one, what) / getattr(other, what) for one, other in pairs)
    low, high = (found[round(part * (len(found) - 1))] for part in (0.25, 0.75))
    return f"{statistics.median(found):.3f} ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    main()
