"""A ledger that is changed in one go is changed as a whole, or not at all."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from shell import cell, session

from jupyter_costmeter.ledger import Selection, open_ledger
from jupyter_costmeter.ledger.whole import Whole
from jupyter_costmeter.tag import tags_of

ALL = Selection("all")
INFO = session("aaa1", "/home/ada/paper/train.ipynb")
SAID = tags_of("aaa1-1", {"category": "hpo"}, 1.7e9, "later", "ada", "host", "1#")


@pytest.fixture
def ledger(tmp_path: Path) -> Whole:
    return Whole(tmp_path / "l.sqlite")


def ids(path: Path) -> set[str]:
    ledger = open_ledger(path)
    found = {record.id for record in ledger.records(ALL)}
    assert ledger.check() == []
    ledger.close()
    return found


def test_others_see_it_when_it_is_done(ledger: Whole) -> None:
    ledger.append(INFO, [cell(INFO, 1)])
    with ledger.in_one():
        ledger.append(INFO, [cell(INFO, 2)])
        ledger.tag(SAID)
        assert ledger.count(ALL) == 2  # it sees itself
        assert ids(ledger.path) == {"aaa1-1"}
    assert ids(ledger.path) == {"aaa1-1", "aaa1-2"}
    ledger.append(INFO, [cell(INFO, 3)])
    assert ids(ledger.path) == {"aaa1-1", "aaa1-2", "aaa1-3"}


def test_what_fails_leaves_nothing(ledger: Whole) -> None:
    ledger.append(INFO, [cell(INFO, 1)])
    other = session("bbb2", "/home/ada/paper/x.ipynb")
    with pytest.raises(KeyboardInterrupt), ledger.in_one():
        ledger.append(other, [cell(other, 1)])
        raise KeyboardInterrupt
    assert ids(ledger.path) == {"aaa1-1"}
    ledger.append(other, [cell(other, 2)])  # it must not think that it knows that session
    assert ids(ledger.path) == {"aaa1-1", "bbb2-2"}
    ledger.close()


def test_a_file_that_was_only_begun_is_gone(ledger: Whole) -> None:
    with pytest.raises(ZeroDivisionError), ledger.in_one():
        ledger.append(INFO, [cell(INFO, 1)])
        raise ZeroDivisionError
    assert list(ledger.path.parent.iterdir()) == []
    ledger.append(INFO, [cell(INFO, 1)])
    assert ids(ledger.path) == {"aaa1-1"}
    ledger.close()


def test_others_wait_with_what_they_write(ledger: Whole) -> None:
    ledger.append(INFO, [cell(INFO, 1)])
    with ledger.in_one():
        writer = threading.Thread(target=lambda: open_ledger(ledger.path).append(INFO, [cell(INFO, 2)]))
        writer.start()
        writer.join(0.2)
        assert writer.is_alive()
    writer.join(10)
    assert ids(ledger.path) == {"aaa1-1", "aaa1-2"}
    ledger.close()
