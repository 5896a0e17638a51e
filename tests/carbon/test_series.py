"""Values over time: means and what overlaps."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from grids import KIND
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter.carbon.series import Series, Value, mean

# Values over time, pure

steps = st.lists(
    st.tuples(st.integers(1, 4), st.integers(0, 2), st.floats(0.1, 2000)), min_size=1, max_size=30
)  # length, gap, g


def series_of(found: list[tuple[int, int, float]]) -> Series:
    values, at = [], 0
    for length, gap, g in found:
        values.append(Value(at * 900.0, (at + length) * 900.0, g, 0.0, KIND))
        at += length + gap
    return Series(values)


def mass(series: Series, start: float, end: float) -> float:
    """Grams that a kilowatt would have emitted in the known part, times 3600."""
    parts = series.within(start, end)
    return mean(parts, "GB", start, end).g_per_kwh * sum(s for _, s in parts) if parts else 0.0


@given(steps, st.floats(-1000, 100_000), st.floats(0, 50_000), st.floats(0, 50_000))
def test_the_mean_is_between_the_extremes_and_adds_up_over_splits(
    found: list[tuple[int, int, float]], start: float, first: float, second: float
) -> None:
    series = series_of(found)
    split, end = start + first, start + first + second
    parts = series.within(start, end)
    if parts:
        values = [v.g for v, _ in parts]
        assert min(values) <= mean(parts, "GB", start, end).g_per_kwh <= max(values)
    whole = mass(series, start, end)
    assert mass(series, start, split) + mass(series, split, end) == pytest.approx(whole, rel=1e-6, abs=1e-3)


overlapping = st.lists(
    st.tuples(st.integers(0, 40), st.integers(1, 6), st.integers(0, 5)), min_size=1, max_size=15, unique=True
)  # start, length, fetched at


@given(overlapping, st.randoms(use_true_random=False))
def test_what_overlaps_is_won_by_what_was_fetched_last_in_any_order(
    found: list[tuple[int, int, int]], random: Random
) -> None:
    values = [Value(a, a + n, 100.0 + at, at, KIND) for a, n, at in found]
    series = Series(values)
    for before, after in zip(series.values, series.values[1:], strict=False):
        assert before.end <= after.start
    assert max(v.fetched_at for v in values) in {v.fetched_at for v in series.values}
    random.shuffle(values)
    assert Series(values).values == series.values


def test_a_forecast_replaces_nothing_that_is_final() -> None:
    final = Value(0.0, 1800.0, 100.0, 1.0, KIND)
    forecast = Value(0.0, 1800.0, 107.0, 2.0, replace(KIND, note="forecast"))
    assert Series([final]).merged([forecast]).values == (final,)
    assert Series([forecast]).merged([final]).values == (final,)


@given(overlapping, overlapping)
def test_what_comes_later_joins_as_if_all_had_come_at_once(
    first: list[tuple[int, int, int]], later: list[tuple[int, int, int]]
) -> None:
    known = Series(Value(a, a + n, 100.0 + at, at, KIND) for a, n, at in first)
    more = [Value(a, a + n, 100.0 + at, at, KIND) for a, n, at in later]
    assert known.merged(more).values == Series((*known.values, *more)).values
