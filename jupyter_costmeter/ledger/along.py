"""Records one after the other with nothing but their energy, for a chart: of a hundred thousand none is kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

from ..record import ENERGY, CellRecord, Figure, Provenance
from . import Selection, rollup, rows, selecting, tags
from .schema import OWN_CELL, cell, figure

#: Rows that are taken at a time.
PAGE = 1000


def along(connection: sa.Connection, selection: Selection, last: int | None) -> Iterator[CellRecord]:
    """The outermost records in the order of their start; only from the start of the so manieth last cell on."""
    where = [*selecting.cells(selection), cell.c.parent_id.is_(None)]
    if last is not None:
        where.append(cell.c.started_at >= _since(connection, selection, last))
    of_energy = sa.and_(figure.c.cell_id == cell.c.id, figure.c.name.in_(ENERGY))
    figures = (figure.c.name, figure.c.device, figure.c.value, figure.c.provenance_id)
    query = sa.select(cell, *(column.label(f"of_{column.name}") for column in figures))
    query = query.outerjoin_from(cell, figure, of_energy).where(*where).order_by(cell.c.started_at, cell.c.id)
    found = connection.execution_options(yield_per=PAGE).execute(query)
    return _records(connection, found, list(found.keys()))


def _since(connection: sa.Connection, selection: Selection, last: int) -> float:
    """The start of the so manieth last cell; cells of ``%cost`` alone are passed over, as elsewhere."""
    query = sa.select(cell.c.started_at).where(*selecting.cells(selection), OWN_CELL, tags.IS_RUN)
    newest = connection.execute(query.order_by(cell.c.started_at.desc()).limit(last)).scalars().all()
    return min(newest, default=float("-inf"))


def _records(connection: sa.Connection, found: Any, columns: Sequence[str]) -> Iterator[CellRecord]:
    take, width = rows.taker(columns), len(columns)
    origins: dict[str, Provenance] = {}
    for _, group in groupby(found, key=itemgetter(columns.index("id"))):
        several = list(group)
        new = {row[width - 1] for row in several if row[width - 1]} - origins.keys()
        if new:
            origins.update(rollup.origins_of(connection, new))
        figures = tuple(
            Figure(name, value, origins[origin], device or None)
            for name, device, value, origin in (row[width - 4 :] for row in several)
            if name is not None
        )
        yield take(several[0], figures, ())
