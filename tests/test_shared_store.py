"""The lab's ledger in a real PostgreSQL: what goes in, who may see it, and that its rollup is the records' sum."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace

import golden
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_ledgers import Postgres, prepared, running

from jupyter_costmeter.errors import LedgerTooNew
from jupyter_costmeter.record import BUCKETS, CellRecord, Figure, Usage
from jupyter_costmeter.shared import store, tables
from jupyter_costmeter.shared.migrations import MIGRATIONS
from jupyter_costmeter.shared.store import Batch, SharedLedger, ShareError
from jupyter_costmeter.tag import tags_of
from jupyter_costmeter.uses import HOUR_S, NAMES, WORK, Using

PEOPLE = {"ada": "costmeter_member", "ben": "costmeter_member", "cleo": "costmeter_head"}
NUMBERS = itertools.count()
SOMEBODY_ELSES = """
INSERT INTO costmeter.session (owner, id, started_at, host, "user", environment) VALUES ('ada', 'x', 0, 'h', 'u', '{}')
"""


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    for made in running():
        for name in PEOPLE:
            made.run(f"CREATE USER {name}")
        yield made


@pytest.fixture
def lab(postgres: Postgres) -> Iterator[Callable[[str], SharedLedger]]:
    """A fresh, prepared ledger, as each of its people sees it."""
    yield from prepared(postgres, PEOPLE)


def told(ledger: SharedLedger, query: sa.Select[tuple[object]]) -> list[tuple[object, ...]]:
    with ledger._begun() as connection:
        return [tuple(row) for row in connection.execute(query)]


RECORDS = [golden.record(1, 40.0, 9000.0), golden.record(2, 7200.0, None), golden.record(3, 1.0, 5.0, outcome="error")]
BATCH = Batch([golden.SESSION], RECORDS, tags_of("r1", {"category": "hpo"}, 1.79e9, "run", "ada", "host"))


def test_twice_is_once(lab: Callable[[str], SharedLedger]) -> None:
    ada = lab("ada")
    ada.take(BATCH)
    ada.take(BATCH)
    ada.take(replace(BATCH, records=[*RECORDS, golden.record(4, 2.0, 1.0)]))
    assert ada.counts() == {"ada": 4}
    assert len(told(ada, sa.select(tables.figure))) == sum(len(r.usage.figures) for r in (*RECORDS, RECORDS[0]))
    assert told(ada, sa.select(tables.tag.c.record_id, tables.tag.c.value)) == [("r1", '"hpo"')]
    assert ada.check() == []


def test_all_of_a_batch_or_nothing(lab: Callable[[str], SharedLedger]) -> None:
    ada = lab("ada")
    with pytest.raises(ShareError, match="cannot be used"):
        ada.take(Batch([], RECORDS, ()))  # whose session is not there
    assert ada.counts() == {}


def test_each_sees_the_own_rows_and_the_head_all(lab: Callable[[str], SharedLedger]) -> None:
    ada, ben, cleo = map(lab, ("ada", "ben", "cleo"))
    ada.take(BATCH)
    ben.take(replace(BATCH, records=RECORDS[:1]))
    assert (ada.counts(), ben.counts(), cleo.counts()) == ({"ada": 3}, {"ben": 1}, {"ada": 3, "ben": 1})
    for table in (tables.session, tables.provenance, tables.cell, tables.figure, tables.tag, tables.used):
        assert {owner for (owner,) in told(ben, sa.select(table.c.owner))} == {"ben"}, table.name
        assert {owner for (owner,) in told(cleo, sa.select(table.c.owner))} == {"ada", "ben"}, table.name


@pytest.mark.parametrize(
    "deed",
    [
        SOMEBODY_ELSES,
        "UPDATE costmeter.cell SET wall_s = 0",
        "UPDATE costmeter.used SET value = 0",
        "INSERT INTO costmeter.used SELECT * FROM costmeter.used",
        "DELETE FROM costmeter.used",
        "DELETE FROM costmeter.tag",
        "TRUNCATE costmeter.cell CASCADE",
        "ALTER TABLE costmeter.cell DISABLE ROW LEVEL SECURITY",
        "SET ROLE costmeter_head",
        "SET ROLE ada",
    ],
)
def test_nobody_writes_for_another_nor_over_what_is_there(lab: Callable[[str], SharedLedger], deed: str) -> None:
    ada, ben = lab("ada"), lab("ben")
    ada.take(BATCH)
    ben.take(BATCH)
    refused = pytest.raises(ShareError, match="permission denied|violates row-level security|must be owner")
    with refused, ben._begun() as connection:
        connection.exec_driver_sql(deed)


@pytest.mark.parametrize(("function", "event"), [("add_up", "INSERT"), ("add_up_anew", "DELETE")])
def test_nobody_feeds_the_sums_triggers_from_a_table_of_their_own(
    lab: Callable[[str], SharedLedger], function: str, event: str
) -> None:
    """They run as the schema's owner, and take the rows' word for whose they are."""
    ben, rows = lab("ben"), "NEW TABLE AS added" if event == "INSERT" else "OLD TABLE AS gone"
    with pytest.raises(ShareError, match="permission denied"), ben._begun() as connection:
        connection.exec_driver_sql("CREATE TEMP TABLE mine (owner text, cell_id text)")
        connection.exec_driver_sql(
            f"CREATE TRIGGER mine AFTER {event} ON mine REFERENCING {rows}"
            f" FOR EACH STATEMENT EXECUTE FUNCTION costmeter.{function}()"
        )


def test_what_is_there_is_not_taken_away(lab: Callable[[str], SharedLedger]) -> None:
    ada, ben = lab("ada"), lab("ben")
    ada.take(BATCH)
    with ben._begun() as connection:
        connection.exec_driver_sql("DELETE FROM costmeter.figure")
        connection.exec_driver_sql("DELETE FROM costmeter.cell")
    with ada._begun() as connection:
        connection.exec_driver_sql("DELETE FROM costmeter.figure")
        connection.exec_driver_sql("DELETE FROM costmeter.cell WHERE outcome <> 'killed'")
    assert lab("cleo").counts() == {"ada": 3}


def test_a_cell_that_was_taken_for_killed_gives_way(lab: Callable[[str], SharedLedger]) -> None:
    ada = lab("ada")
    killed = [record.closed_as("killed") for record in RECORDS]
    ada.take(replace(BATCH, records=killed))
    longer = [replace(r, usage=golden.usage(r.wall_s + 9, 1.0)) for r in RECORDS]
    ada.take(replace(BATCH, records=longer))
    ada.take(replace(BATCH, records=killed))
    assert sorted(told(ada, sa.select(tables.cell.c.wall_s))) == sorted((r.wall_s,) for r in longer)
    assert ada.check() == []


def test_what_is_not_prepared_or_not_granted_says_what_to_do(postgres: Postgres) -> None:
    postgres.run("CREATE DATABASE bare")
    bare = SharedLedger(postgres.address("ada", "bare"))
    with pytest.raises(ShareError, match=r"sync --init"):
        bare.take(BATCH)
    with pytest.raises(ShareError, match="permission denied"):
        bare.prepare()
    bare.close()
    away = SharedLedger(postgres.address("ada", "nowhere"))
    with pytest.raises(ShareError, match='database "nowhere" does not exist'):
        away.take(BATCH)
    gone = SharedLedger("postgresql://ada@127.0.0.1:1/lab")
    with pytest.raises(ShareError, match="127.0.0.1:1/lab cannot be used .*refused"):
        gone.take(BATCH)


def test_a_later_versions_is_left_alone(lab: Callable[[str], SharedLedger]) -> None:
    head = lab("head_of_lab")
    with head._begun() as connection:
        values = {"number": 99, "name": "later", "applied_at": 0.0, "version": "9.0"}
        connection.execute(tables.migration.insert(), values)
    for deed in (lambda: lab("ada").take(BATCH), head.prepare):
        with pytest.raises(LedgerTooNew, match="9.0"):
            deed()


def test_a_rollup_that_is_wrong_is_found(lab: Callable[[str], SharedLedger]) -> None:
    head = lab("head_of_lab")
    head.take(BATCH)
    assert head.check() == []
    for table in ("used", "monthly"):
        with head._begun() as connection:
            connection.exec_driver_sql(f"UPDATE costmeter.{table} SET count = count + 1 WHERE name = 'cpu_s'")
        assert {one.split()[0] for one in head.check()} >= {table}


def test_an_older_database_gets_its_months(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was there before the monthly rollup is in it, too."""
    postgres.run("CREATE DATABASE older")
    head = SharedLedger(postgres.address("head_of_lab", "older"))
    monkeypatch.setattr(store, "MIGRATIONS", MIGRATIONS[:1])
    assert head.prepare() == 1
    postgres.run(
        SOMEBODY_ELSES,
        "INSERT INTO costmeter.provenance VALUES ('ada', 'o', 'measured', 'clock', 0.1, NULL, false)",
        "INSERT INTO costmeter.cell (owner, id, session_id, seq, started_at, wall_s, outcome, bucket)"
        " VALUES ('ada', 'c', 'x', 1, 1790000000, 7200, 'ok', 'cell')",
        "INSERT INTO costmeter.figure VALUES ('ada', 'c', 'cpu_s', '', 60, 'o')",
        database="older",
    )
    monkeypatch.undo()
    assert head.prepare() == len(MIGRATIONS) - 1
    assert head.check() == []
    assert told(head, sa.select(tables.monthly.c.value))[0] == pytest.approx((60.0,))
    head.close()


