"""The last runs of a notebook's cells, in whatever session: for the line below each cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado import web

from .. import config, guard, place, wire
from ..derived import Costs
from ..errors import LedgerError
from ..ledger import open_ledger
from ..rates import Rates, rates
from ..record import CellRecord, SessionInfo, Usage
from ..singly import Singly
from .base import Handler, answered, cells_of, costing_of

#: One run of a cell, with its session.
Run = tuple[SessionInfo, CellRecord]


class Runs(Handler):
    @web.authenticated
    @authorized
    @answered
    async def post(self) -> None:
        """The last runs of cells."""
        await self.answer(_runs, self.settings_now(), self.notebook(), self.body())


def _runs(settings: config.CostMeter, notebook: str, sent: Mapping[str, Any]) -> wire.Json:
    with closing(open_ledger(settings.ledger_file)) as ledger:
        with suppress(LedgerError):  # what cannot be written may still be read
            ledger.close_orphans()  # of a kernel that was killed a moment ago
        found = ledger.last_runs(notebook, cells_of(sent))
    costs_of = _pricing(settings, notebook, [run for runs in found.values() for run in runs])
    told = {cell_id: _told(runs, settings, costs_of) for cell_id, runs in found.items()}
    return {"schema": wire.SCHEMA, "cells": told}


def _told(
    runs: Sequence[Run], settings: config.CostMeter, costs_of: Callable[[CellRecord], Costs | None]
) -> list[wire.Json]:
    """The newest with all that is derived of it; of the others only what makes the spread is shown."""
    (info, newest), *others = runs

    def rates_of(usage: Usage) -> Rates | None:
        return rates(usage, info.device_names, settings.peak_flops)

    return [wire.run(newest, wire.Derive(rates_of, costs_of)), *(wire.run(record) for _, record in others)]


def _pricing(settings: config.CostMeter, notebook: str, runs: Sequence[Run]) -> Callable[[CellRecord], Costs | None]:
    """What a run cost, under the assumptions of now."""
    book = costing_of(settings, place.project_of(notebook, settings.project)).book
    return guard.guarded("carbon and money")(Singly({info.id: info for info, _ in runs}, book).costs_of)
