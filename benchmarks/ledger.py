"""A ledger of a million records: the panel's totals, an append, an export.

``python benchmarks/ledger.py [--records 1000000] [--folder DIR] [--keep] [--markdown]``

The ledger is built by the real ``append``, one session's records at a time: 500 records a session,
300 notebooks in 20 projects, some nine figures each; one record in 20 is no cell's, one in 33 is
an inner window, one in 12 has a label. What is measured is measured in a process of its own each:
*totals* are what the server does when the panel asks (open the ledger, summary and ten dearest,
close); a *budget* is read whole once, and then only what is new; *append* is one record, from the
call to the durable commit; *export* writes to a file, and its memory is what the process's resident
memory grows by, at its highest.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from math import inf
from pathlib import Path
from typing import cast

from tabulate import tabulate

from jupyter_costmeter import report
from jupyter_costmeter.assumptions import ALWAYS, Assumptions, Placed
from jupyter_costmeter.budget import Budget, BudgetScope, Measure
from jupyter_costmeter.conditions import Book
from jupyter_costmeter.costing import Costing, costs_of
from jupyter_costmeter.gathering import gather
from jupyter_costmeter.ledger import Selection, open_ledger
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.periods import period_of
from jupyter_costmeter.record import Bucket, CellRecord, Figure, Provenance, SessionInfo, Usage
from jupyter_costmeter.spending import Spending
from jupyter_costmeter.tariffs import tariff_of
from jupyter_costmeter.uses import By

WEEK_S = 7 * 86400.0
PER_SESSION, NOTEBOOKS, PROJECTS = 500, 300, 20
CLOCK = Provenance("measured", "process CPU clock", 0.01)
TDP = Provenance("modelled", "TDP 120 W × CPU time", 0.5)
RAPL = Provenance("modelled", "RAPL × this kernel's share of the machine's CPU time", 0.05)
RAM = Provenance("modelled", "codecarbon's memory model × share of memory", 2.0)
NVML = Provenance("measured", "NVML energy counter", 0.05)
SHORT = Provenance("modelled", "NVML energy counter, solved for this cell", 0.2)
LOST = Provenance(None, "NVML energy counter", None, "the GPU is lost")
RESERVED = Provenance("measured", "wall time with a context on this GPU", 0.01)
BUSY = Provenance("modelled", "NVML utilisation samples, whole device", 0.1)
MARK = Provenance("measured", "VmHWM", 0.01)
GPU_MARK = Provenance("measured", "NVML process memory", 0.05)
DEVICES = json.dumps({f"GPU-{i}": "NVIDIA A100-SXM4-40GB" for i in range(2)})


def session(number: int) -> SessionInfo:
    notebook = number % NOTEBOOKS
    project = f"lab/project-{notebook % PROJECTS}"
    return SessionInfo(
        f"session-{number:08}", 1.7e9 + 3600 * number, "host", "ada", 4242, 1.7e9, f"{project}/n{notebook}.ipynb",
        project, {"python": "3.11.7", "devices": DEVICES},
    )  # fmt: skip


def usage(chance: random.Random, wall_s: float) -> Usage:
    gpu = f"GPU-{chance.randrange(2)}"
    watts = chance.uniform(80, 400)
    energy = Figure("gpu_energy_j", watts * wall_s, NVML if wall_s > 1 else SHORT, gpu)
    return Usage(
        wall_s,
        (
            Figure("cpu_s", wall_s * chance.random(), CLOCK),
            Figure("cpu_energy_j", 60 * wall_s, chance.choice((TDP, RAPL))),
            Figure("ram_energy_j", 4 * wall_s, RAM),
            Figure("gpu_energy_j", None, LOST, gpu) if chance.random() < 0.001 else energy,
            Figure("gpu_idle_energy_j", 60 * wall_s, NVML, gpu),
            Figure("gpu_reserved_s", wall_s, RESERVED, gpu),
            Figure("gpu_busy_s", wall_s * chance.random(), BUSY, gpu),
            Figure("peak_rss_bytes", chance.uniform(1e8, 4e9), MARK),
            Figure("peak_gpu_bytes", chance.uniform(1e9, 4e10), GPU_MARK, gpu),
        ),
    )


def records(info: SessionInfo, seqs: range) -> Iterator[CellRecord]:
    chance = random.Random(f"{info.id} {seqs.start}")
    for seq in seqs:
        draw = chance.random()
        bucket: Bucket = "held_idle" if draw < 0.03 else "background" if draw < 0.05 else "cell"
        yield CellRecord(
            f"{info.id}-{seq}", info.id, seq, info.started_at + 7 * seq, usage(chance, chance.lognormvariate(0, 2)),
            "ok" if chance.random() < 0.95 else "error", info.notebook, info.project, f"cell-{seq % 40}", seq,
            f"{seq % 40:064}", label=f"run {seq % 7}" if bucket == "cell" and chance.random() < 0.08 else None,
            parent_id=f"{info.id}-{seq - 1}" if chance.random() < 0.03 else None, bucket=bucket,
        )  # fmt: skip


def build(path: Path, count: int) -> float:
    """Records a second, with a ledger that grows to so many."""
    ledger, began = open_ledger(path), time.perf_counter()
    for number in range(count // PER_SESSION):
        info = session(number)
        ledger.append(info, records(info, range(1, PER_SESSION + 1)))
        if number % 100 == 99:
            print(f"\r{(number + 1) * PER_SESSION:,} records", end="", file=sys.stderr, flush=True)
    ledger.close()
    print(file=sys.stderr)
    return count / (time.perf_counter() - began)


def selections() -> dict[str, Selection]:
    one = session(7)
    return {
        "a notebook": Selection("notebook", one.notebook),
        "its project": Selection("project", one.project),
        "everything": Selection("all"),
    }


def shown(ledger: Ledger, *which: Selection) -> None:
    for selection in which:
        ledger.summary(selection)
    for selection in which:
        ledger.dearest(selection, 10)
    ledger.close()


def times(repeat: int, work: Callable[[], object]) -> list[float]:
    found = []
    for _ in range(repeat):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return found


def measure_totals(path: Path) -> dict[str, list[float]]:
    scopes = selections()
    panel = (scopes["a notebook"], scopes["its project"])
    found = {"the panel (notebook and project)": times(50, lambda: shown(open_ledger(path), *panel))}
    return found | {name: times(50, lambda s=s: shown(open_ledger(path), s)) for name, s in scopes.items()}


def measure_costs(path: Path) -> dict[str, list[float]]:
    """Carbon and money of each scope: by a value a year, and by one an hour, for which each record is read."""
    moved = Placed("", "FR", "lab", None, (0.0, time.time()), "")
    rates = (tariff_of({"gpu_hour": "0.55", "kwh": "0.21", "currency": "EUR"}, "", None),)
    found = {}
    for how, placed in (("a year's", replace(moved, span=ALWAYS)), ("each hour's", moved)):
        book = Book(Assumptions(places=(placed,), tariffs=rates))
        for name, scope in selections().items():
            found[f"{name}, {how} factors"] = times(10, partial(costed, path, scope, book))
    return found


def costed(path: Path, scope: Selection, book: Book) -> None:
    ledger = open_ledger(path)
    costs_of(ledger.uses(scope, book.changed_at), book)
    ledger.close()


def measure_budgets(path: Path) -> dict[str, list[float]]:
    """A week's budgets of the last project and of everything: read whole, and looked at again when nothing is new."""
    count = session_count(path)
    last, now = session(count - 1), session(count).started_at
    costing = Costing(None, path.parent)
    scopes: list[tuple[str, BudgetScope, str | None, str]] = [
        ("a project's week", "project", last.project, "7d"),
        ("everybody's week", "user", None, "7d"),
        ("everybody's total", "user", None, "total"),
    ]
    found = {}
    for name, scope, key, per in scopes:
        for measure in ("gpu_hours", "kgco2e"):
            budget = Budget(f"{name} {measure}", cast(Measure, measure), 100.0, scope, key, period_of(per))
            found[f"{name}, {measure}: whole"] = times(5, partial(first_look, path, costing, budget, now))
            spending = Spending(path, lambda: costing)
            found[f"{name}, {measure}: again"] = times(200, partial(spending.verdicts, [budget], now))[1:]
            spending.close()
    ledger, asked = open_ledger(path), (Selection("project", last.project), now - WEEK_S, inf)
    for by in ("cell", "day", "outcome"):
        found[f"where a project's week went, by {by}"] = times(3, partial(ledger.went, *asked, cast(By, by)))
    found["a project's statement, gathered"] = times(3, partial(gather, ledger, asked[0], costing))
    found["a cell's history"] = times(20, partial(ledger.history, "cell-7", f"{7:064}", last.notebook, 5, last.project))
    ledger.close()
    return found


