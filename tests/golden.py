"""Made-up records with round numbers, from which the golden examples in ``tests/data`` are made.

``python tests/golden.py`` writes them anew; ``test_wire.py`` proves that they are as the code
makes them, ``api.test.mjs`` that the front end reads them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jupyter_costmeter import accounting, wire
from jupyter_costmeter.record import CellRecord, Figure, Provenance, SessionInfo, Status, Summary, Usage

DATA = Path(__file__).parent / "data"
CLOCK = Provenance("measured", "process CPU clock", 0.01)
TDP = Provenance("modelled", "TDP 120 W × CPU time (codecarbon's table: Xeon E5-2683 v4)", 0.5)
RAM = Provenance("modelled", "codecarbon's memory model × share of memory", 2.0)
NVML = Provenance("measured", "NVML energy counter", 0.05)
LOST = Provenance(None, "NVML energy counter", None, "the GPU is lost")
HWM = Provenance("measured", "VmHWM", 0.01)

SESSION = SessionInfo(
    "s1", 1_790_000_000.0, "host", "ada", 4242, 1_789_999_990.0, "/home/ada/paper/train.ipynb", "/home/ada/paper",
    {"python": "3.11.7", "cpu": "Xeon E5-2683 v4"},
)  # fmt: skip


def usage(wall_s: float, gpu_j: float | None) -> Usage:
    return Usage(
        wall_s,
        (
            Figure("cpu_s", wall_s / 2, CLOCK),
            Figure("peak_rss_bytes", 1.5e9, HWM),
            Figure("cpu_energy_j", 3.75 * wall_s, TDP),
            Figure("ram_energy_j", 0.25 * wall_s, RAM),
            Figure("gpu_energy_j", gpu_j, NVML if gpu_j is not None else LOST, "GPU-1"),
            Figure("gpu_reserved_s", wall_s, accounting.RESERVED, "GPU-1"),
        ),
    )


def record(seq: int, wall_s: float, gpu_j: float | None, **more: Any) -> CellRecord:
    return CellRecord(
        f"r{seq}", "s1", seq, SESSION.started_at + 60 * seq, usage(wall_s, gpu_j), more.pop("outcome", "ok"),
        SESSION.notebook, SESSION.project, f"cell-{seq}", seq, "0" * 64, **more,
    )  # fmt: skip


FIRST = record(1, 12.5, 3600.0, label="train")
SECOND = record(2, 2.0, None, outcome="error", error_type="ValueError")
OPEN = record(3, 4.0, 1000.0)
SUMMARY = Summary(2, 1, 1, 14.5, accounting.totals(accounting.parts([*FIRST.usage.figures, *SECOND.usage.figures])))
LEDGER = {"ok": True, "message": None, "waiting": 0, "path": "/home/ada/.local/share/jupyter/costmeter/ledger.sqlite"}
SENSORS = [
    Status("process", True, "CPU time and peak memory of this process and its children"),
    Status("nvml", False, "no NVIDIA driver here (libnvidia-ml.so.1 not found)", "install the driver, or ignore this"),
]


def message() -> wire.Json:
    power = accounting.power(usage(3.0, 750.0), OPEN.usage)
    return wire.message("running", "s1", 7, [wire.running(OPEN, power)], [FIRST, SECOND], SUMMARY, LEDGER)


def reply() -> wire.Json:
    return wire.reply(SESSION, 7, [wire.running(OPEN, None)], [FIRST, SECOND], SUMMARY, SENSORS, LEDGER)


def totals() -> wire.Json:
    return wire.scopes(
        "/home/ada/paper/train.ipynb",
        "/home/ada/paper",
        {"notebook": SUMMARY, "project": SUMMARY},
        {"notebook": [FIRST, SECOND], "project": [FIRST]},
        LEDGER,
    )


EXAMPLES = {"message": message, "reply": reply, "totals": totals}

if __name__ == "__main__":
    DATA.mkdir(exist_ok=True)
    for name, make in EXAMPLES.items():
        (DATA / f"{name}.json").write_text(json.dumps(make(), indent=1) + "\n")
