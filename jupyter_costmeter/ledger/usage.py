"""What each session used in a selection, for carbon and money: from the tallies, and by the hour from the records."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from ..accounting import Part
from ..record import SessionInfo
from ..uses import HOUR_S, NAMES, Use, one, spread, use
from . import rollup
from .schema import cell, figure, provenance, subtotal, tally

Where = Sequence[sa.ColumnElement[bool]]
ByGpu = list[tuple[str, Part]]


def uses(
    connection: sa.Connection, sessions: Iterable[SessionInfo], of_tallies: Where, of_cells: Where,
    hours: bool = False, memory: bool = False,
) -> list[Use]:  # fmt: skip
    """One for each session that used something.

    Args:
        connection: to the ledger.
        sessions: those of the selection.
        of_tallies: the selection, as rows of that table.
        of_cells: the same.
        hours: whether energy is wanted by the hour, which reads each record.
        memory: whether bytes times seconds are wanted, which does, too.
    """
    parts = _parts(connection, of_tallies)
    infos = [info for info in sessions if info.id in parts]
    by_hour = _hours(connection, of_cells) if hours else {}
    held = _memory(connection, of_cells) if memory else {}
    apart = [info.id for info in infos if len(_models(info)) != 1 and _alone(info, parts[info.id])]
    by_gpu = _by_gpu(connection, of_cells, apart) if apart else {}
    return [
        use(info, parts[info.id], by_hour.get(info.id, {}), by_gpu.get(info.id) or _alone(info, parts[info.id]),
            one(held.get(info.id, [])))
        for info in infos
    ]  # fmt: skip


def _models(info: SessionInfo) -> set[str]:
    return set(json.loads(info.environment.get("devices", "{}")).values())


def _alone(info: SessionInfo, parts: list[Part]) -> ByGpu:
    """GPU time of a session whose GPUs are all of one model."""
    model = next(iter(_models(info)), "")
    return [(model, part) for part in parts if part.name == "gpu_reserved_s"]


def _parts(connection: sa.Connection, where: Where) -> dict[str, list[Part]]:
    """By session: the figures' sums, by where they come from."""
    columns = (tally.c.session_id, subtotal.c.name, subtotal.c.provenance_id)
    sums = (sa.func.sum(subtotal.c[name]).label(f"all_{name}") for name in ("value", "count", "missing"))
    query = (
        sa.select(*columns, *sums)
        .join_from(tally, subtotal, subtotal.c.tally_id == tally.c.id)
        .where(*where, subtotal.c.name.in_(NAMES))
        .group_by(*columns)
        .order_by(*columns)
    )
    return {key: [part for _, part in found] for key, found in _found(connection, query, "").items()}


def _by_gpu(connection: sa.Connection, where: Where, sessions: list[str]) -> dict[str, ByGpu]:
    """GPU time by device of sessions with several models, or none known, which the tallies do not tell apart."""
    lacking = sa.and_(figure.c.value.is_(None), sa.not_(provenance.c.absent))
    query = (
        sa.select(
            cell.c.session_id, figure.c.name, figure.c.provenance_id, figure.c.device,
            sa.func.sum(figure.c.value).label("all_value"), sa.func.count().label("all_count"),
            sa.func.count().filter(lacking).label("all_missing"),
        )
        .join_from(cell, figure, figure.c.cell_id == cell.c.id)
        .join(provenance, provenance.c.id == figure.c.provenance_id)
        .where(*where, _OUTER, figure.c.name == "gpu_reserved_s", cell.c.session_id.in_(sessions))
        .group_by(cell.c.session_id, figure.c.device, figure.c.provenance_id)
    )  # fmt: skip
    return _found(connection, query, "device")


def _memory(connection: sa.Connection, where: Where) -> dict[str, list[Part]]:
    """Bytes times seconds: each record's peak over its time."""
    lacking = sa.and_(figure.c.value.is_(None), sa.not_(provenance.c.absent))
    query = (
        sa.select(
            cell.c.session_id, sa.literal("memory_byte_s").label("name"), figure.c.provenance_id,
            sa.func.sum(figure.c.value * cell.c.wall_s).label("all_value"), sa.func.count().label("all_count"),
            sa.func.count().filter(lacking).label("all_missing"),
        )
        .join_from(cell, figure, figure.c.cell_id == cell.c.id)
        .join(provenance, provenance.c.id == figure.c.provenance_id)
        .where(*where, _OUTER, figure.c.name == "peak_rss_bytes")
        .group_by(cell.c.session_id, figure.c.provenance_id)
    )  # fmt: skip
    return {key: [part for _, part in found] for key, found in _found(connection, query, "").items()}


def _found(connection: sa.Connection, query: sa.Select[Any], device: str) -> dict[str, ByGpu]:
    """The parts that a query sums, by session."""
    rows = connection.execute(query).all()
    origins = rollup.origins_of(connection, {row.provenance_id for row in rows})
    found: dict[str, ByGpu] = {}
    for row in rows:
        part = Part(row.name, origins[row.provenance_id], row.all_value, row.all_count, row.all_missing)
        found.setdefault(row.session_id, []).append((getattr(row, device) if device else "", part))
    return found


_OUTER = cell.c.parent_id.is_(None)
_FIRST = sa.cast(cell.c.started_at / HOUR_S, sa.Integer)
_LAST = sa.cast((cell.c.started_at + cell.c.wall_s) / HOUR_S, sa.Integer)


def _hours(connection: sa.Connection, where: Where) -> dict[str, dict[int, float]]:
    """Joules by session and UTC hour: those of records within one hour by the database, of longer ones here."""
    known = (*where, _OUTER, cell.c.energy_j.is_not(None))
    within = (
        sa.select(cell.c.session_id, _FIRST.label("hour"), sa.func.sum(cell.c.energy_j).label("energy_j"))
        .where(*known, _FIRST == _LAST)
        .group_by(cell.c.session_id, "hour")
    )
    across = sa.select(cell.c.session_id, cell.c.started_at, cell.c.wall_s, cell.c.energy_j).where(
        *known, _FIRST != _LAST
    )
    found: dict[str, dict[int, float]] = {}
    for key, hour, joules in connection.execute(within):
        found.setdefault(key, {})[hour] = joules
    for key, *record in connection.execute(across):
        for hour, joules in spread(*record):
            hours = found.setdefault(key, {})
            hours[hour] = hours.get(hour, 0.0) + joules
    return found
