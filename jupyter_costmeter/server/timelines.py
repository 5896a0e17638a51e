"""The timeline of a session, a notebook or a project, as Bokeh embeds it."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import partial
from math import isfinite
from pathlib import Path

from jupyter_server.auth.decorator import authorized
from tornado import web

from .. import timeline_charts, timeline_pages, wire
from ..budget import Verdict
from ..errors import UsageError
from ..ledger import Selection, open_ledger
from ..timeline import Timeline
from ..timeline_fewer import KEPT, STEPS, Looked
from ..timeline_kept import Kept
from .base import answered, costing_of
from .budgets import Desk, Desked

#: Bands whose words are remembered, of one scope.
MOST = 2 * KEPT * STEPS


class Timelines(Desked):
    @web.authenticated
    @authorized
    @answered
    async def get(self) -> None:
        """Power by device over time, with the cells as bands: ``scope``, ``ink``; ``from`` and ``to`` zoom."""
        selection = self.selection(self.settings_now())
        await self.answer(_timeline, self.desk(), selection, self.ink(), self._looked())

    def _looked(self) -> Looked | None:
        """The stretch that is zoomed into, in seconds since 1970."""
        said = [self.get_query_argument(name, "") for name in ("from", "to")]
        if said == ["", ""]:
            return None
        try:
            found = Looked(*map(float, said))
        except ValueError:
            found = Looked(0.0, 0.0)
        if not (all(map(isfinite, found)) and found.start < found.end):
            raise UsageError(f"from = {said[0]!r}, to = {said[1]!r}: they want two instants in seconds since 1970")
        return found


@dataclass
class _Scope:
    """What is kept of one, between two looks."""

    kept: Kept
    names: dict[str, str] = field(default_factory=dict)
    told: timeline_charts.Told = field(default_factory=dict)
    drawn: tuple[timeline_pages.Along, str] | None = None
    answer: wire.Json = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


#: Those that were looked at last: a few, since each keeps thousands of bands.
_SCOPES: OrderedDict[tuple[Path, Selection], _Scope] = OrderedDict()
SCOPES = 4


def _scope(key: tuple[Path, Selection]) -> _Scope:
    found = _SCOPES.pop(key, None) or _Scope(Kept(key[1]))
    _SCOPES[key] = found
    while len(_SCOPES) > SCOPES:
        _SCOPES.popitem(last=False)
    return found


def _timeline(desk: Desk, selection: Selection, ink: str, looked: Looked | None) -> wire.Json:
    scope = _scope((desk.settings.ledger_file, selection))
    with scope.lock:
        along = _read(desk, selection, scope.kept, looked)
        if along.names != scope.names or len(scope.told) > MOST:
            scope.names, scope.told = along.names, {}
        if looked is not None:
            return _answer(along, ink, looked, scope.told)
        if scope.drawn is None or not _same(scope.drawn[0], along) or scope.drawn[1] != ink:
            scope.drawn, scope.answer = (along, ink), _answer(along, ink, None, scope.told)
        return scope.answer


def _same(one: timeline_pages.Along, other: timeline_pages.Along) -> bool:
    """Whether nothing has come since: what is kept is the same object."""
    return one.found is other.found and one.names == other.names and one.limit == other.limit


def _read(desk: Desk, selection: Selection, kept: Kept, looked: Looked | None) -> timeline_pages.Along:
    ledger, costing = open_ledger(desk.settings.ledger_file), costing_of(desk.settings, desk.project)

    def limit(found: Timeline) -> timeline_charts.Limit | None:
        verdicts = _of_energy(desk)
        return timeline_pages.limit_of(verdicts, costing, ledger, selection) if verdicts else None

    try:
        known = partial(kept.timeline, ledger)
        return timeline_pages.read(ledger, selection, looked=looked, limit=limit, known=known)
    finally:
        ledger.close()


def _answer(
    along: timeline_pages.Along, ink: str, looked: Looked | None, told: timeline_charts.Told
) -> wire.Json:  # fmt: skip
    found = along.found
    if not found:
        return {"schema": wire.SCHEMA, "item": None, "reason": timeline_pages.NOTHING, "text": "", "shift_s": 0.0,
                "limit": "", "more": False}  # fmt: skip
    item = timeline_charts.item(found, along.names, ink, along.limit, _inside(found, looked), live=True, told=told)
    text, shift = " ".join(timeline_pages.sentences(along)), timeline_charts.offset_s(found.end)
    return {"schema": wire.SCHEMA, "item": item, "reason": None, "text": text, "shift_s": shift,
            "limit": _limit(along.limit), "more": found.more}  # fmt: skip


def _limit(limit: timeline_charts.Limit | None) -> str:
    """The budget that is drawn: where it is another, the chart is."""
    return f"{limit.title}: {limit.spent:.4g} of {limit.limit:.4g} kWh" if limit else ""


def _inside(found: Timeline, looked: Looked | None) -> Looked | None:
    """What of it there is."""
    if looked is None or looked.start >= found.end or looked.end <= found.start:
        return None
    return Looked(max(looked.start, found.start), min(looked.end, found.end))


def _of_energy(desk: Desk) -> list[Verdict]:
    budgets = [one for one in desk.budgets if one.measure == "kwh"]
    return desk.verdicts(budgets, time.time()) if budgets else []
