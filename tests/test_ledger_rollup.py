"""The derived tables are never behind: totals are what the records say, whatever came, in whatever order."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import golden
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from kernels import ALL
from repeated import SESSIONS, some_records

from jupyter_costmeter import accounting
from jupyter_costmeter.ledger import Selection, open_ledger, rows, schema
from jupyter_costmeter.ledger.migrations import MIGRATIONS
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.record import BUCKETS, CellRecord, Figure, Total, Usage

DATA = Path(__file__).parent / "data"


def expected(told: Iterable[CellRecord]) -> dict[str, CellRecord]:
    """The first of each id, but one that was taken for killed gives way."""
    kept: dict[str, CellRecord] = {}
    for one in told:
        if one.id not in kept or (kept[one.id].outcome == "killed" and one.outcome != "killed"):
            kept[one.id] = one
    return kept


def selected(one: CellRecord, selection: Selection) -> bool:
    if selection.label is not None and one.label != selection.label:
        return False
    if selection.scope == "project":
        key = selection.key or ""
        return one.project is not None and (one.project == key or one.project.startswith(key + "/"))
    return selection.scope == "all" or selection.key == (
        one.session_id if selection.scope == "session" else one.notebook
    )


def of(records: list[CellRecord]) -> tuple[Total, ...]:
    found = [f for r in records for f in r.usage.figures]
    found.sort(key=lambda f: (f.name, rows.provenance_id(f.provenance)))  # the order of sources and reasons
    return accounting.totals(accounting.parts(found))


def assert_same(found: tuple[Total, ...], right: tuple[Total, ...]) -> None:
    assert [t.name for t in found] == [t.name for t in right]
    for one, other in zip(found, right, strict=True):
        numbers = ("value", "measured_share", "uncertainty")
        rounded = {name: pytest.approx(getattr(other, name)) for name in numbers if getattr(other, name) is not None}
        assert one == replace(other, **rounded)


SELECTIONS = [
    ALL,
    Selection("session", "s1"),
    Selection("notebook", "/p/a.ipynb"),
    Selection("notebook", ""),
    Selection("project", "/p"),
    Selection("project", "NULL"),
    Selection("all", None, "train"),
    Selection("project", "/p", ""),
    Selection("session", "s2", "NULL"),
]


def assert_totals(ledger: Ledger, kept: list[CellRecord]) -> None:
    for selection in SELECTIONS:
        outer = [r for r in kept if r.parent_id is None and selected(r, selection)]
        cells = [r for r in outer if r.bucket == "cell"]
        found = ledger.summary(selection)
        assert found.cells == len(cells)
        assert found.failed == sum(r.outcome != "ok" for r in cells)
        assert found.sessions == len({r.session_id for r in outer})
        assert found.wall_s == pytest.approx(sum(r.wall_s for r in cells))
        assert_same(found.totals, of(outer))
        assert [b.bucket for b in found.buckets] == [b for b in BUCKETS if any(r.bucket == b for r in outer)]
        for bucket in found.buckets:
            inside = [r for r in outer if r.bucket == bucket.bucket]
            assert bucket.wall_s == pytest.approx(sum(r.wall_s for r in inside))
            assert_same(bucket.totals, of(inside))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.lists(some_records(), min_size=1, max_size=6)), max_size=6))
def test_totals_are_those_of_the_records(
    tmp_path_factory: pytest.TempPathFactory, batches: list[tuple[bool, list[CellRecord]]]
) -> None:
    """Two processes' ledgers write in turn; records come twice, in any order, and killed ones are put right."""
    path = tmp_path_factory.mktemp("any") / "l.sqlite"
    one, other = open_ledger(path), open_ledger(path)
    told: list[CellRecord] = []
    for first, batch in batches:
        for info in SESSIONS:
            own = [r for r in batch if r.session_id == info.id]
            (one if first else other).append(info, own)
            told += own
    kept = expected(told)
    for ledger in (one, other):
        assert ledger.check() == []
        assert {r.id: r.outcome for r in ledger.records(ALL)} == {r.id: r.outcome for r in kept.values()}
        assert_totals(ledger, list(kept.values()))
        ledger.close()


