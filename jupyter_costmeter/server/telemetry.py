"""The same metrics by OpenTelemetry, where a setting says where to (docs/monitoring.md). Only here is its SDK imported.

The SDK's own thread sends; nothing of the server waits for it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from .. import guard
from ..errors import LedgerError
from ..metrics import Family, families
from ..running import Now
from ..version import __version__

#: The setting's word for: where OTEL_EXPORTER_OTLP_ENDPOINT and its like in the environment say.
ENVIRONMENT = "environment"
#: Where a collector takes metrics, if an address has no path.
PATH = "/v1/metrics"
#: Seconds that an export may take, retries included; that the server's end waits for the last; that a look is good for.
EXPORT_S, LAST_S, LOOK_S = 10.0, 2.0, 1.0
#: Names, kinds and labels: always the same.
SHAPES = families((), Now((), (), (), ()), ())


class Telemetry:
    """Sends what ``look`` answers to an OpenTelemetry collector until it is stopped.

    Args:
        look: the metrics of now.
        endpoint: the collector's address, or ``environment``.
        every_s: seconds between two exports.
    """

    def __init__(self, look: Callable[[], list[Family]], endpoint: str, every_s: float) -> None:
        self._look, self._lock = look, threading.Lock()
        self._known: dict[str, Family] = {}
        self._looked_at = 0.0
        # its exporter logs each export that fails; that one does, the guard has said
        logging.getLogger("opentelemetry.exporter.otlp.proto.http.metric_exporter").addFilter(_once())
        exporter = OTLPMetricExporter(None if endpoint == ENVIRONMENT else _with_path(endpoint), timeout=EXPORT_S)
        reader = PeriodicExportingMetricReader(exporter, every_s * 1000, EXPORT_S * 1000)
        about = Resource.create({"service.name": "jupyter_costmeter", "service.version": __version__})
        self._provider = MeterProvider([reader], about, shutdown_on_exit=False)
        meter = self._provider.get_meter("jupyter_costmeter", __version__)
        for shape in SHAPES:
            make = meter.create_observable_counter if shape.kind == "counter" else meter.create_observable_gauge
            make(shape.name.removesuffix("_total"), [partial(self._observed, shape)], description=shape.help)

    def stop(self, timeout_s: float = LAST_S) -> None:
        """The last is sent if that takes no longer than ``timeout_s``, on a thread that need not be waited for."""
        last = threading.Thread(target=self._end, args=(timeout_s,), name="costmeter-otel-end", daemon=True)
        last.start()
        last.join(timeout_s)

    @guard.guarded("OpenTelemetry's last export")
    def _end(self, timeout_s: float) -> None:
        self._provider.shutdown(timeout_millis=timeout_s * 1000)

    def _observed(self, shape: Family, _: CallbackOptions) -> Iterable[Observation]:
        family = self._families().get(shape.name, shape)
        return [
            Observation(amount, dict(zip(family.labels, values, strict=True)))
            for values, amount in family.samples.items()
        ]

    def _families(self) -> dict[str, Family]:
        """One look for all instruments of an export; where the ledger cannot be read, nothing is sent."""
        with self._lock:
            if time.monotonic() - self._looked_at > LOOK_S:
                try:
                    self._known = {family.name: family for family in self._look()}
                except LedgerError as error:
                    self._known = {}
                    guard.report("metrics for OpenTelemetry", error)
                self._looked_at = time.monotonic()
            return self._known


def _with_path(endpoint: str) -> str:
    scheme, _, rest = endpoint.partition("://")
    return endpoint if "/" in rest.rstrip("/") else f"{scheme}://{rest.rstrip('/')}{PATH}"


def _once() -> logging.Filter:
    """Each message of a logger once: a collector that is away for a night is no thousand lines."""
    seen: set[str] = set()

    class Once(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            new = str(record.msg) not in seen
            seen.add(str(record.msg))
            return new

    return Once()
