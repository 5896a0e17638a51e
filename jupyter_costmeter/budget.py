"""A budget and the verdict on it: plain records, and the arithmetic between them, pure.

Scopes, periods and what a verdict means: docs/budgets.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite
from typing import Literal, get_args

from .errors import UsageError
from .periods import Period
from .record import Total

Measure = Literal["gpu_hours", "gpu_busy_hours", "flops", "kwh", "kgco2e", "amount"]
MEASURES: tuple[Measure, ...] = get_args(Measure)
#: How amounts are printed; of ``amount`` it is the budget's currency.
UNITS: dict[Measure, str] = {
    "gpu_hours": "GPU-h",
    "gpu_busy_hours": "busy GPU-h",
    "flops": "FLOP",
    "kwh": "kWh",
    "kgco2e": "kgCO2e",
}
#: ``lab`` is of a lab's budgets only, which no file declares.
BudgetScope = Literal["session", "notebook", "project", "user", "lab"]
SCOPES: tuple[BudgetScope, ...] = ("session", "notebook", "project", "user")
#: What happens at the limit: a warning only; no cell starts unless the user insists; the running cell is interrupted.
Hold = Literal["warn", "ask", "stop"]
HOLDS: tuple[Hold, ...] = get_args(Hold)
#: When to warn, as parts of the limit.
WARN = (0.5, 0.8, 1.0)
#: An extension lets a budget that holds go on for so much of its limit.
EXTENSION = 0.1
State = Literal["ok", "near", "over", "unknown", "paused"]
Happening = Literal["warned", "refused", "stopped", "extended"]
#: A lab's budget: of all together, of each person by himself or herself, or of one of them.
Whose = Literal["pool", "each", "person"]
#: What a lab's budget does at its limit while the lab's database is away (docs/shared.md).
Offline = Literal["allow", "ask", "hold"]
FOLDER = re.compile(r"^.*[/\\](?=.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class OfLab:
    """What a lab's budget has that others have not: who set it, and for whom."""

    set_by: str
    whose: Whose
    person: str | None = None
    offline: Offline = "ask"


def called(project: str) -> str:
    """A project's name in a lab, where it lies elsewhere on each machine: its folder's."""
    return FOLDER.sub("", project)


@dataclass(frozen=True, slots=True)
class Budget:
    """So much of one measure for one scope in each period.

    Args:
        id: the same as long as file, scope, key, measure, period and name are; not the limit's.
        limit: in the measure's unit (GPU-hours, FLOP, kWh, kg, or ``currency``).
        key: the notebook's or project's path; of a session, the notebook or project whose sessions are meant, each
            by itself (``None``: all); of a user, ``None``.
        warn: parts of the limit at which to warn, ascending.
        origin: ``/lab/jupyter_costmeter.toml:12``, or the config file of a cap.
        file: where it can be changed; ``None`` for a cap.
        cap: set by the administrator: it can be seen, but neither changed, paused nor extended.
        shared: it stands beside a project, for all who have that folder.
        lab: it is in the lab's ledger, for several people; ``key`` is a project's name then, and it is a cap.
    """

    id: str
    measure: Measure
    limit: float
    scope: BudgetScope
    key: str | None
    period: Period
    name: str = ""
    currency: str | None = None
    hold: Hold = "warn"
    warn: tuple[float, ...] = WARN
    paused: bool = False
    origin: str = ""
    file: str | None = None
    cap: bool = False
    shared: bool = False
    lab: OfLab | None = None

    @property
    def unit(self) -> str:
        """How amounts of it are printed."""
        return (self.currency or "?") if self.measure == "amount" else UNITS[self.measure]

    @property
    def by_session(self) -> bool:
        """Whether each session has it for itself, with warnings and extensions of its own."""
        return self.scope == "session" or self.period.kind == "session"

    @property
    def holds(self) -> bool:
        """Whether it may keep a cell from running."""
        return self.hold != "warn" and not self.paused


