"""The ledger: nothing is lost, nothing is doubled, and a broken file is nobody's end."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import golden
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernels import ALL, Kernel, cells

from jupyter_costmeter import accounting
from jupyter_costmeter.errors import LedgerTooNew, LedgerUnwritable
from jupyter_costmeter.ledger import Selection, file, open_ledger, rows
from jupyter_costmeter.ledger.migrations import MIGRATIONS
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.ledger.writer import Writer
from jupyter_costmeter.overhead import Overhead
from jupyter_costmeter.record import CellRecord, Figure, Provenance, SessionInfo, Usage

DATA = Path(__file__).parent / "data"
SESSION = golden.SESSION


def record(seq: int, **more: object) -> CellRecord:
    return replace(golden.FIRST, id=f"r{seq}", seq=seq, started_at=1.79e9 + seq, **more)


def test_what_goes_in_comes_out(ledger: Ledger) -> None:
    records = [golden.FIRST, golden.SECOND]
    ledger.append(SESSION, records)
    assert list(ledger.records(ALL)) == sorted(records, key=lambda r: r.started_at) or _same(ledger, records)
    assert ledger.sessions(ALL) == [SESSION]


def _same(ledger: Ledger, records: list[CellRecord]) -> bool:
    """Figures have no order in the file."""

    def plain(one: CellRecord) -> object:
        return replace(one, usage=Usage(one.wall_s, tuple(sorted(one.usage.figures, key=lambda f: f.name))))

    return [plain(r) for r in ledger.records(ALL)] == [plain(r) for r in records]


texts = st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20))
numbers = st.one_of(st.none(), st.floats(0, 1e12))
provenances = st.builds(
    Provenance, st.sampled_from(["measured", "modelled", None]), texts, numbers, texts, st.booleans()
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(numbers, provenances), max_size=6), texts, texts)
def test_any_record_comes_back(
    tmp_path_factory: pytest.TempPathFactory, figures: list[tuple[float | None, Provenance]], label: str, error: str
) -> None:
    ledger = open_ledger(tmp_path_factory.mktemp("any") / "l.sqlite")
    made = tuple(Figure("cpu_energy_j", v, p, f"d{i}") for i, (v, p) in enumerate(figures))
    one = record(1, usage=Usage(1.0, made), label=label, error_type=error)
    ledger.append(SESSION, [one])
    assert list(ledger.records(ALL)) == [one]
    journalled = rows.journal_record(rows.journal_text(one))
    assert journalled == one
    ledger.close()


def test_the_same_record_twice_is_one(ledger: Ledger) -> None:
    ledger.append(SESSION, [record(1)])
    ledger.append(SESSION, [record(1), record(2)])
    assert ledger.summary(ALL).cells == 2


def test_the_summary_is_the_sum_of_the_records(ledger: Ledger) -> None:
    records = [golden.FIRST, golden.SECOND, record(7), record(8, parent_id="r7")]
    ledger.append(SESSION, records)
    found = ledger.summary(ALL)
    own = [f for r in records if r.parent_id is None for f in r.usage.figures]
    by_name = {t.name: t for t in accounting.totals(accounting.parts(own))}
    assert (found.cells, found.failed, found.sessions) == (3, 1, 1)
    assert found.wall_s == sum(r.wall_s for r in records if r.parent_id is None)
    assert {t.name for t in found.totals} == set(by_name)
    for total in found.totals:
        assert total.value == pytest.approx(by_name[total.name].value)
        assert total.missing == by_name[total.name].missing
        assert total.uncertainty == pytest.approx(by_name[total.name].uncertainty)


def test_what_is_no_cells_is_counted_and_not_shown_as_a_cell(ledger: Ledger) -> None:
    records = [record(1), record(2, bucket="held_idle"), record(3, bucket="background"), record(4, bucket="held_idle")]
    ledger.append(SESSION, records)
    found = ledger.summary(ALL)
    assert (found.cells, found.wall_s) == (1, golden.FIRST.wall_s)
    assert [(b.bucket, b.wall_s / golden.FIRST.wall_s) for b in found.buckets] == [
        ("cell", 1), ("held_idle", 2), ("background", 1),
    ]  # fmt: skip
    everything, idle, one = (s.total("gpu_energy_j") for s in (found, found.buckets[1], found.buckets[0]))
    assert everything is not None
    assert idle is not None
    assert one is not None
    assert (everything.value, idle.value, one.value) == (4 * 3600.0, 2 * 3600.0, 3600.0)
    assert [r.seq for r in ledger.dearest(ALL, 9)] == [r.seq for r in ledger.latest(ALL, 9)] == [1]
    assert list(ledger.records(ALL)) == records or _same(ledger, records)


def test_scopes(ledger: Ledger) -> None:
    places = [("/p/a.ipynb", "/p"), ("/p/b.ipynb", "/p"), ("/p/in/c.ipynb", "/p/in"), ("/pq/d.ipynb", "/pq")]
    ledger.append(SESSION, [record(i, notebook=n, project=p) for i, (n, p) in enumerate(places)])
    ledger.append(replace(SESSION, id="s2"), [record(9, session_id="s2", notebook="/p/a.ipynb", project="/p")])
    cells = {s: ledger.summary(s).cells for s in (ALL, Selection("notebook", "/p/a.ipynb"), Selection("session", "s2"))}
    assert list(cells.values()) == [5, 2, 1]
    assert ledger.summary(Selection("project", "/p")).cells == 4  # with the project inside it, without /pq
    assert ledger.summary(Selection("project", "/p/in")).cells == 1
    assert [s.id for s in ledger.sessions(Selection("notebook", "/p/a.ipynb"))] == ["s1", "s2"]


def test_many_records_come_in_order_a_page_at_a_time(ledger: Ledger) -> None:
    ledger.append(SESSION, [record(i) for i in range(1234)])
    assert [r.seq for r in ledger.records(ALL)] == list(range(1234))
    assert [r.seq for r in ledger.latest(ALL, 3)] == [1231, 1232, 1233]


def test_dearest_are_by_energy_then_time(ledger: Ledger) -> None:
    def cell(seq: int, wall_s: float, energy_j: float | None) -> CellRecord:
        return record(seq, usage=Usage(wall_s, (Figure("cpu_energy_j", energy_j, golden.TDP),)))

    ledger.append(SESSION, [cell(1, 1, 5.0), cell(2, 9, None), cell(3, 1, 50.0), cell(4, 3, None)])
    assert [r.seq for r in ledger.dearest(ALL, 4)] == [3, 1, 2, 4]


def test_reading_makes_no_file(ledger: Ledger) -> None:
    assert ledger.summary(ALL).cells == 0
    assert list(ledger.records(ALL)) == []
    assert not ledger.path.exists()


# Migrations


def test_the_migrations_make_the_golden_schema(ledger: Ledger) -> None:
    """A released migration never changes: a new one is appended, and then ``data/schema.sql`` is written anew."""
    ledger.append(SESSION, [])
    with sqlite3.connect(ledger.path) as connection:
        made = [row[0] for row in connection.execute("SELECT sql FROM sqlite_master WHERE sql NOTNULL ORDER BY name")]
    text = "\n".join(f"{' '.join(sql.split())};" for sql in made) + "\n"
    stored = DATA / "schema.sql"
    if os.environ.get("WRITE_GOLDEN"):
        stored.write_text(text)
    assert text == stored.read_text()


def test_a_ledger_of_a_later_version_is_left_alone(ledger: Ledger) -> None:
    ledger.append(SESSION, [record(1)])
    with sqlite3.connect(ledger.path) as connection:
        connection.execute("INSERT INTO migration VALUES (?, 'later', 0, '9.9.0')", [len(MIGRATIONS) + 1])
    before = ledger.path.read_bytes()
    for use in (lambda one: one.append(SESSION, [record(2)]), lambda one: one.summary(ALL)):
        later = open_ledger(ledger.path)
        with pytest.raises(LedgerTooNew, match=r"9\.9\.0"):
            use(later)
        later.close()
    assert ledger.path.read_bytes() == before


# Faults


@pytest.mark.parametrize("damage", ["text", "middle", "empty header"])
def test_a_corrupt_file_is_moved_aside_and_a_new_one_begun(ledger: Ledger, damage: str) -> None:
    ledger.append(SESSION, [record(i) for i in range(300)])
    ledger.close()
    broken = bytearray(ledger.path.read_bytes())
    if damage == "text":
        broken[:] = b"this is not a ledger\n" * 50
    elif damage == "middle":
        broken[4096:] = os.urandom(len(broken) - 4096)
    else:
        broken[:100] = bytes(100)
    ledger.path.write_bytes(broken)
    writer = Writer(ledger.path, SESSION, Overhead())
    writer.append([record(1000)])
    assert writer.flush(20)
    assert writer.state.ok
    assert "corrupt" in (writer.state.message or "")
    asides = ledger.path.parent.glob("ledger.sqlite.corrupt-*")
    (aside,) = [p for p in asides if not p.name.endswith(("-wal", "-shm"))]
    assert aside.read_bytes() == bytes(broken)
    assert [r.seq for r in open_ledger(ledger.path).records(ALL)] == [1000]


def test_a_folder_that_cannot_be_made_keeps_records_in_memory_until_it_can(tmp_path: Path) -> None:
    (tmp_path / "blocked").write_text("a file where the folder should be")
    writer = Writer(tmp_path / "blocked" / "ledger.sqlite", SESSION, Overhead())
    writer.append([record(1)])
    assert not writer.flush(10)
    assert not writer.state.ok
    assert writer.state.waiting == 1
    assert "blocked" in (writer.state.message or "")
    (tmp_path / "blocked").unlink()
    writer.append([record(2)])
    assert writer.flush(10)
    assert writer.state.ok
    assert [r.seq for r in open_ledger(writer.path).records(ALL)] == [1, 2]


def test_a_full_disk_keeps_records_in_memory_until_there_is_room(kernel: Kernel, ledger: Ledger) -> None:
    """A file-size limit is the kernel's own: writes fail with EFBIG as they would with ENOSPC."""
    kernel.run("1", "fits")
    kernel.flush()
    kernel.run("import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))")
    kernel.run("2", "does not")
    assert not kernel.value("get_ipython().costmeter.session.flush(3)")
    state = kernel.value("(lambda s: (s.ok, s.waiting, s.message))(get_ipython().costmeter.session.ledger)")
    assert state[0] is False
    assert state[1] >= 2  # with what lay between the cells
    assert "free space" in state[2]
    kernel.run("%cost")
    assert "2 cells" in kernel.text or "3 cells" in kernel.text
    kernel.run("resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))")
    kernel.flush()
    assert [r.cell_id for r in cells(ledger)][:3] == ["fits", None, "does not"]


