"""Which records somebody means: the newest cells, those of some In [numbers], or one by its id."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from . import Selection, selecting, tags
from .schema import OWN_CELL, cell

#: So many of those that one name could mean are told.
SOME = 10


def cells(
    connection: sa.Connection, selection: Selection, count: int | None, numbers: tuple[int, int] | None
) -> list[str]:
    """The ids of cells, oldest first: the newest so many, or those of In [first] to In [last]; inner ones left out.

    So are cells of ``%cost`` alone, unless they are called by their number.
    """
    query = sa.select(cell.c.id).where(*selecting.where(cell, selection), OWN_CELL)
    called = cell.c.execution_count.between(*numbers) if numbers is not None else tags.IS_RUN
    query = query.where(called)
    newest_first = query.order_by(cell.c.started_at.desc(), cell.c.id.desc()).limit(count)
    return list(connection.execute(newest_first).scalars())[::-1]


def called(connection: sa.Connection, name: str) -> Sequence[str]:
    """The cells and blocks whose ids begin like that; ``ab12-7`` is number 7 of the session that begins so."""
    start, dash, number = name.rpartition("-")
    ids = [cell.c.id.startswith(name, autoescape=True)]
    if dash:
        number_of = sa.and_(cell.c.session_id.startswith(start, autoescape=True), cell.c.id.endswith(dash + number))
        ids = [cell.c.id == name, number_of]
    query = sa.select(cell.c.id).where(sa.or_(*ids), cell.c.bucket == "cell").order_by(cell.c.id).limit(SOME)
    return connection.execute(query).scalars().all()
