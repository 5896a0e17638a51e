"""Where budgets stand: what the ledger says that was spent, and what runs now in this and in other kernels.

Of each scope and period the ledger is read whole once, and from then on only what is new; so a look at budgets of
which nothing is new takes a millisecond, however many records there are.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from . import amounts
from .bins import Bin, Derived, Detail, Window, lies_in, uses_of
from .budget import Budget, BudgetEvent, LabView, Verdict, burn
from .errors import LedgerError
from .labs import Kept, Standing, kept_beside
from .ledger import Selection, open_ledger
from .record import CellRecord, SessionInfo, Total
from .uses import WANTED, Use, Using

if TYPE_CHECKING:
    from .conditions import Book
    from .costing import Costing
    from .ledger.store import Ledger

#: What has run for less (seconds) says little of how fast it spends.
WHILE_S = 20.0
#: Seconds between two tries to write into a file that another process holds.
SOON_S = 0.05
#: A live source's new intensities are looked for so often (seconds).
LIVE_S = 60.0
NOT_ASKED = "what was used elsewhere in this period is not known: the lab's database was not asked since it began"
NO_SESSION = "it is of each session by itself, and here is none"
#: A process's records, with its session.
Records = list[tuple[SessionInfo, CellRecord]]


def budget_selection(budget: Budget, session_id: str | None) -> Selection:
    """The records that count in a budget; of a session's, those of that session."""
    match budget.scope:
        case "session":
            return Selection("session", session_id)
        case "project" if budget.lab is not None:
            return Selection("called", budget.key)
        case "notebook" | "project":
            return Selection(budget.scope, budget.key)
        case _:
            return Selection("called", budget.key) if budget.key else Selection("all")


