"""Joules to electricity, carbon and water: by hand, hour by hour, with what is missing or not known."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

import pytest
from carbon_cases import (
    A100,
    CLOCK,
    H100,
    HOUR,
    KWH,
    LOST,
    NO_GPU,
    NVML,
    RAM,
    TDP,
    FakeGrid,
    amount,
    constant,
    costs,
    held,
    joules,
    lab,
    place,
    record,
    session,
    total,
    utc,
    whole,
)

from jupyter_costmeter.assumptions import Assumptions, Water
from jupyter_costmeter.conditions import Book
from jupyter_costmeter.costing import costs_of
from jupyter_costmeter.embodied import Hardware
from jupyter_costmeter.factors import Live
from jupyter_costmeter.format import percent, total_text
from jupyter_costmeter.record import Figure, Provenance

DERIVED = ("electricity_wh", "emissions_g")

# By hand


def test_energy_times_pue_times_intensity() -> None:
    """2 kWh of the computers at PUE 1.5 are 3 kWh; at 60 g/kWh 180 g."""
    found = costs(lab(60.0, 1.5), record(joules(1.5 * KWH), joules(0.5 * KWH, TDP, "cpu_energy_j")))
    assert amount(found, "electricity_wh") == pytest.approx(3000)
    assert amount(found, "emissions_g") == pytest.approx(180)
    assert [(t.name, t.unit) for t in found.footprint.totals] == [("electricity_wh", "Wh"), ("emissions_g", "gCO2e")]


def test_93_percent_measured() -> None:
    parts = joules(93.0), joules(5.0, TDP, "cpu_energy_j"), joules(2.0, RAM, "ram_energy_j")
    found = costs(lab(), record(*parts))
    for name in DERIVED:
        assert percent(total(found, name).measured_share or 0.0) == "93 %"


@pytest.mark.parametrize(
    ("assumed", "relative"),
    [
        (lab(), 0.05),  # PUE and intensity are the user's
        (Assumptions(places=(place("FR"),)), (0.05**2 + 0.2**2) ** 0.5),
        (Assumptions(places=(place("FR", None),)), (0.05**2 + 0.15**2 + 0.2**2) ** 0.5),
        (Assumptions(), (0.05**2 + 0.15**2 + 1.0) ** 0.5),
    ],
)
def test_the_half_width_is_of_counter_pue_and_grid(assumed: Assumptions, relative: float) -> None:
    found = total(costs(assumed, record(joules(1e6)), record(joules(3e6))), "emissions_g")
    assert found.value is not None
    assert found.uncertainty == pytest.approx(relative * found.value)


def test_counters_err_apart_and_the_grid_errs_for_all() -> None:
    """100 g ± 5 by NVML and 20 g ± 10 by TDP: 11.18; with a grid of ±20 %: 24 more, in quadrature."""
    run = record(joules(KWH), joules(0.2 * KWH, TDP, "cpu_energy_j"))
    alone = total(costs(lab(), run), "emissions_g").uncertainty
    assert alone == pytest.approx((5.0**2 + 10.0**2) ** 0.5)
    both = total(costs(replace(lab(), intensities=(constant(100.0, uncertainty=0.2),)), run), "emissions_g").uncertainty
    assert both == pytest.approx((5.0**2 + 10.0**2 + 24.0**2) ** 0.5)


def test_the_same_model_errs_alike_on_several_machines() -> None:
    """Two machines whose CPU energy is by one TDP: 50 % of both, not 35 %. Two counters of one kind as well."""
    book = Book(lab())
    for origin, relative in ((TDP, 0.5), (NVML, 0.05)):
        uses = [whole(record(joules(KWH, origin)), session(host)) for host in ("one", "two")]
        width = total(costs_of(uses, book), "emissions_g").uncertainty
        assert width == pytest.approx(relative * 200)


def test_two_grids_err_apart() -> None:
    """1 kWh each in two countries at a PUE of 1: 20 % of each, in quadrature."""
    assumed = Assumptions(places=(place("FR", host="one"), place("DE", host="two")))
    exact = Provenance("measured", "a meter", 0.0)
    uses = [whole(record(joules(KWH, exact)), session(host)) for host in ("one", "two")]
    found = total(costs_of(uses, Book(assumed)), "emissions_g")
    assert found.value == pytest.approx(56.039 + 380.95)
    assert found.uncertainty == pytest.approx(0.2 * (56.039**2 + 380.95**2) ** 0.5)


def test_an_energy_of_unknown_error_is_not_called_exact() -> None:
    """Though the PUE is declared, which adds no error of its own."""
    assumed = Assumptions(places=(place("FR"),), intensities=(constant(100.0, uncertainty=None),))
    found = costs(assumed, record(joules(KWH, Provenance("measured", "a meter"))))
    for name in DERIVED:
        assert total_text(total(found, name), with_uncertainty=True).endswith(("Wh", "gCO2e"))


@pytest.mark.parametrize(
    ("assumed", "electricity", "emissions"),
    [
        (lab(), "declared", "declared"),
        (Assumptions(places=(place("FR"),)), "declared", "declared"),
        (Assumptions(places=(place("FR", None),)), "assumed", "assumed"),
        (Assumptions(), "assumed", "assumed"),
    ],
)
def test_a_product_is_as_weak_as_its_weakest_factor(assumed: Assumptions, electricity: str, emissions: str) -> None:
    found = costs(assumed, record(joules(KWH)))
    assert (total(found, "electricity_wh").method, total(found, "emissions_g").method) == (electricity, emissions)


# What is missing


def test_missing_energy_is_a_lower_bound_with_its_reason() -> None:
    found = costs(lab(), record(joules(KWH), joules(None, LOST, "cpu_energy_j")), record(joules(KWH)))
    for name, value in zip(DERIVED, ("2.00 kWh", "200 gCO2e"), strict=True):
        of = total(found, name)
        assert total_text(of) == f"≥ ~{value}"
        assert (of.missing, of.reasons) == (1, ("the GPU is lost",))


def test_an_absent_gpu_leaves_it_complete() -> None:
    parts = joules(KWH, TDP, "cpu_energy_j"), joules(None, NO_GPU), held(None, origin=NO_GPU)
    found = costs(lab(), record(*parts))
    assert total_text(total(found, "emissions_g")) == "~100 gCO2e"
    assert found.footprint.total("embodied_g") is None
    assert found.clouds == ()


def test_nothing_measured_is_not_zero() -> None:
    found = costs(lab(), record(joules(None, LOST)))
    assert [total(found, name).value for name in DERIVED] == [None, None]
    assert total_text(total(found, "emissions_g")) == "—"


def test_a_record_without_any_energy_has_no_carbon() -> None:
    assert costs(lab(), record(Figure("cpu_s", 5.0, CLOCK))).footprint.totals == ()


# Hour by hour

#: g/kWh of the hours of a night from 22:00 on.
NIGHT = (40.0, 35.0, 30.0, 25.0, 25.0, 30.0, 45.0, 60.0)
START = utc(2026, 10, 1, 22)
FIRST = int(START // HOUR)


def hourly_declared() -> Assumptions:
    rows = [constant(g, start=START + i * HOUR, end=START + (i + 1) * HOUR) for i, g in enumerate(NIGHT)]
    return Assumptions(places=(place("FR", 1.2),), intensities=tuple(rows))


def hourly_live() -> tuple[Assumptions, FakeGrid]:
    grid = FakeGrid({("FR", FIRST + i): g for i, g in enumerate(NIGHT)})
    return Assumptions(places=(place("FR", 1.2),), live=Live("uk")), grid


@pytest.mark.parametrize("live", [False, True])
def test_a_night_at_constant_power_takes_each_hours_value(live: bool) -> None:
    """8 kWh over 8 hours at PUE 1.2: 1.2 × (40 + 35 + 30 + 25 + 25 + 30 + 45 + 60) = 348 g."""
    assumed, grid = hourly_live() if live else (hourly_declared(), None)
    night = record(joules(8 * KWH), at=START, wall_s=8 * HOUR)
    found = costs(assumed, night, info=session(at=START - 3 * HOUR), grid=grid)
    assert amount(found, "emissions_g") == pytest.approx(348.0)
    assert amount(found, "electricity_wh") == pytest.approx(9600)
    one = found.footprint.applied[0]
    assert (one.value, one.least, one.most, one.hours) == (pytest.approx(36.25), 25.0, 60.0, 8)


@pytest.mark.parametrize("live", [False, True])
def test_cells_of_a_night_take_the_value_of_their_own_hours(live: bool) -> None:
    """2 kWh from 22:30 to 23:30 (half at 40, half at 35), 4 kWh within 02:00 (25): 1.2 × (40 + 35 + 100) = 210 g."""
    assumed, grid = hourly_live() if live else (hourly_declared(), None)
    cells = (
        record(joules(2 * KWH), at=START + 1800, wall_s=HOUR),
        record(joules(4 * KWH), at=START + 4.2 * HOUR, wall_s=600),
    )
    found = costs(assumed, *cells, info=session(at=START), grid=grid)
    assert amount(found, "emissions_g") == pytest.approx(210.0)
    one = found.footprint.applied[0]
    assert (one.least, one.most, one.hours) == (25.0, 40.0, 3)


def test_an_hour_without_a_live_value_takes_the_shipped_one() -> None:
    """And both are named, with their parts of the energy: 1 kWh at 40 and 1 kWh at 56.039."""
    assumed, grid = hourly_live()
    del grid.values["FR", FIRST + 1]
    found = costs(assumed, record(joules(2 * KWH), at=START, wall_s=2 * HOUR), info=session(at=START), grid=grid)
    assert amount(found, "emissions_g") == pytest.approx(1.2 * (40 + 56.039))
    shares = {one.source[:8]: one.share for one in found.footprint.applied if one.name == "intensity"}
    assert shares == pytest.approx({"a live s": 0.5, "Our Worl": 0.5})


def test_what_is_said_of_some_hours_is_not_said_of_the_others() -> None:
    """An actual hour and a forecast one, the second far less certain: each is a line of its own, with its share."""
    rows = (
        constant(100.0, "FR", uncertainty=0.05, end=START + HOUR),
        constant(300.0, "FR", uncertainty=0.5, start=START + HOUR, note="a guess"),
    )
    assumed = Assumptions(places=(place("FR"),), intensities=rows)
    found = costs(assumed, record(joules(4 * KWH), at=START, wall_s=4 * HOUR), info=session(at=START))
    told = [(one.intensity.note, one.uncertainty, one.share) for one in found.footprint.applied if one.intensity]
    assert told == [(None, 0.05, pytest.approx(0.25)), ("a guess", 0.5, pytest.approx(0.75))]


def test_a_machine_that_moves_in_the_night_takes_its_pue_and_grid_along() -> None:
    """1 kWh before midnight at PUE 1 and 100 g, 3 kWh after it at PUE 2 and 10 g: 100 + 60 g, 7 kWh."""
    midnight = datetime(2026, 10, 2, tzinfo=timezone.utc)
    places = place("FR", 1.0), place("SE", 2.0, **{"from": midnight})
    assumed = Assumptions(places=places, intensities=(constant(100.0, "FR"), constant(10.0, "SE")))
    found = costs(assumed, record(joules(4 * KWH), at=midnight.timestamp() - HOUR, wall_s=4 * HOUR))
    assert amount(found, "emissions_g") == pytest.approx(160.0)
    assert amount(found, "electricity_wh") == pytest.approx(7000.0)
    pues = {one.value: one.share for one in found.footprint.applied if one.name == "pue"}
    assert pues == pytest.approx({1.0: 0.25, 2.0: 0.75})


def test_several_sources_of_energy_are_spread_alike() -> None:
    assumed = hourly_declared()
    parts = joules(1.5 * KWH), joules(0.5 * KWH, TDP, "cpu_energy_j")
    found = total(costs(assumed, record(*parts, at=START, wall_s=2 * HOUR)), "emissions_g")
    assert found.value == pytest.approx(1.2 * 75)
    assert found.measured_share == pytest.approx(0.75)


def test_each_source_of_energy_has_the_factors_of_its_own_hours() -> None:
    """1 kWh measured at 100 g and 1 kWh modelled at 500: 100 of 600 g are measured, ±5 and ±250 g."""
    first = utc(2026, 10, 1)
    rows = constant(100.0, end=first), constant(500.0, start=first)
    assumed = Assumptions(places=(place("FR"),), intensities=rows)
    clean = record(joules(KWH), at=first - HOUR, wall_s=HOUR, id="a")
    dirty = record(joules(KWH, TDP, "cpu_energy_j"), at=first, wall_s=HOUR, id="b")
    found = total(costs(assumed, clean, dirty, info=session(at=first - HOUR)), "emissions_g")
    assert found.value == pytest.approx(600.0)
    assert found.measured_share == pytest.approx(1 / 6)
    assert found.uncertainty == pytest.approx((5.0**2 + 250.0**2) ** 0.5)


def test_an_intensity_of_unknown_error_is_not_called_exact() -> None:
    """Marginal intensities have none: the energy's own error alone would pass for that of the whole."""
    assumed = Assumptions(places=(place("FR"),), intensities=(constant(100.0, uncertainty=None),))
    found = costs(assumed, record(joules(KWH)))
    assert total(found, "emissions_g").uncertainty is None
    assert total(found, "electricity_wh").uncertainty == pytest.approx(50.0)


