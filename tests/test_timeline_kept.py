"""A timeline that is kept between two looks is the one that is read anew, whatever has come, and in which order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import golden
import pytest
from timelines import AT, gap, run

from jupyter_costmeter import timeline_kept
from jupyter_costmeter.ledger import Selection, open_ledger
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.record import CellRecord
from jupyter_costmeter.timeline import Timeline, timeline
from jupyter_costmeter.timeline_kept import Kept

ALL = Selection("all")


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline_kept, "LATE", 5)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """From which mark on the ledger was read."""
    found: list[int] = []

    def along(self: Ledger, selection: Selection, last: int | None = None, beyond: int = 0) -> Iterator[CellRecord]:
        found.append(beyond)
        return original(self, selection, last, beyond)

    original = Ledger.along
    monkeypatch.setattr(Ledger, "along", along)
    return found


def looked(kept: Kept, ledger: Ledger, *now: CellRecord) -> Timeline | None:
    with ledger.at_once():
        return kept.timeline(ledger, now)


def anew(ledger: Ledger, *now: CellRecord) -> Timeline:
    records = sorted([*ledger.along(ALL), *now], key=lambda record: record.started_at)
    return timeline(records, {record.id for record in now})


def runs(first: int, beyond: int) -> list[CellRecord]:
    return [run(seq, 10 * seq, 5, 100.0 + seq) for seq in range(first, beyond)]


def test_only_what_is_new_is_read(ledger: Ledger, reads: list[int]) -> None:
    kept = Kept(ALL)
    ledger.append(golden.SESSION, runs(0, 30))
    first = looked(kept, ledger)
    assert looked(kept, ledger) is first
    ledger.append(golden.SESSION, runs(30, 33))
    found = looked(kept, ledger)
    assert reads == [0, 30]
    assert found == anew(ledger) != first


def test_what_came_elsewhere_changes_nothing(ledger: Ledger) -> None:
    kept = Kept(Selection("session", "s1"))
    ledger.append(golden.SESSION, runs(0, 30))
    first = looked(kept, ledger)
    other = replace(golden.SESSION, id="s2")
    ledger.append(other, [replace(run(31, 310, 5), id="x31", session_id="s2")])
    assert looked(kept, ledger) is first


def test_what_runs_is_no_part_of_what_is_kept(ledger: Ledger) -> None:
    kept = Kept(ALL)
    ledger.append(golden.SESSION, runs(0, 30))
    before, now = looked(kept, ledger), run(40, 400, 3, 900.0)
    found = looked(kept, ledger, now)
    assert found == anew(ledger, now)
    assert found
    assert found.whole["cell"].running == 1
    assert looked(kept, ledger) == before


def test_one_that_began_long_before_is_not_known(ledger: Ledger) -> None:
    """It runs in another kernel, and others have come and gone since."""
    kept = Kept(ALL)
    ledger.append(golden.SESSION, runs(0, 30))
    assert looked(kept, ledger, run(40, 25, 300, 900.0)) is None
    assert looked(kept, ledger) == anew(ledger)


@pytest.mark.parametrize("at", [285.0, 12.0])  # among the newest; long before
def test_one_that_comes_late_is_at_its_place(ledger: Ledger, at: float) -> None:
    kept = Kept(ALL)
    ledger.append(golden.SESSION, runs(0, 30))
    looked(kept, ledger)
    ledger.append(golden.SESSION, [gap(28, at, 4)])
    assert looked(kept, ledger) == anew(ledger)


def test_one_that_was_taken_for_killed_comes_back(ledger: Ledger) -> None:
    kept, lost = Kept(ALL), run(3, 30, 5, 103.0)
    ledger.append(golden.SESSION, [*runs(0, 3), replace(lost, outcome="killed"), *runs(4, 30)])
    found = looked(kept, ledger)
    assert found
    assert found.whole["cell"].failed == 1
    ledger.append(golden.SESSION, [lost])
    found = looked(kept, ledger)
    assert found == anew(ledger)
    assert found
    assert (found.whole["cell"].failed, found.whole["cell"].runs) == (0, 30)


def test_another_file_is_read_anew(ledger: Ledger, tmp_path: Path) -> None:
    kept = Kept(ALL)
    ledger.append(golden.SESSION, runs(0, 30))
    looked(kept, ledger)
    other = open_ledger(tmp_path / "another.sqlite")
    other.append(golden.SESSION, [run(seq, seq, 1.0, 7.0) for seq in range(40)])
    assert looked(kept, other) == anew(other)
    other.close()


def test_no_ledger_yet(ledger: Ledger) -> None:
    kept = Kept(ALL)
    assert not looked(kept, ledger)
    ledger.append(golden.SESSION, runs(0, 2))
    found: Any = looked(kept, ledger)
    assert found.start == AT
