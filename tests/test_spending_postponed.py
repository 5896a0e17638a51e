"""What came of budgets while the ledger could not be written, and is written later."""

from __future__ import annotations

import os
from math import inf
from pathlib import Path

from budget_cases import HOUR, NOW, Make, budget, event


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
