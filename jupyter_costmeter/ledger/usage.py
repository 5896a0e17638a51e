"""What each session used in a selection, for carbon and money: from the tallies, or by the hour from the records."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from math import inf
from typing import Any

import sqlalchemy as sa

from ..accounting import Part
from ..record import SessionInfo
from ..uses import HOUR_S, MEMORY, NAMES, Sum, Use, pieces
from . import rollup
from .schema import cell, figure, provenance, subtotal, tally

Where = Sequence[sa.ColumnElement[bool]]
#: A session's sums by the UTC hour, or one of all hours.
Sums = dict[int | None, Sum]
#: So many sessions are named in a query; of more all records are read.
NAMED = 500


def uses(
    connection: sa.Connection, sessions: Sequence[SessionInfo], of_tallies: Where, of_cells: Where,
    hourly_before: float = -inf, memory: bool = False,
) -> list[Use]:  # fmt: skip
    """What those sessions used that used anything.

    Args:
        connection: to the ledger.
        sessions: those of the selection.
        of_tallies: the selection, as rows of that table.
        of_cells: the same.
        hourly_before: sessions that began before that time are told by the hour, which reads their records.
        memory: whether bytes times seconds are wanted, which reads them, too.
    """
    tallied = of_session(connection, of_tallies, NAMES)
    infos = [info for info in sessions if info.id in tallied]
    hourly = {info.id for info in infos if info.started_at < hourly_before}
    apart = {info.id for info in infos if memory or is_mixed(info, tallied[info.id])} - hourly
    read = {**_of_records(connection, of_cells, apart, False), **_of_records(connection, of_cells, hourly, True)}
    found = ((info, read.get(info.id) or {None: _whole(info, tallied[info.id])}) for info in infos)
    return [use for info, sums in found for use in _told(info, sums)]


def _told(info: SessionInfo, sums: Sums) -> Iterator[Use]:
    """A session's sums in the order of their hours."""
    for hour in sorted(sums, key=lambda found: found or 0):
        yield sums[hour].use(info, hour)


def is_mixed(info: SessionInfo, parts: list[Part]) -> bool:
    """Whether it held GPUs of several models, or of none that is known: the tallies do not tell devices apart."""
    held = any(part.name == "gpu_reserved_s" and not part.provenance.absent for part in parts)
    return held and len(set(_devices(info).values())) != 1


def _devices(info: SessionInfo) -> dict[str, str]:
    found: dict[str, str] = json.loads(info.environment.get("devices", "{}"))
    return found


def _whole(info: SessionInfo, parts: list[Part]) -> Sum:
    """The sums of a session whose GPUs are all of one model: any of them stands for all."""
    summed = Sum()
    for part in parts:
        summed.add(device_of(info, part), part)
    return summed


def device_of(info: SessionInfo, part: Part) -> str:
    """Whose part of a tally that is: any GPU of a session that has one model stands for all."""
    return next(iter(_devices(info)), "") if part.name == "gpu_reserved_s" else ""


def of_session(connection: sa.Connection, where: Where, names: Sequence[str]) -> dict[str, list[Part]]:
    """By session: the figures' sums in its tallies, by where they come from."""
    columns = (tally.c.session_id, subtotal.c.name, subtotal.c.provenance_id)
    sums = (sa.func.sum(subtotal.c[name]).label(f"all_{name}") for name in ("value", "count", "missing"))
    query = (
        sa.select(*columns, *sums)
        .join_from(tally, subtotal, subtotal.c.tally_id == tally.c.id)
        .where(*where, subtotal.c.name.in_(names))
        .group_by(*columns)
        .order_by(*columns)
    )
    found: dict[str, list[Part]] = {}
    for row, part in parts(connection, query):
        found.setdefault(row.session_id, []).append(part)
    return found


# From the records

OUTER = cell.c.parent_id.is_(None)
FIRST = sa.cast(cell.c.started_at / HOUR_S, sa.Integer)
LAST = sa.cast((cell.c.started_at + cell.c.wall_s) / HOUR_S, sa.Integer)
_IS_PEAK, _IS_HELD = figure.c.name == "peak_rss_bytes", figure.c.name == "gpu_reserved_s"
NAME = sa.case((_IS_PEAK, sa.literal(MEMORY)), else_=figure.c.name).label("name")
DEVICE = sa.case((_IS_HELD, figure.c.device), else_=sa.literal("")).label("device")
VALUE = sa.case((_IS_PEAK, figure.c.value * cell.c.wall_s), else_=figure.c.value)
LACKING = sa.case((figure.c.value.is_(None) & ~provenance.c.absent, 1), else_=0)


def _of_records(connection: sa.Connection, where: Where, ids: set[str], hourly: bool) -> dict[str, Sums]:
    """Those sessions' sums; records that lie in several hours are spread over them here."""
    if not ids:
        return {}
    chosen = [cell.c.session_id.in_(ids)] if len(ids) <= NAMED else []
    known = (*where, *chosen, OUTER, figure.c.name.in_((*NAMES, "peak_rss_bytes")))
    found: dict[str, Sums] = {}
    for row, part in parts(connection, _within(known, hourly)):
        _add(found, row, row.hour, part)
    for row, part in parts(connection, _across(known)) if hourly else ():
        for hour, piece in pieces(row.started_at, row.wall_s, part):
            _add(found, row, hour, piece)
    return {key: sums for key, sums in found.items() if key in ids}


def _add(found: dict[str, Sums], row: sa.Row[Any], hour: int | None, part: Part) -> None:
    found.setdefault(row.session_id, {}).setdefault(hour, Sum()).add(row.device, part)


def _within(where: Where, hourly: bool) -> sa.Select[Any]:
    """Sums over the records that lie within one hour, or over all."""
    hour = (FIRST if hourly else sa.null()).label("hour")
    keys = (cell.c.session_id, hour, NAME, DEVICE, figure.c.provenance_id)
    sums = (sa.func.sum(VALUE).label("all_value"), sa.func.count().label("all_count"),
            sa.func.sum(LACKING).label("all_missing"))  # fmt: skip
    query = joined(*keys, *sums).where(*where, *([FIRST == LAST] if hourly else []))
    return query.group_by(cell.c.session_id, "hour", NAME, DEVICE, figure.c.provenance_id)


def _across(where: Where) -> sa.Select[Any]:
    """The figures of the records that lie in several."""
    one = (VALUE.label("all_value"), sa.literal(1).label("all_count"), LACKING.label("all_missing"))
    keys = (cell.c.session_id, cell.c.started_at, cell.c.wall_s, NAME, DEVICE, figure.c.provenance_id)
    return joined(*keys, *one).where(*where, FIRST != LAST).order_by(cell.c.started_at)


def joined(*columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """Of records, their figures and where those are from."""
    query = sa.select(*columns).join_from(cell, figure, figure.c.cell_id == cell.c.id)
    return query.join(provenance, provenance.c.id == figure.c.provenance_id)


def parts(connection: sa.Connection, query: sa.Select[Any]) -> Iterator[tuple[sa.Row[Any], Part]]:
    """A query's rows, each as a part with its provenance."""
    rows = connection.execute(query).all()
    origins = rollup.origins_of(connection, {row.provenance_id for row in rows})
    for row in rows:
        yield row, Part(row.name, origins[row.provenance_id], row.all_value, row.all_count, row.all_missing)
