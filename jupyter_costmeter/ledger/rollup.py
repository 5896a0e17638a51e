"""The derived tables ``tally`` and ``subtotal``: totals that need not read a million records.

They are written in the transaction that writes the records, so that they are never behind,
and ``check`` compares them with what the records themselves say.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from math import isclose
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from .. import accounting
from ..accounting import Part
from ..record import BUCKETS, ENERGY, HIGHEST, HOLD, BucketTotal, CellRecord, Provenance, Summary
from . import file, rows
from .schema import cell, figure, provenance, subtotal, tally


class Place(NamedTuple):
    """What a tally is about; a ``label`` of ``None`` is whatever label."""

    session_id: str
    notebook: str | None
    project: str | None
    bucket: str
    label: str | None


def places(record: CellRecord) -> list[Place]:
    """The tallies that a record counts in."""
    whole = Place(record.session_id, record.notebook, record.project, record.bucket, None)
    return [whole] if record.label is None else [whole, whole._replace(label=record.label)]


# Writing

_quoted = sa.func.quote
IS_PLACE = sa.and_(
    tally.c.session_id == sa.bindparam("session_id"),
    tally.c.bucket == sa.bindparam("bucket"),
    *(_quoted(tally.c[name]) == _quoted(sa.bindparam(name)) for name in ("notebook", "project", "label")),
)
IS_HIGHEST = sa.or_(*(subtotal.c.name == sa.literal_column(f"'{name}'") for name in HIGHEST))
ORIGINS = file.compiled(sa.select(provenance)) + " WHERE id"
FIND_TALLY = file.compiled(sa.select(tally.c.id).where(IS_PLACE))
BEGIN_TALLY = file.compiled(insert(tally))
EMPTY = {"id": None, "records": 0, "failed": 0, "wall_s": 0.0}
COUNT_UP = file.compiled(
    tally.update()
    .where(tally.c.id == sa.bindparam("tally"))
    .values({name: tally.c[name] + sa.bindparam(f"more_{name}") for name in ("records", "failed", "wall_s")})
)
_add = insert(subtotal)
_new = _add.excluded
ADD_UP = file.compiled(
    _add.on_conflict_do_update(
        index_elements=[subtotal.c.tally_id, subtotal.c.name, subtotal.c.provenance_id],
        set_={
            "value": sa.case(
                (_new.value.is_(None), subtotal.c.value),
                (subtotal.c.value.is_(None), _new.value),
                (IS_HIGHEST, sa.func.max(subtotal.c.value, _new.value)),
                else_=subtotal.c.value + _new.value,
            ),
            "count": subtotal.c.count + _new.count,
            "missing": subtotal.c.missing + _new.missing,
        },
    )
)


def add(driver: sqlite3.Connection, records: Iterable[CellRecord], known: dict[Place, int]) -> dict[Place, int]:
    """Count records in, none of which was counted before.

    Args:
        driver: in the transaction that writes the records themselves.
        records: of any places; inner windows only make their places known.
        known: the ids of tallies that are in the file.

    Returns:
        The ids of these records' tallies, to be known when the transaction is committed.
    """
    found: dict[Place, list[CellRecord]] = {}
    for record in records:
        for place in places(record):
            found.setdefault(place, []).extend([record] if record.parent_id is None else [])
    ids = {place: known.get(place) or _tally(driver, place) for place in found}
    driver.executemany(COUNT_UP, [_counted(ids[place], group) for place, group in found.items()])
    driver.executemany(ADD_UP, [row for place, group in found.items() for row in _summed(ids[place], group)])
    return ids


def _tally(driver: sqlite3.Connection, place: Place) -> int:
    """The id of that place's tally, which is begun if there is none."""
    found = driver.execute(FIND_TALLY, place._asdict()).fetchone()
    if found is None:
        found = (driver.execute(BEGIN_TALLY, {**EMPTY, **place._asdict()}).lastrowid,)
    return int(found[0])


