"""What a ledger survives: many processes at once, a slow disk, a lock, ``kill -9``, a folder that is read-only."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import golden
import pytest
from kernels import ALL, LOAD, Kernel, cells

from jupyter_costmeter.errors import LedgerUnwritable
from jupyter_costmeter.ledger import file, open_ledger
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.ledger.writer import Writer
from jupyter_costmeter.overhead import Overhead
from jupyter_costmeter.record import CellRecord

SESSION = golden.SESSION


def record(seq: int) -> CellRecord:
    return replace(golden.FIRST, id=f"r{seq}", seq=seq, started_at=1.79e9 + seq)


def script(home: Path, text: str, *words: str) -> subprocess.Popen[str]:
    """A Python program that meters itself."""
    (home / "work.py").write_text(text)
    command = [sys.executable, "work.py", *words]
    return subprocess.Popen(command, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def assert_sound(ledger: Ledger) -> None:
    """The file, its references and its derived tables."""
    assert ledger.check() == []
    with sqlite3.connect(ledger.path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()


# Two hundred processes

#: One process imports, two hundred are made of it, and begin at once when the pipe is closed.
CROWD = """
import gc, os, sys
import jupyter_costmeter.measuring, jupyter_costmeter.ledger.store
from jupyter_costmeter.ledger.writer import Writer
_flush = Writer.flush
Writer.flush = lambda self, timeout_s: _flush(self, 150.0)  # two hundred on two cores take a while to end
gc.freeze()
go, opened = os.pipe()
children = []
for number in range(200):
    child = os.fork()
    if child == 0:
        os.close(opened)
        os.read(go, 1)  # until the parent closes its end
        for i in range(5):
            with jupyter_costmeter.measure(f"{number}-{i}"):
                with jupyter_costmeter.measure("inner"):
                    pass
        sys.exit()  # as any script ends
    children.append(child)
print(len(children), flush=True)
os.close(opened)
failed = sum(os.waitpid(child, 0)[1] != 0 for child in children)
print(failed)
os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="os.fork is not there")
def test_two_hundred_processes_at_once_lose_and_double_nothing(home: Path, ledger: Ledger) -> None:
    crowd = script(home, CROWD)
    out, err = crowd.communicate(timeout=200)
    assert err == ""
    assert out.split() == ["200", "0"]
    labels = [str(r.label) for r in cells(ledger)]
    assert labels.count("inner") == 1000
    assert sorted(x for x in labels if x != "inner") == sorted(f"{n}-{i}" for n in range(200) for i in range(5))
    found = ledger.summary(ALL)
    assert (found.cells, found.sessions) == (1000, 200)
    assert_sound(ledger)


# A slow disk

#: Each commit takes so long, as on a file server: the thread waits with the interpreter's lock released.
SLOW = """
import os, time
import sqlalchemy
from jupyter_costmeter.ledger import file
_engine = file.engine
def engine(*args, **more):
    made = _engine(*args, **more)
    sqlalchemy.event.listen(made, "commit", lambda connection: wait())
    return made
file.engine = engine
def wait():
    time.sleep({seconds})
"""
BLOCKED = SLOW + "\ndef wait():\n    while not os.path.exists('go'): time.sleep(0.01)\n"


def test_no_cell_waits_for_a_disk_that_does_not_answer(
    start_kernel: Callable[..., Kernel], home: Path, ledger: Ledger
) -> None:
    """Not timed: the cells end while the first write has not."""
    kernel = start_kernel(load=False)
    kernel.run(f"import os; os.chdir({str(home)!r})\n" + BLOCKED.format(seconds=0), silent=True)
    kernel.run(LOAD, silent=True)
    for i in range(8):
        kernel.run("1", f"cell-{i}")
    assert not kernel.value("get_ipython().costmeter.session.flush(0.5)")
    ok, waiting, message = kernel.value(
        "(lambda s: (s.ok, s.waiting, s.message))(get_ipython().costmeter.session.ledger)"
    )
    assert not ok
    assert waiting >= 8
    assert "has not taken them in 0.5 s" in message
    assert ledger.summary(ALL).cells == 0
    (home / "go").touch()
    kernel.flush()
    ids = [r.cell_id for r in cells(ledger)]
    assert [i for i in ids if i] == [f"cell-{i}" for i in range(8)]


WORK = """
import jupyter_costmeter
for i in range(5):
    with jupyter_costmeter.measure(f"block {i}"):
        time.sleep(0.05)
"""


