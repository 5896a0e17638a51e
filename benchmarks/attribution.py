"""Whose joules: cells of known power, metered by ours and by peers, side by side in one run.

``python benchmarks/attribution.py [--peers FOLDER] [--cells 36] [--quick] [--markdown]``

For each behaviour of the energy counter there is a real ipykernel with ours and one with the
peers, each with a simulated GPU (tests/nvml) under the real pynvml. A cell sets its GPU's power as
it begins and as it ends, and sleeps in between, so all kernels run at the same time. The truth is
the exact integral of the power between the meter's own two readings of the counter.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from jupyter_client.manager import start_new_kernel
from peers import (
    BARE,
    CODECARBON_TASKS,
    COSTMETER,
    OURS,
    ROOT,
    ZEUS_APPROX,
    ZEUS_WINDOWS,
    Meter,
    environment,
    library,
    staged,
    there,
)
from tabulate import tabulate

from jupyter_costmeter.ledger import Selection
from jupyter_costmeter.ledger.store import Ledger

LENGTHS_S = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
#: Behaviours of the counter and of the power: fields of ``Gpu`` in tests/nvml/sim.py.
RAMPS = {"rise_ms": 20.0, "fall_ms": 150.0}
SCENARIOS: dict[str, dict[str, float]] = {
    "step 0": {"step_ms": 0.0},
    "step 0, ramps": {"step_ms": 0.0, **RAMPS},
    "step 20 ms": {"step_ms": 20.0},
    "step 20 ms, ramps": {"step_ms": 20.0, **RAMPS},
    "step 100 ms": {"step_ms": 100.0},
    "step 100 ms, jitter 10 ms": {"step_ms": 100.0, "jitter_ms": 10.0},
    "step 100 ms, ramps": {"step_ms": 100.0, **RAMPS},
    "step 100 ms, jitter, ramps": {"step_ms": 100.0, "jitter_ms": 10.0, **RAMPS},
}
METERS = (COSTMETER, ZEUS_WINDOWS, ZEUS_APPROX, CODECARBON_TASKS)
NAMES = {COSTMETER: "ours", ZEUS_WINDOWS: "zeus", ZEUS_APPROX: "zeus, instant", CODECARBON_TASKS: "codecarbon"}
LOAD_W = 300.0
STAGE = """
import sys; sys.path[:0] = [{benchmarks!r}]
from peers import Stage as _Stage
_stage = _Stage({built!r}, {control!r}, {fields!r})
"""


@dataclass(frozen=True)
class Cell:
    """One cell: what it was, what its GPU truly drew in its window, what the meter says."""

    kind: str
    length_s: float
    true_j: float
    joules: float | None = None
    width_j: float | None = None  # the half-width of the interval that the meter states

    @property
    def error(self) -> float:
        """Relative; no figure is as wrong as none of it."""
        return 1.0 if self.joules is None else abs(self.joules - self.true_j) / self.true_j

    @property
    def contained(self) -> bool:
        return self.joules is not None and abs(self.joules - self.true_j) <= (self.width_j or 0.0)


@dataclass
class Outcome:
    """What one meter made of one scenario."""

    meter: Meter
    scenario: str
    cells: list[Cell] = field(default_factory=list)
    drift_j: dict[str, float] = field(default_factory=dict)  # by phase: the whole session's figure less the truth
    cpu_s: float = 0.0  # of the kernel's process, while isolated cells ran
    isolated: int = 0

    def of(self, kind: str, length_s: float | None = None) -> list[Cell]:
        return [c for c in self.cells if c.kind == kind and length_s in (None, c.length_s)]


class Kernel:
    """Some meters in a kernel, on one simulated GPU."""

    def __init__(self, meters: Sequence[Meter], scenario: str, folder: Path, built: Path, peers: str) -> None:
        self.meters, self.scenario = meters, scenario
        name = f"{meters[0].name} {scenario}".replace(" ", "-").replace(",", "")
        self.data, control = folder / name, folder / f"{name}.gpu"
        control.touch()
        env = {**environment(built, control), "JUPYTER_DATA_DIR": str(self.data)}
        self.manager, self.client = start_new_kernel(
            startup_timeout=300, env=env, cwd=str(folder), stderr=subprocess.DEVNULL
        )
        fields = SCENARIOS[scenario]
        self.run(
            STAGE.format(benchmarks=str(ROOT / "benchmarks"), built=str(built), control=str(control), fields=fields)
        )
        for meter in meters:
            self.run(staged(meter, peers))

    def run(self, code: str, cell_id: str = "") -> None:
        self.client.session.metadata = {"cellId": cell_id} if cell_id else {}
        reply = self.client.execute_interactive(code, output_hook=lambda _: None, timeout=120)
        if reply["content"]["status"] != "ok":
            raise RuntimeError(f"{self.meters}, {self.scenario}: {reply['content']}")

    def burst(self, cells: Sequence[tuple[str, str]]) -> None:
        """All cells at once, as "Run All" does; until the last has ended."""
        asked = set()
        for cell_id, code in cells:
            self.client.session.metadata = {"cellId": cell_id}
            asked.add(self.client.execute(code))
        while asked:
            asked.discard(self.client.get_shell_msg(timeout=120)["parent_header"]["msg_id"])

    def value(self, expression: str) -> Any:
        content = self.client.execute_interactive(
            "", silent=True, user_expressions={"it": expression}, output_hook=lambda _: None, timeout=120
        )["content"]
        answer = content["user_expressions"]["it"]
        assert answer["status"] == "ok", answer
        return eval(answer["data"]["text/plain"], {"inf": float("inf"), "nan": float("nan")})

    def stop(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


# One kernel's programme


@dataclass(frozen=True)
class Plan:
    """How much of what is run."""

    cells: int  # isolated ones, of each length
    gap_s: tuple[float, float]
    sequences: int
    in_a_row: int


@dataclass
class Run:
    """One kernel's programme: isolated cells, and in the middle of them sequences, which nobody else's disturb."""

    kernel: Kernel
    plan: Plan
    part: float  # of the isolated cells before the sequences
    alone: threading.Lock
    outcomes: dict[str, Outcome] = field(init=False)
    _asked: dict[str, tuple[str, float]] = field(default_factory=dict)
    _rng: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.outcomes = {m.name: Outcome(m, self.kernel.scenario) for m in self.kernel.meters}
        self._rng = random.Random(f"{self.kernel.scenario} {self.part:.0f}")

    def whole(self) -> list[Outcome]:
        lengths = [length for length in LENGTHS_S for _ in range(self.plan.cells)]
        random.Random(self.kernel.scenario).shuffle(lengths)
        cut = round(self.part * len(lengths))
        self._phase("isolated", lengths[:cut])
        with self.alone:
            for _ in range(self.plan.sequences):
                self._phase("irregular", [self._rng.uniform(0.01, 0.2) for _ in range(20)])
            self._phase("in a row", [0.01] * self.plan.in_a_row)
        self._phase("isolated", lengths[cut:])
        self._collect()
        return list(self.outcomes.values())

    def _phase(self, kind: str, lengths: Sequence[float]) -> None:
        """Some cells of a kind; over all of them, what the whole session's total grew by less the truth."""
        if not lengths:
            return
        self.kernel.run(*self._cell("warm", 0.1))
        time.sleep(1.5)
        before = self._total()
        cpu_s = self.kernel.value("__import__('time').process_time()")
        self._cells(kind, lengths)
        time.sleep(1.5)
        first = next(iter(self.outcomes.values()))
        if kind == "isolated":
            first.cpu_s += self.kernel.value("__import__('time').process_time()") - cpu_s
            first.isolated += len(lengths)
        after = self._total()
        if before is not None and after is not None:
            true_j = self.kernel.value(f"_stage.true_j({before[1]!r}, {after[1]!r})")
            drift = after[0] - before[0] - true_j
            first.drift_j[kind] = max(first.drift_j.get(kind, 0.0), drift, key=abs)

    def _cells(self, kind: str, lengths: Sequence[float]) -> None:
        cells = [self._cell(kind, length) for length in lengths]
        if kind == "in a row":
            self.kernel.burst([(cell_id, code) for code, cell_id in cells])
            return
        for code, cell_id in cells:
            self.kernel.run(code, cell_id)
            time.sleep(self._rng.uniform(*(self.plan.gap_s if kind == "isolated" else (0.005, 0.3))))

    def _cell(self, kind: str, length_s: float) -> tuple[str, str]:
        """Its code and its id."""
        cell_id = f"{kind} {len(self._asked)}"
        self._asked[cell_id] = (kind, length_s)
        return f"_stage.work({length_s!r}, {LOAD_W * self._rng.uniform(0.7, 1.1)!r})", cell_id

    def _total(self) -> tuple[float, float] | None:
        """The session's GPU joules up to the end of the last cell, and when that was."""
        if COSTMETER not in self.kernel.meters:
            return None
        self.kernel.value("get_ipython().costmeter.session.flush()")
        joules = self.kernel.value("get_ipython().costmeter.session.summary().total('gpu_energy_j').value")
        return joules, self.kernel.value("_stage.windows[-1][3]")

    def _collect(self) -> None:
        stated = dict(_recorded(self.kernel.data)) if COSTMETER in self.kernel.meters else {}
        for name, cell_id, true_j, joules in self.kernel.value("_stage.results()"):
            if cell_id in self._asked:
                known = stated.get(cell_id, (None, None)) if name == OURS else (joules, None)
                self.outcomes[name].cells.append(Cell(*self._asked[cell_id], true_j, *known))


