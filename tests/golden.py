"""Made-up records with round numbers, from which the golden examples in ``tests/data`` are made.

``python tests/golden.py`` writes them anew; ``test_wire.py`` proves that they are as the code
makes them, ``api.test.mjs`` that the front end reads them.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from jupyter_costmeter import accounting, budget_wire, cost_wire, rates, wire
from jupyter_costmeter.assumptions import Assumptions, place_of
from jupyter_costmeter.budget import Budget, BudgetEvent, Notice, Verdict, burn
from jupyter_costmeter.carbon import snapshot
from jupyter_costmeter.carbon.hints import hint
from jupyter_costmeter.conditions import Book
from jupyter_costmeter.costing import costs_of
from jupyter_costmeter.derived import Costs
from jupyter_costmeter.forecasts import Forecast, Leaves
from jupyter_costmeter.periods import period_of
from jupyter_costmeter.progressing import Progress
from jupyter_costmeter.recent import summary_of
from jupyter_costmeter.record import Bucket, CellRecord, Figure, Held, Provenance, SessionInfo, Status, Total, Usage
from jupyter_costmeter.supposing import costs_if, supposition
from jupyter_costmeter.tag import Tagged, tagged, tags_of
from jupyter_costmeter.tariffs import tariff_of
from jupyter_costmeter.uses import Went, of_records
from jupyter_costmeter.whereabouts import Line, Whereabouts

DATA = Path(__file__).parent / "data"
CLOCK = Provenance("measured", "process CPU clock", 0.01)
TDP = Provenance("modelled", "TDP 120 W × CPU time (codecarbon's table: Xeon E5-2683 v4)", 0.5)
RAM = Provenance("modelled", "codecarbon's memory model × share of memory", 2.0)
NVML = Provenance("measured", "NVML energy counter", 0.05)
LOST = Provenance(None, "NVML energy counter", None, "the GPU is lost")
IDLE = Provenance("modelled", "55 W, the lowest mean power of any minute × time", 0.1)
HWM = Provenance("measured", "VmHWM", 0.01)
RESERVED = Provenance("measured", "wall time with a context on this GPU (NVML process list)", 0.01)
BUSY = Provenance("modelled", "NVML utilisation samples, whole device", 0.1)

FLOPS = Provenance("measured", "torch operators that ran, counted by their shapes", 0.0)
NUMPY = Provenance(None, "the cell's code and what it calls", None, "numpy: its arithmetic leaves no trace to count by")
NAMES = {"GPU-1": "NVIDIA A100-SXM4-40GB", "CPU": "Xeon E5-2683 v4"}

SESSION = SessionInfo(
    "s1", 1_790_000_000.0, "host", "ada", 4242, 1_789_999_990.0, "/home/ada/paper/train.ipynb", "/home/ada/paper",
    {"python": "3.11.7", "cpu": "Xeon E5-2683 v4", "devices": '{"GPU-1": "NVIDIA A100-SXM4-40GB"}'},
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
            Figure("gpu_idle_energy_j", None if gpu_j is None else 55.0 * wall_s, IDLE if gpu_j else LOST, "GPU-1"),
            Figure("gpu_reserved_s", wall_s, RESERVED, "GPU-1"),
            Figure("gpu_busy_s", 0.8 * wall_s, BUSY, "GPU-1"),
            Figure("flops_bf16", 1e14 * wall_s, FLOPS, "GPU-1"),
            Figure("flops_fp32", 1e11 * wall_s, FLOPS, "CPU"),
            *([] if gpu_j is not None else [Figure("flops_uncounted", None, NUMPY, "numpy")]),
        ),
    )


def record(seq: int, wall_s: float, gpu_j: float | None, **more: Any) -> CellRecord:
    return CellRecord(
        f"r{seq}", "s1", seq, SESSION.started_at + 60 * seq, usage(wall_s, gpu_j), more.pop("outcome", "ok"),
        SESSION.notebook, SESSION.project, f"cell-{seq}", seq, "0" * 64, **more,
    )  # fmt: skip


def between(seq: int, wall_s: float, bucket: Bucket, **joules_and_seconds: float) -> CellRecord:
    """What is no cell's: after the one with that ``seq``."""
    origins = {"gpu_energy_j": NVML, "gpu_idle_energy_j": IDLE, "cpu_energy_j": TDP, "cpu_s": CLOCK}
    figures = tuple(
        Figure(name, value, origins.get(name, BUSY if "busy" in name else RESERVED),
               "GPU-1" if name.startswith("gpu") else None)
        for name, value in joules_and_seconds.items()
    )  # fmt: skip
    made = record(seq, wall_s, None)
    return replace(made, id=f"r{seq}-{bucket}", cell_id=None, execution_count=None, code_hash=None, bucket=bucket,
                   usage=Usage(wall_s, figures))  # fmt: skip


