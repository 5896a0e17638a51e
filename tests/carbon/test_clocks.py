"""A clock that was set ahead, and back, or that differs a little from another machine's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from grid_server import NOW, GridServer, grams
from grids import HOUR, Clock, T, another, got, wait

from jupyter_costmeter.carbon.live import Grid
from jupyter_costmeter.carbon.sources.uk import Uk
from jupyter_costmeter.factors import Live


def test_after_a_clock_was_ahead_many_new_processes_ask_once(server: GridServer, tmp_path: Path, clock: Clock) -> None:
    clock.now = NOW + 3 * 86_400
    assert another(server, tmp_path, clock).refresh("GB").problem is None
    clock.now = NOW
    server.asked.clear()
    begun = [grid for grid in (another(server, tmp_path, clock) for _ in range(5)) if asks(grid)]
    assert (len(begun), len(server.asked)) == (1, 1)


def asks(grid: Grid) -> bool:
    begun = grid.refresh_soon("GB", [HOUR - 1])
    if begun:
        wait(grid)
    return begun


@pytest.mark.parametrize("restarted", [True, False])
def test_a_forecast_of_a_clock_that_was_ahead_is_corrected(
    server: GridServer, tmp_path: Path, clock: Clock, restarted: bool
) -> None:
    clock.now, server.now = NOW + 3 * 86_400, NOW - 7200  # the source has only forecasts of what follows
    grid = another(server, tmp_path, clock)
    grid.refresh("GB", [HOUR - 1])
    server.now = clock.now = NOW + 7200
    if restarted:
        grid = another(server, tmp_path, clock)
    assert got(grid, T - 1800, T) == grams(T - 1800) + 7
    assert grid.lacking("GB", [HOUR - 1]) == [(T - 3600, T)]
    grid.refresh("GB", [HOUR - 1])
    found = grid.at("GB", T - 1800, T)
    assert found is not None
    assert (found.g_per_kwh, found.note, found.fetched_at) == (grams(T - 1800), None, clock.now)


def test_a_forecast_of_a_region_from_a_clock_that_was_ahead_is_replaced_by_a_later_one(
    server: GridServer, tmp_path: Path, clock: Clock
) -> None:
    def region(answer: Any) -> Any:
        for item in answer["data"]["data"]:
            item["intensity"]["forecast"] = 60
        return answer

    choice = Live("uk", "regionid/13")
    clock.now = NOW + 3 * 86_400
    Grid(choice, tmp_path, clock, Uk(server.url)).refresh("GB", [HOUR - 1])
    clock.now, server.twist = NOW, region
    grid = Grid(choice, tmp_path, clock, Uk(server.url))
    grid.refresh("GB")
    assert got(grid, T - 3600, T) == 60


def test_a_failure_under_a_clock_that_was_ahead_pauses_nothing(
    server: GridServer, tmp_path: Path, clock: Clock
) -> None:
    grid = another(server, tmp_path, clock)
    server.fault, clock.now = 500, NOW + 3 * 86_400
    assert asks(grid)
    server.fault, clock.now = None, NOW
    assert asks(grid)
    assert grid.problem is None


def test_a_machine_whose_clock_is_a_little_behind_does_not_ask_again(
    server: GridServer, grid: Grid, tmp_path: Path, clock: Clock
) -> None:
    grid.refresh("GB")
    clock.now -= 20
    assert not another(server, tmp_path, clock).refresh_soon("GB")


@pytest.mark.parametrize("restarted", [True, False])
def test_a_rest_that_was_asked_for_under_a_clock_that_was_ahead_is_over(
    server: GridServer, grid: Grid, tmp_path: Path, clock: Clock, restarted: bool
) -> None:
    clock.now = NOW + 3 * 86_400
    server.fault, server.retry_after = 429, "3600"
    grid.refresh("GB")
    server.fault, clock.now = None, NOW
    assert (another(server, tmp_path, clock) if restarted else grid).refresh("GB").problem is None
