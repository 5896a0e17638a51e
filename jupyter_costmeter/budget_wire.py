"""Budgets as the front end sees them: another room of ``wire``, opened where there are any."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict
from math import inf, isfinite
from typing import TYPE_CHECKING

from . import budget_pages, wire
from .budget import Budget, BudgetEvent, Burn, Notice, Verdict
from .periods import Period, local
from .record import Total
from .wire import Json

if TYPE_CHECKING:
    from .forecasts import Forecast
    from .whereabouts import Line, Whereabouts

#: JSON has no infinity: a share of a limit of nothing, of which something was spent.
INFINITE = 1e9


def verdict(one: Verdict, now: float | None = None) -> Json:
    """Where a budget stands; ``now`` (seconds since 1970) is what its sentences speak from."""
    now = time.time() if now is None else now
    return {
        **_terms(one.budget),
        "period": _period(one),
        "spent": wire.total(one.spent),
        "granted": one.granted,
        "left": one.left,
        "share": _finite(one.share),
        "state": one.state,
        "current": one.current,
        "crossed": one.crossed,
        "text": budget_pages.said(one),
        "lab": _lab(one),
        "burn": None if one.burn is None else _burn(one.burn, budget_pages.burn_said(one, now)),
    }


def _terms(budget: Budget) -> Json:
    """What was set."""
    names = ("id", "name", "measure", "unit", "currency", "limit", "scope", "key", "hold", "paused", "cap", "shared")
    return {
        **{name: getattr(budget, name) for name in names},
        "title": budget_pages.title(budget),
        "from": _day(budget.period, budget.period.start),
        "until": _day(budget.period, budget.period.end),
        "warn": list(budget.warn),
        "origin": budget.origin,
    }


def _lab(one: Verdict) -> Json | None:
    """Of a lab's budget who set it, for whom, and how old that is which is known of it."""
    if one.budget.lab is None:
        return None
    view = one.lab
    return {
        "set_by": one.budget.lab.set_by,
        "whose": one.budget.lab.whose,
        "as_of": None if view is None else view.as_of,
        "away": "" if view is None else budget_pages.away_said(view).removeprefix("; "),
        "goes_on": one.offline == "ask",
    }


def _day(period: Period, at: float) -> str | None:
    """An end of a span as it was set: ``2026-10-01``, with the time where it is not the day's first moment."""
    if period.kind != "span" or not isfinite(at):
        return None
    when = local(at, period.zone)
    return when.date().isoformat() if (when.hour, when.minute, when.second) == (0, 0, 0) else when.isoformat()


def _period(one: Verdict) -> Json:
    period = one.budget.period
    ends = {name: at if isfinite(at) else None for name, at in (("start", one.start), ("end", one.end))}
    return {"kind": period.kind, "text": period.text, **ends, "zone": period.zone}


def _finite(share: float | None) -> float | None:
    return INFINITE if share == inf else share


def _burn(one: Burn, text: str) -> Json:
    return {"per_day": one.per_day, "ends_at": one.ends_at, "text": text}


def notice(one: Notice) -> Json:
    """What is told at once of one happening."""
    return {**asdict(one), "deeds": list(one.deeds)}


def event(one: BudgetEvent) -> Json:
    """One line of what came of budgets."""
    return {"kind": one.kind, "at": one.at, "text": one.text, "budget_id": one.budget_id}


def budgets(
    notebook: str,
    project: str | None,
    project_name: str | None,
    verdicts: Iterable[Verdict],
    problems: Iterable[str],
    events: Iterable[BudgetEvent],
    now: float,
    session_id: str | None = None,
) -> Json:
    """The budgets that count a notebook's use, what is wrong in their files, and what came of them, newest first.

    ``session_id`` is that of which those are told that each session has.
    """
    return {
        "schema": wire.SCHEMA,
        "notebook": notebook,
        "project": project,
        "project_name": project_name,
        "budgets": [verdict(one, now) for one in verdicts],
        "problems": list(problems),
        "session": session_id,
        "events": [event(one) for one in events],
    }


def forecast(one: Forecast | None) -> Json | None:
    """What a cell will cost, and what that leaves of its budgets."""
    if one is None:
        return None
    names = ("source", "runs", "basis", "device", "text")
    return {
        **{name: getattr(one, name) for name in names},
        "wall_s": _total(one.wall_s),
        "energy_j": _total(one.energy_j),
        "budgets": [
            {
                "id": left.id,
                "title": left.title,
                "amount": wire.total(left.amount),
                "left_after": left.left_after,
                "share_after": _finite(left.share_after),
                "text": left.text,
            }
            for left in one.budgets
        ],
    }


def _total(one: Total | None) -> Json | None:
    return None if one is None else wire.total(one)


def spent(title: str, found: Whereabouts) -> Json:
    """Where it went."""
    return {
        "schema": wire.SCHEMA,
        "title": title,
        "by": found.by,
        "unit": found.total.unit,
        "rows": [_line(one) for one in found.lines],
        "total": wire.total(found.total),
    }


def _line(one: Line) -> Json:
    names = ("name", "detail", "runs", "outcome", "superseded", "cell_id", "notebook", "id")
    told = {name: getattr(one.went, name) for name in names}
    return {**told, "amount": wire.total(one.amount), "share": one.share}
