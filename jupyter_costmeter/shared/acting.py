"""For whom a service acts: one database user who reads and writes for many people, one of them in each transaction.

The database's row-level security honours it only of members of ``costmeter_service``: what is done for one of them can
neither read nor write another's rows, but for hourly sums, where the service says whose (a group's lead may see these).
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from sqlalchemy import Connection, text

from . import labs

#: Run as migrations: a name that is said holds until the transaction ends, and only for the service.
#: ``search_path`` is fixed, lest somebody else's ``pg_has_role`` answer.
ROLE = """
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'costmeter_service') THEN
        CREATE ROLE costmeter_service NOLOGIN;
    END IF;
END $$"""
MAKE_ME = """
CREATE FUNCTION costmeter.me() RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN pg_has_role(current_user, 'costmeter_service', 'USAGE')
                THEN coalesce(nullif(current_setting('costmeter.owner', true), ''), current_user::text)
                ELSE current_user::text END
$$"""
#: The person whose rows these are: read once in a query, so that indexes are used.
ME = "(SELECT costmeter.me())"
#: Whose hourly sums may be read for the owner: those of a group, or everybody's.
GROUP = """(
    (SELECT current_setting('costmeter.everybody', true)) = 'yes' OR {whose} IN (
        SELECT jsonb_array_elements_text(nullif(current_setting('costmeter.group', true), '')::jsonb)))"""
OWNERS = GROUP.format(whose="owner")
#: What must be known of others' sessions to price their sums; neither the notebook nor the login name is in it.
MACHINES = f"""
CREATE FUNCTION costmeter.machines()
RETURNS TABLE (owner text, id text, started_at float8, host text, environment text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT owner, id, started_at, host, environment FROM costmeter.session
    WHERE pg_has_role(session_user, 'costmeter_service', 'USAGE')
        AND (owner = current_setting('costmeter.owner', true) OR {OWNERS})
$$"""  # noqa: S608 (nothing in it comes from outside)
#: Whom the pool's sums may be told besides the database's own user: of a service the person for whom it acts.
WHO = "NOT pg_has_role(session_user, me, 'MEMBER')"
FOR_WHOM = """(CASE WHEN pg_has_role(session_user, 'costmeter_service', 'USAGE')
            THEN me IS DISTINCT FROM current_setting('costmeter.owner', true)
            ELSE NOT pg_has_role(session_user, me, 'MEMBER') END)"""
ELSEWHERE = (
    next(one for one in labs.FUNCTIONS if WHO in one).replace(WHO, FOR_WHOM).replace("CREATE", "CREATE OR REPLACE", 1)
)
KEYED = ("session", "provenance", "cell", "figure", "tag", "budget_event", "used", "monthly")
MIGRATION = (
    ROLE,
    "GRANT costmeter_member TO costmeter_service",
    MAKE_ME,
    *(f"ALTER POLICY own ON costmeter.{name} USING (owner = (SELECT costmeter.me()))" for name in KEYED),
    *(
        f"ALTER POLICY adds ON costmeter.{name} WITH CHECK (owner = (SELECT costmeter.me()))"
        for name in KEYED
        if name not in ("used", "monthly")
    ),
    "ALTER POLICY takes_back ON costmeter.cell USING (owner = (SELECT costmeter.me()) AND outcome = 'killed')",
    """
    ALTER POLICY takes_back ON costmeter.figure USING (owner = (SELECT costmeter.me()) AND EXISTS (
        SELECT FROM costmeter.cell c
        WHERE c.owner = figure.owner AND c.id = figure.cell_id AND c.outcome = 'killed'))""",
    *(
        f"CREATE POLICY grouped ON costmeter.{name} FOR SELECT TO costmeter_service USING {OWNERS}"
        for name in ("used", "monthly", "provenance")
    ),
    "ALTER POLICY own ON costmeter.budget USING (person IS NULL OR person = (SELECT costmeter.me()))",
    f"CREATE POLICY grouped ON costmeter.budget FOR SELECT TO costmeter_service USING {GROUP.format(whose='person')}",
    MACHINES,
    ELSEWHERE,
)
SAY = text(
    "SELECT set_config('costmeter.owner', :owner, true), set_config('costmeter.group', :group, true),"
    " set_config('costmeter.everybody', :everybody, true)"
)
#: A user for whom the database makes no difference between people would be no service, whatever it says.
HEARD = text(
    "SELECT costmeter.me() = :owner AND row_security_active('costmeter.cell')"
    " AND NOT pg_has_role(current_user, 'costmeter_head', 'USAGE')"
)


@dataclass(frozen=True, slots=True)
class Acting:
    """The person for whom something is done, and whose hourly sums that person may see besides the own."""

    owner: str
    group: tuple[str, ...] = ()
    everybody: bool = False


def say(connection: Connection, acting: Acting) -> bool:
    """Say it for this transaction; whether the database honours it."""
    if not acting.owner or "\x00" in "".join((acting.owner, *acting.group)):
        return False
    said = {
        "owner": acting.owner,
        "group": json.dumps(acting.group),
        "everybody": "yes" if acting.everybody else "",
    }
    connection.execute(SAY, said)
    return bool(connection.execute(HEARD, said).scalar_one())
