"""The list of migrations that make a ledger's tables, each as it was released.

A migration is never changed once released: a new one is appended. They are written as SQL, not
by the tables of ``schema``, which change with time. A test compares what the list makes of an
empty file with a golden schema, and with the tables of ``schema``.
"""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

FIRST = (
    """
    CREATE TABLE session (
        id TEXT NOT NULL,
        started_at FLOAT NOT NULL,
        host TEXT NOT NULL,
        user TEXT NOT NULL,
        pid INTEGER NOT NULL,
        pid_started_at FLOAT NOT NULL,
        notebook TEXT,
        project TEXT,
        environment TEXT NOT NULL,
        PRIMARY KEY (id)
    )""",
    """
    CREATE TABLE provenance (
        id TEXT NOT NULL,
        method TEXT,
        source TEXT,
        uncertainty FLOAT,
        reason TEXT,
        absent BOOLEAN NOT NULL,
        PRIMARY KEY (id)
    )""",
    """
    CREATE TABLE cell (
        id TEXT NOT NULL,
        session_id TEXT NOT NULL,
        seq INTEGER NOT NULL,
        started_at FLOAT NOT NULL,
        wall_s FLOAT NOT NULL,
        outcome TEXT NOT NULL,
        notebook TEXT,
        project TEXT,
        cell_id TEXT,
        execution_count INTEGER,
        code_hash TEXT,
        label TEXT,
        error_type TEXT,
        parent_id TEXT,
        PRIMARY KEY (id),
        FOREIGN KEY(session_id) REFERENCES session (id)
    )""",
    "CREATE INDEX cell_of_session ON cell (session_id, seq)",
    "CREATE INDEX cell_of_notebook ON cell (notebook, started_at)",
    "CREATE INDEX cell_of_project ON cell (project, started_at)",
    """
    CREATE TABLE figure (
        cell_id TEXT NOT NULL,
        name TEXT NOT NULL,
        device TEXT DEFAULT '' NOT NULL,
        value FLOAT,
        provenance_id TEXT NOT NULL,
        PRIMARY KEY (cell_id, name, device),
        FOREIGN KEY(cell_id) REFERENCES cell (id),
        FOREIGN KEY(provenance_id) REFERENCES provenance (id)
    ) WITHOUT ROWID""",
    """
    CREATE TABLE open_window (
        id TEXT NOT NULL,
        session_id TEXT NOT NULL,
        updated_at FLOAT NOT NULL,
        record TEXT NOT NULL,
        PRIMARY KEY (id)
    )""",
)
BUCKETS = ("ALTER TABLE cell ADD COLUMN bucket TEXT NOT NULL DEFAULT 'cell'",)
# Totals that need not read a million records: see ``schema.tally``. Filled from what is there.
ROLLUPS = (
    """
    CREATE TABLE tally (
        id INTEGER NOT NULL,
        session_id TEXT NOT NULL,
        notebook TEXT,
        project TEXT,
        bucket TEXT NOT NULL,
        label TEXT,
        records INTEGER NOT NULL,
        failed INTEGER NOT NULL,
        wall_s FLOAT NOT NULL,
        PRIMARY KEY (id),
        FOREIGN KEY(session_id) REFERENCES session (id)
    )""",
    """
    CREATE TABLE subtotal (
        tally_id INTEGER NOT NULL,
        name TEXT NOT NULL,
        provenance_id TEXT NOT NULL,
        value FLOAT,
        count INTEGER NOT NULL,
        missing INTEGER NOT NULL,
        PRIMARY KEY (tally_id, name, provenance_id),
        FOREIGN KEY(tally_id) REFERENCES tally (id),
        FOREIGN KEY(provenance_id) REFERENCES provenance (id)
    ) WITHOUT ROWID""",
    """
    CREATE UNIQUE INDEX tally_of_place
        ON tally (session_id, bucket, quote(notebook), quote(project), quote(label))""",
    "CREATE INDEX tally_of_notebook ON tally (label, notebook)",
    "CREATE INDEX tally_of_project ON tally (label, project)",
    """
    INSERT INTO tally (session_id, notebook, project, bucket, label, records, failed, wall_s)
    SELECT session_id, notebook, project, bucket, NULL, count(*) FILTER (WHERE parent_id IS NULL),
           count(*) FILTER (WHERE parent_id IS NULL AND outcome != 'ok'),
           coalesce(sum(wall_s) FILTER (WHERE parent_id IS NULL), 0.0)
    FROM cell GROUP BY session_id, notebook, project, bucket
    UNION ALL
    SELECT session_id, notebook, project, bucket, label, count(*) FILTER (WHERE parent_id IS NULL),
           count(*) FILTER (WHERE parent_id IS NULL AND outcome != 'ok'),
           coalesce(sum(wall_s) FILTER (WHERE parent_id IS NULL), 0.0)
    FROM cell WHERE label IS NOT NULL GROUP BY session_id, notebook, project, bucket, label""",
    """
    INSERT INTO subtotal (tally_id, name, provenance_id, value, count, missing)
    SELECT t.id, f.name, f.provenance_id,
           CASE WHEN f.name IN ('peak_rss_bytes', 'peak_gpu_bytes') THEN max(f.value) ELSE sum(f.value) END,
           count(*), count(*) FILTER (WHERE f.value IS NULL AND NOT p.absent)
    FROM cell c
    CROSS JOIN tally t ON t.session_id = c.session_id AND t.bucket = c.bucket
        AND quote(t.notebook) = quote(c.notebook) AND quote(t.project) = quote(c.project)
        AND quote(t.label) IN ('NULL', quote(c.label))
    CROSS JOIN figure f ON f.cell_id = c.id
    CROSS JOIN provenance p ON p.id = f.provenance_id
    WHERE c.parent_id IS NULL
    GROUP BY t.id, f.name, f.provenance_id""",
    "ALTER TABLE cell ADD COLUMN energy_j FLOAT",
    """
    UPDATE cell SET energy_j = (
        SELECT sum(value) FROM figure
        WHERE cell_id = cell.id AND name IN ('cpu_energy_j', 'ram_energy_j', 'gpu_energy_j')
    )""",
    "CREATE INDEX cell_of_start ON cell (started_at)",
    """
    CREATE INDEX dearest_of_notebook ON cell (notebook, energy_j DESC, wall_s DESC)
        WHERE parent_id IS NULL AND bucket = 'cell'""",
    """
    CREATE INDEX dearest_of_project ON cell (project, energy_j DESC, wall_s DESC)
        WHERE parent_id IS NULL AND bucket = 'cell'""",
)
# What budgets and forecasts look up, and what came of budgets.
BUDGETS = (
    """
    CREATE TABLE budget_event (
        id TEXT NOT NULL,
        budget_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        at FLOAT NOT NULL,
        session_id TEXT NOT NULL,
        user TEXT NOT NULL,
        host TEXT NOT NULL,
        cell_id TEXT,
        threshold FLOAT,
        spent FLOAT,
        "limit" FLOAT NOT NULL,
        amount FLOAT NOT NULL,
        unit TEXT NOT NULL,
        text TEXT NOT NULL,
        PRIMARY KEY (id)
    )""",
    "CREATE INDEX budget_event_of_time ON budget_event (at)",
    "CREATE INDEX cell_of_long ON cell (started_at) WHERE wall_s > 3600.0",
    "CREATE INDEX cell_of_killed ON cell (id) WHERE outcome = 'killed'",
    "CREATE INDEX cell_of_code ON cell (code_hash, started_at) WHERE code_hash IS NOT NULL",
    "CREATE INDEX cell_of_id ON cell (cell_id, started_at) WHERE cell_id IS NOT NULL",
)
# What was said of records.
TAGS = (
    """
    CREATE TABLE tag (
        id TEXT NOT NULL,
        record_id TEXT NOT NULL,
        at FLOAT NOT NULL,
        "key" TEXT NOT NULL,
        value TEXT,
        given TEXT NOT NULL,
        user TEXT NOT NULL,
        host TEXT NOT NULL,
        PRIMARY KEY (id)
    )""",
    'CREATE INDEX tag_of_record ON tag (record_id, "key", at)',
)
# What waits for the lab's ledger: see ``outbox``.
SHARE = (
    """
    CREATE TABLE share (
        address TEXT NOT NULL,
        since FLOAT NOT NULL,
        sent_at FLOAT,
        tried_at FLOAT,
        problem TEXT,
        PRIMARY KEY (address)
    )""",
    "CREATE TABLE outbox (number INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL)",
    """
    CREATE TRIGGER record_waits AFTER INSERT ON cell WHEN EXISTS (SELECT 1 FROM share)
    BEGIN INSERT INTO outbox (kind, id) VALUES ('record', new.id); END""",
    """
    CREATE TRIGGER tag_waits AFTER INSERT ON tag WHEN EXISTS (SELECT 1 FROM share)
    BEGIN INSERT INTO outbox (kind, id) VALUES ('tag', new.id); END""",
)
# What came of budgets waits, too.
EVENTS = (
    """
    CREATE TRIGGER event_waits AFTER INSERT ON budget_event WHEN EXISTS (SELECT 1 FROM share)
    BEGIN INSERT INTO outbox (kind, id) VALUES ('event', new.id); END""",
)


def _run(*statements: str) -> Callable[[sa.Connection], None]:
    def apply(connection: sa.Connection) -> None:
        for statement in statements:
            connection.exec_driver_sql(statement)

    return apply


MIGRATIONS: list[tuple[str, Callable[[sa.Connection], None]]] = [
    ("first", _run(*FIRST)),
    ("buckets", _run(*BUCKETS)),
    ("rollups", _run(*ROLLUPS)),
    ("budgets", _run(*BUDGETS)),
    ("tags", _run(*TAGS)),
    ("share", _run(*SHARE)),
    ("events", _run(*EVENTS)),
]
