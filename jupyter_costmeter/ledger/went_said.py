"""Where it went by what is said of records: by category, method or run.

What is said of an outermost record is a key of its group. Families (records of which something is said inside others)
are read one by one, and those inside take their part from the one around them, so that the rows add up all the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from ..accounting import Part
from ..grouping import Said, parts_of
from ..nested import taken
from ..record import CellRecord
from ..tag import Tagged, category_of
from ..uses import By
from . import Selection, families
from .schema import cell, tag

#: How a group without a name is called.
NOBODY: dict[By, str] = {"category": "not tagged", "method": "no method", "run": "no run"}


class Row(NamedTuple):
    """One record of a family, as a row of ``cell`` would tell it."""

    id: str
    at: float
    runs: int = 1


class Piece(NamedTuple):
    """What one record used, less what those inside it take; spread over the outermost one's time, as that one is."""

    key: tuple[Any, ...]
    record: CellRecord
    outer: CellRecord
    parts: Sequence[tuple[str, Part]]


def outside(selection: Selection) -> sa.ColumnElement[bool]:
    """Those of the selected records that are in no family."""
    return cell.c.id.not_in(families.roots(selection))


def columns(by: By) -> list[sa.ColumnElement[Any]]:
    """What tells records that are in no family apart."""
    if by == "category":
        return [cell.c.outcome, _newest("category", tag.c.value), _newest("category", tag.c.given)]
    return [_newest(by, tag.c.value), *([_newest("method", tag.c.value)] if by == "run" else [])]


def _newest(key: str, column: sa.ColumnElement[Any]) -> sa.ScalarSelect[Any]:
    mine = sa.select(column).where(tag.c.record_id == cell.c.id, tag.c.key == key)
    return mine.order_by(tag.c.at.desc(), tag.c.id.desc()).limit(1).correlate(cell).scalar_subquery()


def key(by: By, found: Sequence[Any]) -> tuple[Any, ...]:
    """A group's key of the columns' values, after the bucket; nothing is said of what lies between cells."""
    bucket, *rest = found
    if bucket != "cell":
        return bucket, None, None
    if by == "category":
        outcome, value, given = rest
        said = Tagged(_text(value), judged=value is not None and given == "later")
        return bucket, category_of(outcome, said), None
    return bucket, _text(rest[0]), _text(rest[1]) if by == "run" else None


def _text(value: str | None) -> Any:
    return None if value is None else json.loads(value)


def pieces(connection: sa.Connection, selection: Selection, by: By) -> Iterator[Piece]:
    """The families' records, each with what counts in its group."""
    for records in families.read(connection, families.found(connection, selection)):
        said, there = Said(records), {record.id: record for record in records}
        outer = [record for record in records if record.parent_id is None]
        apart = taken([*outer, *said.apart({record.id for record in outer})], said.around)
        for record in records:
            if record.parent_id is None or record.id in apart:
                part, around = apart.get(record.id), said.way(record)
                parts = list(parts_of(record)) if part is None else part.parts
                yield Piece(_key_of(by, record, said), record, there[around[-1]] if around else record, parts)


def _key_of(by: By, record: CellRecord, said: Said) -> tuple[Any, ...]:
    what, trial = said.of(record.id), said.trial(record.id)
    if record.bucket != "cell":
        return record.bucket, None, None
    if by == "category":
        return record.bucket, category_of(record.outcome, what), None
    if by == "method":
        return record.bucket, what.method, None
    run = what.run or (trial.run if trial else None)
    return record.bucket, run, what.method if run else None
