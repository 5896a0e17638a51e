"""``jupyter_costmeter.toml``: what its rows mean, which of several wins, and no mistake costs more than its row."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from datetime import time as clock
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from declared import NOW, of, region
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jupyter_costmeter import assumptions, toml_files
from jupyter_costmeter.assumptions import TABLES, Assumptions, load
from jupyter_costmeter.conditions import Book
from jupyter_costmeter.toml_files import NAME
from jupyter_costmeter.uses import HOUR_S

MISTAKES = """\
[[where]]
region = "Frnace"

[[where]]
regoin = "FR"

[[where]]
host = "box"
region = "SE"
pue = 0.9

[[where]]
host = "gpu-*"
region = "FR"
kind = "lab"

[intensity]
g_per_kwh = 50

[live]
source = "ukk"

[embodied]
gpu_kg = {"A100*" = "150 kg"}

[water]
source = "nobody"

[currency]
code = "EUR"

[[rates]]
gpu_hour = -1

[[rates]]
kwh = 0.3

[[cloud]]
provider = "aws"

[[wehre]]
region = "DE"
"""
NAMED = {
    1: "[[where]]: there is no region 'Frnace'; near it are",
    5: "[[where]]: there is no 'regoin'; did you mean 'region'?",
    10: "[[where]]: pue = 0.9: it wants a number from 1 to 10",
    17: "intensity: write it as [[intensity]], once for each row",
    21: "[live]: source: there is no 'ukk'; did you mean 'uk'?",
    23: "[embodied]: A100* = '150 kg': it wants a number from 0 on",
    26: "[water]: on_site_l_per_kwh or off_site_l_per_kwh is missing",
    33: "[[rates]]: gpu_hour",
    38: "[[cloud]]: gpu is missing",
    41: "there is no 'wehre'; did you mean 'where'?",
}


def test_each_mistake_is_named_with_file_and_line_and_the_rest_is_used(own: Path) -> None:
    found = of(own, MISTAKES)
    for line, said in NAMED.items():
        assert [p for p in found.problems if p.startswith(f"{own}:{line}: {said}")], (line, found.problems)
    assert len(found.problems) == len(NAMED)
    assert region(found, "gpu-07") == "FR"
    assert [str(tariff.prices["kwh"]) for tariff in found.tariffs] == ["0.3"]
    assert (found.intensities, found.live, found.hardware, found.water, found.clouds) == ((), None, None, None, ())


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('[[cloud]]\nprovider = "aws"\nwhere = "us-east-1"\n\n[[where]]\nregion = "Frnace"\n', 5),
        ('[[rates]]\nkwh = 1\ncurrency = "EUR"\n\n[currency]\nname = "EUR"\n', 6),
        ('[currency]\ncode = "EUR"\n\n[[rates]]\nkwh = 1\n[[rates]]\ngpu_hour = "x"\n', 7),
    ],
)
def test_a_key_that_is_called_like_a_table_is_none(own: Path, text: str, line: int) -> None:
    assert f"{own}:{line}: " in " ".join(of(own, text).problems)


def test_a_file_that_is_nested_too_deep_is_named(own: Path) -> None:
    (problem,) = of(own, "a=" + "[" * 3000 + "]" * 3000).problems
    assert problem.startswith(f"{own}: ")


def test_a_year_that_is_none_is_named(own: Path) -> None:
    (problem,) = of(own, '[[intensity]]\ng_per_kwh = 50\nyear = "tomorrow"\n').problems
    assert problem == f"{own}:3: [[intensity]]: year = 'tomorrow': it wants a number from 1990 to 2100"


def test_a_file_that_is_broken_takes_only_itself_away(own: Path, home: Path) -> None:
    (home / "paper").mkdir()
    (home / "paper" / NAME).write_text('[[where]]\nregion = "FR"\n')
    own.write_text("[[where\n")
    found = load(str(home / "paper"))
    assert region(found) == "FR"
    (problem,) = found.problems
    assert problem.startswith(f"{own}: ")
    assert "nothing of this file is used" in problem


def test_nothing_declared_is_nothing_assumed(own: Path) -> None:
    found = load()
    assert found == Assumptions(files=found.files)
    assert own in found.files
    assert not found.varies


# What wins


def test_the_nearer_file_wins(own: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "system").mkdir()
    (home / "paper").mkdir()
    monkeypatch.setattr(toml_files, "jupyter_config_path", lambda: [str(own.parent), str(home / "system")])
    row = '[[where]]\nregion = "{}"\n[[intensity]]\ng_per_kwh = {}\n[[rates]]\nkwh = {}\ncurrency = "EUR"\n'
    asking = row + '[live]\nsource = "{}"\n'
    (home / "system" / NAME).write_text(asking.format("DE", 1, "0.1", "uk"))

    def seen(project: Path | None = None) -> tuple[Any, ...]:
        found = load(str(project) if project else None)
        intensity = found.intensity("PL", NOW)
        assert found.live
        assert intensity
        return region(found), intensity.g_per_kwh, found.live.source, [str(t.prices["kwh"]) for t in found.tariffs]

    assert seen() == ("DE", 1.0, "uk", ["0.1"])
    own.write_text(asking.format("SE", 2, "0.2", "watttime"))
    assert seen() == ("SE", 2.0, "watttime", ["0.2"])
    (home / "paper" / NAME).write_text(row.format("FR", 3, "0.3"))
    assert seen(home / "paper") == ("FR", 3.0, "watttime", ["0.3"])
    assert seen() == ("SE", 2.0, "watttime", ["0.2"])  # another project's counts nothing


def test_jupyters_folders_are_those_that_are_read(own: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(home / "lab"))
    found = list(assumptions.files(str(home / "paper")))
    assert found[-1] == home / "paper" / NAME
    assert set(found) >= {home / "lab" / NAME, own}


def test_a_nearer_file_can_switch_a_live_source_off(own: Path, home: Path) -> None:
    (home / "paper").mkdir()
    assert of(own, '[live]\nsource = "uk"\n').live
    (home / "paper" / NAME).write_text('[live]\nsource = "none"\n')
    assert load(str(home / "paper")).live is None
    (home / "paper" / NAME).write_text('[live]\nsource = "wrong"\n')  # a mistake, which says nothing
    assert load(str(home / "paper")).live


def test_a_projects_file_cannot_ask_for_the_network(own: Path, home: Path) -> None:
    (home / "paper").mkdir()
    cloned, shared = home / "paper" / NAME, home / "paper" / "more.toml"
    shared.write_text('[live]\nsource = "watttime"\n')
    cloned.write_text('include = ["more.toml"]\n[[where]]\nregion = "GB"\n[live]\nsource = "uk"\n')
    found = load(str(home / "paper"))
    assert found.live is None
    assert region(found) == "GB"
    assert [problem.partition(": ")[0] for problem in found.problems] == [f"{shared}:1", f"{cloned}:4"]
    assert found.problems[1].endswith(f"write it into {own}")
    own.write_text(f'include = ["{shared}"]\n')  # who includes it in his own asks
    found = load(str(home / "paper"))
    assert found.live
    assert found.live.source == "watttime"
    assert [problem.partition(": ")[0] for problem in found.problems] == [f"{cloned}:4"]


def test_a_nearer_tariff_takes_only_the_units_that_it_prices(own: Path, home: Path) -> None:
    (home / "paper").mkdir()
    own.write_text(
        '[currency]\ncode = "EUR"\n'
        '[[rates]]\nmatch = {host = "GPU-1", gpu = "a100*"}\ngpu_hour = 1\nkwh = 0.3\n'
        "[[rates]]\ncpu_hour = 0.01\n"
        "[[rates]]\ncpu_hour = 0.02\nvalid_from = 2026-01-01\n"
        '[[rates]]\nmatch = {partition = "P"}\nkwh = 0.4\n'
    )
    (home / "paper" / NAME).write_text(
        '[currency]\ncode = "EUR"\n'
        '[[rates]]\nmatch = {host = "gpu-1", gpu = "A100*"}\ngpu_hour = 2\n'
        "[[rates]]\ncpu_hour = 0.03\n"
        '[[rates]]\nmatch = {partition = "p"}\nkwh = 0.5\n'
    )
    found = [{unit: str(price) for unit, price in row.prices.items()} for row in load(str(home / "paper")).tariffs]
    assert found[:3] == [{"kwh": "0.3"}, {"cpu_hour": "0.02"}, {"kwh": "0.4"}]
    assert found[3:] == [{"gpu_hour": "2"}, {"cpu_hour": "0.03"}, {"kwh": "0.5"}]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (["FR from = 2020-01-01 until = 2030-01-01", "DE", "SE from = 2025-01-01"], "FR"),  # more bounds
        (["FR from = 2025-01-01", "DE from = 2020-01-01", "SE"], "FR"),  # a later beginning
        (["DE until = 2030-01-01", "SE"], "DE"),
        (["DE", "SE"], "SE"),  # alike: the later one
    ],
)
@pytest.mark.parametrize("table", ["where", "intensity"])
def test_more_bounds_win_over_fewer_then_the_later_beginning(
    table: str, rows: list[str], expected: str, own: Path
) -> None:
    text = ""
    for row in rows:
        name, _, bounds = row.partition(" ")
        said = f'region = "{name}"' if table == "where" else f'g_per_kwh = 1\nsource = "{name}"'
        text += f"[[{table}]]\n{said}\n" + bounds.replace(" until", "\nuntil") + "\n"
    found = of(own, text)
    assert not found.problems
    intensity = found.intensity("FR", NOW)
    assert (region(found) if table == "where" else intensity and intensity.source) == expected


def test_a_named_regions_intensity_wins_over_one_of_any(own: Path) -> None:
    text = '[[intensity]]\nregion = "FR"\ng_per_kwh = 1\n'
    found = of(own, f"{text}[[intensity]]\ng_per_kwh = 2\nfrom = 2020-01-01\nuntil = 2030-01-01\n")
    one, other = found.intensity("FR", NOW), found.intensity("SE", NOW)
    assert (one and one.g_per_kwh, other and other.g_per_kwh) == (1, 2)


def test_the_first_second_of_1970_is_a_bound_like_any(own: Path) -> None:
    found = of(own, "[[intensity]]\ng_per_kwh = 2\nuntil = 1970-01-01\n")
    assert found.intensity("FR", NOW) is None
    assert found.varies


@pytest.mark.parametrize(
    ("rows", "host", "expected"),
    [
        (["*=SE", "=DE"], "box", "DE"),  # alike: the later one
        (["gpu-*=FR", "=SE"], "gpu-1", "FR"),  # more letters
        (["gpu-1=FR", "gpu-1*=SE"], "gpu-1", "FR"),  # a name before any pattern
        (["GPU-1=FR", "=SE"], "gpu-1", "FR"),
        (["gpu-1=FR", "=SE"], "GPU-1", "FR"),
        (["gpu-[12]=FR", "=SE"], "gpu-2", "FR"),
        (["gpu-?=FR"], "gpu-22", None),
        (["gpu-1=FR"], "gpu-11", None),
    ],
)
def test_the_more_specific_host_wins(rows: list[str], host: str, expected: str | None, own: Path) -> None:
    for order in (rows, rows[::-1]) if rows[-1] != "=DE" else (rows,):
        made = [f'[[where]]\nhost = "{h}"\nregion = "{r}"\n' for h, r in (row.split("=") for row in order)]
        assert region(of(own, "".join(made)), host) == expected


def test_a_place_by_name_is_the_regions_id_and_a_clouds_kind_is_known(own: Path) -> None:
    found = of(own, '[[where]]\nregion = "California"\n[[where]]\nhost = "vm"\nregion = "GCP:us-central1"\n')
    assert (region(found), region(found, "vm")) == ("US-CA", "gcp/us-central1")
    box, machine = found.place("box", NOW), found.place("vm", NOW)
    assert box
    assert machine
    assert (box.kind, machine.kind) == (None, "cloud")
    assert (box.origin, machine.origin) == (f"{own}:1", f"{own}:3")


# Times


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[ZoneInfo]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield ZoneInfo("Europe/Berlin")
    monkeypatch.undo()
    time.tzset()


def test_a_row_counts_from_a_day_until_a_day(own: Path, berlin: ZoneInfo) -> None:
    found = of(own, '[[where]]\nregion = "FR"\nfrom = 2026-03-01\nuntil = 2026-03-02\n')
    start = datetime(2026, 3, 1, tzinfo=timezone.utc).timestamp()
    assert [region(found, at=start + t) for t in (-1, 0, 86_399, 86_400)] == [None, "FR", "FR", None]
    assert found.varies


def test_days_are_those_of_utc_wherever_the_file_is_read(own: Path, berlin: ZoneInfo) -> None:
    """Also those in which the reader's clocks change: a file that several share says the same to all."""
    for day, hours in ((date(2026, 3, 29), 24), (date(2026, 10, 25), 24)):
        found = of(own, f'[[where]]\nregion = "FR"\nfrom = {day}\nuntil = {day + timedelta(days=1)}\n')
        start, end = found.places[0].span
        assert end - start == hours * HOUR_S
        assert start == datetime(day.year, day.month, day.day, tzinfo=timezone.utc).timestamp()
        book, first = Book(found), int(start // HOUR_S)
        inside = [book.at("box", hour).region for hour in range(first - 1, first + hours + 1)]
        assert inside == [None, *["FR"] * hours, None]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-07-01T12:00:00", datetime(2026, 7, 1, 12, tzinfo=timezone.utc)),
        ("2026-07-01T12:00:00Z", datetime(2026, 7, 1, 12, tzinfo=timezone.utc)),
        ("2026-07-01T12:00:00-07:00", datetime(2026, 7, 1, 19, tzinfo=timezone.utc)),
        ("2026-01-01", datetime(2026, 1, 1, tzinfo=timezone.utc)),
    ],
)
def test_a_time_is_in_utc_unless_it_says_another(text: str, expected: datetime, own: Path, berlin: ZoneInfo) -> None:
    assert of(own, f"[[intensity]]\ng_per_kwh = 1\nfrom = {text}\n").intensities[0].start == expected.timestamp()


