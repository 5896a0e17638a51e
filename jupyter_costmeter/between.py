"""What is in no cell: what the kernel held while nothing ran, and what went on in the background.

Pure. The memory and the GPUs that were held are ``held_idle``; CPU seconds of threads and
children, and a GPU's work, are ``background``. Each joule and GPU-second of a gap goes into
exactly one of the two.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from .record import FLOPS, HIGHEST, Bucket, Figure, Provenance, Usage

#: A GPU that was busy for less than this share of a gap was idle in it.
BUSY = 0.01
#: Gaps are put together until they are so long (seconds), so that quick cells do not triple the ledger.
LONG_S = 10.0
#: Of these the part above idle is told by the idle power, also where nobody saw whether the GPU was busy.
ENERGIES = ("gpu_energy_j", "gpu_device_energy_j")
#: By so much may a GPU that is held idle draw less, or more, than until it was last looked at: its clocks fall.
SINCE = 0.3
#: Work of threads and children: what is held idle does none.
WORK = ("cpu_s", "cpu_energy_j", "cpu_idle_energy_j", *FLOPS, "flops_hardware")
#: A ratio of one moment, and high-water marks: they do not add up over gaps.
DROPPED = ("gpu_share", *HIGHEST)


def split(gap: Usage) -> dict[Bucket, Usage]:
    """A gap's usage by bucket; the seconds of both are the gap's."""
    kept = [f for f in gap.figures if f.name not in DROPPED]
    parts = [part for figure in kept for part in _parted(figure, gap)]
    found: dict[Bucket, Usage] = {}
    for bucket in ("held_idle", "background"):
        figures = tuple(figure for where, figure in parts if where == bucket)
        if any(figure.value is not None or not figure.provenance.absent for figure in figures):
            found[bucket] = Usage(gap.wall_s, figures)
    return found


def prolonged(usage: Usage, seconds: float) -> Usage:
    """What was held so far, held for so long more: nothing of ours wakes to look, so the rest is told by the rate.

    That of a GPU's energy is what it draws idle, if that is known: just after a cell it draws more.
    """
    if usage.wall_s <= 0:
        return usage
    times = seconds / usage.wall_s
    return Usage(usage.wall_s + seconds, tuple(_prolonged(figure, usage, times) for figure in usage.figures))


def _prolonged(figure: Figure, usage: Usage, times: float) -> Figure:
    if figure.value is None:
        return figure
    origin, energy = figure.provenance, figure.name.endswith("energy_j")
    idle = usage.figure("gpu_idle_energy_j", figure.device) if figure.name in ENERGIES else None
    rate = figure.value if idle is None or idle.value is None else min(figure.value, idle.value)
    width = max(origin.uncertainty or 0.0, SINCE) if energy else origin.uncertainty
    source = f"{origin.source}, and since then at the same rate"
    told = replace(origin, method="modelled", source=source, uncertainty=width)
    return replace(figure, value=figure.value + rate * times, provenance=told)


def _parted(figure: Figure, gap: Usage) -> Iterator[tuple[Bucket, Figure]]:
    if figure.name in WORK:
        yield "background", figure
        return
    work = _work(figure, gap) if figure.value else 0.0
    if work and figure.value is not None:
        yield "background", replace(figure, value=figure.value * work)
    if work < 1.0:
        yield "held_idle", replace(figure, value=figure.value * (1.0 - work)) if figure.value else figure


def _work(figure: Figure, gap: Usage) -> float:
    """The part (0 to 1) of a GPU's figure that is work rather than waiting."""
    if figure.device is None or not figure.name.startswith("gpu_"):
        return 0.0
    busy = gap.figure("gpu_busy_s", figure.device)
    share = (busy.value or 0.0) / gap.wall_s if busy and gap.wall_s > 0 else 0.0
    known = busy is not None and busy.value is not None
    if (known and share < BUSY) or (not known and figure.name not in ENERGIES):
        return 0.0
    if figure.name == "gpu_idle_energy_j":
        return 0.0
    if figure.name == "gpu_busy_s":
        return 1.0
    if figure.name == "gpu_reserved_s":
        return min(1.0, share)
    energy, idle = gap.figure("gpu_energy_j", figure.device), gap.figure("gpu_idle_energy_j", figure.device)
    if energy and energy.value and idle and idle.value is not None:
        return 1.0 - min(1.0, idle.value / energy.value)
    return min(1.0, share)


@dataclass(frozen=True, slots=True)
class Pending:
    """Gaps put together: since when, after which cell they began, and what they hold."""

    started_at: float
    seq: int
    usage: Usage

    def and_then(self, later: Usage) -> Pending | None:
        """With one more gap's; ``None`` where the figures come from elsewhere, so that they cannot be one record."""
        mine = {(f.name, f.device): f for f in self.usage.figures}
        theirs = {(f.name, f.device): f for f in later.figures}
        if mine.keys() != theirs.keys() or any(_origin(mine[k]) != _origin(theirs[k]) for k in mine):
            return None
        figures = tuple(_both(mine[key], theirs[key]) for key in mine)
        return replace(self, usage=Usage(self.usage.wall_s + later.wall_s, figures))


def _origin(figure: Figure) -> Provenance:
    return replace(figure.provenance, uncertainty=None)


def _both(one: Figure, other: Figure) -> Figure:
    """The sum of two, as uncertain as the more uncertain one."""
    widths = [f.uncertainty for f in (one, other) if f.uncertainty is not None]
    origin = replace(one.provenance, uncertainty=max(widths, default=None))
    value = None if one.value is None or other.value is None else one.value + other.value
    return replace(one, value=value, provenance=origin)
