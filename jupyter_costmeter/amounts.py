"""How much of a budget's measure something used: totals in its unit, pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import fsum

from . import accounting
from .accounting import WEAKENS, Part, weakest
from .budget import UNITS, Measure
from .derived import Bill, Costs
from .record import Total
from .uses import HOUR_S, Use

#: Derived of energy under assumptions: the footprint's totals, and how many of their units are one of ours.
DERIVED: dict[Measure, tuple[str, float]] = {"kwh": ("electricity_wh", 1000.0), "kgco2e": ("emissions_g", 1000.0)}
#: Added up of the records' own figures.
COUNTED: dict[Measure, tuple[str, float]] = {
    "gpu_hours": ("gpu_reserved_s", HOUR_S),
    "gpu_busy_hours": ("gpu_busy_s", HOUR_S),
    "flops": ("flops", 1.0),
}


def needs_costs(measure: Measure) -> bool:
    """Whether carbon or money must be derived for it."""
    return measure not in COUNTED


def unit_of(measure: Measure, currency: str | None = None) -> str:
    """How amounts of it are printed."""
    return (currency or "?") if measure == "amount" else UNITS[measure]


def amount(measure: Measure, currency: str | None, uses: Sequence[Use], costs: Costs | None) -> Total:
    """What was used, in the measure's unit (``currency`` for ``amount``).

    0.0 where there was nothing to use (no GPU in the machine, say), a lower bound where some of it could not be read
    (``missing``), ``None`` where none of it could be; ``reasons`` say why.

    Args:
        measure: of FLOPs and busy GPU time the uses must have their ``work``.
        currency: only the lab's own bills in it count; currencies are never added.
        uses: what was used.
        costs: of these uses; ``None`` where ``needs_costs`` says no.
    """
    if measure in COUNTED:
        return _counted(measure, uses)
    if costs is None:
        return _lacking(measure, currency, "what it cost was not worked out")
    return _billed(currency or "?", uses, costs) if measure == "amount" else _derived(measure, costs)


def nothing(measure: Measure, currency: str | None = None) -> Total:
    """Nothing was used."""
    return Total(measure, unit_of(measure, currency), 0.0, None, None, 0, None)


def _lacking(measure: Measure, currency: str | None, *reasons: str) -> Total:
    return Total(measure, unit_of(measure, currency), None, None, None, 1, None, (), reasons)


def _counted(measure: Measure, uses: Sequence[Use]) -> Total:
    name, per = COUNTED[measure]
    found = accounting.totals(part for use in uses for part in _parts(use))
    return _scaled(measure, next((total for total in found if total.name == name), None), per)


def _parts(use: Use) -> Iterable[Part]:
    yield from use.work
    yield from (part for _, part in use.gpu_s)


def _derived(measure: Measure, costs: Costs) -> Total:
    name, per = DERIVED[measure]
    return _scaled(measure, costs.footprint.total(name), per)


def _scaled(measure: Measure, found: Total | None, per: float) -> Total:
    if found is None or (found.value is None and not found.missing):
        return nothing(measure)  # what is absent is not missing
    value, width = (None if one is None else one / per for one in (found.value, found.uncertainty))
    return replace(found, name=measure, unit=UNITS[measure], value=value, uncertainty=width)


def _billed(currency: str, uses: Sequence[Use], costs: Costs) -> Total:
    bill = next((bill for bill in costs.bills if bill.currency == currency), None)
    if bill is not None:
        return _of_bill(bill)
    if currency in costs.currencies or not any(_used(use) for use in uses):
        return nothing("amount", currency)
    return _lacking("amount", currency, f"no [[rates]] row prices this in {currency}")


def _of_bill(bill: Bill) -> Total:
    """The verdict on it is a comparison, so a float will do; the bill itself stays decimal."""
    value, width = (None if one is None else float(one) for one in (bill.amount, bill.half_width))
    if value is None and not bill.missing:
        return nothing("amount", bill.currency)
    return Total(
        "amount", bill.currency, value, bill.method, None, bill.missing, width, bill.sources, bill.reasons
    )  # fmt: skip


def _used(use: Use) -> bool:
    parts = (*use.energy, *use.cpu_s, *(part for _, part in use.gpu_s))
    return any(part.value or part.missing for part in parts)


def added(totals: Sequence[Total]) -> Total:
    """Several amounts of one measure and unit as one.

    Their half-widths add up linearly: what they come from is mostly the same. Not read and nothing to read is not read.

    Args:
        totals: one at least.
    """
    known = [total for total in totals if total.value is not None]
    read = [total for total in known if total.method is not None or total.value]
    lacking = len(known) < len(totals) and not read
    value = fsum(total.value or 0.0 for total in known)
    weighty = [total for total in read if not value or (total.value or 0.0) >= WEAKENS * value]
    return Total(
        totals[0].name,
        totals[0].unit,
        None if lacking else value,
        weakest(*(total.method for total in weighty)),
        _measured_share(known, value),
        sum(total.missing for total in totals),
        _half_width(read, weighty),
        tuple(dict.fromkeys(source for total in totals for source in total.sources)),
        tuple(dict.fromkeys(reason for total in totals for reason in total.reasons)),
    )


def _measured_share(known: Sequence[Total], value: float) -> float | None:
    shares = [(total.value or 0.0) * total.measured_share for total in known if total.measured_share is not None]
    return fsum(shares) / value if shares and value else None


def _half_width(read: Sequence[Total], weighty: Sequence[Total]) -> float | None:
    """``None`` where that of a tenth of the sum or more is not known."""
    widths = [total.uncertainty for total in read if total.uncertainty is not None]
    unknown = any(total.uncertainty is None and total.value for total in weighty)
    return None if unknown or not widths else fsum(widths)
