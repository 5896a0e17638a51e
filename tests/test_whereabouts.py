"""Where a budget went: rows that add up to what its verdict says, in its own measure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import get_args

import pytest
from budget_cases import HOUR, NOW, ONE, TWO, budget, run
from carbon_cases import LOST
from kernels import ALL

from jupyter_costmeter.budget import MEASURES, Budget, Measure, Verdict
from jupyter_costmeter.costing import Costing
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.record import Figure
from jupyter_costmeter.spending import Spending
from jupyter_costmeter.toml_files import NAME
from jupyter_costmeter.uses import By
from jupyter_costmeter.whereabouts import Whereabouts, whereabouts

BYS: tuple[By, ...] = get_args(By)
PRICED = '[[where]]\nregion = "FR"\npue = 1.2\n[[rates]]\ngpu_hour = 2\nkwh = 0.2\ncurrency = "EUR"\n'
Told = Callable[..., tuple[Verdict, Whereabouts]]


@pytest.fixture
def told(ledger: Ledger, ledger_path: Path, tmp_path: Path) -> Told:
    """The verdict on a budget, and where it went."""
    (tmp_path / NAME).write_text(PRICED)
    costing = Costing(str(tmp_path), tmp_path)

    def both(one: Budget, by: By = "cell") -> tuple[Verdict, Whereabouts]:
        spending = Spending(ledger_path, lambda: costing)
        (verdict,) = spending.verdicts([one], NOW, ONE)
        spending.close()
        return verdict, whereabouts(ledger, verdict, by, costing.book, ONE.id)

    return both


def filled(ledger: Ledger) -> None:
    """Runs of two notebooks, of them a failed one; what was held between them; one over the week's beginning."""
    failed = run(ONE, 3, 0.25, NOW - 9 * HOUR, outcome="error", cell_id="d")
    held = run(ONE, 4, 2.0, NOW - 20 * HOUR, bucket="held_idle", cell_id=None, execution_count=None)
    ledger.append(ONE, [run(ONE, 1), run(ONE, 2, 0.5, NOW - 30 * HOUR), failed, held])
    ledger.append(TWO, [run(TWO, 1, 30.0, NOW - 6.9 * 86400)])
    ledger.journal(TWO, [run(TWO, 2, 0.125, NOW - 450)])


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("by", BYS)
def test_the_rows_add_up_to_what_was_spent(told: Told, ledger: Ledger, measure: Measure, by: By) -> None:
    filled(ledger)
    for per in ("week", "day", "total", "7d"):
        verdict, found = told(budget(measure, per=per, currency="EUR" if measure == "amount" else None), by)
        assert found.total.value == pytest.approx(verdict.spent.value)
        assert found.total.unit == verdict.spent.unit
        assert found.total.missing == verdict.spent.missing
        assert sum(line.share or 0.0 for line in found.lines) == pytest.approx(1.0 if found.total.value else 0.0)


def test_of_cells_the_dearest_come_first_with_how_they_ended(told: Told, ledger: Ledger) -> None:
    filled(ledger)
    _, found = told(budget(per="48h"))
    rows = [(line.went.name, line.went.runs, line.went.outcome, line.amount.value) for line in found.lines]
    assert rows == [
        ("held idle", 0, None, 2.0),  # nothing is run between cells
        ("In [1]", 2, "ok", 1.5),
        ("In [3]", 1, "error", 0.25),
        ("running now", 1, None, 0.125),
    ]


def test_days_stay_in_their_order(told: Told, ledger: Ledger) -> None:
    filled(ledger)
    _, found = told(budget(per="7d"), "day")
    names = [line.went.name for line in found.lines if line.went.name != "running now"]
    assert names == sorted(names)


@pytest.mark.parametrize("by", [by for by in BYS if by != "day"])  # a run over midnight is one of both days
def test_runs_are_cells_however_they_are_told_apart(told: Told, ledger: Ledger, by: By) -> None:
    filled(ledger)
    _, found = told(budget(per="total"), by)
    assert sum(line.went.runs for line in found.lines) == 5


