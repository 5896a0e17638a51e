"""A real kernel on simulated GPUs, through the unmodified pynvml: whose joules, and what becomes of faults."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from kernels import ALL, Kernel
from nvml.sim import GPU_IS_LOST, SimulatedNvml, build

from jupyter_costmeter import accounting
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.record import CellRecord, Total

Records = Callable[[Kernel], list[CellRecord]]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def sim(library: Path, tmp_path: Path) -> SimulatedNvml:
    made = SimulatedNvml(library, tmp_path / "nvml")
    made.set(power_w=300.0, utilization=80.0)
    return made


@pytest.fixture
def gpu_kernel(sim: SimulatedNvml, start_kernel: Callable[..., Kernel]) -> Kernel:
    kernel = start_kernel(**sim.env())
    kernel.run("import time")
    return kernel


def total(record: CellRecord, name: str) -> Total:
    return next(t for t in accounting.cell_totals(record.usage) if t.name == name)


def test_a_gpu_that_this_kernel_holds(gpu_kernel: Kernel, sim: SimulatedNvml, records: Records) -> None:
    sim.process(0, gpu_kernel.pid, 3 << 30)
    gpu_kernel.run("time.sleep(0.5)", "first")
    time.sleep(0.5)  # from here on it is known to be held
    gpu_kernel.run("time.sleep(1.5)", "work")
    time.sleep(1.0)  # held idle between cells: nobody's cell
    gpu_kernel.run("time.sleep(0.5)", "more")
    _, first, work, more = records(gpu_kernel)
    assert total(first, "gpu_energy_j").value == pytest.approx(300 * first.wall_s, rel=0.02)
    for record in (work, more):
        energy = total(record, "gpu_energy_j")
        assert energy.value == pytest.approx(300 * record.wall_s, rel=0.02)
        assert energy.method == "measured"
        assert total(record, "gpu_reserved_s").value == record.wall_s
        assert total(record, "peak_gpu_bytes").value == 3 << 30
        assert not total(record, "energy_j").incomplete
    busy = total(work, "gpu_busy_s")
    assert busy.method == "modelled"
    assert 0 < (busy.value or 0) <= work.wall_s


def test_a_gpu_that_this_kernel_does_not_use_costs_it_nothing(gpu_kernel: Kernel, records: Records) -> None:
    gpu_kernel.run("time.sleep(0.5)")
    record = records(gpu_kernel)[-1]
    figure = record.usage.figure("gpu_energy_j")
    assert figure is not None
    assert figure.value is None
    assert figure.provenance.absent
    assert "did not use" in (figure.reason or "")


def test_a_gpu_that_others_use_too_is_shared_by_memory(
    gpu_kernel: Kernel, sim: SimulatedNvml, records: Records
) -> None:
    sim.process(0, gpu_kernel.pid, 1 << 30)
    sim.process(0, 1, 1 << 30)
    gpu_kernel.run("time.sleep(0.5)")
    energy = total(records(gpu_kernel)[-1], "gpu_energy_j")
    assert energy.method == "modelled"
    assert "memory" in energy.sources[0]


def test_a_gpu_lost_in_mid_cell_is_not_measured_and_the_cell_goes_on(
    gpu_kernel: Kernel, sim: SimulatedNvml, records: Records
) -> None:
    """Here codecarbon and ecoml report 0 J, zeus raises in the user's cell (PEERS, fault 11)."""
    sim.process(0, gpu_kernel.pid, 1 << 30)
    gpu_kernel.start("time.sleep(1.5); print('done')", "lost")
    time.sleep(0.7)
    sim.fail("nvmlDeviceGetTotalEnergyConsumption", GPU_IS_LOST)
    gpu_kernel.listen(lambda m: m["event"] == "closed")
    for i in range(3):
        gpu_kernel.run("1", f"after {i}")
    for record in records(gpu_kernel)[1:]:
        assert record.outcome == "ok"
        energy = total(record, "gpu_energy_j")
        assert energy.value is None
        assert energy.incomplete
        assert energy.reasons
        assert total(record, "energy_j").incomplete


def test_no_cell_waits_for_a_slow_driver_and_nothing_is_lost(
    gpu_kernel: Kernel, sim: SimulatedNvml, records: Records
) -> None:
    """An H100's counter takes 3 ms a call (docs/gpu-checks.md); here it takes 60."""
    sim.process(0, gpu_kernel.pid, 1 << 30)
    gpu_kernel.run("time.sleep(1.5)")
    sim.hang("nvmlDeviceGetTotalEnergyConsumption", 60.0)
    gpu_kernel.run("time.sleep(0.5)")  # learns it
    gpu_kernel.run("own = get_ipython().costmeter.session.overhead; before = own.hook_s, own.hooks", "from")
    for number in range(10):
        gpu_kernel.run("time.sleep(0.05)", f"short {number}")
    gpu_kernel.run("print((own.hook_s - before[0]) / (own.hooks - before[1]))", "until")
    assert float(gpu_kernel.text) < 0.03
    cells = [record for record in records(gpu_kernel) if (record.cell_id or "").startswith("short")]
    energies = [total(record, "gpu_energy_j") for record in cells]
    assert len(cells) == 10
    assert all(energy.method == "measured" for energy in energies)
    assert sum(e.value or 0 for e in energies) == pytest.approx(300 * sum(r.wall_s for r in cells), rel=0.15)


