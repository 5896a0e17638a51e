"""Whose and where the selected records are: the names that an anonymous file must not hold."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from ..anonymous import Names
from . import Selection, selecting
from .schema import session, tag, tally


def names(connection: sa.Connection, selection: Selection) -> Names:
    """Each once, in the order of the sessions; who only said something of records comes last, of any records."""
    where = selecting.where(tally, selection)
    query = sa.select(session.c.host, session.c.user, session.c.environment, session.c.notebook, session.c.project)
    inside = session.c.id.in_(sa.select(tally.c.session_id).where(*where))
    sessions = connection.execute(query.where(inside).order_by(session.c.started_at, session.c.id)).all()
    places = connection.execute(
        sa.select(tally.c.notebook, tally.c.project).where(*where).distinct().order_by(tally.c.notebook)
    ).all()
    taggers = connection.execute(sa.select(tag.c.host, tag.c.user).distinct().order_by(tag.c.host)).all()
    return Names(
        _each(row.host for row in (*sessions, *taggers)),
        _each(row.user for row in (*sessions, *taggers)),
        _each(row.notebook for row in (*sessions, *places)),
        _each(row.project for row in (*sessions, *places)),
        _each(json.loads(row.environment).get("partition") for row in sessions),
    )


def _each(found: Iterable[Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for one in found if one))
