"""Ours against a baseline: the gain, the compute of all runs and of the final one, and what is not known of either."""

from __future__ import annotations

from dataclasses import replace
from math import log10, nan, sqrt
from typing import Any

import pytest
from compared import DODGE, WITH_GPU, failed, lower_bound, runs, spent, statement, trial, with_params
from hypothesis import given
from hypothesis import strategies as st
from stated import golden_statement

from jupyter_costmeter.comparing import Comparison, Measure, compare, has_failed, name_of
from jupyter_costmeter.errors import UsageError
from jupyter_costmeter.statement import Experiment, Trial


def of(*trials: Trial, metric: str | None = None, lower: bool = False) -> Comparison:
    return compare(statement(*trials), "ours", "baseline", metric, lower)


def ten_times() -> Comparison:
    """FACTS §1.2: 1 point more at 10 times the compute."""
    return of(*runs("ours", [0.80, 0.91], 5.0), *runs("baseline", [0.90], 1.0))


@pytest.mark.parametrize("measure", WITH_GPU)
def test_one_point_at_ten_times_the_compute(measure: Measure) -> None:
    found = ten_times()
    ratio = found.ratio(measure)
    assert found.gain / found.point == pytest.approx(1.0)
    assert ratio.all_in.value == pytest.approx(10.0)
    assert ratio.all_in_rate.value == pytest.approx(1.0)
    assert ratio.final.value == pytest.approx(5.0)
    assert found.ours.multipliers[measure].value == pytest.approx(2.0)
    assert found.baseline.multipliers[measure].value == 1.0


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0.01, 100)), min_size=1, max_size=9),
    st.lists(st.tuples(st.floats(0, 1), st.floats(0.01, 100)), min_size=1, max_size=9),
    st.booleans(),
)
def test_all_of_it_by_hand(ours: list[tuple[float, float]], baseline: list[tuple[float, float]], lower: bool) -> None:
    both = (("ours", ours), ("baseline", baseline))
    trials = [trial(method, *one, id=f"{method}{at}") for method, made in both for at, one in enumerate(made)]
    found = of(*trials, lower=lower)
    best = min if lower else max
    tops = [best(score for score, _ in made) for made in (ours, baseline)]
    assert found.gain == pytest.approx((tops[1] - tops[0]) if lower else (tops[0] - tops[1]))
    hours = [sum(took for _, took in made) for made in (ours, baseline)]
    assert found.ratio("gpu_hours").all_in.value == pytest.approx(hours[0] / hours[1])
    first = next(took for score, took in ours if score == tops[0])
    assert found.ours.multipliers["kwh"].value == pytest.approx(hours[0] / first)
    assert (found.ours.curve is None) == (len(ours) < 5)
    assert found.ours.mean == pytest.approx(sum(score for score, _ in ours) / len(ours))


def test_less_is_better_if_it_is_said() -> None:
    trials = [*runs("ours", [2.5, 2.0], metric="loss"), *runs("baseline", [2.2, 3.0], metric="loss")]
    found = of(*trials, lower=True)
    assert found.gain == pytest.approx(0.2)
    assert (found.ours.best.score, found.baseline.best.score) == (2.0, 2.2)
    assert of(*trials).gain == pytest.approx(-0.5)


@pytest.mark.parametrize(("top", "point"), [(0.9, 0.01), (1.0, 0.01), (1.01, 1.0), (90.0, 1.0), (-0.1, 1.0)])
def test_a_point_is_a_hundredth_of_a_whole(top: float, point: float) -> None:
    assert of(*runs("ours", [top]), *runs("baseline", [0.5])).point == point


