"""Units in which amounts and ticks are plain numbers."""

from __future__ import annotations

from math import log10

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter import scales
from jupyter_costmeter.norms import wording

UNITS = st.sampled_from(["GPU-h", "CPU-h", "kWh", "FLOP"])
VALUES = st.floats(1e-6, 1e25)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0, "kWh", "0"), (1.95e-5, "kWh", "19.5 mWh"), (1200.0, "kWh", "1.20 MWh"), (4.56e-7, "kgCO2e", "456 µgCO2e"),
        (0.00203, "CPU-h", "7.31 CPU-s"), (0.42, "GPU-h", "0.42 GPU-h"), (239942.4, "GPU-h", "239942 GPU-h"),
        (2.1e15, "FLOP", "2.10 PFLOP"),
    ],
)  # fmt: skip
def test_an_amount_is_said_in_a_unit_of_its_size(value: float, unit: str, text: str) -> None:
    assert scales.said(value, unit) == text
    assert not value or wording.said(value, unit) == text  # as forms say it


@pytest.mark.parametrize(
    ("most", "unit", "name", "labels"),
    [
        (29.3, "GPU-h", "GPU-h", ["0", "5", "10", "15", "20", "25", "30"]),
        (3e-5, "kWh", "mWh", ["0", "5", "10", "15", "20", "25", "30"]),
        (0.5 / 3600, "CPU-h", "CPU-ms", ["0", "100", "200", "300", "400", "500"]),
        (2.0 / 3600, "CPU-h", "CPU-s", ["0", "0.5", "1", "1.5", "2"]),
        (0.5, "GPU-h", "GPU-min", ["0", "5", "10"]),
        (2e15, "FLOP", "PFLOP", ["0", "0.5", "1", "1.5", "2"]),
    ],
)
def test_ticks_are_round_in_the_unit_that_is_shown(most: float, unit: str, name: str, labels: list[str]) -> None:
    scale = scales.even(most, unit)
    assert scale.unit == name
    marks = scales.even_ticks(most, scale)
    assert list(marks.values())[: len(labels)] == labels
    assert [at / scale.size for at in marks] == pytest.approx([float(text) for text in marks.values()])


@given(VALUES, UNITS)
def test_even_ticks_are_few_and_reach_the_end(most: float, unit: str) -> None:
    marks = scales.even_ticks(most, scales.even(most, unit))
    assert 3 <= len(marks) <= scales.EVEN + 2
    assert min(marks) == 0 <= most <= max(marks) * (1 + 1e-9)
    assert len(set(marks.values())) == len(marks)
    assert not [text for text in marks.values() if "e" in text]


@given(st.lists(VALUES, min_size=1, max_size=5), UNITS)
def test_ticks_of_a_logarithm_are_few_and_around(values: list[float], unit: str) -> None:
    marks = scales.wide_ticks(values, scales.wide(values, unit))
    assert min(marks) <= min(values) <= max(values) <= max(marks) * 10**scales.TICKS
    shown = [mark for mark in marks if min(values) / 1.5 <= mark <= max(values) * 1.5]
    assert len(shown) <= 3 * (scales.DECADES + 1)
    assert len(set(marks.values())) == len(marks)
    assert log10(max(values)) - log10(min(values)) > 3 or shown or max(values) / min(values) < 2


def test_a_logarithmic_axis_has_seconds_where_runs_took_seconds() -> None:
    values = [0.07 / 3600, 0.635 / 3600]
    scale = scales.wide(values, "CPU-h")
    assert scale.unit == "CPU-s"
    assert [text for at, text in scales.wide_ticks(values, scale).items() if 0.06 <= at * 3600 <= 0.7] == [
        "0.1", "0.2", "0.5"
    ]  # fmt: skip
    assert scales.wide([1e-6, 0.03], "kWh").unit == "mWh"
    assert scales.wide([1e-6, 3.0], "kWh").unit == "Wh"  # in mWh it would end at 3,000,000


@given(st.lists(st.floats(1e-9, 1e9), min_size=1, max_size=12))
def test_percentages_of_all_parts_are_a_hundred(parts: list[float]) -> None:
    found = scales.percents(parts, sum(parts))
    tenths = [0 if text == "< 0.1 %" else round(10 * float(text.removesuffix(" %"))) for text in found]
    assert sum(tenths) == 1000
    for part, tenth in zip(parts, tenths, strict=True):
        assert abs(1000 * part / sum(parts) - tenth) <= 1 + 1e-6


def test_a_part_that_is_not_known_is_a_dash_and_a_small_one_is_not_none() -> None:
    assert scales.percents([None, 1.0, 1e-6, 0.0], 1.0 + 1e-6) == ["—", "100.0 %", "< 0.1 %", "0.0 %"]
    assert scales.percents([0.5, 0.25], 1.0) == ["50.0 %", "25.0 %"]
    assert scales.percents([0.0], 0.0) == ["—"]
