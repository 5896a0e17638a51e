"""What the ledger knows of a notebook and its project, and its exports."""

from __future__ import annotations

import asyncio
import json
import tempfile
from typing import TYPE_CHECKING, Any

from jupyter_server.auth.decorator import authorized
from tornado import web

from .. import config, guard, place, plugins, wire
from ..costing import Costing
from ..derived import Costs
from ..errors import LedgerError
from ..ledger import LedgerState, Selection, open_ledger
from ..ledger.file import Corrupt
from .base import Handler, answered, costing_of

if TYPE_CHECKING:
    from ..ledger.store import Ledger

#: Dearest cells of a scope that the panel is told of.
DEAREST = 10


class Totals(Handler):
    @web.authenticated
    @authorized
    @answered
    async def get(self) -> None:
        """The totals and dearest cells of a notebook and its project."""
        settings, notebook, session = self.settings_now(), self.notebook(), self.get_query_argument("session", None)
        content = await asyncio.to_thread(_totals, settings, notebook, session)
        self.finish(json.dumps(content))


def _totals(settings: config.CostMeter, notebook: str, session: str | None) -> wire.Json:
    ledger = open_ledger(settings.ledger_file)
    project = place.project_of(notebook, settings.project)
    scopes = {"notebook": Selection("notebook", notebook), "project": Selection("project", project)}
    try:
        ledger.close_orphans()
        state = LedgerState(True, str(ledger.path))
    except Corrupt as error:  # it was put aside, and a new one can be begun
        state = LedgerState(True, str(ledger.path), str(error))
    except LedgerError as error:  # cannot be written: it may still be read
        state = LedgerState(False, str(ledger.path), str(error))
    try:
        cost = costing_of(settings, project)
        return wire.scopes(
            notebook,
            project,
            {name: (ledger.summary(one), _costs(ledger, one, cost)) for name, one in scopes.items()},
            {name: ledger.dearest(selection, DEAREST) for name, selection in scopes.items()},
            wire.ledger(state),
            ledger.summary(Selection("session", session)).cells if session else None,
            ledger.said_in(session) if session else None,
            ledger.share(),
        )
    finally:
        ledger.close()


@guard.guarded("carbon and money")
def _costs(ledger: Ledger, selection: Selection, costing: Costing) -> Costs:
    return costing.of(ledger.uses(selection, **costing.wants))


class Export(Handler):
    @web.authenticated
    @authorized
    @answered
    async def get(self) -> None:
        """A file of the session's, notebook's or project's records."""
        settings = self.settings_now()
        suffix, selection = self.get_query_argument("format", "json"), self.selection(settings)
        file, media_type = await asyncio.to_thread(_exported, settings, self.project(), selection, suffix)
        await self.send(file, media_type, "cost", selection, suffix)


def _exported(settings: config.CostMeter, project: str | None, selection: Selection, suffix: str) -> tuple[Any, str]:
    """The export in a temporary file, and its media type: an error comes before the first byte."""
    from .. import report

    file = tempfile.TemporaryFile("w+", encoding="utf-8", newline="")  # noqa: SIM115 (the handler closes it)
    ledger = open_ledger(settings.ledger_file)
    try:
        report.write(ledger, selection, suffix, file, costing_of(settings, project))
    except BaseException:
        file.close()
        raise
    finally:
        ledger.close()
    file.seek(0)
    return file, plugins.load("exporters", suffix).media_type
