"""A budget's chart: its line ends at what the verdict says, and its ticks are the local days of the budget's zone."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from math import inf
from pathlib import Path

import pytest
from budget_cases import BERLIN, HOUR, NOW, ONE, TWO, budget, run
from carbon_cases import LOST

from jupyter_costmeter import charts
from jupyter_costmeter.budget import Budget, BudgetEvent, Burn, Measure, Verdict
from jupyter_costmeter.costing import Costing
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.periods import Period, instant, local, period_of
from jupyter_costmeter.record import Figure, Total
from jupyter_costmeter.spending import Spending
from jupyter_costmeter.toml_files import NAME

MEASURES: tuple[Measure, ...] = ("gpu_hours", "flops", "kwh", "kgco2e", "amount")
PRICED = '[[where]]\nregion = "FR"\npue = 1.2\n[[rates]]\ngpu_hour = 2\nkwh = 0.2\ncurrency = "EUR"\n'
Told = Callable[..., tuple[Verdict, charts.Course]]


@pytest.fixture
def told(ledger: Ledger, ledger_path: Path, tmp_path: Path) -> Told:
    """The verdict on a budget, and its course."""
    (tmp_path / NAME).write_text(PRICED)
    costing = Costing(str(tmp_path), tmp_path)

    def both(one: Budget, now: float = NOW) -> tuple[Verdict, charts.Course]:
        spending = Spending(ledger_path, lambda: costing)
        (verdict,) = spending.verdicts([one], now, ONE)
        spending.close()
        return verdict, charts.course(ledger, verdict, costing.book, ONE.id, now)

    return both


def filled(ledger: Ledger) -> None:
    ledger.append(ONE, [run(ONE, n, 0.75, NOW - n * 7 * HOUR) for n in range(1, 40)])
    ledger.append(TWO, [run(TWO, 1, 30.0, NOW - 40 * HOUR)])
    ledger.journal(TWO, [run(TWO, 2, 0.5, NOW - 1800)])


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("per", ["day", "week", "month", "total", "7d", "24h"])
def test_the_line_ends_at_what_was_spent(told: Told, ledger: Ledger, measure: Measure, per: str) -> None:
    filled(ledger)
    currency = "EUR" if measure == "amount" else None
    verdict, found = told(budget(measure, per=per, currency=currency))
    assert verdict.spent.value
    assert found.used[-1][1] == pytest.approx(verdict.spent.value)
    assert len(found.used) <= 301
    at, used = zip(*found.used, strict=True)
    assert list(at) == sorted(at)
    assert list(used) == sorted(used)
    assert used[0] == 0.0
    assert at[-1] == NOW
    assert found.start == at[0]
    assert at[0] == verdict.start or verdict.start == -inf


def test_use_is_where_it_was_and_level_between(told: Told, ledger: Ledger) -> None:
    midnight = instant(local(NOW, BERLIN).date(), BERLIN)
    ledger.append(ONE, [run(ONE, 1, 1.0, midnight + 2 * HOUR), run(ONE, 2, 0.5, midnight + 5 * HOUR)])
    _, found = told(budget(per="day"))
    hours = [(round((at - midnight) / HOUR, 6), round(used, 6)) for at, used in found.used]
    assert hours == [(0, 0), (2, 0), (3, 1), (5, 1), (6, 1.5), (16, 1.5)]  # 15:00 on a day of 25 hours


def test_a_long_time_has_few_points_and_loses_nothing(told: Told, ledger: Ledger) -> None:
    ledger.append(ONE, [run(ONE, n, 0.25, NOW - n * 86400) for n in range(1, 401)])
    verdict, found = told(budget(per="total"))
    assert len(found.used) <= 301
    assert found.used[-1][1] == pytest.approx(100.0) == verdict.spent.value


def test_each_hour_counts_by_its_own_conditions(told: Told, ledger: Ledger, tmp_path: Path) -> None:
    moved = date.fromtimestamp(NOW - 10 * 86400).isoformat()
    rows = f'[[where]]\nregion = "PL"\nuntil = {moved}\n[[where]]\nregion = "SE"\nfrom = {moved}\n'
    (tmp_path / NAME).write_text(rows)
    ledger.append(ONE, [run(ONE, 1, at=NOW - 20 * 86400), run(ONE, 2, at=NOW - 7200)])
    verdict, found = told(budget("kgco2e", per="total"))
    assert found.used[-1][1] == pytest.approx(verdict.spent.value)
    before = max(used for at, used in found.used if at < NOW - 86400)
    assert before > 0.8 * found.used[-1][1]


def test_nothing_and_unknown_are_told_apart(told: Told, ledger: Ledger) -> None:
    assert charts.why_not(*told(budget())) == charts.NOTHING
    lost = replace(run(ONE, 1), usage=replace(run(ONE, 1).usage, figures=(_lost(),)))
    ledger.append(ONE, [lost])
    assert charts.why_not(*told(budget())) == "Not known: the GPU is lost."


def _lost() -> Figure:
    return Figure("gpu_reserved_s", None, LOST, "G")


def verdict_of(value: float = 4.0, limit: float = 10.0, per: str = "week", **more: object) -> Verdict:
    one = budget(per=per, limit=limit)
    start, end = one.period.at(NOW)
    return replace(Verdict(one, start, end, Total("gpu_hours", "GPU-h", value, "measured", 1.0, 0, 0.0)), **more)  # type: ignore[arg-type]


def extended(at: float, amount: float, budget_id: str) -> BudgetEvent:
    return BudgetEvent("e", budget_id, "extended", at, "s1", "ada", "box", None, None, 1.0, 10.0, amount, "GPU-h", "")


def test_the_limit_steps_up_where_it_was_extended() -> None:
    verdict = verdict_of()
    mine, other = verdict.budget.id, "another"
    events = [extended(NOW, 2.0, mine), extended(NOW - 60, 1.0, mine), extended(NOW, 5.0, other),
              extended(verdict.start - 1, 9.0, mine)]  # fmt: skip
    expected = [(0, 10), (NOW - 60, 10), (NOW - 60, 11), (NOW, 11), (NOW, 13), (NOW + 9, 13)]
    assert charts.limits(verdict, events, 0, NOW + 9) == expected


def test_the_pace_leads_to_the_limit_or_to_the_end() -> None:
    fast, slow = verdict_of(burn=Burn(24.0, NOW + 6 * HOUR)), verdict_of(burn=Burn(2.4, None))
    assert charts.ahead(fast, NOW) == [(NOW, 4.0), (NOW + 6 * HOUR, 10.0)]
    (_, (end, then)) = charts.ahead(slow, NOW)
    assert end == slow.end
    assert then == pytest.approx(4.0 + 0.1 * (slow.end - NOW) / HOUR)
    assert charts.ahead(verdict_of(value=11.0, burn=Burn(1.0, NOW)), NOW) == []
    assert charts.ahead(verdict_of(per="7d", burn=Burn(1.0, None)), NOW) == []


# Ticks


@pytest.mark.parametrize(
    ("start", "end", "zone", "labels"),
    [
        # a week in which clocks go back: each tick is a midnight
        ("2026-10-19", "2026-10-26", BERLIN, ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"]),
        ("2026-10-25", "2026-10-26", BERLIN, ["00:00", "04:00", "08:00", "12:00", "16:00", "20:00"]),
        ("2026-11-01", "2026-12-01", "Asia/Kolkata", [f"{day} Nov" for day in (1, 6, 11, 16, 21, 26)]),
    ],
)  # fmt: skip
def test_ticks_are_local(start: str, end: str, zone: str, labels: list[str]) -> None:
    first, last = (instant(date.fromisoformat(day), zone) for day in (start, end))
    marks = charts.ticks(first, last, zone)
    assert list(marks.values()) == labels
    assert all(first <= at < last for at in marks)
    assert all(local(at, zone).minute == 0 for at in marks)


@pytest.mark.parametrize("days", [0.01, 0.3, 1, 2, 3, 7, 30, 400, 4000])
@pytest.mark.parametrize("zone", [BERLIN, "Asia/Kolkata", "Australia/Lord_Howe", "America/New_York"])
def test_ticks_are_few(days: float, zone: str) -> None:
    marks = charts.ticks(NOW - days * 86400, NOW, zone)
    assert len(marks) <= charts.TICKS + 2
    assert days < 0.1 or marks
    assert list(marks) == sorted(marks)


# What Bokeh is given


def test_an_item_is_small_and_fits_any_theme(told: Told, ledger: Ledger) -> None:
    filled(ledger)
    verdict, found = told(budget(limit=20.0))
    item = json.loads(json.dumps(charts.item(verdict, found, [], "#dddddd", NOW)))
    assert item["version"].startswith("3.")
    text = json.dumps(item)
    assert len(text) < 40_000
    assert "#dddddd" in text
    attributes = item["doc"]["roots"][0]["attributes"]
    assert (attributes["sizing_mode"], attributes["height"]) == ("stretch_width", charts.HEIGHT)
    assert attributes["toolbar_location"] is None
    assert attributes["background_fill_color"] is None
    assert '"20 GPU-h"' in text  # the limit's tick


def test_a_limit_of_nothing_has_a_chart(told: Told, ledger: Ledger) -> None:
    filled(ledger)
    verdict, found = told(budget(limit=0.0))
    assert charts.item(verdict, found, [], "#000000", NOW)["version"]


def test_a_budget_of_days_ends_where_they_do() -> None:
    period: Period = period_of("", BERLIN, date(2026, 10, 1), date(2026, 11, 1))
    marks = charts.ticks(period.start, period.end, BERLIN)
    assert next(iter(marks.values())) == "1 Oct"
