"""One small ledger in which everything is known, and the statement of it: what norms, formats and charts are tested by.

Two machines: ``gpu07`` (two A100) with ``train.ipynb`` and ``ablation.ipynb``, and ``desk`` (no GPU) with
``prepare.ipynb``; all stand in France, in a lab. A GPU draws 300 W, a CPU 100 W while it is used, memory 10 W.

- *ours* and *baseline*: five trials each of one hour (half an hour), category ``hpo``, with ``lr`` and ``accuracy``;
- a run of ours that failed and one that was interrupted, a quarter of an hour each;
- a final run of each in the paper (``train``), two and one hours;
- two ablations that are not in the paper, and an untagged cell with a trial of ``inference`` in it;
- a preparation on the CPU, and an hour for which a GPU was held idle.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from jupyter_costmeter.costing import Costing
from jupyter_costmeter.gathering import gather
from jupyter_costmeter.ledger import Selection, open_ledger
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.record import Bucket, CellRecord, Figure, Outcome, Provenance, SessionInfo, Usage
from jupyter_costmeter.statement import Statement
from jupyter_costmeter.tag import tags_of
from jupyter_costmeter.toml_files import NAME

START = 1_790_000_000.0  # 2026-09-21 14:13:20 UTC
MADE_AT = START + 30 * 86400.0
HOUR = 3600.0
PROJECT = "/home/ada/paper"
#: FACTS §6.14: the expected maximum of these is known.
OURS = (0.70, 0.72, 0.75, 0.80, 0.81)
BASELINE = (0.68, 0.69, 0.71, 0.72, 0.74)
RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
A100 = "NVIDIA A100-SXM4-40GB"
GPU_W, CPU_W, RAM_W, IDLE_W = 300.0, 100.0, 10.0, 60.0
FLOP_PER_S = 1e14

CLOCK = Provenance("measured", "process CPU clock", 0.01)
RAPL = Provenance("modelled", "RAPL × this kernel's share of the machine's CPU time", 0.05)
RAM = Provenance("modelled", "codecarbon's memory model × share of memory", 2.0)
NVML = Provenance("measured", "NVML energy counter", 0.05)
RESERVED = Provenance("measured", "wall time with a context on this GPU (NVML process list)", 0.01)
BUSY = Provenance("modelled", "NVML utilisation samples, whole device", 0.1)
HWM = Provenance("measured", "VmHWM", 0.01)
GPU_MARK = Provenance("measured", "NVML process memory", 0.05)
TORCH = Provenance("measured", "torch operators that ran, counted by their shapes", 0.0)
NUMPY = Provenance(None, "the cell's code and what it calls", None, "numpy: its arithmetic leaves no trace to count by")

GPU07 = {
    "python": "3.11.7", "system": "Linux", "machine": "x86_64", "os": "Ubuntu 22.04.4 LTS",
    "cpu": "AMD EPYC 7742 64-Core Processor", "cpus": "128", "memory_bytes": str(512 * 2**30),
    "storage_bytes": str(2 * 10**12), "partition": "gpu-small",
    "devices": json.dumps({"GPU-1": A100, "GPU-2": A100}),
    "devices_bytes": json.dumps({"GPU-1": 40 * 2**30, "GPU-2": 40 * 2**30}),
}  # fmt: skip
DESK = {
    "python": "3.12.1", "system": "Linux", "machine": "x86_64", "os": "Debian GNU/Linux 12 (bookworm)",
    "cpu": "Intel(R) Core(TM) i7-9700 CPU @ 3.00GHz", "cpus": "8", "memory_bytes": str(32 * 2**30),
    "storage_bytes": str(5 * 10**11),
}  # fmt: skip


def _session(name: str, host: str, notebook: str, at: float, facts: dict[str, str], user: str) -> SessionInfo:
    return SessionInfo(name, at, host, user, 4242, at - 10, f"{PROJECT}/{notebook}", PROJECT, facts)


PREPARE = _session("c1", "desk.lab.example", "prepare.ipynb", START, DESK, "bo")
TRAIN = _session("g1", "gpu07.lab.example", "train.ipynb", START + 10 * HOUR, GPU07, "ada")
ABLATION = _session("g2", "gpu07.lab.example", "ablation.ipynb", START + 40 * HOUR, GPU07, "ada")

#: Beside the ledger; ``jupyter_costmeter.toml``.
DECLARED = """\
[[where]]
host = "*"
region = "FR"
kind = "lab"

