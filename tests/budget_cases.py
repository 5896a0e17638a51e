"""Sessions, records and budgets whose sums are known, by one clock that stands still."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from carbon_cases import CLOCK, LOST, NVML

from jupyter_costmeter.budget import Budget, BudgetEvent, BudgetScope, Measure, Verdict
from jupyter_costmeter.costing import Costing
from jupyter_costmeter.foretelling import Run
from jupyter_costmeter.periods import period_of
from jupyter_costmeter.record import CellRecord, Figure, SessionInfo, Total, Usage
from jupyter_costmeter.spending import Spending

NOW = 1792936800.0  # Sunday 2026-10-25, 15:00 in Berlin, the day on which clocks went back
HOUR = 3600.0
BERLIN = "Europe/Berlin"
CODE = "a" * 64  # the hash of some cell's
Make = Callable[..., Spending]


def session(name: str, notebook: str = "/lab/paper/a.ipynb", project: str | None = "/lab/paper") -> SessionInfo:
    return SessionInfo(name, NOW - 30 * 86400, "box", "ada", 1, NOW, notebook, project, {"devices": '{"G": "A100"}'})


ONE, TWO = session("s1"), session("s2", "/lab/paper/b.ipynb")


def run(
    info: SessionInfo, seq: int, hours: float = 1.0, at: float = NOW - 7200, **more: object
) -> CellRecord:  # fmt: skip
    """So many hours with a GPU that takes 1000 W."""
    figures = (
        Figure("gpu_reserved_s", hours * HOUR, CLOCK, "G"),
        Figure("gpu_energy_j", 3.6e6 * hours, NVML, "G"),
        Figure("flops_bf16", 1e15 * hours, CLOCK, "G"),
    )
    base = CellRecord(
        f"{info.id}-{seq}", info.id, seq, at, Usage(hours * HOUR, figures), "ok", info.notebook, info.project, "c", seq
    )
    return replace(base, **more)  # type: ignore[arg-type]


def budget(
    measure: Measure = "gpu_hours", scope: BudgetScope = "project", key: str | None = "/lab/paper", per: str = "week",
    **more: object,
) -> Budget:  # fmt: skip
    made = Budget(f"{measure}-{scope}-{key}-{per}", measure, 10.0, scope, key, period_of(per, BERLIN))
    return replace(made, **more)  # type: ignore[arg-type]


@pytest.fixture
def make(ledger_path: Path, home: Path) -> Iterator[Make]:
    made: list[Spending] = []

    def spending(own: str | None = None, costing: Costing | None = None) -> Spending:
        fixed = costing or Costing(None, home)
        made.append(Spending(ledger_path, lambda: fixed, own))
        return made[-1]

    yield spending
    for one in made:
        one.close()


def spent(of: Spending, one: Budget, now: float = NOW, *more: object, **named: object) -> float | None:
    (verdict,) = of.verdicts([one], now, *more, **named)  # type: ignore[arg-type]
    return None if verdict.spent.value is None else round(verdict.spent.value, 6)


def event(of: Budget, kind: str, at: float, number: int = 1, **more: object) -> BudgetEvent:
    base = BudgetEvent(
        f"e{number}", of.id, "warned", at, "s1", "ada", "box", None, 0.8, 8.0, 10.0, 0.0, "GPU-h", "text"
    )
    return replace(base, **{"kind": kind, **more})  # type: ignore[arg-type]


def ran(
    joules: float | None = 4000.0, hours: float = 0.5, info: SessionInfo = ONE, code: str = CODE, **more: object
) -> Run:
    """A run of so many hours with a GPU; ``None``: its energy could not be read."""
    figures = (
        Figure("gpu_reserved_s", hours * HOUR, CLOCK, "G"),
        Figure("gpu_energy_j", joules, NVML if joules is not None else LOST, "G"),
        Figure("cpu_energy_j", 1.0, CLOCK),
    )
    base = run(info, 1, hours, code_hash=code, **more)
    return info, replace(base, usage=Usage(hours * HOUR, figures))


def verdict(spent: float | None = 0.0, limit: float = 10.0, missing: int = 0, **more: object) -> Verdict:
    """On a week's GPU-hours, of which so many are spent."""
    one = budget(limit=limit, **more)
    return Verdict(one, *one.period.at(NOW), Total("gpu_hours", "GPU-h", spent, "measured", 1.0, missing, 0.0))
