"""Conversions between the units that figures are kept in and those that people and norms use (FACTS §6.15)."""

from __future__ import annotations

J_PER_WH = 3600.0
J_PER_KWH = 3.6e6
#: The international pound, exactly.
KG_PER_LB = 0.45359237


def kwh_of(energy_j: float) -> float:
    """Joules as kWh; 3.6e6 J are 1 kWh exactly."""
    return energy_j / J_PER_KWH


def joules_of(energy_kwh: float) -> float:
    """Kilowatt-hours as joules."""
    return energy_kwh * J_PER_KWH


def g_per_kwh(lb_per_mwh: float) -> float:
    """An intensity in pounds per MWh (EPA, WattTime) in g/kWh: a lb/MWh is as many g/kWh as a pound has kg."""
    return lb_per_mwh * KG_PER_LB


def pounds(mass_g: float) -> float:
    """Grams as pounds."""
    return mass_g / (1000.0 * KG_PER_LB)
