"""What a statement's charts show, and when there are none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from stated import golden_statement

from jupyter_costmeter.statement_charts import MOST, bars, items, measure_of, metric_of, points, untex

GOLDEN = golden_statement()


def test_the_dearest_is_first_and_each_name_is_there_once() -> None:
    named = [(each.category or "x", each.spent) for each in GOLDEN.experiments]
    found = bars(named, "electricity_kwh")
    assert found["value"] == sorted(found["value"], reverse=True)
    assert len(set(found["name"])) == len(found["name"]) == len(named)
    assert "x (2)" in found["name"]
    assert len(bars(named * 5, "gpu_hours")["name"]) == MOST


def test_trials_are_drawn_by_the_score_that_most_have() -> None:
    assert metric_of(GOLDEN.trials) == "accuracy"
    assert metric_of(()) is None
    found = points(GOLDEN.trials, "accuracy", "gpu_hours")
    assert len(found["score"]) == 13
    assert found["method"][-1] == "no method"
    assert found["run"][0] == "lr=0.0001"


def test_what_is_not_known_is_not_drawn() -> None:
    nothing = replace(GOLDEN.whole.energy_kwh, value=None)
    dark = replace(GOLDEN.whole, electricity_kwh=nothing, gpu_hours=nothing, cpu_hours=nothing)
    assert measure_of([dark]) is None
    assert measure_of([GOLDEN.whole]) == "electricity_kwh"
    assert len(items(GOLDEN)) == 3
    assert items(replace(GOLDEN, shares=(), experiments=(), trials=())) == []


def axes(made: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The axes along which compute is drawn."""
    return [axis["attributes"] for one in made for root in one["doc"]["roots"] for axis in root["attributes"]["below"]]


def test_axes_have_plain_numbers_in_a_unit_that_they_name() -> None:
    little = replace(GOLDEN.whole, electricity_kwh=replace(GOLDEN.whole.electricity_kwh, value=5.3e-6))
    shares = (*(replace(share, spent=little) for share in GOLDEN.shares[:2]),)
    for one, label, ticks in (
        (GOLDEN, "electricity, with PUE (kWh)", ["0", "1", "2", "3"]),
        (replace(GOLDEN, shares=shares, held_idle=None), "electricity, with PUE (mWh)", ["0", "1", "2", "3"]),
    ):
        axis = axes(items(one))[0]
        assert axis["axis_label"] == label
        assert [text for _, text in axis["major_label_overrides"]["entries"]][:4] == ticks
    assert axes(items(GOLDEN))[2]["axis_label"] == "electricity, with PUE (kWh)"


def test_what_lay_between_runs_has_its_bar() -> None:
    (first, *_) = items(GOLDEN)
    assert "held idle between runs" in str(first)


def test_a_name_is_no_formula() -> None:
    for name in ("$$x$$", r"\(x\)", r"\[x\]"):
        assert not any(mark in untex(name) for mark in ("$$", r"\(", r"\["))
        assert untex(name).replace("\u2060", "") == name
