"""A merge that goes wrong in the middle leaves the ledger as it was, and the next one does all of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from merged_ledgers import SAID, held, made, merged
from shell import cell, session

from jupyter_costmeter import merging
from jupyter_costmeter.errors import LedgerUnwritable, UsageError
from jupyter_costmeter.ledger import file, open_ledger
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.record import CellRecord

INFO, OTHER = session("aaa1", "/home/ada/paper/train.ipynb"), session("bbb2", "/home/ada/paper/x.ipynb")


def ledgers(folder: Path, count: int = 6) -> tuple[Path, list[Path]]:
    """One that holds something, and two to take."""
    into = made(folder / "into", (INFO, [cell(INFO, 1)]))
    found = [
        made(folder / "one", (INFO, [cell(INFO, n) for n in range(count)])),
        made(folder / "two", (OTHER, [cell(OTHER, n) for n in range(count)])),
    ]
    ledger = open_ledger(found[1])
    ledger.tag(SAID)
    ledger.close()
    return into, found


WRITES = ("append", "add")
READS = ("of_ids", "same_tags", "events", "every_session")


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 25), st.sampled_from([KeyboardInterrupt, SystemExit, MemoryError]), st.booleans())
def test_an_interrupt_at_any_step_leaves_it_as_it_was(at: int, error: type[BaseException], new: bool) -> None:
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        into, sources = ledgers(Path(name))
        into = Path(name) / "new" if new else into
        before, steps = None if new else held(into), [0]
        for method in (*WRITES, *READS):
            patch.setattr(Ledger, method, _failing(getattr(Ledger, method), steps, at, error))
        patch.setattr(merging, "BATCH", 2)
        try:
            merged(into, *sources)
        except error:
            patch.undo()
            assert into.exists() is not new
            assert before == (None if new else held(into))
            assert merged(into, *sources).ok
        patch.undo()
        assert {"aaa1-5", "bbb2-5"} < set(held(into)["records"])
        assert held(into)["check"] == []


def _failing(real: Callable[..., Any], steps: list[int], at: int, error: type[BaseException]) -> Callable[..., Any]:
    def method(*asked: Any, **more: Any) -> Any:
        steps[0] += 1
        if steps[0] == at + 1:
            raise error
        found = real(*asked, **more)
        if steps[0] == at:
            raise error  # it has done its part
        return found

    return method


KILLED = """
import os, signal, sys
from pathlib import Path
from jupyter_costmeter import merging
def bar(records, *_):
    for n, record in enumerate(records):
        if n == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        yield record
merging.BATCH = 2
merging.merge(Path(sys.argv[1]), [Path(one) for one in sys.argv[2:]], bar)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")
def test_kill_9_leaves_it_as_it_was(tmp_path: Path) -> None:
    into, sources = ledgers(tmp_path)
    before = held(into)
    ran = subprocess.run([sys.executable, "-c", KILLED, str(into), *map(str, sources)], check=False, timeout=60)
    assert ran.returncode == -signal.SIGKILL
    assert held(into) == before
    assert merged(into, *sources).ok


def test_a_full_disk_leaves_it_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    into, sources = ledgers(tmp_path, 400)
    before, real = held(into), file._set_up

    def small(connection: Any, record: Any) -> None:
        real(connection, record)
        connection.execute("PRAGMA max_page_count = 60")

    monkeypatch.setattr(file, "_set_up", small)
    with pytest.raises(LedgerUnwritable, match=r"into cannot be used \(database or disk is full\)"):
        merged(into, *sources)
    monkeypatch.undo()
    assert held(into) == before


def test_of_several_sources_none_is_taken_where_one_is_no_ledger(tmp_path: Path) -> None:
    into, sources = ledgers(tmp_path)
    before = held(into)
    (tmp_path / "text").write_text("no ledger" * 100)
    with pytest.raises(UsageError, match=r"text is no ledger, or broken .* nothing was taken"):
        merged(into, *sources, tmp_path / "text")
    assert held(into) == before
    with pytest.raises(UsageError):
        merged(tmp_path / "new", *sources, tmp_path / "text")
    assert not (tmp_path / "new").exists()


def test_no_temporary_folder_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    into, sources = ledgers(tmp_path)

    def full(**_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryDirectory", full)
    assert merged(into, *sources).ok


def test_a_source_that_begins_to_be_written_to_is_read_again(tmp_path: Path) -> None:
    into, sources = ledgers(tmp_path)
    begun: list[bool] = []

    def bar(records: Iterable[CellRecord], count: int | None = None, what: str = "") -> Iterator[CellRecord]:
        for record in records:
            if not begun and what == "merging two":
                made(sources[1], (OTHER, [cell(OTHER, 99)]))
                begun.append(True)
            yield record

    page = merging.merge(into, sources, bar)
    assert page.ok
    assert page.title.endswith(": 12 records taken")  # 5 of one, 7 of two: none twice
    assert "bbb2-99" in held(into)["records"]
    assert held(into)["check"] == []


def test_a_link_to_the_ledger_is_the_ledger(tmp_path: Path) -> None:
    into, _ = ledgers(tmp_path)
    os.link(into, tmp_path / "link")
    with pytest.raises(UsageError, match="is the ledger that is merged into"):
        merged(into, tmp_path / "link")
