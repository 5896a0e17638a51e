"""The timeline of a session, a notebook or a project, as Bokeh embeds it."""

from __future__ import annotations

import time
from math import isfinite

from jupyter_server.auth.decorator import authorized
from tornado import web

from .. import timeline_charts, timeline_pages, wire
from ..budget import Verdict
from ..errors import UsageError
from ..ledger import Selection, open_ledger
from ..timeline import Looked, Timeline
from .base import answered, costing_of
from .budgets import Desk, Desked


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


def _timeline(desk: Desk, selection: Selection, ink: str, looked: Looked | None) -> wire.Json:
    ledger, costing = open_ledger(desk.settings.ledger_file), costing_of(desk.settings, desk.project)

    def limit(found: Timeline) -> timeline_charts.Limit | None:
        verdicts = _of_energy(desk)
        return timeline_pages.limit_of(verdicts, costing, ledger, selection) if verdicts else None

    try:
        along = timeline_pages.read(ledger, selection, looked=looked, limit=limit)
    finally:
        ledger.close()
    found = along.found
    if not found:
        return {"schema": wire.SCHEMA, "item": None, "reason": timeline_pages.NOTHING, "text": "", "shift_s": 0.0,
                "more": False}  # fmt: skip
    item = timeline_charts.item(found, along.names, ink, along.limit, _inside(found, looked), live=True)
    text, shift = " ".join(timeline_pages.sentences(along)), timeline_charts.offset_s(found.end)
    return {"schema": wire.SCHEMA, "item": item, "reason": None, "text": text, "shift_s": shift, "more": found.more}


def _inside(found: Timeline, looked: Looked | None) -> Looked | None:
    """What of it there is."""
    if looked is None or looked.start >= found.end or looked.end <= found.start:
        return None
    return Looked(max(looked.start, found.start), min(looked.end, found.end))


def _of_energy(desk: Desk) -> list[Verdict]:
    budgets = [one for one in desk.budgets if one.measure == "kwh"]
    return desk.verdicts(budgets, time.time()) if budgets else []