def _counted(tally_id: int, records: list[CellRecord]) -> rows.Row:
    failed, wall_s = sum(r.failed for r in records), sum(r.wall_s for r in records)
    return {"tally": tally_id, "more_records": len(records), "more_failed": failed, "more_wall_s": wall_s}


def _summed(tally_id: int, records: list[CellRecord]) -> Iterator[rows.Row]:
    for part in accounting.merged(accounting.parts(f for r in records for f in r.usage.figures)):
        origin = rows.provenance_id(part.provenance)
        known = {"value": part.value, "count": part.count, "missing": part.missing}
        yield {"tally_id": tally_id, "name": part.name, "provenance_id": origin, **known}


# Anew, from the records

_of_place = sa.and_(
    tally.c.session_id == cell.c.session_id,
    tally.c.bucket == cell.c.bucket,
    *(_quoted(tally.c[name]) == _quoted(cell.c[name]) for name in ("notebook", "project")),
    _quoted(tally.c.label).in_([sa.literal_column("'NULL'"), _quoted(cell.c.label)]),
)
_outer = cell.c.parent_id.is_(None)
#: As ``CellRecord.failed``.
_failed = sa.and_(cell.c.outcome != "ok", sa.func.coalesce(cell.c.error_type, "") != HOLD)
COUNTS = (
    sa.select(
        tally.c.id,
        sa.func.count().filter(_outer).label("records"),
        sa.func.count().filter(_outer, _failed).label("failed"),
        sa.func.coalesce(sa.func.sum(cell.c.wall_s).filter(_outer), 0.0).label("wall_s"),
    )
    .join_from(cell, tally, _of_place)
    .group_by(tally.c.id)
)
SUMS = (
    sa.select(
        tally.c.id.label("tally_id"),
        figure.c.name,
        figure.c.provenance_id,
        sa.case((figure.c.name.in_(HIGHEST), sa.func.max(figure.c.value)), else_=sa.func.sum(figure.c.value)).label(
            "value"
        ),
        sa.func.count().label("count"),
        sa.func.count().filter(figure.c.value.is_(None), sa.not_(provenance.c.absent)).label("missing"),
    )
    .join_from(cell, tally, _of_place)
    .join(figure, figure.c.cell_id == cell.c.id)
    .join(provenance, provenance.c.id == figure.c.provenance_id)
    .where(_outer)
    .group_by(tally.c.id, figure.c.name, figure.c.provenance_id)
)


def recount(connection: sa.Connection, taken: Collection[Place]) -> None:
    """Write some places' tallies anew, where a record was taken away: a highest cannot be subtracted."""
    ids = [_tally(file.driver(connection), place) for place in taken]
    connection.execute(subtotal.delete().where(subtotal.c.tally_id.in_(ids)))
    connection.execute(tally.update().where(tally.c.id.in_(ids)).values(records=0, failed=0, wall_s=0.0))
    counts = connection.execute(COUNTS.where(tally.c.id.in_(ids))).mappings().all()
    for row in counts:
        connection.execute(tally.update().where(tally.c.id == row["id"]).values(dict(row)))
    columns = [c.name for c in subtotal.c]
    connection.execute(subtotal.insert().from_select(columns, SUMS.where(tally.c.id.in_(ids))))


def check(connection: sa.Connection) -> list[str]:
    """Where the derived tables differ from what the records say; reads all of them."""
    stored = sa.select(tally.c.id, tally.c.records, tally.c.failed, tally.c.wall_s).where(tally.c.records > 0)
    made = COUNTS.having(sa.func.count().filter(_outer) > 0)
    found = _differences("tally", 1, connection.execute(stored), connection.execute(made))
    stored = sa.select(*(subtotal.c[column.name] for column in SUMS.selected_columns))
    found += _differences("subtotal", 3, connection.execute(stored), connection.execute(SUMS))
    uncounted = sa.select(cell.c.id).where(~sa.exists().where(_of_place).correlate(cell))
    found += [f"cell {key}: it is in no tally" for (key,) in connection.execute(uncounted)]
    energy = sa.select(sa.func.sum(figure.c.value)).where(figure.c.cell_id == cell.c.id, figure.c.name.in_(ENERGY))
    both = connection.execute(sa.select(cell.c.id, cell.c.energy_j, energy.scalar_subquery()))
    return found + [f"cell {key}: energy_j is {a}, not {b}" for key, a, b in both if not _same(a, b)]