@dataclass(frozen=True, slots=True)
class Burn:
    """How fast a budget is spent: ``per_day`` in its unit at the period's pace so far, ``ends_at`` when it is spent.

    ``ends_at`` (seconds since 1970) is ``None`` where the period ends first, or nothing was spent. ``now_ends_at`` is
    when what runs now will have spent it if it goes on as it does, where that is sooner.
    """

    per_day: float
    ends_at: float | None
    now_ends_at: float | None = None


@dataclass(frozen=True, slots=True)
class LabView:
    """How a lab's budget stands by what its database said last, and by what is here.

    Args:
        as_of: when it said so, seconds since 1970; ``age_s`` ago.
        stale: that is too long ago, or of another period: the database is away.
        mine, pool: what its reader used of it, on all machines, and all together; in the budget's unit.
    """

    as_of: float
    age_s: float
    stale: bool
    mine: Total
    pool: Total


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where a budget stands.

    Args:
        start, end: the period of now (seconds since 1970; infinite where it has no such end).
        spent: in the budget's unit; its value is ``None`` where it was not measured (its reasons say why).
        granted: what extensions in this period added to the limit.
        current: whether now lies in it; a span that is over, or has not begun, neither warns nor holds.
        lab: of a lab's budget; ``spent`` is the one of its amounts that the budget limits.
    """

    budget: Budget
    start: float
    end: float
    spent: Total
    granted: float = 0.0
    burn: Burn | None = None
    current: bool = True
    lab: LabView | None = None

    @property
    def limit(self) -> float:
        """With its extensions."""
        return self.budget.limit + self.granted

    @property
    def left(self) -> float | None:
        """Never below nothing."""
        return None if self.spent.value is None else max(0.0, self.limit - self.spent.value)

    @property
    def share(self) -> float | None:
        """What of the limit is spent, 1 is all; infinite where the limit is nothing and something was spent."""
        if self.spent.value is None:
            return None
        if self.limit <= 0:
            return inf if self.spent.value > 0 else 1.0
        return self.spent.value / self.limit

    @property
    def crossed(self) -> float | None:
        """The highest of the budget's thresholds that is reached; of the limit as it was set."""
        share = replace(self, granted=0.0).share if self.current else None
        return max((t for t in self.budget.warn if share is not None and share >= t), default=None)

    @property
    def state(self) -> State:
        """``near`` from the first threshold on that is not below 0.8, ``over`` from the limit on."""
        if self.budget.paused:
            return "paused"
        share = self.share
        if share is None:
            return "unknown"
        near = min((t for t in self.budget.warn if t >= 0.8), default=0.8)
        return "over" if share >= 1.0 else "near" if share >= near else "ok"

    @property
    def counts(self) -> bool:
        """Whether what runs now is spent of it."""
        return self.current and not self.budget.paused

    @property
    def has_pace(self) -> bool:
        """Whether its pace leads anywhere: of a rolling window as much drops out as comes in."""
        return self.current and self.budget.period.kind != "rolling" and self.state in ("ok", "near")

    @property
    def holds(self) -> bool:
        """Whether no more may be spent."""
        if not (self.current and self.budget.holds):
            return False
        if self.offline is not None and self.offline != "ask":
            return self.offline == "hold"
        return self.state == "over"

    @property
    def stops(self) -> bool:
        """Whether what runs is to be interrupted; never since a database is away."""
        return self.holds and self.budget.hold == "stop" and self.state == "over" and self.offline is None

    @property
    def offline(self) -> Offline | None:
        """What a lab's budget does now that the lab's database is away; ``None`` where it is not, and of all others."""
        return self.budget.lab.offline if self.budget.lab and self.lab and self.lab.stale else None


@dataclass(frozen=True, slots=True)
class BudgetEvent:
    """What came of a budget, once: it warned, a cell was refused or stopped, or it was extended.

    Args:
        id: of its own, so that it is written once however often it is handed over.
        at: seconds since 1970.
        cell_id: the cell's that was about to run, or ran.
        threshold: the part of the limit of a warning.
        spent, limit: in ``unit``, as of then; ``spent`` is ``None`` where it was not known.
        amount: what an extension grants; 0.0 otherwise.
        text: the sentence that was told.
    """

    id: str
    budget_id: str
    kind: Happening
    at: float
    session_id: str
    user: str
    host: str
    cell_id: str | None
    threshold: float | None
    spent: float | None
    limit: float
    amount: float
    unit: str
    text: str


