"""What people used, so that costs can be derived of it: by person, UTC month and project, and of one's own by notebook.

Sessions on whose energy the factors of an hour count are told by the hour, as the local ledger does. What of it can be
read is row-level security's affair: for a service that acts for somebody, that person's own and, without notebooks,
the sums of whose group it is said to be (``acting``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from math import isfinite
from typing import Any

import sqlalchemy as sa

from ..accounting import Part
from ..ledger import rows
from ..record import Provenance, SessionInfo
from ..uses import WANTED, Use, Using
from .store import SharedLedger

#: Of a session by month and project; where the factors of an hour count, by the hour, else all hours as one.
SUMS = """
SELECT u.owner, u.session_id, u.project, u.month, CASE WHEN s.started_at < :hourly_before THEN u.hour END AS hour,
       u.name, u.device, u.provenance_id, sum(u.value) AS value, sum(u.count)::bigint AS count,
       sum(u.missing)::bigint AS missing
FROM (SELECT *, date_trunc('month', to_timestamp(hour * 3600.0) AT TIME ZONE 'UTC')::date AS month
      FROM costmeter.used WHERE hour >= :first) AS u
JOIN {sessions} AS s ON s.owner = u.owner AND s.id = u.session_id
WHERE {whose}
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
ORDER BY 1, 4, 3, 2"""
MINE, GROUPS = (
    SUMS.format(sessions=where, whose=whose)
    for where, whose in (("costmeter.session", "u.owner = costmeter.me()"), ("costmeter.machines()", "true"))
)
SESSIONS = (
    "SELECT owner, id, started_at, host, environment, notebook FROM costmeter.session WHERE owner = costmeter.me()"
)
MACHINES = "SELECT owner, id, started_at, host, environment, NULL AS notebook FROM costmeter.machines()"
ORIGINS = "SELECT owner, id, method, source, uncertainty, reason, absent FROM costmeter.provenance"
FIRST = """
SELECT floor(extract(epoch FROM date_trunc('month', now() AT TIME ZONE 'UTC')
                                - (:months - 1) * interval '1 month') / 3600)::bigint"""
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Spent:
    """What one person used in one UTC month in one project (and one notebook).

    Args:
        month: its first day.
        project: its folder; ``""``: of none.
        notebook: its path; ``None`` of none, and of whoever else's.
        uses: by session; ``costing`` makes costs of them.
    """

    person: str
    month: date
    project: str
    notebook: str | None
    uses: tuple[Use, ...]


def mine(there: SharedLedger, months: int, hourly_before: float) -> list[Spent]:
    """The own use in the last ``months`` UTC months, this one among them, the oldest first.

    Sessions that began before ``hourly_before`` (seconds since 1970) are told by the hour (``Costing.wants``).

    Raises:
        ShareError: the lab's ledger cannot be used.
    """
    return _read(there, MINE, SESSIONS, months, hourly_before)


def of_group(there: SharedLedger, months: int, hourly_before: float) -> list[Spent]:
    """The same of all whose sums may be seen, by person; whose notebooks they were is not told.

    Raises:
        ShareError: the lab's ledger cannot be used.
    """
    return _read(there, GROUPS, MACHINES, months, hourly_before)


def _read(there: SharedLedger, sums: str, sessions: str, months: int, hourly_before: float) -> list[Spent]:
    before = min(hourly_before, 1e18) if isfinite(hourly_before) or hourly_before > 0 else -1e18
    with there.reading() as connection:
        first = connection.execute(sa.text(FIRST), {"months": max(1, months)}).scalar_one()
        found = connection.execute(sa.text(sums), {"first": first, "hourly_before": before}).all()
        infos, notebooks = _sessions(connection, sessions)
        known = connection.exec_driver_sql(ORIGINS).mappings()
        origins = {(row["owner"], row["id"]): rows.provenance_of(dict(row)) for row in known}
    return list(_grouped(found, infos, notebooks, origins))


def _sessions(connection: sa.Connection, query: str) -> tuple[dict[Key, SessionInfo], dict[Key, str | None]]:
    infos, notebooks = dict[Key, SessionInfo](), dict[Key, str | None]()
    for row in connection.exec_driver_sql(query):
        key = (row.owner, row.id)
        said = {"id": row.id, "started_at": row.started_at, "host": row.host, "environment": row.environment}
        infos[key] = rows.session_of({**said, "user": row.owner, "pid": 0, "pid_started_at": 0.0})
        notebooks[key] = row.notebook
    return infos, notebooks


def _grouped(
    found: Iterable[Any],
    infos: dict[Key, SessionInfo],
    notebooks: dict[Key, str | None],
    origins: dict[Key, Provenance],
) -> Iterator[Spent]:
    """In the order in which they were read."""
    groups: dict[tuple[str, date, str, str | None], dict[Key, tuple[bool, Using]]] = {}
    for row in found:
        key = (row.owner, row.session_id)
        group = groups.setdefault((row.owner, row.month, row.project, notebooks[key]), {})
        _, using = group.setdefault(key, (row.hour is not None, Using(names=WANTED)))
        part = Part(row.name, origins[row.owner, row.provenance_id], row.value, row.count, row.missing)
        using.put(row.hour, row.device, part)
    for named, usings in groups.items():
        uses = (use for key, (hourly, using) in usings.items() for use in using.uses(infos[key], hourly))
        yield Spent(*named, tuple(uses))