def test_a_read_only_file_is_not_written(ledger: Ledger) -> None:
    ledger.append(SESSION, [record(1)])
    ledger.close()
    engine = file.engine(ledger.path)
    ledger._engine = engine
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only=ON")  # also root may not write now
    with pytest.raises(LedgerUnwritable):
        ledger.append(SESSION, [record(2)])
    assert ledger.summary(ALL).cells == 1


def test_a_killed_sessions_open_window_is_closed_by_the_next(ledger: Ledger) -> None:
    gone = replace(SESSION, host=os.uname().nodename, pid=2**22 - 1, id="gone")
    ledger.journal(gone, [record(5, session_id="gone")])
    ledger.journal(gone, [record(5, session_id="gone", usage=golden.usage(99.0, 1.0))])
    assert ledger.summary(ALL).cells == 0
    assert ledger.close_orphans() == 1
    (closed,) = ledger.records(ALL)
    assert (closed.outcome, closed.wall_s) == ("killed", 99.0)
    assert ledger.close_orphans() == 0


def test_the_open_window_of_another_machine_is_not_ours_to_close(ledger: Ledger) -> None:
    ledger.journal(replace(SESSION, host="elsewhere"), [record(5)])
    assert ledger.close_orphans() == 0


def test_a_process_id_that_was_given_again_is_another_process(ledger: Ledger) -> None:
    again = replace(SESSION, host=os.uname().nodename, pid=os.getpid(), pid_started_at=1.0)
    ledger.journal(again, [record(5)])
    assert ledger.close_orphans() == 1


