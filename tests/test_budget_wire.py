"""Budgets on the wire: what the front end needs is there, and nothing that JSON cannot hold."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import date, datetime
from math import inf

import golden
import pytest

from jupyter_costmeter import budget_wire
from jupyter_costmeter.budget import Burn, Notice, Verdict
from jupyter_costmeter.periods import period_of
from jupyter_costmeter.record import Total
from jupyter_costmeter.wire import Json

QUOTA = golden.VERDICTS[0]


def told(one: Verdict) -> Json:
    """As it comes out of JSON that holds no infinity."""
    answer: Json = json.loads(json.dumps(budget_wire.verdict(one, golden.NOW), allow_nan=False))
    return answer


def spans(since: date | None, until: date | None, zone: str = golden.BERLIN) -> Json:
    budget = replace(QUOTA.budget, period=period_of("", zone, since, until))
    return told(replace(QUOTA, budget=budget, start=budget.period.start, end=budget.period.end))


def test_a_verdict_says_what_is_set_and_where_it_stands() -> None:
    found = told(QUOTA)
    assert (found["limit"], found["granted"], found["left"]) == (20.0, 2.0, 4.5)
    assert found["share"] == pytest.approx(17.5 / 22)
    assert (found["state"], found["crossed"]) == ("ok", 0.8)
    assert found["title"] == "GPU quota"
    assert found["text"].startswith("≥ 17.5 of 22 GPU-h")
    assert found["burn"]["text"] == "at this week's pace it is spent today at 18:44"
    assert found["spent"]["reasons"] == ["the GPU is lost"]


def test_what_is_not_known_is_null_with_its_reason() -> None:
    found = told(golden.VERDICTS[1])
    assert [found[name] for name in ("left", "share", "crossed", "burn")] == [None] * 4
    assert (found["spent"]["value"], found["spent"]["reasons"]) == (None, ["the ledger cannot be read"])
    assert found["state"] == "unknown"
    assert found["cap"] is True


@pytest.mark.parametrize(("value", "share"), [(0.0, 1.0), (0.5, budget_wire.INFINITE)])
def test_a_limit_of_nothing_has_a_share_that_json_can_hold(value: float, share: float) -> None:
    none = replace(QUOTA.budget, limit=0.0)
    found = told(Verdict(none, QUOTA.start, QUOTA.end, golden.gpu_hours(value)))
    assert found["share"] == share
    assert found["state"] == "over"


@pytest.mark.parametrize(
    ("since", "until"), [("2026-09-01", "2026-12-01"), ("2026-03-29", None), (None, "2026-10-25"), ("2026-10-25", None)]
)
def test_a_span_is_told_as_the_days_that_were_set(since: str | None, until: str | None) -> None:
    first, after = (None if day is None else date.fromisoformat(day) for day in (since, until))
    found = spans(first, after)
    assert (found["from"], found["until"]) == (since, until)
    assert (found["period"]["start"] is None, found["period"]["end"] is None) == (since is None, until is None)


def test_a_span_from_an_hour_on_keeps_its_hour() -> None:
    found = spans(datetime(2026, 9, 1, 12), None)
    assert datetime.fromisoformat(found["from"]).timestamp() == found["period"]["start"]


def test_other_periods_have_no_days() -> None:
    found = told(QUOTA)
    assert (found["from"], found["until"]) == (None, None)
    assert found["period"] == {"kind": "week", "text": "week", "start": 1_789_941_600.0, "end": 1_790_546_400.0,
                               "zone": "Europe/Berlin"}  # fmt: skip
    assert told(replace(golden.VERDICTS[1], start=-inf, end=inf))["period"]["start"] is None


def test_a_pace_that_ends_never_has_no_date() -> None:
    found = told(replace(QUOTA, burn=Burn(0.0, None)))["burn"]
    assert found == {"per_day": 0.0, "ends_at": None, "text": ""}


def test_a_notice_is_told_whole() -> None:
    found = json.loads(json.dumps(budget_wire.notice(golden.NOTICE)))
    assert set(found) == {field.name for field in fields(Notice)}
    assert found["deeds"] == ["dearest", "raise"]


def test_rows_say_how_their_runs_ended_and_what_is_unknown() -> None:
    found = golden.spent()
    assert [(row["name"], row["outcome"], row["amount"]["value"]) for row in found["rows"]] == [
        ("train", "ok", 10.0),
        ("In [2]", "error", 5.0),
        ("held idle", None, 2.5),
    ]
    assert found["unit"] == "GPU-h"
    assert sum(row["share"] for row in found["rows"]) == pytest.approx(1.0)


def test_an_amount_of_money_has_its_currency() -> None:
    grant = replace(golden.GRANT, paused=False)
    spent = Total("amount", "EUR", 12.5, "declared", None, 0, 0.1)
    found = told(Verdict(grant, *grant.period.at(golden.NOW), spent))
    assert (found["currency"], found["unit"], found["text"]) == (
        "EUR", "EUR", "~12.50 of 150.00 EUR from 2026-09-01 until 2026-12-01 (8 %), 137.50 EUR left",
    )  # fmt: skip


def test_a_forecast_is_told_with_what_it_leaves() -> None:
    found = json.loads(json.dumps(budget_wire.forecast(golden.FORECAST), allow_nan=False))
    assert (found["source"], found["runs"], found["basis"]) == ("history", 3, "same code")
    assert (found["energy_j"]["value"], found["energy_j"]["uncertainty"]) == (41e3, 4e3)
    known, unknown = found["budgets"]
    assert (known["amount"]["value"], known["left_after"]) == (0.5, 4.0)
    assert (unknown["amount"]["value"], unknown["left_after"], unknown["share_after"]) == (None, None, None)
    assert budget_wire.forecast(None) is None


def test_a_forecast_that_cannot_fit_has_a_share_that_json_can_hold() -> None:
    (first, _) = golden.FORECAST.budgets
    endless = replace(golden.FORECAST, wall_s=None, budgets=(replace(first, share_after=inf),))
    found = json.loads(json.dumps(budget_wire.forecast(endless), allow_nan=False))
    assert found["budgets"][0]["share_after"] == budget_wire.INFINITE
    assert found["wall_s"] is None
