"""What may happen to a GPU and its driver while cells run: the cells go on, and no figure lies."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from kernels import Kernel
from nvml.sim import SimulatedNvml, build

from jupyter_costmeter.record import CellRecord, Figure

Records = Callable[[Kernel], list[CellRecord]]
ENERGY = "nvmlDeviceGetTotalEnergyConsumption"
WATTS = 300.0


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def sim(library: Path, tmp_path: Path) -> SimulatedNvml:
    made = SimulatedNvml(library, tmp_path / "nvml")
    made.set(power_w=WATTS, utilization=80.0)
    return made


@pytest.fixture
def gpu_kernel(sim: SimulatedNvml, start_kernel: Callable[..., Kernel]) -> Kernel:
    kernel = start_kernel(**sim.env())
    sim.process(0, kernel.pid, 14 << 30)
    kernel.run("import time")
    kernel.run("time.sleep(0.5)", "seen to be held")
    return kernel


def energy(record: CellRecord) -> Figure:
    found = record.usage.figure("gpu_energy_j")
    assert found is not None
    return found


def cell(found: list[CellRecord], cell_id: str) -> CellRecord:
    return next(r for r in found if r.cell_id == cell_id)


@pytest.mark.parametrize("pause_s", [0.2, 2.5])
def test_a_driver_that_hangs_for_ten_seconds(
    gpu_kernel: Kernel, sim: SimulatedNvml, records: Records, pause_s: float
) -> None:
    """While nothing runs, or in mid-cell: neither the cell nor the next one waits for it."""
    gpu_kernel.start(f"time.sleep({pause_s})", "hangs")
    time.sleep(pause_s / 2)
    if pause_s < 1:
        gpu_kernel.client.get_shell_msg(timeout=10)
        time.sleep(3.5)  # what is held idle is read once more as the kernel comes to rest
    sim.hang(ENERGY, 10_000)
    if pause_s > 1:
        gpu_kernel.client.get_shell_msg(timeout=pause_s + 3)
    began = time.monotonic()
    for number in range(3):
        assert gpu_kernel.run("1 + 1", f"after {number}")["status"] == "ok"
    assert time.monotonic() - began < 3.0
    sim.hang(ENERGY, 0)
    time.sleep(11.0)
    gpu_kernel.run("time.sleep(0.5)", "well again")
    found = records(gpu_kernel)
    assert energy(cell(found, "after 1")).value is None
    assert energy(cell(found, "after 1")).reason
    well = cell(found, "well again")
    assert energy(well).value == pytest.approx(WATTS * well.wall_s, rel=0.05)


def test_suspend_and_resume(gpu_kernel: Kernel, records: Records) -> None:
    """A kernel that is stopped for two seconds: time and energy still belong together."""
    gpu_kernel.start("time.sleep(1.0)", "stopped")
    time.sleep(0.5)
    os.kill(gpu_kernel.pid, signal.SIGSTOP)
    time.sleep(2.0)
    os.kill(gpu_kernel.pid, signal.SIGCONT)
    gpu_kernel.client.get_shell_msg(timeout=10)
    stopped = cell(records(gpu_kernel), "stopped")
    assert stopped.wall_s > 2.0
    assert energy(stopped).value == pytest.approx(WATTS * stopped.wall_s, rel=0.05)


def test_the_clock_is_set_back_an_hour(gpu_kernel: Kernel, records: Records) -> None:
    gpu_kernel.run("real = time.time; time.time = lambda: real() - 3600", "back")
    gpu_kernel.run("time.sleep(0.5)", "after")
    gpu_kernel.run("time.time = real", "forth")
    found = records(gpu_kernel)
    assert [r.cell_id for r in sorted(found, key=lambda r: r.seq)][-3:] == ["back", "after", "forth"]
    after = cell(found, "after")
    assert 0.5 <= after.wall_s < 2.0
    assert energy(after).value == pytest.approx(WATTS * after.wall_s, rel=0.05)


def test_the_driver_is_reloaded(gpu_kernel: Kernel, sim: SimulatedNvml, records: Records) -> None:
    """The window it fell into is not measured and says why; later ones are, without a restart."""
    gpu_kernel.start("time.sleep(2.0)", "reloaded")
    time.sleep(0.7)
    sim.reload_driver()
    gpu_kernel.client.get_shell_msg(timeout=10)
    time.sleep(1.0)
    gpu_kernel.run("time.sleep(2.0)", "between")
    gpu_kernel.run("time.sleep(0.5)", "well again")
    found = records(gpu_kernel)
    reloaded, well = cell(found, "reloaded"), cell(found, "well again")
    assert energy(reloaded).value is None
    assert energy(reloaded).reason
    assert energy(well).value == pytest.approx(WATTS * well.wall_s, rel=0.05)


def test_a_fork_in_a_cell(gpu_kernel: Kernel, records: Records) -> None:
    """The child asks NVML anew, writes nothing of the parent's, and the parent's cell is as long as it was."""
    gpu_kernel.run(
        "import os\npid = os.fork()\nif not pid:\n    time.sleep(0.3); os._exit(0)\nos.waitpid(pid, 0)",
        "forks",
    )
    gpu_kernel.run("time.sleep(0.3)", "after")
    found = records(gpu_kernel)
    for name in ("forks", "after"):
        record = cell(found, name)
        assert energy(record).value == pytest.approx(WATTS * record.wall_s, rel=0.05)
    assert len({r.session_id for r in found}) == 1
