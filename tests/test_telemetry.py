"""Metrics by OpenTelemetry, to a collector that is there, broken, slow or away; nothing waits for it."""

from __future__ import annotations

import gzip
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from serving import API, Server, port, wait
from shell import cell, fill, session
from traitlets.config import Config

from jupyter_costmeter import config
from jupyter_costmeter.errors import LedgerError
from jupyter_costmeter.metrics import Family
from jupyter_costmeter.server.telemetry import Telemetry


@dataclass
class Collector:
    """What a collector was told; ``status`` and ``delay_s`` are how it answers."""

    url: str = ""
    status: int = 200
    delay_s: float = 0.0
    got: list[tuple[str, dict[str, str], ExportMetricsServiceRequest]] = field(default_factory=list)

    def points(self, name: str) -> list[dict[str, Any]]:
        """The samples of a metric in the last export."""
        (resource,) = self.got[-1][2].resource_metrics
        (scope,) = resource.scope_metrics
        found = [metric for metric in scope.metrics if metric.name == name]
        data = [
            point for metric in found for point in (metric.sum if metric.HasField("sum") else metric.gauge).data_points
        ]
        return [{**{a.key: a.value.string_value for a in one.attributes}, "": one.as_double} for one in data]


@contextmanager
def collecting(at: int = 0) -> Iterator[Collector]:
    found = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            body = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
            headers = {name.lower(): value for name, value in self.headers.items()}
            found.got.append((self.path, headers, ExportMetricsServiceRequest.FromString(body)))
            time.sleep(found.delay_s)
            self.send_response(found.status)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", at), Handler)
    server.daemon_threads = True
    found.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()


def until(what: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


@contextmanager
def telling(look: Callable[[], list[Family]], endpoint: str, every_s: float = 0.3) -> Iterator[Telemetry]:
    made = Telemetry(look, endpoint, every_s)
    try:
        yield made
    finally:
        made.stop()


def look() -> list[Family]:
    family = Family("costmeter_flops_total", "counter", "", ("a",), {("é",): 5.0})
    return [family, Family("costmeter_cells_running", "gauge", "", (), {(): 2.0})]


def test_the_same_families_with_their_labels() -> None:
    with collecting() as collector, telling(look, collector.url):
        until(lambda: bool(collector.got))
        path, headers, body = collector.got[-1]
        assert (path, headers["content-type"]) == ("/v1/metrics", "application/x-protobuf")
        assert collector.points("costmeter_flops") == [{"a": "é", "": 5.0}]
        assert collector.points("costmeter_cells_running") == [{"": 2.0}]
        assert collector.points("costmeter_energy_joules") == []  # not measured is no zero
        about = {one.key: one.value.string_value for one in body.resource_metrics[0].resource.attributes}
        assert about["service.name"] == "jupyter_costmeter"
        (sums,) = [m.sum for m in body.resource_metrics[0].scope_metrics[0].metrics if m.name == "costmeter_flops"]
        assert sums.is_monotonic


def test_where_to_may_stand_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=secret")
        with telling(look, "environment"):
            until(lambda: bool(collector.got))
        assert collector.got[0][0] == "/v1/metrics"
        assert collector.got[0][1]["x-key"] == "secret"


def test_what_a_collector_missed_is_in_the_next_sum() -> None:
    """It answers 500 for a while, and then it has all of it."""
    with collecting() as collector, telling(look, collector.url):
        collector.status = 500
        until(lambda: bool(collector.got))
        collector.status = 200
        seen = len(collector.got)
        until(lambda: len(collector.got) > seen)
        assert collector.points("costmeter_flops") == [{"a": "é", "": 5.0}]


def test_a_ledger_that_cannot_be_read_sends_no_sample_and_goes_on() -> None:
    broken = threading.Event()

    def failing() -> list[Family]:
        if not broken.is_set():
            raise LedgerError("the disk is gone")
        return look()

    with collecting() as collector, telling(failing, collector.url):
        time.sleep(1.0)
        assert not any(request.resource_metrics for _, _, request in collector.got)
        broken.set()
        until(lambda: bool(collector.got) and bool(collector.points("costmeter_flops")))


@pytest.mark.parametrize("how", ["slow", "away", "broken"])
def test_the_end_does_not_wait_for_a_collector(how: str) -> None:
    with collecting() as collector:
        collector.delay_s, collector.status = (60.0, 200) if how == "slow" else (0.0, 500)
        address = f"http://127.0.0.1:{port()}" if how == "away" else collector.url
        made = Telemetry(look, address, 0.2)
        if how != "away":
            until(lambda: bool(collector.got))
        began = time.monotonic()
        made.stop()
        assert time.monotonic() - began < 4.0


def test_a_collector_that_is_away_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), telling(look, f"http://127.0.0.1:{port()}", 0.2):
        until(lambda: bool(caplog.records))
        time.sleep(3.0)
    said = [str(record.msg) for record in caplog.records if "metric_exporter" in record.name]
    assert len(said) == len(set(said)) <= 4


@pytest.mark.parametrize(
    ("said", "named"),
    [("collector.lab.example:4318", "wants an address"), ("http://ada:secret@collector:4318", "no secret stands in")],
)
def test_an_address_that_is_none_is_named_and_nothing_is_sent(said: str, named: str) -> None:
    settings, problems = config.load(Config({"CostMeter": {"otel_endpoint": said}}))
    assert settings.otel_endpoint == ""
    assert named in problems[0]
    assert "secret@" not in problems[0]


def test_the_environment_alone_sends_nothing_and_loads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    assert config.load()[0].otel_endpoint == ""
    code = "import jupyter_costmeter.server, sys; print([m for m in sys.modules if m.startswith('opentelemetry')])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize("slow", [False, True])
def test_a_server_sends_and_answers_meanwhile(slow: bool, one_server: Server, tmp_path: Path) -> None:
    number, log, ledger = port(), tmp_path / "log", tmp_path / "ledger.sqlite"
    info = session("s", str(tmp_path / "paper" / "a.ipynb"))
    fill(ledger, info, cell(info, 1, 1000.0))
    with collecting() as collector:
        collector.delay_s = 60.0 if slow else 0.0
        settings = {"otel_endpoint": collector.url, "otel_every_s": 1.0, "ledger_path": str(ledger)}
        command = [sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1"]
        command += [f"--ServerApp.port={number}", "--IdentityProvider.token=t", f"--ServerApp.root_dir={tmp_path}"]
        command += ["--LanguageServerManager.autodetect=False"]
        command += [f"--CostMeter.{name}={value}" for name, value in settings.items()]
        with log.open("w") as out, subprocess.Popen(command, stdout=out, stderr=out, env=one_server.env) as process:
            server = Server(f"http://127.0.0.1:{number}", "t", tmp_path, ledger, one_server.env, log)
            try:
                wait(server, process)
                until(lambda: bool(collector.got))
                began = time.monotonic()
                assert server.get(f"{API}/metrics").status == 200
                assert time.monotonic() - began < 10.0
                assert {one["device"]: one[""] for one in collector.points("costmeter_energy_joules")}["gpu"] == 1000.0
            finally:
                process.terminate()
                process.wait(20.0)  # it does not wait for a collector that sleeps for a minute
