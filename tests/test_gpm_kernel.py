"""A real kernel on a simulated H100: what its pipes did, beside the counted FLOPs, only where it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from kernels import Kernel
from nvml.sim import HOPPER, SimulatedNvml, build

from jupyter_costmeter import accounting
from jupyter_costmeter.config import CostMeter
from jupyter_costmeter.record import CellRecord

Records = Callable[[Kernel], list[CellRecord]]
HMMA = 7


@pytest.fixture
def sim(tmp_path: Path) -> SimulatedNvml:
    made = SimulatedNvml(build(tmp_path / "library"), tmp_path / "nvml")
    made.set(power_w=300.0, utilization=80.0, **HOPPER)
    made.pipe(0, HMMA, 41.0)
    return made


def test_a_cells_pipe_activity(
    home: Path, sim: SimulatedNvml, start_kernel: Callable[..., Kernel], records: Records
) -> None:
    (home / "config_dir").mkdir()
    (home / "config_dir" / "jupyter_costmeter_config.py").write_text("c.CostMeter.gpm = True\n")
    kernel = start_kernel(**sim.env())
    sim.process(0, kernel.pid, 14 << 30)
    kernel.run("import time; time.sleep(0.5)", "first")
    kernel.run("time.sleep(2.2)", "work")
    kernel.run("1", "short")
    kernel.run("%cost doctor")
    assert "pipe activity of 1 of 1 GPUs" in kernel.text
    _, work, short, *_ = records(kernel)
    figure = work.usage.figure("flops_hardware")
    assert figure is not None
    assert figure.device == sim.gpus[0].uuid
    assert figure.value == pytest.approx(0.41 * 4096 * 132 * 1.83e9 * work.wall_s, rel=0.02)
    assert (figure.method, figure.uncertainty) == ("modelled", pytest.approx(1.18, abs=0.02))  # the driver lags 0.2 s
    assert not [f for f in work.usage.figures if f.name != "flops_hardware" and f.name.startswith("flops") and f.value]
    totals = {total.name: total for total in accounting.cell_totals(work.usage)}
    assert "flops" not in totals or not totals["flops"].value
    too_short = short.usage.figure("flops_hardware")
    assert too_short is not None
    assert too_short.value is None
    assert "0.1 s" in (too_short.reason or "")


def test_it_is_off_unless_asked_for(sim: SimulatedNvml, start_kernel: Callable[..., Kernel], records: Records) -> None:
    assert CostMeter().gpm is False
    assert "gpm" not in CostMeter().tracers
    kernel = start_kernel(**sim.env())
    sim.process(0, kernel.pid, 14 << 30)
    kernel.run("import time; time.sleep(0.3)")
    assert records(kernel)[-1].usage.figure("flops_hardware") is None
    assert "costmeter-gpm" not in kernel.value("[t.name for t in __import__('threading').enumerate()]")