def test_a_mig_slice_is_not_charged_the_making_of_a_whole_gpu() -> None:
    """Which part of the GPU it is, is not kept: nothing is made up."""
    for name in (f"{A100} (a MIG slice)", f"{A100} MIG 1g.5gb"):
        found = total(costs(lab(), record(held(1.0)), info=session(gpus={"GPU-1": name})), "embodied_g")
        assert (found.value, found.missing) == (None, 1)
        assert "MIG slice" in found.reasons[0]


def test_a_constant_by_period_counts_no_hours() -> None:
    """A bill for September and one for October are two values, not those of two hours."""
    first = utc(2026, 10, 1)
    rows = constant(40.0, end=first), constant(60.0, start=first, end=utc(2026, 11, 1))
    assumed = Assumptions(places=(place("FR"),), intensities=rows)
    found = costs(assumed, record(joules(2 * KWH), at=first - HOUR, wall_s=2 * HOUR))
    one = found.footprint.applied[0]
    assert (one.value, one.least, one.most, one.hours) == (pytest.approx(50.0), 40.0, 60.0, 0)


# While the place is not known


def test_an_unknown_place_has_the_range_of_the_shipped_countries() -> None:
    """1 kWh at the assumed PUE of 1.56: 741 g, as in Bhutan (23.333) to as in Brunei (893.913)."""
    found = costs(Assumptions(), record(joules(KWH)))
    assert amount(found, "emissions_g") == pytest.approx(741.0)
    assert found.footprint.range_g == pytest.approx((36.399, 1394.504), abs=1e-3)
    assert found.footprint.range_of == ("Bhutan", "Brunei")