@settings(max_examples=25, deadline=None)
@given(st.lists(some_records(), max_size=12, unique_by=lambda r: r.id), st.integers(1, 4))
def test_what_is_dearest_newest_and_in_order_in_any_scope(
    tmp_path_factory: pytest.TempPathFactory, kept: list[CellRecord], count: int
) -> None:
    ledger = open_ledger(tmp_path_factory.mktemp("any") / "l.sqlite")
    for info in SESSIONS:
        ledger.append(info, [r for r in kept if r.session_id == info.id])

    def dear(one: CellRecord) -> tuple[float, float]:
        known = [f.value for f in one.usage.figures if f.name.endswith("energy_j") and f.value is not None]
        return (sum(known) if known else -1.0, one.wall_s)

    for selection in SELECTIONS:
        inside = sorted((r for r in kept if selected(r, selection)), key=lambda r: (r.started_at, r.id))
        assert [r.id for r in ledger.records(selection)] == [r.id for r in with_inner(kept, selection)]
        cells = [r for r in inside if r.bucket == "cell"]
        assert [r.id for r in ledger.latest(selection, count)] == [r.id for r in cells[-count:]]
        dearest = sorted((dear(r) for r in cells if r.parent_id is None), reverse=True)[:count]
        assert [dear(r) for r in ledger.dearest(selection, count)] == [pytest.approx(one) for one in dearest]
        assert {s.id for s in ledger.sessions(selection)} == {r.session_id for r in inside}
    ledger.close()


def with_inner(kept: list[CellRecord], selection: Selection) -> list[CellRecord]:
    """The selected records, and what lies inside of labelled ones, in their order."""
    found = {r.id for r in kept if selection.label in (None, r.label)}
    while more := {r.id for r in kept if r.parent_id in found} - found:
        found |= more
    inside = (r for r in kept if r.id in found and selected(r, replace(selection, label=None)))
    return sorted(inside, key=lambda r: (r.started_at, r.id))


def test_the_highest_of_a_killed_cell_is_taken_back(ledger: Ledger) -> None:
    def peak(seq: int, value: float, outcome: str) -> CellRecord:
        usage = Usage(1.0, (Figure("peak_rss_bytes", value, golden.HWM),))
        return replace(golden.FIRST, id=f"r{seq}", usage=usage, outcome=outcome, label="x")

    ledger.append(golden.SESSION, [peak(1, 5.0, "ok"), peak(2, 9.0, "killed")])
    ledger.append(golden.SESSION, [peak(2, 3.0, "ok")])
    for label in (None, "x"):
        total = ledger.summary(Selection("all", label=label)).total("peak_rss_bytes")
        assert total is not None
        assert total.value == 5.0


@pytest.mark.parametrize("name", ["cpu_energy_j", "peak_rss_bytes"])
@pytest.mark.parametrize("values", [(5.0, None, 7.0), (None, 7.0, 5.0)])
def test_what_is_missing_takes_nothing_away(ledger: Ledger, name: str, values: tuple[float | None, ...]) -> None:
    for seq, value in enumerate(values):
        usage = Usage(1.0, (Figure(name, value, golden.TDP),))
        ledger.append(golden.SESSION, [replace(golden.FIRST, id=f"r{seq}", usage=usage)])
    total = ledger.summary(ALL).total(name)
    assert total is not None
    assert (total.value, total.missing) == (12.0 if name == "cpu_energy_j" else 7.0, 1)


def test_many_projects_are_read_in_one_order(ledger: Ledger) -> None:
    made = [replace(golden.FIRST, id=f"r{i}", seq=i, started_at=i, project=f"/p/{i * 7 % 40}") for i in range(400)]
    ledger.append(golden.SESSION, made)
    assert [r.seq for r in ledger.records(Selection("project", "/p"))] == list(range(400))
    assert [r.seq for r in ledger.latest(Selection("project", "/p"), 5)] == list(range(395, 400))


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE tally SET records = 3",
        "UPDATE tally SET wall_s = wall_s + 0.1 WHERE label IS NULL",
        "UPDATE subtotal SET value = value + 1 WHERE name = 'cpu_s'",
        "DELETE FROM subtotal WHERE name = 'cpu_s'",
        "UPDATE cell SET energy_j = 1 WHERE seq = 1",
        "UPDATE cell SET notebook = 'another', parent_id = 'r1'",
    ],
)
def test_check_sees_what_is_wrong(ledger: Ledger, harm: str) -> None:
    ledger.append(golden.SESSION, [golden.FIRST, golden.SECOND])
    assert ledger.check() == []
    with sqlite3.connect(ledger.path) as connection:
        connection.execute(harm)
    assert ledger.check() != []


# An older ledger


def older(path: Path, records: list[CellRecord]) -> None:
    """A ledger as version 0.1 wrote it."""
    path.parent.mkdir(parents=True)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript((DATA / "schema_1.sql").read_text())
        connection.execute("INSERT INTO migration VALUES (1, 'first', 0.0, '0.1.0')")
        for info in SESSIONS:
            _insert(connection, "session", rows.session_row(info))
        for record in records:
            row = rows.cell_row(record)
            _insert(connection, "cell", {k: v for k, v in row.items() if k not in ("bucket", "energy_j")})
            for figure in record.usage.figures:
                _insert(connection, "provenance", rows.provenance_row(figure.provenance))
            for figure_row in rows.figure_rows(record):
                _insert(connection, "figure", figure_row)
    connection.close()


