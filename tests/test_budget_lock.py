"""Budgets while another process writes the ledger for long: no cell waits for it, none runs on because of it."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from budgeted import BUSY, Start, budget, kinds
from kernels import Kernel

from jupyter_costmeter.ledger.store import Ledger

#: Seconds for which it is written: far longer than a cell shall wait.
LONG_S = 8.0


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Another process writes meanwhile."""
    with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


@pytest.fixture
def warm(start: Start, home: Path) -> Kernel:
    """A kernel that has looked at a budget before."""
    budget(home, 1000.0)
    kernel = start()
    kernel.run(BUSY.format(1.2))
    kernel.flush()
    return kernel


def seconds(kernel: Kernel, code: str) -> float:
    began = time.monotonic()
    kernel.run(code)
    return time.monotonic() - began


def test_a_warning_keeps_no_cell_waiting_and_is_noted_later(
    warm: Kernel, home: Path, path: Path, written: Ledger
) -> None:
    budget(home, 1.5, warn=[0.5])
    with writing(path):
        assert seconds(warm, BUSY.format(1.2)) < LONG_S / 2
        assert "Budget quota" in warm.text
    warm.run(BUSY.format(1.2))
    warm.flush()
    assert kinds(written) == ["warned"]


def test_a_warning_that_waits_is_written_as_the_kernel_ends(
    warm: Kernel, home: Path, path: Path, written: Ledger
) -> None:
    budget(home, 1.5, warn=[0.5])
    with writing(path):
        warm.run(BUSY.format(1.2))
        assert kinds(written) == []
        warm.client.shutdown()
        time.sleep(1.0)
    ends = time.monotonic() + 20
    while warm.manager.is_alive() and time.monotonic() < ends:
        time.sleep(0.1)
    assert kinds(written) == ["warned"]


def test_a_cell_is_stopped_at_the_limit_all_the_same(warm: Kernel, home: Path, path: Path, written: Ledger) -> None:
    budget(home, 4.0, hold="stop")
    with writing(path):
        assert seconds(warm, BUSY.format(30)) < LONG_S
        assert "KeyboardInterrupt" in warm.text
        assert "This cell was interrupted" in warm.text
    warm.run("%cost budget")
    warm.flush()
    assert "stopped" in kinds(written)


def test_a_refusal_does_not_wait(warm: Kernel, home: Path, path: Path) -> None:
    budget(home, 0.5, hold="ask")
    with writing(path):
        assert seconds(warm, "print('ran')") < LONG_S / 2
        assert "BudgetHold" in warm.text


def test_a_child_of_ours_that_writes_is_not_waited_for(warm: Kernel, home: Path, path: Path) -> None:
    """The lock that a look holds is let go, so that the panel is answered, too."""
    budget(home, 1.5, warn=[0.5])
    with writing(path):
        warm.start(BUSY.format(3))
        asked = threading.Thread(target=lambda: warm.listen(lambda m: m["event"] == "running"))
        began = time.monotonic()
        asked.start()
        asked.join(LONG_S)
        assert time.monotonic() - began < LONG_S / 2
        warm.listen(lambda m: m["event"] == "closed")
