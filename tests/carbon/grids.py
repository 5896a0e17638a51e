"""A grid whose source is the local server, as processes at a clock of the tests' own would open it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from grid_server import NOW, GridServer

from jupyter_costmeter.carbon.live import Grid
from jupyter_costmeter.carbon.sources.uk import Uk
from jupyter_costmeter.factors import Intensity, Live

HOUR = int(NOW // 3600)  # 8 o'clock; it is 8:20
T = float(HOUR * 3600)
FILE = "uk-GB.json"
KIND = Intensity(0.0, "GB", "test")


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def another(server: GridServer, folder: Path, clock: Callable[[], float], every_s: float = 1800.0) -> Grid:
    """As another process would open it."""
    return Grid(Live("uk", every_s=every_s), folder, clock, Uk(server.url))


def got(grid: Grid, start: float, end: float) -> float | None:
    found = grid.at("GB", start, end)
    return None if found is None else found.g_per_kwh


def wait(grid: Grid) -> None:
    thread = grid._thread
    assert thread is not None
    thread.join(5)
    assert not thread.is_alive()