#: Said in a cell's first line, and again when it had ended.
SAID = (
    *tags_of("r1", {"category": "hpo", "in_paper": True, "method": "ours"}, 1.0, "run", "ada", "host"),
    *tags_of("r1", {"category": "train", "run": "seed-3"}, 2.0, "later", "ada", "host", "ab#"),
)
FIRST = record(1, 12.5, 3600.0, label="train")
TAGGED = replace(FIRST, tags=SAID[:3])
SECOND = record(2, 2.0, None, outcome="error", error_type="ValueError")
OPEN = record(3, 4.0, 1000.0, tags=tags_of("r3", {"category": "ablation"}, 3.0, "run", "ada", "host"))
IDLING = between(
    1, 40.0, "held_idle", gpu_energy_j=2200.0, gpu_idle_energy_j=2200.0, gpu_reserved_s=40.0, gpu_busy_s=0.0
)
AFTER = between(2, 8.0, "background", cpu_energy_j=30.0, cpu_s=4.0)
SUMMARY = summary_of([FIRST, SECOND, IDLING, AFTER])
HELD = [Held("GPU-1", "NVIDIA A100-SXM4-40GB", 15e9, 90.0, 0.0)]
LEDGER = {"ok": True, "message": None, "waiting": 0, "path": "/home/ada/.local/share/jupyter/costmeter/ledger.sqlite"}
SENSORS = [
    Status("process", True, "CPU time and peak memory of this process and its children"),
    Status("nvml", False, "no NVIDIA driver here (libnvidia-ml.so.1 not found)", "install the driver, or ignore this"),
]


#: A lab in France with a price for its GPUs and its electricity; and nobody said where.
LAB = Assumptions(
    places=(place_of({"region": "FR", "kind": "lab", "pue": 1.2}, "jupyter_costmeter.toml:1"),),
    tariffs=(tariff_of({"gpu_hour": "0.55", "kwh": "0.21", "currency": "EUR"}, "jupyter_costmeter.toml:6", None),),
)
NOWHERE = Assumptions()


def costs(assumed: Assumptions, *records: CellRecord) -> Costs:
    return costs_of(of_records(records, SESSION), Book(assumed))


#: Tuesday 2026-09-22, 10:00 in Berlin, and the first moment of that week.
NOW, MONDAY = 1_790_064_000.0, 1_789_941_600.0
BERLIN = "Europe/Berlin"
QUOTA = Budget(
    "0123456789ab", "gpu_hours", 20.0, "project", SESSION.project, period_of("week", BERLIN), "GPU quota", hold="ask",
    origin="/home/ada/paper/jupyter_costmeter.toml:12", file="/home/ada/paper/jupyter_costmeter.toml", shared=True,
)  # fmt: skip
CAP = Budget(
    "ba9876543210", "kwh", 5.0, "user", None, period_of("30d"), hold="stop", warn=(0.9,),
    origin="/etc/jupyter/jupyter_costmeter_config.py", cap=True,
)  # fmt: skip
GRANT = Budget(
    "00112233aabb", "amount", 150.0, "user", None,
    period_of("", BERLIN, date(2026, 9, 1), date(2026, 12, 1)), "", "EUR", paused=True,
    origin="/home/ada/.jupyter/jupyter_costmeter.toml:1", file="/home/ada/.jupyter/jupyter_costmeter.toml",
)  # fmt: skip


