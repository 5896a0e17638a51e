"""The lab's budgets in its ledger: set, taken away, and where they stand, for their reader and (for a head) for all."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from ..labs import Snapshot, Standing, Sum, Terms, figures_of
from ..record import Total
from . import tables
from .acting import ME
from .store import SharedLedger

PERIODS = """
SELECT b.*, d.first, d.after FROM costmeter.budget AS b
CROSS JOIN LATERAL costmeter.period(b.per, b.zone, b.starts, b.ends, now()) AS d
ORDER BY b.set_at, b.id"""
#: What each whose rows one may read used of each budget, by session.
USED = """
SELECT b.id AS budget_id, s.owner, s.session_id, s.name, p.method, sum(s.value) AS value,
       sum(abs(s.value) * p.uncertainty) AS error, sum(s.count)::bigint AS count, sum(s.missing)::bigint AS missing
FROM costmeter.budget AS b
CROSS JOIN LATERAL costmeter.period(b.per, b.zone, b.starts, b.ends, now()) AS d
CROSS JOIN LATERAL (
    SELECT u.owner, {session} AS session_id, u.project, u.name, u.provenance_id, sum(u.value) AS value,
           sum(u.count) AS count, sum(u.missing) AS missing
    FROM costmeter.used AS u
    WHERE u.name = ANY (b.figures) {where}
        AND u.hour >= coalesce(d.first, 0) AND u.hour < coalesce(d.after, 4000000000)
    GROUP BY 1, 2, 3, 4, 5) AS s
