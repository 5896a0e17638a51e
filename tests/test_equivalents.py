"""What people can picture: numbers by hand, each with its source, none of what is not known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter.equivalents import equivalents


@pytest.mark.parametrize(
    ("wh", "litres"),
    [
        (98.8361, "1.00 L"),  # 4186 × 85 = 355,810 J
        (1000.0, "10.1 L"),
        (0.05, "506 µL"),
        (1e6, "10.1 kL"),
    ],
)
def test_kettles(wh: float, litres: str) -> None:
    (said,) = equivalents(wh, None)
    assert said == (
        f"Electricity to bring {litres} of water to the boil (a litre of water from 15 to 100 °C, 4186 J/(kg K))."
    )


@pytest.mark.parametrize(
    ("grams", "distance"),
    [
        (248.548477, "1.00 km"),  # 400 g a mile of 1.609344 km
        (400.0, "1.61 km"),
        (1.0, "4.02 m"),
        (400_000.0, "1\N{NARROW NO-BREAK SPACE}609 km"),
    ],
)
def test_cars(grams: float, distance: str) -> None:
    said = equivalents(None, grams)[0]
    assert (
        said == f"As much CO2 as {distance} by car (a typical US passenger car, 400 g CO2 a mile (EPA-420-F-23-014))."
    )


@pytest.mark.parametrize(
    ("grams", "flights"),
    [
        (899_927.26, "1 times"),
        (1_799_854.5, "2 times"),
        (90_000.0, "0.1 times"),
        (9e7, "100 times"),
        (9_000.0, "0.01 times"),
    ],
)
def test_flights(grams: float, flights: str) -> None:
    """1984 lb a passenger: 899,927 g."""
    said = equivalents(None, grams)[-1]
    source = "1984 lb CO2e a passenger (Strubell et al. 2019, table 1)"
    assert said == f"{flights} a flight from New York to San Francisco ({source})."


def test_a_small_part_of_a_flight_is_told_in_km_only() -> None:
    assert len(equivalents(None, 8_999.0)) == 1
    assert len(equivalents(None, 9_000.0)) == 2


@pytest.mark.parametrize(("wh", "grams"), [(None, None), (0.0, 0.0), (None, 0.2)])
def test_nothing_of_what_is_not_known_or_nothing(wh: float | None, grams: float | None) -> None:
    """Nor of less than a metre by car."""
    assert equivalents(wh, grams) == []


@given(st.floats(0, 1e12), st.floats(0, 1e15))
def test_each_is_one_sentence_with_its_source(wh: float, grams: float) -> None:
    for said in equivalents(wh, grams):
        assert said.endswith(").")
        assert "e+" not in said
        assert "nan" not in said
