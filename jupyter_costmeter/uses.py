"""What one session used, as far as carbon and money depend on it: plain records, and how they add up.

Where factors change with time a session is told by the hour, so that each hour is multiplied by its own; a record's
figures are spread evenly over its time, since nothing is known of their course.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timezone
from functools import lru_cache
from math import fsum, inf
from typing import Literal

from . import accounting
from .accounting import Part
from .record import ENERGY, FLOPS, Bucket, CellRecord, Figure, Provenance, SessionInfo, Usage

HOUR_S = 3600.0
#: The figures that carbon and money are made of.
NAMES = (*ENERGY, "gpu_reserved_s", "cpu_s")
#: What else a budget may be of.
WORK = ("gpu_busy_s", *FLOPS)
#: All of these, for ``Using``.
WANTED = (*NAMES, *WORK)
#: A record's peak memory over its time; of peaks alone only the highest would be kept.
MEMORY = "memory_byte_s"


@dataclass(frozen=True, slots=True)
class Use:
    """What one session used, in one hour or in all of them.

    ``at`` (seconds since 1970) is that hour's beginning, or the session's: the factors of then are taken. ``gpu_s`` are
    the reserved GPU-seconds by model, ``gpu`` the model of all the machine's GPUs, if it is one, held or not: so what
    is priced by it does not depend on what else is in the sum.
    ``memory_byte_s`` are bytes times seconds, each record's peak over its time, ``None`` where it was not read.
    ``work`` are busy GPU-seconds and FLOPs, if they were asked for.
    """

    host: str
    at: float
    partition: str = ""
    energy: tuple[Part, ...] = ()
    gpu_s: tuple[tuple[str, Part], ...] = ()
    cpu_s: tuple[Part, ...] = ()
    memory_byte_s: Part | None = None
    gpu: str = ""
    work: tuple[Part, ...] = ()

    @property
    def hour(self) -> int:
        """The UTC hour, seconds since 1970 // 3600."""
        return int(self.at // HOUR_S)

    @property
    def day(self) -> date:
        """The UTC day: the same for whoever reads."""
        return datetime.fromtimestamp(self.at, timezone.utc).date()


#: What is told apart where one asks where it went.
By = Literal["notebook", "cell", "label", "day", "device", "outcome", "category", "method", "run"]
#: ``superseded``: it ended well, and the cell was run again and ended well later.
Ending = Literal["ok", "error", "interrupted", "killed", "superseded"]


@dataclass(frozen=True, slots=True)
class Went:
    """What one group of records used.

    Args:
        name, detail: how it is called, and what else there is to say of it (a path, a date).
        runs: how many records (of a day: those that lie in it at least in part).
        uses: by session; ``amounts.amount`` makes any measure of it.
        outcome: of all of them, or (of a cell) of the newest run; ``None`` of groups that hold several.
        cell_id, notebook: where the group is one cell, or in one notebook.
        id: the newest record's.
        start: of a day, its first moment (seconds since 1970).
        bucket: of what lies between cells, that: its records are no runs.
    """

    name: str
    detail: str
    runs: int
    uses: tuple[Use, ...]
    outcome: Ending | None = None
    superseded: bool = False
    cell_id: str | None = None
    notebook: str | None = None
    id: str | None = None
    start: float | None = None
    bucket: Bucket = "cell"


def shares(started_at: float, wall_s: float, start: float = -inf, end: float = inf) -> Iterator[tuple[int, float]]:
    """The UTC hours that a record lies in, each with the part of its time; they add up to 1.

    Only what lies in [start, end) (seconds since 1970) is told: so the shares of windows that adjoin add up to 1.
    """
    first, last = int(started_at // HOUR_S), int((started_at + wall_s) // HOUR_S)
    inside = start <= started_at and started_at + wall_s <= end
    if wall_s <= 0 or (inside and first == last):
        if start <= started_at < end:
            yield first, 1.0
        return
    begin, stop = max(started_at, start), min(started_at + wall_s, end)
    first, last = (int(at // HOUR_S) for at in (begin, max(begin, stop)))
    for hour in range(first, last + 1):
        share = (min(stop, (hour + 1) * HOUR_S) - max(begin, hour * HOUR_S)) / wall_s
        if share > 0:  # one that ends with an hour has nothing in the next
            yield hour, share


class Sum:
    """Parts of figures by device, added up."""

    def __init__(self) -> None:
        self._parts: dict[str, dict[tuple[str, Provenance], Part]] = {}

    def add(self, device: str, part: Part) -> None:
        """One more part of a device's (``""`` where there are no several)."""
        parts, key = self._parts.setdefault(device, {}), (part.name, part.provenance)
        there = parts.get(key)
        parts[key] = part if there is None else accounting.merge(there, part)

    def models(self, info: SessionInfo) -> set[str]:
        """The models of the GPUs that were held."""
        known = ((device, part) for device, parts in self._parts.items() for part in parts.values())
        held = {device for device, p in known if p.name == "gpu_reserved_s" and p.value}
        names = info.device_names if held else {}
        return {names.get(device, device) for device in held}

    def use(self, info: SessionInfo, hour: int | None = None) -> Use:
        """What a session used, in that hour or in all."""
        names = info.device_names if self._parts.keys() - {""} else {}  # it is read from JSON
        by_device = [(device, part) for device, parts in self._parts.items() for part in parts.values()]
        return Use(
            info.host,
            info.started_at if hour is None else hour * HOUR_S,
            info.environment.get("partition", ""),
            tuple(part for _, part in by_device if part.name in ENERGY),
            tuple((names.get(device, device), part) for device, part in by_device if part.name == "gpu_reserved_s"),
            tuple(part for _, part in by_device if part.name == "cpu_s"),
            _one([part for _, part in by_device if part.name == MEMORY]),
            _gpu(info.environment.get("devices", "{}")),
            tuple(part for _, part in by_device if part.name in WORK),
        )


@lru_cache
def _gpu(devices: str) -> str:
    """The model of a machine's GPUs (models by device, in JSON), if all are of one."""
    models = {str(model) for model in json.loads(devices).values()}
    return models.pop() if len(models) == 1 else ""


def _one(parts: list[Part]) -> Part | None:
    """Parts from several places as one, by the first's."""
    if not parts:
        return None
    there = [p.value for p in parts if p.value is not None]
    missing = sum(p.missing for p in parts)
    return replace(parts[0], value=sum(there) if there else None, count=sum(p.count for p in parts), missing=missing)


class Using:
    """Adds up the records of one session, none of which lies in another, as a whole and by the hour.

    Args:
        start, end: only what lies in [start, end) counts (seconds since 1970); a record over an edge is spread.
        names: the figures that are wanted.
    """

    def __init__(self, start: float = -inf, end: float = inf, names: Collection[str] = NAMES) -> None:
        self.start, self.end = start, end
        self._names = names
        self._whole = Sum()
        self._hours: dict[int, Sum] = {}
        self.count = 0  # of records so far

    @property
    def first(self) -> float | None:
        """The beginning of the first hour in which something was used, seconds since 1970."""
        return min(self._hours) * HOUR_S if self._hours else None

    def models(self, info: SessionInfo) -> set[str]:
        """The models of the GPUs that were held."""
        return self._whole.models(info)

    def add(self, started_at: float, usage: Usage) -> None:
        """What was used in one record."""
        self.count += 1
        for figure in wanted(usage, self._names):
            (part,) = accounting.parts([figure])
            self.spread(started_at, usage.wall_s, place_of(figure), part)

    def spread(self, started_at: float, wall_s: float, device: str, part: Part) -> None:
        """One figure of a record."""
        found = list(pieces(started_at, wall_s, part, self.start, self.end))
        for hour, piece in found:
            self._hours.setdefault(hour, Sum()).add(device, piece)
        if found:
            cut = started_at < self.start or started_at + wall_s > self.end
            self._whole.add(device, _sum(part, [piece for _, piece in found]) if cut else part)

    def put(self, hour: int | None, device: str, part: Part) -> None:
        """The sum of records that lie in one UTC hour (seconds since 1970 // 3600), and in the window.

        ``None`` for the hour where nobody will ask by the hour: of many small groups each would keep all twice.
        """
        if hour is not None:
            self._hours.setdefault(hour, Sum()).add(device, part)
        self._whole.add(device, part)

    def uses(self, info: SessionInfo, hourly: bool = False) -> list[Use]:
        """All that was added so far."""
        if not hourly:
            return [self._whole.use(info)]
        return [found.use(info, hour) for hour, found in sorted(self._hours.items())]


def place_of(figure: Figure) -> str:
    """The device that a figure is added up by: of all but reserved GPU-seconds those of several are one sum."""
    return (figure.device or "") if figure.name == "gpu_reserved_s" else ""


def wanted(usage: Usage, names: Collection[str]) -> Iterator[Figure]:
    """A record's figures of these names, and its peak memory over its time."""
    for figure in usage.figures:
        if figure.name in names:
            yield figure
        elif figure.name == "peak_rss_bytes":
            held = None if figure.value is None else figure.value * usage.wall_s
            yield replace(figure, name=MEMORY, value=held)


def _sum(whole: Part, found: list[Part]) -> Part:
    """The pieces of one record's part that lie in a window."""
    value = None if whole.value is None else fsum(piece.value or 0.0 for piece in found)
    return replace(whole, value=value)


def pieces(
    started_at: float, wall_s: float, part: Part, start: float = -inf, end: float = inf
) -> Iterator[tuple[int, Part]]:
    """A record's part by the hours that it lies in, in [start, end); what is missing is missing in the first of them.

    So a record over a window's edge that lacks a figure lacks it in both windows: both are lower bounds.
    """
    for i, (hour, share) in enumerate(shares(started_at, wall_s, start, end)):
        value = part.value if part.value is None or share == 1.0 else part.value * share
        yield hour, part if share == 1.0 else replace(part, value=value, missing=0 if i else part.missing)


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