def session_count(path: Path) -> int:
    ledger = open_ledger(path)
    return len([info for info in ledger.sessions(Selection("all")) if info.pid == 4242 and len(info.id) == 16])


def first_look(path: Path, costing: Costing, budget: Budget, now: float) -> None:
    spending = Spending(path, lambda: costing)
    spending.verdicts([budget], now)
    spending.close()


def measure_append(path: Path) -> list[float]:
    ledger, info = open_ledger(path), session(os.getpid() + 10**6)
    fresh = iter(list(records(info, range(1, 521))))
    times(20, lambda: ledger.append(info, [next(fresh)]))
    return times(500, lambda: ledger.append(info, [next(fresh)]))


def measure_export(path: Path, suffix: str, scope: str) -> dict[str, float]:
    ledger = open_ledger(path)
    with Path(os.devnull).open("w") as nowhere:  # what is imported, and SQLite's own cache
        report.write(ledger, Selection("session", session(1).id), suffix, nowhere)
    given = itertools.count()
    real = ledger.records
    ledger.records = lambda selection: (record for record in real(selection) if next(given) >= 0)  # type: ignore
    before, began = peak_bytes(reset=True), time.perf_counter()
    with tempfile.TemporaryFile("w", dir=path.parent) as out:
        report.write(ledger, selections()[scope], suffix, out)
    took = time.perf_counter() - began
    return {"grown": peak_bytes() - before, "took": took, "count": next(given)}