def test_a_known_place_has_no_range() -> None:
    for assumed in (lab(), Assumptions(places=(place("FR"),)), Assumptions(intensities=(constant(33.0, ""),))):
        assert costs(assumed, record(joules(KWH))).footprint.range_g is None


def test_only_what_ran_nobody_knows_where_is_uncertain_so() -> None:
    """2 kWh at 100 g/kWh are known, 1 kWh at PUE 1.56 is not."""
    assumed = Assumptions(places=(place("FR", host="one"),), intensities=(constant(100.0),))
    uses = [whole(record(joules(kwh * KWH)), session(host)) for host, kwh in (("one", 2), ("two", 1))]
    found = costs_of(uses, Book(assumed))
    assert amount(found, "emissions_g") == pytest.approx(200 + 741)
    assert found.footprint.range_g == pytest.approx((236.399, 1594.504), abs=1e-3)


def test_a_refused_region_and_no_region_are_told_apart() -> None:
    assumed = Assumptions(places=(place("CF", 1.56, host="one"),))
    uses = [whole(record(joules(KWH)), session(host)) for host in ("two", "one")]
    said = [one.intensity.note for one in costs_of(uses, Book(assumed)).footprint.applied if one.intensity]
    assert len(said) == 2
    assert any("Central African Republic: refused" in (note or "") for note in said)


