"""What some runs used and cost together, as a statement says it: totals in hours, FLOPs, kWh and kg, pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TypedDict

from . import accounting, footprint
from .accounting import Part
from .conditions import Book
from .costing import bills_of
from .derived import Bill, Costs
from .grouping import Counts, Group, Groups
from .record import Summary, Total
from .statement import Spent
from .units import J_PER_KWH
from .uses import HOUR_S, Use

#: Names and units of a statement's totals, and the figures that they are made of, with how many of their unit are one.
FIGURES = {
    "gpu_hours": ("GPU-h", "gpu_reserved_s", HOUR_S),
    "gpu_busy_hours": ("busy GPU-h", "gpu_busy_s", HOUR_S),
    "cpu_hours": ("CPU-h", "cpu_s", HOUR_S),
    "flops": ("FLOP", "flops", 1.0),
    "energy_kwh": ("kWh", "energy_j", J_PER_KWH),
}
DERIVED = {
    "electricity_kwh": ("kWh", "electricity_wh", 1000.0),
    "emissions_kg": ("kgCO2e", "emissions_g", 1000.0),
    "embodied_kg": ("kgCO2e", "embodied_g", 1000.0),
}
#: Why there is none of it, where no record has such a figure.
LACKING = {
    "gpu_busy_hours": "how busy the GPU was could not be read",
    "cpu_hours": "CPU time was not read",
    "flops": "no FLOPs were counted",
    "energy_kwh": "no energy was read",
    "electricity_kwh": "no energy was read",
    "emissions_kg": "no energy was read",
}


class Peaks(TypedDict):
    """The highest of any run, in bytes."""

    peak_rss_bytes: float | None
    peak_gpu_bytes: float | None


def peaks_of(groups: Iterable[Group]) -> Peaks:
    """The highest of all records in some groups."""
    found = list(groups)
    rss, gpu = (
        max((group.peaks[name] for group in found if name in group.peaks), default=None)
        for name in ("peak_rss_bytes", "peak_gpu_bytes")
    )
    return {"peak_rss_bytes": rss, "peak_gpu_bytes": gpu}


def spent_of(
    uses: Sequence[Use], book: Book, counts: Counts, *, wall_s: float = 0.0, peak_rss_bytes: float | None = None,
    peak_gpu_bytes: float | None = None,
) -> Spent:  # fmt: skip
    """What some runs used, under these conditions.

    Args:
        uses: with their ``work``; those of several groups of records may be put together.
        book: the conditions.
        counts: how many.
        wall_s: their seconds.
        peak_rss_bytes: the highest of any run.
        peak_gpu_bytes: the same of one GPU's memory.
    """
    totals = accounting.totals(part for use in uses for part in _parts(use))
    derived = footprint.totals(uses, book)
    bills = bills_of(uses, book) if book.assumptions.tariffs else ()
    peaks: Peaks = {"peak_rss_bytes": peak_rss_bytes, "peak_gpu_bytes": peak_gpu_bytes}
    return _spent(totals, derived, bills, counts, wall_s, peaks)


def whole_of(summary: Summary, costs: Costs, groups: Groups) -> Spent:
    """What everything of a scope came to, by its summary; the groups know which of it were runs, and of peaks."""
    peaks = peaks_of(groups.kinds.values())
    return _spent(summary.totals, costs.footprint.totals, costs.bills, groups.whole(), summary.wall_s, peaks)


def _parts(use: Use) -> Iterator[Part]:
    yield from use.energy
    yield from use.cpu_s
    yield from use.work
    yield from (part for _, part in use.gpu_s)


def _spent(
    totals: Sequence[Total], derived: Sequence[Total], bills: tuple[Bill, ...], counts: Counts, wall_s: float,
    peaks: Peaks,
) -> Spent:  # fmt: skip
    known = {total.name: total for total in (*totals, *derived)}
    held = known.get("gpu_reserved_s")
    used = {name: _scaled(name, *how, known, counts.records) for name, how in (*FIGURES.items(), *DERIVED.items())}
    if held is None or not (held.value or held.missing):  # nothing held is nothing used
        used |= {name: _nothing(name) for name in ("gpu_hours", "gpu_busy_hours") if FIGURES[name][1] not in known}
    embodied = used.pop("embodied_kg") if "embodied_g" in known else None
    used.pop("embodied_kg", None)
    return Spent(counts.runs, counts.failed, wall_s, **used, embodied_kg=embodied, bills=bills, **peaks)


def _scaled(name: str, unit: str, figure: str, per: float, known: dict[str, Total], records: int) -> Total:
    found = known.get(figure)
    if found is None:
        return _lacking(name, unit, records)
    value, width = found.value, found.uncertainty
    value, width = None if value is None else value / per, None if width is None else width / per
    return Total(
        name,
        unit,
        value,
        found.method,
        found.measured_share,
        found.missing,
        width,
        _shared(found.sources),
        _shared(found.reasons),
    )


@lru_cache(maxsize=1024)
def _shared(texts: tuple[str, ...]) -> tuple[str, ...]:
    """The same texts, once for all of many trials."""
    return texts


@lru_cache(maxsize=len(FIGURES))
def _nothing(name: str) -> Total:
    return Total(name, FIGURES[name][0], 0.0, None, None, 0, None)


@lru_cache(maxsize=1024)
def _lacking(name: str, unit: str, records: int) -> Total:
    """No record has such a figure: not a zero."""
    return Total(name, unit, None, None, None, records, None, (), (LACKING[name],) if name in LACKING else ())
