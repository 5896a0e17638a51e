"""The server's door: what the ledger knows, over HTTP (docs/wire.md).

Every verb is authenticated and authorised. The only package that imports jupyter_server.
"""

from __future__ import annotations

import atexit
from typing import Any

from jupyter_server.utils import url_path_join
from traitlets.config import Config

from .. import config, guard, wire
from .bokeh import BokehJS
from .budgets import Budgets, Chart, Extend, Forecasts, Spent
from .costs import Place, Regions, WhatIf
from .metrics import Metrics, monitor_of
from .runs import Runs
from .statements import Statements
from .tags import Tags
from .timelines import Timelines
from .totals import Export, Totals

HANDLERS = {
    "totals": Totals,
    "export": Export,
    "statement": Statements,
    "tags": Tags,
    "runs": Runs,
    "place": Place,
    "regions": Regions,
    "what_if": WhatIf,
    "budgets": Budgets,
    "extend": Extend,
    "forecast": Forecasts,
    "spent": Spent,
    "chart": Chart,
    "timeline": Timelines,
    "metrics": Metrics,
    "bokeh/([^/]+)": BokehJS,
}


def _load_jupyter_server_extension(app: Any) -> None:
    base = url_path_join(app.web_app.settings["base_url"], "jupyter_costmeter", "api")
    app.web_app.add_handlers(".*$", [(url_path_join(base, name), handler) for name, handler in HANDLERS.items()])
    manager = app.kernel_manager  # our request must not turn a busy kernel's indicator to idle
    manager.untracked_message_types = [*manager.untracked_message_types, wire.REQUEST, wire.REPLY]
    _send(app)
    _tell(app)
    app.log.info("jupyter_costmeter: the server extension is loaded")


def _send(app: Any) -> None:
    """What waits for the lab's ledger, where a setting names one."""
    settings, _ = config.load(Config(app.config))
    if settings.ledger_share:
        from .sender import Sender

        sender = Sender(settings.ledger_file, settings.ledger_share)
        sender.start()
        atexit.register(sender.stop)


@guard.guarded("OpenTelemetry")
def _tell(app: Any) -> None:
    """The metrics to a collector, where a setting names one; nothing else of ours goes out by itself."""
    settings, _ = config.load(Config(app.config))
    if settings.otel_endpoint:
        from .telemetry import Telemetry  # its import takes half a second, and may fail

        telling = Telemetry(monitor_of(settings).families, settings.otel_endpoint, settings.otel_every_s)
        atexit.register(telling.stop)
