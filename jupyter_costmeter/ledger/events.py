"""What came of budgets: written once, never changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from math import inf

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from ..budget import BudgetEvent
from . import file
from .schema import budget_event

# For the driver: it is asked each second. The columns are the record's fields.
SINCE = file.compiled(
    sa.select(*(budget_event.c[field.name] for field in fields(BudgetEvent)))
    .where(budget_event.c.at >= sa.bindparam("since"))
    .order_by(budget_event.c.at, budget_event.c.id)
)


def log(connection: sa.Connection, event: BudgetEvent, start: float, by_session: bool) -> bool:
    """Whether it was noted: it is new, and no warning that somebody (``by_session``: its session) gave since then."""
    if event.kind == "warned" and _warned(connection, event, start, by_session):
        return False
    row = asdict(event)
    # a number without end is no limit that JSON or a sum can hold; none is written
    assert event.limit < inf, "a budget's limit is a number"
    return connection.execute(insert(budget_event).values(row).on_conflict_do_nothing()).rowcount > 0


def _warned(connection: sa.Connection, event: BudgetEvent, start: float, by_session: bool) -> bool:
    there = budget_event.c
    query = sa.select(there.id).where(
        there.kind == "warned",
        there.at >= start,
        there.budget_id == event.budget_id,
        there.threshold == event.threshold,
        there.limit == event.limit,
    )
    if by_session:
        query = query.where(there.session_id == event.session_id)
    return connection.execute(query.limit(1)).first() is not None


def of_ids(connection: sa.Connection, ids: Sequence[str]) -> list[BudgetEvent]:
    """Those with these ids, oldest first."""
    columns = [budget_event.c[field.name] for field in fields(BudgetEvent)]
    query = sa.select(*columns).where(budget_event.c.id.in_(ids)).order_by(budget_event.c.at, budget_event.c.id)
    return [BudgetEvent(*row) for row in connection.execute(query)] if ids else []


def events(connection: sa.Connection, since: float) -> list[BudgetEvent]:
    """Those since then, oldest first."""
    return [BudgetEvent(*row) for row in file.driver(connection).execute(SINCE, {"since": since})]