# Embodied carbon and water


def test_embodied_by_model_in_one_session() -> None:
    """10 h of an A100 and 5 h of an H100 in a lab: 10 × 10.3523 + 5 × 10.6657."""
    run = record(held(10.0, "G0"), held(5.0, "G1"))
    found = costs(lab(), run, info=session(gpus={"G0": A100, "G1": H100}))
    assert amount(found, "embodied_g") == pytest.approx(156.851, abs=1e-3)
    lives = [one for one in found.footprint.applied if one.name == "embodied"]
    assert [round(one.value, 3) for one in lives] == [10.352, 10.666]
    assert [one.share for one in lives] == pytest.approx([0.66, 0.34], abs=1e-3)


@pytest.mark.parametrize(("kind", "grams"), [("lab", 10.3523), ("cloud", 10.3523), ("laptop", 4.2808)])
def test_embodied_by_the_kind_of_place(kind: str, grams: float) -> None:
    found = costs(lab(kind=kind), record(held(1.0)), info=session(gpus={"GPU-1": A100}))
    assert amount(found, "embodied_g") == pytest.approx(grams, abs=5e-5)


def test_embodied_by_the_users_own_word() -> None:
    own = Hardware({"A100*": 100.0}, server_kg=0.0, life_years=5.0, use=1.0, source="our vendor")
    found = costs(lab(hardware=own), record(held(438.0)), info=session(gpus={"GPU-1": A100}))
    of = total(found, "embodied_g")
    assert of.value == pytest.approx(1000.0)  # a hundredth of its life
    assert (of.method, of.sources) == ("declared", ("our vendor; a server of 0 kg for 8 GPUs (our vendor)",))
    assert of.uncertainty == pytest.approx((1.0 + 0.01**2) ** 0.5 * 1000)


