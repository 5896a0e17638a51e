"""Bring ledgers of several machines or array jobs together: by the records' ids, so twice is once (docs/verify.md)."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import islice
from pathlib import Path
from typing import Any

from . import bars
from .errors import UsageError
from .ledger import Selection
from .ledger.sources import Changed, opened
from .ledger.store import Ledger
from .ledger.whole import Whole
from .pages import Page, Table
from .record import CellRecord, SessionInfo

ALL = Selection("all")
#: Records that are taken in one go.
BATCH = 1000
#: So many conflicts are listed.
SHOWN = 50
COLUMNS = ("from", "records taken", "there already", "conflicts", "sessions", "tags", "budget events", "still running")


@dataclass(slots=True)
class Taken:
    """What came of one source; ``conflicts`` are rows of what, its id, where it is of, and what differs."""

    source: Path
    counts: Counter[str] = field(default_factory=Counter)
    conflicts: list[tuple[str, str, str, str]] = field(default_factory=list)

    def conflict(self, what: str, key: str, where: str, differs: str) -> None:
        """Both have it, with different facts: what was there first is kept."""
        self.counts["conflicts"] += 1
        if len(self.conflicts) < SHOWN:
            self.conflicts.append((what, key, where, differs))


def merge(into: Path, sources: Sequence[Path], bar: bars.Bar[CellRecord] = bars.shown) -> Page:
    """Take the sessions, records, tags and budget events of ledgers into one; not ``ok`` where there are conflicts.

    Of a record that both have with different facts the one in ``into`` is kept, but a cell that was taken for killed
    gives way to its record. Windows that are still open are left where they are. All of it is done, or nothing: what
    goes wrong or is interrupted leaves ``into`` as it was. Meanwhile others read it, but wait with what they write.

    Args:
        into: the ledger that takes; it is made if there is none.
        sources: read as they are now, and never written; of any version up to this one's.
        bar: shows how far it is.

    Raises:
        UsageError: a source is missing, no ledger, broken, or ``into`` itself.
        LedgerTooNew: one was written by a later version.
        LedgerError: one cannot be read, or ``into`` cannot be written.
    """
    for source in sources:
        if os.path.realpath(source) == os.path.realpath(into) or (into.exists() and _same(source, into)):
            raise UsageError(f"{source} is the ledger that is merged into: name the others")
    busy: set[Path] = set()
    while True:
        try:
            return _page(into, _all_merged(into, sources, busy, bar))
        except Changed as error:  # nothing was taken; what others write to is read as it was at one moment
            busy.add(error.path)


def _same(source: Path, into: Path) -> bool:
    return source.exists() and os.path.samefile(source, into)


def _all_merged(into: Path, sources: Sequence[Path], busy: Collection[Path], bar: bars.Bar[CellRecord]) -> list[Taken]:
    ledger = Whole(into)
    try:
        with ledger.in_one():
            return [_merged(ledger, source, source not in busy, bar) for source in sources]
    finally:
        ledger.close()


def _merged(ledger: Ledger, source: Path, still: bool, bar: bars.Bar[CellRecord]) -> Taken:
    taken = Taken(source)
    with opened(source, still) as other:
        _take_sessions(ledger, other, taken)
        _take_tags(ledger, other, taken)  # before the records, which bring theirs: so each is counted
        _take_records(ledger, other, taken, bar)
        _take_events(ledger, other, taken)
        taken.counts["still running"] = other.running()
    return taken


# Records


def _take_records(ledger: Ledger, other: Ledger, taken: Taken, bar: bars.Bar[CellRecord]) -> None:
    infos = other.every_session()
    records = iter(bar(other.records(ALL), other.count(ALL), f"merging {taken.source.name}"))
    while batch := list(islice(records, BATCH)):
        there = ledger.of_ids([record.id for record in batch])
        new = [record for record in batch if _is_new(record, there.get(record.id), taken)]
        by_session: dict[str, list[CellRecord]] = {}
        for record in new:
            by_session.setdefault(record.session_id, []).append(record)
        for session_id, found in by_session.items():
            ledger.append(infos[session_id], found)


def _is_new(record: CellRecord, mine: CellRecord | None, taken: Taken) -> bool:
    """Whether to take it: it is not there, or only as one that was taken for killed."""
    if mine is None or (mine.outcome == "killed" != record.outcome):
        taken.counts["records taken"] += 1
        return True
    killed = record.outcome == "killed" != mine.outcome
    differs = [] if killed else list(_differing(mine, record))
    if differs:
        taken.conflict("record", record.id, record.notebook or record.label or "", "; ".join(differs))
    else:
        taken.counts["there already"] += 1
    return False


def _differing(mine: CellRecord, other: CellRecord) -> Iterator[str]:
    """The facts that are not the same, as ``wall_s: 2.0 here, 3.0 there``."""
    yield from _fields(replace(mine, tags=(), usage=other.usage), replace(other, tags=()))
    if mine.wall_s != other.wall_s:
        yield _said("wall_s", mine.wall_s, other.wall_s)
    ours, theirs = ({(f.name, f.device): f for f in record.usage.figures} for record in (mine, other))
    for key in sorted(ours.keys() | theirs.keys(), key=str):
        one, two = ours.get(key), theirs.get(key)
        if one != two:
            values = [f.value if f else "none" for f in (one, two)]
            yield _said(key[0], *values) if values[0] != values[1] else f"{key[0]}: how it is known"


def _fields(mine: Any, other: Any) -> Iterator[str]:
    for one in fields(mine):
        values = getattr(mine, one.name), getattr(other, one.name)
        if values[0] != values[1]:
            yield _said(one.name, *values)


def _said(name: str, mine: Any, other: Any) -> str:
    return f"{name}: {mine} here, {other} there"


# The rest


def _take_sessions(ledger: Ledger, other: Ledger, taken: Taken) -> None:
    there, new = ledger.every_session(), list[SessionInfo]()
    for info in other.every_session().values():
        mine = there.get(info.id)
        if mine is None:
            new.append(info)
        elif mine != info:
            taken.conflict("session", info.id, info.notebook or "", "; ".join(_fields(mine, info)))
    taken.counts["sessions"] = len(new)
    ledger.add(infos=new)


def _take_tags(ledger: Ledger, other: Ledger, taken: Taken) -> None:
    """All of them: those of records that are in neither ledger may be of a third's."""
    for page in other.every_tag():
        there = ledger.same_tags([tag.id for tag in page])
        for tag in page:
            if there.get(tag.id, tag) != tag:
                differs = "; ".join(_fields(there[tag.id], tag))
                taken.conflict("tag", tag.id, f"record {tag.record_id}", differs)
        new = [tag for tag in page if tag.id not in there]
        taken.counts["tags"] += len(new)
        ledger.add(said=new)


