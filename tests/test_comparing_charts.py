"""A comparison's charts show what an independent calculation says, and names in them stay names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from compared import DODGE, WITH_GPU, failed, runs, statement, trial, with_params

from jupyter_costmeter import comparing_charts as charts
from jupyter_costmeter.comparing import Comparison, Measure, compare
from jupyter_costmeter.statement import Trial

HOURS = (0.5, 1.0, 2.0, 4.0, 2.5)
PER: dict[Measure, float] = {"gpu_hours": 1.0, "kwh": 0.3, "flops": 1e15}


def of(*more: Trial) -> Comparison:
    ours = [trial("ours", score, hours, id=f"o{hours}") for score, hours in zip(DODGE, HOURS, strict=True)]
    return compare(statement(*ours, *runs("baseline", [0.6, 0.74], 0.1), *more), "ours", "baseline")


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """All objects in what BokehJS embeds."""
    if isinstance(value, dict):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(part)


def named(item: dict[str, Any] | None, name: str) -> list[dict[str, Any]]:
    assert item is not None
    return [node["attributes"] for node in nodes(item["doc"]) if node.get("name") == name]


def glyphs(item: dict[str, Any] | None, name: str) -> list[dict[str, Any]]:
    """What is drawn by glyphs of that name, each once."""
    drawn = [renderer["glyph"] for renderer in named(item, "GlyphRenderer")]
    return [glyph["attributes"] for glyph in drawn if glyph["name"] == name]


@pytest.mark.parametrize("measure", WITH_GPU)
def test_points_are_the_runs(measure: Measure) -> None:
    columns = charts.points(of(), measure, of().ours.scored)
    assert columns["compute"] == pytest.approx([hours * PER[measure] for hours in HOURS])
    assert columns["score"] == list(DODGE)


@pytest.mark.parametrize("measure", WITH_GPU)
def test_the_curve_is_dodges_at_n_times_the_mean(measure: Measure) -> None:
    columns = charts.curve(of(failed("ours", 5.0)).ours, measure)
    assert columns["compute"] == pytest.approx([n * 3.0 * PER[measure] for n in range(1, 6)])  # 10 + 5 hours, 5 scored
    assert columns["expected"] == pytest.approx([0.756, 0.780, 0.792, 0.798624, 0.8025216])
    sd = [0.0431740663, 0.0361109402, 0.0283407833, 0.022062335, 0.0172151542]
    high = [min(0.81, mean + one) for mean, one in zip(columns["expected"], sd, strict=True)]
    low = [max(0.70, mean - one) for mean, one in zip(columns["expected"], sd, strict=True)]
    assert columns["high"] == pytest.approx(high)
    assert columns["low"] == pytest.approx(low)


def test_too_few_runs_draw_no_curve() -> None:
    assert charts.curve(of().baseline, "kwh") == {}
    few = compare(statement(*runs("ours", [0.8]), *runs("baseline", [0.7])), "ours", "baseline")
    item = charts.item(few)
    assert glyphs(item, "Scatter")
    assert not glyphs(item, "VArea")
    assert len(glyphs(charts.item(of()), "VArea")) == len(WITH_GPU)  # of ours only


def test_each_measure_that_is_known_has_a_tab() -> None:
    assert [tab["title"] for tab in named(charts.item(of()), "TabPanel")] == ["GPU time", "energy without PUE", "FLOPs"]
    none = [*runs("ours", DODGE, 0.0), *runs("baseline", [0.7], 1.0)]
    assert charts.shown(compare(statement(*none), "ours", "baseline")) == ()
    alone = charts.item(compare(statement(*none), "ours", "baseline"))
    assert [tab["title"] for tab in named(alone, "TabPanel")] == ["runs"]
    assert charts.item(compare(statement(*none[-2:]), "ours", "baseline")) is None


def test_the_front_is_drawn_through_who_is_beaten_by_nobody() -> None:
    item = charts.item(of(trial("other", 0.9, 8.0)))
    drawn = [one for one in named(item, "GlyphRenderer") if one["glyph"]["name"] == "Step"]
    assert {one["glyph"]["attributes"]["mode"] for one in drawn} == {"after"}
    data = [dict(one["data_source"]["attributes"]["data"]["entries"]) for one in drawn]
    assert [one["y"] for one in data] == [[0.74, 0.75, 0.81, 0.9]] * len(WITH_GPU)
    assert data[0]["x"] == [0.1, 2.0, 2.5, 8.0]


@pytest.mark.parametrize(("said", "dash"), [("random", []), ("bayesian", [6])])
def test_a_search_that_was_not_random_is_dashed(said: str, dash: list[int]) -> None:
    ours = with_params(runs("ours", DODGE), [{"lr": 0.1 + at**1.5, "search": said} for at in range(5)])
    item = charts.item(compare(statement(*ours, *runs("baseline", [0.7])), "ours", "baseline"))
    assert [line.get("line_dash", []) for line in glyphs(item, "Line")] == [dash] * len(WITH_GPU)
    assert ("not known to be random" in json.dumps(item)) == (said != "random")


def test_the_axis_names_the_unit_of_its_ticks() -> None:
    labels = [axis["axis_label"] for axis in named(charts.item(of()), "LogAxis")]
    assert labels == [
        "GPU time, reserved (GPU-h)", "energy of the machines, without PUE (kWh)", "FLOPs, counted (PFLOP)"
    ]  # fmt: skip
    small = [*runs("ours", DODGE, 1e-5), *runs("baseline", [0.7], 1e-5)]
    item = charts.item(compare(statement(*small), "ours", "baseline"))
    labels = [axis["axis_label"] for axis in named(item, "LogAxis")]
    assert labels[:2] == ["GPU time, reserved (GPU-s)", "energy of the machines, without PUE (mWh)"]


# Names


HOSTILE = ["$$x^2$$", r"\(x\)", r"\[x\]", "</script><script>alert(1)</script>", "@run{safe}"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_no_formula(name: str) -> None:
    """Bokeh would take it for TeX, and fetch what sets it."""
    trials = [*runs(name, DODGE, metric=name), *runs("baseline", DODGE, metric=name)]
    item = charts.item(compare(statement(*trials), name, "baseline", name))
    said = [title["text"] for title in named(item, "Title")]
    said += [axis["axis_label"] for kind in ("LogAxis", "LinearAxis") for axis in named(item, kind)]
    said += [one["label"]["value"] for one in named(item, "LegendItem")]
    assert len(said) > 20
    assert not [text for text in said if any(mark in text for mark in charts.TEX)]


def test_a_long_name_is_cut_in_the_legend() -> None:
    long = "a method of a very long name indeed, version 17"
    trials = [*runs(long, DODGE), *runs("baseline", DODGE)]
    labels = [
        one["label"]["value"] for one in named(charts.item(compare(statement(*trials), long, "baseline")), "LegendItem")
    ]
    assert all(len(label) <= charts.LEGEND + len(" (not known to be random)") for label in labels)
