"""All arithmetic, pure: samples to figures, figures to totals.

A cell's usage is the difference of counters at its window's edges; a total carries its
weakest method and what it lacks (FACTS §4: the weakest label of any part of 10 % or more).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import sqrt

from .record import (
    ENERGY,
    HIGHEST,
    SUMMED,
    UNITS,
    Channel,
    DeviceUse,
    Figure,
    Method,
    Provenance,
    Total,
    Usage,
)

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
        origin = replace(channel.provenance, reason=None) if value is not None else _missing(channel.provenance, reason)
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


def _missing(origin: Provenance, reason: str) -> Provenance:
    return Provenance(None, origin.source, None, origin.reason or reason, origin.absent)


def attributed(
    wall_s: float,
    raw: Iterable[Figure],
    before: Sequence[DeviceUse],
    seen: Sequence[DeviceUse],
    looked: bool = True,
) -> Usage:
    """The process tree's part of what the machine's counters say.

    Args:
        wall_s: the window's length, in seconds.
        raw: the differences of the machine's counters.
        before: the GPUs as they were when the window opened.
        seen: the GPUs over the window, all looks as one.
        looked: whether any look fell into the window, not only after it.
    """
    usage = _with_cpu(Usage(wall_s, tuple(raw)))
    shared = [*_by_cpu_time(usage), *_by_memory(usage)]
    own = [f for f in usage.figures if f.name != "gpu_energy_j"]
    return replace(usage, figures=(*own, *shared, *_gpus(usage, before, seen, looked)))


def _with_cpu(usage: Usage) -> Usage:
    """The CPU seconds of the process and its children as one figure, the meter's own threads left out."""
    own = usage.figure("own_cpu_s")
    if own is None:
        return usage
    children, meter = usage.figure("children_cpu_s"), _value(usage, "meter_cpu_s") or 0.0
    origin = own.provenance
    if children is not None and children.value is None:
        origin = replace(origin, source=f"{origin.source} (lower bound: the children could not be read)")
    others = ((children and children.value) or 0.0) - meter
    value = None if own.value is None else max(0.0, own.value + others)
    return replace(usage, figures=(Figure("cpu_s", value, origin), *usage.figures))


def _value(usage: Usage, name: str) -> float | None:
    figure = usage.figure(name)
    return figure.value if figure else None


def _by_cpu_time(usage: Usage) -> Iterator[Figure]:
    """Package energy by this tree's CPU seconds over the machine's."""
    own, machine = _value(usage, "cpu_s"), _value(usage, "machine_cpu_s")
    share = min(1.0, own / machine) if own is not None and machine else None
    why = "the machine's CPU time did not move in this window"
    yield from _shared(usage, "package_energy_j", "cpu_energy_j", share, "CPU time", why)


def _by_memory(usage: Usage) -> Iterator[Figure]:
    """DRAM energy by this tree's resident memory over the machine's."""
    own, machine = _value(usage, "peak_rss_bytes"), _value(usage, "machine_memory_bytes")
    share = min(1.0, own / machine) if own is not None and machine else None
    why = "this kernel's memory could not be read"
    yield from _shared(usage, "dram_energy_j", "ram_energy_j", share, "memory (at its peak)", why)


def _shared(usage: Usage, raw: str, name: str, share: float | None, by: str, why: str) -> Iterator[Figure]:
    for figure in usage.figures:
        if figure.name != raw:
            continue
        if figure.value is None or share is None:
            yield Figure(name, None, _missing(figure.provenance, figure.reason or why), figure.device)
        else:
            source = f"{figure.source} × this kernel's share of the machine's {by}"
            origin = replace(figure.provenance, method="modelled", source=source)
            yield Figure(name, figure.value * share, origin, figure.device)


NOT_HELD = Provenance(None, "NVML process list", reason="this kernel did not use this GPU", absent=True)


UNSEEN = Provenance(None, "NVML process list", reason="children ran and ended before anybody looked who uses this GPU")
#: CPU seconds below which a child cannot have used a GPU: a CUDA context alone takes more.
CONTEXT_CPU_S = 0.1


