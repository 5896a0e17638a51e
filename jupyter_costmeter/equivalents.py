"""What electricity and carbon are as much as, in things that people can picture; sourced, and never in a paper."""

from __future__ import annotations

from .format import plain, quantity
from .units import J_PER_WH, KG_PER_LB

#: Joules that a litre of water takes from 15 to 100 °C: 4186 J/(kg K), without what a kettle loses.
KETTLE_J = 4186.0 * 85.0
KETTLE = "a litre of water from 15 to 100 °C, 4186 J/(kg K)"
#: Grams of CO2 of a km by car: 400 g a mile.
CAR_G_PER_KM = 400.0 / 1.609344
CAR = "a typical US passenger car, 400 g CO2 a mile (EPA-420-F-23-014)"
#: Grams of CO2e of one passenger's flight between New York and San Francisco: 1984 lb.
FLIGHT_G = 1984.0 * 1000.0 * KG_PER_LB
FLIGHT = "1984 lb CO2e a passenger (Strubell et al. 2019, table 1)"
#: Fewer flights than this are told in km by car only.
FLIGHTS = 0.01


def equivalents(electricity_wh: float | None, emissions_g: float | None) -> list[str]:
    """One sentence for each thing, with its source; nothing for what is not known or nothing at all."""
    found = []
    if electricity_wh:
        litres = electricity_wh * J_PER_WH / KETTLE_J
        found.append(f"Electricity to bring {quantity(litres, 'L')} of water to the boil ({KETTLE}).")
    if emissions_g and emissions_g >= CAR_G_PER_KM / 1000.0:  # a metre
        found.append(f"As much CO2 as {_distance(emissions_g / CAR_G_PER_KM)} by car ({CAR}).")
        if emissions_g >= FLIGHTS * FLIGHT_G:
            flights = emissions_g / FLIGHT_G
            found.append(f"{plain(flights, 2)} times a flight from New York to San Francisco ({FLIGHT}).")
    return found


def _distance(km: float) -> str:
    """``12.4 m``, ``3.42 km``: there is no kkm."""
    return quantity(1000.0 * km, "m") if km < 1000 else f"{km:,.0f} km".replace(",", "\N{NARROW NO-BREAK SPACE}")