def _take_events(ledger: Ledger, other: Ledger, taken: Taken) -> None:
    there, new = {event.id: event for event in ledger.events()}, []
    for event in other.events():
        mine = there.get(event.id)
        if mine is None:
            new.append(event)
        elif mine != event:
            taken.conflict("budget event", event.id, event.budget_id, "; ".join(_fields(mine, event)))
    taken.counts["budget events"] = len(new)
    ledger.add(came=new)


# Telling


def _page(into: Path, found: Sequence[Taken]) -> Page:
    rows = [[str(taken.source), *(str(taken.counts[name]) for name in COLUMNS[1:])] for taken in found]
    conflicts = [[str(taken.source), *row] for taken in found for row in taken.conflicts]
    count, new = (sum(taken.counts[name] for taken in found) for name in ("conflicts", "records taken"))
    tables = [Table(COLUMNS, rows, frozenset(COLUMNS[1:])),
              Table(["from", "what", "id", "of", "what differs"], conflicts[:SHOWN])]  # fmt: skip
    title = f"{into}: {new:,} record{'' if new == 1 else 's'} taken" + (f", {count:,} in conflict" if count else "")
    return Page(title, tables, list(_notes(found, count)), ok=not count)


def _notes(found: Iterable[Taken], count: int) -> Iterator[str]:
    if count > SHOWN:
        yield f"{SHOWN} of {count:,} conflicts are shown."
    if count:
        yield "Of what is in conflict the ledger keeps what it had: which is right only you can know."
    if any(taken.counts["still running"] for taken in found):
        yield "What still runs is left where it is: merge again when it has ended."