Deed = Literal["dearest", "raise", "hold", "extend"]


@dataclass(frozen=True, slots=True)
class Notice:
    """What a front end tells its user at once, of one happening.

    Args:
        id: the event's.
        title: the budget, as it is printed.
        state: where the budget stands.
        deeds: what the user may do about it.
    """

    id: str
    kind: Happening
    budget_id: str
    title: str
    threshold: float | None
    state: State
    at: float
    text: str
    deeds: tuple[Deed, ...] = ()


def thresholds(said: object) -> tuple[float, ...]:
    """When to warn, as parts of the limit.

    Raises:
        UsageError: they are no ascending numbers from above 0 to 10.
    """
    parts = list(said) if isinstance(said, (list, tuple)) else [said]
    known = [float(p) for p in parts if isinstance(p, (int, float)) and not isinstance(p, bool) and isfinite(p)]
    if len(known) < len(parts) or known != sorted(set(known)) or not all(0 < part <= 10 for part in known):
        raise UsageError(f"warn = {said!r}: it wants ascending parts of the limit, such as [0.5, 0.8, 1.0]")
    return tuple(known)


def extension(verdict: Verdict) -> float:
    """What an extension grants, in the budget's unit: EXTENSION of the limit from where it stands now.

    0.0 where it cannot be extended: a cap (but a lab's while its database is away, if it asks then), or a limit of
    nothing.
    """
    if (verdict.budget.cap and verdict.offline != "ask") or verdict.budget.limit <= 0:
        return 0.0
    return max(0.0, (verdict.spent.value or 0.0) - verdict.limit) + EXTENSION * verdict.budget.limit


def tightest(verdicts: Iterable[Verdict]) -> Verdict | None:
    """The one that is spent furthest; ``None`` where none is known or all are paused or over."""
    known = [v for v in verdicts if v.current and v.state not in ("unknown", "paused") and v.share is not None]
    return max(known, key=lambda v: v.share or 0.0, default=None)


def burn(
    spent: float | None, limit: float, start: float, end: float, now: float, rate: float = 0.0
) -> Burn | None:  # fmt: skip
    """At this period's pace so far, and at the ``rate`` of what runs now (per second).

    ``spent`` and ``limit`` are in one unit. The period's ``start`` (seconds since 1970) is the first record's where it
    has no beginning.
    """
    elapsed = now - start
    if spent is None or not 0 < elapsed < inf:
        return None
    pace = spent / elapsed
    ends_at = now + max(0.0, limit - spent) / pace if pace > 0 else inf
    sooner = now + max(0.0, limit - spent) / rate if rate > pace else inf
    return Burn(pace * 86400.0, ends_at if ends_at < end else None, sooner if sooner < min(end, ends_at) else None)


def applying(budgets: Sequence[Budget], notebook: str | None, project: str | None) -> list[Budget]:
    """Those that a notebook's use counts in."""
    return [one for one in budgets if _applies(one, notebook, project)]


def _applies(one: Budget, notebook: str | None, project: str | None) -> bool:
    if one.lab is not None:
        return one.key is None or (project is not None and called(project) == one.key)
    if one.scope == "user" or one.key is None:
        return True
    inside = project is not None and _lies_in(project, one.key)
    return one.key == notebook if one.scope == "notebook" else inside or one.key == notebook


def _lies_in(project: str, other: str) -> bool:
    """Whether a project's folder is that other, or in it."""
    from os import sep

    return f"{project}{sep}".startswith(other.rstrip(sep) + sep)


def counts_all(one: Budget, scope: str, key: str | None) -> bool:
    """Whether all that a selection holds counts in a budget that applies there: a session's, a notebook's, a project's.

    A notebook's budget does not count all of its project.
    """
    if one.scope == "user" or (one.lab is not None and one.key is None):
        return True
    if one.lab is not None:
        return scope in ("session", "notebook")
    if scope == "project" and one.scope == "project":
        return key is not None and one.key is not None and _lies_in(key, one.key)
    wider = ("session", "notebook", "project")
    return scope in wider and wider.index(scope) <= wider.index(one.scope)
