"""What costs look like: lines, the range while the place is not known, notes, factors, scores, what-ifs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from carbon_cases import (
    A100,
    HOUR,
    KWH,
    LOST,
    NO_GPU,
    NOON,
    RAM,
    TDP,
    FakeGrid,
    constant,
    costs,
    held,
    joules,
    lab,
    place,
    record,
    session,
    utc,
    whole,
)
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter import cost_pages
from jupyter_costmeter.assumptions import Assumptions, Water
from jupyter_costmeter.clouds import CloudPrice
from jupyter_costmeter.conditions import Book
from jupyter_costmeter.costing import costs_of
from jupyter_costmeter.derived import Costs, Footprint
from jupyter_costmeter.embodied import Hardware
from jupyter_costmeter.factors import Intensity, Live
from jupyter_costmeter.pages import Page
from jupyter_costmeter.record import Figure
from jupyter_costmeter.sci import Unit, score
from jupyter_costmeter.supposing import costs_if, supposition
from jupyter_costmeter.tariffs import tariff_of

EUR = tariff_of({"gpu_hour": 0.55, "currency": "EUR"}, "jupyter_costmeter.toml:6", None)
USD = tariff_of({"kwh": 0.2, "currency": "USD"}, "jupyter_costmeter.toml:9", None)
INFO = session(gpus={"GPU-1": A100})
#: 2 kWh and 2 GPU-h in a French lab at PUE 1.2, prices in two currencies.
FULL = replace(lab(60.0, 1.2), tariffs=(EUR, USD), water=Water(1.8, 0.0, "the site's meter"))
RUN = record(joules(2 * KWH), held(2.0))


def full() -> Costs:
    return costs(FULL, RUN, info=INFO)


def line(rows: Sequence[Sequence[str]], name: str) -> Sequence[str]:
    found = [row for row in rows if row[0] == name]
    assert len(found) == 1, rows
    return found[0]


def table(page: Page, number: int = 0) -> list[Sequence[str]]:
    return list(page.tables[number].rows)


# Lines below the energy


def test_lines_by_hand() -> None:
    rows = cost_pages.rows(full())
    assert [row[:4] for row in rows] == [
        ["electricity, with PUE", "~2.40 kWh", "±5.0 %", "declared"],
        ["emissions", "~144 gCO2e", "±5.0 %", "declared"],
        ["embodied in the GPUs", "~20.7 gCO2e", "×/÷ 2", "assumed"],
        ["water", "~3.60 L", "±5.0 %", "declared"],
        ["money", "1.10 EUR", "±1.0 %", "measured"],
        ["", "~0.48 USD", "±5.0 %", "declared"],
        ["· the same on aws", "~8.20 USD", "±1.0 %", "modelled"],
    ]
    assert line(rows, "electricity, with PUE")[4] == "energy × PUE 1.2 (declared in jupyter_costmeter.toml:1)"
    assert line(rows, "emissions")[4] == "FR: the operator's bill (average, not stated) × PUE 1.2"
    assert line(rows, "money")[4] == "jupyter_costmeter.toml:6"
    assert line(rows, "· the same on aws")[4].endswith(", 2023-11-16")


def test_two_currencies_are_on_two_lines_and_never_added() -> None:
    assert [row[1] for row in cost_pages.rows(full()) if "EUR" in row[1] or "USD" in row[1]] == [
        "1.10 EUR", "~0.48 USD", "~8.20 USD",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("figures", "value", "width"),
    [
        ((joules(KWH, RAM, "ram_energy_j"),), "~0.20 USD", "×/÷ 3"),
        ((joules(KWH), joules(None, LOST)), "≥ ~0.20 USD", "±5.0 %"),
        ((joules(None, LOST),), "—", ""),
    ],
)
def test_the_half_width_of_money_is_in_its_own_column(figures: tuple[Figure, ...], value: str, width: str) -> None:
    (row,) = [row for row in cost_pages.rows(costs(lab(tariffs=(USD,)), record(*figures))) if row[0] == "money"]
    assert list(row[1:3]) == [value, width]


def test_what_is_missing_is_marked_and_what_is_absent_is_no_line() -> None:
    rows = cost_pages.rows(costs(lab(), record(joules(KWH), joules(None, LOST), held(None, origin=NO_GPU))))
    assert line(rows, "emissions")[1] == "≥ ~100 gCO2e"
    assert [row[0] for row in rows] == ["electricity, with PUE", "emissions"]
    lost = cost_pages.rows(costs(lab(), record(joules(None, LOST))))
    assert list(line(lost, "emissions")) == ["emissions", "—", "", "not measured", "the GPU is lost"]


@pytest.mark.parametrize("of", [None, Costs(Footprint(()))])
def test_nothing_is_no_lines(of: Costs | None) -> None:
    assert cost_pages.rows(of) == []
    assert cost_pages.notes(of) == []


@pytest.mark.parametrize(("used", "value"), [(KWH, "~1.00 kWh"), (0.0, "~0 Wh")])
def test_a_zero_is_a_figure_and_is_shown(used: float, value: str) -> None:
    rows = cost_pages.rows(costs(lab(0.0), record(joules(used))))
    assert [row[1] for row in rows] == [value, "~0 gCO2e"]
    assert line(rows, "emissions")[3:] == ["declared", "FR: the operator's bill (average, not stated) × PUE 1"]


# While the place is not known


def test_an_unknown_place_has_a_range_and_a_note() -> None:
    found = costs(Assumptions(), record(joules(KWH)))
    assert list(line(cost_pages.rows(found), "emissions"))[1:4] == ["~741 gCO2e", "×/÷ 2", "assumed"]
    assert line(cost_pages.rows(found), "· by where it runs") == [
        "· by where it runs", "0.036 to 1.39 kgCO2e", "", "", "as in Bhutan to as in Brunei",
    ]  # fmt: skip
    (note,) = cost_pages.notes(found)
    assert note.startswith("Nobody said where this ran")
    assert "`%cost where FR`" in note


def test_a_known_place_has_neither() -> None:
    assert not [row for row in cost_pages.rows(full()) if "where" in row[0]]
    assert cost_pages.notes(full()) == []


def test_of_a_refused_region_it_is_not_said_that_nobody_said() -> None:
    assumed = Assumptions(places=(place("CF", host="one"),))
    uses = [whole(record(joules(KWH)), session(host)) for host in ("one", "two")]
    (refused,) = cost_pages.notes(costs_of(uses[:1], Book(assumed)))
    assert refused == (
        "Emissions are by the world's average, since the shipped figure of the place cannot be used: Central African"
        " Republic: refused: 0 g/kWh is emissions of less than 0.005 Mt a year rounded off, not a grid without any."
    )
    both = cost_pages.notes(costs_of(uses, Book(assumed)))
    assert [note[:16] for note in both] == [refused[:16], "Nobody said wher"]


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (0.0102, 0.384, "10 to 384 mgCO2e"),
        (36.399, 1394.504, "0.036 to 1.39 kgCO2e"),
        (350.2, 384.4, "350 to 384 gCO2e"),
        (236.4, 1594.5, "0.24 to 1.59 kgCO2e"),
        (4e4, 1.5e6, "0.04 to 1.50 tCO2e"),
        (0.0, 5.0, "0 to 5.00 gCO2e"),
        (0.0, 0.0, "0 gCO2e"),
        (1e-12, 4e-11, "< 1 ngCO2e"),
    ],
)
def test_a_range_in_one_unit(low: float, high: float, text: str) -> None:
    assert cost_pages.span(low, high) == text


@given(st.floats(0, 1e12), st.floats(0, 1))
def test_any_range_reads_as_two_numbers(high: float, part: float) -> None:
    text = cost_pages.span(high * part, high)
    assert re.fullmatch(r"(0|< 1 n|[\d.e-]+ to [\d.]+ \w?) ?\w?gCO2e|[\d.e-]+ to [\d.]+ \w?tCO2e", text), text


# Notes


def test_problems_are_said_first() -> None:
    found = cost_pages.notes(costs(Assumptions(), record(joules(KWH))), ["f.toml:3: [[rates]]: no price"])
    assert found[0] == "f.toml:3: [[rates]]: no price"
    assert cost_pages.notes(None, ["a problem"]) == ["a problem"]


def test_a_bill_that_lacks_something_says_what() -> None:
    assumed = replace(lab(), tariffs=(tariff_of({"match": {"gpu": "H100*"}, "gpu_hour": 1}, "f.toml:1", "EUR"),))
    (note,) = cost_pages.notes(costs(assumed, RUN, info=INFO))
    lacks = "no price per GPU-hour for host host, NVIDIA A100-SXM4-40GB"
    assert note.startswith(f"Money in EUR is not known: {lacks}")
    assert line(cost_pages.rows(costs(assumed, RUN, info=INFO)), "money")[4].startswith(lacks)


def test_a_clouds_bill_that_lacks_something_says_what() -> None:
    """Two GPUs, of one of which no price is known: then of neither."""
    known, unknown = held(1.0, "G0"), held(3.0, "G1")
    info = session(gpus={"G0": A100, "G1": "NVIDIA X1"})
    found = costs(lab(), record(joules(KWH), known, unknown), info=info)
    why = "no price for NVIDIA X1: add a [[cloud]] row"
    assert line(cost_pages.rows(found), "· the same on aws")[1].startswith("≥ ")
    assert cost_pages.notes(found) == [f"The same on aws, 2023-11-16 is a lower bound: {why}."]
    none = costs(lab(), record(joules(KWH), unknown), info=info)
    assert line(cost_pages.rows(none), "· the same on aws")[1:] == [
        "—", "", "not known", f"aws, 2023-11-16: {why}",
    ]  # fmt: skip


# Factors


def test_every_factor_with_its_source() -> None:
    page = cost_pages.factors_page("Factors", full())
    assert table(page)[:2] == [
        ["carbon intensity", "60 g/kWh", "exact", "declared", "FR, the operator's bill, average, not stated", "100 %"],
        ["PUE", "1.2", "exact", "declared", "declared in jupyter_costmeter.toml:1", "100 %"],
    ]
    assert table(page)[2][:4] == ["making of a GPU", "10.4 g/GPU-h", "×/÷ 2", "assumed"]
    assert table(page, 1) == [
        ["GPU-h", "0.55 EUR", "2 GPU-h", "1.1 EUR", "jupyter_costmeter.toml:6"],
        ["kWh", "0.2 USD", "2.4 kWh", "0.48 USD", "jupyter_costmeter.toml:9"],
        ["GPU-h", "4.1 USD", "2 GPU-h", "8.2 USD", table(page, 1)[2][4]],
    ]
    assert table(page, 1)[2][4].startswith("aws, 2023-11-16: on demand, us-east")


def test_every_price_of_a_bill() -> None:
    both = tariff_of({"gpu_hour": 0.5, "kwh": 0.2, "currency": "EUR"}, "f.toml:1", None)
    page = cost_pages.factors_page("Factors", costs(replace(lab(), tariffs=(both,)), RUN))
    assert [row[:4] for row in table(page, 1)] == [
        ["GPU-h", "0.5 EUR", "2 GPU-h", "1 EUR"], ["kWh", "0.2 EUR", "2 kWh", "0.4 EUR"],
    ]  # fmt: skip


def test_shipped_factors_say_year_and_what_they_count() -> None:
    page = cost_pages.factors_page("Factors", costs(Assumptions(places=(place("US-CA", None),)), record(joules(KWH))))
    (_, value, width, how, source, _), pue = table(page)
    assert (value, width, how) == ("179 g/kWh", "±20 %", "modelled")
    assert all(word in source for word in ("US-CA", "EPA", "2023", "average", "direct"))
    assert pue[1:4] == ["1.56", "±15 %", "assumed"]
    assert "Uptime" in pue[4]


def test_hourly_values_are_a_mean_and_what_it_spans() -> None:
    assumed = Assumptions(places=(place("FR"),), live=Live("uk"))
    grid = FakeGrid({("FR", int(NOON // HOUR) + i): g for i, g in enumerate((30.0, 50.0))})
    found = costs(assumed, record(joules(KWH), wall_s=2 * HOUR), grid=grid)
    assert table(cost_pages.factors_page("Factors", found))[0][1] == "40 g/kWh on average (30 to 50 over 2 hours)"


def test_values_by_period_are_not_of_so_many_hours() -> None:
    first = utc(2026, 10, 1)
    rows = constant(40.0, end=first), constant(60.0, start=first)
    assumed = Assumptions(places=(place("FR"),), intensities=rows)
    found = costs(assumed, record(joules(KWH), at=first - HOUR, wall_s=2 * HOUR), info=session(at=first - HOUR))
    assert table(cost_pages.factors_page("Factors", found))[0][1] == "50 g/kWh on average (40 to 60)"


def test_a_large_factor_has_no_exponent() -> None:
    assert table(cost_pages.factors_page("Factors", costs(lab(1050.0), record(joules(KWH)))))[0][1] == "1050 g/kWh"


def test_parts_of_the_energy() -> None:
    assumed = Assumptions(places=(place("FR", host="one"), place("DE", host="two")))
    uses = [whole(record(joules(kwh * KWH)), session(host)) for host, kwh in (("one", 1), ("two", 3))]
    page = cost_pages.factors_page("Factors", costs_of(uses, Book(assumed)))
    assert [(row[4][:2], row[5]) for row in table(page) if row[0] == "carbon intensity"] == [
        ("FR", "25 %"),
        ("DE", "75 %"),
    ]


def test_a_factor_in_one_sentence() -> None:
    stale = Intensity(
        41.0, "FR", "a live source", basis="lifecycle", start=NOON, end=NOON + HOUR, fetched_at=NOON, stale=True,
        note="an estimate",
    )  # fmt: skip

    class Stale:
        def at(self, region: str, start: float, end: float) -> Intensity:
            return stale

    assumed = Assumptions(places=(place("FR"),), live=Live("uk"))
    said = cost_pages.said(costs(assumed, record(joules(KWH)), grid=Stale()).footprint.applied[0])
    assert said.startswith("Carbon intensity: 41 g/kWh, FR, modelled, a live source, average, lifecycle, fetched 2026-")
    assert said.endswith("stale: of an earlier hour, an estimate, ±20 %")
    pue = cost_pages.said(full().footprint.applied[1])
    assert pue == "PUE: 1.2, declared in jupyter_costmeter.toml:1"  # declared is said once


def test_no_energy_no_factor() -> None:
    page = cost_pages.factors_page("Factors", costs(Assumptions(), record()), ["a problem"], "uk: 3 values")
    assert page.notes == ["a problem", "uk: 3 values", "No energy was metered here, so no factor was applied."]
    assert table(page) == []


# Places


def test_places_and_intensities_in_words() -> None:
    assert cost_pages.named("FR") == "FR, France"
    said = cost_pages.described(constant(60.0, note="from the bill"))
    assert said == "declared: the operator's bill; average, not stated; from the bill"


# Scores


def test_a_score_is_reported_with_boundary_method_and_r() -> None:
    own = replace(FULL, hardware=Hardware({"*": 400.0}, server_kg=0.0, life_years=4.0, use=1.0, source="our vendor"))
    found = costs(own, RUN, info=INFO)
    page = cost_pages.sci_page("SCI", score(found.footprint, Unit("queries", 1000.0), 4000), found)
    rows = {row[0]: row for row in table(page)}
    assert rows["SCI"][1] == "~41.7 gCO2e per 1000 queries"  # (144 + 2 × 11.4155) / 4
    assert rows["E, electricity"][1] == "~2.40 kWh"
    assert rows["E × I"][1] == "~144 gCO2e"
    assert rows["M, embodied"][1] == "~22.8 gCO2e"
    assert rows["R, functional unit"] == ["R, functional unit", "4000 × queries", "", "declared", "per 1000"]
    text = page.text()
    assert "Boundary: the electricity" in text
    assert "ISO/IEC 21031:2024" in text
    assert "Carbon intensity: 60 g/kWh, FR" in text
    assert "our vendor" in text


# What if


def beside(assumed: Assumptions, **supposed: Any) -> Page:
    use = whole(RUN, INFO)
    wanted = supposition(**supposed)
    columns = ("as it is", costs_of([use], Book(assumed))), (wanted.name, costs_if([use], Book(assumed), wanted))
    return cost_pages.what_if_page("What if", columns, list(wanted.notes([costs for _, costs in columns])))


def test_side_by_side_with_ratios() -> None:
    page = beside(FULL, region="SE", pue=1.1)
    assert page.tables[0].columns == ("figure", "as it is", "SE, PUE 1.1")
    rows = {row[0]: row[1:] for row in table(page)}
    assert rows["electricity, with PUE"] == ["~2.40 kWh ±5.0 %", "~2.20 kWh ±5.0 % (×0.92)"]
    assert rows["emissions"][1] == "~89.5 gCO2e ±21 % (×0.62)"  # 2.2 × 40.695 of 144
    assert rows["money (EUR)"] == ["1.10 EUR ±1.0 %", "1.10 EUR ±1.0 %"]
    assert rows["money (USD)"] == ["~0.48 USD ±5.0 %", "~0.44 USD ±5.0 %"]
    assert rows["carbon intensity"] == ["FR 60 g/kWh (not stated)", "SE 40.7 g/kWh (lifecycle)"]
    assert rows["PUE"] == ["1.2", "1.1"]
    assert "not comparable" in page.text()


def test_a_ratio_of_hundreds_has_no_exponent() -> None:
    rows = {row[0]: row for row in table(beside(lab(4.0), g_per_kwh=800.0))}
    assert rows["emissions"][2].endswith("(×200)")


def test_nothing_is_no_multiple_of_zero() -> None:
    rows = {row[0]: row for row in table(beside(lab(0.0), g_per_kwh=800.0))}
    assert rows["emissions"][1:] == ["~0 gCO2e", "~1.60 kgCO2e ±5.0 %"]


def test_each_currency_and_provider_has_its_own_line() -> None:
    price = CloudPrice("gcp", "H100*", Decimal(10), "EUR", date(2026, 1, 1), "on demand", "", "a list")
    rows = table(beside(replace(FULL, clouds=(price,)), gpu="H100"))
    names = [row[0] for row in rows if row[0].startswith(("money", "on "))]
    assert names == ["money (EUR)", "money (USD)", "on aws, 2023-11-16", "on gcp, 2026-01-01"]
    clouds = {row[0]: row[1:] for row in rows if row[0].startswith("on ")}
    assert clouds["on aws, 2023-11-16"][0] == "~8.20 USD ±1.0 %"
    assert clouds["on gcp, 2026-01-01"] == ["—", "~20.00 EUR ±1.0 %"]


def test_prices_of_two_days_are_two_lines() -> None:
    price = CloudPrice("aws", "A100*", Decimal(3), "USD", date(2026, 1, 1), "", "", "a list")
    other = replace(price, gpu="H100*", as_of=date(2026, 2, 1), gpu_hour=Decimal(9))
    rows = table(beside(replace(lab(), clouds=(price, other)), gpu="H100"))
    assert [row for row in rows if row[0].startswith("on ")] == [
        ["on aws, 2026-01-01", "~6.00 USD ±1.0 %", "—"], ["on aws, 2026-02-01", "—", "~18.00 USD ±1.0 %"],
    ]  # fmt: skip


def test_side_by_side_each_lower_bound_says_why() -> None:
    found = costs(FULL, record(joules(KWH), joules(None, LOST), held(1.0, "G1"), held(1.0)), info=INFO)
    notes = cost_pages.what_if_page("x", [("as it is", found), ("the same", found)]).notes
    assert "emissions: a lower bound, missing in 1 record (the GPU is lost)." in notes
    assert "Money in USD is a lower bound: the GPU is lost." in notes
    assert "The same on aws, 2023-11-16 is a lower bound: no price for G1: add a [[cloud]] row." in notes
    assert len(notes) == len(set(notes))


def test_no_line_for_what_nobody_has() -> None:
    names = [row[0] for row in table(cost_pages.what_if_page("x", [("a", costs(lab(), record(joules(KWH, TDP))))]))]
    assert names == ["electricity, with PUE", "emissions", "carbon intensity", "PUE"]
