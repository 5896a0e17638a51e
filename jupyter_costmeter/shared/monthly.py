"""The lab's rollup by UTC month: of the hourly one, kept by the same triggers; so a view reads a few rows a person.

A transaction adds to rows of its one owner, so it takes that owner's lock first: what is made anew (where a cell that
was taken for killed gives way) must not miss what somebody else adds meanwhile.
"""

from __future__ import annotations


def pieces_of_months(hours: str) -> str:
    """What hourly rows come to by the month: a query of the rollup, or of a part of it."""
    return f"""
    SELECT u.owner, u.project, costmeter.month(u.hour) AS month, u.name, u.provenance_id, sum(u.value) AS value,
           sum(u.count)::bigint AS count, sum(u.missing)::bigint AS missing, max(u.hour) AS last
    FROM {hours} AS u GROUP BY 1, 2, 3, 4, 5"""


def triggers(pieces: str, of_sessions: str) -> tuple[str, ...]:
    """The functions of the two triggers, which keep both rollups from now on.

    Args:
        pieces: what the figures that were ``added`` come to by the hour.
        of_sessions: the same of all that is left of some sessions.
    """
    return (
        f"""
        CREATE OR REPLACE FUNCTION costmeter.add_up() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
            PERFORM pg_advisory_xact_lock(hashtextextended('costmeter ' || a.owner, 0))
                FROM (SELECT DISTINCT owner FROM added ORDER BY 1) AS a;
            WITH piece AS MATERIALIZED ({pieces}), hourly AS (
                INSERT INTO costmeter.used AS u SELECT * FROM piece ORDER BY 1, 2, 3, 4, 5, 6, 7, 8
                ON CONFLICT (owner, session_id, project, bucket, hour, name, device, provenance_id) DO UPDATE
                SET value = CASE WHEN u.value IS NULL THEN excluded.value
                                 ELSE u.value + coalesce(excluded.value, 0) END,
                    count = u.count + excluded.count, missing = u.missing + excluded.missing)
            INSERT INTO costmeter.monthly AS m {pieces_of_months("piece")} ORDER BY 1, 2, 3, 4, 5
            ON CONFLICT (owner, project, month, name, provenance_id) DO UPDATE
            SET value = CASE WHEN m.value IS NULL THEN excluded.value ELSE m.value + coalesce(excluded.value, 0) END,
                count = m.count + excluded.count, missing = m.missing + excluded.missing,
                last = greatest(m.last, excluded.last);
            RETURN NULL;
        END $$""",
        f"""
        CREATE OR REPLACE FUNCTION costmeter.add_up_anew() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = pg_catalog, pg_temp AS $$
        DECLARE
            owners text[];
            sessions text[];
            people text[];
            months date[];
        BEGIN
            PERFORM pg_advisory_xact_lock(hashtextextended('costmeter ' || a.owner, 0))
                FROM (SELECT DISTINCT owner FROM gone ORDER BY 1) AS a;
            SELECT array_agg(a.owner), array_agg(a.session_id) INTO owners, sessions FROM (
                SELECT DISTINCT c.owner, c.session_id FROM gone AS g
                JOIN costmeter.cell AS c ON c.owner = g.owner AND c.id = g.cell_id) AS a;
            SELECT array_agg(a.owner), array_agg(a.month) INTO people, months FROM (
                SELECT DISTINCT u.owner, costmeter.month(u.hour) AS month FROM costmeter.used AS u
                JOIN unnest(owners, sessions) AS a (owner, session_id)
                    ON u.owner = a.owner AND u.session_id = a.session_id) AS a;
            DELETE FROM costmeter.used AS u USING unnest(owners, sessions) AS a (owner, session_id)
                WHERE u.owner = a.owner AND u.session_id = a.session_id;
            INSERT INTO costmeter.used {of_sessions} ORDER BY 1, 2, 3, 4, 5, 6, 7, 8;
            DELETE FROM costmeter.monthly AS m USING unnest(people, months) AS a (owner, month)
                WHERE m.owner = a.owner AND m.month = a.month;
            INSERT INTO costmeter.monthly {pieces_of_months(OF_MONTHS)} ORDER BY 1, 2, 3, 4, 5;
            RETURN NULL;
        END $$""",
    )


#: The hourly rows of the months that are made anew.
OF_MONTHS = """(
                SELECT u.* FROM costmeter.used AS u
                JOIN unnest(people, months) AS a (owner, month) ON u.owner = a.owner
                    AND u.hour >= extract(epoch FROM a.month)::bigint / 3600
                    AND u.hour < extract(epoch FROM a.month + interval '1 month')::bigint / 3600)"""
TABLE = (
    """
    CREATE FUNCTION costmeter.month(hour bigint) RETURNS date LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT date_trunc('month', to_timestamp(hour * 3600.0) AT TIME ZONE 'UTC')::date
    $$""",
    """
    CREATE TABLE costmeter.monthly (
        owner text NOT NULL,
        project text NOT NULL,
        month date NOT NULL,
        name text NOT NULL,
        provenance_id text NOT NULL,
        value float8,
        count bigint NOT NULL,
        missing bigint NOT NULL,
        last bigint NOT NULL,
        PRIMARY KEY (owner, project, month, name, provenance_id)
    )""",
    "CREATE INDEX monthly_of_owner ON costmeter.monthly (owner, month)",
    "CREATE INDEX monthly_of_month ON costmeter.monthly (month)",
    f"INSERT INTO costmeter.monthly {pieces_of_months('costmeter.used')}",
)