def test_embodied_only_where_a_gpu_was_held() -> None:
    assert costs(lab(), record(joules(KWH))).footprint.total("embodied_g") is None
    unread = total(costs(lab(), record(held(None, origin=LOST))), "embodied_g")
    assert (unread.value, unread.missing, unread.reasons) == (None, 1, ("the GPU is lost",))
    partly = total(costs(lab(), record(held(1.0, "G0"), held(None, "G1", LOST))), "embodied_g")
    assert partly.value == pytest.approx(10.3523, abs=5e-5)
    assert total_text(partly) == "≥ ~10.4 gCO2e"


def test_embodied_carbon_is_no_part_of_the_emissions() -> None:
    bare, with_gpu = (costs(lab(), record(joules(KWH), *more)) for more in ((), (held(5.0),)))
    assert total(bare, "emissions_g") == total(with_gpu, "emissions_g")


def test_water_is_off_by_default() -> None:
    assert costs(lab(), record(joules(KWH))).footprint.total("water_l") is None


@pytest.mark.parametrize(
    ("water", "litres"),
    [((1.8, 0.0), 3.6), ((0.0, 2.0), 6.0), ((1.8, 2.0), 9.6)],
)
def test_water_at_the_site_and_at_the_plants(water: tuple[float, float], litres: float) -> None:
    """2 kWh at PUE 1.5: at the site by the computers' 2 kWh, at the plants by all 3 (FACTS §2.7)."""
    found = total(costs(lab(pue=1.5, water=Water(*water, "the site's meter")), record(joules(2 * KWH))), "water_l")
    assert found.value == pytest.approx(litres)
    assert (found.unit, found.method, found.sources) == ("L", "declared", ("the site's meter",))
