"""A GPU held idle, for ``gpu.py``: as other kernels see it while it is held, and its record afterwards."""

from __future__ import annotations

import time
from pathlib import Path

from gpu_kernel import HERE, LOAD, Facts, Kernel, Row, facts_of, figure, told
from gpu_watch import Watched

from jupyter_costmeter.ledger import Selection
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.record import CellRecord

HELD_S, LIMIT_S = 40.0, 30.0


def idling(kernel: Kernel, watched: Watched) -> tuple[list[Row], Facts]:
    """The journal tells it on at the same rate; the counter of another process says what it was."""
    kernel.loaded()
    kernel.run("gpu_work.matmul(1)")
    time.sleep(4)  # from here on it is known what the GPU draws idle
    ended = kernel.run("gpu_work.matmul(3)")["t1"]
    time.sleep(HELD_S)
    ledger = Ledger(kernel.ledger)
    (noted,) = (record for _, record in ledger.open_windows() if record.bucket == "held_idle")
    rows = _compared("held idle so far", noted, ended, time.monotonic(), watched)
    began = kernel.run("gpu_work.say(t0=__import__('time').monotonic())")["t0"]
    time.sleep(1)
    (record,) = (one for one in ledger.records(Selection("all")) if one.id == noted.id)
    rows += _compared("held idle, its record", record, ended, began, watched)
    still = [one.id for _, one in ledger.open_windows()]
    ledger.close()
    return rows, {"noted": facts_of(noted), "record": facts_of(record), "noted still": noted.id in still}


def together(home: Path) -> tuple[list[Row], Facts]:
    """Two kernels on one budget that stops: one holds the GPU idle, the other multiplies until the budget is spent."""
    kernels = [Kernel(home), Kernel(home)]
    row = f'[[budget]]\ngpu_hours = {LIMIT_S / 3600}\nper = "total"\nscope = "user"\nhold = "stop"\n'
    (home / "config" / "jupyter_costmeter.toml").write_text(row)
    try:
        for kernel in kernels:
            kernel.run(LOAD)
            kernel.run(f"import sys; sys.path.insert(0, {str(HERE)!r}); import gpu_pipes, gpu_work", 240)
        began = [_held_since(kernel) for kernel in kernels]
        facts = kernels[1].run("gpu_work.matmul(120)")
        ended = time.monotonic()
        held = sum(ended - at for at in began)
        again = kernels[0].run("print('ran')")
    finally:
        for kernel in kernels:
            kernel.stop()
    rows = [Row("two kernels, stopped at", held, LIMIT_S, "GPU-s", "clock; the budget's limit")]
    return rows, {"stopped": facts, "the other one's next cell": again}


def _held_since(kernel: Kernel) -> float:
    """The GPU-time of the cell in which CUDA begins counts from its start: an upper bound, which the meter says."""
    at = time.monotonic()
    kernel.run("gpu_work.begin()")
    return at


def _compared(name: str, record: CellRecord, began: float, ended: float, watched: Watched) -> list[Row]:
    joules = watched.joules(began, ended)
    return [
        Row(name, figure(record, "gpu_reserved_s"), ended - began, "s", "clock"),
        Row(f"energy, {name}", figure(record, "gpu_energy_j"), joules, "J", told(record, "gpu_energy_j")),
    ]
