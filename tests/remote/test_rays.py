"""Ray: workers of this kernel are in its cells' figures, once; those elsewhere are said to be missing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from clusters import until
from kernels import ALL, Kernel, cells
from serving import port

from jupyter_costmeter import accounting
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.record import CellRecord

pytest.importorskip("ray", reason="the lean tests have no ray (./lab test installs it)")
Start = Callable[..., Kernel]
#: A busy machine starts Ray slowly, and gives up: it is asked again.
ENVIRONMENT = {"RAY_AUTH_MODE": "disabled", "RAY_raylet_start_wait_time_s": "40", "RAY_USAGE_STATS_ENABLED": "0"}
BEGIN = """
import ray
for left in (2, 1, 0):
    try:
        ray.init({where}log_to_driver=False)
        break
    except Exception:
        ray.shutdown()
        if not left:
            raise
@ray.remote
def burn(seconds):
    import time
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass
    return seconds
ray.get([burn.remote(0.0)] * 2)
"""
PORTS = ("dashboard-agent-grpc-port", "dashboard-agent-listen-port", "metrics-export-port", "runtime-env-agent-port")
HERE = "address='local', num_cpus=2, include_dashboard=False, object_store_memory=100_000_000, "


@pytest.fixture
def start(start_kernel: Start, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    made: list[Kernel] = []

    def begin(where: str) -> Kernel:
        made.append(start_kernel())
        reply = made[-1].client.execute_interactive(BEGIN.format(where=where), timeout=400)
        assert reply["content"]["status"] == "ok", reply["content"]
        until(made[-1], "get_ipython().costmeter.rays.jobs", 30)
        return made[-1]

    yield begin
    for kernel in made:
        kernel.run("ray.shutdown()")


def value(record: CellRecord, name: str) -> float:
    found = next((t for t in accounting.cell_totals(record.usage) if t.name == name), None)
    return (found.value if found else None) or 0.0


def remote(ledger: Ledger) -> list[CellRecord]:
    return [record for record in ledger.records(ALL) if record.bucket == "remote"]


@pytest.mark.timeout(600)
def test_workers_of_this_kernel_are_in_the_cells_own_figures_once(start: Start, ledger: Ledger) -> None:
    kernel = start(HERE)
    until(kernel, "[job.inside for job in get_ipython().costmeter.rays.jobs.values()] == [True]")
    kernel.run("ray.get([burn.remote(1.5) for _ in range(2)])", "work")
    kernel.run("import time; time.sleep(1.0)", "rest")
    kernel.flush()
    work, rest = (next(one for one in cells(ledger) if one.cell_id == name) for name in ("work", "rest"))
    assert value(work, "cpu_s") >= 3.0 * 0.97
    assert value(work, "cpu_s") <= 3.0 + 1.2 * work.wall_s  # what Ray's own processes did beside it
    assert value(rest, "cpu_s") < 1.5
    assert remote(ledger) == []  # they are billed nowhere else
    kernel.run("%cost")
    assert "in this kernel's own process tree: in the cells' own figures" in " ".join(kernel.text.split())


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """A Ray node that is no child of any kernel: its address. With ports that are given it waits for no agent's."""
    head, *others = (port() for _ in range(5))
    words = ["start", "--head", "--block", "--num-cpus=2", "--include-dashboard=false", "--disable-usage-stats"]
    words += ["--node-ip-address=127.0.0.1", f"--port={head}", "--object-store-memory=100000000"]
    words += [f"--{name}={number}" for name, number in zip(PORTS, others, strict=True)]
    with (tmp_path / "ray.log").open("w") as log, subprocess.Popen(
        [sys.executable, "-m", "ray.scripts.scripts", *words],
        stdout=log, stderr=log, env={**os.environ, **ENVIRONMENT}, cwd=tmp_path,
    ) as process:  # fmt: skip
        end = time.monotonic() + 200
        while "Ray runtime started" not in (tmp_path / "ray.log").read_text():
            assert process.poll() is None, (tmp_path / "ray.log").read_text()
            assert time.monotonic() < end, (tmp_path / "ray.log").read_text()
            time.sleep(0.5)
        yield f"127.0.0.1:{head}"
        process.terminate()
        process.wait(60)


@pytest.mark.timeout(600)
def test_of_a_cluster_elsewhere_the_totals_are_lower_bounds(start: Start, ledger: Ledger, cluster: str) -> None:
    kernel = start(f"address={cluster!r}, ")
    end = time.monotonic() + 30
    while not remote(ledger):
        assert time.monotonic() < end
        kernel.flush()
    kernel.run("ray.get([burn.remote(1.5) for _ in range(2)])", "work")
    kernel.flush()
    (record,) = remote(ledger)  # of the job, not of each cell
    assert "-remote-ray-" in record.id
    (figure,) = [one for one in record.usage.figures if one.name == "cpu_energy_j"]
    assert figure.value is None
    assert str(figure.device).startswith(f"Ray job {record.id.rpartition('-')[2]} at ")
    assert str(figure.device).endswith(cluster.partition(":")[2])
    assert "no public hook" in str(figure.reason)
    work = next(one for one in cells(ledger) if one.cell_id == "work")
    assert value(work, "cpu_s") < 1.5  # it waited for others
    total = ledger.summary(ALL).total("energy_j")
    assert total is not None
    assert total.incomplete
    kernel.run("%cost")
    assert "what its workers spent is not metered, and in no cell's figures" in " ".join(kernel.text.split())


def test_a_process_that_ends_while_it_is_looked_at_is_no_node(monkeypatch: pytest.MonkeyPatch) -> None:
    from jupyter_costmeter.remote import rays

    class Gone:
        def children(self, recursive: bool) -> list[Gone]:
            return [self]

        def name(self) -> str:
            raise psutil.NoSuchProcess(1)

    monkeypatch.setattr(psutil, "Process", Gone)
    assert not rays.has_raylet()