def _recorded(data: Path) -> Iterator[tuple[str, tuple[float | None, float | None]]]:
    """By cell: the joules in our ledger, and the half-width of their interval."""
    ledger = Ledger(data / "costmeter" / "ledger.sqlite")
    for record in ledger.records(Selection("all")):
        figure = record.usage.figure("gpu_energy_j")
        if record.bucket == "cell" and record.cell_id and figure is not None:
            value, width = figure.value, figure.uncertainty
            yield record.cell_id, (value, None if value is None or width is None else value * width)


# Tables


def errors(outcomes: Sequence[Outcome]) -> list[list[str]]:
    """Median error by length of each meter, and beside ours how many intervals contain the truth."""
    rows = []
    for scenario in SCENARIOS:
        for outcome in _of(outcomes, scenario):
            found = [outcome.of("isolated", length) for length in LENGTHS_S] + [outcome.of("irregular")]
            rows.append([scenario, NAMES[outcome.meter], *map(_median, found)])
    return rows


def intervals(outcomes: Sequence[Outcome]) -> list[list[str]]:
    """Of ours: how many intervals contain the truth, and how wide they are."""
    rows = []
    for outcome in (o for o in outcomes if o.meter is COSTMETER):
        found = [outcome.of("isolated", length) for length in LENGTHS_S]
        found += [outcome.of("irregular"), outcome.of("in a row"), [c for c in outcome.cells if c.kind != "warm"]]
        rows.append([outcome.scenario, *map(_contained, found)])
    return rows