def test_a_process_with_a_disk_of_two_seconds_a_write_saves_all_before_it_ends(home: Path, ledger: Ledger) -> None:
    out, err = script(home, SLOW.format(seconds=2) + WORK).communicate(timeout=60)
    assert (out, err) == ("", "")
    assert [r.label for r in cells(ledger)] == [f"block {i}" for i in range(5)]


#: At its end a process waits ten seconds; this one waits one.
HASTY = """
from jupyter_costmeter.ledger.writer import Writer
_flush = Writer.flush
Writer.flush = lambda self, timeout_s: _flush(self, min(timeout_s, 1.0))
"""


def test_a_process_whose_disk_never_answers_ends_and_says_what_is_lost(home: Path, ledger: Ledger) -> None:
    out, err = script(home, BLOCKED.format(seconds=0) + HASTY + WORK).communicate(timeout=60)
    assert out == ""
    assert str(ledger.path) in err
    lost = re.search(r"not saved: (\d+)", err)
    assert lost is not None
    assert int(lost[1]) >= 5  # with what lay between the blocks
    assert "Traceback" not in err
    assert list(ledger.records(ALL)) == []


# A lock


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process is in the middle of a write."""
    holder = sqlite3.connect(path, isolation_level=None, timeout=30)
    holder.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        holder.execute("ROLLBACK")
        holder.close()


def test_a_lock_costs_no_record_and_no_reader(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "BUSY_S", 0.05)
    ledger.append(SESSION, [record(1)])
    writer = Writer(ledger.path, SESSION, Overhead())
    with locked(ledger.path):
        writer.append([record(2)])
        assert not writer.flush(0.5)
        assert not writer.state.ok
        assert writer.state.waiting == 1
        assert ledger.summary(ALL).cells == 1
    assert writer.flush(20)
    assert writer.state.ok
    assert [r.seq for r in ledger.records(ALL)] == [1, 2]


def test_a_flush_tries_until_its_time_is_over(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite itself gives up at once here, as it does where waiting could mean a deadlock."""
    monkeypatch.setattr(file, "BUSY_S", 0)
    ledger.append(SESSION, [record(1)])
    writer = Writer(ledger.path, SESSION, Overhead())
    flushed: list[bool] = []
    with locked(ledger.path):
        writer.append([record(2)])
        waiting = threading.Thread(target=lambda: flushed.append(writer.flush(60)))
        waiting.start()
        waiting.join(0.5)
        assert flushed == []
    waiting.join()
    assert flushed == [True]
    assert [r.seq for r in ledger.records(ALL)] == [1, 2]


def test_what_waits_is_tried_again_though_nothing_more_comes(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "BUSY_S", 0)
    monkeypatch.setattr("jupyter_costmeter.ledger.writer.AGAIN_S", 0.1)
    ledger.append(SESSION, [record(1)])
    writer = Writer(ledger.path, SESSION, Overhead())
    with locked(ledger.path):
        writer.append([record(2)])
        until(lambda: not writer.state.ok)
        assert "another process" in (writer.state.message or "")
    until(lambda: writer.state.ok)
    assert [r.seq for r in ledger.records(ALL)] == [1, 2]