WORK = """
import sys
import jupyter_costmeter
for i in range(40):
    with jupyter_costmeter.measure(f"{sys.argv[1]}-{i}"):
        pass
"""


def test_several_processes_write_at_once(home: Path, ledger: Ledger) -> None:
    (home / "work.py").write_text(WORK)
    workers = [
        subprocess.Popen([sys.executable, "work.py", str(n)], cwd=home, stderr=subprocess.PIPE, text=True)
        for n in range(6)
    ]
    for worker in workers:
        assert worker.communicate(timeout=60)[1] == ""
    found = [str(r.label) for r in cells(ledger)]
    assert sorted(found) == sorted(f"{n}-{i}" for n in range(6) for i in range(40))


def test_two_kernels_share_one_ledger(start_kernel: Callable[..., Kernel], ledger: Ledger) -> None:
    one, two = start_kernel("a.ipynb"), start_kernel("b.ipynb")
    for kernel in (one, two, one):
        kernel.run("1")
    one.flush()
    two.flush()
    counts = Counter(found.notebook for found in cells(ledger))
    assert sorted(counts.values()) == [1, 2]


def test_the_parent_session_is_there_for_each_record(ledger: Ledger) -> None:
    other: SessionInfo = replace(SESSION, id="s9")
    ledger.append(other, [record(1, session_id="s9")])
    with sqlite3.connect(ledger.path) as connection:
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


