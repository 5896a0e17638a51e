"""What one may see of the lab's ledger: a member the own use and the pool's sums, a head everyone's.

By whole UTC months. Row-level security decides what is read, not this module: a member who asks for the head's view
gets the own rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from .. import accounting
from ..accounting import Part
from ..record import Provenance, Total
from ..uses import HOUR_S
from .acting import ME
from .store import SharedLedger

#: What sums over several people say of where they come from.
TOGETHER = "the lab's ledger, all together"
#: By person, month and project: what one may read of it is row-level security's affair.
BY_PERSON = """
SELECT m.owner, m.month, m.project, m.last, m.name, m.value, m.count, m.missing, p.method, p.source, p.uncertainty,
       p.reason, p.absent
FROM costmeter.monthly AS m JOIN costmeter.provenance AS p ON p.owner = m.owner AND p.id = m.provenance_id
WHERE m.name <> 'memory_byte_s' {whose}
    AND m.month > date_trunc('month', now() AT TIME ZONE 'UTC') - :months * interval '1 month'
ORDER BY m.owner, m.month, m.project, m.name"""
MINE = BY_PERSON.format(whose=f"AND m.owner = {ME}")
ALL = BY_PERSON.format(whose="")
POOL = "SELECT month, name, method, value, error, count, missing FROM costmeter.pool(:months) ORDER BY month, name"


@dataclass(frozen=True, slots=True)
class Used:
    """What one person used in one UTC month in one project.

    Args:
        month: its first day.
        project: its folder; ``""``: of none.
        last_s: the end of the last hour in which there was something, seconds since 1970.
        totals: in the units of ``record.UNITS`` (``energy_j`` in J, ``gpu_reserved_s`` in s, ``flops`` …), each with
            its method, half-width, and how many records lack it.
    """

    person: str
    month: date
    project: str
    last_s: float
    totals: tuple[Total, ...]

    def total(self, name: str) -> Total | None:
        """``None`` where there is no such figure."""
        return next((total for total in self.totals if total.name == name), None)


@dataclass(frozen=True, slots=True)
class Pooled:
    """What all together used in one UTC month; whose it is, and in which projects, is not told."""

    month: date
    totals: tuple[Total, ...]

    def total(self, name: str) -> Total | None:
        """``None`` where there is no such figure."""
        return next((total for total in self.totals if total.name == name), None)


@dataclass(frozen=True, slots=True)
class MemberView:
    """What a member sees: the own use by month and project, and the pool's by month, newest month last."""

    person: str
    mine: tuple[Used, ...]
    pool: tuple[Pooled, ...]


def member_view(there: SharedLedger, months: int = 1) -> MemberView:
    """The own use and the pool's in the last ``months`` UTC months, this one among them.

    Raises:
        ShareError: the lab's ledger cannot be used.
    """
    with there.reading() as connection:
        me = str(connection.exec_driver_sql("SELECT costmeter.me()").scalar_one())
        mine = tuple(_used(_asked(connection, MINE, months)))
        pool = tuple(_pooled(_asked(connection, POOL, months)))
    return MemberView(me, mine, pool)


def head_view(there: SharedLedger, months: int = 1) -> tuple[Used, ...]:
    """Everyone by month and project, in the last ``months`` UTC months; to a member only the own.

    Raises:
        ShareError: the lab's ledger cannot be used.
    """
    with there.reading() as connection:
        return tuple(_used(_asked(connection, ALL, months)))


def _asked(connection: sa.Connection, query: str, months: int) -> list[Any]:
    return list(connection.execute(sa.text(query), {"months": max(1, months)}).all())


def _used(found: Iterable[Any]) -> Iterator[Used]:
    for (owner, month, project), group in groupby(found, lambda row: (row.owner, row.month, row.project)):
        lines = list(group)
        last = max(row.last for row in lines)
        yield Used(owner, month, project, (last + 1) * HOUR_S, accounting.totals(map(_part, lines)))


def _part(row: Any) -> Part:
    origin = Provenance(row.method, row.source, row.uncertainty, row.reason, row.absent)
    return Part(row.name, origin, row.value, row.count, row.missing)


def _pooled(found: Iterable[Any]) -> Iterator[Pooled]:
    for month, group in groupby(found, lambda row: row.month):
        yield Pooled(month, accounting.totals(part_of(row) for row in group if row.name != "memory_byte_s"))


def part_of(row: Any) -> Part:
    """One sum over several people, by figure and method: whose records lack it is not told."""
    width = None if row.error is None or not row.value else row.error / abs(row.value)
    reason = None if row.method else "it was not measured everywhere"
    return Part(
        row.name, Provenance(row.method, TOGETHER, width, reason, not row.missing and not row.method), row.value,
        row.count, row.missing,
    )  # fmt: skip