def test_the_golden_ledgers_two_methods() -> None:
    """Five runs of a grid each, two that failed, and a final run in the paper (``stated.py``)."""
    found = compare(golden_statement(), "ours", "baseline")
    hours = found.ratio("gpu_hours")
    assert found.gain == pytest.approx(0.82 - 0.75)
    assert hours.all_in.value == pytest.approx((5 * 1.0 + 2 * 0.25 + 4.0) / (5 * 0.5 + 2.0))
    assert hours.final.value == pytest.approx(2.0)
    assert hours.final_rate.value == pytest.approx(7.0 / log10(2.0))
    assert found.ours.multipliers["gpu_hours"].value == pytest.approx(9.5 / 4.0)
    assert (found.ours.failed, found.ours.final_why) == (2, "tagged in_paper")
    assert found.ours.curve is not None
    assert found.ours.curve.search.kind == "grid"


# The final run


@pytest.mark.parametrize(
    ("tagged", "final", "why"),
    [
        ({}, 0.81, "the best one: none is tagged in_paper"),
        ({1: True}, 0.72, "tagged in_paper"),
        ({0: True, 2: True}, 0.75, "tagged in_paper, the best of 2"),
        ({4: False}, 0.80, "the best one: none is tagged in_paper"),
        (dict.fromkeys(range(5), False), 0.81, "the best one: none is tagged in_paper"),
    ],
)
def test_the_final_run_is_the_one_in_the_paper(tagged: dict[int, bool], final: float, why: str) -> None:
    ours = [replace(one, in_paper=tagged.get(at)) for at, one in enumerate(runs("ours", DODGE))]
    found = of(*ours, *runs("baseline", [0.7]))
    assert (found.ours.final.score, found.ours.final_why) == (final, why)
    assert found.ours.best.score == 0.81
    assert found.final_gain == pytest.approx(final - 0.7)


def test_the_final_runs_have_a_gain_of_their_own() -> None:
    ours = [trial("ours", 0.92, 1.0), trial("ours", 0.91, 100.0, in_paper=True)]
    ratio = of(*ours, *runs("baseline", [0.90], 1.0)).ratio("kwh")
    assert ratio.final_rate.value == pytest.approx(1.0 / 2)
    assert ratio.all_in_rate.value == pytest.approx(2.0 / log10(101))


def test_of_equals_the_first_is_the_best() -> None:
    assert of(*runs("ours", [0.8, 0.9, 0.9]), *runs("baseline", [0.7])).ours.best.name == "ours 1"


# What has no score


def test_failed_runs_count_in_compute_and_have_no_score() -> None:
    crashed = failed("ours", 3.0, scores={"accuracy": 0.99})
    found = of(*runs("ours", [0.8]), crashed, *runs("baseline", [0.7]))
    assert (found.ours.failed, len(found.ours.scored), found.ours.best.score) == (1, 1, 0.8)
    assert found.ours.all_in["gpu_hours"].value == 4.0
    assert found.ours.multipliers["gpu_hours"].value == 4.0


@pytest.mark.parametrize(
    ("category", "outcome", "expected"),
    [("failed", "ok", True), ("train", "error", False), (None, "killed", True), (None, "ok", False)],
)
def test_what_was_judged_afterwards_has_not_failed(category: Any, outcome: Any, expected: bool) -> None:
    assert has_failed(trial("ours", 0.8, category=category, outcome=outcome)) is expected


@pytest.mark.parametrize("score", [nan, float("inf"), "nan", "0.9", True, None])
def test_scores_that_are_no_finite_numbers_are_left_out(score: object) -> None:
    odd = trial("ours", 0.1, scores={"accuracy": score}, id="odd")
    found = of(*runs("ours", [0.8]), odd, trial("ours", id="none"), *runs("baseline", [0.7]))
    assert (found.ours.unusable, found.ours.unscored, len(found.ours.scored)) == (1, 1, 1)
    assert found.ours.all_in["gpu_hours"].value == 3.0
    assert len(found.everyone) == 2


# What is not known


def test_what_could_not_be_read_has_no_ratio_and_says_why() -> None:
    lost = trial("ours", 0.9, None)
    ratio = of(lost, *runs("baseline", [0.8])).ratio("gpu_hours")
    assert (ratio.all_in.value, ratio.all_in.reason) == (None, "ours: the GPU is lost")
    assert ratio.all_in_rate.value is None


