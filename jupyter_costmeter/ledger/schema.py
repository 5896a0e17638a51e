"""The ledger's tables, and the list of migrations that made them.

A migration is never changed once released: a new one is appended. A test compares what the
list makes of an empty file with a golden schema.
"""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

metadata = sa.MetaData()

migration = sa.Table(
    "migration",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("applied_at", sa.Float, nullable=False),
    sa.Column("version", sa.Text, nullable=False),  # of jupyter_costmeter, which applied it
)

session = sa.Table(
    "session",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("started_at", sa.Float, nullable=False),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("user", sa.Text, nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("pid_started_at", sa.Float, nullable=False),
    sa.Column("notebook", sa.Text),
    sa.Column("project", sa.Text),
    sa.Column("environment", sa.Text, nullable=False),  # JSON
)

# One row for each (method, source, …) that was ever used: figures point here, so a total is one GROUP BY.
provenance = sa.Table(
    "provenance",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),  # a digest of the rest
    sa.Column("method", sa.Text),
    sa.Column("source", sa.Text),
    sa.Column("uncertainty", sa.Float),
    sa.Column("reason", sa.Text),
    sa.Column("absent", sa.Boolean, nullable=False),
)

cell = sa.Table(
    "cell",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("session_id", sa.Text, sa.ForeignKey("session.id"), nullable=False),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("started_at", sa.Float, nullable=False),
    sa.Column("wall_s", sa.Float, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("notebook", sa.Text),
    sa.Column("project", sa.Text),
    sa.Column("cell_id", sa.Text),
    sa.Column("execution_count", sa.Integer),
    sa.Column("code_hash", sa.Text),
    sa.Column("label", sa.Text),
    sa.Column("error_type", sa.Text),
    sa.Column("parent_id", sa.Text),
    sa.Index("cell_of_session", "session_id", "seq"),
    sa.Index("cell_of_notebook", "notebook", "started_at"),
    sa.Index("cell_of_project", "project", "started_at"),
)

figure = sa.Table(
    "figure",
    metadata,
    sa.Column("cell_id", sa.Text, sa.ForeignKey("cell.id"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("device", sa.Text, primary_key=True, server_default=""),  # '' where there is only one
    sa.Column("value", sa.Float),  # NULL: not measured
    sa.Column("provenance_id", sa.Text, sa.ForeignKey("provenance.id"), nullable=False),
    sqlite_with_rowid=False,
)

# Windows that are open, as of their last tick. The only table whose rows go: a closed cell's is its record.
open_window = sa.Table(
    "open_window",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("session_id", sa.Text, nullable=False),
    sa.Column("updated_at", sa.Float, nullable=False),
    sa.Column("record", sa.Text, nullable=False),  # JSON
)


def _first(connection: sa.Connection) -> None:
    metadata.create_all(connection, tables=[session, provenance, cell, figure, open_window])


MIGRATIONS: list[tuple[str, Callable[[sa.Connection], None]]] = [("first", _first)]
