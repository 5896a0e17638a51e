"""The file in which fetched values are kept: several processes, damage, faults of the disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from grid_server import NOW, GridServer
from grids import FILE, HOUR, KIND, Clock, T, another, got

from jupyter_costmeter.carbon import cache
from jupyter_costmeter.carbon.cache import Cache
from jupyter_costmeter.carbon.live import Grid
from jupyter_costmeter.carbon.series import Value
from jupyter_costmeter.carbon.sources.uk import Uk
from jupyter_costmeter.factors import Live

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
    cache.add([value], [Asked(start, start, k)])
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
    writers = [threading.Thread(target=Cache(tmp_path, "uk", "GB").add, args=([v], [])) for v in values]
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


def changed(path: Path, change: Callable[[Any], None]) -> None:
    plain = json.loads(path.read_text())
    change(plain)
    path.write_text(json.dumps(plain))


def test_a_file_with_a_kind_that_cannot_be_is_damaged(
    server: GridServer, grid: Grid, tmp_path: Path, clock: Clock
) -> None:
    grid.refresh("GB")
    changed(tmp_path / FILE, lambda plain: plain["kinds"][0].update(method="exact"))
    other = another(server, tmp_path, clock)
    assert other.at("GB", T - 3600, T) is None
    assert "is damaged" in str(other.problem)
    assert got(grid, T - 3600, T) is not None  # which has it in memory


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        (0, -1e18),
        (0, "x"),
        (1, 0),
        (1, 1e18),
        (1, T + 1e9),
        (2, -5),
        (2, float("nan")),
        (2, "5"),
        (2, 1e9),
        (3, 1e18),
        (3, 10**400),
        (3, float("inf")),
        (4, 7),
        (4, -1),
    ],
)
def test_a_value_that_cannot_be_is_left_out_alone(
    server: GridServer, grid: Grid, tmp_path: Path, clock: Clock, place: int, wrong: Any
) -> None:
    grid.refresh("GB", [HOUR - 3])
    before = got(grid, T - 1800, T)
    changed(tmp_path / FILE, lambda plain: plain["values"][0].__setitem__(place, wrong))
    other = another(server, tmp_path, clock)
    first = other.at("GB", T - 3.5 * 3600, T - 3 * 3600)
    assert (first, got(other, T - 1800, T)) == (None, before)
    assert str(other.problem) == f"{tmp_path / FILE} is damaged: one of its values was left out"
    clock.now += 1801
    other.refresh("GB")
    assert got(another(server, tmp_path, clock), T - 1800, T) == before
    clock.now += 1801
    assert other.refresh("GB").problem is None  # it was written anew


@pytest.mark.parametrize("wrong", [["x", 1, 2], [1, 2], 5, [0, 1, 1e18], [0, float("nan"), 5]])
def test_a_question_that_cannot_be_is_left_out(
    server: GridServer, grid: Grid, tmp_path: Path, clock: Clock, wrong: Any
) -> None:
    grid.refresh("GB")
    changed(tmp_path / FILE, lambda plain: plain["asked"].append(wrong))
    other = another(server, tmp_path, clock)
    assert got(other, T - 1800, T) is not None
    assert (other.refresh_soon("GB"), other.problem) == (False, None)


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


@pytest.mark.parametrize("days", [401, 10 * 365])
def test_what_was_fetched_once_is_kept_for_good(
    server: GridServer, grid: Grid, clock: Clock, tmp_path: Path, days: int
) -> None:
    grid.refresh("GB", range(HOUR - 9, HOUR))
    before = [got(grid, T - 3600 * k, T - 3600 * (k - 1)) for k in range(1, 10)]
    server.now = clock.now = NOW + days * 86_400
    assert grid.refresh("GB").problem is None
    other = another(server, tmp_path, clock)
    assert [got(other, T - 3600 * k, T - 3600 * (k - 1)) for k in range(1, 10)] == before


def test_a_clock_two_years_ahead_takes_nothing_away(
    server: GridServer, grid: Grid, clock: Clock, tmp_path: Path
) -> None:
    grid.refresh("GB", range(HOUR - 9, HOUR))
    before = got(grid, T - 5 * 3600, T - 4 * 3600)
    clock.now = NOW + 2 * 365 * 86_400
    another(server, tmp_path, clock).refresh("GB")
    clock.now = NOW
    assert got(another(server, tmp_path, clock), T - 5 * 3600, T - 4 * 3600) == before


def test_what_was_never_fetched_is_not_asked_for_after_four_hundred_days(grid: Grid) -> None:
    assert grid.lacking("GB", [HOUR - 399 * 24]) != []
    assert grid.lacking("GB", [HOUR - 401 * 24]) == []


def test_a_year_of_half_hours_is_read_in_an_instant(tmp_path: Path) -> None:
    year = [Value(T + 1800.0 * k, T + 1800.0 * (k + 1), 100.0 + k % 48, NOW, KIND) for k in range(365 * 48)]
    Cache(tmp_path, "uk", "GB").add(year, [])
    grid = Grid(Live("uk"), tmp_path, lambda: NOW + 366 * 86_400, Uk())
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