def test_a_machine_that_has_moved(own: Path, berlin: ZoneInfo) -> None:
    found = of(own, '[[where]]\nhost = "box"\nregion = "DE"\n[[where]]\nhost="box"\nregion="FR"\nfrom = 2026-10-01\n')
    moved = datetime(2026, 10, 1, tzinfo=timezone.utc).timestamp()
    assert [region(found, at=at) for at in (0.0, moved - 1, moved, moved + 1e9)] == ["DE", "DE", "FR", "FR"]


def test_periods_of_an_intensity(own: Path, berlin: ZoneInfo) -> None:
    text = "[[intensity]]\ng_per_kwh = 1\n" + "".join(
        f'[[intensity]]\nregion = "FR"\ng_per_kwh = {g}\nfrom = {y}-01-01\nuntil = {y + 1}-01-01\n'
        for g, y in ((32, 2026), (28, 2027))
    )
    found = of(own, text)

    def grams(region: str | None, year: int) -> float | None:
        one = found.intensity(region, datetime(year, 6, 1, tzinfo=berlin).timestamp())
        return one.g_per_kwh if one else None

    assert [grams("FR", year) for year in (2025, 2026, 2027, 2028)] == [1, 32, 28, 1]
    assert [grams(other, 2026) for other in ("SE", None)] == [1, 1]
    assert {one.method for one in found.intensities} == {"declared"}
    assert found.intensities[1].source == f"declared in {NAME}:3"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('from = "2026-10-01"', "from = '2026-10-01': it wants a date without quotes, such as 2026-10-01"),
        ("until = 2026", "until = 2026: it wants a date without quotes"),
        ("from = 12:00:00", "it wants a date without quotes"),
        ("from = 2026-10-02\nuntil = 2026-10-02", "until is not after from"),
        ("from = 2026-10-02\nuntil = 2026-10-01", "until is not after from"),
    ],
)
def test_what_is_no_time(lines: str, said: str, own: Path) -> None:
    found = of(own, f'[[where]]\nregion = "FR"\n{lines}\n')
    assert said in found.problems[0]
    assert found.places == ()


