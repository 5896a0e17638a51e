"""What was said of records: written once, never changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, fields
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from ..tag import METER, Tag
from . import file
from .schema import OWN_CELL, cell, tag

ADD_TAG = file.compiled(insert(tag).on_conflict_do_nothing())
TAGS_OF = file.compiled(sa.select(*(tag.c[field.name] for field in fields(Tag)))) + " WHERE record_id"
#: Of rows of ``cell``: those that hold more than ``%cost``.
IS_RUN = ~sa.exists().where(tag.c.record_id == cell.c.id, tag.c.key == METER)


def add(driver: sqlite3.Connection, tags: Iterable[Tag]) -> None:
    """Each once, however often it comes."""
    driver.executemany(ADD_TAG, [asdict(one) for one in tags])


def of(connection: sa.Connection, ids: Sequence[str]) -> dict[str, tuple[Tag, ...]]:
    """What was said of these records, oldest first; records of which nothing was said are left out."""
    found: dict[str, list[Tag]] = {}
    for row in file.among(connection, TAGS_OF, ids, "ORDER BY at, id"):
        said = Tag(*row)
        found.setdefault(said.record_id, []).append(said)
    return {record_id: tuple(tags) for record_id, tags in found.items()}


def outcomes(connection: sa.Connection, ids: Sequence[str]) -> dict[str, str]:
    """How each of these records ended, of those that are there."""
    return dict(map(tuple, _in_parts(connection, sa.select(cell.c.id, cell.c.outcome), cell.c.id, ids)))


def runs_of(connection: sa.Connection, notebook: str, cell_ids: Sequence[str]) -> dict[str, dict[str, str]]:
    """The outcomes of a notebook's cells by the cells' and the records' ids, the newest first.

    No inner windows, and no cells of ``%cost`` alone.
    """
    query = sa.select(cell.c.cell_id, cell.c.id, cell.c.outcome).where(cell.c.notebook == notebook, OWN_CELL, IS_RUN)
    query = query.order_by(cell.c.started_at.desc(), cell.c.id.desc())
    found: dict[str, dict[str, str]] = {}
    for cell_id, record_id, outcome in _in_parts(connection, query, cell.c.cell_id, list(dict.fromkeys(cell_ids))):
        found.setdefault(cell_id, {})[record_id] = outcome
    return found


def said_in(connection: sa.Connection, session: str, count: int) -> dict[str, tuple[str, tuple[Tag, ...]]]:
    """Of a session's newest cells their outcome and what was said of them, by the records' ids; only where there is."""
    query = sa.select(cell.c.id, cell.c.outcome).where(cell.c.session_id == session, cell.c.bucket == "cell")
    newest = connection.execute(query.order_by(cell.c.seq.desc()).limit(count))
    outcomes = {row.id: row.outcome for row in newest}
    return {record_id: (outcomes[record_id], tags) for record_id, tags in of(connection, list(outcomes)).items()}


def values(connection: sa.Connection, key: str, count: int) -> list[str]:
    """What was said under a key, as JSON: each once, what was said last first."""
    last = sa.func.max(tag.c.at)
    query = sa.select(tag.c.value).where(tag.c.key == key, tag.c.value.is_not(None)).group_by(tag.c.value)
    return list(connection.execute(query.order_by(last.desc()).limit(count)).scalars())


def _in_parts(
    connection: sa.Connection, query: sa.Select[Any], column: sa.ColumnElement[Any], ids: Sequence[str]
) -> Iterator[Any]:
    """The query's rows that have these ids in that column: a part of the ids after the other."""
    for start in range(0, len(ids), file.SOME):
        yield from connection.execute(query.where(column.in_(ids[start : start + file.SOME])))
