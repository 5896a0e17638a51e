"""Where it went: what was used in a window of time by notebook, cell, label, day, device, outcome or tag.

What lies between cells is rows of its own, but by day and device, where it counts in its day and on its device.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from math import inf
from typing import Any

import sqlalchemy as sa

from .. import periods
from ..record import BUCKETS, HOLD, SessionInfo
from ..uses import HOUR_S, WANTED, By, Using, Went
from . import Selection, selecting, spent, went_said
from .schema import OWN_CELL, cell
from .usage import OUTER

#: The clocks of all zones differ by whole quarters of an hour, so their days begin with one.
SLOT_S = 900.0
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
NOT_STARTED = "not started"
#: Longer than any two records lie apart.
AGES_S = 1e11
ENDINGS: tuple[str, ...] = ("ok", "superseded", "error", "interrupted", "killed", NOT_STARTED)
#: What kind of a group, and what it is told by.
Key = tuple[Any, ...]
_CODE = sa.func.coalesce(cell.c.cell_id, cell.c.code_hash, cell.c.label)


@dataclass(slots=True)
class _Group:
    """Records of one key: their number, the newest, and what each session used in them."""

    runs: int = 0
    at: float = -inf
    newest: Any = None
    usings: dict[str, Using] = field(default_factory=dict)

    def count(self, row: Any) -> None:
        self.runs += row.runs
        if self.newest is None or row.at > self.at:
            self.at, self.newest = row.at, row


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was asked, and where to read it."""

    connection: sa.Connection
    where: selecting.Where
    start: float
    end: float

    @property
    def inside(self) -> sa.ColumnElement[bool]:
        """The records that lie in the window at least in part."""
        near, far = spent.near(self.start, self.end), spent.far(self.start)
        return sa.and_(OUTER, *self.where, sa.or_(sa.and_(sa.true(), *near), sa.and_(*far) if self.cut else sa.false()))

    @property
    def cut(self) -> bool:
        return self.start > -inf


def went(
    connection: sa.Connection, selection: Selection, start: float, end: float, by: By, zone: str, hourly_before: float
) -> list[Went]:
    """Rows that add up to all that was used."""
    outside = [went_said.outside(selection)] if by in went_said.NOBODY else []
    asked = _Asked(connection, [*selecting.cells(selection), *outside], start, end)
    groups = _by_day(asked, zone) if by == "day" else _by_keys(asked, by)
    if by in went_said.NOBODY:
        _add_families(asked, selection, by, groups)
    infos = spent.sessions(connection, {key for group in groups.values() for key in group.usings})
    if by == "device":
        groups = _by_device(groups, infos)
    return [
        _row(by, key, groups[key], infos, zone, hourly_before) for key in sorted(groups, key=lambda k: _order(by, k))
    ]


# Groups


def _by_keys(asked: _Asked, by: By) -> dict[Key, _Group]:
    keys = [column.label(f"key_{i}") for i, column in enumerate(_keys(asked, by))]
    groups: dict[Key, _Group] = {}
    for row in _counted(asked, *keys, held=by == "outcome"):
        groups.setdefault(_key(row, keys, by), _Group()).count(row)
    window = (asked.start, asked.end)
    for row, part in spent.within(asked.connection, asked.where, *window, *keys, spent.SESSION):
        _using(groups, _key(row, keys, by), row, *window).put(row.slot, row.device, part)
    for row, part in spent.across(asked.connection, asked.where, *window, *keys, spent.SESSION):
        _using(groups, _key(row, keys, by), row, *window).spread(row.started_at, row.wall_s, row.device, part)
    return groups


def _keys(asked: _Asked, by: By) -> list[sa.ColumnElement[Any]]:
    """The bucket, and of cells what tells them apart; a device is told by the session."""
    if by == "device":
        return [cell.c.session_id]
    apart: dict[By, list[sa.ColumnElement[Any]]] = {
        "notebook": [cell.c.notebook],
        "cell": [cell.c.notebook, _CODE],
        "label": [cell.c.label],
    }
    said = went_said.columns(by) if by in went_said.NOBODY else [_ending(asked)]
    columns = apart.get(by, said)
    is_cell = cell.c.bucket == "cell"
    return [cell.c.bucket, *(sa.case((is_cell, column), else_=sa.null()) for column in columns)]


