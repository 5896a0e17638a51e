"""The tables of the lab's ledger: those of a local one, each row with its owner; ``migrations`` makes them.

The owner is the database's own user, and row-level security lets nobody write or read under another name.
"""

from __future__ import annotations

import sqlalchemy as sa

from ..ledger import schema

SCHEMA = "costmeter"
metadata = sa.MetaData(schema=SCHEMA)


def _owned(table: sa.Table, without: tuple[str, ...] = ()) -> sa.Table:
    """The same columns, without those that nobody else needs."""
    columns = [sa.Column(c.name, c.type) for c in table.columns if c.name not in without]
    return sa.Table(table.name, metadata, sa.Column("owner", sa.Text), *columns)


#: A process's number tells another machine nothing.
session = _owned(schema.session, ("pid", "pid_started_at"))
provenance = _owned(schema.provenance)
cell = _owned(schema.cell)
figure = _owned(schema.figure)
tag = _owned(schema.tag)
budget_event = _owned(schema.budget_event)
#: What heads set and members read (``labs``).
budget = sa.Table(
    "budget",
    metadata,
    *(sa.Column(name, sa.Text) for name in ("id", "set_by", "measure", "whose", "person", "project", "per", "zone")),
    sa.Column("figures", sa.ARRAY(sa.Text)),
    *(sa.Column(name, sa.Float) for name in ("limit", "starts", "ends")),
    sa.Column("hold", sa.Text),
    sa.Column("warn", sa.ARRAY(sa.Float)),
    sa.Column("name", sa.Text),
)
#: Derived by triggers: what a session used in one hour of one project, by figure, device and provenance.
used = sa.Table(
    "used",
    metadata,
    *(sa.Column(name, sa.Text) for name in ("owner", "session_id", "project", "bucket")),
    sa.Column("hour", sa.BigInteger),  # UTC, seconds since 1970 // 3600
    *(sa.Column(name, sa.Text) for name in ("name", "device", "provenance_id")),
    sa.Column("value", sa.Float),
    sa.Column("count", sa.BigInteger),
    sa.Column("missing", sa.BigInteger),
)
#: Derived of that, by UTC month; ``last`` is the last of its hours.
monthly = sa.Table(
    "monthly",
    metadata,
    *(sa.Column(name, sa.Text) for name in ("owner", "project")),
    sa.Column("month", sa.Date),
    *(sa.Column(name, sa.Text) for name in ("name", "provenance_id")),
    sa.Column("value", sa.Float),
    *(sa.Column(name, sa.BigInteger) for name in ("count", "missing", "last")),
)
migration = sa.Table(
    "migration",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text),
    sa.Column("applied_at", sa.Float),
    sa.Column("version", sa.Text),
)
