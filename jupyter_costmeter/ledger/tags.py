"""What was said of records: written once, never changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from ..tag import Tag
from . import file
from .schema import tag

ADD_TAG = file.compiled(insert(tag).on_conflict_do_nothing())
_COLUMNS = [tag.c[field.name] for field in fields(Tag)]


def add(driver: sqlite3.Connection, tags: Iterable[Tag]) -> None:
    """Each once, however often it comes."""
    driver.executemany(ADD_TAG, [asdict(one) for one in tags])


def of(connection: sa.Connection, ids: Sequence[str]) -> dict[str, tuple[Tag, ...]]:
    """What was said of these records, oldest first; records of which nothing was said are left out."""
    query = sa.select(*_COLUMNS).where(tag.c.record_id.in_(ids)).order_by(tag.c.record_id, tag.c.at, tag.c.id)
    found: dict[str, list[Tag]] = {}
    for row in connection.execute(query) if ids else ():
        found.setdefault(row.record_id, []).append(Tag(*row))
    return {record_id: tuple(tags) for record_id, tags in found.items()}