def test_a_record_that_comes_while_its_journal_waits_for_the_file_ends_it(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script's: its first tick waits for SQLAlchemy to load, and it ends meanwhile."""
    begun, may = threading.Event(), threading.Event()

    def slow(path: Path) -> Ledger:
        begun.set()
        assert may.wait(20)
        return open_ledger(path)

    monkeypatch.setattr("jupyter_costmeter.ledger.writer.open_ledger", slow)
    writer = Writer(ledger.path, SESSION, Overhead())
    writer.journal([record(1), record(2)])
    assert begun.wait(20)  # it has its work, without the record
    writer.append([record(1)])
    may.set()
    assert writer.flush(20)
    writer.journal([record(1)])  # a tick that looked before the end, and came after it
    writer.journal([record(3)])
    assert writer.flush(20)
    assert [r.id for _, r in ledger.open_windows()] == [record(n).id for n in (2, 3)]
    assert [r.seq for r in ledger.records(ALL)] == [1]


def until(happens: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not happens():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_process_that_ends_while_another_writes_saves_all(home: Path, ledger: Ledger) -> None:
    ledger.append(SESSION, [])
    patient = "from jupyter_costmeter.ledger import file; file.BUSY_S = 0; import time\n"
    with locked(ledger.path):
        ends = script(home, patient + WORK + "print('at its end', flush=True)\n")
        assert ends.stdout is not None
        ends.stdout.readline()
        with pytest.raises(subprocess.TimeoutExpired):
            ends.wait(1)  # it waits for the lock
    _, err = ends.communicate(timeout=60)
    assert err == ""
    assert [r.label for r in cells(ledger)] == [f"block {i}" for i in range(5)]


# kill -9

#: Says what is in the file, as fast as it can.
TELLING = """
import jupyter_costmeter, itertools
from jupyter_costmeter import current
for i in itertools.count():
    with jupyter_costmeter.measure(f"{i}"):
        pass
    if current.current().flush(20):
        print(i, flush=True)
"""


def test_kill_9_at_any_moment_loses_nothing_that_was_saved(home: Path, ledger: Ledger) -> None:
    chance = random.Random(7)
    for _ in range(5):
        victim = script(home, TELLING)
        assert victim.stdout is not None
        told = [int(victim.stdout.readline())]
        time.sleep(chance.uniform(0.0, 0.4))
        victim.send_signal(signal.SIGKILL)
        told += [int(line) for line in victim.communicate()[0].split()]
        newest = ledger.latest(ALL, 1)[0].session_id
        own = [r.label for r in cells(ledger) if r.session_id == newest]
        assert own == [str(i) for i in range(len(own))]
        assert max(told) < len(own) <= max(told) + 2
    assert_sound(ledger)


# A folder in which nothing can be written

#: Root may write anywhere, so it becomes nobody, once all is imported.
READ = """
import json, os, sys
from pathlib import Path
import jupyter_costmeter.ledger.store, encodings.idna
from jupyter_costmeter.errors import LedgerError
from jupyter_costmeter.ledger import Selection, open_ledger
if os.getuid() == 0:
    os.setgid(65534); os.setuid(65534)
ledger = open_ledger(Path(sys.argv[1]))
everything, found = Selection("all"), {"writable": os.access(ledger.path.parent, os.W_OK)}
for name, ask in {
    "cells": lambda: ledger.summary(everything).cells,
    "read": lambda: [r.seq for r in ledger.records(everything)],
    "dearest": lambda: len(ledger.dearest(everything, 5)),
    "orphans": lambda: ledger.close_orphans(),
    "written": lambda: ledger.append(next(iter(ledger.sessions(everything))), []),
}.items():
    try:
        found[name] = ask()
    except LedgerError as error:
        found[name] = type(error).__name__
print(json.dumps(found))
"""


@pytest.fixture
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that another user may look into, but not write to."""
    folder = Path("/var/tmp" if os.access("/var/tmp", os.W_OK) else "/tmp") / f"costmeter-test-{os.getpid()}"
    folder.mkdir(mode=0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def read_only(folder: Path) -> dict[str, object]:
    for path in folder.iterdir():
        path.chmod(0o444)
    folder.chmod(0o555)
    done = subprocess.run(
        [sys.executable, "-c", READ, str(folder / "l # 1%.sqlite")], capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="a folder's permissions are other ones on Windows")
def test_a_ledger_in_a_read_only_folder_can_be_read(closed: Path) -> None:
    """SQLite itself cannot: a WAL needs files beside it."""
    ledger = open_ledger(closed / "l # 1%.sqlite")
    ledger.append(SESSION, [record(1), record(2)])
    ledger.close()
    assert [p.name for p in closed.iterdir()] == ["l # 1%.sqlite"]
    found = read_only(closed)
    assert found == {
        "writable": False,
        "cells": 2,
        "read": [1, 2],
        "dearest": 2,
        "orphans": 0,
        "written": "LedgerUnwritable",
    }


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="a folder's permissions are other ones on Windows")
def test_it_can_be_read_while_its_owner_writes(closed: Path) -> None:
    ledger = open_ledger(closed / "l # 1%.sqlite")
    ledger.append(SESSION, [record(1)])
    assert len(list(closed.iterdir())) == 3  # with what is not in the main file yet
    assert read_only(closed)["read"] == [1]
    ledger.close()


def test_a_broken_ledger_that_cannot_be_put_aside_is_said(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.append(SESSION, [record(1)])
    ledger.close()
    ledger.path.write_bytes(b"this is not a ledger\n" * 50)

    def refused(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(file, "put_aside", refused)
    with pytest.raises(LedgerUnwritable, match="Permission denied"):
        ledger.summary(ALL)
