"""The Software Carbon Intensity score, ISO/IEC 21031:2024, pure: SCI = ((E · I) + M) per R (FACTS §1.2).

E is all the electricity of what was reserved (with what was held idle, and PUE), I the location-based carbon
intensity, M the embodied carbon, R the functional unit. Certificates, power purchase agreements and offsets are
never subtracted: the standard excludes them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from . import uncertain
from .derived import Footprint
from .errors import UsageError
from .record import Total
from .uncertain import Term

#: Functional units that the ledger counts by itself.
COUNTED = ("run", "session", "cell")
NOT_HELD = "no GPU was held, and of other hardware no figure is known"
BOUNDARY = (
    "Boundary: the electricity of the CPU, memory and GPUs that this process tree used or held, with PUE, and the"
    " making of the GPUs (with their share of a server) for the time that they were held. Outside of it: disks,"
    " network, other machines, a machine's making beyond that, people and their screens."
)
METHOD = (
    "Method: ISO/IEC 21031:2024, SCI = ((E × I) + M) per R; location-based intensity;"
    " certificates, power purchase agreements and offsets are not subtracted."
)


@dataclass(frozen=True, slots=True)
class Unit:
    """A functional unit R: ``run``, ``epoch``, ``1000 queries``; ``size`` is the number in its name."""

    name: str
    size: float = 1.0


@dataclass(frozen=True, slots=True)
class Score:
    """Grams of CO2e per R, and what it is made of; ``count`` is how many R there were."""

    unit: Unit
    count: float
    score: Total
    carbon: Total


def unit_of(text: str) -> Unit:
    """``epoch``, ``1000 queries``, ``1000-queries``.

    Raises:
        UsageError: no name, or a size that is no positive number.
    """
    found = re.fullmatch(r"\s*(?:([\d.]+)[\s-]+)?([^\W\d][\w -]*?)\s*", text)
    if not found or (found[1] and not _positive(found[1])):
        raise UsageError(f"--per {text!r}: name what one of is counted, such as run, epoch or '1000 queries'")
    return Unit(found[2], float(found[1] or 1.0))


def _positive(text: str) -> bool:
    try:
        return 0 < float(text) < float("inf")
    except ValueError:
        return False


def making(footprint: Footprint) -> Total:
    """M in grams: what is known of it, else no value and why; a CPU's making is not known, so it is no 0."""
    found = footprint.total("embodied_g")
    held = found is not None and (found.value or found.missing)
    if found is None or not (held or _said_to_be_none(footprint)):
        return Total("embodied_g", "gCO2e", None, None, None, 1, None, (), (NOT_HELD,))
    return found


def _said_to_be_none(footprint: Footprint) -> bool:
    """Whether all GPUs are declared to have been made without emissions."""
    made = [one.value for one in footprint.applied if one.name == "embodied"]
    return bool(made) and not any(made)


def score(footprint: Footprint, unit: Unit, count: float) -> Score:
    """The score of a footprint that ``count`` things of the unit's name were got from; without M a lower bound.

    Raises:
        UsageError: nothing was metered there, or the count is not positive.
    """
    emissions = footprint.total("emissions_g")
    if emissions is None or emissions.value is None:
        raise UsageError("no energy was metered there, so there is no score")
    if not 0 < count < float("inf"):
        raise UsageError(f"{count:g} {unit.name}: a score is per something, so it wants a count above 0")
    parts = (emissions, making(footprint))
    carbon = _sum(parts, 1.0, "gCO2e")
    return Score(unit, count, _sum(parts, unit.size / count, f"gCO2e per {_called(unit)}"), carbon)


def _called(unit: Unit) -> str:
    return unit.name if unit.size == 1.0 else f"{unit.size:g} {unit.name}"


def _sum(parts: Sequence[Total], scale: float, unit: str) -> Total:
    """Operational and embodied carbon do not err together."""
    terms = [
        Term((t.value or 0.0) * scale, t.method, t.measured_share or 0.0, _error(t), t.sources)
        for t in parts
        if t.value is not None
    ]
    missing = sum(t.missing for t in parts)
    return uncertain.total("sci", unit, terms, missing, [reason for t in parts for reason in t.reasons])


def _error(part: Total) -> dict[str, float]:
    return {part.name: part.uncertainty / part.value} if part.uncertainty and part.value else {}
