"""What ``%cost spent`` and ``%cost forecast`` answer: where a budget went, and what the next runs will cost."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from math import inf
from typing import TYPE_CHECKING, Any

from . import amounts, budgeting, pages, place, planning
from .budget import Budget, BudgetScope, Verdict, tightest
from .budget_pages import amount_said, said, title
from .context import Context, selection_of, title_of
from .errors import UsageError
from .forecasts import Forecast
from .foretelling import Run, leaves, of_runs, pricing, spread
from .format import mark, percent
from .ledger import Selection
from .pages import Page, Table
from .periods import Period
from .record import Total
from .screen import Tones
from .whereabouts import Line, Whereabouts, whereabouts
from .words import Parser

if TYPE_CHECKING:
    from .ledger.store import Ledger

#: Lines of a table at most; the rest are one.
LINES = 20
#: A notebook's newest runs that forecasts are made of.
NEWEST = 500
ENDED: Tones = {"error": "bad", "killed": "bad", "interrupted": "near"}
RIGHT = frozenset({"runs", "used", "share", "time", "energy"})


def spent(asked: argparse.Namespace, context: Context, known: Parser) -> Page:
    """Where a budget went; where there is none, the electricity of a scope."""
    if asked.label is not None:
        raise UsageError("a budget counts all labels; spent --by label tells them apart")
    verdict, scope = _verdict(asked, context)
    budget = verdict.budget
    book = context.costing.book if amounts.needs_costs(budget.measure) else None
    found = whereabouts(_file(context), verdict, asked.by, book, scope.key)
    columns = (asked.by, "runs", "used", "share", *(["outcome"] if asked.by == "cell" else []))
    table = Table(columns, [line[: len(columns)] for line in _lines(found, budget)], RIGHT, ENDED)
    name = f"Budget {title(budget)}" if budget.limit < inf else title_of(scope)
    return Page(f"{name}: where it went, by {asked.by}", [table] if found.lines else [], _notes(verdict, found))


def _file(context: Context) -> Ledger:
    from .ledger.store import Ledger

    if not isinstance(context.ledger, Ledger):
        raise UsageError("where it went is in the ledger's file, which cannot be read")
    return context.ledger


def _verdict(asked: argparse.Namespace, context: Context) -> tuple[Verdict, Selection]:
    """Of the budget that is named, else of the tightest, unless a scope is asked for; and the session's selection."""
    _check(asked)
    here, now = planning.here(context), time.time()
    session = Selection("session", context.session.info.id if context.session else None)
    if asked.budget is not None:
        return context.verdicts([budgeting.find(here, asked.budget)], now)[0], session
    first = None if _scoped(asked) else tightest(context.verdicts(here, now))
    if first is not None:
        return first, session
    selection = selection_of(asked, context)
    return _of_all_time(selection), selection


def _check(asked: argparse.Namespace) -> None:
    """A scope is never passed over in silence."""
    if asked.budget is not None and _scoped(asked):
        raise UsageError("a budget has its own scope: write --budget NAME, or a scope, but not both")


def _scoped(asked: argparse.Namespace) -> bool:
    return asked.all or any(one is not None for one in (asked.session, asked.notebook, asked.project))


def _of_all_time(selection: Selection) -> Verdict:
    """No budget's: the electricity of a selection since its first record."""
    scopes: dict[str, BudgetScope] = {"session": "session", "notebook": "notebook", "project": "project"}
    scope = scopes.get(selection.scope, "user")
    budget = Budget("", "kwh", inf, scope, selection.key, Period("total"))
    return Verdict(budget, -inf, inf, amounts.nothing("kwh"))


def _lines(found: Whereabouts, budget: Budget) -> list[list[str]]:
    """The greatest first; beyond so many they are one line."""
    lines = [_line(one, budget) for one in found.lines[:LINES]]
    rest = found.lines[LINES:]
    if rest:
        more = amounts.added([one.amount for one in rest])
        share = sum(one.share or 0.0 for one in rest)
        runs = sum(one.went.runs for one in rest if one.went.bucket == "cell")
        lines.append([f"{len(rest)} more", str(runs), _used(more, budget), percent(share), ""])
    return lines


