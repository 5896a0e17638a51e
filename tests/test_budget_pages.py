"""Budgets in sentences."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from math import inf
from typing import Any

import pytest
from verdicts import BERLIN, NOW, WEEK, at, verdict

from jupyter_costmeter.budget import Burn, Verdict
from jupyter_costmeter.budget_pages import amount_said, burn_said, resets, said, spent_said, title
from jupyter_costmeter.periods import period_of


@pytest.mark.parametrize(
    ("changed", "called"),
    [
        ({}, "20 GPU-h per week, project paper"),
        ({"name": "GPU quota"}, "GPU quota"),
        ({"measure": "kwh", "limit": 0.5, "scope": "user", "key": None}, "0.5 kWh per week, all of mine"),
        ({"scope": "notebook", "key": "/lab/paper/a.ipynb"}, "20 GPU-h per week, notebook a.ipynb"),
        ({"scope": "session", "key": None, "period": period_of("session")}, "20 GPU-h per session, each session"),
        ({"period": period_of("7d")}, "20 GPU-h in any 7 days, project paper"),
        ({"period": period_of("1h")}, "20 GPU-h in any 1 hour, project paper"),
        ({"period": period_of("")}, "20 GPU-h in all, project paper"),
        ({"key": "/"}, "20 GPU-h per week, project /"),
    ],
)
def test_what_a_budget_is_called(changed: dict[str, Any], called: str) -> None:
    assert title(replace(WEEK, **changed)) == called


@pytest.mark.parametrize(
    ("measure", "currency", "value", "printed"),
    [
        ("gpu_hours", None, 12.4, "12.4 GPU-h"),
        ("gpu_busy_hours", None, 3.14159, "3.14 busy GPU-h"),
        ("kwh", None, 0.42, "0.42 kWh"),
        ("kwh", None, 1234.6, "1235 kWh"),
        ("kgco2e", None, 2.0, "2 kgCO2e"),
        ("flops", None, 2.4e18, "2.40 EFLOP"),
        ("amount", "EUR", 12.4, "12.40 EUR"),
        ("amount", "JPY", 1200.0, "1200 JPY"),
        ("amount", "EUR", 0.1 + 0.2, "0.30 EUR"),
    ],
)
def test_amounts_in_fitting_digits(measure: Any, currency: str | None, value: float, printed: str) -> None:
    assert amount_said(value, replace(WEEK, measure=measure, currency=currency)) == printed


@pytest.mark.parametrize(
    ("value", "printed"),
    [(0.0101, "10.1 Wh"), (0.008, "8.00 Wh"), (0.0, "0 Wh"), (0.00205, "2.05 Wh"), (1.5, "1.50 kWh")],
)
def test_of_a_little_budget_all_is_in_its_smaller_unit(value: float, printed: str) -> None:
    assert amount_said(value, replace(WEEK, measure="kwh", limit=0.008)) == printed


@pytest.mark.parametrize(
    ("one", "sentence"),
    [
        (verdict(12.4), "12.4 of 20 GPU-h this week (62 %), 7.6 GPU-h left"),
        (verdict(12.4, missing=1), "≥ 12.4 of 20 GPU-h this week (62 %), 7.6 GPU-h left"),
        (verdict(20.0), "20 of 20 GPU-h this week (100 %), nothing left"),
        (verdict(25.0), "25 of 20 GPU-h this week (125 %), 5 GPU-h over"),
        (verdict(21.0, granted=2.0), "21 of 22 GPU-h (with 2 GPU-h granted) this week (95 %), 1 GPU-h left"),
        (verdict(1.0, limit=0.0), "1 of 0 GPU-h this week, 1 GPU-h over"),
        (verdict(12.4, paused=True), "paused"),
        (verdict(None, 1, ("the GPU could not be read",)), "not known: the GPU could not be read"),
        (verdict(None), "not known: nothing of it was measured"),
        (verdict(2.0, period=period_of("7d")), "2 of 20 GPU-h in the last 7 days (10 %), 18 GPU-h left"),
    ],
)
def test_where_it_stands(one: Verdict, sentence: str) -> None:
    assert said(one) == sentence


def test_what_is_spent_with_its_marks() -> None:
    assert spent_said(verdict(12.4, missing=1)) == "≥ 12.4 GPU-h"
    assert spent_said(verdict(None)) == "—"


@pytest.mark.parametrize(
    ("period", "sentence"),
    [
        (period_of("week", BERLIN), "begins anew on Mon 30 Nov, 00:00"),
        (period_of("day", BERLIN), "begins anew on Fri 27 Nov, 00:00"),
        (period_of("7d"), "frees what is older than 7 days"),
        (period_of("", BERLIN, None, datetime(2026, 12, 24)), "ends on Thu 24 Dec, 00:00"),
        (period_of("", BERLIN, None, datetime(2026, 1, 1)), "ended on Thu 1 Jan, 00:00"),
        (period_of("", BERLIN, datetime(2026, 12, 24)), "begins on Thu 24 Dec, 00:00"),
        (period_of("total"), ""),
    ],
)
def test_when_it_begins_anew(period: Any, sentence: str) -> None:
    assert resets(verdict(1.0, period=period), NOW) == sentence


@pytest.mark.parametrize(
    ("ends_at", "sentence"),
    [
        (at("2026-11-26T17:05:00"), "at this week's pace it is spent today at 17:05"),
        (at("2026-11-27T09:00:00"), "at this week's pace it is spent tomorrow at 09:00"),
        (at("2026-11-29T09:00:00"), "at this week's pace it is spent on Sunday"),
        (at("2026-12-12T09:00:00"), "at this week's pace it is spent on 12 Dec"),
        (at("2027-01-12T09:00:00"), "at this week's pace it is spent on 12 Jan 2027"),
    ],
)
def test_when_it_will_be_spent(ends_at: float, sentence: str) -> None:
    assert burn_said(verdict(12.0, burn=Burn(4.0, ends_at)), NOW) == sentence


def test_what_will_be_spent_where_the_period_ends_first() -> None:
    days = (verdict(1.0).end - NOW) / 86400
    assert burn_said(verdict(10.0, burn=Burn(4.0 / days, None)), NOW) == "at this week's pace 70 % is spent by its end"


@pytest.mark.parametrize(
    ("ends_at", "sentence"),
    [
        (None, "at this week's pace 70 % is spent by its end; all of it today at 17:05 if it goes on as now"),
        (
            at("2026-11-29T09:00:00"),
            "at this week's pace it is spent on Sunday; today at 17:05 if it goes on as now",
        ),
    ],
)
def test_what_runs_now_may_spend_it_sooner(ends_at: float | None, sentence: str) -> None:
    days = (verdict(1.0).end - NOW) / 86400
    pace = Burn(4.0 / days, ends_at, at("2026-11-26T17:05:00"))
    assert burn_said(verdict(10.0, burn=pace), NOW) == sentence


@pytest.mark.parametrize(
    "one",
    [
        verdict(25.0, burn=Burn(4.0, NOW)),
        verdict(0.0, burn=Burn(0.0, None)),
        verdict(1.0),
        verdict(1.0, period=period_of("7d"), burn=Burn(4.0, NOW)),
        verdict(1.0, period=period_of("total"), burn=Burn(4.0, None)),
    ],
)
def test_no_pace_is_said_where_none_helps(one: Verdict) -> None:
    assert burn_said(one, NOW) == ""
    assert one.end > NOW or one.end == inf
