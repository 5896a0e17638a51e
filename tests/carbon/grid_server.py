"""A local HTTP server that plays the three APIs' documented answers and faults, and counts what it is asked."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN, USER, PASSWORD = "em-key-4711", "ada", "pass-word-4711"
SECRETS = (TOKEN, PASSWORD, base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode(), "bearer-4711")
#: 2026-03-02 08:20 UTC: what the servers take for now.
NOW = datetime(2026, 3, 2, 8, 20, tzinfo=timezone.utc).timestamp()
HALF_HOUR = 1800


def grams(moment: float) -> int:
    """What the grid has at that time: another value in each half-hour of a day."""
    return 100 + int(moment % 86_400 // HALF_HOUR)


def at(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def iso(moment: float, form: str = "%Y-%m-%dT%H:%MZ") -> str:
    return datetime.fromtimestamp(moment, timezone.utc).strftime(form)


class GridServer:
    """``fault`` is what it does instead of answering; ``twist`` changes an answer before it is sent."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.now = NOW
        self.asked: list[str] = []
        self.fault: int | str | None = None
        self.retry_after: str | None = None
        self.twist: Callable[[Any], Any] = lambda answer: answer
        self.bearers: list[str] = []
        self.over = threading.Event()

    def answer(self, path: str, query: dict[str, str], headers: Any) -> tuple[int, Any]:
        if path.startswith("/intensity/"):
            return 200, {"data": self.uk(*path.split("/")[2:4])}
        if path.startswith("/regional/intensity/"):
            _, _, _, start, end, _, region = path.split("/")
            data = [{**item, "intensity": {"forecast": 50}} for item in self.uk(start, end)]
            return 200, {"data": {"regionid": int(region), "shortname": "London", "data": data}}
        if path.startswith("/v3/carbon-intensity/"):
            return self.electricity_maps(path.rpartition("/")[2], query["zone"], headers.get("auth-token"))
        if path == "/login":
            return self.login(headers.get("Authorization"))
        if path == "/v3/historical":
            return self.watttime(query, headers.get("Authorization"))
        return 404, {"error": "Not found"}

    def uk(self, start: str, end: str) -> list[dict[str, Any]]:
        """As the real one does, also the half-hour before."""
        times = range(int(at(start)) - HALF_HOUR, int(at(end)), HALF_HOUR)
        return [
            {
                "from": iso(t),
                "to": iso(t + HALF_HOUR),
                "intensity": {
                    "forecast": grams(t) + 7,
                    "actual": grams(t) if t + HALF_HOUR <= self.now else None,
                    "index": "low",
                },
            }
            for t in times
        ]

    def electricity_maps(self, what: str, zone: str, token: str | None) -> tuple[int, Any]:
        if token != TOKEN:
            return 401, {"error": f"Invalid auth-token {token}"}  # an answer may well quote it
        hour = int(self.now // 3600) * 3600
        if what == "latest":
            return 200, self.hour(zone, hour, True)
        return 200, {"zone": zone, "history": [self.hour(zone, hour - 3600 * k, False) for k in range(24, 0, -1)]}

    def hour(self, zone: str, moment: int, estimated: bool) -> dict[str, Any]:
        return {
            "zone": zone,
            "carbonIntensity": grams(moment),
            "datetime": iso(moment, "%Y-%m-%dT%H:%M:%S.000Z"),
            "updatedAt": iso(self.now, "%Y-%m-%dT%H:%M:%S.000Z"),
            "emissionFactorType": "lifecycle",
            "isEstimated": estimated,
            "estimationMethod": "TIME_SLICER_AVERAGE" if estimated else None,
        }

    def login(self, authorization: str | None) -> tuple[int, Any]:
        if authorization != f"Basic {SECRETS[2]}":
            return 403, {"detail": "no"}
        self.bearers.append(f"bearer-4711-{len(self.bearers)}")
        return 200, {"token": self.bearers[-1]}

    def watttime(self, query: dict[str, str], authorization: str | None) -> tuple[int, Any]:
        if not self.bearers or authorization != f"Bearer {self.bearers[-1]}":
            return 401, {"detail": f"{authorization} has expired"}
        times = range(int(at(query["start"])), int(min(at(query["end"]), self.now)), 300)
        data = [{"point_time": iso(t, "%Y-%m-%dT%H:%M:%S+00:00"), "value": 10.0 * grams(t)} for t in times]
        meta = {"region": query["region"], "signal_type": query["signal_type"], "units": "lbs_co2_per_mwh"}
        return 200, {"data": data, "meta": {**meta, "data_point_period_seconds": 300, "warnings": []}}


class Handler(BaseHTTPRequestHandler):
    grid: GridServer

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        self.grid.asked.append(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        try:
            if self.grid.fault is None or url.path == "/login":
                status, answer = self.grid.answer(url.path, query, self.headers)
                self.send(status, json.dumps(self.grid.twist(answer) if status == 200 else answer).encode())
            else:
                self.fail(self.grid.fault)
        except OSError:
            pass  # whoever asked has hung up

    def send(self, status: int, body: bytes, kind: str = "application/json", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def fail(self, fault: int | str) -> None:
        if isinstance(fault, int):
            headers = {"Retry_After": self.grid.retry_after} if self.grid.retry_after else {}
            self.send(fault, b'{"error": "no"}', Location=self.grid.url, **headers)
        elif fault == "html":
            self.send(200, b"<html><form>Log in to the campus network</form></html>", "text/html")
        elif fault == "garbage":
            self.send(200, b'{"data": [\x00\xff')
        elif fault == "deep":
            self.send(200, b"[" * 200_000)
        elif fault == "huge":
            self.send(200, b'"' + b"x" * 3_000_000 + b'"')
        elif fault == "broken off":
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
        elif fault == "sleeps":
            self.grid.over.wait(30)
        else:
            self.drip(b"HTTP/1.1 200 OK\r\nX-Long: " if fault == "drips headers" else b"HTTP/1.1 200 OK\r\n\r\n")

    def drip(self, first: bytes) -> None:
        self.wfile.write(first)
        while not self.grid.over.wait(0.05):
            self.wfile.write(b"x")


@contextmanager
def serving() -> Iterator[GridServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    grid = GridServer(f"http://127.0.0.1:{server.server_address[1]}")
    server.RequestHandlerClass = type("Of", (Handler,), {"grid": grid})
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield grid
    finally:
        grid.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