# Anything at all

SCALARS = st.one_of(
    st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.dates(), st.datetimes(),
    st.datetimes(timezones=st.sampled_from([timezone.utc, timezone(timedelta(hours=-10))])), st.times(),
    st.sampled_from(["FR", "lab", "uk", "EUR", 10**400, "A100*", "aws", date(1, 1, 1), date(9999, 12, 31)]),
)  # fmt: skip
WORDS = st.sampled_from([
    "host", "region", "kind", "pue", "from", "until", "g_per_kwh", "source", "basis", "uncertainty", "zone",
    "every_min", "gpu_kg", "server_kg", "life_years", "use", "on_site_l_per_kwh", "code", "match", "gpu_hour",
    "kwh", "capex", "gpus", "currency", "valid_from", "provider", "gpu", "as_of", "A100*",
])  # fmt: skip
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2))
ROWS = st.dictionaries(WORDS, VALUES, max_size=5)


def toml(value: object) -> str:
    """A value as TOML has it."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json.dumps(key)} = {toml(one)}' for key, one in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    return (
        value.isoformat() if isinstance(value, (date, clock)) else json.dumps(value).replace("Infinity", "inf").lower()
    )


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(TABLES), ROWS | st.lists(ROWS, min_size=1, max_size=2) | VALUES, max_size=3))
def test_no_file_makes_reading_fail(own: Path, made: dict[str, Any]) -> None:
    own.write_text("".join(f"{name} = {toml(value)}\n" for name, value in made.items()))
    found = load()
    assert all(problem.startswith(str(own)) for problem in found.problems)
    Book(found).at("box", int(NOW // HOUR_S))
