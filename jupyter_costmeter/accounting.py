"""All arithmetic, pure: samples to figures, figures to totals.

A cell's usage is the difference of counters at its window's edges; a total carries its
weakest method and what it lacks (FACTS §4: the weakest label of any part of 10 % or more).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import sqrt

from .record import (
    ENERGY,
    FLOPS,
    HIGHEST,
    SUMMED,
    UNITS,
    Channel,
    Figure,
    Method,
    Provenance,
    Total,
    Usage,
)

#: Totals that are sums of several figures.
DERIVED = {"energy_j": ENERGY, "flops": FLOPS}
#: From strong to weak.
STRENGTH: tuple[Method, ...] = ("measured", "modelled", "declared", "assumed")
#: A part below this share does not weaken the total's label (FACTS §4).
WEAKENS = 0.1


@dataclass(frozen=True, slots=True)
class Part:
    """All windows' figures of one name that come from one place: their sum (or highest) and number."""

    name: str
    provenance: Provenance
    value: float | None
    count: int
    missing: int


# Samples to figures


def figures(
    channels: Sequence[Channel], start: Sequence[float | None], end: Sequence[float | None]
) -> Iterator[Figure]:
    """What a sensor's channels say about the window between two of its readings."""
    for channel, before, after in zip(channels, start, end, strict=True):
        value, reason = _change(channel, before, after)
        origin = replace(channel.provenance, reason=None) if value is not None else missing(channel.provenance, reason)
        yield Figure(channel.name, value, origin, channel.device)


def _change(channel: Channel, before: float | None, after: float | None) -> tuple[float | None, str]:
    if after is None or (before is None and channel.kind == "counter"):
        return None, "could not be read at the window's edge"
    if channel.kind == "peak":
        return after, ""
    if channel.kind == "gauge":
        return (after if before is None else (before + after) / 2), ""
    assert before is not None
    change = after - before
    if change < 0 and channel.wrap:
        change += channel.wrap
    return (change, "") if change >= 0 else (None, "the counter went backwards (reset, or the device came back)")


def missing(origin: Provenance, reason: str) -> Provenance:
    """The provenance of a figure that could not be had."""
    return Provenance(None, origin.source, None, origin.reason or reason, origin.absent)


def kept(usage: Usage) -> Usage:
    """Without the intermediate figures: what goes into the ledger."""
    return replace(usage, figures=tuple(f for f in usage.figures if f.name in UNITS))


# Figures to totals


def parts(figures: Iterable[Figure]) -> Iterator[Part]:
    """Figures of some windows, ready to be merged."""
    for f in figures:
        missing = int(f.value is None and not f.provenance.absent)
        yield Part(f.name, f.provenance, f.value, 1, missing)


def merged(parts: Iterable[Part]) -> list[Part]:
    """One part per name and provenance."""
    parts = list(parts)
    if len({part.name for part in parts}) == len(parts):  # as of most single windows: there may be a million
        return parts
    found: dict[tuple[str, Provenance], Part] = {}
    for part in parts:
        key = (part.name, part.provenance)
        found[key] = merge(found[key], part) if key in found else part
    return list(found.values())


def merge(one: Part, other: Part) -> Part:
    """Two parts of one name and provenance as one."""
    both = [v for v in (one.value, other.value) if v is not None]
    value = (max(both) if one.name in HIGHEST else sum(both)) if both else None
    return Part(one.name, one.provenance, value, one.count + other.count, one.missing + other.missing)


def totals(parts: Iterable[Part], names: Collection[str] = ()) -> tuple[Total, ...]:
    """The totals of some windows (all, or those ``names``), the derived first; a name without a device is left out."""
    by_name: dict[str, list[Part]] = {}
    for part in merged(parts):
        by_name.setdefault(part.name, []).append(part)
    found = [_sum(name, [p for of in made for p in by_name.get(of, ())]) for name, made in DERIVED.items()]
    wanted = by_name.keys() & names if names else by_name
    found += [_sum(name, by_name[name]) for name in SUMMED if name in wanted]
    found += [_highest(name, by_name[name]) for name in HIGHEST if name in wanted]
    return tuple(t for t in found if t is not None)