def test_doctor_names_the_gpu(gpu_kernel: Kernel) -> None:
    gpu_kernel.run("%cost doctor")
    assert "A100" in gpu_kernel.text


def test_the_counter_going_backwards(gpu_kernel: Kernel, sim: SimulatedNvml, records: Records) -> None:
    sim.process(0, gpu_kernel.pid, 1 << 30)
    gpu_kernel.start("time.sleep(1.0)")
    time.sleep(0.4)
    sim.set(offset_j=-5000.0)
    gpu_kernel.listen(lambda m: m["event"] == "closed")
    energy = total(records(gpu_kernel)[-1], "gpu_energy_j")
    assert energy.value is None
    assert "backwards" in energy.reasons[0]


CHILD = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'sum(1 for _ in range(%d))'])"


def test_a_child_that_used_the_gpu_and_ended_is_seen(gpu_kernel: Kernel, sim: SimulatedNvml, records: Records) -> None:
    """``!python train.py``: after the cell nobody holds the GPU any more."""
    gpu_kernel.start(CHILD % 60_000_000 + "; time.sleep(1)", "train")
    time.sleep(1.2)
    (child,) = psutil.Process(gpu_kernel.pid).children()
    sim.process(0, child.pid, 5 << 30)
    child.wait(60)
    sim.set(processes={})
    gpu_kernel.listen(lambda m: m["event"] == "closed", timeout_s=40)
    record = records(gpu_kernel)[-1]
    energy = total(record, "gpu_energy_j")
    assert energy.value == pytest.approx(300 * record.wall_s, rel=0.05)
    assert energy.method == "modelled"
    assert "held for a part" in energy.sources[0]
    assert total(record, "peak_gpu_bytes").value == 5 << 30


def test_memory_is_the_highest_of_the_looks(gpu_kernel: Kernel, sim: SimulatedNvml, records: Records) -> None:
    sim.process(0, gpu_kernel.pid, 1 << 30)
    gpu_kernel.start("time.sleep(4)")
    time.sleep(0.5)
    sim.process(0, gpu_kernel.pid, 30 << 30)
    time.sleep(1.7)
    sim.process(0, gpu_kernel.pid, 1 << 30)
    gpu_kernel.listen(lambda m: m["event"] == "closed")
    assert total(records(gpu_kernel)[-1], "peak_gpu_bytes").value == 30 << 30


def test_cells_under_the_counters_step(
    sim: SimulatedNvml, start_kernel: Callable[..., Kernel], records: Records
) -> None:
    """A counter that moves each 100 ms shows 0 or 30 J for a 30 ms cell of 9 J; peers say so (PEERS, fault 5)."""
    sim.gpus[0].step_ms = 100.0
    sim.write()
    kernel = start_kernel(**sim.env())
    sim.process(0, kernel.pid, 1 << 30)
    kernel.run("import time")
    time.sleep(2.0)
    for number in range(6):
        kernel.run("time.sleep(0.03)", f"short {number}")
        time.sleep(0.7)
    found = [r for r in records(kernel) if (r.cell_id or "").startswith("short")]
    energies = [r.usage.figure("gpu_energy_j") for r in found]
    assert len(found) == 6
    for record, energy in zip(found, energies, strict=True):
        assert energy is not None
        assert energy.value == pytest.approx(300 * record.wall_s, rel=0.35)
        assert "around the edges" in (energy.source or "")
        assert (energy.uncertainty or 0) > 0.05


def test_what_is_held_between_cells_is_told_and_in_its_bucket(
    gpu_kernel: Kernel, sim: SimulatedNvml, ledger: Ledger
) -> None:
    sim.process(0, gpu_kernel.pid, 14 << 30)
    gpu_kernel.run("time.sleep(0.5)", "train")
    time.sleep(0.6)
    sim.set(power_w=60.0, utilization=0.0)
    time.sleep(2.5)
    held = gpu_kernel.value("[(h.used_bytes, h.idle_s) for h in get_ipython().costmeter.session.held()]")
    assert held[0][0] == 14 << 30
    assert 2.5 < held[0][1] < 6.0
    gpu_kernel.run("1", "next")
    gpu_kernel.flush()
    whole = ledger.summary(ALL)
    idle = whole.bucket("held_idle")
    assert idle is not None
    energy, reserved = idle.total("gpu_energy_j"), idle.total("gpu_reserved_s")
    assert energy is not None
    assert reserved is not None
    assert 60 * 2.5 < (energy.value or 0) < 300 * 3 + 60 * 5
    assert (reserved.value or 0) > 2.5