def gpu_hours(value: float | None, missing: int = 0, *reasons: str) -> Total:
    known = value is not None
    return Total(
        "gpu_hours", "GPU-h", value, "measured" if known else None, 1.0 if known else None, missing,
        0.01 * value if value is not None else None, (str(RESERVED.source),) if known else (), reasons,
    )  # fmt: skip


def verdict(budget: Budget, spent: Total, **more: Any) -> Verdict:
    return Verdict(budget, *budget.period.at(NOW), spent, **more)


VERDICTS = [
    verdict(
        QUOTA, gpu_hours(17.5, 1, "the GPU is lost"), granted=2.0, burn=burn(17.5, 22.0, MONDAY, MONDAY + 604800, NOW)
    ),
    verdict(CAP, Total("kwh", "kWh", None, None, None, 1, None, (), ("the ledger cannot be read",))),
    verdict(GRANT, Total("amount", "EUR", None, None, None, 1, None, (), ("it is paused",))),
]
NOTICE = Notice(
    "e1", "warned", QUOTA.id, "GPU quota", 0.8, "ok", NOW,
    "Budget GPU quota: ≥ 17.5 of 22 GPU-h (with 2 GPU-h granted) this week (80 %), 4.5 GPU-h left.",
    ("dearest", "raise"),
)  # fmt: skip
EVENTS = [
    BudgetEvent("e1", QUOTA.id, "warned", NOW, "s1", "ada", "host", "cell-3", 0.8, 17.5, 22.0, 0.0, "GPU-h",
                NOTICE.text),
    BudgetEvent("e0", QUOTA.id, "extended", NOW - 3600, "s1", "ada", "host", "cell-3", None, 20.0, 20.0, 2.0, "GPU-h",
                "Budget GPU quota: 2 GPU-h more were granted."),
]  # fmt: skip
FORECAST = Forecast(
    "history", 3, "same code", "A100-SXM4-40GB",
    Total("wall_s", "s", 12.5, "measured", 1.0, 0, 0.4), Total("energy_j", "J", 41e3, "modelled", 0.9, 0, 4e3),
    (
        Leaves(QUOTA.id, "GPU quota", gpu_hours(0.5), 4.0, 18 / 22, "it leaves 4 GPU-h of GPU quota"),
        Leaves(CAP.id, "5 kWh in any 30 days, all of mine", VERDICTS[1].spent, None, None, ""),
    ),
    "The last 3 runs took 41 ± 4 kJ; it leaves 4 GPU-h of GPU quota.",
)  # fmt: skip
PROGRESS = Progress(0.34, "Epochs", "tqdm")

DERIVE = wire.Derive(lambda of: rates.rates(of, NAMES, {}), lambda of: costs(LAB, of))
PLACES = {
    "placed": lambda: cost_wire.place("host", LAB.places[0], None, []),
    "unplaced": lambda: cost_wire.place(
        "host", None, hint({"GOOGLE_CLOUD_REGION": "us-central1"}), ["jupyter_costmeter.toml:3: [[where]]: no region"]
    ),
}


def message() -> wire.Json:
    power = accounting.power(usage(3.0, 750.0), OPEN.usage)
    return wire.message(
        "running",
        "s1",
        7,
        [wire.running(OPEN, power, DERIVE, wire.progress(PROGRESS), budget_wire.forecast(FORECAST))],
        [TAGGED, IDLING, SECOND, AFTER],
        SUMMARY,
        (),
        LEDGER,
        DERIVE,
        costs(LAB, FIRST, SECOND, IDLING, AFTER),
        told_of(VERDICTS[:2]),
        [budget_wire.notice(NOTICE)],
    )


def told_of(verdicts: list[Verdict]) -> list[wire.Json]:
    return [budget_wire.verdict(one, NOW) for one in verdicts]