@pytest.mark.parametrize("name", ["a b", "100%", "what?", "c#", "ä'ö"])
def test_a_path_may_hold_any_character(tmp_path: Path, name: str) -> None:
    found = open_ledger(tmp_path / name / "l.sqlite")
    found.append(SESSION, [record(1)])
    assert (tmp_path / name / "l.sqlite").exists()
    assert found.summary(ALL).cells == 1
    found.close()


def test_a_file_deleted_under_a_running_kernel_is_begun_anew(ledger: Ledger) -> None:
    """SQLite would go on writing into the deleted file, and nobody would ever read it."""
    ledger.append(SESSION, [record(1)])
    for suffix in ("", "-wal", "-shm"):
        ledger.path.with_name(ledger.path.name + suffix).unlink(missing_ok=True)
    ledger.append(SESSION, [record(2)])
    other = open_ledger(ledger.path)
    assert [r.seq for r in other.records(ALL)] == [2]
    other.close()


def test_a_ledger_that_a_later_version_migrates_meanwhile_is_left_alone(ledger: Ledger) -> None:
    ledger.append(SESSION, [record(1)])
    with sqlite3.connect(ledger.path) as connection:
        connection.execute("INSERT INTO migration VALUES (?, 'later', 0, '9.9.0')", [len(MIGRATIONS) + 1])
    with pytest.raises(LedgerTooNew):
        ledger.append(SESSION, [record(2)])


def test_a_commit_is_durable(ledger: Ledger) -> None:
    ledger.append(SESSION, [])
    with file.engine(ledger.path).connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL: synced with each commit
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


def test_one_record_that_cannot_be_written_does_not_stop_the_others(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "l.sqlite", SESSION, Overhead())
    writer.append([record(1), record(2, label="\ud800"), record(3)])
    assert writer.flush(10)
    assert [r.seq for r in open_ledger(writer.path).records(ALL)] == [1, 3]


def test_a_cell_that_was_taken_for_killed_and_lives_is_put_right(ledger: Ledger) -> None:
    gone = replace(SESSION, host=os.uname().nodename, pid=2**22 - 1)
    ledger.journal(gone, [record(5, usage=golden.usage(1.0, 1.0))])
    ledger.close_orphans()
    ledger.append(gone, [record(5)])
    (found,) = ledger.records(ALL)
    assert (found.outcome, found.wall_s) == ("ok", golden.FIRST.wall_s)
    ledger.append(gone, [record(5, outcome="killed")])
    assert [r.outcome for r in ledger.records(ALL)] == ["ok"]


def test_a_flush_waits_for_what_comes_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a process would say at its end that a record is lost, and lose it."""
    writer = Writer(tmp_path / "l.sqlite", SESSION, Overhead())
    append, late = Ledger.append, iter([record(2), record(3)])

    def slow(self: Ledger, info: SessionInfo, records: list[CellRecord]) -> None:
        append(self, info, records)
        for one in late:
            writer.append([one])
            break

    monkeypatch.setattr(Ledger, "append", slow)
    writer.append([record(1)])
    assert writer.flush(20)
    assert [r.seq for r in open_ledger(writer.path).records(ALL)] == [1, 2, 3]


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_what_is_no_number_was_not_measured(ledger: Ledger, value: float) -> None:
    made = record(1)
    bad = replace(made.usage.figures[0], value=value)
    ledger.append(SESSION, [replace(made, usage=replace(made.usage, figures=(bad, *made.usage.figures[1:])))])
    (found,) = ledger.records(ALL)
    figure = found.usage.figure(bad.name, bad.device)
    assert figure is not None
    assert (figure.value, figure.reason) == (None, "what was read is no number")
    assert ledger.summary(ALL).total(bad.name).incomplete  # type: ignore[union-attr]