def sums(outcomes: Sequence[Outcome], bare_s: float) -> list[list[str]]:
    """Cells in a row: their sum against the truth; of ours the session's drift and CPU time."""
    rows = []
    for scenario in SCENARIOS:
        for outcome in _of(outcomes, scenario):
            cells = outcome.of("in a row")
            true_j, known_j = sum(c.true_j for c in cells), sum(c.joules or 0.0 for c in cells)
            step_j = SCENARIOS[outcome.scenario]["step_ms"] / 1e3 * LOAD_W
            drift = max(outcome.drift_j.values(), key=abs, default=None)
            cpu_ms = 1e3 * (outcome.cpu_s / max(1, outcome.isolated) - bare_s)
            row = [_median(cells), f"{known_j - true_j:+.2f} J of {true_j:.0f}"]
            row += [_steps(known_j - true_j, step_j), "" if drift is None else f"{drift:+.2f} J"]
            rows.append([scenario, NAMES[outcome.meter], *row, f"{cpu_ms:.1f}" if outcome.drift_j else ""])
    return rows


def _of(outcomes: Sequence[Outcome], scenario: str) -> list[Outcome]:
    return [o for o in outcomes if o.scenario == scenario and o.meter is not BARE]


def _steps(joules: float, step_j: float) -> str:
    return f"{abs(joules) / step_j:.2f}" if step_j else "-"


