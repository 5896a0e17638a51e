"""NeurIPS item 8: an answer, one or two sentences, and tables that add up."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal

import pytest

from jupyter_costmeter.derived import Bill
from jupyter_costmeter.norms.neurips import NeurIPS
from jupyter_costmeter.statement import Form, Grid, Item, Spent, Statement


def item(form: Form, key: str) -> Item:
    return next(found for found in form.items if found.key == key)


def table(form: Form, title: str) -> Grid:
    return next(found for found in form.tables if found.title == title)


def hours(grid: Grid, column: str) -> dict[str, float]:
    at = grid.columns.index(column)
    return {row[0]: float(row[at].split(" ")[0]) for row in grid.rows}


@pytest.mark.parametrize("name", ["golden", "no_gpu", "unplaced", "untagged"])
def test_the_justification_is_one_or_two_sentences(name: str, request: pytest.FixtureRequest) -> None:
    form = NeurIPS().form(request.getfixturevalue(name))
    assert item(form, "answer").answer == "Yes"
    justification = item(form, "justification").answer or ""
    assert justification.endswith(".")
    assert 1 <= len(re.findall(r"\.(?= [A-Z]|$)", justification)) <= 2


def test_nothing_metered_is_no_yes(nothing: Statement) -> None:
    form = NeurIPS().form(nothing)
    assert item(form, "answer").answer is None
    assert form.text.startswith("TODO(author): ")


def test_the_project_adds_up(golden: Statement) -> None:
    grid = table(NeurIPS().form(golden), "Compute of the whole project")
    for column in ("GPU-hours", "CPU-hours"):
        found = hours(grid, column)
        whole, failed = found.pop("all of it"), found.pop("among it failed")
        assert sum(found.values()) == pytest.approx(whole, rel=0.01)
        assert failed == 0.5
    assert [row[1] for row in grid.rows] == ["2", "2", "16", "—", "20", "2"]


def test_a_gpu_that_is_held_hides_no_cpu_hours(golden: Statement) -> None:
    """It takes none; who computes between cells is in the background."""
    assert golden.held_idle is not None
    unread = replace(golden.held_idle, cpu_hours=replace(golden.held_idle.cpu_hours, value=None))
    rows = NeurIPS().form(replace(golden, held_idle=unread)).tables
    (left,) = [row for grid in rows for row in grid.rows if row[0] == "not said whether in the paper"]
    assert "—" not in left[2:4]


def test_experiments_add_up_to_the_cells(golden: Statement) -> None:
    found = hours(table(NeurIPS().form(golden), "Compute of each experiment"), "GPU-hours")
    assert sum(found.values()) == pytest.approx(18.0 - 1.0)  # but for the hour held idle
    assert found["ours: train"] == 4.0


def test_what_the_paper_does_not_show_is_disclosed(golden: Statement, untagged: Statement) -> None:
    said = item(NeurIPS().form(golden), "whole project")
    assert (said.answer or "").startswith("The whole project took 3 times what the paper shows (6 GPU-h)")
    assert "of preliminary runs" in (said.answer or "")
    assert "of failed runs" in (said.answer or "")
    assert (said.todo or "").startswith("of 9 GPU-h nobody said")
    unsaid = item(NeurIPS().form(untagged), "whole project")
    assert unsaid.answer is None
    assert "%cost tag in_paper=yes" in (unsaid.todo or "")


def test_all_in_the_paper_leaves_nothing_to_say(golden: Statement) -> None:
    whole = replace(golden, reported=golden.whole, preliminary=None, held_idle=None, background=None, shares=())
    said = item(NeurIPS().form(whole), "whole project")
    assert said.answer == "The whole project took 1 times what the paper shows (18 GPU-h)"
    assert said.todo is None


def test_currencies_are_never_added(golden: Statement) -> None:
    bills = (Bill("own", "EUR", Decimal("9.90")), Bill("own", "USD", Decimal("1.20")))
    form = NeurIPS().form(replace(golden, whole=replace(golden.whole, bills=bills)))
    assert table(form, "Compute of the whole project").rows[-2][-1] == "9.90 EUR; 1.20 USD"


def test_what_nobody_said_is_in_the_paper_costs_what_is_left_of_each_currency(golden: Statement) -> None:
    def billed(spent: Spent | None, *amounts: tuple[str, str]) -> Spent:
        assert spent is not None
        return replace(spent, bills=tuple(Bill("own", code, Decimal(amount)) for code, amount in amounts))

    whole = billed(golden.whole, ("EUR", "9.90"), ("USD", "1.20"))
    shown = billed(golden.reported, ("EUR", "4.00"))
    tried = billed(golden.preliminary, ("EUR", "2.00"), ("USD", "0.20"))
    held = billed(golden.held_idle, ("EUR", "0.50"))
    form = NeurIPS().form(replace(golden, whole=whole, reported=shown, preliminary=tried, held_idle=held))
    (left,) = [r for r in table(form, "Compute of the whole project").rows if r[0] == "not said whether in the paper"]
    assert left[-1] == "3.40 EUR; 1.00 USD"


def test_without_a_gpu_there_are_none_and_no_gpu_memory(no_gpu: Statement) -> None:
    form = NeurIPS().form(no_gpu)
    assert item(form, "total, GPU-hours").answer == "0 GPU-h"
    assert item(form, "total, GPU-hours").how == "there was none"
    assert "GPU memory" not in (item(form, "memory").answer or "")
    assert "GPU-h" not in (item(form, "justification").answer or "")
    assert table(form, "Compute workers").rows[0][1] == "none"


def test_an_unknown_place_gives_a_range_and_no_parts(unplaced: Statement) -> None:
    form = NeurIPS().form(unplaced)
    assert item(form, "total, emissions").answer == "0.12 to 8.40 kgCO2e"
    assert item(form, "provider").answer is None
    at = table(form, "Compute of each experiment").columns.index("CO2e")
    assert {row[at] for row in table(form, "Compute of each experiment").rows} == {"—"}
    assert [row[5] for row in table(form, "Compute of the whole project").rows] == [
        "—", "—", "—", "—", "0.12 to 8.40 kgCO2e", "—",
    ]  # fmt: skip
