"""What was metered, by whose it is and on what kind of machine: from the tallies, so that no record is read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ..accounting import Part
from ..record import Bucket
from .rollup import IS_HIGHEST, origins_of
from .schema import session, subtotal, tally

#: What tells one holder from another. The last two are of a session's environment: the names of its CPU and GPUs.
KEYS = (
    tally.c.project,
    session.c.user,
    session.c.host,
    tally.c.bucket,
    sa.func.json_extract(session.c.environment, "$.cpu").label("cpu"),
    sa.func.json_extract(session.c.environment, "$.devices").label("devices"),
)
COUNTS = ("records", "failed", "wall_s")
Rows = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Metered:
    """What all sessions of one user, on machines of one name and kind, hold in one project and bucket.

    ``cpu`` and ``gpu`` are models, ``None`` where it is not known or there are several; ``wall_s`` is in seconds.
    """

    project: str | None
    user: str
    host: str
    bucket: Bucket
    cpu: str | None
    gpu: str | None
    records: int
    failed: int
    wall_s: float
    parts: tuple[Part, ...]


def metered(connection: sa.Connection) -> list[Metered]:
    """All that the ledger holds; those inside another's window are in that one."""
    sums = _sums(connection)
    origins = origins_of(connection, {row.provenance_id for row in sums})
    parts: dict[tuple[Any, ...], list[Part]] = {}
    for row in sums:
        part = Part(row.name, origins[row.provenance_id], row.value, row.windows, row.missing)
        parts.setdefault(tuple(row[: len(KEYS)]), []).append(part)
    return [_metered(row, parts.get(tuple(row[: len(KEYS)]), ())) for row in _counts(connection)]


def _metered(row: sa.Row[Any], parts: Sequence[Part]) -> Metered:
    models = set(json.loads(row.devices or "{}").values())
    gpu = models.pop() if len(models) == 1 else None
    counts = (row.records, row.failed, row.wall_s)
    return Metered(row.project, row.user, row.host, row.bucket, row.cpu, gpu, *counts, tuple(parts))


def _counts(connection: sa.Connection) -> Rows:
    totals = (sa.func.sum(tally.c[name]).label(name) for name in COUNTS)
    query = sa.select(*KEYS, *totals).join_from(tally, session, session.c.id == tally.c.session_id)
    found: Rows = connection.execute(query.where(*WHOLE).group_by(*KEYS).order_by(*KEYS)).all()
    return found


def _sums(connection: sa.Connection) -> Rows:
    by = (*KEYS, subtotal.c.name, subtotal.c.provenance_id)
    query = (
        sa.select(
            *by,
            sa.case((IS_HIGHEST, sa.func.max(subtotal.c.value)), else_=sa.func.sum(subtotal.c.value)).label("value"),
            sa.func.sum(subtotal.c.count).label("windows"),
            sa.func.sum(subtotal.c.missing).label("missing"),
        )
        .join_from(tally, session, session.c.id == tally.c.session_id)
        .join(subtotal, subtotal.c.tally_id == tally.c.id)
    )
    found: Rows = connection.execute(query.where(*WHOLE).group_by(*by).order_by(*by)).all()
    return found


#: Whatever label records have, each counted once.
WHOLE = (tally.c.label.is_(None), tally.c.records > 0)
