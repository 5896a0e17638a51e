"""Units in which an amount is a plain number: of a text, and of a chart's axis; pure.

Amounts are in a measure's own unit: GPU-h, CPU-h, kWh, kgCO2e, FLOP. A person reads 19.5 mWh, and never 0.0000195 kWh.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from math import ceil, floor, log10
from typing import NamedTuple

from .format import PREFIXES, plain, quantity

#: Fewer hours than so are said in seconds.
LITTLE = 0.01
#: Units that are said with an SI prefix, and how many of the smaller one are one.
SMALLER = {"kWh": (1000.0, "Wh"), "kgCO2e": (1000.0, "gCO2e")}
HOURS = ((1.0, "h"), (1 / 60, "min"), (1 / 3600, "s"), (1e-3 / 3600, "ms"))
#: Ticks of a logarithmic axis at most; up to so many decades they are at 1, 2 and 5. Steps of an axis from 0 on.
TICKS, DECADES, EVEN = 9, 3, 7
#: A logarithmic axis begins with no less of its unit, and ends with no more, if one unit can do both.
FIRST, LAST = 0.01, 1e5


class Scale(NamedTuple):
    """A unit, and how many of the measure's own one it is."""

    size: float
    unit: str


def said(value: float, unit: str) -> str:
    """``12.4 GPU-h``, ``3.2 GPU-s``, ``1.20 MWh``, ``340 gCO2e``, ``2.10 PFLOP``; bare where there is none."""
    if not value:
        return "0"
    if unit in SMALLER:
        per, smaller = SMALLER[unit]
        return quantity(value * per, smaller)
    if not unit.endswith("-h"):
        return quantity(value, unit)
    if value < LITTLE:
        return f"{plain(value * 3600.0, 3)} {unit.removesuffix('h')}s"
    return f"{value:.0f} {unit}" if value >= 100 else f"{plain(value, 3)} {unit}"


def scales(unit: str) -> list[Scale]:
    """All units of a measure, the largest first."""
    if unit.endswith("-h"):
        return [Scale(size, f"{unit.removesuffix('h')}{name}") for size, name in HOURS]
    per, smaller = SMALLER.get(unit, (1.0, unit))
    return [Scale(size / per, f"{prefix}{smaller}") for size, prefix in PREFIXES]


def even(most: float, unit: str) -> Scale:
    """Of an axis from 0 on: the largest unit of which there is one."""
    return next((one for one in scales(unit) if most >= one.size), scales(unit)[-1])


def wide(values: Sequence[float], unit: str) -> Scale:
    """Of a logarithmic axis: the largest in which its least value is not too small, unless its most is too much."""
    found = scales(unit)
    at = next((i for i, one in enumerate(found) if min(values) >= FIRST * one.size), len(found) - 1)
    while at and max(values) > LAST * found[at].size:
        at -= 1
    return found[at]


def even_ticks(most: float, scale: Scale) -> dict[float, str]:
    """Where an axis from 0 on is marked, in the measure's own unit: a handful, at multiples of 1, 2 or 5."""
    top = most / scale.size
    power = floor(log10(top)) - 1
    step = next(s for s in (head * 10.0**e for e in (power, power + 1) for head in (1, 2, 5)) if top / s <= EVEN)
    return _labelled([float(f"{at * step:.12g}") for at in range(floor(top / step) + 2)], scale)


def wide_ticks(values: Sequence[float], scale: Scale) -> dict[float, str]:
    """The same of a logarithmic axis: at 1, 2 and 5, or at whole decades where there are many."""
    low, high = (log10(one / scale.size) for one in (min(values), max(values)))
    first, last = floor(low) - 1, ceil(high) + 1
    step = max(1, ceil((last - first) / TICKS))
    heads = (1, 2, 5) if last - first - 2 <= DECADES else (1,)
    return _labelled([float(f"{head}e{power}") for power in range(first, last + 1, step) for head in heads], scale)


def _labelled(marks: Sequence[float], scale: Scale) -> dict[float, str]:
    return {mark * scale.size: f"{Decimal(format(mark, '.12g')):f}" for mark in marks}


def percents(parts: Sequence[float | None], whole: float) -> list[str]:
    """Each part of a whole with one decimal; of parts that are all of it they sum to exactly 100.

    What is rounded up is that which lacks least (largest remainders). Nothing that is something is said to be none.
    """
    tenths = [1000.0 * (part or 0.0) / whole if whole else 0.0 for part in parts]
    found = [floor(one) for one in tenths]
    more = round(sum(tenths)) - sum(found)
    for at in sorted(range(len(parts)), key=lambda i: found[i] - tenths[i])[:more]:
        found[at] += 1
    return [_percent(part, tenth, whole) for part, tenth in zip(parts, found, strict=True)]


def _percent(part: float | None, tenths: int, whole: float) -> str:
    if part is None or not whole:
        return "—"
    return "< 0.1 %" if part and not tenths else f"{tenths / 10:.1f} %"