def total(name: str, parts: Iterable[Part]) -> Total | None:
    """One of them, as ``energy_j``, alone: of some thousand bands of a chart each has several."""
    made = DERIVED.get(name, (name,))
    found = merged(part for part in parts if part.name in made)
    return (_highest if name in HIGHEST else _sum)(name, found)


def cell_totals(usage: Usage, names: tuple[str, ...] = ()) -> tuple[Total, ...]:
    """The totals of one window; if only some are wanted (and the derived ones), sooner."""
    made_of = _made_of(names)
    return totals(parts([f for f in usage.figures if f.name in made_of]), names)


@cache
def _made_of(names: tuple[str, ...]) -> frozenset[str]:
    """The figures that these totals (none: all) are made of."""
    return frozenset(of for name in names or UNITS for of in DERIVED.get(name, (name,)))


def _sum(name: str, parts: list[Part]) -> Total | None:
    value = sum(p.value for p in parts if p.value is not None)
    there = [p for p in parts if p.value is not None]
    return _total(name, value if there else None, there, parts) if parts else None


def _highest(name: str, parts: list[Part]) -> Total | None:
    there = [p for p in parts if p.value is not None]
    top = max(there, key=lambda p: p.value or 0.0, default=None)
    return _total(name, top.value if top else None, [top] if top else [], parts)


def _total(name: str, value: float | None, there: list[Part], all_parts: list[Part]) -> Total | None:
    if len(all_parts) == 1 and value is not None and value >= 0:
        return _alone(name, value, all_parts[0])
    if not there and all(p.provenance.absent for p in all_parts):
        return None
    return Total(
        name,
        UNITS[name],
        value,
        _weakest(there, value),
        _measured_share(there, value),
        sum(p.missing for p in all_parts),
        _half_width(there) if there else None,
        tuple(dict.fromkeys(p.provenance.source for p in there if p.provenance.source)),
        tuple(dict.fromkeys(p.provenance.reason for p in all_parts if p.missing and p.provenance.reason)),
    )


def _alone(name: str, value: float, part: Part) -> Total:
    """The same of one part only, as nearly all of a single trial's are: there may be ten thousand of these."""
    origin = part.provenance
    share = float(origin.method == "measured") if value else None
    width = None if origin.uncertainty is None else value * origin.uncertainty
    sources = (origin.source,) if origin.source else ()
    reasons = (origin.reason,) if part.missing and origin.reason else ()
    return Total(name, UNITS[name], value, origin.method, share, part.missing, width, sources, reasons)


def weakest(*methods: Method | None) -> Method | None:
    """Of these methods, as far as there are any."""
    return max((m for m in methods if m), key=STRENGTH.index, default=None)


def _weakest(parts: list[Part], total: float | None) -> Method | None:
    """The weakest method of any part of 10 % or more of the total."""
    weighty = [p for p in parts if not total or (p.value or 0.0) >= WEAKENS * total]
    return weakest(*(p.provenance.method for p in weighty))


def _measured_share(parts: list[Part], total: float | None) -> float | None:
    if not total:
        return None
    return sum(p.value or 0.0 for p in parts if p.provenance.method == "measured") / total


def _half_width(parts: list[Part]) -> float | None:
    """Absolute half-width: linear in what comes from one place, in quadrature between places."""
    widths = [(p.value or 0.0) * p.provenance.uncertainty for p in parts if p.provenance.uncertainty is not None]
    return sqrt(sum(w * w for w in widths)) if widths else None


def power(before: Usage, after: Usage) -> Total | None:
    """The mean power between two readings of one window, in watts."""
    seconds = after.wall_s - before.wall_s
    energy = next((t for t in cell_totals(after) if t.name == "energy_j"), None)
    earlier = next((t for t in cell_totals(before) if t.name == "energy_j"), None)
    if energy is None or earlier is None or energy.value is None or earlier.value is None or seconds <= 0:
        return None
    watts = max(0.0, energy.value - earlier.value) / seconds
    relative = energy.uncertainty / energy.value if energy.uncertainty is not None and energy.value else None
    width = relative * watts if relative is not None else None
    return replace(energy, name="power_w", unit="W", value=watts, uncertainty=width)


def mean_power(usage: Usage) -> Total | None:
    """The mean power of a window so far, in watts."""
    return power(Usage(0.0, tuple(replace(f, value=f.value and 0.0) for f in usage.figures)), usage)
