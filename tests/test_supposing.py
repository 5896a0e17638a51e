"""What if it had run elsewhere: only what is supposed changes, and nothing of it stays."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from carbon_cases import (
    A100,
    H100,
    HOUR,
    KWH,
    NOON,
    NVML,
    TDP,
    FakeGrid,
    amount,
    constant,
    held,
    joules,
    lab,
    place,
    record,
    session,
    total,
    whole,
)
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter.assumptions import Assumptions, Water
from jupyter_costmeter.conditions import Book
from jupyter_costmeter.costing import costs_of
from jupyter_costmeter.derived import Costs
from jupyter_costmeter.errors import UsageError
from jupyter_costmeter.factors import Live
from jupyter_costmeter.supposing import NOT_COMPARABLE, OTHER_PUE, SupposedBook, Supposition, costs_if, supposition
from jupyter_costmeter.tariffs import tariff_of
from jupyter_costmeter.uses import Use

RUN = record(joules(KWH), joules(0.5 * KWH, TDP, "cpu_energy_j"), held(2.0))
USE = whole(RUN, session(gpus={"GPU-1": A100}))
PLACED = Assumptions(places=(place("FR", None, kind="lab"),))
TARIFF = tariff_of({"gpu_hour": 0.5, "kwh": 0.2, "currency": "EUR"}, "f.toml:1", None)
#: As it is: nowhere, a lab, a cloud, with prices, water and hourly values, by a live source.
WORLDS = [
    Assumptions(),
    PLACED,
    lab(),
    Assumptions(places=(place("gcp/us-central1", None),)),
    replace(PLACED, tariffs=(TARIFF,), water=Water(1.0, 2.0, "x")),
    Assumptions(places=(place("FR", 1.3),), intensities=(constant(9.0, start=NOON, end=NOON + HOUR), constant(70.0))),
    Assumptions(places=(place("FR", None, kind="laptop"),), live=Live("uk")),
]
GRID = FakeGrid({("FR", int(NOON // HOUR)): 33.0})


def what_if(assumed: Assumptions = PLACED, use: Use = USE, **supposed: Any) -> Costs:
    return costs_if([use], Book(assumed, GRID), supposition(**supposed))


def ratio(name: str, assumed: Assumptions = PLACED, **supposed: Any) -> float:
    return amount(what_if(assumed, **supposed), name) / amount(costs_of([USE], Book(assumed, GRID)), name)


# Nothing supposed


@pytest.mark.parametrize("assumed", WORLDS)
def test_nothing_supposed_is_as_it_is(assumed: Assumptions) -> None:
    assert costs_if([USE], Book(assumed, GRID), Supposition()) == costs_of([USE], Book(assumed, GRID))


@given(st.lists(st.tuples(st.floats(0, 1e9), st.floats(NOON, NOON + 1e5), st.floats(0, 1e5)), max_size=5))
def test_nothing_supposed_is_as_it_is_whatever_ran(runs: list[tuple[float, float, float]]) -> None:
    uses = [whole(record(joules(j, NVML), at=at, wall_s=wall), session()) for j, at, wall in runs]
    for assumed in WORLDS:
        assert costs_if(uses, Book(assumed, GRID), supposition()) == costs_of(uses, Book(assumed, GRID))


# One thing supposed


def test_another_region_in_the_same_kind_of_place() -> None:
    """FR 56.039 g/kWh, SE 40.695; both in a room at 1.56."""
    found = what_if(region="sweden")
    assert ratio("emissions_g", region="SE") == pytest.approx(40.695 / 56.039)
    assert amount(found, "electricity_wh") == pytest.approx(1500 * 1.56)
    assert found.footprint.applied[0].intensity is not None
    assert found.footprint.applied[0].intensity.region == "SE"


def test_from_nowhere_to_somewhere_the_range_is_gone() -> None:
    assert costs_of([USE], Book(Assumptions())).footprint.range_g is not None
    found = what_if(Assumptions(), region="FR")
    assert found.footprint.range_g is None
    assert amount(found, "emissions_g") == pytest.approx(1.5 * 1.56 * 56.039)


def test_a_clouds_region_is_in_a_cloud() -> None:
    """Its PUE is 1.12, whatever the lab's own."""
    for assumed in (PLACED, lab(pue=1.3)):
        found = what_if(assumed, region="gcp/us-central1")
        assert amount(found, "electricity_wh") == pytest.approx(1500 * 1.12)
        assert amount(found, "emissions_g") == pytest.approx(1.5 * 1.12 * 430)


def test_a_declared_pue_does_not_move_to_another_region() -> None:
    assert amount(what_if(lab(pue=1.3), region="SE"), "electricity_wh") == pytest.approx(1500 * 1.56)
    assert amount(what_if(lab(pue=1.3), region="FR"), "electricity_wh") == pytest.approx(1500 * 1.3)