[[rates]]
match = {gpu = "A100*"}
gpu_hour = 0.55
currency = "EUR"
"""


def usage(wall_s: float, gpus: tuple[str, ...] = (), watts: float = GPU_W, flops: bool = True) -> Usage:
    """Of so many seconds on one core and these GPUs."""
    of_gpus = [figure for gpu in gpus for figure in _of_gpu(gpu, wall_s, watts)]
    counted = Figure("flops_bf16", FLOP_PER_S * wall_s, TORCH, gpus[0]) if gpus else Figure(
        "flops_uncounted", None, NUMPY, "numpy"
    )  # fmt: skip
    return Usage(
        wall_s,
        (
            Figure("cpu_s", wall_s, CLOCK),
            Figure("peak_rss_bytes", 2e9 + 1e6 * wall_s, HWM),
            Figure("cpu_energy_j", CPU_W * wall_s, RAPL),
            Figure("ram_energy_j", RAM_W * wall_s, RAM),
            *of_gpus,
            *([counted] if flops else []),
        ),
    )


def _of_gpu(gpu: str, wall_s: float, watts: float) -> tuple[Figure, ...]:
    return (
        Figure("gpu_energy_j", watts * wall_s, NVML, gpu),
        Figure("gpu_idle_energy_j", IDLE_W * wall_s, NVML, gpu),
        Figure("gpu_reserved_s", wall_s, RESERVED, gpu),
        Figure("gpu_busy_s", 0.0 if watts == IDLE_W else 0.9 * wall_s, BUSY, gpu),
        Figure("peak_gpu_bytes", 2e10 + 1e6 * wall_s, GPU_MARK, gpu),
    )


def record(
    info: SessionInfo, seq: int, at: float, used: Usage, said: dict[str, Any] | None = None,
    outcome: Outcome = "ok", bucket: Bucket = "cell", **more: Any,
) -> CellRecord:  # fmt: skip
    """A run that began so many hours after its session, and what was said of it."""
    name, start = f"{info.id}-{seq}" if bucket == "cell" else f"{info.id}-{seq}-{bucket}", info.started_at + at * HOUR
    tags = tags_of(name, said or {}, start, "run", info.user, info.host)
    cell = {"cell_id": f"cell-{seq}", "execution_count": seq, "code_hash": f"{seq:064}"} if bucket == "cell" else {}
    return CellRecord(
        name, info.id, seq, start, used, outcome, info.notebook, info.project, bucket=bucket, tags=tags,
        **{**cell, **more},
    )  # fmt: skip


def trials(method: str, scores: tuple[float, ...], first: int, at: float, hours: float) -> list[CellRecord]:
    """One run for each score, one after the other, on the first GPU."""
    return [
        record(
            TRAIN, first + i, at + i * hours, usage(hours * HOUR, ("GPU-1",)),
            {"category": "hpo", "method": method, "param.lr": lr, "score.accuracy": score},
        )
        for i, (lr, score) in enumerate(zip(RATES, scores, strict=True))
    ]  # fmt: skip


def _trained() -> list[CellRecord]:
    both = ("GPU-1", "GPU-2")
    hpo = {"category": "hpo", "method": "ours"}
    return [
        *trials("ours", OURS, 1, 0.0, 1.0),
        *trials("baseline", BASELINE, 6, 5.0, 0.5),
        record(TRAIN, 11, 7.5, usage(HOUR / 4, ("GPU-1",)), {**hpo, "param.lr": 0.1}, "error", error_type="OSError"),
        record(TRAIN, 12, 8.0, usage(HOUR / 4, ("GPU-1",)), {**hpo, "param.lr": 0.03}, "interrupted"),
        record(TRAIN, 12, 9.0, usage(HOUR, ("GPU-1",), IDLE_W, flops=False), bucket="held_idle"),
        record(TRAIN, 13, 10.0, usage(2 * HOUR, both), _final("ours", 1e-2, 0.82)),
        record(TRAIN, 14, 12.0, usage(HOUR, both), _final("baseline", 1e-2, 0.75)),
    ]  # fmt: skip


def _final(method: str, lr: float, score: float) -> dict[str, Any]:
    said = {"category": "train", "method": method, "run": "final", "in_paper": True}
    return {**said, "param.lr": lr, "score.accuracy": score}


def _ablated() -> list[CellRecord]:
    said = {"category": "ablation", "in_paper": False}
    outer = record(ABLATION, 3, 2.0, usage(HOUR, ("GPU-2",)), label="evaluate")
    return [
        record(ABLATION, 1, 0.0, usage(HOUR, ("GPU-2",)), {**said, "param.layers": 6}),
        record(ABLATION, 2, 1.0, usage(HOUR, ("GPU-2",)), {**said, "param.layers": 3}),
        outer,
        record(
            ABLATION, 4, 2.25, usage(HOUR / 2, ("GPU-2",)), {"category": "inference", "score.accuracy": 0.82},
            parent_id=outer.id, cell_id=outer.cell_id, execution_count=None,
        ),
    ]  # fmt: skip


def _prepared() -> list[CellRecord]:
    return [
        record(PREPARE, 1, 0.0, usage(HOUR / 2), {"category": "prep"}),
        record(PREPARE, 2, 0.5, usage(HOUR / 10), label="look"),
        record(PREPARE, 3, 0.6, usage(60.0)),
    ]


def golden_records() -> list[tuple[SessionInfo, list[CellRecord]]]:
    """Its sessions, each with its records in the order of their start."""
    return [(PREPARE, _prepared()), (TRAIN, _trained()), (ABLATION, _ablated())]


def golden_ledger(path: Path) -> Ledger:
    """All of it in a new ledger in that file."""
    ledger = open_ledger(path)
    for info, made in golden_records():
        ledger.append(info, made)
    return ledger


def golden_costing(folder: Path) -> Costing:
    """The place and the tariff, declared in that folder."""
    (folder / NAME).write_text(DECLARED, encoding="utf-8")
    return Costing(str(folder), folder)


def golden_statement(selection: Selection | None = None) -> Statement:
    """The statement of all of it (or of a selection), always the same."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ledger = golden_ledger(folder / "ledger.sqlite")
        found = gather(ledger, selection or Selection("project", PROJECT), golden_costing(folder))
        ledger.close()
    return replace(found, made_at=MADE_AT, version="0.1.0")
