"""What was used in a window of time: sums by the hour in SQL; records over an edge, or several hours, are spread here.

Records are found by the indexes of their start. Those that began before the window are few: within the hour before
it, or longer than an hour, for which there is an index of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from math import inf, isfinite
from typing import Any

import sqlalchemy as sa

from ..accounting import Part
from ..record import CellRecord, SessionInfo
from ..uses import HOUR_S, WANTED, Using
from . import Selection, file, rows, selecting, usage
from .schema import IS_KILLED, IS_LONG, LONG_S, cell, figure, open_window, provenance, session, tally
from .usage import DEVICE, LACKING, NAME, NAMED, OUTER, VALUE, parts

#: No record is longer.
LOOK_BACK_S = 62 * 86400.0
#: So many records are read at a time.
PAGE = 500
Where = Sequence[sa.ColumnElement[bool]]
#: Keys, the first moment's slot, the sum.
Sums = Iterator[tuple[sa.Row[Any], Part]]
ROWID = sa.literal_column("cell.rowid", sa.Integer)
# With a plus: grouped by them SQLite would read all cells in their order.
SESSION = sa.literal_column("+cell.session_id", sa.Text).label("session_id")
_END = cell.c.started_at + cell.c.wall_s
# For the driver: they are asked each second.
NEWEST = file.compiled(sa.select(sa.func.max(ROWID)).select_from(cell))
JOURNAL = file.compiled(sa.select(open_window.c.record).order_by(open_window.c.id))
KILLED = file.compiled(sa.select(cell.c.id).where(IS_KILLED))
# All figures of a cell lie side by side: reading them is faster than seeking each of twenty names.
_KNOWN = sa.literal_column("+figure.name", sa.Text).in_((*WANTED, "peak_rss_bytes"))


def base(
    connection: sa.Connection, selection: Selection, start: float, end: float, hourly_before: float, memory: bool
) -> tuple[dict[str, tuple[SessionInfo, Using]], int]:
    """What each session used in [start, end), and the last record's mark."""
    mark = newest(connection)
    found = _whole(connection, selection, start, end, hourly_before) if not memory else {}
    usings: dict[str, Using] = {}
    where = [*selecting.cells(selection), *_others(connection, selection, found)]
    window = (start, end)
    for row, part in within(connection, where, *window, SESSION):
        usings.setdefault(row.session_id, Using(*window, WANTED)).put(row.slot, row.device, part)
    for row, part in across(connection, where, *window, SESSION):
        using = usings.setdefault(row.session_id, Using(*window, WANTED))
        using.spread(row.started_at, row.wall_s, row.device, part)
    infos = sessions(connection, usings)
    return {key: (infos[key], using) for key, using in usings.items() if key not in found} | found, mark


def _whole(
    connection: sa.Connection, selection: Selection, start: float, end: float, hourly_before: float
) -> dict[str, tuple[SessionInfo, Using]]:
    """The sessions that lie in the window from their beginning to their end, from their tallies: no record is read.

    Not those that must be told by the hour, nor those with GPUs of several models, which tallies do not tell apart.
    """
    tallied = usage.of_session(connection, selecting.where(tally, selection), WANTED)
    began = sa.select(session).where(session.c.started_at >= max(start, hourly_before))
    later = _reaching_beyond(connection, end)
    found: dict[str, tuple[SessionInfo, Using]] = {}
    for row in connection.execute(began.order_by(session.c.started_at, session.c.id)).mappings():
        parts_of = tallied.get(row["id"])
        if parts_of is None or row["id"] in later:
            continue
        info = rows.session_of(row)
        if not usage.is_mixed(info, parts_of):
            found[info.id] = (info, _put(Using(start, end, WANTED), info, parts_of))
    return found