JOIN costmeter.provenance AS p ON p.owner = s.owner AND p.id = s.provenance_id
WHERE (b.project IS NULL OR costmeter.called(s.project) = b.project) AND (b.person IS NULL OR s.owner = b.person)
GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3"""
MINE = USED.format(session="u.session_id", where=f"AND u.owner = {ME}")
ALL = USED.format(session="''", where="")
OTHERS = "SELECT * FROM costmeter.elsewhere(costmeter.me()) ORDER BY budget_id"
LAST = """
SELECT o.owner, l.hour, l.project, s.host
FROM (SELECT DISTINCT owner FROM costmeter.session) AS o
CROSS JOIN LATERAL (
    SELECT u.hour, u.project, u.session_id FROM costmeter.used AS u WHERE u.owner = o.owner ORDER BY u.hour DESC LIMIT 1
) AS l
JOIN costmeter.session AS s ON s.owner = o.owner AND s.id = l.session_id"""
IS_HEAD = "SELECT pg_has_role(current_user, 'costmeter_head', 'USAGE')"


@dataclass(frozen=True, slots=True)
class Person:
    """One person, as a head sees them.

    Args:
        last_s: the end of the last hour in which there was something, seconds since 1970; ``None``: nothing yet.
        project, host: where that was.
        used: of each budget, by its id; of a budget that is not theirs there is none.
    """

    name: str
    last_s: float | None
    project: str
    host: str
    used: Mapping[str, Total]


def snapshot(there: SharedLedger) -> Snapshot:
    """What this user may see of the lab's budgets now: what others used as one sum, the own by session.

    Raises:
        ShareError: the lab's ledger cannot be used.
    """
    now = time.time()
    with there.reading() as connection:
        me = str(connection.exec_driver_sql("SELECT costmeter.me()").scalar_one())
        found = connection.exec_driver_sql(PERIODS).all()
        mine = connection.exec_driver_sql(MINE).all() if found else []
        others = connection.exec_driver_sql(OTHERS).all() if found else []
    by_session = {key: tuple(_by_session(rows)) for key, rows in groupby(mine, lambda row: row.budget_id)}
    of_others = {key: tuple(map(_sum, rows)) for key, rows in groupby(others, lambda row: row.budget_id)}
    standings = (
        Standing(_terms(row), row.first, row.after, of_others.get(row.id, ()), by_session.get(row.id, ()))
        for row in found
    )
    return Snapshot(me, now, tuple(standings))


def people(there: SharedLedger) -> list[Person] | None:
    """Everybody and what they used of each budget; ``None`` where this user is no head.

    Raises:
        ShareError: the lab's ledger cannot be used.
    """
    with there.reading() as connection:
        if not connection.exec_driver_sql(IS_HEAD).scalar_one():
            return None
        terms, totals = _used(connection)
        last = {row.owner: row for row in connection.exec_driver_sql(LAST)}
    named = {one.person for one in terms.values() if one.person}
    return [_person(name, last.get(name), totals.get(name, {})) for name in sorted({*last, *totals, *named})]


def of_group(there: SharedLedger) -> tuple[list[Terms], dict[str, dict[str, Total]]]:
    """The budgets that may be seen, and by person what was used of each, by its id: of those whose sums may be read.

    Raises:
        ShareError: the lab's ledger cannot be used.
    """
    with there.reading() as connection:
        terms, totals = _used(connection)
    return list(terms.values()), totals


def _used(connection: sa.Connection) -> tuple[dict[str, Terms], dict[str, dict[str, Total]]]:
    terms = {row.id: _terms(row) for row in connection.exec_driver_sql(PERIODS)}
    used = connection.exec_driver_sql(ALL).all()
    totals: dict[str, dict[str, Total]] = {}
    for (budget_id, owner), rows in groupby(used, lambda row: (row.budget_id, row.owner)):
        standing = Standing(terms[budget_id], None, None, tuple(map(_sum, rows)))
        totals.setdefault(owner, {})[budget_id] = standing.elsewhere(())[1]
    return terms, totals


def _person(name: str, last: Any, used: Mapping[str, Total]) -> Person:
    if last is None:
        return Person(name, None, "", "", used)
    return Person(name, (last.hour + 1) * 3600.0, last.project, last.host, used)


def budgets(there: SharedLedger) -> list[Terms]:
    """Those that this user may see, in the order in which they were set.

    Raises:
        ShareError: the lab's ledger cannot be used.
    """
    with there.reading() as connection:
        return [_terms(row) for row in connection.exec_driver_sql(PERIODS)]


def put(there: SharedLedger, terms: Terms) -> bool:
    """Set a budget, or change the one with that id; whether it is new. Its ``set_by`` is whoever does it.

    Raises:
        ShareError: the lab's ledger cannot be used, or this user is no head.
    """
    values: dict[str, Any] = {**asdict(terms), "figures": list(figures_of(terms.measure)), "warn": list(terms.warn)}
    del values["set_by"]
    table = tables.budget
    with there.writing() as connection:
        known = connection.execute(sa.select(table.c.id).where(table.c.id == terms.id)).first()
        if known is None:
            connection.execute(table.insert(), values)
        else:
            changed = {**values, "set_by": sa.func.current_user()}
            connection.execute(table.update().where(table.c.id == terms.id).values(changed))
    return known is None


def take_away(there: SharedLedger, terms: Terms) -> None:
    """Delete a budget; what was used stays.

    Raises:
        ShareError: the lab's ledger cannot be used, or this user is no head.
    """
    with there.writing() as connection:
        connection.execute(tables.budget.delete().where(tables.budget.c.id == terms.id))


def same(known: Sequence[Terms], new: Terms) -> Terms:
    """The new budget with the id of the one that it changes, if there is one: of the same name, or the same but for
    its limit and what happens there.
    """
    for fits in (_named_alike, _alike):
        found = next((one for one in known if fits(one, new)), None)
        if found is not None:
            return replace(new, id=found.id, name=new.name or found.name)
    return new


def _named_alike(one: Terms, new: Terms) -> bool:
    return bool(new.name) and one.name == new.name


def _alike(one: Terms, new: Terms) -> bool:
    mine, other = ((t.stands_for, t.whose, t.person) for t in (one, new))
    return mine == other and (not new.name or not one.name)


def _terms(row: Any) -> Terms:
    return Terms(
        row.id, row.set_by, row.measure, row.limit, row.whose, row.person, row.project, row.per, row.zone, row.starts,
        row.ends, row.hold, tuple(row.warn), row.name,
    )  # fmt: skip


def _by_session(rows: Iterable[Any]) -> Iterator[tuple[str, tuple[Sum, ...]]]:
    return ((session, tuple(map(_sum, found))) for session, found in groupby(rows, lambda row: row.session_id))


def _sum(row: Any) -> Sum:
    return Sum(row.name, row.method, row.value, row.error, row.count, row.missing)