def _gpus(usage: Usage, before: Sequence[DeviceUse], seen: Sequence[DeviceUse], looked: bool) -> Iterator[Figure]:
    """Energy, reserved and busy time and peak memory of the GPUs that this process tree holds."""
    unseen = not looked and (_value(usage, "children_cpu_s") or 0.0) >= CONTEXT_CPU_S
    uses = {use.device: use for use in seen}
    earlier = {use.device: use for use in before}
    for figure in usage.figures:
        if figure.name != "gpu_energy_j":
            continue
        use = uses.get(figure.device or "")
        if use is not None and use.held is False:
            yield Figure("gpu_energy_j", None, UNSEEN if unseen else NOT_HELD, figure.device)
            continue
        yield _device_energy(figure, use)
        if use is not None:
            yield from _device_time(usage.wall_s, use, earlier.get(use.device))


def _device_energy(figure: Figure, use: DeviceUse | None) -> Figure:
    if figure.value is None or (use is not None and use.held and not use.foreign and not use.partly):
        return figure
    why = "its processes cannot be seen"
    if use is not None and use.held:
        why = "shared with other processes" if use.foreign else "held for a part of the time"
    source = f"{figure.source}, whole device: upper bound, {why}"
    return replace(figure, provenance=replace(figure.provenance, method="modelled", source=source))


RESERVED = Provenance("measured", "wall time with a context on this GPU (NVML process list)", 0.01)
PARTLY_RESERVED = Provenance("modelled", "wall time, upper bound: this GPU was held for a part of it", 0.5)
BUSY = Provenance("modelled", "NVML utilisation samples, whole device", 0.1)
PEAK = Provenance("measured", "NVML process memory, highest of the readings (lower bound)", 0.05)


def _device_time(wall_s: float, use: DeviceUse, before: DeviceUse | None) -> Iterator[Figure]:
    if use.held is None:
        reason = Provenance(None, RESERVED.source, reason="the processes on this GPU cannot be seen")
        yield Figure("gpu_reserved_s", None, reason, use.device)
    else:
        yield Figure("gpu_reserved_s", wall_s, PARTLY_RESERVED if use.partly else RESERVED, use.device)
    if use.busy_s is not None and before is not None and before.busy_s is not None:
        busy = min(wall_s, max(0.0, use.busy_s - before.busy_s))
        yield Figure("gpu_busy_s", busy, BUSY, use.device)
    else:
        early = use.busy_s is not None
        why = "it was not yet known when the cell began" if early else "this driver gives no utilisation samples"
        reason = Provenance(None, BUSY.source, reason=why)
        yield Figure("gpu_busy_s", None, reason, use.device)
    if use.used_bytes is not None:
        yield Figure("peak_gpu_bytes", use.used_bytes, PEAK, use.device)


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
    found: dict[tuple[str, Provenance], Part] = {}
    for part in parts:
        key = (part.name, part.provenance)
        found[key] = _merge(found[key], part) if key in found else part
    return list(found.values())


def _merge(one: Part, other: Part) -> Part:
    both = [v for v in (one.value, other.value) if v is not None]
    value = (max(both) if one.name in HIGHEST else sum(both)) if both else None
    return Part(one.name, one.provenance, value, one.count + other.count, one.missing + other.missing)


def totals(parts: Iterable[Part]) -> tuple[Total, ...]:
    """The totals of some windows, ``energy_j`` first; a name without any device is left out."""
    by_name: dict[str, list[Part]] = {}
    for part in merged(parts):
        by_name.setdefault(part.name, []).append(part)
    energy = [p for name in ENERGY for p in by_name.get(name, ())]
    found = [_sum("energy_j", energy)]
    found += [_sum(name, by_name.get(name, [])) for name in SUMMED]
    found += [_highest(name, by_name.get(name, [])) for name in HIGHEST]
    return tuple(t for t in found if t is not None)


def cell_totals(usage: Usage) -> tuple[Total, ...]:
    """The totals of one window."""
    return totals(parts(usage.figures))


def _sum(name: str, parts: list[Part]) -> Total | None:
    value = sum(p.value for p in parts if p.value is not None)
    there = [p for p in parts if p.value is not None]
    return _total(name, value if there else None, there, parts)


def _highest(name: str, parts: list[Part]) -> Total | None:
    there = [p for p in parts if p.value is not None]
    top = max(there, key=lambda p: p.value or 0.0, default=None)
    return _total(name, top.value if top else None, [top] if top else [], parts)


def _total(name: str, value: float | None, there: list[Part], all_parts: list[Part]) -> Total | None:
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


def _weakest(parts: list[Part], total: float | None) -> Method | None:
    """The weakest method of any part of 10 % or more of the total."""
    weighty = [p for p in parts if not total or (p.value or 0.0) >= WEAKENS * total]
    methods = [p.provenance.method for p in weighty if p.provenance.method]
    return max(methods, key=STRENGTH.index, default=None)


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
