"""Figures as people read them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter.format import about, gpu_times, half_width, percent, quantity, total_text, uncertainty
from jupyter_costmeter.record import Total

PREFIXES = {"E": 1e18, "P": 1e15, "T": 1e12, "G": 1e9, "M": 1e6, "k": 1e3, "": 1.0, "m": 1e-3, "µ": 1e-6, "n": 1e-9}


@given(st.floats(1e-9, 9.99e20), st.sampled_from(["J", "B", "W"]))
def test_two_to_four_digits_with_a_prefix_say_the_value(value: float, unit: str) -> None:
    text = quantity(value, unit)
    found = re.fullmatch(rf"(\d[\d.]*) ([EPTGMkmµn]?){unit}", text)
    assert found, text
    number, prefix = found[1], found[2]
    assert 2 <= len(number.replace(".", "")) <= 4
    assert 1 <= float(number) < 1000
    assert float(number) * PREFIXES[prefix] == pytest.approx(value, rel=0.0051)


@given(st.floats(1e-9, 59.9))
def test_short_times_have_a_prefix_too(value: float) -> None:
    number, unit = quantity(value, "s").split()
    assert float(number) * PREFIXES[unit[:-1]] == pytest.approx(value, rel=0.0051)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (12.44, "12.4 s"),
        (59.94, "59.9 s"),
        (60, "1 min 00 s"),
        (61.6, "1 min 02 s"),
        (3599.7, "1 h 00 min"),
        (3780, "1 h 03 min"),
        (360_000, "100 h 00 min"),
        (0, "0 s"),
        (None, "—"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert quantity(seconds, "s") == text


@given(st.floats(60, 1e7))
def test_long_times_say_the_value(value: float) -> None:
    units = {"h": 3600, "min": 60, "s": 1}
    found = re.findall(r"(\d+) (h|min|s)", text := quantity(value, "s"))
    last = units[found[-1][1]]
    assert sum(int(n) * units[u] for n, u in found) == pytest.approx(value, abs=last)
    assert all(int(n) < 60 for n, u in found if u != "h"), text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "—"),
        (0, "0 J"),
        (0.0, "0 J"),
        (float("nan"), "—"),
        (float("inf"), "—"),
        (1e-12, "< 1 nJ"),
        (3421, "3.42 kJ"),
        (999.4, "999 J"),
        (999.6, "1.00 kJ"),
        (-3421, "-3.42 kJ"),
        (1.5e9, "1.50 GJ"),
    ],
)
def test_edges(value: float | None, text: str) -> None:
    assert quantity(value, "J") == text


def total(value: float | None, **more: object) -> Total:
    facts = {"method": "measured", "measured_share": 1.0, "missing": 0, "uncertainty": None, **more}
    return Total("gpu_energy_j", "J", value, **facts)  # type: ignore[arg-type]


def test_a_total_shows_how_well_it_is_known() -> None:
    assert total_text(total(3421.0)) == "3.42 kJ"
    assert total_text(total(3421.0, method="modelled")) == "~3.42 kJ"
    assert total_text(total(3421.0, method="assumed", missing=2)) == "≥ ~3.42 kJ"
    assert total_text(total(None, method=None, missing=2)) == "—"
    assert total_text(total(0.0)) == "0 J"
    assert total_text(total(100.0, uncertainty=5.0), with_uncertainty=True) == "100 J ±5.0 %"


@given(st.floats(1e-6, 1e9), st.floats(1e-4, 0.99))
def test_an_uncertainty_has_at_most_two_significant_digits_or_is_whole(value: float, relative: float) -> None:
    text = uncertainty(total(value, uncertainty=value * relative))
    number = re.fullmatch(r"±([\d.]+) %", text)
    assert number, text
    assert float(number[1]) == pytest.approx(100 * relative, rel=0.051)
    assert len(number[1].replace(".", "").lstrip("0")) <= 2 or float(number[1]) >= 100


def test_no_uncertainty_is_shown_where_none_is_known() -> None:
    assert uncertainty(total(None)) == uncertainty(total(0.0, uncertainty=1.0)) == uncertainty(total(5.0)) == ""


def test_an_uncertainty_as_large_as_the_figure_is_a_factor() -> None:
    assert [half_width(r) for r in (2.0, 1.0, 1.5, 9.0)] == ["×/÷ 3", "×/÷ 2", "×/÷ 2.5", "×/÷ 10"]
    assert half_width(19248.0) == "×/÷ > 100"
    assert uncertainty(total(10.0, uncertainty=20.0)) == "×/÷ 3"


def test_a_share_is_never_rounded_to_none_or_to_all() -> None:
    assert [percent(s) for s in (0, 0.001, 0.314, 0.9999, 1)] == ["0 %", "< 1 %", "31 %", "> 99 %", "100 %"]
    assert quantity(0.314, "1") == "31 %"


@given(st.floats(1, 1e7))
def test_a_time_that_goes_on_is_never_said_too_long(seconds: float) -> None:
    units = {"h": 3600, "min": 60, "s": 1}
    said = sum(int(n) * units[u] for n, u in re.findall(r"(\d+) (h|min|s)", about(seconds)))
    assert said <= seconds < said + 60


@given(st.floats(0.01, 1e9), st.floats(0, 1))
def test_gpu_times_have_one_unit_and_say_the_values(held_s: float, share: float) -> None:
    units = {"GPU-h": 3600, "GPU-min": 60, "GPU-s": 1}
    held, used = gpu_times(held_s, share * held_s)
    number, unit = held.split()
    assert float(number) * units[unit] == pytest.approx(held_s, rel=0.0051)
    if "<" not in used:
        step = 10.0 ** -len(number.partition(".")[2])
        assert float(used) * units[unit] == pytest.approx(share * held_s, abs=0.51 * step * units[unit])
    assert (used == "0") == (share * held_s == 0)
    assert gpu_times(held_s, None)[1] == "—"
