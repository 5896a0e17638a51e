"""Which intensity and PUE a machine had at a time: who wins, and what is said where nobody knows."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from carbon_cases import HOUR, NOON, FakeGrid, constant, place, utc

from jupyter_costmeter import assumptions
from jupyter_costmeter.assumptions import Assumptions
from jupyter_costmeter.conditions import Book, Conditions
from jupyter_costmeter.factors import Live

H = int(NOON // HOUR)


def at(assumed: Assumptions, host: str = "host", hour: int = H, grid: FakeGrid | None = None) -> Conditions:
    return Book(assumed, grid).at(host, hour)


def of(*places: Any, **more: Any) -> Assumptions:
    return Assumptions(places=places, **more)


# Nobody said


def test_an_unknown_place_is_at_the_worlds_average_which_says_so() -> None:
    found = at(Assumptions())
    assert (found.region, found.kind) == (None, None)
    assert (found.intensity.g_per_kwh, found.intensity.method, found.intensity.region) == (475.0, "assumed", "world")
    assert (found.pue.value, found.pue.method) == (1.56, "assumed")
    assert found.unknown


def test_a_place_of_another_machine_is_none_of_this_one() -> None:
    assert at(of(place("FR", host="another"))).unknown
    assert at(of(place("FR", host="host"))).intensity.g_per_kwh == pytest.approx(56.039)


def test_a_refused_region_is_at_the_worlds_average_and_says_why() -> None:
    found = at(of(place("CF")))
    assert (found.region, found.intensity.g_per_kwh, found.intensity.method) == ("CF", 475.0, "assumed")
    assert found.unknown
    assert "Central African Republic: refused: 0 g/kWh" in (found.intensity.note or "")


def test_what_is_declared_of_a_refused_region_holds() -> None:
    found = at(of(place("CF"), intensities=(constant(120.0, "CF"),)))
    assert (found.intensity.g_per_kwh, found.unknown) == (120.0, False)


# Where, by host and time


@pytest.mark.parametrize(
    ("hosts", "chosen"),
    [
        (("", "gpu07"), "gpu07"),
        (("gpu07", ""), "gpu07"),
        (("gpu07", "gpu*"), "gpu07"),
        (("gpu*", "*"), "gpu*"),
        (("gpu0*", "gpu*"), "gpu0*"),
        (("gpu*", "gpu0*"), "gpu0*"),
        (("gpu0?", "gpu0*"), "gpu0*"),  # as specific: the later row
        (("cpu*", "gpu[0-9]7"), "gpu[0-9]7"),
        (("GPU07", "gpu*"), "GPU07"),  # as in DNS
    ],
)
def test_the_most_specific_host_wins(hosts: tuple[str, str], chosen: str) -> None:
    regions = dict(zip(hosts, ("FR", "DE"), strict=True))
    rows = [place(region, host=host) for host, region in regions.items()]
    assert at(of(*rows), "gpu07").region == regions[chosen]


def test_a_later_row_wins_over_one_that_is_alike() -> None:
    assert at(of(place("FR"), place("DE"))).region == "DE"


def test_a_machine_that_moved() -> None:
    """From a day on; a date is midnight of where the tool runs."""
    moved = of(place("FR"), place("PL", **{"from": date(2026, 10, 3)}))
    midnight = datetime(2026, 10, 3).timestamp()
    assert at(moved, hour=int((midnight - 4 * HOUR) // HOUR)).region == "FR"
    assert at(moved, hour=int((midnight + 4 * HOUR) // HOUR)).region == "PL"
    assert at(moved, hour=int((midnight + 1e8) // HOUR)).region == "PL"


def test_a_machine_that_was_lent_for_a_while() -> None:
    from_, until = (datetime(2026, 10, day, tzinfo=timezone.utc) for day in (3, 5))
    lent = of(place("FR"), place("PL", **{"from": from_, "until": until}))
    regions = [at(lent, hour=int(utc(2026, 10, day, hour) // HOUR)).region for day, hour in ((2, 23), (3, 0), (4, 23))]
    assert regions == ["FR", "PL", "PL"]
    assert at(lent, hour=int(utc(2026, 10, 5) // HOUR)).region == "FR"


def test_before_a_place_was_declared_it_is_not_known() -> None:
    assert at(of(place("FR", **{"from": date(2027, 1, 1)}))).unknown


# PUE


@pytest.mark.parametrize(
    ("region", "more", "pue", "kind"),
    [
        ("FR", {}, 1.56, None),
        ("FR", {"kind": "lab"}, 1.56, "lab"),
        ("FR", {"kind": "laptop"}, 1.0, "laptop"),
        ("gcp/us-central1", {}, 1.12, "cloud"),
    ],
)
def test_pue_by_the_kind_of_place(region: str, more: dict[str, str], pue: float, kind: str | None) -> None:
    found = at(of(place(region, None, **more)))
    assert (found.pue.value, found.kind, found.pue.method) == (pue, kind, "assumed")
    assert found.pue.source


def test_a_declared_pue_goes_before_the_kinds() -> None:
    found = at(of(place("FR", 1.23, kind="laptop", pue_source="the site's meter")))
    assert (found.pue.value, found.pue.method, found.pue.source) == (1.23, "declared", "the site's meter")


# Intensity: one's own, else live, else shipped


def test_who_wins() -> None:
    grid = FakeGrid({("FR", H): 30.0})
    shipped, live, own = of(place("FR")), Live("uk"), (constant(80.0),)
    assert at(shipped).intensity.g_per_kwh == pytest.approx(56.039)
    assert at(replace(shipped, live=live), grid=grid).intensity.g_per_kwh == 30.0
    assert at(replace(shipped, live=live, intensities=own), grid=grid).intensity.g_per_kwh == 80.0
    assert at(replace(shipped, live=live), hour=H + 1, grid=grid).intensity.source.startswith("Our World in Data")
    assert at(shipped, grid=grid).intensity.source.startswith("Our World in Data")  # nobody asked for a live source
    assert grid.asked == [("FR", NOON, NOON + HOUR), ("FR", NOON + HOUR, NOON + 2 * HOUR)]


def test_a_live_source_is_not_asked_for_nowhere() -> None:
    grid = FakeGrid({})
    assert at(Assumptions(live=Live("uk")), grid=grid).unknown
    assert grid.asked == []


def test_a_live_source_of_one_region_is_for_no_other() -> None:
    grid = FakeGrid({("FR", H): 30.0, ("DE", H): 400.0})
    only = of(place("DE"), place("FR", host="paris"), live=Live("x", "zone", "FR"))
    assert at(only, "paris", grid=grid).intensity.g_per_kwh == 30.0
    assert at(only, grid=grid).intensity.g_per_kwh == pytest.approx(380.95)


def test_own_intensity_by_region_and_time() -> None:
    start, end = utc(2026, 10, 1, 10), utc(2026, 10, 1, 14)
    rows = constant(90.0), constant(70.0, start=start, end=end), constant(5.0, "DE")
    assumed = of(place("FR"), intensities=rows)
    found = [at(assumed, hour=int(utc(2026, 10, 1, hour) // HOUR)).intensity.g_per_kwh for hour in (9, 10, 13, 14)]
    assert found == [90.0, 70.0, 70.0, 90.0]


def test_own_intensity_of_no_region_is_that_of_wherever_it_runs() -> None:
    everywhere = constant(33.0, "")
    assert at(of(place("FR"), intensities=(everywhere,))).intensity.region == "FR"
    nowhere = at(Assumptions(intensities=(everywhere,)))
    assert (nowhere.intensity.g_per_kwh, nowhere.intensity.region) == (33.0, "where it runs")
    assert not nowhere.unknown


def test_a_book_answers_the_same_as_long_as_it_lives() -> None:
    """Though a live source learns meanwhile: one page is made under one set of factors."""
    grid = FakeGrid({("FR", H): 30.0})
    book = Book(of(place("FR"), live=Live("uk")), grid)
    first = book.at("host", H)
    grid.values[("FR", H)] = 999.0
    assert book.at("host", H) == first


def test_a_book_tells_hours_and_machines_apart() -> None:
    rows = constant(90.0), constant(70.0, start=NOON, end=NOON + HOUR)
    book = Book(of(place("FR", host="one"), place("DE", host="two"), intensities=rows))
    found = [book.at(host, hour).intensity.g_per_kwh for host in ("one", "two") for hour in (H, H + 1)]
    assert found == pytest.approx([70.0, 90.0, 380.95, 380.95])


# No factor that subtracts


@pytest.mark.parametrize(
    "text",
    [
        "[[where]]\nregion = 'FR'\npue = 0.5",
        "[[where]]\nregion = 'FR'\npue = -1.2",
        "[[where]]\nregion = 'FR'\npue = nan",
        "[[intensity]]\nregion = 'FR'\ng_per_kwh = -50",
        "[[intensity]]\nregion = 'FR'\ng_per_kwh = nan",
        "[[intensity]]\nregion = 'FR'\ng_per_kwh = 50\noffset = 50",
        "[[intensity]]\nregion = 'FR'\ng_per_kwh = 50\nuncertainty = -0.1",
        "[embodied]\ngpu_kg = {'A100*' = -150}",
        "[embodied]\nserver_kg = -1",
        "[embodied]\nserver_kg = inf",
        "[embodied]\nuse = -0.5",
        "[embodied]\nlife_years = -4",
        "[water]\non_site_l_per_kwh = -1.8",
        "[[rates]]\ngpu_hour = -0.55\ncurrency = 'EUR'",
        "[[cloud]]\nprovider = 'aws'\ngpu = 'A100*'\ngpu_hour = -4.1\ncurrency = 'USD'\nas_of = 2026-10-01",
        "[offsets]\nkg = 100",
        "[certificates]\nkwh = 100",
    ],
)
def test_nothing_negative_can_be_declared(text: str, tmp_path: Path) -> None:
    """Nor an offset or a certificate: there is no such table."""
    file = tmp_path / "jupyter_costmeter.toml"
    file.write_text(text)
    found = assumptions.of_file(file)
    assert len(found.problems) == 1, found.problems
    kept = found.places, found.intensities, found.hardware, found.water, found.tariffs, found.clouds
    assert not any(kept)


def test_a_session_of_the_hour_in_which_a_factor_changed_is_told_by_the_hour() -> None:
    """It began ten minutes after the change, but conditions are those of whole hours."""
    change = utc(2026, 10, 1, 18) + 1800
    book = Book(of(place("DE"), place("FR", **{"from": datetime.fromtimestamp(change, timezone.utc)})))
    assert book.changed_at == utc(2026, 10, 1, 19)