def _put(using: Using, info: SessionInfo, found: Iterable[Part]) -> Using:
    """All of it as if it were in the session's first hour: no factor changed since."""
    for part in found:
        using.put(int(info.started_at // HOUR_S), usage.device_of(info, part), part)
    return using


def _reaching_beyond(connection: sa.Connection, end: float) -> set[str]:
    """The sessions with records that end after a window does; of a period that lasts, none."""
    if not isfinite(end):
        return set()
    at = (near(end, inf), far(end))
    return {key for where in at for key in connection.execute(sa.select(cell.c.session_id).where(*where)).scalars()}


def _others(connection: sa.Connection, selection: Selection, found: Collection[str]) -> Where:
    """The records of the sessions that were not found, if that can be said shortly."""
    if not found:
        return []
    where = selecting.where(tally, selection)
    known = set(connection.execute(sa.select(tally.c.session_id).where(*where).distinct()).scalars())
    others = known.difference(found)
    return [cell.c.session_id.in_(sorted(others))] if len(others) <= NAMED else []


def within(
    connection: sa.Connection, where: Where, start: float, end: float, *keys: sa.ColumnElement[Any],
    slot_s: float = HOUR_S,
) -> Sums:  # fmt: skip
    """Sums over the records that lie in the window and in one slot of it; the rows have ``slot`` and ``device``."""
    first, last = slots(slot_s)
    by = (*keys, first.label("slot"), NAME, DEVICE, figure.c.provenance_id)
    sums = (sa.func.sum(VALUE).label("all_value"), sa.func.count().label("all_count"),
            sa.func.sum(LACKING).label("all_missing"))  # fmt: skip
    query = _joined(*by, *sums).where(*where, OUTER, _KNOWN, *_between(start, end), first == last)
    if isfinite(end):
        query = query.where(end >= _END)
    return parts(connection, query.group_by(*by).order_by(*by))


def across(
    connection: sa.Connection, where: Where, start: float, end: float, *keys: sa.ColumnElement[Any],
    slot_s: float = HOUR_S,
) -> Sums:  # fmt: skip
    """The figures of the records that lie over an edge or in several slots, each with its time."""
    first, last = slots(slot_s)
    one = (VALUE.label("all_value"), sa.literal(1).label("all_count"), LACKING.label("all_missing"))
    columns = (*keys, cell.c.started_at, cell.c.wall_s, NAME, DEVICE, figure.c.provenance_id)
    query = _joined(*columns, *one).where(*where, OUTER, _KNOWN).order_by(cell.c.started_at, cell.c.id, figure.c.name)
    cut = sa.or_(first != last, cell.c.started_at < start, end < _END)
    yield from parts(connection, query.where(*near(start, end), cut))
    if isfinite(start):
        yield from parts(connection, query.where(*far(start)))


def _joined(*columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """Cells first, then their figures: with a plus SQLite cannot go through all figures instead."""
    query = sa.select(*columns).join_from(cell, figure, figure.c.cell_id == sa.literal_column("+cell.id", sa.Text))
    return query.join(provenance, provenance.c.id == figure.c.provenance_id)


def near(start: float, end: float) -> Where:
    """The records of [start, end), and those that reach into it and began within the hour before."""
    if not isfinite(start):
        return _between(start, end)
    return [*_between(start - LONG_S, end), sa.or_(cell.c.started_at >= start, start < _END)]


def far(start: float) -> Where:
    """Those that reach into a window and began earlier."""
    return [IS_LONG, *_between(start - LOOK_BACK_S, start - LONG_S), start < _END]


def _between(start: float, end: float) -> Where:
    """Those that began in [start, end)."""
    lower = [cell.c.started_at >= start] if isfinite(start) else []
    return [*lower, *([cell.c.started_at < end] if isfinite(end) else [])]


def slots(slot_s: float) -> tuple[sa.ColumnElement[int], sa.ColumnElement[int]]:
    """The first and the last slot that a record lies in, as seconds since 1970 // ``slot_s``."""
    length = sa.literal_column(repr(slot_s), sa.Float)
    return sa.cast(cell.c.started_at / length, sa.Integer), sa.cast(_END / length, sa.Integer)


def sessions(connection: sa.Connection, ids: Iterable[str]) -> dict[str, SessionInfo]:
    """Sessions by their ids."""
    known, found = sorted(set(ids)), dict[str, SessionInfo]()
    for i in range(0, len(known), NAMED):
        query = sa.select(session).where(session.c.id.in_(known[i : i + NAMED]))
        found.update((row["id"], rows.session_of(row)) for row in connection.execute(query).mappings())
    return found


def after(connection: sa.Connection, mark: int) -> tuple[list[tuple[SessionInfo, CellRecord]], int]:
    """A page of the records that came after a mark."""
    if newest(connection) <= mark:
        return [], mark
    query = sa.select(ROWID.label("mark"), cell).where(mark < ROWID).order_by(ROWID).limit(PAGE)
    found = connection.execute(query).all()
    return told(connection, [row for row in found if row.parent_id is None]), found[-1].mark


def began(connection: sa.Connection, where: Where) -> float | None:
    """The start of the first record."""
    query = sa.select(cell.c.started_at).where(*where).order_by(cell.c.started_at).limit(1)
    found: float | None = connection.execute(query).scalar()
    return found


def newest(connection: sa.Connection) -> int:
    """The mark of the record that came last; 0 where there is none."""
    found: int | None = file.driver(connection).execute(NEWEST).fetchone()[0]
    return found or 0


def told(connection: sa.Connection, found: Sequence[sa.Row[Any]]) -> list[tuple[SessionInfo, CellRecord]]:
    """Rows of ``cell`` as records, with their sessions."""
    infos = sessions(connection, (row.session_id for row in found))
    return [(infos[record.session_id], record) for record in selecting.fetched(connection, found)]


def open_windows(connection: sa.Connection) -> list[tuple[SessionInfo, CellRecord]]:
    """The journal."""
    found = [rows.journal_record(text) for (text,) in file.driver(connection).execute(JOURNAL)]
    infos = sessions(connection, (record.session_id for record in found)) if found else {}
    return [(infos[record.session_id], record) for record in found if record.session_id in infos]


def there(connection: sa.Connection, ids: Iterable[str]) -> set[str]:
    """Which records are in the file."""
    known, found = sorted(set(ids)), set[str]()
    for i in range(0, len(known), NAMED):
        found.update(connection.execute(sa.select(cell.c.id).where(cell.c.id.in_(known[i : i + NAMED]))).scalars())
    return found


def killed(connection: sa.Connection) -> set[str]:
    """The records of cells that are taken for killed."""
    return {key for (key,) in file.driver(connection).execute(KILLED)}
