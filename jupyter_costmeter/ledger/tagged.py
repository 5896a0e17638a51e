"""Records by what is said of them: each is looked at once, their figures are added up in SQL by the places they have.

What is said of a record is one text, its tags by key and time, so that which of them counts is told in one place
(``tag``). Records with others in them of which something was said are read with these, one by one (``families``), and
so are those that lie in several hours, where it is told by the hour.
"""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from functools import lru_cache
from math import inf
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from ..grouping import NOBODY, Group, Groups, Kind, Lengths, TrialKey, alike, kind_of, trial_of
from ..record import HIGHEST, Bucket, Outcome, SessionInfo
from ..tag import PARAM, SCORE, Tag, Tagged, tagged
from ..uses import HOUR_S, WANTED
from . import Selection, families, file, rows, selecting
from .schema import cell, figure, session, tag
from .usage import DEVICE, NAME, OUTER, parts

#: So many records are looked at at a time.
PAGE = 1000
#: So many records' places are remembered.
SEEN = 4096
#: Between a text's tags, and in one: no JSON has them.
TAGS, FIELDS = "\n", "\t"
#: A text that has one of these may be a trial's.
TRIAL = tuple(start.encode().hex().upper() for start in (PARAM, SCORE))

#: Where records count, by number; of this connection, and gone with its transaction.
placed = sa.Table(
    "placed",
    sa.MetaData(),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("id", sa.Text, nullable=False),
    sa.Column("wall_s", sa.Float, nullable=False),
    prefixes=["TEMP"],
)
PLACE = "INSERT INTO placed VALUES (?, ?, ?)"


class _Row(NamedTuple):
    """A record, with what is said of it."""

    id: str
    session_id: str
    started_at: float
    wall_s: float
    bucket: Bucket
    outcome: Outcome
    label: str | None
    notebook: str | None
    said: str | None


def grouped(connection: sa.Connection, selection: Selection, hourly_before: float) -> Groups:
    """The selected records of all buckets; sessions that began before that time by the hour."""
    found = families.found(connection, selection)
    infos = {info.id: info for info in map(rows.session_of, connection.execute(sa.select(session)).mappings())}
    places = _Places(infos, hourly_before, {record_id for ids in found for record_id in ids})
    _place(connection, places, selection)
    groups = places.groups
    _sum(connection, places)
    for records in families.read(connection, [*found, *({one} for one in places.apart)]):
        groups.add(records)
    return groups


# Reading


def _rows(connection: sa.Connection, selection: Selection) -> sqlite3.Cursor:
    """The outermost records; by the driver, since there may be a million."""
    said = _said() if connection.execute(sa.select(tag.c.id).limit(1)).first() else sa.null()
    query = sa.select(*(cell.c[name] for name in _Row._fields[:-1]), sa.type_coerce(said, sa.Text).label("said"))
    asked = query.where(OUTER, *selecting.cells(selection)).compile(dialect=sqlite.dialect(paramstyle="named"))
    return file.driver(connection).execute(str(asked), asked.params)


def _said() -> sa.ScalarSelect[str]:
    """A record's tags as one text."""
    text = sa.func.hex(tag.c.key) + FIELDS + tag.c.given + FIELDS + sa.func.coalesce(tag.c.value, "")
    mine = sa.select(text.label("text")).where(tag.c.record_id == cell.c.id)
    ordered = mine.order_by(tag.c.key, tag.c.at, tag.c.id).correlate(cell).subquery()
    return sa.select(sa.func.group_concat(ordered.c.text, TAGS)).scalar_subquery()


@lru_cache(maxsize=1024)
def told(text: str | None) -> Tagged:
    """What such a text says."""
    found = []
    for at, one in enumerate(text.split(TAGS)) if text else ():
        key, given, value = one.split(FIELDS)
        name = bytes.fromhex(key).decode()
        found.append(Tag("", "", at, name, value or None, "later" if given == "later" else "run", "", ""))
    return tagged(found) if found else NOBODY


@lru_cache(maxsize=1024)
def what(
    own: str | None, said: str | None, bucket: Bucket, outcome: Outcome, label: str | None, notebook: str | None
) -> tuple[Kind, TrialKey | None, bool]:
    """What a record is, and whether it is no run: of ``%cost`` alone, or done elsewhere for a cell.

    Its id (``own``) is needed where it may be a trial by itself.
    """
    found = told(said)
    trial = trial_of(own or "", found) if bucket == "cell" else None
    return kind_of(bucket, outcome, found, label, notebook), trial, found.meter or bucket == "remote"


# Places


