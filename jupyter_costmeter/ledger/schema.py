"""The ledger's tables as they are now; ``migrations`` makes them."""

from __future__ import annotations

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
    sa.Column("bucket", sa.Text, nullable=False, server_default="cell"),
    sa.Column("energy_j", sa.Float),  # derived: the sum of its figures in record.ENERGY
    sa.Index("cell_of_session", "session_id", "seq"),
    sa.Index("cell_of_notebook", "notebook", "started_at"),
    sa.Index("cell_of_project", "project", "started_at"),
    sa.Index("cell_of_start", "started_at"),
)
#: Records that are longer are few: so those that began long before a window and reach into it are found at once.
LONG_S = 3600.0
IS_LONG = cell.c.wall_s > sa.literal_column(f"{LONG_S}")
sa.Index("cell_of_long", cell.c.started_at, sqlite_where=IS_LONG)
#: The only records that may be taken back: who has added them up looks whether they are still there.
IS_KILLED = cell.c.outcome == sa.literal_column("'killed'")
sa.Index("cell_of_killed", cell.c.id, sqlite_where=IS_KILLED)
for name, key in (("code", "code_hash"), ("id", "cell_id")):
    sa.Index(f"cell_of_{name}", cell.c[key], cell.c.started_at, sqlite_where=cell.c[key].is_not(None))
#: Whose cost is shown as a cell's: no inner window, and a cell's. The words of two partial indexes.
OWN_CELL = sa.and_(cell.c.parent_id.is_(None), cell.c.bucket == sa.literal_column("'cell'"))
for scope in ("notebook", "project"):
    dear = (cell.c[scope], cell.c.energy_j.desc(), cell.c.wall_s.desc())
    sa.Index(f"dearest_of_{scope}", *dear, sqlite_where=OWN_CELL)

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

# Derived, written with each append: how much one session holds in one notebook, project and bucket. A row with a
# label is about the records of that label only; one without is about all of them. Inner windows are left out.
tally = sa.Table(
    "tally",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("session_id", sa.Text, sa.ForeignKey("session.id"), nullable=False),
    sa.Column("notebook", sa.Text),
    sa.Column("project", sa.Text),
    sa.Column("bucket", sa.Text, nullable=False),
    sa.Column("label", sa.Text),
    sa.Column("records", sa.Integer, nullable=False),
    sa.Column("failed", sa.Integer, nullable=False),
    sa.Column("wall_s", sa.Float, nullable=False),
    sa.Index("tally_of_notebook", "label", "notebook"),
    sa.Index("tally_of_project", "label", "project"),
)
# One row for each place: a unique column may hold NULL twice, its quoted text may not.
QUOTED = [sa.func.quote(tally.c[name]) for name in ("notebook", "project", "label")]
sa.Index("tally_of_place", tally.c.session_id, tally.c.bucket, *QUOTED, unique=True)

# Derived, too: a tally's figures of one name that come from one place, like accounting.Part.
subtotal = sa.Table(
    "subtotal",
    metadata,
    sa.Column("tally_id", sa.Integer, sa.ForeignKey("tally.id"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("provenance_id", sa.Text, sa.ForeignKey("provenance.id"), primary_key=True),
    sa.Column("value", sa.Float),  # the sum, of record.HIGHEST the highest
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("missing", sa.Integer, nullable=False),
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

# What came of budgets. Append-only; whoever warns first has the row.
budget_event = sa.Table(
    "budget_event",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("budget_id", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("session_id", sa.Text, nullable=False),
    sa.Column("user", sa.Text, nullable=False),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("cell_id", sa.Text),
    sa.Column("threshold", sa.Float),
    sa.Column("spent", sa.Float),
    sa.Column("limit", sa.Float, nullable=False),
    sa.Column("amount", sa.Float, nullable=False),
    sa.Column("unit", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Index("budget_event_of_time", "at"),
)

# What was said of records: a category, a method, a trial's parameters and scores. Append-only; the newest counts.
tag = sa.Table(
    "tag",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("record_id", sa.Text, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("value", sa.Text),  # JSON; NULL takes it back
    sa.Column("given", sa.Text, nullable=False),
    sa.Column("user", sa.Text, nullable=False),
    sa.Column("host", sa.Text, nullable=False),
    sa.Index("tag_of_record", "record_id", "key", "at"),
)

# What waits for the lab's ledger, in order; triggers fill it while ``share`` has its row, and what was sent leaves it.
outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("id", sa.Text, nullable=False),
    sqlite_autoincrement=True,  # a number is never given twice
)

# Where it goes, and how that goes: one row, or none.
share = sa.Table(
    "share",
    metadata,
    sa.Column("address", sa.Text, primary_key=True),
    sa.Column("since", sa.Float, nullable=False),
    sa.Column("sent_at", sa.Float),
    sa.Column("tried_at", sa.Float),
    sa.Column("problem", sa.Text),
)
