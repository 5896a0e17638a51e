"""Records of which something was said inside others: read one by one, with all around them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from ..record import CellRecord
from . import Selection, selecting
from .schema import cell, session, tag, tally

#: So many records are read at a time; one family may have more.
PAGE = 500


def _up(selection: Selection) -> sa.CTE:
    """Each such record of the sessions that are selected in part, and those around it, with the id of that record."""
    said = sa.exists().where(tag.c.record_id == cell.c.id)
    where = cell.c.parent_id.is_not(None), said, *_sessions(selection)
    inside = sa.select(cell.c.id.label("of"), cell.c.id, cell.c.parent_id).where(*where)
    up = inside.cte("up", recursive=True)
    around = sa.select(up.c.of, cell.c.id, cell.c.parent_id).where(cell.c.id == up.c.parent_id)
    return up.union(around)


def _sessions(selection: Selection) -> selecting.Where:
    """A record and those inside it are of one session, or of one within it (a child process's).

    They may be of several notebooks, where one was renamed.
    """
    if selection == Selection("all"):
        return []
    inside = sa.select(tally.c.session_id).where(*selecting.where(tally, selection))
    around = sa.func.json_extract(session.c.environment, "$.within")
    within = sa.select(session.c.id).where(around.in_(inside))
    return [sa.or_(cell.c.session_id.in_(inside), cell.c.session_id.in_(within))]


def roots(selection: Selection) -> sa.Select[tuple[str]]:
    """The outermost records of the selection's families, and maybe those of others."""
    up = _up(selection)
    return sa.select(up.c.id).where(up.c.parent_id.is_(None))


def found(connection: sa.Connection, selection: Selection) -> list[set[str]]:
    """The ids of each family whose outermost record is selected; of a record that has lost it there is none."""
    chains: dict[str, set[str]] = {}
    root_of: dict[str, str] = {}
    for row in connection.execute(sa.select(_up(selection))):
        chains.setdefault(row.of, set()).add(row.id)
        if row.parent_id is None:
            root_of[row.of] = row.id
    selected = _selected(connection, selection, sorted(set(root_of.values())))
    families: dict[str, set[str]] = {}
    for of, root in root_of.items():
        if root in selected:
            families.setdefault(root, set()).update(chains[of])
    return [families[root] for root in sorted(families)]


def _selected(connection: sa.Connection, selection: Selection, ids: Sequence[str]) -> set[str]:
    query = sa.select(cell.c.id).where(*selecting.where(cell, selection))
    some = (query.where(cell.c.id.in_(ids[i : i + PAGE])) for i in range(0, len(ids), PAGE))
    return {one for part in some for one in connection.execute(part).scalars()}


def read(connection: sa.Connection, families: Sequence[set[str]]) -> Iterator[list[CellRecord]]:
    """Their records, some whole families at a time."""
    page: list[str] = []
    for ids in families:
        if page and len(page) + len(ids) > PAGE:
            yield _records(connection, page)
            page = []
        page += sorted(ids)
    if page:
        yield _records(connection, page)


def _records(connection: sa.Connection, ids: Sequence[str]) -> list[CellRecord]:
    made: list[CellRecord] = []
    for i in range(0, len(ids), PAGE):
        rows = connection.execute(sa.select(cell).where(cell.c.id.in_(ids[i : i + PAGE])).order_by(cell.c.id)).all()
        made += selecting.fetched(connection, rows)
    return made