class _Place:
    """Where records of one kind and trial count that ended alike, of one machine and (where it is told by it) one hour.

    ``row`` is any of them; where one has parameters or scores, it is the only one.
    """

    __slots__ = (
        "first", "groups", "hour", "kind", "last", "lengths", "meter", "newest", "number", "oldest", "row", "said",
        "trial",
    )  # fmt: skip

    def __init__(
        self, number: int, row: _Row, kind: Kind, trial: TrialKey | None, meter: bool, hour: int | None
    ) -> None:
        self.number, self.row, self.kind, self.trial, self.hour = number, row, kind, trial, hour
        self.meter = meter
        self.lengths = Lengths()
        self.first, self.last = inf, -inf
        self.oldest, self.newest = (inf, ""), (-inf, "")
        self.groups: list[Group] = []
        self.said = told(row.said) if trial is not None else NOBODY  # now that it was just read

    def count(self, row: _Row) -> None:
        """One more record."""
        wall_s, started_at = row.wall_s, row.started_at
        self.lengths.one(wall_s, self.kind.has_failed)
        self.first, self.last = min(self.first, started_at), max(self.last, started_at + wall_s)
        if self.trial is not None:
            at = (started_at, row.id)
            self.oldest, self.newest = min(self.oldest, at), max(self.newest, at)

    def put(self, groups: Groups) -> None:
        """What was counted, into the groups."""
        self.groups = groups.of(self.kind, None if self.meter else self.trial)
        for group in self.groups:
            self._add(group)
        if self.trial is not None:
            tried = groups.tried(self.trial)
            tried.add_said(self.newest, self.said)
            if not self.meter:
                tried.ended(self.oldest, self.newest, self.row.outcome, self.kind)

    def _add(self, group: Group) -> None:
        lengths = Lengths() if self.meter else self.lengths
        trial = None if self.meter else self.trial
        wall_s = 0.0 if self.row.bucket == "remote" else self.lengths.sum_s  # it lies beside its cell's
        group.count(trial, lengths, wall_s, not self.kind.has_failed, self.lengths.count)
        group.reach(self.first, self.last)


class _Places:
    """All of them; ``apart`` are the records that are read one by one beside families.

    Args:
        infos: all sessions.
        hourly_before: sessions that began before that time are told by the hour.
        inside: the records of families.
    """

    def __init__(self, infos: dict[str, SessionInfo], hourly_before: float, inside: set[str]) -> None:
        self._inside = inside
        self._by_hour = {key for key, info in infos.items() if info.started_at < hourly_before}
        self._known: dict[tuple[object, ...], _Place] = {}
        self._seen: dict[tuple[object, ...], _Place] = {}
        self.groups = Groups(infos=infos, alike=alike(infos.values(), hourly_before))
        self.apart: list[str] = []

    def number(self, row: _Row) -> int | None:
        """Count a record in; ``None`` where it is read by itself."""
        if row.id in self._inside:
            return None
        hour = None
        if row.session_id in self._by_hour:
            hour = int(row.started_at // HOUR_S)
            if int((row.started_at + row.wall_s) // HOUR_S) != hour:
                self.apart.append(row.id)
                return None
        own = row.id if row.said is not None and any(start in row.said for start in TRIAL) else None
        place = self._of(row, own, hour) if own else self._alike(row, hour)
        place.count(row)
        return place.number

    def _alike(self, row: _Row, hour: int | None) -> _Place:
        """The place of a record that is no trial by itself: most are as others are, of which it is known."""
        seen = (row.said, row.bucket, row.outcome, row.label, row.notebook, row.session_id, hour)
        place = self._seen.get(seen)
        if place is None:
            if len(self._seen) >= SEEN:
                self._seen.clear()
            place = self._seen[seen] = self._of(row, None, hour)
        return place

    def _of(self, row: _Row, own: str | None, hour: int | None) -> _Place:
        kind, trial, meter = what(own, row.said, row.bucket, row.outcome, row.label, row.notebook)
        key = (own, kind, trial, meter, row.bucket, row.outcome, self.groups.alike[row.session_id], hour)
        place = self._known.get(key)
        if place is None:
            place = self._known[key] = _Place(len(self._known), row, kind, trial, meter, hour)
        return place

    def put(self) -> list[_Place]:
        """Into the groups; by number."""
        found = list(self._known.values())
        for place in found:
            place.put(self.groups)
        return found


def _place(connection: sa.Connection, places: _Places, selection: Selection) -> None:
    """Count records in, and note their numbers."""
    placed.create(connection, checkfirst=True)
    connection.execute(placed.delete())
    found = _rows(connection, selection)
    while page := found.fetchmany(PAGE):
        numbered = [(places.number(row), row.id, row.wall_s) for row in map(_Row._make, page)]
        new = [one for one in numbered if one[0] is not None]
        file.driver(connection).executemany(PLACE, new)


# Sums


def _sum(connection: sa.Connection, places: _Places) -> None:
    """What they used, and their highest marks."""
    found, groups = places.put(), places.groups
    for row, part in parts(connection, _sums()):
        place = found[row.number]
        if part.provenance.absent:
            part = replace(part, missing=0)
        key = groups.alike[place.row.session_id]
        for group in place.groups:
            if row.figure in HIGHEST:
                group.peak(row.figure, row.highest)
            if row.figure != "peak_gpu_bytes":
                group.using(key).put(place.hour, row.device, part)


def _sums() -> sa.Select[tuple[object, ...]]:
    """By place, figure, device and provenance: cells first, then their figures, which lie side by side."""
    value = sa.case((figure.c.name == "peak_rss_bytes", figure.c.value * placed.c.wall_s), else_=figure.c.value)
    keys = (placed.c.number, NAME, DEVICE, figure.c.provenance_id)
    sums = (
        sa.func.sum(value).label("all_value"), sa.func.count().label("all_count"),
        (sa.func.count() - sa.func.count(figure.c.value)).label("all_missing"),
        sa.func.max(figure.c.value).label("highest"), figure.c.name.label("figure"),
    )  # fmt: skip
    known = sa.literal_column("+figure.name", sa.Text).in_((*WANTED, *HIGHEST))
    query = sa.select(*keys, *sums).join_from(
        placed, figure, figure.c.cell_id == sa.literal_column("+placed.id", sa.Text)
    )
    return query.where(known).group_by(*keys)
