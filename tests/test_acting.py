"""A service that acts for others, as database users: for one it can neither read nor write another's rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import golden
import pytest
import sqlalchemy as sa
from shared_ledgers import Postgres, prepared, running

from jupyter_costmeter.shared import tables
from jupyter_costmeter.shared.acting import Acting
from jupyter_costmeter.shared.store import Batch, SharedLedger, ShareError

GRANTED = {"hub": "costmeter_service", "ada": "costmeter_member", "cleo": "costmeter_head"}
RECORDS = [golden.record(1, 40.0, 9000.0), golden.record(2, 7200.0, None)]
BATCH = Batch([golden.SESSION], RECORDS)
EVERY = (tables.session, tables.provenance, tables.cell, tables.figure, tables.tag, tables.used)
SESSION = """
INSERT INTO costmeter.session (owner, id, started_at, host, "user", environment) VALUES ('ada', 'x', 0, 'h', 'u', '{}')
"""
TAG = """
INSERT INTO costmeter.tag (owner, id, record_id, at, key, given, "user", host)
VALUES ('ada', 'x', 'r1', 0, 'k', 'later', 'u', 'h')
"""
NAMED = "SELECT set_config('costmeter.owner', 'ben', true)"


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    for made in running():
        made.run(*(f"CREATE USER {name}" for name in (*GRANTED, "nobody", "double")))
        yield made


@pytest.fixture
def lab(postgres: Postgres) -> Iterator[Callable[[str], SharedLedger]]:
    for of in prepared(postgres, GRANTED):
        postgres.run("GRANT costmeter_service, costmeter_head TO double")
        yield of


def owners(ledger: SharedLedger, table: sa.Table) -> set[str]:
    with ledger._begun() as connection:
        return set(connection.execute(sa.select(table.c.owner)).scalars())


def test_what_it_writes_for_somebody_is_theirs(lab: Callable[[str], SharedLedger]) -> None:
    hub = lab("hub")
    ada, ben = (hub.acting(Acting(name)) for name in ("ada", "ben"))
    for one in (ada, ben, ada):
        one.take(BATCH)
    assert ada.counts() == {"ada": 2}
    assert ben.counts() == {"ben": 2}
    assert lab("ada").counts() == {"ada": 2}  # who is a user of the database, too
    assert lab("cleo").counts() == {"ada": 2, "ben": 2}
    assert hub.counts() == {}  # for nobody it sees nothing
    assert lab("cleo").check() == []
    for table in EVERY[:4]:
        assert owners(ben, table) == {"ben"}, table.name


def test_a_cell_that_was_taken_for_killed_gives_way_of_its_owner_only(lab: Callable[[str], SharedLedger]) -> None:
    hub = lab("hub")
    ada, ben = (hub.acting(Acting(name)) for name in ("ada", "ben"))
    for one in (ada, ben):
        one.take(replace(BATCH, records=[record.closed_as("killed") for record in RECORDS]))
    ada.take(BATCH)
    with lab("cleo")._begun() as connection:
        query = sa.select(tables.cell.c.owner, tables.cell.c.outcome).distinct()
        assert set(map(tuple, connection.execute(query))) == {("ada", "ok"), ("ben", "killed")}
    assert lab("cleo").check() == []


@pytest.mark.parametrize(
    "deed",
    [
        SESSION,
        TAG,
        "UPDATE costmeter.cell SET wall_s = 0",
        "DELETE FROM costmeter.used",
        "SET ROLE costmeter_head",
        "SET ROLE ada",
    ],
)  # fmt: skip
def test_for_ben_it_writes_nothing_of_adas(lab: Callable[[str], SharedLedger], deed: str) -> None:
    hub = lab("hub")
    hub.acting(Acting("ada")).take(BATCH)
    refused = pytest.raises(ShareError, match="permission denied|violates row-level security")
    with refused, hub.acting(Acting("ben", ("ada",), everybody=True))._begun() as connection:
        connection.exec_driver_sql(deed)


def test_whose_sums_a_lead_sees_and_no_notebook_of_theirs(lab: Callable[[str], SharedLedger]) -> None:
    hub = lab("hub")
    for name in ("ada", "ben", "dora", "cleo"):
        hub.acting(Acting(name)).take(BATCH)
    sees: dict[tuple[tuple[str, ...], bool], set[str]] = {
        ((), False): set(),
        (("ada", "dora"), False): {"ada", "dora"},
        (("*", "yes", "'"), False): set(),
        ((), True): {"ada", "ben", "dora"},
    }
    for (group, everybody), whom in sees.items():
        lead = hub.acting(Acting("cleo", group, everybody))
        assert owners(lead, tables.used) == {*whom, "cleo"}
        for table in (tables.session, tables.cell, tables.figure):
            assert owners(lead, table) == {"cleo"}, table.name
        with lead._begun() as connection:
            found = connection.exec_driver_sql("SELECT * FROM costmeter.machines()").mappings().all()
        assert {row["owner"] for row in found} == {*whom, "cleo"}
        assert all(set(row) == {"owner", "id", "started_at", "host", "environment"} for row in found)


def test_nobody_else_may_name_an_owner(lab: Callable[[str], SharedLedger]) -> None:
    hub = lab("hub")
    hub.acting(Acting("ben")).take(BATCH)
    ada = lab("ada")
    with ada._begun() as connection:
        connection.exec_driver_sql(NAMED)
        connection.exec_driver_sql("SELECT set_config('costmeter.everybody', 'yes', true)")
        for table in EVERY:
            assert connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() == 0, table.name
        assert connection.exec_driver_sql("SELECT count(*) FROM costmeter.machines()").scalar_one() == 0


def test_a_function_of_ones_own_changes_nothing(lab: Callable[[str], SharedLedger], postgres: Postgres) -> None:
    """Whoever may make functions in a schema of their own cannot say that they are the service."""
    ada, hub = lab("ada"), lab("hub")
    hub.acting(Acting("ben")).take(BATCH)
    database = ada.address.rsplit("/", 1)[1]
    postgres.run("CREATE SCHEMA mine AUTHORIZATION ada", database=database)
    with ada._begun() as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION mine.pg_has_role(name, text, text) RETURNS boolean LANGUAGE sql AS 'SELECT true'"
        )
        connection.exec_driver_sql("SET LOCAL search_path = mine, pg_catalog")
        connection.exec_driver_sql("SELECT pg_catalog.set_config('costmeter.owner', 'ben', true)")
        assert connection.exec_driver_sql("SELECT costmeter.me()").scalar_one() == "ada"
        assert connection.execute(sa.select(sa.func.count()).select_from(tables.cell)).scalar_one() == 0


@pytest.mark.parametrize("who", ["ada", "cleo", "double", "head_of_lab"])
def test_who_is_no_service_cannot_act_and_writes_nothing_under_the_own_name(
    lab: Callable[[str], SharedLedger], who: str
) -> None:
    with pytest.raises(ShareError, match="costmeter_service"):
        lab(who).acting(Acting("ben")).take(BATCH)
    assert lab("cleo").counts() == {}


@pytest.mark.parametrize("name", ["", "a\x00b"])
def test_a_name_that_is_none_is_refused(lab: Callable[[str], SharedLedger], name: str) -> None:
    with pytest.raises(ShareError):
        lab("hub").acting(Acting(name)).take(BATCH)


def test_what_was_said_ends_with_the_transaction(lab: Callable[[str], SharedLedger]) -> None:
    hub = lab("hub")
    hub.acting(Acting("ben")).take(BATCH)
    with hub._begun() as connection:  # the same connection, from the pool
        assert connection.exec_driver_sql("SELECT costmeter.me()").scalar_one() == "hub"
        assert connection.execute(sa.select(sa.func.count()).select_from(tables.cell)).scalar_one() == 0
