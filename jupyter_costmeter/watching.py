"""A session's budgets: looked at while its cells run, and told of once.

Without a budget a look costs the state of a few files, and imports nothing: what reads budgets and adds up what was
spent is loaded with the first file that is there.
"""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from . import guard, toml_files
from .config import CostMeter
from .record import CellRecord, SessionInfo

if TYPE_CHECKING:
    from .budget import Budget, BudgetEvent, Deed, Happening, Notice, Verdict
    from .budgets import Plans
    from .costing import Costing
    from .spending import Spending

#: Lines below one cell; more would bury its output.
LINES = 3
#: A look is as good as one now for so long, if cells took no more than that since (seconds). Nobody is held by it.
FRESH_S, SHORT_S = 0.3, 0.02
#: Seconds that a look waits for a process that writes the ledger: cells wait with it. What came of a budget is told
#: nevertheless, and written at a later look.
BUSY_S = 0.02
#: Notices that wait for a message.
WAITING = 20
AGAIN: tuple[Deed, ...] = ("dearest", "raise", "extend")
DEEDS: dict[Happening, tuple[Deed, ...]] = {
    "warned": ("dearest", "raise", "hold"),
    "refused": AGAIN,
    "stopped": AGAIN,
    "extended": (),
}


class Watch:
    """Looks at the budgets that one session's use counts in.

    Args:
        info: the session, whose notebook may move.
        costing: what derives its carbon and money.
        waiting: its records that are not in the ledger's file yet.
    """

    def __init__(
        self,
        settings: CostMeter,
        info: Callable[[], SessionInfo],
        costing: Callable[[], Costing],
        waiting: Callable[[], Sequence[CellRecord]],
    ) -> None:
        self._settings, self._info, self._costing, self._waiting = settings, info, costing, waiting
        self.verdicts: list[Verdict] | None = None  # of the last look
        self.budgets: tuple[Budget, ...] = ()  # that apply, by the last look
        self.panel = False  # whether our panel has asked this session
        self.tells = False  # whether there is a kernel, whose user can be told
        self.headless: Callable[[], bool] = lambda: False
        self.at_limit: Callable[[list[Verdict]], None] = lambda verdicts: None  # a budget that stops is spent
        self._plans: Plans | None = None
        self._known: tuple[str | None, list[str]] | None = None  # where budgets may stand, of a project
        self._looked: tuple[float, object] = (0.0, None)  # when the last look was, and at which budgets
        self._seen: object = None  # the session and the state of those files at the last reading
        self._there: list[tuple[str, object]] = []  # of those that were there
        self._spent: Spending | None = None
        self._lock = threading.RLock()  # the sampler's thread, the user's and the control channel's look
        self._warned: set[tuple[str, float, float, float]] = set()
        self._notices: deque[Notice] = deque(maxlen=WAITING)
        self._lines: dict[str, str] = {}  # by budget: the last word on each

    # What there is

    @guard.guarded("reading budgets")
    def read(self) -> tuple[Budget, ...]:
        """The budgets that apply now, from the files as they are now."""
        with self._lock:
            info = self._info()
            files = {path: _state(path) for path in self._paths(info.project)}
            if (info, files) != self._seen:
                self.budgets = self._read(info)
                self._seen = (info, files)
                self._there = [found for found in files.items() if found[1] is not None]
            return self.budgets

    def check(self) -> None:
        """Read them again if a file that was there has changed: each look at a file costs some 20 µs of a cell."""
        if any(_state(path) != state for path, state in self._there):
            self.read()

    def _paths(self, project: str | None) -> list[str]:
        if self._known is None or self._known[0] != project:
            lab = self._settings.lab_file
            self._known = (project, [*map(str, toml_files.of_budgets(project)), *([str(lab)] if lab else [])])
        return self._known[1]

    def _read(self, info: SessionInfo) -> tuple[Budget, ...]:
        if self._plans is None and (self._settings.caps or any(map(_mentions, self._paths(info.project)))):
            from .budgets import plans_of

            self._plans = plans_of(self._settings)
        return self._applying(info) if self._plans is not None else ()

    def _applying(self, info: SessionInfo) -> tuple[Budget, ...]:
        from .budget import applying

        assert self._plans is not None
        return tuple(applying(self._plans.of(info.project).budgets, info.notebook, info.project))

    @property
    def holds(self) -> bool:
        """Whether one of them may keep a cell from running."""
        return any(one.holds for one in self.budgets)

    @property
    def lines(self) -> bool:
        """Whether budgets are told of below a cell: where the setting says so, or nobody else tells."""
        wanted = self._settings.budget_lines
        return wanted == "always" or (wanted == "auto" and not self.panel and not self.headless())

    # Looking

    @guard.guarded("looking at budgets")
    def look(self, running: Iterable[CellRecord] = ()) -> list[Verdict]:
        """Where they stand, with what runs (and what has ended, and is no record yet)."""
        with self._lock:
            budgets = self.read()
            verdicts = self._verdicts(budgets, list(running)) if budgets else []
            self.verdicts, self._looked = verdicts, (time.monotonic(), budgets)
            if self.tells and (self.panel or self.lines):  # else somebody else shall tell it
                for verdict in verdicts:
                    self._warn(verdict)
            return verdicts

    def _verdicts(self, budgets: Sequence[Budget], running: list[CellRecord]) -> list[Verdict]:
        return self._spending().verdicts(budgets, time.time(), self._info(), running, list(self._waiting()))

    def flush(self, timeout_s: float) -> bool:
        """Write what came of budgets while somebody else held the ledger; whether all of it is written."""
        return self._spent is None or self._spent.flush(timeout_s)

    def _spending(self) -> Spending:
        if self._spent is None:
            from .spending import Spending

            self._spent = Spending(self._settings.ledger_file, self._costing, self._info().id, BUSY_S)
        return self._spent

    def over(self, used: Callable[[], list[CellRecord]]) -> list[Verdict]:
        """The spent budgets that hold, as a cell is about to start: after a look, unless one was a moment ago.

        Args:
            used: what this session used that is no record yet.
        """
        at, budgets = self._looked
        verdicts, records = self.verdicts, used()
        ran_s = sum(record.wall_s for record in records if record.bucket == "cell")
        old = time.monotonic() - at > FRESH_S or budgets != self.budgets or ran_s > SHORT_S
        if old or verdicts is None or any(verdict.holds for verdict in verdicts):
            verdicts = self.look(records)
        return [verdict for verdict in verdicts or [] if verdict.holds]

    def tick(self, running: Iterable[CellRecord]) -> None:
        """While something runs: look, and see to what may go no further."""
        verdicts = self.look(running) or []
        over = [v for v in verdicts if v.stops]
        if over:
            guard.guarded("stopping a cell at a budget's limit")(self.at_limit)(over)

    # Telling

    def _warn(self, verdict: Verdict) -> None:
        """Of each threshold that was reached since the last look; one notice, of the highest."""
        crossed = verdict.crossed
        if crossed is None or verdict.state == "paused":
            return
        first = [t for t in verdict.budget.warn if t <= crossed and self._first(verdict, t)]
        if crossed in first:
            event = self.event("warned", verdict, _standing(verdict), threshold=crossed)
            self._notify(event, verdict)
            self._lines[verdict.budget.id] = event.text

    def _first(self, verdict: Verdict, threshold: float) -> bool:
        """Whether nobody has warned of this in this period, in any kernel."""
        key = (verdict.budget.id, threshold, verdict.budget.limit, verdict.start)
        if key in self._warned:
            return False
        self._warned.add(key)
        event = self.event("warned", verdict, _standing(verdict), threshold=threshold)
        return self._spending().log(event, verdict.start, verdict.budget.by_session)

    def event(
        self, kind: Happening, verdict: Verdict, text: str, cell_id: str | None = None,
        threshold: float | None = None,
    ) -> BudgetEvent:  # fmt: skip
        """What has happened now, of this session."""
        from .budget import BudgetEvent

        info, budget = self._info(), verdict.budget
        limit = budget.limit if kind == "warned" else verdict.limit  # thresholds are of the limit as it was set
        return BudgetEvent(
            uuid.uuid4().hex, budget.id, kind, time.time(), info.id, info.user, info.host, cell_id,
            threshold, verdict.spent.value, limit, 0.0, budget.unit, text,
        )  # fmt: skip

    def happened(self, kind: Happening, verdicts: Sequence[Verdict], text: str, cell_id: str | None = None) -> None:
        """Note it in the ledger of each, and tell it once with the next message; a line below the cell says it, too."""
        with self._lock:
            events = [self.event(kind, verdict, text, cell_id) for verdict in verdicts]
            for event, verdict in zip(events, verdicts, strict=True):
                self._spending().log(event, verdict.start)
                self._lines.pop(verdict.budget.id, None)
            self._notify(events[0], verdicts[0])

    def extend(self, verdict: Verdict) -> None:
        """The user insists on a cell that was held: its budget is extended, and that is noted and told."""
        from .extending import extend

        with self._lock:
            self._notify(extend(self._spending(), verdict, self._info()), verdict)

    def _notify(self, event: BudgetEvent, verdict: Verdict) -> None:
        from .budget import Notice
        from .budget_pages import title

        deeds = DEEDS[event.kind] if not verdict.budget.cap else ("dearest",)
        if event.kind == "refused" and verdict.offline == "ask":
            deeds = ("dearest", "extend")
        if verdict.budget.hold != "warn":
            deeds = tuple(deed for deed in deeds if deed != "hold")
        self._notices.append(
            Notice(
                event.id, event.kind, event.budget_id, title(verdict.budget), event.threshold,
                verdict.state, event.at, event.text, deeds,
            )
        )  # fmt: skip

    @property
    def waits(self) -> bool:
        """Whether there is something to be said below a cell."""
        return bool(self._lines)

    @property
    def has_notices(self) -> bool:
        """Whether some wait for a message."""
        return bool(self._notices)

    def take_notices(self) -> list[Notice]:
        """Those that no message has told yet."""
        with self._lock:
            taken, self._notices = list(self._notices), deque(maxlen=WAITING)
        return taken

    def take_lines(self) -> list[str]:
        """What is to be said below the cell that ends."""
        with self._lock:
            taken, self._lines = list(self._lines.values()), {}
        if not self.lines:
            return []
        more = len(taken) - LINES
        return [*taken[:LINES], *([f"and {more} more: %cost budget"] if more > 0 else [])]


def _standing(verdict: Verdict) -> str:
    """The sentence of a warning."""
    from .budget_pages import burn_said, said, title

    known = (said(verdict), burn_said(verdict, time.time()))
    return f"Budget {title(verdict.budget)}: {'; '.join(filter(None, known))}."


def _state(path: str) -> tuple[int, int, int] | None:
    """Changes when the file does."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _mentions(path: str) -> bool:
    """Whether a file may declare a budget; most that are there only say where the machine stands."""
    try:
        return b"budget" in Path(path).read_bytes()
    except OSError:
        return False