class Spending:
    """What budgets of one ledger spent; for several threads.

    Args:
        path: the ledger's file, which need not exist yet.
        costing: what derives carbon and money, asked at each look.
        own: this process's session id: its running cells come from its own memory, not from their journal.
        busy_s: seconds to wait for another process that writes the ledger, where a cell would wait with us.
    """

    def __init__(
        self, path: Path, costing: Callable[[], Costing], own: str | None = None, busy_s: float | None = None
    ) -> None:
        self.path, self._costing, self._own, self._busy_s = path, costing, own, busy_s
        self._lock = threading.Lock()
        self._ledger: Ledger | None = None
        self._bins: dict[Window, Bin] = {}
        self._unlogged: list[
            tuple[BudgetEvent, float, bool]
        ] = []  # what could not be written yet, as ``log`` was asked
        self._identity: tuple[int, int] | None = None
        self._killed: set[str] = set()  # records that may be put right
        self._events: list[BudgetEvent] = []
        self._priced: tuple[tuple[object, ...], Book] | None = None
        self._lab = Kept(kept_beside(path))
        self._here: set[str] = set()  # of the sessions that the lab told of, those that this ledger holds

    def verdicts(
        self,
        budgets: Sequence[Budget],
        now: float,
        session: SessionInfo | None = None,
        running: Sequence[CellRecord] = (),
        waiting: Sequence[CellRecord] = (),
    ) -> list[Verdict]:
        """Where these budgets stand now, in their order.

        Where the ledger cannot be read they tell what was known before and what this process knows, as a lower bound
        with the reason.

        Args:
            budgets: those that are of interest; of a paused one nothing is read.
            now: seconds since 1970.
            session: the session that asks, for budgets of a session.
            running: its records of cells that run.
            waiting: its records that are not in the ledger yet, or may not be.
        """
        own = {record.id: record for record in (*running, *waiting) if record.parent_id is None}
        with self._lock:
            if self._unlogged:
                with suppress(LedgerError):
                    self._write_rest()
            asks = any(amounts.needs_costs(budget.measure) for budget in budgets if not budget.paused)
            book = self._book(now) if asks else None
            lab = self._standings(budgets)
            windows = {
                budget.id: _window(budget, now, session, lab.get(budget.id)) for budget in budgets if not budget.paused
            }
            told = [(session, record) for record in own.values()] if session else []
            look = self._look(_wanted(budgets, windows, book), now, told, lab.values())
            look = replace(look, ended=frozenset(record.id for record in waiting))
            found = [self._verdict(budget, windows.get(budget.id), now, session, look, book) for budget in budgets]
            return [self._with_lab(one, lab[one.budget.id], now) if one.budget.id in lab else one for one in found]

    def log(self, event: BudgetEvent, start: float, by_session: bool = False) -> bool:
        """Note what came of a budget; False where somebody gave the same warning since ``start``.

        Of a budget that each session has for itself (``by_session``) only the same session's warning is the same.

        What cannot be written is kept in memory, counts here, and is written with the next that can be.
        """
        with self._lock:
            try:
                self._write_rest()
                return self._open().log(event, start, by_session)
            except LedgerError:
                rest = [one for one in self._waiting if not by_session or one.session_id == event.session_id]
                known = any(_same_warning(event, one) and one.at >= start for one in rest)
                if not known:
                    self._unlogged.append((event, start, by_session))
                return not known

    def flush(self, timeout_s: float) -> bool:
        """Write what could not be written yet, again while another process holds the file; whether nothing is left."""
        until = time.monotonic() + timeout_s
        while True:
            try:
                with self._lock:
                    self._write_rest()
                return True
            except LedgerError as error:
                if not getattr(error, "passes", False) or time.monotonic() >= until:
                    return False
            time.sleep(SOON_S)

    def _write_rest(self) -> None:
        while self._unlogged:
            self._open().log(*self._unlogged[0])
            del self._unlogged[0]

    @property
    def _waiting(self) -> list[BudgetEvent]:
        return [event for event, _, _ in self._unlogged]

    def events(self, since: float = -inf) -> list[BudgetEvent]:
        """What came of budgets since then (seconds since 1970), oldest first; what is known where it cannot be read."""
        with self._lock:
            try:
                found = self._open().events(since)
            except LedgerError:
                found = [event for event in self._events if event.at >= since]
            return [*found, *(event for event in self._waiting if event.at >= since)]

    def close(self) -> None:
        """Let go of the file; a later look opens it again."""
        with self._lock:
            if self._ledger is not None:
                self._ledger.close()
            self._ledger = None
            self._bins.clear()

    # Reading

    def _open(self) -> Ledger:
        if self._ledger is None:
            self._ledger = open_ledger(self.path, self._busy_s)
        return self._ledger

    def _standings(self, budgets: Sequence[Budget]) -> dict[str, Standing]:
        """What the lab's ledger said last of those that are the lab's."""
        snapshot = self._lab.now() if any(budget.lab for budget in budgets) else None
        known = snapshot.applying if snapshot else {}
        return {budget.id: known[budget.id] for budget in budgets if budget.lab and budget.id in known}

    def _look(self, windows: dict[Window, Detail], now: float, own: Records, lab: Iterable[Standing] = ()) -> _Look:
        """Bring the bins up to date; tell what is in none of them."""
        if not windows:
            return _Look([])
        try:
            with self._open().at_once():
                told = {session for one in lab for session, _ in one.mine}
                self._here = self._open().sessions_here(told) if told else set()
                return self._read_new(windows, now, own)
        except LedgerError as error:
            came = set[str]().union(*(one.came for one in self._bins.values()))
            return _Look([one for one in own if one[1].id not in came], str(error))

    def _read_new(self, windows: dict[Window, Detail], now: float, own: Records) -> _Look:
        ledger = self._open()
        self._catch_up(windows, now)
        self._events = ledger.events(min(window.start for window in windows))
        others = [one for one in ledger.open_windows() if one[0].id != self._own and one[1].parent_id is None]
        told = {record.id for _, record in own}  # better known than by its journal
        found = [one for one in others if one[1].id not in told] + own
        closed = ledger.there(record.id for _, record in found) if found else ()
        return _Look([one for one in found if one[1].id not in closed])

    def _catch_up(self, windows: dict[Window, Detail], now: float) -> None:
        from .ledger.file import identity

        found, killed = identity(self.path), self._open().killed()
        if found != self._identity or self._killed - killed:  # another file; or some are no longer taken for killed
            self._bins.clear()
        self._identity, self._killed = found, killed
        self._bins = {key: one for key, one in self._bins.items() if key in windows or not one.forgotten(now)}
        for mark in {one.mark for one in self._bins.values()}:
            self._add_new(mark)
        for window, detail in windows.items():
            there = self._bins.get(window)
            if there is None or there.stale(now) or there.detail.lacks(detail):
                self._bins[window] = self._read(window, detail, now)
            self._bins[window].asked = now
        self._identity = found or identity(self.path)

    def _add_new(self, mark: int) -> None:
        """What came since that mark, into the bins that have seen all before it."""
        bins = [one for one in self._bins.values() if one.mark == mark]
        while True:
            records, after = self._open().after(mark)
            if after == mark:
                return
            self._add(bins, records, after)
            mark = after

    def _add(self, bins: Iterable[Bin], records: Records, mark: int) -> None:
        """An interrupt of the user's in the midst of it leaves what is read anew, never what is counted by half."""
        try:
            for one in bins:
                for info, record in records:
                    one.add(info, record)
                one.mark = mark
        except BaseException:
            self._bins.clear()
            raise

    def _read(self, window: Window, detail: Detail, now: float) -> Bin:
        began = time.perf_counter()
        sessions, mark = self._open().base(*window, *detail)
        first = self._open().began(window.selection) if window.start == -inf else None
        return Bin(window, detail, sessions, mark, first, now, time.perf_counter() - began)

    # Telling

    def _verdict(
        self, budget: Budget, window: Window | None, now: float, session: SessionInfo | None, look: _Look,
        book: Book | None,
    ) -> Verdict:  # fmt: skip
        if window is None:
            start, end = budget.period.at(now, session.started_at if session else None)
            return Verdict(budget, start, end, _unknown(budget, "it is paused" if budget.paused else NO_SESSION))
        _, start, end = window
        priced = book if amounts.needs_costs(budget.measure) else None
        spent = self._spent(budget, window, look, priced)
        granted = self._granted(budget, start, end, session)
        found = Verdict(budget, start, end, spent, granted)
        if budget.lab is not None:
            return replace(found, current=start <= now < end)
        pace = burn(spent.value, found.limit, self._began(window, look), end, now, look.rate(budget, window, priced))
        return replace(found, burn=pace, current=start <= now < end)

    def _with_lab(self, verdict: Verdict, standing: Standing, now: float) -> Verdict:
        """With what was used elsewhere, by what the lab's ledger said last; here only the local records count."""
        snapshot, budget = self._lab.now(), verdict.budget
        if snapshot is None or budget.lab is None:
            return verdict
        of_now = standing.of_now(now)
        elsewhere, others = standing.elsewhere(self._here) if of_now else 2 * (_unknown(budget, NOT_ASKED),)
        mine = amounts.added([verdict.spent, elsewhere])
        pool = amounts.added([mine, others])
        view = LabView(snapshot.as_of, now - snapshot.as_of, snapshot.stale(now) or not of_now, mine, pool)
        spent = pool if budget.lab.whose == "pool" else mine
        granted = verdict.granted if view.stale and budget.lab.offline == "ask" else 0.0
        found = replace(verdict, spent=spent, granted=granted, lab=view)
        return replace(found, burn=burn(spent.value, found.limit, verdict.start, verdict.end, now))

    def _spent(self, budget: Budget, window: Window, look: _Look, book: Book | None) -> Total:
        there, running = self._bins.get(window), look.uses(window, book)
        parts: list[Total] = []
        if there is not None:
            parts.append(there.settled(book).amount(budget))
            live = there.live(book)
            parts.append((Derived([*live.uses, *running], book) if running else live).amount(budget))
        elif running:
            parts.append(Derived(running, book).amount(budget))
        if look.trouble is not None:
            parts.append(_unknown(budget, f"only what this kernel knows is counted: {look.trouble}"))
        return amounts.added(parts)

    def _book(self, now: float) -> Book:
        """The conditions of now, the same ones as long as no assumption changes; a live source learns."""
        costing = self._costing()
        declared = costing.assumptions
        state = (id(costing), id(declared), now // LIVE_S if declared.varies else 0.0)
        if self._priced is None or self._priced[0] != state:
            self._priced = (state, costing.book)
        return self._priced[1]

    def _granted(self, budget: Budget, start: float, end: float, session: SessionInfo | None) -> float:
        known = (*self._events, *self._waiting)
        mine = [event for event in known if event.kind == "extended" and event.budget_id == budget.id]
        if budget.by_session and session is not None:
            mine = [event for event in mine if event.session_id == session.id]
        return sum(event.amount for event in mine if start <= event.at < end)

    def _began(self, window: Window, look: _Look) -> float:
        """When the period began; where it has no beginning, its first record."""
        if window.start > -inf:
            return window.start
        there = self._bins.get(window)
        starts = [] if there is None or there.first is None else [there.first]
        starts += (record.started_at for _, record in look.of(window))
        return min(starts, default=-inf)


def _window(budget: Budget, now: float, session: SessionInfo | None, standing: Standing | None = None) -> Window | None:
    """``None`` for a budget of a session where there is none."""
    if session is None and budget.by_session:
        return None
    if standing is not None:
        return Window(budget_selection(budget, None), *standing.period(now))
    start, end = budget.period.at(now, session.started_at if session else None)
    return Window(budget_selection(budget, session.id if session else None), start, end)


def _wanted(budgets: Sequence[Budget], windows: Mapping[str, Window | None], book: Book | None) -> dict[Window, Detail]:
    """Which windows to read, each with how much must be known of it."""
    found: dict[Window, Detail] = {}
    for budget in budgets:
        window = windows.get(budget.id)
        if window is not None:
            found[window] = _detail(budget, book).and_also(found.get(window, Detail()))
    return found


def _detail(budget: Budget, book: Book | None) -> Detail:
    if book is None or not amounts.needs_costs(budget.measure):
        return Detail()
    priced = any("gb_hour" in row.prices for row in book.assumptions.tariffs)
    return Detail(book.changed_at, budget.measure == "amount" and priced)


def _unknown(budget: Budget, reason: str) -> Total:
    return Total(budget.measure, budget.unit, None, None, None, 1, None, (), (reason,))


def _same_warning(one: BudgetEvent, other: BudgetEvent) -> bool:
    if one.kind != "warned" or other.kind != "warned":
        return one.id == other.id
    return (one.budget_id, one.threshold, one.limit) == (other.budget_id, other.threshold, other.limit)


@dataclass(frozen=True, slots=True)
class _Look:
    """What is in no bin: the running cells of all kernels, own records that wait; what kept us from the ledger."""

    records: Records
    trouble: str | None = None
    ended: frozenset[str] = frozenset()

    def of(self, window: Window) -> Records:
        """Those that count in a window."""
        return [(info, record) for info, record in self.records if lies_in(window, record)]

    def uses(self, window: Window, book: Book | None) -> list[Use]:
        """What they used of it so far."""
        found: dict[str, tuple[SessionInfo, Using]] = {}
        for info, record in self.of(window):
            using = found.setdefault(info.id, (info, Using(window.start, window.end, WANTED)))[1]
            using.add(record.started_at, record.usage)
        return list(uses_of(found.values(), book))

    def rate(self, budget: Budget, window: Window, book: Book | None) -> float:
        """What the running ones take of a budget each second, by what they took so far."""
        running = [one for one in self.of(window) if one[1].id not in self.ended and one[1].wall_s >= WHILE_S]
        found = ((record.wall_s, _Look([(info, record)]).uses(window, book)) for info, record in running)
        return sum((Derived(uses, book).amount(budget).value or 0.0) / wall_s for wall_s, uses in found)
