"""What was tried: ranges of parameters, spread of scores, and what all of it took over what is shown (FACTS §6.3)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from compared import failed, runs, spent, statement, trial, with_params
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter.norms import tried
from jupyter_costmeter.statement import Spent, Statement


def of(*values: Any) -> dict[str, str]:
    made = with_params(runs("ours", [0.5] * len(values)), [{"x": value} for value in values])
    return tried.ranges(made)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([0.1], "0.1"),
        ([3, 1, 2, 1], "1, 2, 3"),
        ([1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1], "0.0001 to 0.1 (7 values)"),
        (["adam", "sgd", "adam"], "adam, sgd"),
        ([True, False], "true, false"),
        ([1e-9, 1e300], "1e-09, 1e+300"),
        ([None, [1, 2]], "null, [1, 2]"),
        ([float("nan"), 1.0], "NaN, 1"),
        (list("abcdefgh"), "a, b, c, d, e, f, … (8 values)"),
        (["x" * 70], f"{'x' * 59}…"),
    ],
)
def test_a_parameters_range(values: list[Any], said: str) -> None:
    assert of(*values) == {"x": said}


def test_how_the_search_was_said_to_be_is_no_parameter() -> None:
    made = with_params(runs("ours", [0.5, 0.6]), [{"x": 1, "search": "random"}, {"x": 2, "search": "random"}])
    assert tried.ranges(made) == {"x": "1, 2"}
    found = tried.how_chosen(statement(*made)) or ""
    assert found.startswith("ours: random")


def test_runs_are_counted_with_those_that_failed() -> None:
    made = with_params([*runs("ours", [0.5, 0.6]), failed("ours")], [{"x": 1}, {"x": 2}, {"x": 2}])
    said = tried.counted(statement(*made, trial("baseline", 0.4), trial(None, 0.1)))
    assert said == "ours: 3 runs, 1 of them failed, 2 configurations; baseline: 1 run; no method named: 1 run"
    assert tried.counted(statement()) is None


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ([{"lr": 0.1, "seed": seed} for seed in range(10)], "ours: 10 runs, 1 configuration"),
        ([{"lr": 1}, {"lr": 1.0}, {"lr": 2}], "ours: 3 runs, 2 configurations"),
        ([{"lr": 1, "search": "random"}, {"lr": 1}], "ours: 2 runs, 1 configuration"),
        ([{"search": "random"}, {"search": "random"}], "ours: 2 runs"),
        ([{}, {}], "ours: 2 runs"),
    ],
)
def test_a_seed_makes_no_configuration(params: list[dict[str, Any]], said: str) -> None:
    made = with_params(runs("ours", [0.5] * len(params)), params)
    assert tried.counted(statement(*made)) == said


def test_final_parameters_are_those_that_were_said_to_be_in_the_paper() -> None:
    made = with_params(runs("ours", [0.5, 0.6]), [{"x": 1}, {"x": 2}])
    assert tried.finals(statement(*made)) is None
    assert tried.finals(statement(made[0], replace(made[1], in_paper=True))) == "ours: x = 2"


def test_a_method_without_final_parameters_is_left_to_the_author() -> None:
    ours, theirs = with_params([trial("ours", 0.5), trial("theirs", 0.6)], [{"x": 1}, {"x": 2}])
    final = replace(ours, in_paper=True)
    assert tried.lacking_finals(statement(final)) is None
    assert tried.lacking_finals(statement(final, theirs)) == "theirs"
    assert tried.lacking_finals(statement(final, replace(theirs, in_paper=True, params={}))) == "theirs"
    item = tried.finals_item("best", "", statement(final, theirs), "give them")
    assert (item.answer, item.todo) == ("ours: x = 1", "give them: of theirs no final parameters are known")
    assert tried.finals_item("best", "", statement(final), "give them").todo is None


def test_only_seeds_of_one_configuration_are_error_bars() -> None:
    seeds = with_params(runs("ours", [0.90, 0.92]), [{"x": 1, "seed": 0}, {"x": 1, "seed": 1}])
    search = with_params(runs("ours", [0.90, 0.92]), [{"x": 1}, {"x": 2}])
    assert tried.has_error_bars(statement(*seeds))
    assert not tried.has_error_bars(statement(*search))
    assert not tried.has_error_bars(statement(seeds[0]))
    assert tried.spread(statement(*seeds)) == (
        "ours, accuracy: 0.91 ± 0.014 (sd of 2 runs, seeds of one configuration; 0.9 to 0.92)"
    )
    assert tried.spread(statement(seeds[0])) == "ours, accuracy: 0.9 (a single run)"
    assert tried.seeds(statement(*seeds)) == "seed = 0, 1"
    assert tried.seeds(statement(*search)) is None


def test_a_failed_run_has_no_score_that_counts_and_no_number_is_none() -> None:
    made = [trial("ours", 0.5), failed("ours", scores={"accuracy": 0.1}), trial("ours", "nan"), trial("ours", True)]
    assert [row[2:4] for row in tried.scores(statement(*made)).rows] == [("1", "0.5")]


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20))
def test_the_mean_lies_between_the_least_and_the_most(scores: list[float]) -> None:
    row = tried.scores(statement(*runs("ours", scores))).rows[0]
    mean, least, most = (float(row[at]) for at in (3, 5, 6))
    assert least - abs(least) * 1e-3 <= mean <= most + abs(most) * 1e-3


# How much of it was tuning


def told(whole: Spent, reported: Spent | None) -> Statement:
    return replace(statement(), whole=whole, reported=reported)


def test_the_multiplier_of_lisa() -> None:
    """4789 jobs of 239,942 h over a final one of 120 h: 1999.5167 (FACTS §6.3); 24 jobs: 24."""
    found = told(spent(239_942.0), spent(120.0))
    multiplier = tried.multiplier(found)
    assert multiplier is not None
    assert multiplier.value == pytest.approx(1999.5167, abs=5e-5)
    assert tried.multiplied(found) == "2000 times what the paper shows (120 GPU-h)"
    assert tried.multiplied(told(spent(2880.0), spent(120.0))) == "24 times what the paper shows (120 GPU-h)"


def test_without_a_gpu_the_multiplier_is_by_cpu_hours() -> None:
    """Not by energy: that of memory grows while the author is away."""
    found = told(of_cpu(spent(0.0, kwh=60.0), 6.0), of_cpu(spent(0.0, kwh=2.0), 2.0))
    assert tried.multiplied(found) == "3 times what the paper shows (2 CPU-h)"
    assert tried.multiplied_how(found).startswith("all CPU-hours over")


def of_cpu(found: Spent, hours: float) -> Spent:
    return replace(found, cpu_hours=replace(found.cpu_hours, value=hours))


def test_a_final_run_is_no_draw_of_the_search() -> None:
    """How it was searched is still said, and its score is in no mean with those of the search."""
    params = [{"lr": 0.1, "search": "random"}, {"lr": 0.3, "search": "random"}, {"lr": 0.3}]
    first, second, final = with_params(runs("ours", [0.5, 0.7, 0.9]), params)
    found = statement(first, second, replace(final, in_paper=True))
    assert tried.spread(found) == (
        "ours, accuracy: 0.6 ± 0.14 (sd of 2 runs, all runs of a search (random); 0.5 to 0.7);"
        " ours, accuracy: 0.9 (final, not of the search: a single run)"
    )
    assert (tried.how_chosen(found) or "").startswith("ours: random")


def test_no_multiplier_of_what_is_not_known() -> None:
    assert tried.multiplier(told(spent(1.0), None)) is None
    assert tried.multiplied(told(spent(1.0), spent(None))) is None
    assert tried.multiplied(told(spent(1.0), spent(0.0))) is None
