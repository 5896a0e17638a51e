"""The cells that a session remembers, read like a ledger: for when the ledger's file cannot be read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from math import inf
from typing import Protocol

from . import accounting
from .anonymous import Names
from .budget import called
from .grouping import Counts, Groups, Kind
from .ledger import DEPTH, Selection
from .record import BUCKETS, Bucket, BucketTotal, CellRecord, SessionInfo, Stored, Summary
from .tag import Tagged, tagged
from .uses import Use, Using, of_records


class Reader(Protocol):
    """What pages and reports ask of a ledger; ``dearest`` and ``latest`` answer cells only, the rest all buckets."""

    def summary(self, selection: Selection) -> Summary: ...

    def sessions(self, selection: Selection) -> list[SessionInfo]: ...

    def uses(self, selection: Selection, hourly_before: float = -inf, memory: bool = False) -> list[Use]: ...

    def records(self, selection: Selection) -> Iterator[CellRecord]: ...

    def stored(self, selection: Selection) -> Iterator[CellRecord | Stored]: ...

    def count(self, selection: Selection) -> int: ...

    def dearest(self, selection: Selection, count: int) -> list[CellRecord]: ...

    def latest(self, selection: Selection, count: int, outer: bool = False) -> list[CellRecord]: ...

    def chosen(
        self, selection: Selection, count: int | None = None, numbers: tuple[int, int] | None = None
    ) -> list[str]: ...

    def called(self, name: str) -> list[str]: ...

    def along(self, selection: Selection, last: int | None = None) -> Iterator[CellRecord]: ...

    def open_windows(self) -> list[tuple[SessionInfo, CellRecord]]: ...

    def there(self, ids: Iterable[str]) -> set[str]: ...

    def told_of(self, ids: Sequence[str]) -> dict[str, tuple[str, Tagged]]: ...

    def names(self, selection: Selection) -> Names: ...

    def grouped(self, selection: Selection, hourly_before: float = -inf) -> Groups: ...

    def at_once(self) -> AbstractContextManager[None]: ...

    def close(self) -> None: ...


class Recent:
    """One session's newest and dearest cells; ``summary`` and ``whole`` (what it used) count all of them.

    ``between`` is what it used between them, by bucket.
    """

    def __init__(
        self, info: SessionInfo, cells: list[CellRecord], summary: Summary, whole: Using | None = None,
        between: Mapping[Bucket, Using] | None = None,
    ) -> None:  # fmt: skip
        self._info, self._cells, self._summary, self._whole = info, cells, summary, whole
        self._between = between or {}

    def summary(self, selection: Selection) -> Summary:
        found = list(selected(self._cells, selection))
        if len(found) == len(self._cells):
            return self._summary
        return summary_of([r for r in found if r.parent_id is None])

    def sessions(self, selection: Selection) -> list[SessionInfo]:
        return [self._info] if any(selected(self._cells, selection)) else []

    def uses(self, selection: Selection, hourly_before: float = -inf, memory: bool = False) -> list[Use]:
        found, hourly = list(selected(self._cells, selection)), self._info.started_at < hourly_before
        if self._whole is not None and len(found) == len(self._cells):
            return self._whole.uses(self._info, hourly)
        return of_records(found, self._info, hourly) if found else []

    def records(self, selection: Selection) -> Iterator[CellRecord]:
        """With a label also those that lie inside of the labelled ones, which count in these."""
        found = selected(self._cells, replace(selection, label=None))
        return (r for r in found if selection.label is None or self._is_in(r, selection.label))

    def stored(self, selection: Selection) -> Iterator[CellRecord | Stored]:
        """The same: there are few."""
        return self.records(selection)

    def _is_in(self, record: CellRecord | None, label: str) -> bool:
        """Whether it has the label, or one around it has."""
        for _ in range(DEPTH + 1):
            if record is None or record.label == label:
                break
            parent = record.parent_id
            record = next((one for one in self._cells if one.id == parent), None) if parent else None
        return record is not None and record.label == label

    def count(self, selection: Selection) -> int:
        return sum(1 for _ in self.records(selection))

    def dearest(self, selection: Selection, count: int) -> list[CellRecord]:
        outer = [r for r in self._cells_of(selection) if r.parent_id is None]
        return sorted(outer, key=dearness, reverse=True)[:count]

    def latest(self, selection: Selection, count: int, outer: bool = False) -> list[CellRecord]:
        return [r for r in self._cells_of(selection) if not (outer and r.parent_id)][-count:]

    def chosen(
        self, selection: Selection, count: int | None = None, numbers: tuple[int, int] | None = None
    ) -> list[str]:
        return chosen(self._cells_of(selection), count, numbers)

    def along(self, selection: Selection, last: int | None = None) -> Iterator[CellRecord]:
        """The outermost in the order of their start, from that of the so manieth last cell on."""
        found = sorted((r for r in selected(self._cells, selection) if not r.parent_id), key=lambda r: r.started_at)
        newest = set(chosen(found, last, None)) if last is not None else set()
        since = min((r.started_at for r in found if r.id in newest), default=-inf)
        return (r for r in found if r.started_at >= since)

    def open_windows(self) -> list[tuple[SessionInfo, CellRecord]]:
        return []

    def there(self, ids: Iterable[str]) -> set[str]:
        return {one.id for one in self._cells}.intersection(ids)

    def called(self, name: str) -> list[str]:
        start, dash, number = name.rpartition("-")
        ids = [record.id for record in self._cells_of(Selection("all"))]
        if not dash:
            return [one for one in ids if one.startswith(name)]
        return [one for one in ids if one.startswith(start) and one.endswith(dash + number)]

    def told_of(self, ids: Sequence[str]) -> dict[str, tuple[str, Tagged]]:
        asked = set(ids)
        return {record.id: (record.outcome, tagged(record.tags)) for record in self._cells if record.id in asked}

    def names(self, selection: Selection) -> Names:
        info, found = self._info, list(selected(self._cells, selection))
        notebooks = (one for one in (info.notebook, *(r.notebook for r in found)) if one)
        projects = (one for one in (info.project, *(r.project for r in found)) if one)
        places = tuple(dict.fromkeys(notebooks)), tuple(dict.fromkeys(projects))
        partition = info.environment.get("partition")
        return Names((info.host,), (info.user,), *places, (partition,) if partition else ())

    def grouped(self, selection: Selection, hourly_before: float = -inf) -> Groups:
        """By what they are said to be; of what lies between cells only the whole session's is remembered."""
        groups, found = Groups(infos={self._info.id: self._info}), list(selected(self._cells, selection))
        groups.add(self._cells, found)
        if len(found) == len(self._cells):
            self._add_between(groups, {record.bucket for record in found})
            self._note_forgotten(groups, [r for r in found if r.parent_id is None and r.bucket == "cell"])
        return groups

    def _add_between(self, groups: Groups, known: set[Bucket]) -> None:
        for bucket, using in self._between.items():
            total = self._summary.bucket(bucket)
            if bucket in known:
                continue
            (group,) = groups.of(Kind(bucket), None)
            group.records, group.wall_s = using.count, total.wall_s if total else 0.0
            group.usings[self._info.id] = using

    def _note_forgotten(self, groups: Groups, cells: list[CellRecord]) -> None:
        count, failed = len(cells), sum(cell.failed for cell in cells)
        if count < self._summary.cells:
            rest = self._summary.cells - count
            groups.forgotten = Counts(rest, max(0, self._summary.failed - failed), rest)
            what = f"the {count} newest and dearest cells of {self._summary.cells}"
            groups.notes.append(f"The ledger could not be read, and only {what} are remembered one by one.")

    def at_once(self) -> AbstractContextManager[None]:
        return nullcontext()

    def close(self) -> None:
        pass

    def _cells_of(self, selection: Selection) -> list[CellRecord]:
        return [r for r in selected(self._cells, selection) if r.bucket == "cell"]


