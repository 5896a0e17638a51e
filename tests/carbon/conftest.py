"""A server that plays the live sources' APIs, and a guard that no test leaves a request's thread behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import grid_server
import grids
import pytest

from jupyter_costmeter.carbon.live import Grid


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[grid_server.GridServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("ELECTRICITYMAPS_TOKEN", "WATTTIME_USER", "WATTTIME_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    with grid_server.serving() as found:
        yield found
        assert left_over() == []  # while the server still drips


def left_over() -> list[str]:
    """Threads of requests that have not ended soon."""
    end = time.monotonic() + 1
    while (left := [t.name for t in threading.enumerate() if t.name.startswith("costmeter: ")]) and (
        time.monotonic() < end
    ):
        time.sleep(0.01)
    return left


@pytest.fixture
def clock() -> grids.Clock:
    return grids.Clock()


@pytest.fixture
def grid(server: grid_server.GridServer, tmp_path: Path, clock: grids.Clock) -> Grid:
    return grids.another(server, tmp_path, clock)