def test_a_run_that_could_not_be_read_makes_a_lower_bound() -> None:
    found = of(*runs("ours", [0.9], 4.0), trial("ours", 0.8, None), *runs("baseline", [0.8], 2.0))
    ratio = found.ratio("gpu_hours")
    assert (ratio.all_in.value, ratio.all_in.bound) == (2.0, "≥")
    assert (ratio.all_in_rate.bound, ratio.final.bound) == ("≤", "")
    assert found.ours.multipliers["gpu_hours"].value is None


def test_flops_that_are_lower_bounds() -> None:
    some = spent(4.0)
    numpy = replace(some, flops=lower_bound(some.flops))
    found = of(trial("ours", 0.9, spent=numpy), *runs("baseline", [0.8]))
    assert (found.ratio("flops").all_in.bound, found.ratio("kwh").all_in.bound) == ("≥", "")


def test_no_gpu_no_gpu_hours() -> None:
    ratio = of(trial("ours", 0.9, 0.0), trial("baseline", 0.8, 0.0)).ratio("gpu_hours")
    assert ratio.all_in.reason == "baseline: took none"


def test_runs_of_a_method_that_are_no_trials_count() -> None:
    """A cell around trials, or one that prepares: experiments hold all runs of a method."""
    trials = [*runs("ours", [0.8, 0.9], 2.0), *runs("baseline", [0.8], 2.0)]
    every = Experiment("ours", replace(spent(9.0), runs=5), "train", "ours")
    known = replace(statement(*trials), experiments=(every, Experiment("baseline", spent(2.0), None, "baseline")))
    found = compare(known, "ours", "baseline")
    assert (found.ours.others, found.baseline.others) == (3, 0)
    assert found.ours.all_in["gpu_hours"].value == pytest.approx(9.0)
    assert found.ours.multipliers["kwh"].value == pytest.approx(4.5)
    assert found.ratio("flops").all_in.value == pytest.approx(4.5)
    assert found.ratio("flops").final.value == pytest.approx(1.0)


# The best of n runs


def test_the_curve_ends_at_what_was_spent() -> None:
    ours = [*runs("ours", DODGE, 2.0), failed("ours", 5.0), trial("ours", hours=7.0, category="inference")]
    curve = of(*ours, *runs("baseline", [0.7])).ours.curve
    assert curve is not None
    assert [step.expected for step in curve.steps] == pytest.approx([0.756, 0.780, 0.792, 0.798624, 0.8025216])
    assert curve.per_run["gpu_hours"].value == pytest.approx((5 * 2.0 + 5.0) / 5)
    assert curve.per_run["kwh"].uncertainty == pytest.approx(0.05 * 0.3 * 3.0)


def test_too_few_runs_have_no_curve() -> None:
    found = of(*runs("ours", DODGE[:4]), *runs("baseline", DODGE))
    assert found.ours.curve is None
    assert found.baseline.curve is not None
    assert found.equal is None


def test_the_best_of_as_many_runs() -> None:
    found = of(*runs("ours", [*DODGE, 0.9, 0.95]), *runs("baseline", DODGE))
    assert found.equal is not None
    assert [step.runs for step in found.equal] == [5, 5]
    assert found.equal[1].expected == pytest.approx(0.8025216)


@pytest.mark.parametrize(
    ("params", "kind"),
    [
        ([{"lr": 10.0**-at} for at in range(5)], "grid"),
        ([{"lr": 0.1 * 1.7**at + at**2, "search": "random"} for at in range(5)], "random"),
        ([{}] * 5, "unknown"),
    ],
)
def test_the_curve_says_how_runs_were_chosen(params: list[dict[str, Any]], kind: str) -> None:
    ours = with_params(runs("ours", DODGE), params)
    curve = of(*ours, failed("ours"), *runs("baseline", [0.7])).ours.curve
    assert curve is not None
    assert curve.search.kind == kind


# The front


