"""What more compute bought (FACTS §1.2, §6.3, §6.15)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter.comparison import points_per_decade, tuning_multiplier


@given(st.floats(1e-3, 1e9), st.integers(1, 10_000))
def test_runs_that_are_alike_are_their_number(each: float, runs: int) -> None:
    assert tuning_multiplier(runs * each, each) == pytest.approx(runs)


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
