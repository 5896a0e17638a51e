"""What more compute bought (FACTS §1.2, §6.3, §6.14, §6.15)."""

from __future__ import annotations

from math import sqrt
from statistics import fmean, pstdev

import pytest
from compared import DODGE
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter.comparison import (
    expected_best,
    expected_max,
    expected_min,
    front,
    points_per_decade,
    tuning_multiplier,
)

SCORES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40)
POINTS = st.lists(st.tuples(st.sampled_from([0.5, 1.0, 2.0, 3.0]), st.sampled_from([0.1, 0.2, 0.3])), max_size=12)


@given(st.floats(1e-3, 1e9), st.integers(1, 10_000))
def test_runs_that_are_alike_are_their_number(each: float, runs: int) -> None:
    assert tuning_multiplier(runs * each, each) == pytest.approx(runs)


def test_the_multiplier_of_a_year_of_research() -> None:
    """FACTS §6.3: LISA's 4789 jobs, and a tune of 24."""
    assert tuning_multiplier(239_942, 120) == pytest.approx(1999.5167, abs=5e-5)
    assert tuning_multiplier(24 * 120, 120) == 24


@pytest.mark.parametrize("final", [0.0, -1.0])
def test_nothing_is_a_multiple_of_nothing(final: float) -> None:
    with pytest.raises(ValueError, match="the final run took nothing"):
        tuning_multiplier(100.0, final)


@pytest.mark.parametrize(
    ("gain", "ratio", "points"), [(1.0, 10, 1.0), (1.0, 100, 0.5), (-2.0, 10, -2.0), (3.0, 1000, 1.0)]
)
def test_points_per_decade(gain: float, ratio: float, points: float) -> None:
    assert points_per_decade(gain, ratio) == pytest.approx(points)


@given(st.floats(0, 100), st.floats(1.01, 1e3))
def test_the_same_gain_twice_is_the_same_rate(gain: float, ratio: float) -> None:
    assert points_per_decade(2 * gain, ratio**2) == pytest.approx(points_per_decade(gain, ratio))


@pytest.mark.parametrize("ratio", [1.0, 0.5, 0.0, -3.0])
def test_no_more_compute_no_rate(ratio: float) -> None:
    with pytest.raises(ValueError, match="no more compute"):
        points_per_decade(1.0, ratio)


# The best of n runs


def test_expected_max_as_published() -> None:
    """FACTS §6.14."""
    found = [expected_max(DODGE, n) for n in range(1, 6)]
    assert [mean for mean, _ in found] == pytest.approx([0.756, 0.780, 0.792, 0.798624, 0.8025216], abs=1e-12)
    sds = [0.0431740663, 0.0361109402, 0.0283407833, 0.022062335, 0.0172151542]
    assert [sd for _, sd in found] == pytest.approx(sds, abs=5e-11)


@given(SCORES)
def test_one_run_is_the_mean(scores: list[float]) -> None:
    mean, sd = expected_max(scores, 1)
    assert mean == pytest.approx(fmean(scores), rel=1e-9, abs=1e-6)
    assert sd == pytest.approx(pstdev(scores), rel=1e-6, abs=1e-4)


@given(SCORES, st.randoms())
def test_more_runs_are_never_worse_and_order_does_not_matter(scores: list[float], random: object) -> None:
    steps = expected_best(scores)
    assert [step.runs for step in steps] == list(range(1, len(scores) + 1))
    means = [step.expected for step in steps]
    room = 1e-9 * max(map(abs, scores))
    assert all(after >= before - room for before, after in zip(means, means[1:], strict=False))
    assert all(min(scores) <= mean <= max(scores) for mean in means)
    mixed = list(scores)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert expected_best(mixed) == steps


@given(SCORES)
def test_the_spread_is_clipped_to_what_was_seen(scores: list[float]) -> None:
    for step in expected_best(scores):
        assert min(scores) <= step.low <= step.expected <= step.high <= max(scores)
        assert step.low == max(min(scores), step.expected - step.sd)
        assert step.high == min(max(scores), step.expected + step.sd)


@given(SCORES)
def test_least_is_most_upside_down(scores: list[float]) -> None:
    upside_down = [-score for score in scores]
    for n in (1, len(scores)):
        mean, sd = expected_min(scores, n)
        assert (-mean, sd) == expected_max(upside_down, n)
    lower, higher = expected_best(scores, lower=True), expected_best(upside_down)
    assert [step.expected for step in lower] == [-step.expected for step in higher]
    assert [(step.low, step.high) for step in lower] == [(-step.high, -step.low) for step in higher]


@given(st.lists(st.floats(0, 1), min_size=2, max_size=4), st.integers(1, 4))
def test_it_is_the_mean_over_all_draws(scores: list[float], n: int) -> None:
    """All N^n draws with replacement, one by one."""
    from itertools import product

    if n > len(scores):
        return
    best = [max(draw) for draw in product(scores, repeat=n)]
    mean, sd = expected_max(scores, n)
    assert mean == pytest.approx(fmean(best), abs=1e-12)
    assert sd == pytest.approx(sqrt(fmean([(one - mean) ** 2 for one in best])), abs=1e-9)


@pytest.mark.parametrize("n", [0, -1, 6])
def test_more_runs_than_there_were_are_a_guess(n: int) -> None:
    with pytest.raises(ValueError, match=f"the best of {n} runs cannot be told from 5"):
        expected_max(DODGE, n)
    assert len(expected_best(DODGE)) == 5
    assert expected_best(()) == ()


# Who is beaten by nobody


@given(POINTS, st.booleans())
def test_the_front_is_who_is_beaten_by_nobody(points: list[tuple[float, float]], lower: bool) -> None:
    def beaten(at: int) -> bool:
        compute, score = points[at]
        worse = [(c, -s if lower else s) for c, s in points]
        mine = -score if lower else score
        return any(c <= compute and s >= mine and (c, s) != (compute, mine) for c, s in worse)

    found = front(points, lower)
    assert sorted(found) == [at for at in range(len(points)) if not beaten(at)]
    assert [points[at][0] for at in found] == sorted(points[at][0] for at in found)


def test_a_front_by_hand() -> None:
    points = [(10.0, 0.9), (1.0, 0.8), (5.0, 0.85), (5.0, 0.7), (20.0, 0.9)]
    assert front(points) == (1, 2, 0)
    assert front(points, lower=True) == (1, 3)