def test_nothing_is_run_on_a_day_on_which_a_gpu_was_only_held(told: Told, ledger: Ledger) -> None:
    ledger.append(ONE, [run(ONE, 1, bucket="held_idle", cell_id=None)])
    _, found = told(budget(per="total"), "day")
    assert [(line.went.runs, line.amount.value) for line in found.lines] == [(0, 1.0)]


def test_a_cell_that_a_budget_kept_from_starting_is_no_failed_run(told: Told, ledger: Ledger) -> None:
    held = run(ONE, 5, 0.0, NOW - HOUR, outcome="error", error_type="BudgetHold", cell_id="e")
    filled(ledger)
    ledger.append(ONE, [held])
    _, found = told(budget(per="total"), "outcome")
    rows = {line.went.name: (line.went.runs, line.went.outcome) for line in found.lines}
    assert rows["not started"] == (1, None)
    assert rows["error"] == (1, "error")
    _, by_cell = told(budget(per="total"), "cell")
    assert sum(line.went.runs for line in by_cell.lines) == 5  # it has not run
    assert "error" in {line.went.outcome for line in by_cell.lines}  # of the cell that did fail
    ledger.append(ONE, [replace(held, id="s1-6", seq=6, cell_id="c", started_at=NOW)])
    _, by_cell = told(budget(per="total"), "cell")
    outcomes = {line.went.cell_id: line.went.outcome for line in by_cell.lines if line.went.cell_id}
    assert outcomes["e"] is None  # it never ran
    assert outcomes["c"] == "ok"  # as its last run ended
    assert ledger.summary(ALL).failed == 1
    assert ledger.check() == []


def test_what_was_not_read_is_said_and_no_nought(told: Told, ledger: Ledger) -> None:
    lost = run(ONE, 1, cell_id="lost")
    figures = (Figure("gpu_reserved_s", None, LOST, "G"),)
    ledger.append(ONE, [replace(lost, usage=replace(lost.usage, figures=figures)), run(ONE, 2)])
    verdict, found = told(budget())
    (known, unknown) = found.lines
    assert (known.amount.value, unknown.amount.value, unknown.share) == (1.0, None, None)
    assert "the GPU is lost" in unknown.amount.reasons
    assert found.total.incomplete
    assert verdict.spent.incomplete


def test_of_each_session_it_is_of_that_one(told: Told, ledger: Ledger) -> None:
    ledger.append(ONE, [run(ONE, 1)])
    ledger.append(TWO, [run(TWO, 1, 5.0)])
    _, found = told(budget(scope="session", key=None, per="session"))
    assert found.total.value == 1.0


def test_nothing_was_used(told: Told) -> None:
    _, found = told(budget())
    assert (found.lines, found.total.value) == ((), 0.0)


def test_a_running_cell_that_has_just_ended_counts_once(told: Told, ledger: Ledger) -> None:
    ledger.append(ONE, [run(ONE, 1)])
    ledger.append(TWO, [run(TWO, 1)])
    ledger.journal(TWO, [run(TWO, 1)])  # its last tick came late
    _, found = told(budget())
    assert found.total.value == 2.0


@pytest.mark.parametrize("by", BYS)
def test_each_hour_counts_by_its_own_conditions(told: Told, ledger: Ledger, tmp_path: Path, by: By) -> None:
    """The electricity became cleaner in the middle of a session."""
    moved = date.fromtimestamp(NOW - 10 * 86400).isoformat()
    rows = f'[[where]]\nregion = "PL"\nuntil = {moved}\n[[where]]\nregion = "SE"\nfrom = {moved}\n'
    (tmp_path / NAME).write_text(rows)
    ledger.append(ONE, [run(ONE, 1, at=NOW - 20 * 86400), run(ONE, 2, at=NOW - 7200)])
    verdict, found = told(budget("kgco2e", per="total"), by)
    assert found.total.value == pytest.approx(verdict.spent.value)
    lonely = told(budget("kgco2e", per="day"), by)[1].total.value
    assert lonely is not None
    assert found.total.value is not None
    assert found.total.value > 5 * lonely
