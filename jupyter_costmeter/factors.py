"""The plain frozen records of what joules are multiplied by: where, how much carbon, who says so.

Nothing here imports anything but the records.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from .record import Method

#: Of all plants that feed a grid, or of the one that would run more: only the first is for reports (FACTS §2.4).
Signal = Literal["average", "marginal"]
#: What is counted per kWh. Intensities of different bases are not comparable (FACTS §2.1).
Basis = Literal["lifecycle", "direct", "combustion only", "CO2 only", "not stated"]
#: What kind of place a machine stands in: it decides the PUE and the life of the hardware.
Kind = Literal["laptop", "lab", "cloud"]
#: What a tariff prices: hours of a reserved GPU, of CPU time, of a GB of memory (10^9 bytes), and kWh with PUE.
PriceUnit = Literal["gpu_hour", "cpu_hour", "gb_hour", "kwh"]
PRICE_UNITS: tuple[PriceUnit, ...] = ("gpu_hour", "cpu_hour", "gb_hour", "kwh")

WORLD = "world"


@dataclass(frozen=True, slots=True)
class Intensity:
    """Carbon intensity of electricity: gCO2e per kWh in a region, and who says so.

    ``uncertainty`` is a relative half-width (FACTS §4). ``start`` and ``end`` (seconds since 1970, UTC) bound the
    time that it is about, ``None`` where it is about a year or any time. ``fetched_at`` is when a live source
    answered; ``stale`` says that it is about an earlier time than the one it is used for.
    """

    g_per_kwh: float
    region: str
    source: str
    year: int | None = None
    signal: Signal = "average"
    basis: Basis = "not stated"
    method: Method = "modelled"
    uncertainty: float | None = 0.2
    start: float | None = None
    end: float | None = None
    fetched_at: float | None = None
    stale: bool = False
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Region:
    """A place with a grid: ``FR``, ``US-CA``, ``gcp/us-central1``.

    ``intensity`` is ``None`` where the shipped row was refused; ``note`` says why, or what to know of it.
    """

    id: str
    name: str
    intensity: Intensity | None
    aliases: tuple[str, ...] = ()
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Factor:
    """A number that figures are multiplied by (PUE, kg of a GPU's making, …), and who says so."""

    name: str
    value: float
    unit: str
    method: Method
    source: str
    uncertainty: float | None = None


@dataclass(frozen=True, slots=True)
class Live:
    """Which live source the user asked for; ``zone`` is its own name for the ``region``, and only for that one."""

    source: str
    zone: str | None = None
    region: str | None = None
    every_s: float = 1800.0
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Quantity:
    """So much of what a tariff may price, on one machine and day.

    ``amount`` is in hours or kWh. ``partition`` and ``gpu`` are ``""`` where there is none. ``errors`` are relative
    half-widths by what they come from: those of one name add up linearly, others in quadrature (``uncertain``).
    ``missing`` counts the windows that lack the figure, ``reason`` says why.
    """

    unit: PriceUnit
    amount: float
    host: str
    day: date
    partition: str = ""
    gpu: str = ""
    method: Method | None = "measured"
    errors: Mapping[str, float] = field(default_factory=dict)
    missing: int = 0
    reason: str | None = None