def summary_of(outer: list[CellRecord]) -> Summary:
    """The totals of some records of one session, none of which lies inside another."""
    cells = [r for r in outer if r.bucket == "cell"]
    failed, wall_s = sum(r.failed for r in cells), sum(r.wall_s for r in cells)
    buckets = tuple(b for name in BUCKETS if (b := _bucket(name, [r for r in outer if r.bucket == name])).totals)
    parts = accounting.parts(f for r in outer for f in r.usage.figures)
    return Summary(len(cells), failed, int(bool(outer)), wall_s, accounting.totals(parts), buckets)


def _bucket(name: Bucket, records: list[CellRecord]) -> BucketTotal:
    parts = accounting.parts(f for r in records for f in r.usage.figures)
    return BucketTotal(name, sum(r.wall_s for r in records), accounting.totals(parts))


def selected(records: Iterable[CellRecord], selection: Selection) -> Iterator[CellRecord]:
    """Those that the ledger would answer for the selection."""
    return (r for r in records if _in_scope(r, selection) and selection.label in (None, r.label))


def _in_scope(record: CellRecord, selection: Selection) -> bool:
    key = selection.key or ""
    if selection.scope == "project":
        return record.project is not None and f"{record.project}{os.sep}".startswith(key.rstrip(os.sep) + os.sep)
    if selection.scope == "called":
        return record.project is not None and called(record.project) == key
    return (
        selection.scope == "all" or key == {"session": record.session_id, "notebook": record.notebook}[selection.scope]
    )


def chosen(records: Iterable[CellRecord], count: int | None, numbers: tuple[int, int] | None) -> list[str]:
    """The ids of cells in the order of these: the last so many, or those of some In [numbers]; inner ones left out.

    So are cells of ``%cost`` alone, unless they are called by their number.
    """
    first, last = numbers or (-inf, inf)
    outer = [record for record in records if record.parent_id is None]
    called = [r for r in outer if first <= (r.execution_count or 0) <= last] if numbers else outer
    found = [r.id for r in called if numbers or not tagged(r.tags).meter]
    return found if count is None else found[-count:]


def dearness(record: CellRecord) -> tuple[float, float]:
    """By energy, then by time."""
    energy = next((t.value for t in accounting.cell_totals(record.usage) if t.name == "energy_j"), None)
    return (-1.0 if energy is None else energy, record.wall_s)
