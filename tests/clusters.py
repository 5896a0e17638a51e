"""A Dask cluster whose workers are no children of a kernel: a scheduler and workers that the tests start."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kernels import ALL, Kernel

from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.record import CellRecord

#: A worker on a machine that has no jupyter_costmeter.
BARE = """
import sys
class No:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "jupyter_costmeter":
            raise ModuleNotFoundError(f"No module named {name!r}")
sys.meta_path.insert(0, No())
from distributed.cli.dask_worker import main
main()
"""


class Cluster:
    """A scheduler at an address, and workers by their names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {**os.environ, "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "10"}
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port = found.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{port}"
        command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--no-dashboard"]
        self.scheduler = self._start("scheduler", [*command, "--host", "127.0.0.1", "--port", str(port)])

    def worker(self, name: str, *more: str, bare: bool = False, **env: str) -> subprocess.Popen[bytes]:
        """Start one without a nanny, so that its process is the one that works."""
        begin = ["-c", BARE] if bare else ["-m", "distributed.cli.dask_worker"]
        words = [self.address, "--name", name, "--no-nanny", "--no-dashboard", "--host", "127.0.0.1", *more]
        self.workers[name] = self._start(name, [sys.executable, *begin, *words], env)
        return self.workers[name]

    def _start(self, name: str, words: list[str], env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                words, cwd=self.folder, env={**self.env, **(env or {})}, stdout=log, stderr=subprocess.STDOUT
            )

    def stop(self) -> None:
        for process in (*self.workers.values(), self.scheduler):
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()


@contextmanager
def cluster(folder: Path, *workers: str) -> Iterator[Cluster]:
    """One with these workers, each of one thread."""
    made = Cluster(folder)
    try:
        for name in workers:
            made.worker(name, "--nthreads", "1")
        yield made
    finally:
        made.stop()


def connect(kernel: Kernel, made: Cluster, workers: int = 1) -> None:
    """Two cells: a client, and its workers metered before anything is sent."""
    answer = kernel.run(f"from distributed import Client\nclient = Client({made.address!r})")
    assert answer["status"] == "ok", kernel.text
    kernel.run(f"client.wait_for_workers({workers})")
    until(kernel, "all(c.tried.is_set() for c in get_ipython().costmeter.dask.clusters._clusters.values())")
    time.sleep(3.0)  # a worker's meter opens its drivers


def until(kernel: Kernel, expression: str, seconds: float = 30.0) -> None:
    """Wait until an expression is true in the kernel."""
    end = time.monotonic() + seconds
    while not kernel.value(f"bool({expression})"):
        assert time.monotonic() < end, f"{expression} is still false after {seconds:g} s"
        time.sleep(0.2)


def settled(kernel: Kernel, ledger: Ledger) -> list[CellRecord]:
    """The remote records, once all that was sent has ended and been told."""
    until(kernel, "not get_ipython().costmeter.dask.clusters.waiting")
    kernel.flush()
    return [record for record in ledger.records(ALL) if record.bucket == "remote"]
