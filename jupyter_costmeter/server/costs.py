"""Where machines stand, which regions there are, and what the same would cost elsewhere."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from collections.abc import Mapping

from jupyter_server.auth.decorator import authorized
from tornado import web

from .. import config, cost_wire, placing, report, supposing, wire
from ..carbon import hints, snapshot
from ..errors import UsageError
from ..ledger import Selection, open_ledger
from ..words import number
from .base import Handler, answered, costing_of


class Regions(Handler):
    @web.authenticated
    @authorized
    @answered
    async def get(self) -> None:
        """All regions that can be chosen."""
        found = await asyncio.to_thread(snapshot.regions)
        self.finish(json.dumps({"schema": wire.SCHEMA, "regions": [cost_wire.region(one) for one in found]}))


class Place(Handler):
    @web.authenticated
    @authorized
    @answered
    async def get(self) -> None:
        """Where a machine stands."""
        host = self.get_query_argument("host", "") or socket.gethostname()
        self.finish(json.dumps(await asyncio.to_thread(_place, self.settings_now(), self.project(), host)))

    @web.authenticated
    @authorized
    @answered
    async def put(self) -> None:
        """Say where a machine stands."""
        asked = self.get_json_body()
        if not isinstance(asked, dict) or "region" not in asked or asked.keys() - {"host", "region", "kind"}:
            raise UsageError('the body is {host, region, kind}, of which region is "" where nothing shall be said')
        host, region, kind = (self._text(asked, name) for name in ("host", "region", "kind"))
        await asyncio.to_thread(_declare, host, region, kind)
        host = host or socket.gethostname()
        self.finish(json.dumps(await asyncio.to_thread(_place, self.settings_now(), self.project(), host)))

    def _text(self, asked: Mapping[str, object], name: str) -> str:
        value = asked.get(name)
        if value is not None and not isinstance(value, str):
            raise UsageError(f"{name} wants a text; the body is {{host, region, kind}}")
        return value or ""


def _declare(host: str, region: str, kind: str) -> None:
    if region:
        placing.declare(region, kind, host or None)
    else:
        placing.forget(host or None)


def _place(settings: config.CostMeter, project: str | None, host: str) -> wire.Json:
    declared = costing_of(settings, project).assumptions
    placed = declared.place(host, time.time())
    here = host == socket.gethostname()  # of another machine's environment nothing is known
    hint = hints.hint(os.environ) if placed is None and here else None
    return cost_wire.place(host, placed, hint, declared.problems)


class WhatIf(Handler):
    @web.authenticated
    @authorized
    @answered
    async def get(self) -> None:
        """The same records under other assumptions."""
        settings = self.settings_now()
        ask = {name: self.get_query_argument(name, "") for name in ("region", "kind", "pue", "gpu")}
        found = supposing.supposition(
            ask["region"], number(ask["pue"], "pue") if ask["pue"] else None, ask["gpu"], kind=ask["kind"]
        )
        selection, project = self.selection(settings), self.project()
        self.finish(json.dumps(await asyncio.to_thread(_what_if, settings, project, selection, found)))


def _what_if(
    settings: config.CostMeter, project: str | None, selection: Selection, supposed: supposing.Supposition
) -> wire.Json:
    costing = costing_of(settings, project)
    ledger = open_ledger(settings.ledger_file)
    try:
        uses, book = ledger.uses(selection, **costing.wants), costing.book
    finally:
        ledger.close()
    now, then = costing.of(uses, book), supposing.costs_if(uses, book, supposed)
    return cost_wire.what_if(report.name_of(selection), now, then, supposed.notes([now, then]))