def test_the_front_is_over_all_methods() -> None:
    found = of(
        trial("ours", 0.9, 8.0), trial("ours", 0.85, 9.0), trial("baseline", 0.8, 1.0), trial("other", 0.95, 20.0),
        trial(None, 0.6, 0.5), trial("other", 0.99, None), trial("other", 0.7, 0.0, id="free"), failed("other", 0.1),
    )  # fmt: skip
    assert [one.score for one in found.front("gpu_hours")] == [0.6, 0.8, 0.9, 0.95]
    assert len(found.everyone) == 7
    assert len(found.on_axis("gpu_hours")) == 5  # neither lost nor for nothing


# Words


def test_runs_are_called_by_what_tells_them_apart() -> None:
    params = {"lr": 1 / 3, "search": "random", "model": "b", "n": 3}
    assert name_of(trial("ours", params=params)) == "lr=0.333, model=b, n=3"
    assert name_of(trial("ours", params=params, run="seed 1")) == "seed 1"
    assert name_of(trial("ours", id="0123456789")) == "01234567"
    assert name_of(trial("ours", params=dict.fromkeys("abcde", 1))) == "a=1, b=1, c=1, d=1, …"


TWO = ({"accuracy": 0.9, "f1": 0.8}, {"f1": 0.7, "accuracy": 0.8})


@pytest.mark.parametrize(
    ("trials", "methods", "metric", "message"),
    [
        (runs("ours", [1.0]), ("ours", "ours"), None, "'ours' cannot be compared with itself; name two methods"),
        (runs("ours", [1.0]), ("ours", "baselin"), None,
         "no trial here is of the method 'baselin'; there are ours"),
        (runs("baseline", [1.0]), ("ours", "baselin"), None, "of the method 'ours'; there are baseline"),
        ([*runs("ours", [1.0]), *runs("baseline", [1.0])], ("ours", "baselin"), None,
         "of the method 'baselin'; did you mean 'baseline'? there are baseline, ours"),
        ([trial(None, 1.0)], ("ours", "baseline"), None,
         'there are none of any: with jupyter_costmeter.trial(method="ours")'),
        ([*runs("ours", [1.0]), *runs("baseline", [1.0])], ("ours", "baseline"), "acuracy",
         "no run of 'ours' has a score 'acuracy'; did you mean 'accuracy'? it has accuracy"),
        ([*runs("ours", [1.0]), *runs("baseline", [1.0], metric="f1")], ("ours", "baseline"), "accuracy",
         "no run of 'baseline' has a score 'accuracy'; it has f1"),
        ([*runs("ours", [1.0]), *runs("baseline", [1.0], metric="f1")], ("ours", "baseline"), None,
         "the two have no score in common ('ours': it has accuracy; 'baseline': it has f1)"),
        ([failed("ours"), *runs("baseline", [1.0])], ("ours", "baseline"), "accuracy",
         "no run of 'ours' has a score 'accuracy'; it has no scores of runs that ended well"),
        ([trial("ours", scores=TWO[0]), trial("baseline", scores=TWO[1])], ("ours", "baseline"), None,
         "which score? Name it: --metric accuracy; both have accuracy, f1"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_says_what_there_is(
    trials: list[Trial], methods: tuple[str, str], metric: str | None, message: str
) -> None:
    with pytest.raises(UsageError) as error:
        compare(statement(*trials), *methods, metric)
    assert message in str(error.value)


def test_the_metric_that_both_have() -> None:
    ours, baseline = trial("ours", scores={"accuracy": 0.9, "speed": 3.0}), trial("baseline", scores=TWO[1])
    assert of(ours, baseline).metric == "accuracy"
    assert of(ours, trial("baseline", scores={"speed": 2.0})).metric == "speed"


def test_the_spread_is_the_samples() -> None:
    side = of(*runs("ours", [1.0, 3.0]), *runs("baseline", [1.0])).ours
    assert (side.mean, side.sd) == (2.0, pytest.approx(sqrt(2)))
    assert of(*runs("ours", [1.0]), *runs("baseline", [1.0])).ours.sd is None
