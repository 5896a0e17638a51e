"""What runs now in any kernel of a ledger, and what is alive and rests: read of the file that they all write.

The file is read when it has changed, and whether the processes live is looked at each time: one that was killed cannot
say so.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from . import tables
from .bins import Window
from .budget import Budget, BudgetScope, Measure, Verdict, applying, tightest
from .budgets import Plans
from .costing import INTENSITIES, Costing
from .derived import Costs
from .ledger import Selection
from .periods import period_of
from .record import CellRecord, SessionInfo, Summary
from .spending import Spending
from .whereabouts import open_records

if TYPE_CHECKING:
    from .ledger.store import Ledger

#: Seconds after which all is read anew though the file is as it was: a day may have ended, an assumption changed.
ANEW_S = 30.0
#: What another machine's kernel wrote longer ago (seconds) says nothing of now: whether it lives cannot be seen here.
SEEN_S = 60.0
#: What is added up of a day; money in each currency of the tariffs comes after it.
OF_A_DAY: tuple[Measure, ...] = ("kwh", "gpu_hours", "kgco2e")
SCOPES: dict[str, BudgetScope] = {"notebook": "notebook", "project": "project"}


@dataclass(frozen=True, slots=True)
class Running:
    """A cell (or block) that runs, as of its last tick: what it cost so far, and its budget that is spent furthest."""

    info: SessionInfo
    record: CellRecord
    costs: Costs
    verdict: Verdict | None

    @property
    def read_at(self) -> float:
        """When its figures were read (seconds since 1970)."""
        return self.record.started_at + self.record.wall_s


@dataclass(frozen=True, slots=True)
class Resting:
    """A kernel that lives and runs nothing: its last cell, and what all of it spent."""

    info: SessionInfo
    last: CellRecord
    summary: Summary

    @property
    def since(self) -> float:
        """When its last cell ended (seconds since 1970)."""
        return self.last.started_at + self.last.wall_s


@dataclass(frozen=True, slots=True)
class Now:
    """What there is now. ``doubtful`` is what another machine may run or not; ``today`` what the day has cost."""

    running: tuple[Running, ...]
    resting: tuple[Resting, ...]
    doubtful: tuple[Running, ...]
    today: tuple[Verdict, ...]


class Kernels:
    """The kernels that write one ledger, and count in a selection.

    Args:
        ledger: its file need not exist yet.
        plans: the budgets that may be declared.
        costing: of the folder in which is asked.
    """

    def __init__(self, ledger: Ledger, selection: Selection, plans: Plans, costing: Costing) -> None:
        self._ledger, self._selection, self._plans, self._own = ledger, selection, plans, costing
        self._path = ledger.path
        self._priced: dict[str | None, tuple[Costing, Spending]] = {}
        self._state: object = None
        self._read_at = -inf
        self._known = Now((), (), (), ())

    def now(self) -> Now:
        """What there is now.

        Raises:
            LedgerError: it cannot be read.
        """
        now, state = time.time(), tables.state([self._path, Path(f"{self._path}-wal")])
        if state != self._state or not 0 <= now - self._read_at < ANEW_S:
            with self._ledger.at_once():
                self._known = self._read(now)
            self._state, self._read_at = state, now
        return self._alive(self._known, now)

    def verdicts(self, projects: Iterable[str | None]) -> list[Verdict]:
        """Where the budgets of some projects stand that are of now; each once, and none that each session has."""
        now, found = time.time(), dict[str, Verdict]()
        for project in dict.fromkeys((None, *projects)):
            declared = self._plans.of(project).budgets
            wanted = [one for one in declared if one.id not in found and not (one.by_session or one.paused)]
            if wanted:
                found |= {one.budget.id: one for one in self._of(project)[1].verdicts(wanted, now)}
        return [one for one in found.values() if one.current]

    def close(self) -> None:
        """Let go of the file."""
        self._ledger.close()
        for _, spending in self._priced.values():
            spending.close()

    def _alive(self, known: Now, now: float) -> Now:
        """Without what ended since it was read."""
        running = [one for one in known.running if _runs(one.info)]
        there = {one.info.id for one in running}
        here = socket.gethostname()
        near = [one for one in running if one.info.host == here or now - one.read_at < SEEN_S]
        resting = [one for one in known.resting if one.info.id not in there and _runs(one.info)]
        doubtful = [one for one in running if one not in near]
        return Now(tuple(near), tuple(resting), tuple(doubtful), known.today)

    def _read(self, now: float) -> Now:
        found = open_records(self._ledger, Window(self._selection, -inf, inf))
        cells = [(info, record) for info, record in found if record.bucket == "cell" and _runs(info)]
        running = [self._running(info, record, now) for info, record in cells]
        busy = {one.info.id for one in running}
        resting = [self._resting(info) for info in self._living() if info.id not in busy]
        today = self._today(now)
        return Now(tuple(running), tuple(one for one in resting if one is not None), (), today)

    def _running(self, info: SessionInfo, record: CellRecord, now: float) -> Running:
        costing, spending = self._of(info.project)
        declared = applying(self._plans.of(info.project).budgets, info.notebook, info.project)
        verdict = tightest(spending.verdicts(declared, now, info)) if declared else None
        return Running(info, record, costing.of_record(record, info), verdict)

    def _of(self, project: str | None) -> tuple[Costing, Spending]:
        """What derives costs as the project's own notebooks do."""
        if project not in self._priced:
            costing = self._own if project == self._own.project else Costing(project, self._path.parent / INTENSITIES)
            self._priced[project] = costing, Spending(self._path, lambda: costing)
        return self._priced[project]

    def _living(self) -> list[SessionInfo]:
        """The sessions whose kernels live on this machine: most of a ledger's are long gone."""
        here, there = socket.gethostname(), set(psutil.pids())
        found = self._ledger.sessions(self._selection)
        return [info for info in found if info.host == here and info.pid in there and _runs(info)]

    def _resting(self, info: SessionInfo) -> Resting | None:
        session = Selection("session", info.id)
        last = self._ledger.latest(session, 1, outer=True)
        return Resting(info, last[0], self._ledger.summary(session)) if last else None

    def _today(self, now: float) -> tuple[Verdict, ...]:
        costing, spending = self._of(self._own.project)
        scope, day = SCOPES.get(self._selection.scope, "user"), period_of("day")
        wanted: list[tuple[Measure, str | None]] = [(measure, None) for measure in OF_A_DAY]
        wanted += [("amount", code) for code in sorted({row.currency for row in costing.assumptions.tariffs})]
        budgets = [
            Budget(f"today {measure} {code}", measure, inf, scope, self._selection.key, day, currency=code)
            for measure, code in wanted
        ]
        return tuple(spending.verdicts(budgets, now))


def _runs(info: SessionInfo) -> bool:
    from .ledger import killed  # what reads it is loaded with the first look at the file

    return killed.runs(info)
