"""A cell's last runs, for forecasts and for the line below it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from ..record import CellRecord, SessionInfo
from . import spent
from .schema import OWN_CELL, cell

Rows = list[sa.Row[Any]]


def runs(
    connection: sa.Connection, cell_id: str | None, code_hash: str | None, notebook: str | None, count: int,
    project: str | None,
) -> list[tuple[SessionInfo, CellRecord]]:  # fmt: skip
    """So many of the same code, newest first; where none ended well, as many of the cell's other versions behind."""
    found = _same_code(connection, code_hash, notebook, count, project)
    if cell_id is not None and not any(row.outcome == "ok" for row in found):
        of_cell = (cell.c.cell_id == cell_id, cell.c.notebook == notebook, cell.c.code_hash.is_distinct_from(code_hash))
        found += _newest(connection, count, *of_cell)
    return spent.told(connection, found)


def of_cells(
    connection: sa.Connection, notebook: str, cell_ids: Sequence[str], count: int
) -> list[tuple[SessionInfo, CellRecord]]:
    """So many of each of a notebook's cells, whatever their code was: cell by cell, the newest first."""
    each = (_newest(connection, count, cell.c.cell_id == one, cell.c.notebook == notebook) for one in cell_ids)
    return spent.told(connection, [row for found in each for row in found])


def _same_code(
    connection: sa.Connection, code_hash: str | None, notebook: str | None, count: int, project: str | None
) -> Rows:
    if code_hash is None:
        return []
    here = _newest(connection, count, cell.c.code_hash == code_hash, cell.c.notebook == notebook)
    if project is None or any(row.outcome == "ok" for row in here):
        return here
    return _newest(connection, count, cell.c.code_hash == code_hash, cell.c.project == project)


def _newest(connection: sa.Connection, count: int, *where: sa.ColumnElement[bool]) -> Rows:
    order = (cell.c.started_at.desc(), cell.c.id.desc())
    return list(connection.execute(sa.select(cell).where(OWN_CELL, *where).order_by(*order).limit(count)).all())


def ends(connection: sa.Connection, session_ids: Iterable[str]) -> dict[str, float]:
    """When the last of each session's records ended."""
    last = sa.func.max(cell.c.started_at + cell.c.wall_s)
    found: dict[str, float] = {}
    for key in session_ids:
        end = connection.execute(sa.select(last).where(cell.c.session_id == key)).scalar_one()
        found |= {} if end is None else {key: end}
    return found
