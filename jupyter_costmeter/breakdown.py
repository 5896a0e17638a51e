"""What totals say about each other, pure: which bucket they lie in, how much was used of what was held, or idled."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import hypot
from typing import Literal

from .accounting import WEAKENS, weakest
from .record import COUNTED, LEADING, Bucket, Method, Summary, Total

#: ``≥`` is a lower bound, ``≤`` an upper one.
Bound = Literal["", "≥", "≤"]


@dataclass(frozen=True, slots=True)
class Utilisation:
    """GPU time held, and the part of it (``share``, 0 to 1) that the GPUs were busy.

    ``share`` is ``None`` where that cannot be told.
    """

    held: Total
    busy: Total | None
    share: float | None
    bound: Bound = ""
    method: Method | None = None


def utilisation(summary: Summary) -> Utilisation | None:
    """How much of the reserved GPU time was used; ``None`` where no GPU was held."""
    held, busy = summary.total("gpu_reserved_s"), summary.total("gpu_busy_s")
    if held is None or not held.value:
        return None
    lacks = busy is None or bool(busy.missing) or _lacking(summary, "gpu_reserved_s", "gpu_busy_s")
    if busy is None or busy.value is None or (lacks and held.missing):
        return Utilisation(held, busy, None)
    bound: Bound = "≥" if lacks else "≤" if held.missing else ""
    return Utilisation(held, busy, min(1.0, busy.value / held.value), bound, weakest(held.method, busy.method))


def _lacking(summary: Summary, whole: str, part: str) -> bool:
    """Whether the cells, or what lies between them (both its buckets together), have the whole and say no part."""
    for between in (False, True):
        there = [b for b in summary.buckets if (b.bucket != "cell") is between]
        has_whole, has_part = (any(b.total(name) is not None for b in there) for name in (whole, part))
        if has_whole and not has_part:
            return True
    return False


@dataclass(frozen=True, slots=True)
class AboveIdle:
    """A device's energy less what it would have drawn idle."""

    total: Total
    bound: Bound = ""


def above_idle(summary: Summary, device: Literal["cpu", "gpu"]) -> AboveIdle | None:
    """What the work itself took of a device's energy; ``None`` where nothing is known of its idle part.

    Where one of both lacks more windows than the other, their difference is a bound, or nothing at all.
    """
    energy, idle = summary.total(f"{device}_energy_j"), summary.total(f"{device}_idle_energy_j")
    if energy is None or idle is None or energy.value is None:
        return None
    why = idle.reasons or energy.reasons
    lacks = idle.missing + _lacking(summary, energy.name, idle.name)
    if idle.value is None or (energy.missing and energy.missing != lacks):
        return AboveIdle(Total("above_idle_j", "J", None, None, None, max(1, lacks), None, (), why))
    value = max(0.0, energy.value - idle.value)
    weighs = idle.value >= WEAKENS * value
    method = weakest(energy.method, idle.method) if weighs else energy.method
    widths = [t.uncertainty for t in (energy, idle) if t.uncertainty is not None]
    bound: Bound = "≥" if energy.missing else "≤" if lacks else ""
    width = hypot(*widths) if len(widths) == 2 else None
    return AboveIdle(Total("above_idle_j", "J", value, method, None, 0, width, idle.sources, why), bound)


#: From this share of the FLOPs on one precision is that of all, and one is that of most.
ALL, MOST = 0.995, 0.5


def precisions(totals: Iterable[Total]) -> list[Total]:
    """FLOPs by precision, most first; none where there is but one exact one, as that is all."""
    found = [t for t in totals if t.name in (*COUNTED, *LEADING) and t.value]
    if len(found) == 1 and found[0].name in COUNTED:
        return []
    return sorted(found, key=lambda t: t.value or 0.0, reverse=True)


def precision(totals: Iterable[Total]) -> list[str]:
    """What to say of the FLOPs' precision: ``bf16``, ``mostly bf16``, ``mixed``; nothing where there are none."""
    found = {t.name.split("_")[1]: 0.0 for t in totals if t.name in (*COUNTED, *LEADING) and t.value}
    for t in totals:
        if t.name in (*COUNTED, *LEADING) and t.value:
            found[t.name.split("_")[1]] += t.value
    if not found:
        return []
    first = max(found, key=lambda name: found[name])
    share = found[first] / sum(found.values())
    return [first if share >= ALL else f"mostly {first}" if share > MOST else "mixed precision"]


#: What was used outside of cells is worth a word from this share of the total on.
WORTH = 0.01


def by_bucket(summary: Summary, name: str) -> list[tuple[Bucket, Total]]:
    """The buckets that hold some of a total; none where (nearly) all of it was used in cells."""
    found = [(b.bucket, t) for b in summary.buckets if (t := b.total(name)) is not None and t.value != 0]
    others = [t.value for bucket, t in found if bucket != "cell"]
    whole = sum(t.value or 0.0 for _, t in found)
    known = sum(value or 0.0 for value in others)
    return found if None in others or known > WORTH * whole else []
