"""What came of budgets while the ledger could not be written, and is written later."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import closing
from math import inf
from pathlib import Path

import pytest
from budget_cases import HOUR, NOW, Make, budget, event

from jupyter_costmeter.ledger import file


def test_each_is_written_as_it_was_asked(make: Make, ledger_path: Path) -> None:  # noqa: F811
    """Not by the period, nor by the session, of the event that finds the ledger again."""
    ledger_path.mkdir(parents=True)
    of, each = make("s1"), budget(scope="session", key=None, per="session")
    assert of.log(event(each, "warned", NOW - 2 * HOUR, 1, session_id="s1"), NOW - 3 * HOUR, by_session=True)
    assert of.log(event(each, "warned", NOW - 2 * HOUR, 2, session_id="s2"), NOW - 3 * HOUR, by_session=True)
    assert of.log(event(budget(), "warned", NOW - 2 * HOUR, 3), NOW - 3 * HOUR)
    assert of.log(event(budget(), "warned", NOW, 4), NOW - HOUR)  # in the next period
    os.rmdir(ledger_path)
    assert of.log(event(budget("kwh"), "warned", NOW, 5), -inf)
    assert [one.id for one in make().events(-inf)] == ["e1", "e2", "e3", "e4", "e5"]


def test_as_a_process_ends_they_are_tried_while_another_one_writes(
    make: Make, ledger_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file, "BUSY_S", 0)
    of = make("s1")
    assert of.log(event(budget(), "extended", NOW, 1), -inf)
    with closing(sqlite3.connect(ledger_path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert of.log(event(budget(), "refused", NOW, 2), -inf)
        assert not of.flush(0.1)
        free = threading.Timer(0.5, other.execute, ["ROLLBACK"])
        free.start()
        assert of.flush(20)
        free.join()
    assert [one.id for one in make().events(-inf)] == ["e1", "e2"]


def test_what_no_waiting_helps_is_not_waited_for(make: Make, ledger_path: Path) -> None:
    ledger_path.mkdir(parents=True)
    of, began = make("s1"), time.monotonic()
    of.log(event(budget(), "refused", NOW, 1), -inf)
    assert not of.flush(20)
    assert time.monotonic() - began < 10
