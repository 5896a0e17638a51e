"""Budgets: which there are and where they stand, set, changed, extended; where they went, and a chart of it."""

from __future__ import annotations

import atexit
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from jupyter_server.auth.decorator import authorized
from tornado import web

from .. import amounts, budget_wire, config, place, wire
from ..budget import MEASURES, Budget, BudgetEvent, Verdict, applying
from ..budget_pages import title
from ..budgets import Declared, Plans, plans_of
from ..errors import LedgerError, UsageError
from ..ledger import Selection, open_ledger
from ..record import SessionInfo
from ..runs import code_hash
from ..spending import Spending
from ..uses import By
from .base import Handler, answered, costing_of

if TYPE_CHECKING:
    from ..conditions import Book
    from ..ledger.store import Ledger

#: Of what came of budgets the newest so many are told, of so many days.
EVENTS, EVENT_DAYS = 20, 92
#: What a budget's row may have, as the front end sends it.
FIELDS = (
    "id", "measure", "limit", "currency", "scope", "per", "from", "until", "zone", "hold", "warn", "name", "paused",
    "shared",
)  # fmt: skip
INK = re.compile(r"#[0-9a-fA-F]{6}")
BYS: tuple[By, ...] = get_args(By)
_SPENDINGS: dict[tuple[Path, str | None], Spending] = {}
_PLANS: dict[str, Plans] = {}


def spending_of(settings: config.CostMeter, project: str | None) -> Spending:
    """What a project's budgets spent; kept, since it reads only what is new."""
    key = (settings.ledger_file, project)
    if key not in _SPENDINGS:
        _SPENDINGS.setdefault(key, Spending(settings.ledger_file, lambda: costing_of(settings, project)))
    return _SPENDINGS[key]


@atexit.register
def close() -> None:
    """Let go of the ledgers."""
    while _SPENDINGS:
        _SPENDINGS.popitem()[1].close()


@dataclass
class Desk:
    """The budgets of one notebook, as of one request."""

    settings: config.CostMeter
    notebook: str
    project: str | None

    @property
    def declared(self) -> Declared:
        """Those of the project, as the files are now."""
        known = self.settings
        key = repr((known.caps, tuple(known.budget_warn), known.lab_file, known.ledger_share_offline))
        if key not in _PLANS:
            _PLANS[key] = plans_of(known)
        return _PLANS[key].of(self.project)

    @property
    def budgets(self) -> list[Budget]:
        """Those that the notebook's use counts in."""
        return applying(self.declared.budgets, self.notebook, self.project)

    @cached_property
    def spending(self) -> Spending:
        return spending_of(self.settings, self.project)

    @cached_property
    def session(self) -> SessionInfo | None:
        """The notebook's newest: of its budgets of each session that one is told."""
        ledger = open_ledger(self.settings.ledger_file)
        try:
            found = ledger.sessions(Selection("notebook", self.notebook))
        except LedgerError:  # the verdicts say it
            return None
        finally:
            ledger.close()
        return found[-1] if found else None

    def asking(self, budgets: Sequence[Budget]) -> SessionInfo | None:
        """The session that they are of, where one is of each."""
        return self.session if any(one.by_session for one in budgets) else None

    def verdicts(self, budgets: Sequence[Budget], now: float) -> list[Verdict]:
        """Where they stand."""
        return self.spending.verdicts(budgets, now, self.asking(budgets))

    def budget(self, named: str) -> Budget:
        """The one with that id.

        Raises:
            UsageError: there is none.
        """
        if not named:
            raise UsageError("say which budget, by its id")
        found = next((one for one in self.budgets if one.id == named), None)
        if found is None:
            raise UsageError(f"there is no budget {named!r} any more; look at the list again")
        return found

    def verdict(self, named: str, now: float) -> Verdict:
        """Where the one with that id stands."""
        return self.verdicts([self.budget(named)], now)[0]

    def events(self, budgets: Sequence[Budget], now: float) -> list[BudgetEvent]:
        """What came of them, newest first."""
        ids = {one.id for one in budgets}
        found = [one for one in self.spending.events(now - EVENT_DAYS * 86400) if one.budget_id in ids]
        return found[::-1][:EVENTS]

    def extensions(self, verdict: Verdict) -> list[BudgetEvent]:
        """All that its limit is made of in this period."""
        budget, session = verdict.budget, self.asking([verdict.budget])
        found = [one for one in self.spending.events(verdict.start) if one.budget_id == budget.id]
        return [one for one in found if one.kind == "extended" and (session is None or one.session_id == session.id)]

    def listed(self) -> wire.Json:
        """All that is to be told."""
        now, budgets = time.time(), self.budgets
        name = os.path.basename(self.project) if self.project else None
        session = self.asking(budgets)
        told = (self.verdicts(budgets, now), self.declared.problems, self.events(budgets, now), now)
        return budget_wire.budgets(self.notebook, self.project, name, *told, session.id if session else None)

    def read(self, verdict: Verdict, what: Callable[[Ledger, Book | None, str | None], Any]) -> Any:
        """What a function of the ledger, the conditions (where costs are needed) and the session's id answers."""
        needed = amounts.needs_costs(verdict.budget.measure)
        book = costing_of(self.settings, self.project).book if needed else None
        session = self.asking([verdict.budget])
        ledger = open_ledger(self.settings.ledger_file)
        try:
            return what(ledger, book, session.id if session else None)
        finally:
            ledger.close()