def _median(cells: Sequence[Cell]) -> str:
    return f"{100 * statistics.median(c.error for c in cells):.1f} %" if cells else "-"


def _contained(cells: Sequence[Cell]) -> str:
    """The share of intervals that contain the truth, and their median relative half-width."""
    if not cells:
        return "-"
    widths = [c.width_j / c.joules for c in cells if c.width_j is not None and c.joules]
    width = f" (±{100 * statistics.median(widths):.0f} %)" if widths else ""
    return f"{100 * sum(c.contained for c in cells) / len(cells):.0f} %{width}"


def run(meters: Sequence[Meter], scenarios: Sequence[str], plan: Plan, peers: str) -> list[Outcome]:
    alone = threading.Lock()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        built = library(folder)
        teams: list[Sequence[Meter]] = [[COSTMETER], [m for m in meters if m is not COSTMETER]]
        wanted = [(team, scenario) for scenario in scenarios for team in teams if team]
        wanted.append(([BARE], scenarios[-1]))
        with ThreadPoolExecutor(3) as starting:
            kernels = list(starting.map(lambda one: Kernel(one[0], one[1], folder, built, peers), wanted))
        time.sleep(3.0)
        print(f"{len(kernels)} kernels", file=sys.stderr)
        runs = [Run(k, plan, (i + 0.5) / len(kernels), alone) for i, k in enumerate(kernels)]
        with ThreadPoolExecutor(len(runs)) as all_at_once:
            outcomes = [outcome for found in all_at_once.map(Run.whole, runs) for outcome in found]
        for kernel in kernels:
            kernel.stop()
    return outcomes


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--peers", default="", help=f"folders with the peers, {os.pathsep!r} between them")
    asked.add_argument("--cells", type=int, default=36, help="isolated cells of each length")
    asked.add_argument("--only", default="", help="scenarios whose name contains this")
    asked.add_argument("--raw", type=Path, help="write each cell there, as JSON")
    asked.add_argument("--quick", action="store_true", help="a smoke run: the numbers mean nothing")
    asked.add_argument("--markdown", action="store_true")
    options = asked.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    plan = Plan(2, (0.3, 0.6), 1, 20) if options.quick else Plan(options.cells, (0.6, 3.0), 2, 100)
    scenarios = [s for s in SCENARIOS if options.only in s]
    began = time.monotonic()
    outcomes = run(there(METERS, options.peers), scenarios, plan, options.peers)
    if options.raw:
        options.raw.write_text(json.dumps([asdict(o) | {"meter": o.meter.name} for o in outcomes]))
    bare = next(o for o in outcomes if o.meter is BARE)
    lengths = [f"{1e3 * s:.0f} ms" if s < 1 else f"{s:.0f} s" for s in LENGTHS_S]
    how = "github" if options.markdown else "simple"
    for title, head, rows in (
        ("Median error of a cell's GPU energy", ["", "", *lengths, "irregular"], errors(outcomes)),
        (
            f"Intervals of {OURS} that contain the truth (median half-width)",
            ["", *lengths, "irregular", f"{plan.in_a_row} in a row", "all"],
            intervals(outcomes),
        ),
        (
            f"{plan.in_a_row} cells of 10 ms in a row, the session's total, and CPU time",
            ["", "", "median error", "their sum", "in steps", "session's drift", "CPU, ms per isolated cell"],
            sums(outcomes, bare.cpu_s / max(1, bare.isolated)),
        ),
    ):
        print(f"\n{title}\n")
        print(tabulate(rows, headers=head, tablefmt=how, disable_numparse=True))
    print(f"\n{plan.cells} isolated cells of each length, {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
