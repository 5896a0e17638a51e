"""How many times as much: a bound stays a bound, what is not known says why, and errors are carried."""

from __future__ import annotations

from dataclasses import replace
from math import hypot, log, log10

import pytest
from compared import lower_bound, total
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter.quotients import NO_TELLING, Bound, Quotient, left, multiplier, per_decade, quotient
from jupyter_costmeter.record import Total

NAMES = ("ours", "baseline")
POSITIVE = st.floats(1e-3, 1e9)


def kwh(value: float | None, half: float = 0.05, **more: object) -> Total:
    return total("energy_kwh", "kWh", value, "NVML energy counter", half, **more)  # type: ignore[arg-type]


@given(POSITIVE, POSITIVE, st.floats(0, 0.5), st.floats(0, 0.5))
def test_a_ratio_with_its_errors(above: float, below: float, a: float, b: float) -> None:
    found = quotient(kwh(above, a), kwh(below, b), NAMES)
    assert found.value == pytest.approx(above / below)
    assert found.half_width == pytest.approx(hypot(a, b))
    assert (found.bound, found.method, found.reason) == ("", "measured", None)


@pytest.mark.parametrize(
    ("ours", "baseline", "bound"), [(True, False, "≥"), (False, True, "≤"), (True, True, "?"), (False, False, "")]
)
def test_a_lower_bound_bounds_the_ratio_on_one_side(ours: bool, baseline: bool, bound: Bound) -> None:
    above, below = (lower_bound(kwh(v)) if low else kwh(v) for v, low in ((6.0, ours), (2.0, baseline)))
    found = quotient(above, below, NAMES)
    assert (found.value, found.bound) == (3.0, bound)
    assert (found.reason is not None) == (bound == "?")


@pytest.mark.parametrize(
    ("ours", "baseline", "why"),
    [
        (kwh(None), kwh(1.0), "ours: the GPU is lost"),
        (kwh(1.0), kwh(None), "baseline: the GPU is lost"),
        (kwh(1.0), kwh(0.0), "baseline: took none"),
        (kwh(1.0), lower_bound(kwh(0.0)), "baseline: nothing of it could be read"),
    ],
)
def test_what_is_not_known_says_why(ours: Total, baseline: Total, why: str) -> None:
    assert quotient(ours, baseline, NAMES) == Quotient(None, reason=why)


def test_a_ratio_is_as_weak_as_its_weaker_half() -> None:
    assert quotient(kwh(1.0), kwh(1.0, method="modelled"), NAMES).method == "modelled"
    assert quotient(kwh(0.0), kwh(1.0), NAMES).value == 0.0


# All runs over the final one


@given(st.lists(POSITIVE, max_size=8), POSITIVE)
def test_the_multiplier_is_all_over_final(others: list[float], final: float) -> None:
    found = multiplier(kwh(final), [kwh(one) for one in others], "ours")
    assert found.value == pytest.approx((sum(others) + final) / final)


def test_a_multiplier_of_one_run_is_exact() -> None:
    assert multiplier(kwh(2.0), [], "ours") == Quotient(1.0, "", "measured", 0.0)


def test_a_multipliers_error_is_that_of_the_other_runs() -> None:
    found = multiplier(kwh(1.0, 0.03), [kwh(3.0, 0.04)], "ours")
    assert found.half_width == pytest.approx(0.75 * 0.05)


@pytest.mark.parametrize(
    ("final", "others", "expected"),
    [
        (kwh(None), [kwh(1.0)], "ours: the GPU is lost"),
        (kwh(1.0), [kwh(None)], "ours: the GPU is lost"),
        (kwh(0.0), [kwh(1.0)], "ours: took none"),
        (kwh(0.0), [], "ours: took none"),
        (kwh(None), [], "ours: the GPU is lost"),
    ],
)
def test_a_multiplier_that_is_not_known(final: Total, others: list[Total], expected: str) -> None:
    assert multiplier(final, others, "ours") == Quotient(None, reason=expected)


def test_bounds_of_a_multiplier() -> None:
    assert multiplier(kwh(1.0), [lower_bound(kwh(3.0))], "ours").bound == "≥"
    assert multiplier(lower_bound(kwh(1.0)), [kwh(3.0)], "ours").bound == "≤"


def test_what_is_left_of_a_whole() -> None:
    assert left(lower_bound(kwh(4.0)), kwh(1.0)) == replace(lower_bound(kwh(3.0)), uncertainty=pytest.approx(0.15))
    assert left(kwh(4.0), kwh(None)).value == 4.0
    assert left(kwh(None), kwh(1.0)).value is None
    assert left(kwh(1.0), kwh(1.0000001)).value == 0.0


# Points per decade


def test_one_point_at_ten_times_the_compute() -> None:
    """FACTS §6.15."""
    assert per_decade(1.0, Quotient(10.0, "", "measured", 0.0)) == Quotient(1.0, "", "measured", 0.0)


@pytest.mark.parametrize(
    ("gain", "bound", "expected"),
    [(1.0, "≥", "≤"), (1.0, "≤", "≥"), (-1.0, "≥", "≥"), (-1.0, "≤", "≤"), (1.0, "", "")],
)
def test_a_bound_of_the_ratio_turns_with_the_gain(gain: float, bound: Bound, expected: Bound) -> None:
    found = per_decade(gain, Quotient(100.0, bound))
    assert (found.value, found.bound) == (pytest.approx(gain / 2), expected)
    certain = per_decade(gain, Quotient(1000.0 if bound == "≥" else 20.0, ""))
    if bound and certain.value is not None and found.value is not None:
        assert certain.value <= found.value if expected == "≤" else certain.value >= found.value


@given(st.floats(1.5, 1e6), st.floats(0, 1e-4))
def test_a_rates_error_is_that_of_the_logarithm(ratio: float, width: float) -> None:
    found = per_decade(1.0, Quotient(ratio, "", "measured", width))
    moved = per_decade(1.0, Quotient(ratio * (1 + width), "", "measured", 0.0))
    assert found.value is not None
    assert moved.value is not None
    assert found.half_width == pytest.approx(width / log(ratio))
    assert 1 - moved.value / found.value == pytest.approx(found.half_width, rel=1e-3, abs=1e-12)


def test_a_ratio_that_is_above_1_for_certain_has_a_rate() -> None:
    assert per_decade(1.0, Quotient(1.09, half_width=0.08)).value == pytest.approx(1 / log10(1.09))


@pytest.mark.parametrize(
    ("ratio", "why"),
    [
        (Quotient(1.0), "it took no more compute, so there is no rate of points for more"),
        (Quotient(0.5, "≤"), "it took no more compute, so there is no rate of points for more"),
        (Quotient(0.5, "≥"), "the ratio is a lower bound, which is not above 1"),
        (Quotient(None, reason="ours: the GPU is lost"), "ours: the GPU is lost"),
        (Quotient(3.0, "?", reason="both are lower bounds"), "both are lower bounds"),
        (Quotient(1.07, half_width=0.08), NO_TELLING),
    ],
)
def test_no_rate_without_more_compute(ratio: Quotient, why: str) -> None:
    assert per_decade(1.0, ratio) == Quotient(None, reason=why)