Rows = Iterable[Sequence[Any]]


def _differences(name: str, keys: int, stored: Rows, made: Rows) -> list[str]:
    one, other = ({tuple(row[:keys]): row[keys:] for row in table} for table in (stored, made))
    pairs = [(key, one.get(key), other.get(key)) for key in one.keys() | other.keys()]
    return [f"{name} {key}: {a} is stored, {b} is right" for key, a, b in pairs if not _alike(a, b)]


def _alike(one: Sequence[Any] | None, other: Sequence[Any] | None) -> bool:
    return one is not None and other is not None and all(map(_same, one, other))


def _same(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)


# Reading


def summary(connection: sa.Connection, where: Sequence[sa.ColumnElement[bool]]) -> Summary:
    """The totals of the tallies that ``where`` selects."""
    counts = {
        row.bucket: row
        for row in connection.execute(
            sa.select(
                tally.c.bucket,
                sa.func.sum(tally.c.records).label("records"),
                sa.func.sum(tally.c.failed).label("failed"),
                sa.func.sum(tally.c.wall_s).label("wall_s"),
            )
            .where(*where, tally.c.records > 0)
            .group_by(tally.c.bucket)
        )
    }
    sessions = sa.select(sa.func.count(tally.c.session_id.distinct())).where(*where, tally.c.records > 0)
    parts = _parts(connection, where)
    totals = {name: accounting.totals(parts.get(name, ())) for name in counts}
    buckets = tuple(BucketTotal(b, counts[b].wall_s, totals[b]) for b in BUCKETS if b in counts)
    everything = sorted((p for found in parts.values() for p in found), key=_order)
    count = connection.execute(sessions).scalar_one()
    cells = counts.get("cell")
    number, failed, wall_s = (cells.records, cells.failed, cells.wall_s) if cells else (0, 0, 0.0)
    return Summary(number, failed, count, wall_s, accounting.totals(everything), buckets)


def _order(part: Part) -> tuple[str, str]:
    return part.name, rows.provenance_id(part.provenance)


def _parts(connection: sa.Connection, where: Sequence[sa.ColumnElement[bool]]) -> dict[str, list[Part]]:
    """Of each bucket, in an order that does not change: it is that of a total's sources."""
    columns = (tally.c.bucket, subtotal.c.name, subtotal.c.provenance_id)
    query = (
        sa.select(
            *columns,
            sa.case((IS_HIGHEST, sa.func.max(subtotal.c.value)), else_=sa.func.sum(subtotal.c.value)).label("value"),
            sa.func.sum(subtotal.c.count).label("windows"),
            sa.func.sum(subtotal.c.missing).label("missing"),
        )
        .join_from(tally, subtotal, subtotal.c.tally_id == tally.c.id)
        .where(*where)
        .group_by(*columns)
        .order_by(*columns)
    )
    sums = connection.execute(query).all()
    origins = origins_of(connection, {row.provenance_id for row in sums})
    found: dict[str, list[Part]] = {}
    for row in sums:
        part = Part(row.name, origins[row.provenance_id], row.value, row.windows, row.missing)
        found.setdefault(row.bucket, []).append(part)
    return found


def origins_of(connection: sa.Connection, ids: Collection[str]) -> dict[str, Provenance]:
    """Provenances by their ids."""
    names = list(provenance.c.keys())
    found = (dict(zip(names, row, strict=True)) for row in file.among(connection, ORIGINS, ids))
    return {row["id"]: rows.provenance_of(row) for row in found}
