"""What cells are said to be: said of their runs after they have ended, and the names that are in use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado import web

from .. import config, place, wire
from ..errors import UsageError
from ..ledger import open_ledger
from .base import Handler, answered, cells_of

Said = dict[str, Any]
#: The runs of the cells that are meant.
WHICH = ("all", "newest")


class Tags(Handler):
    @web.authenticated
    @authorized
    @answered
    async def get(self) -> None:
        """What is said of cells, and the names that can be chosen from."""
        await self.answer(_known, self.settings_now(), self.notebook(), self.get_query_arguments("cell"))

    @web.authenticated
    @authorized
    @answered
    async def post(self) -> None:
        """Say what cells are."""
        await self.answer(_tag, self.settings_now(), self.notebook(), self.body())


def _known(settings: config.CostMeter, notebook: str, cells: Sequence[str]) -> wire.Json:
    with closing(open_ledger(settings.ledger_file)) as ledger:
        found = ledger.said_of(notebook, cells)
        return {
            "schema": wire.SCHEMA,
            "methods": ledger.in_use("method"),
            "runs": ledger.in_use("run"),
            "cells": {cell_id: wire.tagged_cell(runs) for cell_id, runs in found.items()},
        }


def _tag(settings: config.CostMeter, notebook: str, sent: Mapping[str, Any]) -> wire.Json:
    from .. import tagging

    cells, which, said = cells_of(sent), sent.get("which", "all"), sent.get("said")
    if which not in WHICH:
        raise UsageError(f"which = {which!r}: it wants one of {', '.join(WHICH)}")
    if not isinstance(said, dict):
        raise UsageError("said wants an object: {category, method, run, in_paper}")
    checked = tagging.checked(said)
    here = place.session_info(notebook, settings.project)
    with closing(open_ledger(settings.ledger_file)) as ledger:
        runs = ledger.runs_of(notebook, cells, which == "newest")
        for records, its in _shares(runs, checked, sent.get("failed", True) is not False):
            tagging.tag(ledger, records, its, here.user, here.host)
    return {"schema": wire.SCHEMA, "tagged": len(runs)}


def _shares(runs: Mapping[str, str], said: Mapping[str, Any], failed: bool) -> Iterator[tuple[list[str], Said]]:
    """Which records are said to be what: those that failed may keep counting as ``failed``, whatever else they are."""
    judged = [one for one, outcome in runs.items() if failed or outcome == "ok"]
    rest = {key: value for key, value in said.items() if key != "category"}
    shares = [(judged, dict(said)), ([one for one in runs if one not in set(judged)], rest)]
    yield from ((records, its) for records, its in shares if records and its)
