"""A statement as a file to be saved."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

from jupyter_server.auth.decorator import authorized
from tornado import web

from .. import config
from ..ledger import Selection, open_ledger
from .base import Handler, answered, costing_of


@dataclass(frozen=True, slots=True)
class Asked:
    """Which statement, of which norms (none: all)."""

    selection: Selection
    project: str | None
    suffix: str
    norms: Sequence[str]
    anonymous: bool


class Statements(Handler):
    @web.authenticated
    @authorized
    @answered
    async def get(self) -> None:
        """The statement of the session, notebook or project: ``format``, ``norm`` (repeated), ``anonymous=1``."""
        settings = self.settings_now()
        asked = Asked(
            self.selection(settings),
            self.project(),
            self.get_query_argument("format", "md"),
            self.get_query_arguments("norm"),
            self.get_query_argument("anonymous", "") in ("1", "true"),
        )
        file, media_type = await asyncio.to_thread(_written, settings, asked)
        await self.send(file, media_type, "statement", asked.selection, asked.suffix, asked.anonymous)


def _written(settings: config.CostMeter, asked: Asked) -> tuple[IO[str], str]:
    """The statement in a temporary file, and its media type: an error comes before the first byte."""
    from .. import stating

    file = tempfile.TemporaryFile("w+", encoding="utf-8", newline="")  # noqa: SIM115 (the handler closes it)
    ledger = open_ledger(settings.ledger_file)
    costing = costing_of(settings, asked.project)
    try:
        stating.write_statement(
            ledger, asked.selection, asked.suffix, file, costing, asked.norms, asked.anonymous
        )  # fmt: skip
    except BaseException:
        file.close()
        raise
    finally:
        ledger.close()
    file.seek(0)
    return file, stating.media_type(asked.suffix)