class Desked(Handler):
    """A handler of a notebook's budgets."""

    def desk(self) -> Desk:
        settings, notebook = self.settings_now(), self.notebook()
        return Desk(settings, notebook, place.project_of(notebook, settings.project))

    def ink(self) -> str:
        """The colour in which a chart is drawn."""
        ink: str = self.get_query_argument("ink", "#808080")
        if not INK.fullmatch(ink):
            raise UsageError(f"ink = {ink!r}: it wants a colour such as #333333")
        return ink


class Budgets(Desked):
    @web.authenticated
    @authorized
    @answered
    async def get(self) -> None:
        """The budgets that count a notebook's use."""
        await self.answer(self.desk().listed)

    @web.authenticated
    @authorized
    @answered
    async def put(self) -> None:
        """Set one, or change the one with that id."""
        await self.answer(_put, self.desk(), self.body())

    @web.authenticated
    @authorized
    @answered
    async def delete(self) -> None:
        """Take one out of its file."""
        await self.answer(_delete, self.desk(), self.get_query_argument("id", ""))


def _put(desk: Desk, sent: Mapping[str, Any]) -> wire.Json:
    from .. import budgeting

    unknown = [key for key in sent if key not in FIELDS]
    if unknown:
        raise UsageError(f"{unknown[0]!r}: there is no such key; there are {', '.join(FIELDS)}")
    here = budgeting.Here(desk.notebook, desk.project)
    if sent.get("id") is None:
        budgeting.set_budget(row_of(sent), here, _flag(sent, "shared"))
    else:
        budgeting.change(desk.budget(_text(sent, "id")), row_of(sent), here)
    return desk.listed()


def row_of(sent: Mapping[str, Any]) -> dict[str, Any]:
    """A row of ``jupyter_costmeter.toml`` of what a front end sends; what it says is looked at by who writes it.

    Raises:
        UsageError: its measure, limit or days are none.
    """
    measure, limit = sent.get("measure"), sent.get("limit")
    if measure not in MEASURES:
        raise UsageError(f"measure = {measure!r}: it wants one of {', '.join(MEASURES)}")
    if isinstance(limit, bool) or not isinstance(limit, (int, float)):
        raise UsageError(f"limit = {limit!r}: it wants a number")
    said = {key: sent[key] for key in ("currency", "scope", "per", "zone", "hold", "name") if sent.get(key)}
    days = {key: _day(sent, key) for key in ("from", "until") if sent.get(key)}
    warn = {"warn": sent["warn"]} if sent.get("warn") is not None else {}
    return {str(measure): limit, **said, **days, **warn, "paused": _flag(sent, "paused")}


