"""What all our handlers share: settings, the notebook's path on disk, and errors as statuses."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import IO, Any, Concatenate, ParamSpec, TypeVar

from jupyter_server.base.handlers import APIHandler
from traitlets.config import Config

from .. import config, guard, place
from ..costing import INTENSITIES, Costing
from ..errors import CostMeterError, LedgerError, UsageError
from ..ledger import Selection
from ..wire import Json

H = TypeVar("H", bound="Handler")
P = ParamSpec("P")
#: No notebook has more cells than that, nor has a request.
MOST = 10_000


def answered(method: Callable[Concatenate[H, P], Awaitable[None]]) -> Callable[Concatenate[H, P], Awaitable[None]]:
    """The one place where our errors become statuses, each with a sentence."""

    @wraps(method)
    async def inner(self: H, /, *args: P.args, **more: P.kwargs) -> None:
        try:
            await method(self, *args, **more)
        except UsageError as error:
            self.say(400, str(error))
        except LedgerError as error:
            self.say(503, str(error))
        except CostMeterError as error:
            self.say(500, str(error))

    return inner


class Handler(APIHandler):
    auth_resource = "contents"  # who may read the notebooks may read what they cost

    def say(self, status: int, message: str) -> None:
        self.set_status(status)
        self.finish(json.dumps({"message": message}))

    def body(self) -> Mapping[str, Any]:
        """What was sent."""
        try:
            found = json.loads(self.request.body or b"{}")
        except ValueError:
            raise UsageError("the body is no JSON") from None
        if not isinstance(found, dict):
            raise UsageError("the body wants an object, {…}")
        return found

    async def answer(self, make: Callable[..., Json], *given: object) -> None:
        """In a thread, lest other requests wait."""
        self.finish(json.dumps(await asyncio.to_thread(make, *given)))

    async def send(
        self, file: IO[str], media_type: str, what: str, selection: Selection, suffix: str, anonymous: bool = False
    ) -> None:
        """A file to be saved, a part after the other; it is closed. Of an anonymous one the name says nothing, too."""
        name = (
            f"{what}-anonymous" if anonymous else f"{what}-{selection.scope}-{Path(selection.key or 'all').stem[:40]}"
        )
        try:
            self.set_header("Content-Type", f"{media_type}; charset=utf-8")
            self.set_header("Content-Disposition", f'attachment; filename="{_plain(f"{name}.{suffix}")}"')
            while chunk := file.read(1 << 16):
                self.write(chunk)
                await self.flush()
        finally:
            file.close()
        self.finish()

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

    def project(self) -> str | None:
        """The project of the notebook; ``None`` where no notebook is named."""
        named = self.get_query_argument("path", "")
        return place.project_of(self.notebook(), self.settings_now().project) if named else None

    def selection(self, settings: config.CostMeter) -> Selection:
        """The records that are asked for: ``scope``, and the session or the notebook's path."""
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


def cells_of(sent: Mapping[str, Any]) -> list[str]:
    """The ids of the cells that are meant."""
    found = sent.get("cells")
    if not isinstance(found, list) or not found or not all(isinstance(one, str) for one in found):
        raise UsageError("cells wants the ids of the cells, at least one")
    if len(found) > MOST:
        raise UsageError(f"cells has {len(found)} ids; it takes {MOST}")
    return found


def _plain(name: str) -> str:
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in name)


def costing_of(settings: config.CostMeter, project: str | None) -> Costing:
    """What derives costs in a project; kept, since a live source's thread and rest are its own."""
    key = (project, settings.ledger_file.parent / INTENSITIES)
    return _COSTINGS.setdefault(key, Costing(*key))


_COSTINGS: dict[tuple[str | None, Path], Costing] = {}
