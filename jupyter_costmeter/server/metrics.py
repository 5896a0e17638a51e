"""What Prometheus scrapes: ``GET …/metrics``, authenticated like all else (docs/monitoring.md)."""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import Iterable, Iterator
from pathlib import Path

from jupyter_server.auth.decorator import authorized
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from tornado import web

from .. import config
from ..budgets import plans_of
from ..metrics import Family
from ..monitoring import Monitor
from .base import Handler, answered, costing_of

#: One for each ledger and what its budgets depend on; kept, since it reads only what is new.
_MONITORS: dict[tuple[Path, str], Monitor] = {}


class Metrics(Handler):
    _track_activity = False  # a scrape is nobody's work: an idle server is still idle

    @web.authenticated
    @authorized
    @answered
    async def get(self) -> None:
        """The metrics of now, in the text format that the scraper prefers."""
        found = await asyncio.to_thread(monitor_of(self.settings_now()).families)
        encode, content_type = choose_encoder(self.request.headers.get("Accept", ""))
        registry = CollectorRegistry()
        registry.register(Told(found))
        self.finish(encode(registry), set_content_type=content_type)


class Told(Collector):
    """Families as the library has them."""

    def __init__(self, found: Iterable[Family]) -> None:
        self._found = found

    def collect(self) -> Iterator[Metric]:
        for family in self._found:
            kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
            made = kind(family.name, family.help, labels=family.labels)
            for values, amount in sorted(family.samples.items()):
                made.add_metric(values, amount)
            yield made


def monitor_of(settings: config.CostMeter) -> Monitor:
    """The one of these settings."""
    known = (settings.caps, tuple(settings.budget_warn), settings.lab_file, settings.ledger_share_offline)
    key = (settings.ledger_file, repr(known))
    if key not in _MONITORS:
        made = Monitor(settings.ledger_file, plans_of(settings), costing_of(settings, None))
        _MONITORS.setdefault(key, made)
    return _MONITORS[key]


@atexit.register
def close() -> None:
    """Let go of the ledgers."""
    while _MONITORS:
        _MONITORS.popitem()[1].close()
