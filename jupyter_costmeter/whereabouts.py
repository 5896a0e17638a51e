"""Where a budget went: what was used of it by cell, notebook, day and so on, in its own measure.

The rows add up to what the budget has spent: what still runs is a row of its own, and what lies between cells, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from . import amounts
from .bins import Window, lies_in
from .budget import Budget, Verdict
from .record import CellRecord, SessionInfo, Total
from .spending import budget_selection
from .uses import WANTED, By, Use, Using, Went

if TYPE_CHECKING:
    from .conditions import Book
    from .ledger.store import Ledger
    from .recent import Reader

#: What is in the journal, by its bucket.
RUNNING = {"cell": "running now", "held_idle": "held idle now"}


@dataclass(frozen=True, slots=True)
class Line:
    """One row: what it is, and how much of the budget's measure; ``share`` is of all (0 to 1), if it is known."""

    went: Went
    amount: Total
    share: float | None


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where it went: the lines, of days in their order, else the greatest first.

    Args:
        total: of all lines.
    """

    by: By
    lines: tuple[Line, ...]
    total: Total


def whereabouts(ledger: Ledger, verdict: Verdict, by: By, book: Book | None, session_id: str | None) -> Whereabouts:
    """Where a budget's period went.

    ``book`` (the conditions of now) is only of use where the budget's measure needs costs; ``session_id`` says which
    session a budget of each session is asked of.

    Raises:
        LedgerError: it cannot be read.
    """
    budget, window = verdict.budget, window_of(verdict, session_id)
    book = book if amounts.needs_costs(budget.measure) else None
    hourly_before = -inf if book is None else book.changed_at
    with ledger.at_once():
        found = ledger.went(*window, by, budget.period.zone, hourly_before)
        found += _running(open_records(ledger, window), window, hourly_before)
    lines = _shared([(one, amount_of(budget, one.uses, book)) for one in found])
    if by != "day":
        lines.sort(key=lambda line: line.amount.value or 0.0, reverse=True)
    total = amounts.added([line.amount for line in lines] or [amounts.nothing(budget.measure, budget.currency)])
    return Whereabouts(by, tuple(lines), total)


def window_of(verdict: Verdict, session_id: str | None) -> Window:
    """The records that a verdict counts."""
    return Window(budget_selection(verdict.budget, session_id), verdict.start, verdict.end)


def amount_of(budget: Budget, uses: Sequence[Use], book: Book | None) -> Total:
    """What was used, in the budget's measure."""
    from .costing import costs_of

    needed = book is not None and amounts.needs_costs(budget.measure)
    costs = costs_of(uses, book, elsewhere=False) if needed and book is not None else None
    return amounts.amount(budget.measure, budget.currency, uses, costs)


def open_records(ledger: Reader, window: Window) -> list[tuple[SessionInfo, CellRecord]]:
    """What runs and counts in a window, and is no record yet."""
    found = [(info, record) for info, record in ledger.open_windows() if lies_in(window, record)]
    closed = ledger.there(record.id for _, record in found) if found else set()
    return [(info, record) for info, record in found if record.id not in closed]


def _running(records: Iterable[tuple[SessionInfo, CellRecord]], window: Window, hourly_before: float) -> list[Went]:
    found = list(records)
    kinds = [(name, [one for one in found if one[1].bucket == bucket]) for bucket, name in RUNNING.items()]
    return [_still(name, some, window, hourly_before) for name, some in kinds if some]


def _still(name: str, records: list[tuple[SessionInfo, CellRecord]], window: Window, hourly_before: float) -> Went:
    usings: dict[str, tuple[SessionInfo, Using]] = {}
    for info, record in records:
        using = usings.setdefault(info.id, (info, Using(window.start, window.end, WANTED)))[1]
        using.add(record.started_at, record.usage)
    uses = (use for info, using in usings.values() for use in using.uses(info, info.started_at < hourly_before))
    bucket = records[0][1].bucket
    return Went(name, "", len(records) if bucket == "cell" else 0, tuple(uses), bucket=bucket)


def _shared(found: Sequence[tuple[Went, Total]]) -> list[Line]:
    whole = sum(amount.value or 0.0 for _, amount in found)
    return [
        Line(went, amount, None if amount.value is None else amount.value / whole if whole > 0 else 0.0)
        for went, amount in found
    ]
