"""The second migration of the lab's ledger: its budgets, what came of budgets, and what one may see of all.

A member reads rows of the own name only. What the pool used is told by two functions that run as the schema's owner
and give sums only, of periods that the caller cannot choose: of a budget's current period, and of whole UTC months.
"""

from __future__ import annotations

from .monthly import TABLE

#: A lab's budget: of everybody together (``pool``), of each by themselves, or of one person; ``figures`` are the names
#: in ``used`` that its measure is the sum of.
BUDGETS = (
    """
    CREATE TABLE costmeter.budget (
        id text PRIMARY KEY,
        set_by text NOT NULL DEFAULT current_user,
        set_at timestamptz NOT NULL DEFAULT now(),
        measure text NOT NULL CHECK (measure IN ('gpu_hours', 'gpu_busy_hours', 'flops')),
        figures text[] NOT NULL,
        "limit" float8 NOT NULL CHECK ("limit" >= 0 AND "limit" < 'Infinity'),
        whose text NOT NULL CHECK (whose IN ('pool', 'each', 'person')),
        person text,
        project text,
        per text NOT NULL CHECK (per IN ('day', 'week', 'month', 'total', 'span')),
        zone text NOT NULL CHECK (now() AT TIME ZONE zone IS NOT NULL),
        starts float8,
        ends float8,
        hold text NOT NULL CHECK (hold IN ('warn', 'ask', 'stop')),
        warn float8[] NOT NULL,
        name text NOT NULL,
        CHECK ((whose = 'person') = (person IS NOT NULL))
    )""",
    """
    CREATE TABLE costmeter.budget_event (
        owner text NOT NULL DEFAULT current_user,
        id text NOT NULL,
        budget_id text NOT NULL,
        kind text NOT NULL,
        at float8 NOT NULL,
        session_id text NOT NULL,
        "user" text NOT NULL,
        host text NOT NULL,
        cell_id text,
        threshold float8,
        spent float8,
        "limit" float8 NOT NULL,
        amount float8 NOT NULL,
        unit text NOT NULL,
        text text NOT NULL,
        PRIMARY KEY (owner, id)
    )""",
    "CREATE INDEX budget_event_of_time ON costmeter.budget_event (at)",
)
#: So that a sum over a period reads one figure's rows of it, and the table itself not at all.
INDEXES = (
    """
    CREATE INDEX used_of_figure ON costmeter.used (name, hour)
        INCLUDE (owner, project, provenance_id, value, count, missing)""",
    "CREATE INDEX used_of_owner ON costmeter.used (owner, name, hour)",
    "CREATE INDEX used_of_owner_last ON costmeter.used (owner, hour)",
)
#: ``current_user`` is of another type than a text, and of another collation: compared as it is, no index would be used,
#: and each row read.
ME = '(SELECT current_user::text COLLATE "default")'
BY_INDEX = tuple(
    f"ALTER POLICY own ON costmeter.{table} USING (owner = {ME})"
    for table in ("session", "provenance", "cell", "figure", "tag", "used")
)
#: Compiling a query takes longer (0.3 s) than any of these: ``jit = off``.
FUNCTIONS = (
    # The folder's own name: the same project lies elsewhere on each machine.
    r"""
    CREATE FUNCTION costmeter.called(project text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT regexp_replace(project, '^.*[/\\](?=.)', '')
    $$""",
    # In whole UTC hours, as the rollup is: [first, after), seconds since 1970 // 3600; NULL where it has no such end.
    """
    CREATE FUNCTION costmeter.period(per text, zone text, starts float8, ends float8, at timestamptz)
    RETURNS TABLE (first bigint, after bigint) LANGUAGE sql STABLE AS $$
        SELECT floor(CASE WHEN per = 'span' THEN starts WHEN per <> 'total'
                     THEN extract(epoch FROM date_trunc(per, at AT TIME ZONE zone) AT TIME ZONE zone) END
                     / 3600)::bigint,
               floor(CASE WHEN per = 'span' THEN ends WHEN per <> 'total'
                     THEN extract(epoch FROM (date_trunc(per, at AT TIME ZONE zone)
                                              + ('1 ' || per)::interval) AT TIME ZONE zone) END / 3600)::bigint
    $$""",
    # The whole UTC months of a period of hours: their hours [first, after) and their names [month, end_month). In a
    # period without one both are empty, and all of its hours lie before them.
    """
    CREATE FUNCTION costmeter.whole_months(since bigint, until bigint)
    RETURNS TABLE (first bigint, after bigint, month date, end_month date) LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT extract(epoch FROM n.month AT TIME ZONE 'UTC')::bigint / 3600,
               extract(epoch FROM n.end_month AT TIME ZONE 'UTC')::bigint / 3600, n.month::date, n.end_month::date
        FROM (
            SELECT o.month, greatest(o.month, costmeter.month(coalesce(until, 4000000))::timestamp) AS end_month
            FROM (SELECT date_trunc('month', to_timestamp(3600.0 * coalesce(since, 0) - 1) AT TIME ZONE 'UTC')
                         + interval '1 month' AS month) AS o
        ) AS n
    $$""",
    # What all others used of each budget in its period of now, as one sum by figure and method.
    r"""
    CREATE FUNCTION costmeter.elsewhere(me text)
    RETURNS TABLE (budget_id text, name text, method text, value float8, error float8, count bigint, missing bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    BEGIN
        IF me <> session_user AND NOT pg_has_role(session_user, me, 'MEMBER') THEN
            RAISE insufficient_privilege USING MESSAGE = 'permission denied: ' || me || ' is somebody else';
        END IF;
        RETURN QUERY
        SELECT b.id, s.name, p.method, sum(s.value), sum(abs(s.value) * p.uncertainty),
               sum(s.count)::bigint, sum(s.missing)::bigint
        FROM costmeter.budget AS b
        CROSS JOIN LATERAL costmeter.period(b.per, b.zone, b.starts, b.ends, now()) AS d
        CROSS JOIN LATERAL costmeter.whole_months(d.first, d.after) AS w
        CROSS JOIN LATERAL (
            SELECT u.owner, u.project, u.name, u.provenance_id, u.value, u.count, u.missing
            FROM costmeter.used AS u
            WHERE u.name = ANY (b.figures) AND u.owner <> me
                AND u.hour >= coalesce(d.first, 0) AND u.hour < least(w.first, coalesce(d.after, 4000000000))
            UNION ALL
            SELECT u.owner, u.project, u.name, u.provenance_id, u.value, u.count, u.missing
            FROM costmeter.used AS u
            WHERE u.name = ANY (b.figures) AND u.owner <> me
                AND u.hour >= w.after AND u.hour < coalesce(d.after, 4000000000)
            UNION ALL
            SELECT m.owner, m.project, m.name, m.provenance_id, m.value, m.count, m.missing
            FROM costmeter.monthly AS m
            WHERE m.name = ANY (b.figures) AND m.owner <> me AND m.month >= w.month AND m.month < w.end_month) AS s
        JOIN costmeter.provenance AS p ON p.owner = s.owner AND p.id = s.provenance_id
        WHERE b.whose <> 'person' AND (b.project IS NULL OR costmeter.called(s.project) = b.project)
        GROUP BY 1, 2, 3;
    END $$""",
    # What all together used in each of the last whole UTC months, the current one among them.
    """
    CREATE FUNCTION costmeter.pool(months integer)
    RETURNS TABLE (month date, name text, method text, value float8, error float8, count bigint, missing bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
        SELECT m.month, m.name, p.method, sum(m.value), sum(abs(m.value) * p.uncertainty),
               sum(m.count)::bigint, sum(m.missing)::bigint
        FROM costmeter.monthly AS m
        JOIN costmeter.provenance AS p ON p.owner = m.owner AND p.id = m.provenance_id
        WHERE m.month > date_trunc('month', now() AT TIME ZONE 'UTC') - months * interval '1 month'
        GROUP BY 1, 2, 3
    $$""",
)
BOTH = "TO costmeter_member, costmeter_head"
GRANTS = (
    f"GRANT SELECT ON costmeter.budget, costmeter.budget_event, costmeter.monthly {BOTH}",
    f"GRANT INSERT ON costmeter.budget_event {BOTH}",
    "GRANT INSERT, UPDATE, DELETE ON costmeter.budget TO costmeter_head",
    *(f"REVOKE ALL ON FUNCTION costmeter.{function} FROM PUBLIC" for function in ("elsewhere(text)", "pool(integer)")),
    f"GRANT EXECUTE ON FUNCTION costmeter.elsewhere(text), costmeter.pool(integer) {BOTH}",
)
OWN = "(set_by = current_user)"
SECURITY = (
    *(f"ALTER TABLE costmeter.{name} ENABLE ROW LEVEL SECURITY" for name in ("budget", "budget_event", "monthly")),
    *(
        policy
        for name in ("budget_event", "monthly")
        for policy in (
            f"CREATE POLICY own ON costmeter.{name} FOR SELECT USING (owner = {ME})",
            f"CREATE POLICY head ON costmeter.{name} FOR SELECT TO costmeter_head USING (true)",
        )
    ),
    "CREATE POLICY adds ON costmeter.budget_event FOR INSERT WITH CHECK (owner = current_user)",
    "CREATE POLICY own ON costmeter.budget FOR SELECT USING (person IS NULL OR person = current_user)",
    "CREATE POLICY head ON costmeter.budget FOR SELECT TO costmeter_head USING (true)",
    f"CREATE POLICY sets ON costmeter.budget FOR INSERT TO costmeter_head WITH CHECK {OWN}",
    f"CREATE POLICY changes ON costmeter.budget FOR UPDATE TO costmeter_head USING (true) WITH CHECK {OWN}",
    "CREATE POLICY takes_away ON costmeter.budget FOR DELETE TO costmeter_head USING (true)",
)
LABS: tuple[str, ...] = (*BUDGETS, *TABLE, *INDEXES, *BY_INDEX, *FUNCTIONS, *GRANTS, *SECURITY)