def _ending(asked: _Asked) -> sa.ColumnElement[Any]:
    """How a run ended; of the good ones of one cell only the newest is not superseded."""
    order = (cell.c.started_at.desc(), cell.c.id.desc())
    same = (cell.c.notebook, sa.func.coalesce(_CODE, cell.c.id))
    number = sa.func.row_number().over(partition_by=same, order_by=order).label("number")
    good = sa.select(cell.c.id, number).where(asked.inside, OWN_CELL, cell.c.outcome == "ok").subquery()
    earlier = sa.select(good.c.id).where(good.c.number > 1)
    held = (cell.c.error_type == HOLD, sa.literal(NOT_STARTED))
    bad, again = (cell.c.outcome != "ok", cell.c.outcome), (cell.c.id.in_(earlier), "superseded")
    return sa.case(held, bad, again, else_="ok")


def _counted(asked: _Asked, *keys: sa.ColumnElement[Any], held: bool = False) -> Sequence[Any]:
    """How many runs each group has, and its newest: in SQLite the other columns are those of the highest.

    Args:
        asked: the window.
        keys: what tells the groups apart.
        held: cells that a budget kept from starting count, too.
    """
    names = ("id", "label", "outcome", "error_type", "execution_count", "seq", "cell_id", "notebook")
    started = sa.or_(cell.c.error_type.is_(None), cell.c.error_type != HOLD)
    runs = sa.func.count().filter(cell.c.bucket == "cell", sa.true() if held else started)  # between cells, none
    at = sa.case((started, cell.c.started_at), else_=cell.c.started_at - AGES_S)  # one that ran tells more of a cell
    columns = (runs.label("runs"), sa.func.max(at).label("at"), *(cell.c[n] for n in names))
    query = sa.select(*keys, *columns).where(asked.inside).group_by(*keys).order_by(*keys)
    return asked.connection.execute(query).all()


def _key(row: Any, keys: Sequence[sa.Label[Any]], by: By) -> Key:
    found = tuple(getattr(row, key.name) for key in keys)
    return went_said.key(by, found) if by in went_said.NOBODY else found


def _using(groups: dict[Key, _Group], key: Key, row: Any, start: float, end: float) -> Using:
    return groups.setdefault(key, _Group()).usings.setdefault(row.session_id, Using(start, end, WANTED))


def _add_families(asked: _Asked, selection: Selection, by: By, groups: dict[Key, _Group]) -> None:
    """The records inside others of which something is said, and those around them."""
    for key, record, outer, parts in went_said.pieces(asked.connection, selection, by):
        began, wall_s = outer.started_at, outer.wall_s
        if began < asked.end and (asked.start <= began or asked.start < began + wall_s):
            groups.setdefault(key, _Group()).count(went_said.Row(record.id, record.started_at))
            using = _using(groups, key, record, asked.start, asked.end)
            for device, part in parts:
                using.spread(began, wall_s, device, part)


def _by_device(groups: dict[Key, _Group], infos: dict[str, SessionInfo]) -> dict[Key, _Group]:
    """Sessions by the GPUs that they held."""
    found: dict[Key, _Group] = {}
    for (session_id,), group in groups.items():
        using = group.usings.get(session_id)
        models = using.models(infos[session_id]) if using else set()
        one = found.setdefault((", ".join(sorted(models)) or "CPU",), _Group())
        one.usings |= group.usings
        one.runs += group.runs
        if group.at > one.at:
            one.at, one.newest = group.at, group.newest
    return found


# By day


def _by_day(asked: _Asked, zone: str) -> dict[Key, _Group]:
    """Days in which something was used, by their first moments."""
    first, last = (column.label(name) for column, name in zip(spent.slots(SLOT_S), ("first", "last"), strict=True))
    counted = _counted(asked, first, last)
    if not counted:
        return {}
    lowest = max(asked.start, min(row.first for row in counted) * SLOT_S)
    highest = min(asked.end, max(row.last for row in counted) * SLOT_S + SLOT_S)
    edges = list(_days(lowest, highest, zone))
    groups: dict[Key, _Group] = {}
    for row in counted:
        stop = min(asked.end, row.last * SLOT_S + SLOT_S / 2)
        for day in _touched(edges, max(asked.start, row.first * SLOT_S), stop):
            groups.setdefault((day,), _Group()).count(row)
    _fill(asked, edges, groups)
    return groups