# The rollup

ORIGINS = [golden.CLOCK, golden.NVML, golden.LOST, replace(golden.LOST, absent=True)]
FIGURES = st.builds(
    lambda name, value, origin, device: Figure(name, value if origin.method else None, origin, device),
    st.sampled_from([*NAMES, *WORK, "peak_rss_bytes", "gpu_device_energy_j"]),
    st.none() | st.floats(0, 1e9),
    st.sampled_from(ORIGINS),
    st.sampled_from([None, "GPU-1", "GPU-2"]),
)


#: Of a clock: PostgreSQL refuses to divide 5e-324 s.
SECONDS = st.floats(0, 3599).map(lambda seconds: round(seconds, 6))


@st.composite
def a_record(draw: st.DrawFn, number: int) -> CellRecord:
    figures = draw(st.lists(FIGURES, max_size=6, unique_by=lambda f: (f.name, f.device or "")))
    wall_s = draw(st.sampled_from([0.0, 1.0, HOUR_S]) | st.floats(0, 3 * HOUR_S))
    return replace(
        RECORDS[0], id=f"r{number}", seq=number, started_at=3600.0 * draw(st.integers(0, 5)) + draw(SECONDS),
        usage=Usage(wall_s, tuple(figures)), bucket=draw(st.sampled_from(BUCKETS)),
        project=draw(st.sampled_from([None, "/a", "/b"])), parent_id=draw(st.sampled_from([None, None, "other"])),
        outcome=draw(st.sampled_from(["ok", "killed"])),
    )  # fmt: skip


