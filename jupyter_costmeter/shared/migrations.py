"""What makes the lab's ledger: roles, tables, row-level security, and the rollup that triggers keep.

``costmeter_member`` may add and read its own rows; ``costmeter_head`` may read everybody's. A person is a database
user who was granted one of them. Run by whoever may create roles and a schema: ``jupyter costmeter sync --init``.
"""

from __future__ import annotations

from ..uses import MEMORY, NAMES, WORK
from . import acting
from .labs import LABS
from .monthly import triggers

ROLES = """
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'costmeter_member') THEN
        CREATE ROLE costmeter_member NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'costmeter_head') THEN
        CREATE ROLE costmeter_head NOLOGIN;
    END IF;
END $$"""
TABLES = (
    """
    CREATE TABLE costmeter.session (
        owner text NOT NULL DEFAULT current_user,
        id text NOT NULL,
        started_at float8 NOT NULL,
        host text NOT NULL,
        "user" text NOT NULL,
        notebook text,
        project text,
        environment text NOT NULL,
        PRIMARY KEY (owner, id)
    )""",
    """
    CREATE TABLE costmeter.provenance (
        owner text NOT NULL DEFAULT current_user,
        id text NOT NULL,
        method text,
        source text,
        uncertainty float8,
        reason text,
        absent boolean NOT NULL,
        PRIMARY KEY (owner, id)
    )""",
    """
    CREATE TABLE costmeter.cell (
        owner text NOT NULL DEFAULT current_user,
        id text NOT NULL,
        session_id text NOT NULL,
        seq integer NOT NULL,
        started_at float8 NOT NULL,
        wall_s float8 NOT NULL,
        outcome text NOT NULL,
        notebook text,
        project text,
        cell_id text,
        execution_count integer,
        code_hash text,
        label text,
        error_type text,
        parent_id text,
        bucket text NOT NULL,
        energy_j float8,
        received_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (owner, id),
        FOREIGN KEY (owner, session_id) REFERENCES costmeter.session
    )""",
    "CREATE INDEX cell_of_session ON costmeter.cell (owner, session_id, seq)",
    "CREATE INDEX cell_of_project ON costmeter.cell (project, started_at)",
    """
    CREATE TABLE costmeter.figure (
        owner text NOT NULL DEFAULT current_user,
        cell_id text NOT NULL,
        name text NOT NULL,
        device text NOT NULL,
        value float8,
        provenance_id text NOT NULL,
        PRIMARY KEY (owner, cell_id, name, device),
        FOREIGN KEY (owner, cell_id) REFERENCES costmeter.cell,
        FOREIGN KEY (owner, provenance_id) REFERENCES costmeter.provenance
    )""",
    """
    CREATE TABLE costmeter.tag (
        owner text NOT NULL DEFAULT current_user,
        id text NOT NULL,
        record_id text NOT NULL,
        at float8 NOT NULL,
        key text NOT NULL,
        value text,
        given text NOT NULL,
        "user" text NOT NULL,
        host text NOT NULL,
        PRIMARY KEY (owner, id)
    )""",
    "CREATE INDEX tag_of_record ON costmeter.tag (owner, record_id, key, at)",
    """
    CREATE TABLE costmeter.used (
        owner text NOT NULL,
        session_id text NOT NULL,
        project text NOT NULL,
        bucket text NOT NULL,
        hour bigint NOT NULL,
        name text NOT NULL,
        device text NOT NULL,
        provenance_id text NOT NULL,
        value float8,
        count bigint NOT NULL,
        missing bigint NOT NULL,
        PRIMARY KEY (owner, session_id, project, bucket, hour, name, device, provenance_id)
    )""",
    "CREATE INDEX used_in_hour ON costmeter.used (hour, project)",
)
#: A record's time by the UTC hour, as ``uses.shares`` has it: the parts add up to 1.
SPREAD = """
CREATE FUNCTION costmeter.shares(began float8, wall float8) RETURNS TABLE (hour bigint, share float8)
LANGUAGE sql IMMUTABLE AS $$
    SELECT h, CASE WHEN firsts = lasts THEN 1.0
                   ELSE (least(began + wall, (h + 1) * 3600.0) - greatest(began, h * 3600.0)) / wall END
    FROM (SELECT floor(began / 3600)::bigint, floor((began + greatest(wall, 0)) / 3600)::bigint) AS o (firsts, lasts)
    CROSS JOIN LATERAL generate_series(firsts, lasts) AS h
    WHERE firsts = lasts OR least(began + wall, (h + 1) * 3600.0) > greatest(began, h * 3600.0)
$$"""
#: PostgreSQL refuses a product that is too small for a double; so small is nothing.
LEAST = "1e-200"
WANTED = ", ".join(f"'{name}'" for name in (*NAMES, *WORK, "peak_rss_bytes"))


