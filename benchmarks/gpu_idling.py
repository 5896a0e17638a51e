"""A GPU held idle, for ``gpu.py``: as other kernels see it while it is held, and its record afterwards."""

from __future__ import annotations

import time

from gpu_kernel import Facts, Kernel, Row, facts_of, figure, told
from gpu_watch import Watched

from jupyter_costmeter.ledger import Selection
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.record import CellRecord

HELD_S = 40.0


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


def _compared(name: str, record: CellRecord, began: float, ended: float, watched: Watched) -> list[Row]:
    joules = watched.joules(began, ended)
    return [
        Row(name, figure(record, "gpu_reserved_s"), ended - began, "s", "clock"),
        Row(f"energy, {name}", figure(record, "gpu_energy_j"), joules, "J", told(record, "gpu_energy_j")),
    ]
