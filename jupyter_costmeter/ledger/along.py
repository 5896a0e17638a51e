"""Records one after the other with nothing but their energy, for a chart: of a hundred thousand none is kept.

Two queries are read side by side in the same order, by the driver: one of both tables would say each record's columns
once for each of its figures, and SQLAlchemy's rows take thrice as long.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

from ..record import ENERGY, CellRecord, Figure, Provenance
from . import Selection, file, rollup, rows, selecting, spent, tags
from .schema import OWN_CELL, cell, figure

COLUMNS = [cell.c[name] for name in rows.TAKEN]
FIGURES = [figure.c[name] for name in ("name", "device", "value", "provenance_id")]
_ENERGY: list[sa.ColumnElement[Any]] = [sa.literal_column(f"'{name}'") for name in ENERGY]


def along(
    connection: sa.Connection, selection: Selection, last: int | None = None, beyond: int = 0
) -> Iterator[CellRecord]:
    """The outermost records in the order of their start.

    Args:
        connection: in a transaction, lest the two queries see different states of the file.
        selection: which.
        last: only from the start of the so manieth last cell on.
        beyond: only those that came after that mark.
    """
    where = [*selecting.cells(selection), cell.c.parent_id.is_(None)]
    if last is not None:
        where.append(cell.c.started_at >= _since(connection, selection, last))
    if beyond:
        where.append(beyond < spent.ROWID)
    if not connection.in_transaction():
        connection.begin()
    of_energy = sa.and_(figure.c.cell_id == cell.c.id, figure.c.name.in_(_ENERGY))
    joined = sa.select(cell.c.id, *FIGURES).outerjoin_from(cell, figure, of_energy)
    found, figures = (
        file.asked(connection, query.where(*where).order_by(cell.c.started_at, cell.c.id))
        for query in (sa.select(*COLUMNS), joined)
    )
    return _records(connection, found, figures)


def _since(connection: sa.Connection, selection: Selection, last: int) -> float:
    """The start of the so manieth last cell; cells of ``%cost`` alone are passed over, as elsewhere."""
    query = sa.select(cell.c.started_at).where(*selecting.cells(selection), OWN_CELL, tags.IS_RUN)
    newest = connection.execute(query.order_by(cell.c.started_at.desc()).limit(last)).scalars().all()
    return min(newest, default=float("-inf"))


def _records(connection: sa.Connection, found: Iterator[Any], figures: Iterator[Any]) -> Iterator[CellRecord]:
    take, origins = rows.taker(rows.TAKEN), _Origins(connection)
    for row, (_, group) in zip(found, groupby(figures, key=itemgetter(0)), strict=True):
        made = [Figure(name, value, origins[key], device or None) for _, name, device, value, key in group if name]
        yield take(row, tuple(made), ())


class _Origins(dict[str, Provenance]):
    """Each is looked up once."""

    def __init__(self, connection: sa.Connection) -> None:
        super().__init__()
        self._connection = connection

    def __missing__(self, key: str) -> Provenance:
        self.update(rollup.origins_of(self._connection, [key]))
        return self[key]