def _line(one: Line, budget: Budget) -> list[str]:
    went = one.went
    name = f"{went.name} ({went.detail})" if went.detail else went.name
    share = "—" if one.share is None else percent(one.share)
    ended = "" if went.outcome in (None, "ok") else went.outcome
    runs = str(went.runs) if went.bucket == "cell" else "—"  # between cells nothing is run
    return [name, runs, _used(one.amount, budget), share, ended]


def _used(amount: Total, budget: Budget) -> str:
    if amount.value is None:
        return "—"
    return f"{mark(amount)}{amount_said(amount.value, budget)}"


def _notes(verdict: Verdict, found: Whereabouts) -> list[str]:
    budget, total = verdict.budget, found.total
    notes = [f"In all {_used(total, budget)}." if found.lines else "Nothing was used here yet."]
    if budget.limit < inf:
        notes.append(f"The budget: {said(verdict)}.")
    return [*notes, *([f"A lower bound: {'; '.join(total.reasons)}."] if total.missing else [])]


# What the next runs will cost


def forecast(asked: argparse.Namespace, context: Context, known: Parser) -> Page:
    """What the next run of each of a notebook's cells will cost, by its last ones."""
    selection = Selection("notebook", _notebook(asked, context))
    stand = context.verdicts(planning.here(context), time.time())
    verdicts = [v for v in stand if v.counts]
    found = _forecasts(selection, context, verdicts)
    if not found:
        return Page(f"{title_of(selection)}: forecast", notes=["No cell of it has run to its end yet."])
    columns = ("cell", "runs", "time", "energy", *(title(v.budget) for v in verdicts))
    rows = [[name, str(one.runs), *_spreads(one), *_amounts(one, verdicts)] for name, one in found]
    notes = [_run_all([one for _, one in found], verdict) for verdict in verdicts]
    notes.append("The mean of up to five last complete runs of the same code on this device, ± their spread.")
    return Page(
        f"{title_of(selection)}: what the next run of each cell will cost", [Table(columns, rows, RIGHT)], notes
    )


def _notebook(asked: argparse.Namespace, context: Context) -> str:
    if asked.notebook:
        return place.canonical(asked.notebook)
    if context.notebook is None:
        raise UsageError("which notebook? Name it: forecast --notebook PATH")
    return context.notebook


def _forecasts(selection: Selection, context: Context, verdicts: Sequence[Verdict]) -> list[tuple[str, Forecast]]:
    """By cell, in the order of their newest runs."""
    infos = {info.id: info for info in context.ledger.sessions(selection)}
    cells: dict[Any, list[Run]] = {}
    for record in reversed(context.ledger.latest(selection, NEWEST)):
        if record.parent_id is None and record.session_id in infos and not context.asks_only(record):
            cells.setdefault(record.cell_id or record.code_hash, []).append((infos[record.session_id], record))
    here = context.session.info if context.session else None
    amount_of = pricing(context.costing)
    found = []
    for runs in reversed(list(cells.values())):
        newest = runs[0][1]
        one = of_runs(runs, newest.code_hash, here, verdicts, amount_of)
        found += [(pages.called(newest), one)] if one is not None else []
    return found


def _spreads(one: Forecast) -> list[str]:
    wall, energy = one.wall_s, one.energy_j
    return ["—" if total is None else spread(total) for total in (wall, energy)]


def _amounts(one: Forecast, verdicts: Sequence[Verdict]) -> list[str]:
    known = {left.id: left.amount for left in one.budgets}
    return [_used(known[v.budget.id], v.budget) for v in verdicts]


def _run_all(found: Sequence[Forecast], verdict: Verdict) -> str:
    """What all cells once leave of a budget."""
    every = [left.amount for one in found for left in one.budgets if left.id == verdict.budget.id]
    whole = amounts.added(every)
    after = leaves(verdict, whole, verdict.spent.value, "that")
    return f"All of them once: {_used(whole, verdict.budget)}; {after.text}."