def test_another_pue() -> None:
    found = what_if(pue=1.1)
    assert amount(found, "electricity_wh") == pytest.approx(1650.0)
    assert ratio("emissions_g", pue=1.1) == pytest.approx(1.1 / 1.56)
    assert total(found, "electricity_wh").method == "declared"


def test_another_intensity() -> None:
    found = what_if(g_per_kwh=10.0)
    assert amount(found, "emissions_g") == pytest.approx(1.5 * 1.56 * 10)
    assert amount(what_if(g_per_kwh=0.0), "emissions_g") == 0.0


def test_an_intensity_goes_before_a_regions() -> None:
    assert amount(what_if(region="PL", g_per_kwh=10.0), "emissions_g") == pytest.approx(1.5 * 1.56 * 10)


def test_another_kind_of_place() -> None:
    found = what_if(kind="laptop")
    assert amount(found, "electricity_wh") == pytest.approx(1500.0)
    assert amount(found, "embodied_g") == pytest.approx(2 * 4.2808, abs=1e-3)


def test_another_gpu_takes_as_long_and_draws_as_much() -> None:
    found = what_if(gpu="H100")
    assert ratio("electricity_wh", gpu="H100") == ratio("emissions_g", gpu="H100") == 1.0
    assert amount(found, "embodied_g") == pytest.approx(2 * 10.6657, abs=1e-3)
    assert [bill.amount for bill in found.clouds] == [Decimal("24.58")]  # 2 h at 12.29
    assert [bill.amount for bill in what_if(gpu="t4").clouds] == [Decimal("1.052")]


def test_a_gpu_of_unknown_price_has_none() -> None:
    (bill,) = what_if(gpu="H100 PCIe").clouds  # what its making emitted is known
    assert bill.amount is None
    assert "no price for H100 PCIe: add" in bill.reasons[0]


@pytest.mark.parametrize("asked", ["100", "10", "A10", "H", "80GB", "SXM4", "RTX 4090", "AMD MI300X", "4", "H1000"])
def test_a_gpu_of_which_nothing_is_known_is_refused(asked: str) -> None:
    with pytest.raises(UsageError, match=f"of the GPU '{asked}' neither a price nor its making is known"):
        what_if(gpu=asked)


def test_a_gpu_that_the_user_declared_is_known() -> None:
    own = replace(PLACED, tariffs=(tariff_of({"match": {"gpu": "RTX*"}, "gpu_hour": 3, "currency": "EUR"}, "f", None),))
    assert [bill.amount for bill in what_if(own, gpu="RTX 4090").bills] == [Decimal(6)]


def test_the_machine_around_another_gpu_is_priced_as_such() -> None:
    """The tariff of the machine that it is supposed to run on, for kWh too."""
    rows = [{"match": {"gpu": gpu}, "kwh": price, "currency": "EUR"} for gpu, price in (("A100*", 1), ("H100*", 10))]
    own = lab(tariffs=tuple(tariff_of(row, f"f:{i}", None) for i, row in enumerate(rows)))
    assert [bill.amount for bill in what_if(own, gpu="H100").bills] == [Decimal(15)]


def notes(assumed: Assumptions = PLACED, **supposed: Any) -> list[str]:
    wanted, book = supposition(**supposed), Book(assumed, GRID)
    return list(wanted.notes([costs_of([USE], book), costs_if([USE], book, wanted)]))


@pytest.mark.parametrize(
    ("asked", "model"),
    [
        ("A100", "NVIDIA A100-SXM4-40GB"),
        ("a100 80gb", "NVIDIA A100-SXM4-80GB"),
        (" H100", "NVIDIA H100 80GB HBM3"),
        ("nvidia-h100", "NVIDIA H100 80GB HBM3"),
        ("NVIDIA H100 80GB HBM3", "NVIDIA H100 80GB HBM3"),
        ("T4", "Tesla T4"),
        ("NVIDIA T4", "Tesla T4"),
        ("v100", "Tesla V100-SXM2-16GB"),
        ("A10G", "NVIDIA A10G"),
    ],
)
def test_a_short_name_is_a_model_by_whole_words(asked: str, model: str) -> None:
    assert f"charged as {model}: how" in notes(gpu=asked)[-1]
    (bill,) = what_if(gpu=asked).clouds
    assert bill.amount is not None


def test_what_names_no_model_stays_as_it_was_typed() -> None:
    assert "charged as H100 PCIe: how" in notes(gpu="H100 PCIe")[-1]


def test_without_a_gpu_nothing_is_charged_as_another() -> None:
    use = whole(record(joules(KWH)), session())
    wanted, book = supposition(gpu="H100"), Book(PLACED)
    said = list(wanted.notes([costs_of([use], book), costs_if([use], book, wanted)]))
    assert said == ["No GPU was held, so nothing is charged as H100."]


