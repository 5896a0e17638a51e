"""What came of budgets is written once, whoever of many comes first."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from math import inf

import pytest

from jupyter_costmeter.budget import BudgetEvent, Happening
from jupyter_costmeter.ledger import open_ledger
from jupyter_costmeter.ledger.store import Ledger

NOW = 1.79e9
WEEK = NOW - 3 * 86400.0


def event(number: int, kind: Happening = "warned", at: float = NOW, **more: object) -> BudgetEvent:
    base = BudgetEvent(
        f"e{number}", "b1", kind, at, "s1", "ada", "box", "cell-1", 0.8, 16.2, 20.0, 0.0, "GPU-h", "81 % of 20 GPU-h"
    )
    return replace(base, **more)  # type: ignore[arg-type]


def test_what_is_noted_is_read_back_as_it_was(ledger: Ledger) -> None:
    noted = [event(1), event(2, "extended", NOW + 1, threshold=None, spent=None, amount=2.0, cell_id=None)]
    assert [ledger.log(one, WEEK) for one in reversed(noted)] == [True, True]
    assert ledger.events(-inf) == noted
    assert ledger.events(NOW + 0.5) == noted[1:]


@pytest.mark.parametrize(
    ("other", "again"),
    [
        (event(2, at=NOW + 60), False),
        (event(2, session_id="s2", host="gpu07", spent=19.0, cell_id=None), False),
        (event(2, threshold=1.0), True),
        (event(2, budget_id="b2"), True),
        (event(2, limit=30.0), True),
        (event(2, "extended"), True),
        (event(1, "extended"), False),
    ],
)
def test_a_warning_comes_once_of_a_budget_threshold_and_limit(ledger: Ledger, other: BudgetEvent, again: bool) -> None:
    ledger.log(event(1), WEEK)
    assert ledger.log(other, WEEK) is again
    assert len(ledger.events(-inf)) == 1 + again


def test_in_the_next_period_it_comes_again(ledger: Ledger) -> None:
    ledger.log(event(1), WEEK)
    later = event(2, at=NOW + 7 * 86400)
    assert ledger.log(later, WEEK + 7 * 86400)
    assert [one.id for one in ledger.events(WEEK + 7 * 86400)] == ["e2"]


def test_of_many_kernels_one_warns(ledger: Ledger) -> None:
    ledger.log(event(0, "refused"), WEEK)  # the file is there

    def warn(number: int) -> bool:
        own = open_ledger(ledger.path)
        noted = own.log(event(number, session_id=f"s{number}"), -inf)
        own.close()
        return noted

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(warn, range(1, 17))) == [False] * 15 + [True]
    assert [one.kind for one in ledger.events(-inf)].count("warned") == 1


def test_where_each_session_has_its_own_budget_each_is_warned_once(ledger: Ledger) -> None:
    assert ledger.log(event(1), WEEK, by_session=True)
    assert ledger.log(event(2, session_id="s2"), WEEK, by_session=True)
    assert not ledger.log(event(3), WEEK, by_session=True)