def pieces(figures: str) -> str:
    """What figures come to by the hour, as ``uses.pieces`` has it: a query of all figures or of some."""
    return f"""
    SELECT c.owner, c.session_id, coalesce(c.project, '') AS project, c.bucket, s.hour,
           CASE f.name WHEN 'peak_rss_bytes' THEN '{MEMORY}' ELSE f.name END AS name,
           CASE f.name WHEN 'gpu_reserved_s' THEN f.device ELSE '' END AS device, f.provenance_id,
           sum(CASE WHEN abs(f.value) < {LEAST} THEN 0 ELSE f.value END * s.share
               * CASE f.name WHEN 'peak_rss_bytes' THEN c.wall_s ELSE 1 END) AS value,
           count(*) AS count,
           count(*) FILTER (WHERE f.value IS NULL AND NOT p.absent AND s.nth = 1) AS missing
    FROM {figures} AS f
    JOIN costmeter.cell AS c ON c.owner = f.owner AND c.id = f.cell_id
    JOIN costmeter.provenance AS p ON p.owner = f.owner AND p.id = f.provenance_id
    CROSS JOIN LATERAL (
        SELECT hour, share, row_number() OVER (ORDER BY hour) AS nth FROM costmeter.shares(c.started_at, c.wall_s)
    ) AS s
    WHERE c.parent_id IS NULL AND f.name IN ({WANTED})
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8"""


OF_SESSIONS = """(
            SELECT f.* FROM costmeter.figure AS f
            JOIN costmeter.cell AS c ON c.owner = f.owner AND c.id = f.cell_id
            JOIN unnest(owners, sessions) AS a (owner, session_id)
                ON a.owner = c.owner AND a.session_id = c.session_id)"""
#: In the transaction that writes the figures; the owner of the schema runs it, so that nobody else writes the rollup.
#: In the order of the key: two who add to the same rows wait for each other, and never both.
TRIGGERS = (
    f"""
    CREATE FUNCTION costmeter.add_up() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
    BEGIN
        INSERT INTO costmeter.used AS u {pieces("added")} ORDER BY 1, 2, 3, 4, 5, 6, 7, 8
        ON CONFLICT (owner, session_id, project, bucket, hour, name, device, provenance_id) DO UPDATE
        SET value = CASE WHEN u.value IS NULL THEN excluded.value ELSE u.value + coalesce(excluded.value, 0) END,
            count = u.count + excluded.count, missing = u.missing + excluded.missing;
        RETURN NULL;
    END $$""",
    """
    CREATE TRIGGER add_up AFTER INSERT ON costmeter.figure REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION costmeter.add_up()""",
    f"""
    CREATE FUNCTION costmeter.add_up_anew() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
        owners text[];
        sessions text[];
    BEGIN
        SELECT array_agg(a.owner), array_agg(a.session_id) INTO owners, sessions FROM (
            SELECT DISTINCT c.owner, c.session_id FROM gone AS g
            JOIN costmeter.cell AS c ON c.owner = g.owner AND c.id = g.cell_id) AS a;
        DELETE FROM costmeter.used AS u USING unnest(owners, sessions) AS a (owner, session_id)
            WHERE u.owner = a.owner AND u.session_id = a.session_id;
        INSERT INTO costmeter.used {pieces(OF_SESSIONS)} ORDER BY 1, 2, 3, 4, 5, 6, 7, 8;
        RETURN NULL;
    END $$""",
    """
    CREATE TRIGGER add_up_anew AFTER DELETE ON costmeter.figure REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION costmeter.add_up_anew()""",
)
OWNED = ("session", "provenance", "cell", "figure", "tag", "used")
#: Only a cell that was taken for killed is ever taken away, with its figures.
KILLED = {
    "cell": "outcome = 'killed'",
    "figure": "EXISTS (SELECT FROM costmeter.cell c WHERE c.owner = figure.owner AND c.id = figure.cell_id"
    " AND c.outcome = 'killed')",
}
GRANTS = (
    "GRANT USAGE ON SCHEMA costmeter TO costmeter_member, costmeter_head",
    "GRANT SELECT ON ALL TABLES IN SCHEMA costmeter TO costmeter_member, costmeter_head",
    *(
        f"GRANT INSERT ON costmeter.{name} TO costmeter_member, costmeter_head"
        for name in ("session", "provenance", "cell", "figure", "tag")
    ),
    *(f"GRANT DELETE ON costmeter.{name} TO costmeter_member, costmeter_head" for name in KILLED),
)
SECURITY = (
    *(f"ALTER TABLE costmeter.{name} ENABLE ROW LEVEL SECURITY" for name in OWNED),
    *(f"CREATE POLICY own ON costmeter.{name} FOR SELECT USING (owner = current_user)" for name in OWNED),
    *(f"CREATE POLICY head ON costmeter.{name} FOR SELECT TO costmeter_head USING (true)" for name in OWNED),
    *(
        f"CREATE POLICY adds ON costmeter.{name} FOR INSERT WITH CHECK (owner = current_user)"
        for name in OWNED
        if name != "used"
    ),
    *(
        f"CREATE POLICY takes_back ON costmeter.{name} FOR DELETE USING (owner = current_user AND {killed})"
        for name, killed in KILLED.items()
    ),
)
#: Whoever may run a trigger's function may put it on a table of their own, and feed it rows under any name.
ONLY_HERE = tuple(f"REVOKE ALL ON FUNCTION costmeter.{name}() FROM PUBLIC" for name in ("add_up", "add_up_anew"))
MIGRATIONS: list[tuple[str, tuple[str, ...]]] = [
    ("first", (ROLES, *TABLES, SPREAD, *TRIGGERS, *GRANTS, *SECURITY)),
    ("labs", (*LABS, *triggers(pieces("added"), pieces(OF_SESSIONS)))),
    ("a service acts for others", acting.MIGRATION),
    ("nobody else's triggers add up", ONLY_HERE),
]