def test_several_gpus_become_one_model() -> None:
    use = whole(record(held(1.0, "G0"), held(3.0, "G1")), session(gpus={"G0": A100, "G1": "Tesla T4"}))
    (bill,) = what_if(use=use, gpu="H100").clouds
    assert bill.amount == Decimal("49.16")
    assert amount(what_if(use=use, gpu="H100"), "embodied_g") == pytest.approx(4 * 10.6657, abs=1e-3)


def test_own_prices_follow_the_supposed_electricity_and_gpu() -> None:
    dear = tariff_of({"match": {"gpu": "H100*"}, "gpu_hour": 2, "currency": "EUR"}, "f.toml:2", None)
    assumed = replace(PLACED, tariffs=(TARIFF, dear))
    (bill,) = what_if(assumed, pue=1.0, gpu="H100").bills
    assert bill.amount == Decimal("4.3")  # 2 GPU-h at 2, 1.5 kWh at 0.2


def test_it_is_laid_over_each_machine_and_hour() -> None:
    assumed = Assumptions(places=(place("FR", host="one"), place("PL", host="two")))
    book = SupposedBook(Book(assumed), supposition(region="SE", pue=1.1))
    found = [book.at(host, hour) for host in ("one", "two", "three") for hour in (0, 10**6)]
    assert {(c.region, c.intensity.region, c.pue.value) for c in found} == {("SE", "SE", 1.1)}


def test_what_is_stays() -> None:
    book = Book(PLACED)
    before = costs_of([USE], book)
    costs_if([USE], book, supposition("SE", 1.1, "H100", 5.0, "laptop"))
    assert costs_of([USE], book) == before
    assert USE.gpu_s[0][0] == A100


def test_hourly_values_give_way_to_a_supposed_region() -> None:
    found = what_if(WORLDS[5], region="SE")
    assert amount(found, "emissions_g") == pytest.approx(1.5 * 1.56 * 40.695)


# Words


def test_its_name() -> None:
    assert supposition("sweden", 1.1, "H100").name == "SE, PUE 1.1, H100"
    assert supposition(g_per_kwh=50.0, kind="cloud").name == "cloud, 50 g/kWh"


def test_its_notes() -> None:
    assert notes(pue=1.1) == notes(region="SE", pue=1.1) == []  # both countries' values count the same
    assert notes(region="US-CA", pue=1.1) == [NOT_COMPARABLE]
    assert notes(region="SE") == notes(kind="lab") == [OTHER_PUE]
    said = "charged as NVIDIA H100 80GB HBM3: how fast it is, and what it draws, is not known"
    assert said in notes(gpu="H100")[0]


@pytest.mark.parametrize(
    ("supposed", "said"),
    [
        ({"region": "Frnace"}, "there is no region 'Frnace'; near it are FR"),
        ({"region": "CF"}, "Central African Republic has no carbon intensity: refused: 0 g/kWh"),
        ({"pue": 0.9}, "a PUE is 1.0 or more"),
        ({"pue": float("nan")}, "a PUE is 1.0 or more"),
        ({"g_per_kwh": -1.0}, "-1 g/kWh is no carbon intensity: they are from 0 to 2000"),
        ({"g_per_kwh": 2001.0}, "from 0 to 2000"),
        ({"g_per_kwh": float("nan")}, "from 0 to 2000"),
        ({"kind": "garage"}, "there is no kind 'garage'; there are laptop, lab, cloud"),
    ],
)
def test_what_cannot_be_supposed(supposed: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as raised:
        supposition(**supposed)
    assert said in str(raised.value)


def test_the_drivers_name_stays_as_it_is() -> None:
    assert amount(what_if(gpu=H100), "embodied_g") == pytest.approx(2 * 10.6657, abs=1e-3)


# What is known of the other region counts


def test_the_own_constant_of_a_region_is_used_where_that_region_is_supposed() -> None:
    known = replace(PLACED, intensities=(constant(20.0, region="SE"),))
    assert amount(what_if(known, region="SE"), "emissions_g") == pytest.approx(1.5 * 1.56 * 20.0)


def test_a_constant_of_wherever_it_runs_is_not_taken_elsewhere() -> None:
    known = replace(PLACED, intensities=(constant(20.0),))
    assert amount(what_if(known, region="SE"), "emissions_g") == pytest.approx(1.5 * 1.56 * 40.695)


def test_a_live_source_of_the_supposed_region_is_used() -> None:
    known = replace(PLACED, live=Live("uk"))
    at = int(RUN.started_at // HOUR)
    grid = FakeGrid({("GB", at + i): 100.0 for i in range(3)})
    found = costs_if([USE], Book(known, grid), supposition(region="GB"))
    assert amount(found, "emissions_g") == pytest.approx(1.5 * 1.56 * 100.0)
