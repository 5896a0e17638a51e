"""What waits for the lab's ledger: noted with each record and tag from the moment that sharing begins."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import golden
import pytest

from jupyter_costmeter.ledger import Share, open_ledger
from jupyter_costmeter.ledger.outbox import Waiting
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.tag import tags_of

HERE = "postgresql://db.lab.example/costmeter"
TAGS = tags_of("r1", {"category": "hpo"}, 1.79e9, "later", "ada", "host")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return open_ledger(tmp_path / "ledger.sqlite")


def write(ledger: Ledger, *numbers: int) -> None:
    ledger.append(golden.SESSION, [golden.record(number, 1.0, 2.0) for number in numbers])


def waiting(ledger: Ledger) -> list[str]:
    return [one.id for one in ledger.next_out(1000)]


def test_nothing_waits_where_nothing_is_shared(ledger: Ledger) -> None:
    assert ledger.share() is None
    assert ledger.next_out(10) == []
    assert not ledger.path.exists()
    write(ledger, 1, 2)
    assert ledger.share() is None
    assert waiting(ledger) == []


def test_what_is_written_from_then_on_waits_in_its_order(ledger: Ledger) -> None:
    write(ledger, 1)
    ledger.begin_share(HERE, 5.0)
    write(ledger, 3, 2)
    write(ledger, 3)  # once
    ledger.tag(TAGS)
    assert ledger.next_out(1000) == [
        Waiting(1, "record", "r3"),
        Waiting(2, "record", "r2"),
        Waiting(3, "tag", TAGS[0].id),
    ]
    assert ledger.share() == Share(HERE, 5.0, waiting=3)


def test_what_was_sent_waits_no_longer_and_what_failed_says_why(ledger: Ledger) -> None:
    ledger.begin_share(HERE, 5.0)
    write(ledger, 1, 2, 3)
    ledger.not_sent("it is away", 6.0)
    assert ledger.share() == Share(HERE, 5.0, waiting=3, tried_at=6.0, problem="it is away")
    ledger.sent(ledger.next_out(2), 7.0)
    assert ledger.share() == Share(HERE, 5.0, waiting=1, sent_at=7.0, tried_at=7.0)
    assert waiting(ledger) == ["r3"]
    write(ledger, 4)
    assert [one.number for one in ledger.next_out(9)] == [3, 4]  # a number is never given twice


def test_what_is_put_back_waits_behind_all(ledger: Ledger) -> None:
    ledger.begin_share(HERE, 5.0)
    write(ledger, 1, 2, 3)
    first = ledger.next_out(2)
    ledger.sent(first, 7.0, behind=first[:1])
    assert waiting(ledger) == ["r3", "r1"]


def test_the_record_of_a_cell_that_was_taken_for_killed_waits_again(ledger: Ledger) -> None:
    ledger.begin_share(HERE, 5.0)
    ledger.append(golden.SESSION, [golden.record(1, 1.0, 2.0).closed_as("killed")])
    ledger.sent(ledger.next_out(9), 6.0)
    write(ledger, 1)
    assert waiting(ledger) == ["r1"]


def test_another_address_gets_what_waits(ledger: Ledger) -> None:
    ledger.begin_share(HERE, 5.0)
    write(ledger, 1)
    ledger.begin_share("postgresql://elsewhere/costmeter", 9.0)
    assert ledger.share() == Share("postgresql://elsewhere/costmeter", 5.0, waiting=1)


def test_no_longer_shared_loses_nothing_that_waited(ledger: Ledger) -> None:
    ledger.begin_share(HERE, 5.0)
    write(ledger, 1)
    ledger.end_share()
    write(ledger, 2)
    assert ledger.share() is None
    ledger.begin_share(HERE, 9.0)
    assert waiting(ledger) == ["r1"]


def test_all_of_it_oldest_first(ledger: Ledger) -> None:
    write(ledger, 2, 1)
    ledger.tag(TAGS)
    ledger.begin_share(HERE, 5.0)
    write(ledger, 3)
    assert ledger.queue_all() == 4
    assert waiting(ledger) == ["r1", "r2", "r3", TAGS[0].id]


def test_a_vacuumed_file_keeps_its_queue(ledger: Ledger) -> None:
    ledger.begin_share(HERE, 5.0)
    write(ledger, 1, 2, 3)
    ledger.sent(ledger.next_out(2), 6.0)
    ledger.close()
    with sqlite3.connect(ledger.path) as connection:
        connection.execute("VACUUM")
    write(ledger, 4)
    assert waiting(ledger) == ["r3", "r4"]


def test_a_merged_ledger_is_sent_too(ledger: Ledger, tmp_path: Path) -> None:
    from jupyter_costmeter.merging import merge

    other = open_ledger(tmp_path / "other.sqlite")
    other.append(replace(golden.SESSION, id="s2"), [replace(golden.record(9, 1.0, 2.0), session_id="s2")])
    other.close()
    ledger.begin_share(HERE, 5.0)
    ledger.close()
    merge(ledger.path, [other.path])
    assert waiting(ledger) == ["r9"]
