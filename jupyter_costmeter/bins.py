"""What one budget's window of time holds, by sessions, and what is derived of it; kept as records come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from . import amounts
from .budget import Budget
from .ledger import Selection
from .recent import selected
from .record import CellRecord, SessionInfo, Total
from .uses import WANTED, Use, Using

if TYPE_CHECKING:
    from .conditions import Book
    from .derived import Costs

#: Seconds after which the ledger is read whole once more, lest an error stay, and after which what nobody asks for is
#: forgotten; longer where that reading takes long, so that it takes a two-hundredth of the time at most.
ANEW_S, ANEW_TIMES = 600.0, 200.0


class Detail(NamedTuple):
    """What must be known of a window: sessions that began before ``hourly_before`` by the hour, memory over time."""

    hourly_before: float = -inf
    memory: bool = False

    def and_also(self, other: Detail) -> Detail:
        return Detail(max(self.hourly_before, other.hourly_before), self.memory or other.memory)

    def lacks(self, other: Detail) -> bool:
        return self.and_also(other) != self


class Window(NamedTuple):
    """What a budget counts: a selection in [start, end), seconds since 1970."""

    selection: Selection
    start: float
    end: float


class Derived:
    """Some uses, and what was derived of them."""

    def __init__(self, uses: list[Use], book: Book | None) -> None:
        self.uses, self._book = uses, book
        self._costs: Costs | None = None
        self._amounts: dict[tuple[str, str | None], Total] = {}

    def amount(self, budget: Budget) -> Total:
        """In the budget's measure."""
        key = (budget.measure, budget.currency)
        if key not in self._amounts:
            self._amounts[key] = amounts.amount(budget.measure, budget.currency, self.uses, self._derive())
        return self._amounts[key]

    def _derive(self) -> Costs | None:
        if self._costs is None and self._book is not None:
            from .costing import costs_of

            self._costs = costs_of(self.uses, self._book, elsewhere=False)
        return self._costs


class Bin:
    """What one window holds by sessions: those of which records come, and the others, whose sums stay.

    So what a record changes is derived of few sessions anew, not of all.
    """

    def __init__(
        self, window: Window, detail: Detail, sessions: dict[str, tuple[SessionInfo, Using]], mark: int,
        first: float | None, now: float, took_s: float,
    ) -> None:  # fmt: skip
        self.window, self.detail, self.mark, self.first = window, detail, mark, first
        self.made = self.asked = now
        self._sessions, self._took_s = sessions, took_s
        self.came: set[str] = set()  # ids of records since then
        self._live: set[str] = set()
        self._version = 0  # of the live ones
        self._known: dict[tuple[bool, bool], tuple[object, Derived]] = {}

    def stale(self, now: float) -> bool:
        """Whether it is to be read anew."""
        return not 0 <= now - self.made <= max(ANEW_S, ANEW_TIMES * self._took_s)

    def forgotten(self, now: float) -> bool:
        """Whether nobody has asked for it for long."""
        return not 0 <= now - self.asked <= ANEW_S

    def add(self, info: SessionInfo, record: CellRecord) -> None:
        """One more record, of whatever scope and time."""
        if not lies_in(self.window, record):
            return
        self.came.add(record.id)
        _, start, end = self.window
        using = self._sessions.setdefault(info.id, (info, Using(start, end, WANTED)))[1]
        using.add(record.started_at, record.usage)
        self._live.add(info.id)
        self._version += 1
        self.first = min(record.started_at, record.started_at if self.first is None else self.first)

    def settled(self, book: Book | None) -> Derived:
        """Of the sessions of which no record came since it was read."""
        return self._derived(False, len(self._live), book)

    def live(self, book: Book | None) -> Derived:
        """Of those of which some came."""
        return self._derived(True, self._version, book)

    def _derived(self, live: bool, version: int, book: Book | None) -> Derived:
        key, state = (live, book is None), (version, book)
        known = self._known.get(key)
        if known is None or known[0] != state:
            found = (one for key, one in self._sessions.items() if (key in self._live) is live)
            known = self._known[key] = (state, Derived(list(uses_of(found, book)), book))
        return known[1]


def uses_of(found: Iterable[tuple[SessionInfo, Using]], book: Book | None) -> Iterator[Use]:
    """By the hour where factors have changed since a session began."""
    changed_at = -inf if book is None else book.changed_at
    for info, using in found:
        yield from using.uses(info, info.started_at < changed_at)


def lies_in(window: Window, record: CellRecord) -> bool:
    """Whether a record counts in a window; a window inside another record's does not."""
    if record.started_at >= window.end or record.started_at + record.wall_s < window.start:
        return False
    return record.parent_id is None and any(selected([record], window.selection))