def _text(sent: Mapping[str, Any], key: str) -> str:
    if not isinstance(sent.get(key), str):
        raise UsageError(f"{key} wants a text")
    return str(sent[key])


def _flag(sent: Mapping[str, Any], key: str) -> bool:
    value = sent.get(key)
    if value is not None and not isinstance(value, bool):
        raise UsageError(f"{key} = {value!r}: it wants true or false")
    return bool(value)


def _day(sent: Mapping[str, Any], key: str) -> date:
    text = _text(sent, key)
    with suppress(ValueError):
        return date.fromisoformat(text)
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{key} = {text!r}: it wants a day such as 2026-10-01") from None


def _delete(desk: Desk, named: str) -> wire.Json:
    from .. import budgeting

    budgeting.delete(desk.budget(named))
    return desk.listed()


class Extend(Desked):
    @web.authenticated
    @authorized
    @answered
    async def post(self) -> None:
        """Go on: some more of the limit, until the period ends."""
        await self.answer(_extend, self.desk(), _text(self.body(), "id"))


def _extend(desk: Desk, named: str) -> wire.Json:
    from ..extending import extend

    verdict = desk.verdict(named, time.time())
    info = desk.session if verdict.budget.by_session else place.session_info(desk.notebook, desk.settings.project)
    if info is None:
        raise UsageError("it is of each session by itself, and this notebook had none yet")
    extend(desk.spending, verdict, info)
    return desk.listed()


class Forecasts(Desked):
    @web.authenticated
    @authorized
    @answered
    async def post(self) -> None:
        """What a cell will cost, by its last runs."""
        sent = self.body()
        cell_id = None if sent.get("cell_id") is None else _text(sent, "cell_id")
        await self.answer(_forecast, self.desk(), cell_id, _text(sent, "source"))


def _forecast(desk: Desk, cell_id: str | None, source: str) -> wire.Json:
    from ..foretelling import foretold, pricing

    verdicts = desk.verdicts(desk.budgets, time.time())
    found = foretold(
        desk.settings.ledger_file, cell_id, code_hash(source), desk.notebook, desk.project, desk.session, verdicts,
        pricing(costing_of(desk.settings, desk.project)),
    )  # fmt: skip
    return {"schema": wire.SCHEMA, "forecast": budget_wire.forecast(found)}


class Spent(Desked):
    @web.authenticated
    @authorized
    @answered
    async def get(self) -> None:
        """Where a budget went."""
        by = self.get_query_argument("by", "cell")
        await self.answer(_spent, self.desk(), self.get_query_argument("budget", ""), by)


def _spent(desk: Desk, named: str, by: str) -> wire.Json:
    from ..whereabouts import whereabouts

    known = next((one for one in BYS if one == by), None)
    if known is None:
        raise UsageError(f"by = {by!r}: it wants one of {', '.join(BYS)}")
    verdict = desk.verdict(named, time.time())
    found = desk.read(verdict, lambda ledger, book, session: whereabouts(ledger, verdict, known, book, session))
    return budget_wire.spent(title(verdict.budget), found)


class Chart(Desked):
    @web.authenticated
    @authorized
    @answered
    async def get(self) -> None:
        """A budget's use over its period, as Bokeh embeds it."""
        await self.answer(_chart, self.desk(), self.get_query_argument("budget", ""), self.ink())


def _chart(desk: Desk, named: str, ink: str) -> wire.Json:
    from .. import charts

    now = time.time()
    verdict = desk.verdict(named, now)
    found = desk.read(verdict, lambda ledger, book, session: charts.course(ledger, verdict, book, session, now))
    reason = charts.why_not(verdict, found)
    granted = [] if reason else desk.extensions(verdict)
    item = None if reason else charts.item(verdict, found, granted, ink, now)
    return {"schema": wire.SCHEMA, "item": item, "reason": reason}
