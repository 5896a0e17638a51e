"""What one session used, as far as carbon and money depend on it: plain records, and how they add up.

Where factors change with time a session is told by the hour, so that each hour is multiplied by its own; a record's
figures are spread evenly over its time, since nothing is known of their course.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timezone

from . import accounting
from .accounting import Part
from .record import ENERGY, CellRecord, Figure, SessionInfo, Usage

HOUR_S = 3600.0
#: The figures that carbon and money are made of.
NAMES = (*ENERGY, "gpu_reserved_s", "cpu_s")
#: A record's peak memory over its time; of peaks alone only the highest would be kept.
MEMORY = "memory_byte_s"


@dataclass(frozen=True, slots=True)
class Use:
    """What one session used, in one hour or in all of them.

    ``at`` (seconds since 1970) is that hour's beginning, or the session's: the factors of then are taken. ``gpu_s`` are
    the reserved GPU-seconds by model, ``gpu`` the model of all GPUs that the session held, if it is one.
    ``memory_byte_s`` are bytes times seconds, each record's peak over its time, ``None`` where it was not read.
    """

    host: str
    at: float
    partition: str = ""
    energy: tuple[Part, ...] = ()
    gpu_s: tuple[tuple[str, Part], ...] = ()
    cpu_s: tuple[Part, ...] = ()
    memory_byte_s: Part | None = None
    gpu: str = ""

    @property
    def hour(self) -> int:
        """The UTC hour, seconds since 1970 // 3600."""
        return int(self.at // HOUR_S)

    @property
    def day(self) -> date:
        """The UTC day: the same for whoever reads."""
        return datetime.fromtimestamp(self.at, timezone.utc).date()


def shares(started_at: float, wall_s: float) -> Iterator[tuple[int, float]]:
    """The UTC hours that a record lies in, each with the part of its time; they add up to 1."""
    first, last = int(started_at // HOUR_S), int((started_at + wall_s) // HOUR_S)
    if first == last or wall_s <= 0:
        yield first, 1.0
        return
    for hour in range(first, last + 1):
        inside = min(started_at + wall_s, (hour + 1) * HOUR_S) - max(started_at, hour * HOUR_S)
        if inside > 0:  # one that ends with an hour has nothing in the next
            yield hour, inside / wall_s


class Sum:
    """Parts of figures by device, added up."""

    def __init__(self) -> None:
        self._parts: dict[str, list[Part]] = {}

    def add(self, device: str, part: Part) -> None:
        """One more part of a device's (``""`` where there are no several)."""
        self._parts[device] = accounting.merged([*self._parts.get(device, ()), part])

    def models(self, info: SessionInfo) -> set[str]:
        """The models of the GPUs that were held."""
        names = info.device_names
        known = ((device, part) for device, parts in self._parts.items() for part in parts)
        return {names.get(device, device) for device, p in known if p.name == "gpu_reserved_s" and p.value}

    def use(self, info: SessionInfo, models: set[str], hour: int | None = None) -> Use:
        """What a session that held GPUs of these models used, in that hour or in all."""
        names = info.device_names
        by_device = [(device, part) for device, parts in self._parts.items() for part in parts]
        return Use(
            info.host,
            info.started_at if hour is None else hour * HOUR_S,
            info.environment.get("partition", ""),
            tuple(part for _, part in by_device if part.name in ENERGY),
            tuple((names.get(device, device), part) for device, part in by_device if part.name == "gpu_reserved_s"),
            tuple(part for _, part in by_device if part.name == "cpu_s"),
            _one([part for _, part in by_device if part.name == MEMORY]),
            next(iter(models)) if len(models) == 1 else "",
        )


def _one(parts: list[Part]) -> Part | None:
    """Parts from several places as one, by the first's."""
    if not parts:
        return None
    there = [p.value for p in parts if p.value is not None]
    missing = sum(p.missing for p in parts)
    return replace(parts[0], value=sum(there) if there else None, count=sum(p.count for p in parts), missing=missing)


class Using:
    """Adds up the records of one session, none of which lies in another, as a whole and by the hour."""

    def __init__(self) -> None:
        self._whole = Sum()
        self._hours: dict[int, Sum] = {}
        self.count = 0  # of records so far

    def add(self, started_at: float, usage: Usage) -> None:
        """What was used in one record."""
        self.count += 1
        for figure in _wanted(usage):
            device = (figure.device or "") if figure.name == "gpu_reserved_s" else ""
            (part,) = accounting.parts([figure])
            self._whole.add(device, part)
            for hour, piece in pieces(started_at, usage.wall_s, part):
                self._hours.setdefault(hour, Sum()).add(device, piece)

    def uses(self, info: SessionInfo, hourly: bool = False) -> list[Use]:
        """All that was added so far."""
        models = self._whole.models(info)
        if not hourly:
            return [self._whole.use(info, models)]
        return [found.use(info, models, hour) for hour, found in sorted(self._hours.items())]


def pieces(started_at: float, wall_s: float, part: Part) -> Iterator[tuple[int, Part]]:
    """A record's part by the hours that it lies in; what is missing is missing in the first."""
    for i, (hour, share) in enumerate(shares(started_at, wall_s)):
        value = part.value if part.value is None or share == 1.0 else part.value * share
        yield hour, part if share == 1.0 else replace(part, value=value, missing=0 if i else part.missing)


def _wanted(usage: Usage) -> Iterator[Figure]:
    for figure in usage.figures:
        if figure.name in NAMES:
            yield figure
        elif figure.name == "peak_rss_bytes":
            held = None if figure.value is None else figure.value * usage.wall_s
            yield replace(figure, name=MEMORY, value=held)


def of_records(records: Iterable[CellRecord], info: SessionInfo, hourly: bool = False) -> list[Use]:
    """What some records of one session used together; those inside another's window are in that one."""
    using = Using()
    for record in records:
        if record.parent_id is None:
            using.add(record.started_at, record.usage)
    return using.uses(info, hourly)


def of_record(record: CellRecord, info: SessionInfo, hourly: bool = False) -> list[Use]:
    """What one record used."""
    using = Using()
    using.add(record.started_at, record.usage)
    return using.uses(info, hourly)
