"""Cells that send work to a cluster, in a real kernel: each is billed what the workers spent for it, once."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from clusters import Cluster, cluster, connect, settled, until
from kernels import ALL, Kernel, cells
from nvml.sim import SimulatedNvml, build

from jupyter_costmeter import accounting
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.record import CellRecord

Start = Callable[..., Kernel]
SPIN = """
import time
def spin(seconds, other=None):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass
    return seconds
"""


@pytest.fixture
def two(home: Path) -> Iterator[Cluster]:
    with cluster(home, "one", "two") as made:
        yield made


@pytest.fixture
def one(home: Path) -> Iterator[Cluster]:
    with cluster(home, "one") as made:
        yield made


def value(record: CellRecord, name: str) -> float:
    found = next((t for t in accounting.cell_totals(record.usage) if t.name == name), None)
    return (found.value if found else None) or 0.0


def of_cell(records: list[CellRecord], cell: CellRecord) -> list[CellRecord]:
    return [record for record in records if record.id.startswith(f"{cell.id}-remote-")]


def ran(ledger: Ledger, cell_id: str) -> CellRecord:
    return next(record for record in cells(ledger) if record.cell_id == cell_id)


def test_a_cell_that_pauses_between_its_tasks_is_billed_all_of_them(
    start_kernel: Start, one: Cluster, ledger: Ledger
) -> None:
    kernel = start_kernel()
    connect(kernel, one, 1)
    kernel.run(SPIN)
    pauses = "for n, k in ((0, 5), (5, 10)):\n    client.gather(client.map(spin, [0.2] * k, range(n, n + k)))\n"
    kernel.run(f"{pauses}    time.sleep(6 if n == 0 else 0)", "twice")
    remote = of_cell(settled(kernel, ledger), ran(ledger, "twice"))
    assert sum(value(record, "cpu_s") for record in remote) >= 3.0
    devices = {figure.device for record in remote for figure in record.usage.figures if figure.name == "task_s"}
    assert devices == {socket.gethostname()}


def test_each_cell_is_billed_what_the_workers_spent_for_it(start_kernel: Start, two: Cluster, ledger: Ledger) -> None:
    kernel = start_kernel()
    connect(kernel, two, 2)
    kernel.run(SPIN)
    kernel.run("client.gather(client.map(spin, [0.1] * 10, range(10)))", "short")
    kernel.run("client.submit(spin, 2.0).result()", "long")  # the same function: its tasks are of one group
    kernel.run("late = client.submit(time.sleep, 2.5)", "late")
    kernel.run("1 + 1", "nothing")
    remote = settled(kernel, ledger)
    short, long, late, nothing = (ran(ledger, name) for name in ("short", "long", "late", "nothing"))
    (of_short,), (of_long,), (of_late,) = (of_cell(remote, cell) for cell in (short, long, late))
    assert not of_cell(remote, nothing)
    assert value(of_short, "cpu_s") == pytest.approx(1.0, abs=0.6)
    assert value(of_short, "task_s") > 0.9
    assert value(of_long, "cpu_s") == pytest.approx(2.0, abs=0.6)
    assert value(of_long, "cpu_energy_j") > 0
    assert value(of_long, "peak_rss_bytes") > 10e6
    assert late.wall_s < 1.0
    assert value(of_late, "task_s") == pytest.approx(2.5, abs=0.3)
    assert of_late.wall_s > 2.0
    assert {record.cell_id for record in remote} == {"short", "long", "late"}
    whole = ledger.summary(ALL)
    energy = sum(record_energy(record) for record in ledger.records(ALL))
    assert whole.total("energy_j").value == pytest.approx(energy)  # type: ignore[union-attr]
    assert whole.cells == len(cells(ledger))
    kernel.run("%cost")
    assert "elsewhere, for cells" in kernel.text
    assert "2 workers on 1 host ran 12 tasks in" in kernel.text


def record_energy(record: CellRecord) -> float:
    return 0.0 if record.parent_id else value(record, "energy_j")


def test_what_others_of_dask_send_is_billed_too(start_kernel: Start, one: Cluster, ledger: Ledger) -> None:
    kernel = start_kernel()
    connect(kernel, one)
    kernel.run("import dask, dask.array as da, dask.dataframe as dd, pandas as pd")
    kernel.run("x = da.random.random((400, 400), chunks=200)")  # built here, sent below
    for name, code in {
        "array": "(x @ x).sum().compute()",
        "dataframe": "dd.from_pandas(pd.DataFrame({'a': range(1000)}), npartitions=4).a.sum().compute()",
        "delayed": "dask.delayed(sum)([1, 2]).compute()",
        "persist": "y = (x + 1).persist()",
    }.items():
        assert kernel.run(code, name)["status"] == "ok", kernel.text
    assert {record.cell_id for record in settled(kernel, ledger)} == {"array", "dataframe", "delayed", "persist"}


def test_graphs_are_what_they_are_without_a_meter(start_kernel: Start, one: Cluster) -> None:
    kernel = start_kernel()
    connect(kernel, one)
    kernel.run("import dask, dask.array as da\nx = da.ones((20, 20), chunks=10) + 1")
    kernel.run("(y,) = dask.optimize(x * 2)")  # of two cells, and fused nevertheless
    assert kernel.value("len(dict(y.__dask_graph__()))") == 4


def test_two_cells_that_share_a_worker_get_all_of_it_and_no_more(
    start_kernel: Start, home: Path, ledger: Ledger
) -> None:
    with cluster(home) as made:
        made.worker("wide", "--nthreads", "2")
        kernel = start_kernel()
        connect(kernel, made)
        kernel.run(SPIN + "\nused = lambda: list(client.run(time.process_time).values())[0]")
        kernel.run("before = used()")
        kernel.run("a = [client.submit(spin, 0.8 + n / 100) for n in range(3)]", "a")
        kernel.run("b = [client.submit(spin, 0.5 + n / 100) for n in range(3)]", "b")
        kernel.run("client.gather([*a, *b]); after = used()", "c")
        remote = settled(kernel, ledger)
        spent = kernel.value("after - before")
        assert {record.cell_id for record in remote} == {"a", "b"}
        assert sum(value(record, "cpu_s") for record in remote) == pytest.approx(spent, rel=0.15)


@pytest.mark.parametrize("processes", ["True", "False"])
def test_workers_of_this_kernel_are_in_its_cells_already(start_kernel: Start, ledger: Ledger, processes: str) -> None:
    kernel = start_kernel()
    made = f"LocalCluster(n_workers=1, threads_per_worker=1, processes={processes}, dashboard_address=None)"
    kernel.run(f"from distributed import Client, LocalCluster\nclient = Client({made})")
    kernel.run(SPIN)
    until(kernel, "all(c.tried.is_set() for c in get_ipython().costmeter.dask.clusters._clusters.values())")
    kernel.run("client.submit(spin, 1.0).result()", "work")
    assert not settled(kernel, ledger)
    assert value(ran(ledger, "work"), "cpu_s") == pytest.approx(1.0, abs=0.5)
    kernel.run("%cost")
    assert ("1 task ran on workers in this kernel's own process tree" in kernel.text) is (processes == "True")


def test_runs_that_fail_count_and_are_shown(start_kernel: Start, one: Cluster, ledger: Ledger) -> None:
    kernel = start_kernel()
    connect(kernel, one)
    kernel.run(SPIN)
    kernel.run(
        "def flaky(at):\n    import os\n    spin(0.3)\n    if not os.path.exists(at):\n"
        "        open(at, 'w').close()\n        raise OSError('once')"
    )
    kernel.run("client.submit(flaky, 'tried', retries=2).result()", "flaky")
    (record,) = settled(kernel, ledger)
    assert value(record, "cpu_s") == pytest.approx(0.6, abs=0.3)
    kernel.run("%cost")
    assert "1 run of tasks failed" in kernel.text


def test_a_lost_worker_is_shown_and_its_tasks_are_not_lost(start_kernel: Start, two: Cluster, ledger: Ledger) -> None:
    kernel = start_kernel()
    connect(kernel, two, 2)
    kernel.run("import time\nkept = [client.submit(time.sleep, 2 + n / 100) for n in range(4)]", "lost")
    time.sleep(1.5)
    two.workers["one"].kill()
    kernel.run("client.gather(kept)")
    remote = settled(kernel, ledger)
    assert {record.cell_id for record in remote} == {"lost"}
    assert sum(value(record, "task_s") for record in remote) > 8.0
    (energy,) = [t for t in ledger.summary(ALL).totals if t.name == "cpu_energy_j"]
    assert energy.missing
    assert any("was lost" in reason for reason in energy.reasons)
    kernel.run("%cost")
    assert "was lost:" in kernel.text


def test_a_worker_that_leaves_tells_what_it_did(start_kernel: Start, two: Cluster, ledger: Ledger) -> None:
    kernel = start_kernel()
    connect(kernel, two, 2)
    kernel.run(SPIN)
    kernel.run("client.gather(client.map(spin, [0.2 + n / 1000 for n in range(4)]))\nclient.retire_workers()", "left")
    (record,) = settled(kernel, ledger)
    assert value(record, "cpu_s") == pytest.approx(0.8, abs=0.3)


def test_a_worker_without_the_package_works_on_and_says_so(start_kernel: Start, home: Path, ledger: Ledger) -> None:
    with cluster(home) as made:
        made.worker("bare", bare=True)
        kernel = start_kernel()
        connect(kernel, made)
        assert kernel.run("client.submit(sum, [1, 2]).result()", "bare")["status"] == "ok"
        (record,) = settled(kernel, ledger)
        energy = record.usage.figure("cpu_energy_j")
        assert energy is not None
        assert energy.value is None
        assert "has no jupyter_costmeter" in (energy.reason or "")
        assert value(record, "task_s") > 0
        made.worker("later", bare=True)  # one that comes later starts, too
        kernel.run("client.wait_for_workers(2, timeout=20)")
        assert kernel.value("len(client.scheduler_info(n_workers=-1)['workers'])") == 2
        kernel.run("%cost")
        assert "Not metered: tcp://" in kernel.text


def test_no_cell_waits_for_a_scheduler_that_hangs(start_kernel: Start, one: Cluster, ledger: Ledger) -> None:
    import signal

    kernel = start_kernel()
    connect(kernel, one)
    kernel.run("kept = client.submit(abs, -1)", "before")
    settled(kernel, ledger)
    one.scheduler.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    kernel.run("more = client.submit(abs, -2)", "during")
    kernel.run("1 + 1")
    assert time.monotonic() - began < 3.0
    time.sleep(2.0)  # a look is on its way, and hangs
    began = time.monotonic()
    kernel.run("get_ipython().costmeter.dask.clusters.close()")  # as when the kernel ends
    assert time.monotonic() - began < 4.0  # after five seconds Jupyter kills it
    kernel.flush()
    (found,) = [r for r in ledger.records(ALL) if r.bucket == "remote" and r.cell_id == "during"]
    energy = found.usage.figure("cpu_energy_j")
    assert energy is not None
    assert energy.value is None
    assert "does not answer" in (energy.reason or "")


def test_a_cluster_is_left_alone_where_the_setting_says_so(start_kernel: Start, one: Cluster, home: Path) -> None:
    (home / "config_dir").mkdir(exist_ok=True)
    (home / "config_dir" / "jupyter_costmeter_config.py").write_text("c.CostMeter.dask = False")
    kernel = start_kernel()
    kernel.run(f"from distributed import Client\nclient = Client({one.address!r}); client.wait_for_workers(1)")
    kernel.run("client.submit(abs, -1).result()")
    kernel.run("plugins = client.run(lambda dask_worker: list(dask_worker.plugins))")
    assert "costmeter" not in next(iter(kernel.value("plugins").values()))


def test_dask_is_not_imported_before_the_user_does(start_kernel: Start) -> None:
    kernel = start_kernel()
    kernel.run("1 + 1")
    kernel.run("%cost")
    assert not kernel.value("[name for name in __import__('sys').modules if name.startswith(('dask', 'distributed'))]")


def test_an_error_of_the_users_has_no_frame_of_ours(start_kernel: Start, one: Cluster) -> None:
    kernel = start_kernel()
    connect(kernel, one)
    kernel.run("client.submit(abs, 1, key=object())")
    assert "Error" in kernel.text
    assert "costmeter" not in kernel.text


def test_unloading_leaves_the_client_as_it_was(start_kernel: Start) -> None:
    kernel = start_kernel()
    kernel.run("from distributed import Client\nours = Client.__dict__['_graph_to_futures']")
    kernel.run("%unload_ext jupyter_costmeter")
    assert kernel.value("type(Client.__dict__['_graph_to_futures']).__name__") == "function"
    assert kernel.value("type(ours).__name__") == "_Method"


def test_a_workers_gpu_is_billed_to_the_cell(start_kernel: Start, home: Path, ledger: Ledger) -> None:
    sim = SimulatedNvml(build(home), home / "nvml")
    sim.set(power_w=300.0, utilization=80.0)
    with cluster(home) as made:
        worker = made.worker("gpu", "--nthreads", "1", **sim.env())
        sim.process(0, worker.pid, 3 << 30)
        kernel = start_kernel()
        connect(kernel, made)
        kernel.run("import time\nclient.submit(time.sleep, 3).result()", "gpu")
        (record,) = settled(kernel, ledger)
    energy = record.usage.figure("gpu_energy_j")
    assert energy is not None
    assert energy.method == "measured"
    assert energy.value == pytest.approx(300 * value(record, "task_s"), rel=0.2)
    assert value(record, "gpu_reserved_s") == pytest.approx(value(record, "task_s"), rel=0.1)
    assert value(record, "gpu_busy_s") > 0
    assert value(record, "peak_gpu_bytes") == 3 << 30
    assert energy.device == "NVIDIA A100-SXM4-40GB"  # by which prices and what is embodied are found