def reply() -> wire.Json:
    records = [TAGGED, IDLING, SECOND, AFTER]
    derived = (DERIVE, costs(LAB, *records), told_of(VERDICTS[:2]))
    return wire.reply(SESSION, 7, [], records, SUMMARY, HELD, SENSORS, LEDGER, *derived)


def totals() -> wire.Json:
    return wire.scopes(
        "/home/ada/paper/train.ipynb",
        "/home/ada/paper",
        {name: (SUMMARY, costs(NOWHERE, FIRST, SECOND, IDLING, AFTER)) for name in ("notebook", "project")},
        {"notebook": [TAGGED, SECOND], "project": [FIRST]},
        LEDGER,
        2,
        {"r1": ("ok", SAID)},
    )


def places() -> wire.Json:
    """What the chooser asks for."""
    supposed = supposition("SE", 1.1, "H100")
    uses = of_records([FIRST, IDLING], SESSION)
    then = costs_if(uses, Book(LAB), supposed)
    regions = [cost_wire.region(snapshot.region(name)) for name in ("FR", "US-CA", "gcp/us-central1", "CF")]
    now = costs(LAB, FIRST, IDLING)
    what_if = cost_wire.what_if("notebook train.ipynb", now, then, supposed.notes([now, then]))
    return {**{name: make() for name, make in PLACES.items()}, "regions": regions, "what_if": what_if}


def budgets() -> wire.Json:
    """What the panel lists."""
    problems = ["/home/ada/paper/jupyter_costmeter.toml:20: [[budget]]: it says no measure"]
    return budget_wire.budgets(
        "/home/ada/paper/train.ipynb", "/home/ada/paper", "paper", VERDICTS, problems, EVENTS, NOW
    )


def spent() -> wire.Json:
    """Where the quota went, by cell."""
    rows = [
        Went("train", "train.ipynb", 3, (), "ok", False, "cell-1", SESSION.notebook, "r1"),
        Went("In [2]", "train.ipynb", 1, (), "error", False, "cell-2", SESSION.notebook, "r2"),
        Went("held idle", "", 4, (), id="r1-held_idle"),
    ]
    amounts = [gpu_hours(10.0), gpu_hours(5.0, 1, "the GPU is lost"), gpu_hours(2.5)]
    lines = [Line(row, one, (one.value or 0.0) / 17.5) for row, one in zip(rows, amounts, strict=True)]
    found = Whereabouts("cell", tuple(lines), gpu_hours(17.5, 1, "the GPU is lost"))
    return budget_wire.spent("GPU quota", found)


def tags() -> wire.Json:
    """What the form of tags asks for."""
    runs = {"cell-1": [("ok", tagged(SAID)), ("error", tagged(SAID[:3]))], "cell-2": [("ok", Tagged())]}
    cells = {cell_id: wire.tagged_cell(found) for cell_id, found in runs.items()}
    return {"schema": wire.SCHEMA, "methods": ["ours", "baseline"], "runs": ["seed-3"], "cells": cells}


def runs() -> wire.Json:
    """The last runs of a cell, the newest first."""
    earlier = replace(FIRST, id="r0", started_at=FIRST.started_at - 600, usage=usage(11.0, 3100.0))
    return {"schema": wire.SCHEMA, "cells": {"cell-1": [wire.run(FIRST, DERIVE), wire.run(earlier)]}}


def forecast() -> wire.Json:
    """What the panel is told of the cell that is selected."""
    return {"schema": wire.SCHEMA, "forecast": budget_wire.forecast(FORECAST)}


EXAMPLES = {
    "message": message, "reply": reply, "totals": totals, "places": places, "budgets": budgets, "spent": spent,
    "forecast": forecast, "tags": tags, "runs": runs,
}  # fmt: skip

if __name__ == "__main__":
    DATA.mkdir(exist_ok=True)
    for name, make in EXAMPLES.items():
        (DATA / f"{name}.json").write_text(json.dumps(make(), indent=1) + "\n")
