"""The server's door: what the ledger knows of a notebook and its project, over HTTP (docs/wire.md).

Every verb is authenticated and authorised. The only file that imports jupyter_server.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections.abc import Awaitable, Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado import web
from traitlets.config import Config

from . import config, guard, place, plugins, wire
from .errors import LedgerError, UsageError
from .ledger import LedgerState, Selection, open_ledger
from .ledger.file import Corrupt

#: Dearest cells of a scope that the panel is told of.
DEAREST = 10
H = TypeVar("H", bound="Handler")


def answered(method: Callable[[H], Awaitable[None]]) -> Callable[[H], Awaitable[None]]:
    """The one place where our errors become statuses, each with a sentence."""

    @wraps(method)
    async def inner(self: H) -> None:
        try:
            await method(self)
        except UsageError as error:
            self.say(400, str(error))
        except LedgerError as error:
            self.say(503, str(error))

    return inner


class Handler(APIHandler):
    auth_resource = "contents"  # who may read the notebooks may read what they cost

    def say(self, status: int, message: str) -> None:
        self.set_status(status)
        self.finish(json.dumps({"message": message}))

    def settings_now(self) -> config.CostMeter:
        found, problems = config.load(Config(self.config or {}))
        for problem in problems:
            guard.report("the settings", UsageError(problem))
        return found

    def notebook(self) -> str:
        """The notebook's path on disk, as its kernel knows it, from its path in the file browser."""
        path = self.get_query_argument("path", "")
        if not path:
            raise UsageError("say which notebook: ?path=…")
        root = os.path.abspath(os.path.expanduser(getattr(self.contents_manager, "root_dir", "") or "."))
        local = path.removeprefix("RTC:")  # the drive of jupyter-collaboration
        found = os.path.abspath(os.path.join(root, local))
        if local.startswith("/") or os.path.commonpath([root, found]) != root:
            raise UsageError(f"{path!r} is not a path in this server's folder")
        return place.canonical(found)


class Totals(Handler):
    @web.authenticated
    @authorized
    @answered
    async def get(self) -> None:
        """The totals and dearest cells of a notebook and its project."""
        settings, notebook = self.settings_now(), self.notebook()
        content = await asyncio.to_thread(_totals, settings, notebook)
        self.finish(json.dumps(content))


def _totals(settings: config.CostMeter, notebook: str) -> wire.Json:
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
        return wire.scopes(
            notebook,
            project,
            {name: ledger.summary(selection) for name, selection in scopes.items()},
            {name: ledger.dearest(selection, DEAREST) for name, selection in scopes.items()},
            wire.ledger(state),
        )
    finally:
        ledger.close()


class Export(Handler):
    @web.authenticated
    @authorized
    @answered
    async def get(self) -> None:
        """A file of the session's, notebook's or project's records."""
        settings = self.settings_now()
        suffix, selection = self.get_query_argument("format", "json"), self._selection(settings)
        file, media_type = await asyncio.to_thread(_exported, settings, selection, suffix)
        try:
            self.set_header("Content-Type", f"{media_type}; charset=utf-8")
            name = f"cost-{selection.scope}-{Path(selection.key or 'all').stem[:40]}.{suffix}"
            self.set_header("Content-Disposition", f'attachment; filename="{_plain(name)}"')
            while chunk := file.read(1 << 16):
                self.write(chunk)
                await self.flush()
        finally:
            file.close()
        self.finish()

    def _selection(self, settings: config.CostMeter) -> Selection:
        scope = self.get_query_argument("scope", "notebook")
        if scope == "session":
            session = self.get_query_argument("session", "")
            if not session:
                raise UsageError("say which session: &session=…")
            return Selection("session", session)
        if scope == "notebook":
            return Selection("notebook", self.notebook())
        if scope == "project":
            return Selection("project", place.project_of(self.notebook(), settings.project))
        raise UsageError(f"there is no scope {scope!r}; there are session, notebook, project")


def _exported(settings: config.CostMeter, selection: Selection, suffix: str) -> tuple[Any, str]:
    """The export in a temporary file, and its media type: an error comes before the first byte."""
    from . import report

    file = tempfile.TemporaryFile("w+", encoding="utf-8", newline="")  # noqa: SIM115 (the handler closes it)
    ledger = open_ledger(settings.ledger_file)
    try:
        report.write(ledger, selection, suffix, file)
    except BaseException:
        file.close()
        raise
    finally:
        ledger.close()
    file.seek(0)
    return file, plugins.load("exporters", suffix).media_type


def _plain(name: str) -> str:
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in name)


def _load_jupyter_server_extension(app: Any) -> None:
    base = url_path_join(app.web_app.settings["base_url"], "jupyter_costmeter", "api")
    app.web_app.add_handlers(".*$", [(url_path_join(base, "totals"), Totals), (url_path_join(base, "export"), Export)])
    manager = app.kernel_manager  # our request must not turn a busy kernel's indicator to idle
    manager.untracked_message_types = [*manager.untracked_message_types, wire.REQUEST, wire.REPLY]
    app.log.info("jupyter_costmeter: the server extension is loaded")