def _fill(asked: _Asked, edges: list[float], groups: dict[Key, _Group]) -> None:
    after = dict(zip(edges, [*edges[1:], inf], strict=True))

    def using(day: float, row: Any) -> Using:
        return _using(groups, (day,), row, max(day, asked.start), min(after[day], asked.end))

    window, session_id = (asked.start, asked.end), spent.SESSION
    for row, part in spent.within(asked.connection, asked.where, *window, session_id, slot_s=SLOT_S):
        day = _day(edges, row.slot * SLOT_S)
        using(day, row).put(int(row.slot * SLOT_S // HOUR_S), row.device, part)
    for row, part in spent.across(asked.connection, asked.where, *window, session_id, slot_s=SLOT_S):
        for day in _touched(edges, row.started_at, row.started_at + row.wall_s):
            using(day, row).spread(row.started_at, row.wall_s, row.device, part)


def _days(start: float, end: float, zone: str) -> Iterator[float]:
    """The first moments of the days from one instant to another."""
    day, at = periods.local(start, zone).date(), -inf
    while at < end:
        at = periods.instant(day, zone)
        yield at
        day += timedelta(days=1)


def _day(edges: list[float], at: float) -> float:
    return edges[max(0, bisect_right(edges, at) - 1)]


def _touched(edges: list[float], start: float, end: float) -> list[float]:
    """The days that lie in [start, end] at least in part."""
    first, last = (max(0, bisect_right(edges, at) - 1) for at in (start, max(start, end)))
    return edges[first : last + 1]


# Rows


def _order(by: By, key: Key) -> tuple[Any, ...]:
    if by in ("day", "device"):
        return key
    if by == "outcome":
        return BUCKETS.index(key[0]), ENDINGS.index(key[1]) if key[1] else 0
    return BUCKETS.index(key[0]), *((text is None, text or "") for text in key[1:])


def _row(by: By, key: Key, group: _Group, infos: dict[str, SessionInfo], zone: str, hourly_before: float) -> Went:
    ordered = sorted(group.usings, key=lambda one: (infos[one].started_at, one))
    used = [(infos[one], group.usings[one]) for one in ordered]
    uses = tuple(use for info, using in used for use in using.uses(info, info.started_at < hourly_before))
    newest = group.newest.id if group.newest is not None else None
    if by == "day":
        return Went(*_day_said(key[0], zone), group.runs, uses, id=newest, start=key[0])
    if by == "device":
        return Went(key[0], "", group.runs, uses, id=newest)
    if key[0] != "cell":
        return Went(key[0].replace("_", " "), "", group.runs, uses, id=newest, bucket=key[0])
    return _cells_row(by, key, group, uses)


def _day_said(start: float, zone: str) -> tuple[str, str]:
    """``2026-10-25`` and its weekday: noon is in that day whatever the clocks do at its edges."""
    day = periods.local(start + 12 * HOUR_S, zone).date()
    return day.isoformat(), WEEKDAYS[day.weekday()]


def _cells_row(by: By, key: Key, group: _Group, uses: tuple[Any, ...]) -> Went:
    newest, runs = group.newest, group.runs
    if by == "label":
        return Went(key[1] or "no label", "", runs, uses, id=newest.id)
    if by in went_said.NOBODY:
        return Went(key[1] or went_said.NOBODY[by], key[2] or "", runs, uses, id=newest.id)
    if by == "outcome":
        again = key[1] == "superseded"
        said = {"superseded": "run again later", NOT_STARTED: "held by a budget"}.get(key[1], "")
        return Went(key[1], said, runs, uses, None if key[1] == NOT_STARTED else key[1], again, id=newest.id)
    notebook = newest.notebook
    file = os.path.basename(notebook) if notebook else "no notebook"
    if by == "notebook":
        return Went(file, notebook or "", runs, uses, notebook=notebook, id=newest.id)
    count = newest.execution_count
    name = newest.label or (f"In [{count}]" if count is not None else f"block {newest.seq}")
    outcome = None if newest.error_type == HOLD else newest.outcome  # it never ran
    return Went(name, file, runs, uses, outcome, False, newest.cell_id, notebook, newest.id)
