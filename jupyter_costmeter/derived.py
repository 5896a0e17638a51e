"""The plain frozen records of what is derived when it is read: electricity, carbon, water, money. None is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from .factors import Intensity, PriceUnit
from .record import CellRecord, Method, SessionInfo, Stored, Summary, Total


@dataclass(frozen=True, slots=True)
class Applied:
    """A factor as it was applied: its mean, and its least and most where it changed by the hour.

    ``share`` (0 to 1) is the part of the energy (of GPU-hours: of embodied carbon) that it was applied to, ``hours``
    the number of hours with a value of their own; ``intensity`` has the rest that is known of a carbon intensity.
    """

    name: str
    value: float
    unit: str
    method: Method
    source: str
    share: float
    uncertainty: float | None = None
    least: float | None = None
    most: float | None = None
    hours: int = 0
    intensity: Intensity | None = None


@dataclass(frozen=True, slots=True)
class Footprint:
    """What was derived of some records' joules.

    ``totals``: ``electricity_wh`` (with PUE), ``emissions_g``, ``embodied_g`` where GPUs were held, ``water_l`` where
    it was asked for. ``range_g`` is what the emissions could be while it is not known where the machine stands: by the
    countries with the least and the most carbon-intense electricity, which ``range_of`` names.
    """

    totals: tuple[Total, ...]
    applied: tuple[Applied, ...] = ()
    range_g: tuple[float, float] | None = None
    range_of: tuple[str, str] | None = None

    def total(self, name: str) -> Total | None:
        return next((t for t in self.totals if t.name == name), None)


@dataclass(frozen=True, slots=True)
class Line:
    """So many hours or kWh at one price; ``source`` is the tariff's file and line, or who says the cloud's price."""

    unit: PriceUnit
    amount: Decimal
    price: Decimal
    cost: Decimal
    source: str


@dataclass(frozen=True, slots=True)
class Bill:
    """What was used, in one currency; ``amount`` is ``None`` where nothing of it has a price.

    ``method`` is the label of the hours and kWh (FACTS §4): an own price is what the lab charges, so it is right by
    declaration and adds no doubt to them. A cloud's bill is *modelled* at best, since it takes the cloud's GPU to need
    the same time. ``half_width`` is absolute, from the quantities' errors alone. ``missing`` counts windows that lack
    the figure and machines that lack a price; ``amount`` is then a lower bound, and ``reasons`` say why.
    """

    kind: Literal["own", "cloud"]
    currency: str
    amount: Decimal | None
    lines: tuple[Line, ...] = ()
    method: Method | None = None
    half_width: Decimal | None = None
    missing: int = 0
    reasons: tuple[str, ...] = ()
    provider: str | None = None
    as_of: date | None = None
    sources: tuple[str, ...] = ()

    @property
    def incomplete(self) -> bool:
        return self.missing > 0


@dataclass(frozen=True, slots=True)
class Costs:
    """What some records cost: ``bills`` by the lab's own tariffs, ``clouds`` the same GPU-hours elsewhere.

    ``currencies`` are those of the lab's tariffs: without a bill in one of them there was nothing that it prices.
    """

    footprint: Footprint
    bills: tuple[Bill, ...] = ()
    clouds: tuple[Bill, ...] = ()
    currencies: tuple[str, ...] = ()


def _unknown(record: CellRecord) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the verifiable file holds beside records and totals: what follows from them, and by what.

    ``factors`` are JSON (``bookkeeping``), ``statement`` a ``Statement``, ``forms`` are the norms' ``Form``s.
    """

    factors: Mapping[str, Any] | None = None
    statement: Any = None
    forms: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Content:
    """What an exporter writes. ``cells`` gives the records anew each time, and may give a million.

    ``costs`` are of all of them, ``costs_of`` of one; ``problems`` are what was wrong with the assumptions.
    ``evidence`` makes what else the verifiable file holds. ``stored`` are the same records as the ledger's rows have
    them, where they come from there: sooner had than ``cells``, and enough for a line of that file.
    """

    title: str
    summary: Summary
    sessions: tuple[SessionInfo, ...]
    cells: Callable[[], Iterator[CellRecord]]
    costs: Costs | None = None
    costs_of: Callable[[CellRecord], Costs | None] = _unknown
    problems: tuple[str, ...] = ()
    evidence: Callable[[], Evidence] = Evidence
    stored: Callable[[], Iterator[CellRecord | Stored]] | None = None
