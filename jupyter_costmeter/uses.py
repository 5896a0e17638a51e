"""What one session used, as far as carbon and money depend on it: plain records, and how they add up.

Energy is kept by where it comes from, and by the hour, so that each hour can be multiplied by its own intensity; a
record's energy is spread evenly over its time, since nothing is known of its course.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from . import accounting
from .accounting import Part
from .record import ENERGY, CellRecord, SessionInfo, Usage

HOUR_S = 3600.0
#: The figures that carbon and money are made of.
NAMES = (*ENERGY, "gpu_reserved_s", "cpu_s")


@dataclass(frozen=True, slots=True)
class Use:
    """What one session used in some of its records.

    ``hours`` has the joules by UTC hour (seconds since 1970 // 3600); where it is empty all of it counts as used when
    the session started. ``gpu_s`` are the reserved GPU-seconds by model. ``memory_byte_s`` are bytes times seconds,
    each record's peak over its time, ``None`` where nobody asked for it.
    """

    host: str
    started_at: float
    partition: str = ""
    energy: tuple[Part, ...] = ()
    hours: Mapping[int, float] = field(default_factory=dict)
    gpu_s: tuple[tuple[str, Part], ...] = ()
    cpu_s: tuple[Part, ...] = ()
    memory_byte_s: Part | None = None


def spread(started_at: float, wall_s: float, energy_j: float) -> Iterator[tuple[int, float]]:
    """The joules of a record by the hours that it lies in."""
    first, last = int(started_at // HOUR_S), int((started_at + wall_s) // HOUR_S)
    if first == last or wall_s <= 0:
        yield first, energy_j
        return
    for hour in range(first, last + 1):
        inside = min(started_at + wall_s, (hour + 1) * HOUR_S) - max(started_at, hour * HOUR_S)
        if inside > 0:  # one that ends with an hour has nothing in the next
            yield hour, energy_j * inside / wall_s


class Using:
    """Adds up the records of one session."""

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._by_gpu: dict[str, list[Part]] = {}
        self._memory: list[Part] = []
        self._hours: dict[int, float] = {}

    def add(self, started_at: float, usage: Usage) -> None:
        """What was used in one record, none of which lies in another."""
        self._parts = accounting.merged([*self._parts, *accounting.parts(f for f in usage.figures if f.name in NAMES)])
        for figure in usage.figures:
            if figure.name == "gpu_reserved_s":
                earlier = self._by_gpu.get(figure.device or "", [])
                self._by_gpu[figure.device or ""] = accounting.merged([*earlier, *accounting.parts([figure])])
        peak = usage.figure("peak_rss_bytes")
        if peak is not None:
            held = replace(peak, name="memory_byte_s", value=peak.value and peak.value * usage.wall_s)
            self._memory = accounting.merged([*self._memory, *accounting.parts([held])])
        joules = sum(f.value or 0.0 for f in usage.figures if f.name in ENERGY)
        for hour, part in spread(started_at, usage.wall_s, joules):
            self._hours[hour] = self._hours.get(hour, 0.0) + part

    def use(self, info: SessionInfo) -> Use:
        """All that was added so far."""
        by_gpu = [(device, part) for device, parts in self._by_gpu.items() for part in parts]
        return use(info, self._parts, dict(self._hours), by_gpu, one(self._memory))


def one(parts: list[Part]) -> Part | None:
    """Parts from several places as one, by the first's."""
    if not parts:
        return None
    there = [p.value for p in parts if p.value is not None]
    missing = sum(p.missing for p in parts)
    return replace(parts[0], value=sum(there) if there else None, count=sum(p.count for p in parts), missing=missing)


def use(
    info: SessionInfo,
    parts: Iterable[Part],
    hours: Mapping[int, float],
    by_gpu: Iterable[tuple[str, Part]],
    memory_byte_s: Part | None = None,
) -> Use:
    """One session's use of parts of its figures, with the GPUs' models for their ids."""
    parts, names = list(parts), info.device_names
    return Use(
        info.host,
        info.started_at,
        info.environment.get("partition", ""),
        tuple(p for p in parts if p.name in ENERGY),
        hours,
        tuple((names.get(device, device), part) for device, part in by_gpu),
        tuple(p for p in parts if p.name == "cpu_s"),
        memory_byte_s,
    )


def of_record(record: CellRecord, info: SessionInfo) -> Use:
    """What one record used."""
    using = Using()
    using.add(record.started_at, record.usage)
    return using.use(info)


def of_records(records: Iterable[CellRecord], info: SessionInfo) -> Use:
    """What some records of one session used together; those inside another's window are in that one."""
    using = Using()
    for record in records:
        if record.parent_id is None:
            using.add(record.started_at, record.usage)
    return using.use(info)
