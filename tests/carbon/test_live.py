"""Live intensities: nothing is asked unasked, each hour has its value, a failure keeps what was known."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from grid_server import HALF_HOUR, NOW, PASSWORD, SECRETS, TOKEN, USER, GridServer, grams
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter.carbon import cache, web
from jupyter_costmeter.carbon.cache import Cache
from jupyter_costmeter.carbon.live import STALE_S, Grid
from jupyter_costmeter.carbon.series import Series, Value, mean
from jupyter_costmeter.carbon.sources import NAMES, Source, open_source
from jupyter_costmeter.carbon.sources.electricity_maps import ElectricityMaps
from jupyter_costmeter.carbon.sources.uk import Uk
from jupyter_costmeter.carbon.sources.watttime import WattTime
from jupyter_costmeter.carbon.web import SourceError
from jupyter_costmeter.errors import UsageError
from jupyter_costmeter.factors import Intensity, Live

HOUR = int(NOW // 3600)  # 8 o'clock; it is 8:20
T = float(HOUR * 3600)
FILE = "uk-GB.json"


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def grid(server: GridServer, tmp_path: Path, clock: Clock) -> Grid:
    return another(server, tmp_path, clock)


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


# Nothing is asked before it is told to


def test_reading_asks_nothing(server: GridServer, grid: Grid) -> None:
    assert grid.at("GB", T - 3600, T) is None
    assert grid.lacking("GB", range(HOUR - 5, HOUR)) == [(T - 5 * 3600, T)]
    assert (grid.problem, grid.status()) == (None, "UK Carbon Intensity (NESO): nothing is known yet")
    assert server.asked == []
    assert threading.active_count() == 2  # ours and the server's


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


def test_what_is_known_in_part_says_so(grid: Grid) -> None:
    grid.refresh("GB")  # up to 8:30
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


def test_an_interval_of_which_little_is_known_is_not_its_mean(grid: Grid) -> None:
    grid.refresh("GB")
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


# The file


def test_another_process_reads_what_was_fetched(server: GridServer, grid: Grid, clock: Clock, tmp_path: Path) -> None:
    other = another(server, tmp_path, clock)
    assert other.at("GB", T - 3600, T) is None
    grid.refresh("GB")
    assert got(other, T - 3600, T) == got(grid, T - 3600, T)
    assert len(server.asked) == 1


def test_the_file_is_read_again_only_when_it_has_changed(grid: Grid, monkeypatch: pytest.MonkeyPatch) -> None:
    grid.refresh("GB")
    monkeypatch.setattr("jupyter_costmeter.carbon.cache._read", lambda path: pytest.fail("it was read"))
    for _ in range(10):
        assert got(grid, T - 3600, T) is not None


WRITER = """
import sys
from pathlib import Path
from jupyter_costmeter.carbon.cache import Asked, Cache
from jupyter_costmeter.carbon.series import Value
from jupyter_costmeter.factors import Intensity

first = int(sys.argv[2])
cache = Cache(Path(sys.argv[1]), "uk", "GB")
for k in range(40):
    start = 1800.0 * (first + 2 * k)
    value = Value(start, start + 1800, 100.0 + first, 1.0, Intensity(0.0, "GB", "test"))
    cache.add([value], [Asked(start, start, k)], 0)
