"""Conversions: exact where a unit is defined so, and back again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter.units import J_PER_KWH, J_PER_WH, KG_PER_LB, g_per_kwh, joules_of, kwh_of, pounds

amounts = st.floats(0, 1e18)


@given(amounts)
def test_joules_to_kwh_and_back(energy: float) -> None:
    assert joules_of(kwh_of(energy)) == pytest.approx(energy, rel=1e-15)
    assert kwh_of(joules_of(energy)) == pytest.approx(energy, rel=1e-15)


@given(amounts, amounts)
def test_more_joules_are_no_fewer_kwh(one: float, other: float) -> None:
    assert kwh_of(min(one, other)) <= kwh_of(max(one, other))


def test_defined_units_are_exact() -> None:
    assert (kwh_of(3.6e6), kwh_of(0.0), joules_of(0.5)) == (1.0, 0.0, 1.8e6)
    assert J_PER_KWH == 1000 * J_PER_WH
    assert KG_PER_LB == 0.45359237  # the international pound of 1959


@pytest.mark.parametrize(("mass_g", "lb"), [(453.59237, 1.0), (1000.0, 2.2046226218), (0.0, 0.0), (899_928.0, 1984.0)])
def test_pounds(mass_g: float, lb: float) -> None:
    assert pounds(mass_g) == pytest.approx(lb, rel=1e-6)


@given(st.floats(0, 1e4))
def test_pounds_a_mwh_are_grams_a_kwh(lb_per_mwh: float) -> None:
    """A MWh at so many pounds is a thousand times a kWh at so many grams."""
    assert pounds(1000 * g_per_kwh(lb_per_mwh)) == pytest.approx(lb_per_mwh, rel=1e-12)


def test_an_intensity_in_pounds() -> None:
    """EPA's 954 lb/MWh for the US in 2018."""
    assert g_per_kwh(954.0) == pytest.approx(432.727, abs=5e-4)
