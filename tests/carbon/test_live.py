"""Live intensities: nothing is asked unasked, each hour has its value, a failure keeps what was known."""

from __future__ import annotations

import functools
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from grid_server import HALF_HOUR, NOW, PASSWORD, SECRETS, TOKEN, USER, GridServer, at, grams
from grids import HOUR, Clock, T, another, got, wait

from jupyter_costmeter.carbon import web
from jupyter_costmeter.carbon.live import STALE_S, Grid
from jupyter_costmeter.carbon.sources import NAMES, Source, open_source
from jupyter_costmeter.carbon.sources.electricity_maps import ElectricityMaps
from jupyter_costmeter.carbon.sources.uk import Uk
from jupyter_costmeter.carbon.sources.watttime import WattTime
from jupyter_costmeter.carbon.web import SourceError
from jupyter_costmeter.errors import UsageError
from jupyter_costmeter.factors import Live

# Nothing is asked before it is told to


def test_reading_asks_nothing(server: GridServer, grid: Grid) -> None:
    threads = threading.active_count()
    assert grid.at("GB", T - 3600, T) is None
    assert grid.lacking("GB", range(HOUR - 5, HOUR)) == [(T - 5 * 3600, T)]
    assert (grid.problem, grid.status()) == (None, "UK Carbon Intensity (NESO): nothing is known yet")
    assert server.asked == []
    assert threading.active_count() == threads


# What is known


def test_a_night_has_each_hours_value(server: GridServer, grid: Grid) -> None:
    hours = range(HOUR - 9, HOUR + 1)  # from 23 o'clock on
    result = grid.refresh("GB", hours)
    assert (result.problem, result.count) == (None, 19 + 1)
    for hour in hours[:-1]:
        expected = (grams(hour * 3600) + grams(hour * 3600 + HALF_HOUR)) / 2
        found = grid.at("GB", hour * 3600, hour * 3600 + 3600)
        assert found is not None
        assert (found.g_per_kwh, found.stale, found.note, found.fetched_at) == (expected, False, None, NOW)
        assert (found.start, found.end, found.region) == (hour * 3600, hour * 3600 + 3600, "GB")
    assert len(server.asked) == 1


def test_the_mean_is_weighted_by_time(grid: Grid) -> None:
    grid.refresh("GB", range(HOUR - 9, HOUR))
    start = T - 5 * 3600
    assert got(grid, start, start + 60) == grams(start)
    assert got(grid, start + 1200, start + 2100) == pytest.approx(
        (grams(start) * 600 + grams(start + 1800) * 300) / 900
    )
    assert got(grid, start + 5, start + 5) == grams(start)  # an instant


def test_the_running_half_hour_is_a_forecast_which_is_corrected(server: GridServer, grid: Grid, clock: Clock) -> None:
    newest = grid.refresh("GB").newest
    assert newest is not None
    assert (newest.start, newest.g_per_kwh, newest.note) == (T, grams(T) + 7, "forecast")
    mixed = grid.at("GB", T - 1800, T + 900)
    assert mixed is not None
    assert mixed.note == "in part forecast"
    server.now = clock.now = NOW + 3600
    assert grid.refresh("GB", [HOUR]).problem is None
    assert got(grid, T, T + 1800) == grams(T)


def test_of_a_running_hour_what_has_passed_counts(server: GridServer, tmp_path: Path, clock: Clock) -> None:
    grid = Grid(
        Live("watttime", "CAISO_NORTH/co2_aoer", "US-CA"), tmp_path, clock, WattTime(server.url, USER, PASSWORD)
    )
    server.twist = lambda answer: {**answer, "data": rising(answer["data"])} if "data" in answer else answer
    grid.refresh("US-CA")  # at 8:20
    found = grid.at("US-CA", T, T + 3600)
    assert found is not None
    assert (found.stale, found.note, found.start, found.end) == (False, None, T, NOW)
    assert found.g_per_kwh == pytest.approx(sum(100 + k for k in range(4)) / 4)
    clock.now = NOW + 26 * 60  # less than half is known, but as lately as it is asked for
    newest = grid.at("US-CA", T, T + 3600)
    assert newest is not None
    assert (newest.stale, newest.end, newest.g_per_kwh) == (False, NOW, pytest.approx(103))
    clock.now = NOW + 31 * 60
    assert grid.at("US-CA", T, T + 3600).stale  # type: ignore[union-attr]
    clock.now = T + 3600
    assert grid.at("US-CA", T, T + 3600).stale  # type: ignore[union-attr]  # a third of it is known