print(cache.problem)
"""


def test_two_processes_write_and_nothing_is_lost(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    both = [subprocess.Popen([*command, str(first)], stdout=subprocess.PIPE, text=True) for first in (0, 1)]
    assert [process.communicate(timeout=30)[0].strip() for process in both] == ["None", "None"]
    values = Cache(tmp_path, "uk", "GB").known().series.values
    assert [(v.start, v.g) for v in values] == [(1800.0 * k, 100.0 + k % 2) for k in range(80)]
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".lock") == [FILE]


def test_a_writer_waits_for_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slowly(path: Path, plain: object) -> None:
        time.sleep(0.1)
        write(path, plain)

    write = cache._write
    monkeypatch.setattr(cache, "_write", slowly)
    values = [Value(1800.0 * k, 1800.0 * (k + 1), 100.0 + k, 1.0, KIND) for k in range(3)]
    writers = [threading.Thread(target=Cache(tmp_path, "uk", "GB").add, args=([v], [], 0.0)) for v in values]
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join()
    assert list(Cache(tmp_path, "uk", "GB").known().series.values) == values


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b"null",
        b'{"version": 2}',
        b'{"version": 1, "kinds": [], "values": [[0, 1800, 5, 0, 0]], "asked": []}',
        b'{"version": 1, "kinds": [], "values": [], "asked": [["x", 1, 2]]}',
        b'{"version": 1, "kinds": [{"region": "GB"}], "values": [], "asked": []}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_file_is_put_aside_and_begun_anew(grid: Grid, tmp_path: Path, damage: bytes) -> None:
    (tmp_path / FILE).write_bytes(damage)
    assert grid.at("GB", T - 3600, T) is None
    assert "is damaged" in str(grid.problem)
    assert "was moved to uk-GB.json.damaged" in str(grid.refresh("GB").problem)
    assert (tmp_path / f"{FILE}.damaged").read_bytes() == damage
    assert got(grid, T - 3600, T) is not None
    json.loads((tmp_path / FILE).read_text())


@pytest.mark.parametrize("change", [("g", -5), ("g", float("nan")), ("g", "5"), ("end", 0), ("method", "exact")])
def test_a_file_with_a_value_that_cannot_be_is_damaged(
    server: GridServer, grid: Grid, tmp_path: Path, clock: Clock, change: tuple[str, object]
) -> None:
    grid.refresh("GB")
    plain = json.loads((tmp_path / FILE).read_text())
    if change[0] == "method":
        plain["kinds"][0]["method"] = change[1]
    else:
        plain["values"][0][{"g": 2, "end": 1}[change[0]]] = change[1]
    (tmp_path / FILE).write_text(json.dumps(plain))
    other = another(server, tmp_path, clock)
    assert other.at("GB", T - 3600, T) is None
    assert "is damaged" in str(other.problem)
    assert got(grid, T - 3600, T) is not None  # which has it in memory


def test_a_folder_that_cannot_be_written_keeps_values_in_memory(
    server: GridServer, tmp_path: Path, clock: Clock
) -> None:
    (tmp_path / "file").write_text("")
    grid = another(server, tmp_path / "file" / "grid", clock)
    result = grid.refresh("GB", [HOUR - 3])
    assert result.count > 0
    assert "cannot be written" in str(result.problem)
    assert "kept in memory" in str(result.problem)
    assert got(grid, T - 3600, T) is not None
    assert grid.lacking("GB", [HOUR - 3]) == []


def test_a_writer_that_dies_half_way_leaves_the_file_as_it_was(
    server: GridServer, grid: Grid, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid.refresh("GB")
    before = (tmp_path / FILE).read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    clock.now += 3600
    monkeypatch.setattr(os, "replace", full)
    assert "No space left" in str(grid.refresh("GB").problem)
    assert (tmp_path / FILE).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []


def test_four_hundred_days_are_kept(grid: Grid, clock: Clock, tmp_path: Path) -> None:
    grid.refresh("GB")
    clock.now += 399 * 86_400
    grid.refresh("GB")
    assert got(grid, T - 3600, T) is not None
    clock.now += 2 * 86_400
    grid.refresh("GB")
    assert grid.at("GB", T - 3600, T) is None


# Values over time, pure

KIND = Intensity(0.0, "GB", "test")
steps = st.lists(
    st.tuples(st.integers(1, 4), st.integers(0, 2), st.floats(0.1, 2000)), min_size=1, max_size=30
)  # length, gap, g


def series_of(found: list[tuple[int, int, float]]) -> Series:
    values, at = [], 0
    for length, gap, g in found:
        values.append(Value(at * 900.0, (at + length) * 900.0, g, 0.0, KIND))
        at += length + gap
    return Series(values)


def mass(series: Series, start: float, end: float) -> float:
    """Grams that a kilowatt would have emitted in the known part, times 3600."""
    parts = series.within(start, end)
    return mean(parts, "GB", start, end).g_per_kwh * sum(s for _, s in parts) if parts else 0.0


@given(steps, st.floats(-1000, 100_000), st.floats(0, 50_000), st.floats(0, 50_000))
def test_the_mean_is_between_the_extremes_and_adds_up_over_splits(
    found: list[tuple[int, int, float]], start: float, first: float, second: float
) -> None:
    series = series_of(found)
    split, end = start + first, start + first + second
    parts = series.within(start, end)
    if parts:
        values = [v.g for v, _ in parts]
        assert min(values) <= mean(parts, "GB", start, end).g_per_kwh <= max(values)
    whole = mass(series, start, end)
    assert mass(series, start, split) + mass(series, split, end) == pytest.approx(whole, rel=1e-6, abs=1e-3)


overlapping = st.lists(
    st.tuples(st.integers(0, 40), st.integers(1, 6), st.integers(0, 5)), min_size=1, max_size=15, unique=True
)  # start, length, fetched at


@given(overlapping, st.randoms(use_true_random=False))
def test_what_overlaps_is_won_by_what_was_fetched_last_in_any_order(
    found: list[tuple[int, int, int]], random: Random
) -> None:
    values = [Value(a, a + n, 100.0 + at, at, KIND) for a, n, at in found]
    series = Series(values)
    for before, after in zip(series.values, series.values[1:], strict=False):
        assert before.end <= after.start
    assert max(v.fetched_at for v in values) in {v.fetched_at for v in series.values}
    random.shuffle(values)
    assert Series(values).values == series.values


def test_a_year_of_half_hours_is_read_in_an_instant(tmp_path: Path) -> None:
    year = [Value(T + 1800.0 * k, T + 1800.0 * (k + 1), 100.0 + k % 48, NOW, KIND) for k in range(365 * 48)]
    Cache(tmp_path, "uk", "GB").add(year, [], 0.0)
    grid = Grid(Live("uk"), tmp_path, lambda: NOW, Uk())
    begun = time.perf_counter()
    assert got(grid, T, T + 3600) == 100.5
    loaded = time.perf_counter()
    assert all(got(grid, T + 3600 * k, T + 3600 * (k + 1)) is not None for k in range(365 * 24))
    read = time.perf_counter()
    size = (tmp_path / FILE).stat().st_size
    print(
        f"a year of half-hours: {size / 1e6:.1f} MB, loaded in {1e3 * (loaded - begun):.0f} ms, "
        f"8760 hours read in {1e3 * (read - loaded):.0f} ms"
    )
    assert loaded - begun < 2
    assert read - loaded < 2


def test_a_source_error_is_for_the_user() -> None:
    assert str(SourceError("A source", "is away")) == "A source: is away"