def peak_bytes(reset: bool = False) -> int:
    """The highest resident memory, since the last reset."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


WORKS: dict[str, Callable[..., object]] = {
    "totals": measure_totals,
    "costs": measure_costs,
    "budgets": measure_budgets,
    "append": measure_append,
    "export": measure_export,
    "check": lambda path: open_ledger(path).check(),
}


def apart(path: Path, *work: str) -> object:
    """That work's answer, from a process of its own."""
    command = [sys.executable, __file__, "--work", *work, "--ledger", str(path)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def row(name: str, seconds: list[float]) -> tuple[str, str, str]:
    high = statistics.quantiles(seconds, n=20)[-1]
    return name, f"{statistics.median(seconds) * 1e3:.2f} ms", f"{high * 1e3:.2f} ms"


def table(path: Path, built: float | None) -> list[tuple[str, str, str]]:
    totals = apart(path, "totals")
    assert isinstance(totals, dict)
    found = [row(f"totals and ten dearest: {name}", seconds) for name, seconds in totals.items()]
    costs = apart(path, "costs")
    assert isinstance(costs, dict)
    found += [row(f"carbon and money: {name}", seconds) for name, seconds in costs.items()]
    budgets = apart(path, "budgets")
    assert isinstance(budgets, dict)
    found += [row(f"budget: {name}", seconds) for name, seconds in budgets.items()]
    append = apart(path, "append")
    assert isinstance(append, list)
    found.append(row("append of one record", append))
    for suffix in ("json", "csv"):
        for scope in ("a notebook", "its project", "everything"):
            one = apart(path, "export", suffix, scope)
            assert isinstance(one, dict)
            speed, grown = f"{one['count'] / one['took']:,.0f} records/s", f"+{one['grown'] / 2**20:.1f} MiB"
            found.append((f"export {suffix}: {scope}, {one['count']:,}", speed, grown))
    wrong = apart(path, "check")
    assert wrong == [], wrong
    if built:
        found.append(("building, 500 records an append", f"{built:,.0f} records/s", ""))
    return [*found, ("the file", f"{path.stat().st_size / 2**20:,.0f} MiB", "")]


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--records", type=int, default=1_000_000)
    words.add_argument("--ledger", type=Path, help="one that this made earlier, instead of a new one")
    words.add_argument("--folder", type=Path, help="where to make it (on the disk that is to be measured)")
    words.add_argument("--keep", action="store_true", help="do not delete it afterwards")
    words.add_argument("--markdown", action="store_true")
    words.add_argument("--work", nargs="+", help=argparse.SUPPRESS)
    asked = words.parse_args()
    if asked.work:
        print(json.dumps(WORKS[asked.work[0]](asked.ledger, *asked.work[1:])))
        return
    folder = Path(tempfile.mkdtemp(prefix="ledger-", dir=asked.folder))
    path = asked.ledger or folder / "ledger.sqlite"
    built = None if asked.ledger else build(path, asked.records)
    made = table(path, built)
    print(tabulate(made, ("", "median", "95th percentile, or memory"), "github" if asked.markdown else "simple"))
    if asked.keep:
        print(path)
        return
    for left in folder.iterdir():
        left.unlink()
    folder.rmdir()


if __name__ == "__main__":
    main()