def _insert(connection: sqlite3.Connection, table: str, row: rows.Row) -> None:
    holders = ", ".join("?" * len(row))
    connection.execute(f"INSERT OR IGNORE INTO {table} ({', '.join(row)}) VALUES ({holders})", list(row.values()))


def test_the_first_migration_is_as_it_was_released(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'l.sqlite'}")
    with engine.begin() as connection:
        schema.migration.create(connection)
        MIGRATIONS[0][1](connection)
        found = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE sql NOTNULL ORDER BY name").scalars()
        assert [f"{' '.join(sql.split())};" for sql in found] == (DATA / "schema_1.sql").read_text().splitlines()


def test_the_migrations_make_the_tables_that_the_code_knows(ledger: Ledger, tmp_path: Path) -> None:
    ledger.append(golden.SESSION, [])
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'known.sqlite'}")
    schema.metadata.create_all(engine)

    def columns(path: Path) -> dict[str, object]:
        with sqlite3.connect(path) as connection:
            tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            about = {t: connection.execute(f"PRAGMA table_info({t})").fetchall() for t in tables}
            plain = {t: sorted(row[1:4] + row[5:] for row in about[t]) for t in tables}
            indexes = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql NOTNULL")
            return {**plain, **{name: " ".join(sql.split()).replace("cell.", "") for name, sql in indexes}}

    assert columns(ledger.path) == columns(tmp_path / "known.sqlite")


@settings(max_examples=20, deadline=None)
@given(st.lists(some_records().map(lambda r: replace(r, bucket="cell")), max_size=10, unique_by=lambda r: r.id))
def test_an_older_ledger_is_brought_up_to_date_by_whoever_comes_first(
    tmp_path_factory: pytest.TempPathFactory, kept: list[CellRecord]
) -> None:
    path = tmp_path_factory.mktemp("any") / "in" / "l.sqlite"
    older(path, kept)
    reader = open_ledger(path)
    assert_totals(reader, kept)  # a reader, before anything is written
    assert reader.check() == []
    more = replace(golden.FIRST, id="new", bucket="held_idle")
    reader.append(SESSIONS[0], [more])
    assert_totals(reader, [*kept, more])
    reader.close()


def test_a_migration_that_fails_leaves_the_old_ledger_as_it_was(
    ledger_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older(ledger_path, [golden.FIRST])

    def broken(connection: sa.Connection) -> None:
        MIGRATIONS[2][1](connection)
        raise RuntimeError("power cut")

    ledger = open_ledger(ledger_path)
    with monkeypatch.context() as patch:
        patch.setattr("jupyter_costmeter.ledger.store.MIGRATIONS", [*MIGRATIONS[:2], ("rollups", broken)])
        with pytest.raises(RuntimeError):
            ledger.append(golden.SESSION, [golden.SECOND])
    with sqlite3.connect(ledger_path) as connection:
        assert connection.execute("SELECT max(number) FROM migration").fetchone() == (1,)
    assert ledger.summary(ALL).cells == 1
    assert ledger.check() == []
    ledger.close()


def test_two_processes_bring_it_up_to_date_at_once(ledger_path: Path) -> None:
    older(ledger_path, [golden.FIRST, golden.SECOND])
    found: list[int] = []

    def read() -> None:
        ledger = open_ledger(ledger_path)
        found.append(ledger.summary(ALL).cells)
        ledger.close()

    readers = [threading.Thread(target=read) for _ in range(8)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert found == [2] * 8


APPENDS = """
import sys
from dataclasses import replace
from pathlib import Path
sys.path.insert(0, sys.argv[3])
import golden
from jupyter_costmeter.ledger import open_ledger
ledger = open_ledger(Path(sys.argv[1]))
for i in range(150):
    ledger.append(golden.SESSION, [replace(golden.FIRST, id=f"{sys.argv[2]}-{i}", seq=i)])
"""


def test_two_processes_count_into_one_tally(ledger_path: Path) -> None:
    ledger_path.parent.mkdir(parents=True)
    command = [sys.executable, "-c", APPENDS, str(ledger_path)]
    writers = [subprocess.Popen([*command, name, str(DATA.parent)]) for name in ("a", "b")]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    ledger = open_ledger(ledger_path)
    assert ledger.summary(ALL).cells == 300
    assert ledger.check() == []
    ledger.close()
