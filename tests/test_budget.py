"""What a verdict says of a budget: shares, thresholds, states, pace, and which budgets a notebook counts in."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter.budget import (
    EXTENSION,
    Budget,
    Verdict,
    applying,
    burn,
    extension,
    thresholds,
    tightest,
)
from jupyter_costmeter.errors import UsageError
from jupyter_costmeter.periods import Period
from jupyter_costmeter.record import Total

WEEK = Budget("b1", "gpu_hours", 20.0, "project", "/lab/paper", Period("week"))


def verdict(spent: float | None, granted: float = 0.0, **changed: Any) -> Verdict:
    total = Total("gpu_hours", "GPU-h", spent, "measured" if spent is not None else None, None, 0, None)
    return Verdict(replace(WEEK, **changed), 0.0, 100.0, total, granted)


@pytest.mark.parametrize(
    ("spent", "share", "left", "crossed", "state"),
    [
        (0.0, 0.0, 20.0, None, "ok"),
        (9.99, 0.4995, 10.01, None, "ok"),
        (10.0, 0.5, 10.0, 0.5, "ok"),
        (16.0, 0.8, 4.0, 0.8, "near"),
        (20.0, 1.0, 0.0, 1.0, "over"),
        (25.0, 1.25, 0.0, 1.0, "over"),
        (None, None, None, None, "unknown"),
    ],
)
def test_where_a_budget_stands(
    spent: float | None, share: float | None, left: float | None, crossed: float | None, state: str
) -> None:
    one = verdict(spent)
    assert (one.share, one.crossed, one.state) == (share, crossed, state)
    assert one.left == (None if left is None else pytest.approx(left))


def test_nothing_spent_of_nothing_is_all_of_it() -> None:
    assert (verdict(0.0, limit=0.0).share, verdict(0.0, limit=0.0).state) == (1.0, "over")
    assert verdict(0.1, limit=0.0).share == inf


def test_an_extension_raises_the_limit_and_leaves_the_thresholds() -> None:
    one = verdict(21.0, granted=2.0)
    assert (one.limit, one.left, one.crossed) == (22.0, 1.0, 1.0)
    assert one.state == "near"
    assert not replace(one, budget=replace(WEEK, hold="ask")).holds


@pytest.mark.parametrize(
    ("hold", "paused", "holds"), [("warn", False, False), ("ask", False, True), ("stop", True, False)]
)
def test_what_holds_at_the_limit(hold: str, paused: bool, holds: bool) -> None:
    assert verdict(20.0, hold=hold, paused=paused).holds == holds
    assert not verdict(19.0, hold=hold, paused=paused).holds


def test_what_is_not_known_holds_nobody() -> None:
    assert not verdict(None, hold="stop").holds


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(1e-6, 1e6))
def test_after_an_extension_a_tenth_is_left(spent: float, granted: float, limit: float) -> None:
    one = verdict(spent, granted, limit=limit, hold="ask")
    more = extension(one)
    after = replace(one, granted=granted + more)
    assert after.limit >= spent
    assert after.left is not None
    assert after.left >= EXTENSION * limit * 0.99 - 1e-6


def test_a_cap_and_a_budget_of_nothing_are_not_extended() -> None:
    assert extension(verdict(30.0, cap=True)) == 0.0
    assert extension(verdict(30.0, limit=0.0)) == 0.0


def test_the_tightest_is_known_and_not_paused() -> None:
    some = [verdict(None), verdict(18.0), verdict(19.0, paused=True), verdict(3.0)]
    assert tightest(some) == some[1]
    assert tightest([verdict(None)]) is None


def test_the_pace_says_when_it_is_spent() -> None:
    day = 86400.0
    found = burn(10.0, 20.0, 0.0, 7 * day, 2 * day)
    assert found is not None
    assert (found.per_day, found.ends_at) == (5.0, 4 * day)
    slow = burn(1.0, 20.0, 0.0, 7 * day, 2 * day)
    assert slow is not None
    assert slow.ends_at is None  # the period ends first
    still = burn(0.0, 20.0, 0.0, 7 * day, 2 * day)
    assert still is not None
    assert (still.per_day, still.ends_at) == (0.0, None)


@pytest.mark.parametrize(
    ("spent", "start", "now"), [(None, 0.0, 5.0), (1.0, 5.0, 5.0), (1.0, 6.0, 5.0), (1.0, -inf, 5.0)]
)
def test_no_pace_of_what_has_no_beginning(spent: float | None, start: float, now: float) -> None:
    assert burn(spent, 20.0, start, inf, now) is None


@pytest.mark.parametrize(
    ("scope", "key", "counts"),
    [
        ("user", None, True),
        ("project", "/lab/paper", True),
        ("project", "/lab", True),
        ("project", "/lab/pap", False),
        ("project", "/lab/paper/deep", False),
        ("project", "/", True),
        ("notebook", "/lab/paper/a.ipynb", True),
        ("notebook", "/lab/paper/b.ipynb", False),
        ("session", None, True),
        ("session", "/lab/paper/a.ipynb", True),
        ("session", "/lab", True),
        ("session", "/other", False),
    ],
)
def test_which_budgets_a_notebook_counts_in(scope: Any, key: str | None, counts: bool) -> None:
    one = replace(WEEK, scope=scope, key=key)
    assert applying([one], "/lab/paper/a.ipynb", "/lab/paper") == ([one] if counts else [])


@pytest.mark.parametrize("said", [[0.5, 0.8, 1.0], [0.9], 0.5, [1, 1.2], [], (0.5, 10)])
def test_thresholds(said: object) -> None:
    parts = said if isinstance(said, (list, tuple)) else [said]
    assert thresholds(said) == tuple(map(float, parts))


@pytest.mark.parametrize(
    "said", [[0.8, 0.5], [0.5, 0.5], [0.0], [-1], [11], ["50"], [True], [float("nan")], "50", [50]]
)
def test_what_is_no_threshold(said: object) -> None:
    with pytest.raises(UsageError, match="it wants ascending parts of the limit"):
        thresholds(said)


def test_a_span_that_is_over_or_has_not_begun_neither_warns_nor_holds() -> None:
    over = replace(verdict(20.0, hold="stop"), current=False)
    assert (over.state, over.crossed, over.holds, tightest([over])) == ("over", None, False, None)
    assert replace(over, current=True).holds
