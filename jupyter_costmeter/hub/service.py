"""The service itself: what it is told by the Hub and by ``configure``, its addresses, and its start."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jupyter_core.paths import jupyter_data_dir
from jupyterhub.services.auth import HubAuth, HubOAuth, HubOAuthCallbackHandler
from tornado.httpserver import HTTPServer
from tornado.log import app_log, enable_pretty_logging
from tornado.web import Application

from ..costing import INTENSITIES, Costing
from ..shared.batches import MOST_BYTES
from ..shared.store import SharedLedger
from . import TOLD
from .ingest import Ingest, Standings
from .pages import Health, Lab, Logout, Mine, Nowhere, Style
from .seeing import Leads

HERE = Path(__file__).parent
#: Requests that use the database at once; the others wait.
AT_ONCE = 8
#: Seconds for which what the Hub says of a token is taken to be so.
FRESH_S = 60


@dataclass(frozen=True)
class Service:
    """What all handlers know."""

    ledger: SharedLedger
    leads: Leads
    costing: Costing
    pages_auth: HubOAuth
    token_auth: HubAuth
    at_once: asyncio.Semaphore
    well_at: list[float] = field(default_factory=lambda: [-inf])  # when the database answered, by the monotonic clock

    async def asked(self, function: Any, *given: Any) -> Any:
        """A question to the database, in a thread, so that other requests go on."""
        async with self.at_once:
            return await asyncio.to_thread(function, *given)


def service_of(told: Mapping[str, Any]) -> Service:
    """Of what ``configure`` was told."""
    folder = Path(jupyter_data_dir()) / "costmeter" / INTENSITIES
    auths = HubOAuth.instance(cache_max_age=FRESH_S), HubAuth(cache_max_age=FRESH_S)
    ledger = SharedLedger(told["database"])
    return Service(ledger, told["leads"], Costing(None, folder), *auths, asyncio.Semaphore(AT_ONCE))


def application(service: Service, prefix: str) -> Application:
    """All that it answers, below the prefix that the Hub gives it."""
    shared = {"service": service}
    handlers: list[Any] = [
        (prefix, Mine, shared),
        (f"{prefix}lab", Lab, shared),
        (f"{prefix}style.css", Style),
        (f"{prefix}health", Health, shared),
        (f"{prefix}logout", Logout, shared),
        (f"{prefix}api/records", Ingest, shared),
        (f"{prefix}api/standing", Standings, shared),
        (f"{prefix}oauth_callback", HubOAuthCallbackHandler),
        (r".*", Nowhere),
    ]
    return Application(
        handlers,
        template_path=str(HERE / "templates"),
        cookie_secret=os.urandom(32),  # who was signed in when it starts again is so still, by the Hub
        xsrf_cookies=True,
        prefix=prefix,
    )


def main() -> None:
    """Run until the Hub stops it."""
    with suppress(KeyboardInterrupt):  # which is how the Hub does it
        asyncio.run(serve(os.environ))


async def serve(environ: Mapping[str, str]) -> None:
    """Listen where the Hub says."""
    enable_pretty_logging()
    prefix, at = environ["JUPYTERHUB_SERVICE_PREFIX"], urlsplit(environ["JUPYTERHUB_SERVICE_URL"])
    service = service_of(json.loads(environ[TOLD]))
    server = HTTPServer(application(service, prefix), max_body_size=2 * MOST_BYTES, xheaders=True)
    server.listen(at.port or 80, at.hostname or "127.0.0.1")
    app_log.info("jupyter_costmeter: the lab's ledger %s is shown at %s", service.ledger.address, prefix)
    await asyncio.Event().wait()