@pytest.fixture(scope="module")
def head(postgres: Postgres) -> Iterator[SharedLedger]:
    """One ledger for many examples, each of a session of its own."""
    postgres.run("CREATE DATABASE rolled")
    made = SharedLedger(postgres.address("head_of_lab", "rolled"))
    made.prepare()
    yield made
    made.close()


@settings(max_examples=40)
@given(st.data())
def test_the_rollup_is_the_records_sum_and_that_of_uses(head: SharedLedger, data: st.DataObject) -> None:
    session = f"s{next(NUMBERS)}"
    drawn = [data.draw(a_record(number)) for number in range(data.draw(st.integers(1, 6)))]
    records = [replace(record, id=f"{session}-{record.id}", session_id=session) for record in drawn]
    cut = data.draw(st.integers(0, len(records)))
    for part in (records[:cut], records[cut:], [record.closed_as("ok") for record in records]):
        head.take(Batch([replace(golden.SESSION, id=session)], part))
    assert head.check() == []
    columns, used = (tables.used.c.hour, tables.used.c.name), tables.used.c
    sums = sa.func.coalesce(sa.func.sum(used.value), 0.0), sa.func.sum(used.count), sa.func.sum(used.missing)
    query = sa.select(*columns, *sums).where(used.session_id == session).group_by(*columns)
    stored = {(hour, name): tuple(map(float, sums)) for hour, name, *sums in told(head, query)}
    wanted = in_hours(records)
    assert stored.keys() == wanted.keys()
    for key, sums_of in wanted.items():
        assert stored[key] == pytest.approx(sums_of, rel=1e-9, abs=1e-3), key


def in_hours(records: list[CellRecord]) -> dict[tuple[int, str], tuple[float, ...]]:
    """Value, count and how many are missing, by what budgets are reckoned with."""
    using = Using(names=(*NAMES, *WORK))
    for record in records:
        if record.parent_id is None:
            using.add(record.started_at, record.usage)
    found: dict[tuple[int, str], tuple[float, ...]] = {}
    for use in using.uses(golden.SESSION, hourly=True):
        held = [] if use.memory_byte_s is None else [use.memory_byte_s]
        for part in (*use.energy, *(part for _, part in use.gpu_s), *use.cpu_s, *held, *use.work):
            before = found.get((use.hour, part.name), (0.0, 0.0, 0.0))
            more = part.value or 0.0, float(part.count), float(part.missing)
            found[use.hour, part.name] = tuple(map(sum, zip(before, more, strict=True)))
    return found