def rising(data: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """100, 101, … g/kWh in each five minutes from 8 o'clock on."""
    return [{**item, "value": (100 + (at(item["point_time"]) - T) // 300) / 0.45359237} for item in data]


def test_what_is_known_in_part_says_so(grid: Grid, clock: Clock) -> None:
    grid.refresh("GB")  # up to 8:30
    clock.now = T + 3600
    found = grid.at("GB", T + 900, T + 900 + 1500)
    assert found is not None
    assert (found.end, found.stale) == (T + 1800, False)
    assert found.note == "forecast; known for 60% of that time"


def test_the_last_value_is_stale_for_three_hours(grid: Grid) -> None:
    grid.refresh("GB")
    known_to = T + 1800
    found = grid.at("GB", known_to + 3600, known_to + 7200)
    assert found is not None
    assert (found.g_per_kwh, found.stale, found.start, found.end) == (grams(T) + 7, True, T, known_to)
    assert found.fetched_at == NOW
    assert grid.at("GB", known_to + STALE_S - 3600, known_to + STALE_S) is not None
    assert grid.at("GB", known_to + STALE_S - 3600, known_to + STALE_S + 1) is None
    assert grid.at("GB", T - 10 * 86_400, T - 10 * 86_400 + 60) is None  # before what is known


def test_an_interval_of_which_little_is_known_is_not_its_mean(grid: Grid, clock: Clock) -> None:
    grid.refresh("GB")
    clock.now = T + 2 * 3600
    found = grid.at("GB", T, T + 2 * 3600)
    assert found is not None
    assert found.stale


def test_a_source_without_a_zone_for_the_region_says_so(server: GridServer, grid: Grid) -> None:
    assert grid.at("FR", T, T + 60) is None
    assert grid.lacking("FR", [HOUR]) == []
    result = grid.refresh("FR")
    assert (result.count, result.newest) == (0, None)
    assert "knows only GB, not FR" in str(result.problem)
    assert grid.refresh_soon("FR") is False
    assert server.asked == []


def test_a_zone_that_the_user_names_goes_to_the_source(server: GridServer, tmp_path: Path, clock: Clock) -> None:
    grid = Grid(Live("uk", "regionid/13"), tmp_path, clock, Uk(server.url))
    assert grid.refresh("GB").problem is None
    found = grid.at("GB", T - 60, T)
    assert found is not None
    assert (found.g_per_kwh, found.region) == (50, "GB")
    assert (tmp_path / "uk-regionid%2F13.json").exists()


def test_sources_by_name() -> None:
    assert [open_source(name).name for name in NAMES] == list(NAMES)
    assert open_source("Electricity-Maps").name == "electricity_maps"
    with pytest.raises(UsageError, match="no live source 'co2signal': write one of uk, electricity_maps, watttime"):
        Grid(Live("co2signal"), Path())


# What is lacking


def test_lacking_hours_are_joined_and_none_is_in_the_future(grid: Grid) -> None:
    wanted = [HOUR - 9, HOUR - 8, HOUR - 5, HOUR, HOUR + 1, HOUR + 2]
    hour = 3600.0
    assert grid.lacking("GB", wanted) == [(T - 9 * hour, T - 7 * hour), (T - 5 * hour, T - 4 * hour), (T, T + hour)]
    grid.refresh("GB", range(HOUR - 9, HOUR))
    assert grid.lacking("GB", wanted) == []


def test_what_the_source_has_nothing_of_is_not_asked_for_again_soon(
    server: GridServer, grid: Grid, clock: Clock
) -> None:
    server.twist = lambda answer: {"data": []}
    result = grid.refresh("GB", [HOUR - 30])
    assert (result.count, result.newest) == (0, None)
    assert result.problem == "UK Carbon Intensity (NESO): has nothing of that time yet"
    assert grid.lacking("GB", [HOUR - 30]) == []
    clock.now += 1801
    assert grid.lacking("GB", [HOUR - 30]) != []


def test_what_a_source_cannot_be_asked_for_is_not_lacking(server: GridServer, tmp_path: Path, clock: Clock) -> None:
    grid = Grid(Live("electricity_maps"), tmp_path, clock, ElectricityMaps(server.url, TOKEN))
    assert grid.lacking("FR", [HOUR - 30, HOUR - 3]) == [(T - 3 * 3600, T - 2 * 3600)]
    assert grid.refresh("FR", [HOUR - 30]).count == 25
    assert len(server.asked) == 2


def test_a_forecast_is_asked_for_again_until_it_is_a_day_old(server: GridServer, tmp_path: Path, clock: Clock) -> None:
    grid = Grid(Live("uk", "regionid/13"), tmp_path, clock, Uk(server.url))
    grid.refresh("GB", [HOUR - 3, HOUR - 40])
    assert grid.lacking("GB", [HOUR - 3, HOUR - 40]) == []
    clock.now += 1801
    assert grid.lacking("GB", [HOUR - 3, HOUR - 40]) == [(T - 3 * 3600, T - 2 * 3600)]


def test_a_month_is_asked_for_in_weeks_the_newest_first(server: GridServer, grid: Grid) -> None:
    result = grid.refresh("GB", range(HOUR - 30 * 24, HOUR + 1))
    assert result.problem is None
    assert len(server.asked) == 5
    assert server.asked[0] > server.asked[-1]
    assert got(grid, T - 29 * 86_400, T) is not None


@pytest.mark.parametrize("hours", [[], [HOUR], [HOUR - 1], [HOUR - 1, HOUR], [HOUR + 5]])
def test_now_and_the_hour_before_are_always_asked_for(server: GridServer, grid: Grid, hours: list[int]) -> None:
    grid.refresh("GB", hours)
    assert server.asked == ["/intensity/2026-03-02T07:00Z/2026-03-02T08:30Z"]


def test_days_here_and_there_are_few_requests(server: GridServer, grid: Grid) -> None:
    grid.refresh("GB", [HOUR - 24 * day for day in range(6)])
    assert len(server.asked) == 1


# What goes wrong


@pytest.mark.parametrize("fault", [429, 500, 404, "garbage", "html", "huge", "broken off"])
def test_a_fault_keeps_what_was_known(server: GridServer, grid: Grid, clock: Clock, fault: int | str) -> None:
    assert grid.refresh("GB", [HOUR - 1]).problem is None
    before = got(grid, T - 3600, T)
    server.fault, clock.now = fault, NOW + 3600
    result = grid.refresh("GB", [HOUR])
    assert result.count == 0
    assert str(result.problem).startswith("UK Carbon Intensity (NESO): ")
    assert result.newest is not None
    assert (grid.problem, got(grid, T - 3600, T)) == (result.problem, before)
    assert str(result.problem) in grid.status()
    server.fault, server.now = None, clock.now
    assert grid.refresh("GB", [HOUR]).problem is None
    assert grid.problem is None


def test_a_source_that_wants_to_be_left_alone_is(server: GridServer, grid: Grid, clock: Clock) -> None:
    server.fault, server.retry_after = 429, "600"
    assert "asked again in 600 s" in str(grid.refresh("GB").problem)
    server.fault = None
    clock.now += 599
    assert "asked again" in str(grid.refresh("GB").problem)
    assert grid.refresh_soon("GB") is False
    assert len(server.asked) == 1
    clock.now += 2
    assert grid.refresh("GB").problem is None


@pytest.mark.parametrize("zone", [None, "regionid/13"])
def test_another_process_leaves_it_alone_too(
    server: GridServer, grid: Grid, tmp_path: Path, clock: Clock, zone: str | None
) -> None:
    server.fault, server.retry_after = 429, "3600"
    grid.refresh("GB")
    server.fault = None
    clock.now += 1000
    other = Grid(Live("uk", zone), tmp_path, clock, Uk(server.url))  # also as a changed file would open it
    said = "UK Carbon Intensity (NESO): wants to be left alone; it may be asked again in 2600 s"
    assert other.refresh("GB").problem == said
    assert not other.refresh_soon("GB")
    assert len(server.asked) == 1
    clock.now += 2600
    assert other.refresh("GB").problem is None


def test_another_source_is_not_left_alone_for_it(server: GridServer, grid: Grid, tmp_path: Path, clock: Clock) -> None:
    server.fault, server.retry_after = 503, "3600"
    grid.refresh("GB")
    server.fault = None
    maps = Grid(Live("electricity_maps"), tmp_path, clock, ElectricityMaps(server.url, TOKEN))
    assert maps.refresh("GB").problem is None


@pytest.mark.parametrize(
    "damage", ["", "5", '{"span": 5}', '{"span": [0, 1e18]}', '{"span": ["x", 1]}', f'{{"span": [{NOW}, {NOW + 1e6}]}}']
)
def test_a_damaged_rest_is_none(server: GridServer, grid: Grid, tmp_path: Path, damage: str) -> None:
    (tmp_path / "uk.rest.json").write_text(damage)
    assert grid.refresh("GB").problem is None


def test_where_the_rest_cannot_be_kept_this_process_leaves_the_source_alone(
    server: GridServer, tmp_path: Path, clock: Clock
) -> None:
    (tmp_path / "file").write_text("")
    grid = another(server, tmp_path / "file" / "grid", clock)
    server.fault, server.retry_after = 429, "600"
    grid.refresh("GB")
    assert "asked again in 600 s" in str(grid.refresh("GB").problem)
    assert len(server.asked) == 1


def test_a_fault_half_way_keeps_what_came_before(server: GridServer, grid: Grid) -> None:
    def fail_then(answer: object) -> object:
        server.fault = 500
        return answer

    server.twist = fail_then
    result = grid.refresh("GB", range(HOUR - 30 * 24, HOUR))
    assert result.count > 90
    assert "(500)" in str(result.problem)
    assert got(grid, T - 86_400, T) is not None


@pytest.mark.parametrize("name", ["electricity_maps", "watttime"])
def test_no_key_is_kept_or_told(server: GridServer, tmp_path: Path, clock: Clock, name: str) -> None:
    sources: dict[str, Source] = {
        "electricity_maps": ElectricityMaps(server.url, TOKEN),
        "watttime": WattTime(server.url, USER, PASSWORD),
    }
    grid = Grid(Live(name, "FR"), tmp_path, clock, sources[name])
    texts = [repr(grid.refresh("FR", range(HOUR - 5, HOUR)))]
    server.fault, clock.now = 401, NOW + 3600
    texts += [repr(grid.refresh("FR", [HOUR])), grid.status(), repr(grid), repr(vars(grid)), str(grid.problem)]
    texts += [f"{path}{path.read_text()}" for path in tmp_path.iterdir()]
    assert "the key was refused" in str(grid.problem)
    assert [secret for secret in SECRETS for text in texts if secret in text] == []


# In the background


def test_in_the_background(server: GridServer, grid: Grid) -> None:
    done = threading.Event()
    begun = time.monotonic()
    assert grid.refresh_soon("GB", range(HOUR - 3, HOUR), done.set)
    assert time.monotonic() - begun < 0.1
    assert done.wait(5)
    wait(grid)
    assert got(grid, T - 3 * 3600, T) is not None


def test_it_does_not_ask_twice(server: GridServer, grid: Grid, clock: Clock, tmp_path: Path) -> None:
    assert [grid.refresh_soon("GB") for _ in range(5)] == [True] + 4 * [False]
    wait(grid)
    assert not grid.refresh_soon("GB")
    assert not another(server, tmp_path, clock).refresh_soon("GB")  # nor does another process
    assert len(server.asked) == 1
    clock.now += 1801
    assert grid.refresh_soon("GB")
    wait(grid)
    assert len(server.asked) == 2


def test_a_slow_source_holds_nobody_up_and_is_asked_by_one_thread(
    server: GridServer, grid: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient = functools.partial(web.get_json, deadline_s=0.3)
    monkeypatch.setattr("jupyter_costmeter.carbon.sources.uk.get_json", impatient)
    server.fault = "drips headers"
    begun = time.monotonic()
    assert grid.refresh_soon("GB")
    assert not grid.refresh_soon("GB")
    assert grid.at("GB", T, T + 60) is None
    assert time.monotonic() - begun < 0.2
    wait(grid)
    assert "did not answer within 0.3 s" in str(grid.problem)
    assert len(server.asked) == 1


def test_after_a_failure_it_waits_five_minutes(server: GridServer, tmp_path: Path, clock: Clock) -> None:
    grid = another(server, tmp_path, clock, every_s=60)
    server.fault = 500
    assert grid.refresh_soon("GB")
    wait(grid)
    clock.now += 299
    assert not grid.refresh_soon("GB")
    clock.now += 2
    assert grid.refresh_soon("GB")
    wait(grid)
    assert len(server.asked) == 2


def test_a_request_that_takes_longer_than_the_period_is_not_joined_by_another(
    server: GridServer, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = another(server, tmp_path, clock, every_s=0)
    monkeypatch.setattr("jupyter_costmeter.carbon.sources.uk.get_json", functools.partial(web.get_json, deadline_s=0.3))
    server.fault = "sleeps"
    assert [grid.refresh_soon("GB") for _ in range(3)] == [True, False, False]
    wait(grid)
    assert len(server.asked) == 1


def test_an_error_of_ours_in_the_thread_is_logged_and_ends_it(grid: Grid, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> None:
        raise RuntimeError("the listener's")

    assert grid.refresh_soon("GB", (), broken)
    wait(grid)
    assert "the listener's" in caplog.text


def test_a_source_error_is_for_the_user() -> None:
    assert str(SourceError("A source", "is away")) == "A source: is away"
