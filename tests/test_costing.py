"""From what was used to what it cost: quantities for a tariff, bills beside the carbon, and what is read anew."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, timezone
from decimal import Decimal
from math import inf
from pathlib import Path
from typing import Any

import pytest
from carbon_cases import (
    A100,
    CLOCK,
    H100,
    HOUR,
    KWH,
    LOST,
    NO_GPU,
    NOON,
    NVML,
    TDP,
    FakeGrid,
    amount,
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
from jupyter_core.paths import jupyter_config_dir

from jupyter_costmeter.assumptions import Assumptions
from jupyter_costmeter.conditions import Book
from jupyter_costmeter.costing import Costing, costs_of, quantities_of
from jupyter_costmeter.factors import Quantity
from jupyter_costmeter.record import Figure
from jupyter_costmeter.tariffs import Tariff, tariff_of
from jupyter_costmeter.uses import of_record


def rate(line: int = 1, match: dict[str, str] | None = None, currency: str = "EUR", **prices: object) -> Tariff:
    return tariff_of({"match": match or {}, **prices}, f"f.toml:{line}", currency)


def quantities(assumed: Assumptions, *figures: Figure, **more: Any) -> list[Quantity]:
    gpus = more.pop("gpus", {"G0": A100, "G1": H100})
    info = session("gpu07", NOON - 9 * HOUR, gpus, partition="gpu-small")
    book = Book(assumed)
    uses = of_record(record(*figures, **more), info, info.started_at < book.changed_at)
    return [quantity for use in uses for quantity in quantities_of(use, book)]


# What a tariff may price


def test_hours_gigabyte_hours_and_kwh() -> None:
    """2 GPU-h, half a CPU-hour, 1.5 GB for an hour, 2 kWh of the computers at PUE 1.5."""
    figures = (
        held(2.0, "G0"),
        Figure("cpu_s", 1800.0, CLOCK),
        Figure("peak_rss_bytes", 1.5e9, CLOCK),
        joules(2 * KWH),
    )
    found = quantities(lab(pue=1.5), *figures, gpus={"G0": A100, "G1": A100})
    assert {q.unit: q.amount for q in found} == {"gpu_hour": 2.0, "cpu_hour": 0.5, "gb_hour": 1.5, "kwh": 3.0}
    assert {(q.host, q.partition, q.gpu) for q in found} == {("gpu07", "gpu-small", A100)}
    assert {q.day for q in found} == {datetime.fromtimestamp(NOON, timezone.utc).date()}
    assert {q.unit: q.method for q in found} == {
        "gpu_hour": "measured", "cpu_hour": "measured", "gb_hour": "measured", "kwh": "declared",
    }  # fmt: skip


def test_what_held_no_gpu_is_priced_as_all_else_of_its_machine() -> None:
    """Else two cells apart would cost another sum than both together."""
    found = quantities(lab(), Figure("cpu_s", HOUR, CLOCK), joules(KWH), gpus={"G0": A100})
    assert [(q.unit, q.gpu) for q in found] == [("cpu_hour", A100), ("kwh", A100)]


def test_gpu_hours_are_of_each_model_and_the_rest_of_none_of_several() -> None:
    found = quantities(lab(), held(1.0, "G0"), held(2.0, "G1"), Figure("cpu_s", HOUR, CLOCK), joules(KWH))
    assert [(q.unit, q.gpu, q.amount) for q in found] == [
        ("gpu_hour", A100, 1.0), ("gpu_hour", H100, 2.0), ("cpu_hour", "", 1.0), ("kwh", "", 1.0),
    ]  # fmt: skip


@given(st.integers(1, 10**6))
def test_a_kwh_is_a_kwh(count: int) -> None:
    """To the last digit of a float, since decimals would show it."""
    (found,) = quantities(lab(), joules(count * KWH))
    assert found.amount == count


def test_kwh_have_the_pue_of_their_hours() -> None:
    """Half of it before the move to a PUE of 2, half after it."""
    noon = datetime.fromtimestamp(NOON, timezone.utc)
    moved = Assumptions(places=(place("FR", 1.2), place("SE", 2.0, **{"from": noon})))
    found = quantities(moved, joules(2 * KWH), at=NOON - HOUR, wall_s=2 * HOUR)
    assert sorted(q.amount for q in found) == pytest.approx([1.2, 2.0])


def test_errors_are_of_the_counter_and_of_an_assumed_pue() -> None:
    (declared,), (assumed,) = quantities(lab(), joules(KWH)), quantities(Assumptions(), joules(KWH))
    assert sorted(declared.errors.values()) == [0.05]
    assert sorted(assumed.errors.values()) == [0.05, 0.15]
    assert assumed.method == "assumed"


def test_what_is_missing_is_said_and_what_is_absent_is_no_quantity() -> None:
    found = quantities(lab(), held(None, "G0", LOST), joules(None, NO_GPU), held(None, "G1", NO_GPU))
    assert [(q.unit, q.amount, q.missing, q.reason) for q in found] == [("gpu_hour", 0.0, 1, "the GPU is lost")]


# Bills


def test_a_bill_by_hand() -> None:
    """10 GPU-h at 0.55, 5 CPU-h at 0.01, 3 kWh at 0.20 EUR: 6.15."""
    tariff = rate(gpu_hour=0.55, cpu_hour=0.01, kwh=0.2)
    run = record(held(10.0), Figure("cpu_s", 5 * HOUR, CLOCK), joules(2 * KWH))
    found = costs(lab(pue=1.5, tariffs=(tariff,)), run, info=session(gpus={"GPU-1": A100}))
    (bill,) = found.bills
    assert (bill.amount, bill.currency, bill.missing) == (Decimal("6.15"), "EUR", 0)
    assert [(line.unit, line.cost) for line in bill.lines] == [
        ("gpu_hour", Decimal("5.5")), ("cpu_hour", Decimal("0.05")), ("kwh", Decimal("0.6")),
    ]  # fmt: skip
    assert amount(found, "emissions_g") == pytest.approx(300.0)


def test_each_model_and_partition_at_its_own_price() -> None:
    tariffs = (
        rate(1, {"gpu": "A100*"}, gpu_hour=1),
        rate(2, {"gpu": "H100*"}, gpu_hour=3),
        rate(3, {"gpu": "H100*", "partition": "cheap"}, gpu_hour=2),
    )
    run, gpus = record(held(1.0, "G0"), held(2.0, "G1")), {"G0": A100, "G1": H100}
    for partition, expected in (("", 7), ("cheap", 5)):
        (bill,) = costs(lab(tariffs=tariffs), run, info=session(gpus=gpus, partition=partition)).bills
        assert bill.amount == Decimal(expected)


def test_a_price_is_that_of_the_day_on_which_the_session_began() -> None:
    new = tariff_of({"gpu_hour": 2, "valid_from": date(2026, 10, 1), "currency": "EUR"}, "f.toml:2", None)
    assumed = lab(tariffs=(rate(gpu_hour=1), new))
    for day, expected in ((datetime(2026, 9, 30, 12), 1), (datetime(2026, 10, 1, 12), 2)):
        at = day.timestamp()
        (bill,) = costs(assumed, record(held(1.0), at=at), info=session(at=at)).bills
        assert bill.amount == Decimal(expected)


def test_two_currencies_are_two_bills() -> None:
    tariffs = rate(1, gpu_hour=1), rate(2, currency="USD", kwh=1)
    found = costs(lab(tariffs=tariffs), record(held(2.0), joules(3 * KWH)))
    assert [(bill.currency, bill.amount) for bill in found.bills] == [("EUR", Decimal(2)), ("USD", Decimal(3))]


def test_no_tariff_no_bill() -> None:
    assert costs(lab(), record(held(2.0), joules(KWH))).bills == ()


def test_missing_gpu_time_is_a_lower_bound_with_its_reason() -> None:
    assumed = lab(tariffs=(rate(gpu_hour=1),))
    runs = record(held(2.0)), record(held(None, origin=LOST))
    (bill,) = costs(assumed, *runs, info=session(gpus={"GPU-1": A100})).bills
    assert (bill.amount, bill.incomplete, bill.reasons) == (Decimal(2), True, ("the GPU is lost",))


def test_an_absent_gpu_leaves_a_bill_complete() -> None:
    tariffs = (rate(gpu_hour=1, cpu_hour=1),)
    (bill,) = costs(lab(tariffs=tariffs), record(held(None, origin=NO_GPU), Figure("cpu_s", HOUR, CLOCK))).bills
    assert (bill.amount, bill.incomplete) == (Decimal(1), False)


def test_the_half_width_of_a_bill() -> None:
    """1 kWh by NVML ±5 % and 1 kWh by TDP ±50 %, at 0.2 EUR."""
    run = record(joules(KWH), joules(KWH, TDP, "cpu_energy_j"))
    (bill,) = costs(lab(tariffs=(rate(kwh=0.2),)), run).bills
    assert bill.half_width is not None
    assert float(bill.half_width) == pytest.approx((0.01**2 + 0.1**2) ** 0.5)


def test_the_same_on_a_cloud_is_by_gpu_hours_only() -> None:
    found = costs(lab(), record(held(2.0), joules(5 * KWH)), info=session(gpus={"GPU-1": A100}))
    (cloud,) = found.clouds
    assert (cloud.amount, cloud.provider, cloud.as_of) == (Decimal("8.2"), "aws", date(2023, 11, 16))
    assert costs(lab(), record(joules(KWH))).clouds == ()


def test_of_a_record_no_cloud_is_asked() -> None:
    found = costs(lab(tariffs=(rate(gpu_hour=1),)), record(held(2.0)), elsewhere=False)
    assert [bill.amount for bill in found.bills] == [Decimal(2)]
    assert found.clouds == ()


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 10**6), st.integers(0, 10**6)), max_size=8), st.data())
def test_money_does_not_depend_on_order_and_grouping(runs: list[tuple[int, int, int]], data: st.DataObject) -> None:
    assumed = replace(lab(pue=1.2), tariffs=(rate(gpu_hour=0.55, kwh=0.21),))
    records = [(n, record(held(h / 1000), joules(float(j), NVML))) for n, h, j in runs]
    apart = [whole(one, session()) for _, one in data.draw(st.permutations(records))]
    together = [whole([one for n, one in records if n == number], session()) for number in range(3)]
    (one, other) = (costs_of(uses, Book(assumed)).bills for uses in (apart, together))
    sums = [sum(float(bill.amount or 0) for bill in bills) for bills in (one, other)]
    assert sums[0] == pytest.approx(sums[1], rel=1e-12)
    widths = [sum(float(bill.half_width or 0) for bill in bills) for bills in (one, other)]
    assert widths[0] == pytest.approx(widths[1], rel=1e-9)


# Read again when files change

FRANCE = "[[where]]\nregion = 'FR'\npue = 1.0\n"
NIGHT_RATE = "[[intensity]]\nregion = 'FR'\ng_per_kwh = 10\nfrom = 2026-10-01\n"


@pytest.fixture
def project(home: Path) -> Path:
    """A folder whose ``jupyter_costmeter.toml`` counts."""
    (home / "project").mkdir()
    return home / "project"


def declare(project: Path, text: str) -> None:
    (project / "jupyter_costmeter.toml").write_text(text)


RUN = whole(record(joules(KWH)), session())


def test_a_changed_assumption_recomputes_the_past(project: Path) -> None:
    costing = Costing(str(project), project)
    assert amount(costing.of([RUN]), "emissions_g") == pytest.approx(741.0)
    declare(project, FRANCE)
    assert amount(costing.of([RUN]), "emissions_g") == pytest.approx(56.039)
    declare(project, FRANCE.replace("FR", "PL"))
    assert amount(costing.of([RUN]), "emissions_g") == pytest.approx(661.926)
    (project / "jupyter_costmeter.toml").unlink()
    assert amount(costing.of([RUN]), "emissions_g") == pytest.approx(741.0)


def test_so_it_does_in_a_file_that_is_included(project: Path) -> None:
    declare(project, "include = 'rates.toml'\n")
    costing = Costing(str(project), project)
    assert costing.of([RUN]).bills == ()
    (project / "rates.toml").write_text("[[rates]]\nkwh = 0.2\ncurrency = 'EUR'\n")
    declare(project, "include = 'rates.toml' \n")
    assert len(costing.of([RUN]).bills) == 1
    (project / "rates.toml").write_text("[[rates]]\nkwh = 0.25\ncurrency = 'EUR'\n")
    assert costing.of([RUN]).bills[0].amount == pytest.approx(Decimal("0.39"))


def test_a_mistake_is_named_and_the_rest_is_used(project: Path) -> None:
    declare(project, f"{FRANCE}[[rates]]\ngpu_hour = -1\n")
    costing = Costing(str(project), project)
    assert amount(costing.of([RUN]), "emissions_g") == pytest.approx(56.039)
    assert len(costing.assumptions.problems) == 1
    assert "jupyter_costmeter.toml:5" in costing.assumptions.problems[0]


@pytest.mark.parametrize(
    ("text", "before", "memory"),
    [
        ("", -inf, False),
        (FRANCE, -inf, False),
        (FRANCE + NIGHT_RATE, utc(2026, 10, 1), False),
        ("[[where]]\nregion = 'FR'\nuntil = 2026-10-01\n", utc(2026, 10, 1), False),
        ("[[where]]\nregion = 'FR'\nuntil = 2126-10-01\n", -inf, False),
        ("[[rates]]\ngpu_hour = 1\nvalid_from = 2026-09-01\ncurrency = 'EUR'\n", utc(2026, 9, 1), False),
        ("[[rates]]\ngpu_hour = 1\ncurrency = 'EUR'\n", -inf, False),
        ("[[rates]]\ngb_hour = 0.002\ncurrency = 'EUR'\n", -inf, True),
    ],
)
def test_it_wants_no_more_of_the_ledger_than_it_needs(project: Path, text: str, before: float, memory: bool) -> None:
    declare(project, text)
    assert Costing(str(project), project).wants == {"hourly_before": before, "memory": memory}


class LearningGrid(FakeGrid):
    """Knows what it was asked for, once it was asked."""

    def __init__(self) -> None:
        super().__init__({})
        self.soon: list[tuple[str, list[int]]] = []

    def refresh_soon(self, region: str, hours: Iterable[int]) -> None:
        self.soon.append((region, list(hours)))
        self.values.update({(region, hour): 20.0 for hour in hours})

    def refresh(self, region: str, hours: Iterable[int]) -> str:
        self.refresh_soon(region, hours)
        return "asked"


def live(project: Path, places: str = FRANCE, more: str = "") -> tuple[Costing, LearningGrid]:
    own = jupyter_config_dir()  # a project's file cannot ask for the network
    Path(own).mkdir(parents=True, exist_ok=True)
    (Path(own) / "jupyter_costmeter.toml").write_text(f"{places}[live]\nsource = 'uk'\n{more}")
    costing, grid = Costing(str(project), project), LearningGrid()
    assert costing.assumptions.problems == ()
    costing.grid = grid  # type: ignore[assignment]
    return costing, grid


def test_a_live_source_is_asked_for_the_hours_that_were_used_and_then_used(project: Path) -> None:
    costing, grid = live(project)
    made = record(joules(KWH), at=NOON + 1800, wall_s=HOUR)
    uses = of_record(made, session(at=NOON - 9 * HOUR), costing.book.changed_at > NOON)
    assert amount(costing.of(uses), "emissions_g") == pytest.approx(56.039)
    first = int(NOON // HOUR)
    assert grid.soon == [("FR", [first, first + 1])]
    assert amount(costing.of(uses), "emissions_g") == pytest.approx(20.0)


def test_of_a_record_nobody_is_asked(project: Path) -> None:
    """Neither a live source nor a cloud's price: a table has a thousand of them."""
    costing, grid = live(project)
    found = costing.of_record(record(joules(KWH), held(1.0)), session(gpus={"GPU-1": A100}))
    assert amount(found, "emissions_g") == pytest.approx(56.039)
    assert (grid.soon, found.clouds) == ([], ())


def test_a_record_has_the_factors_of_its_own_hour_though_its_session_began_before_they_changed(project: Path) -> None:
    noon = datetime.fromtimestamp(NOON, timezone.utc).isoformat()
    own = f"[[where]]\nregion = 'FR'\nuntil = {noon}\n[[where]]\nregion = 'SE'\nfrom = {noon}\n"
    (project / "jupyter_costmeter.toml").write_text(own)
    costing, info = Costing(str(project), project), session(at=NOON - 9 * HOUR)
    for at, region in ((NOON - 2 * HOUR, "FR"), (NOON + 2 * HOUR, "SE")):
        used = costing.of_record(record(joules(KWH), at=at, wall_s=1.0), info).footprint.applied
        assert [one.intensity.region for one in used if one.intensity is not None] == [region]


def test_a_live_source_is_not_asked_for_nowhere_nor_for_other_regions(project: Path) -> None:
    assert live(project, "")[0].refresh([RUN]) == []
    costing, grid = live(project, more="region = 'GB'\nzone = '13'\n")
    costing.of([RUN])
    assert grid.soon == []


def test_asked_now(project: Path) -> None:
    costing, grid = live(project)
    assert list(map(repr, costing.refresh([RUN]))) == ["('FR', 'asked')"]
    assert grid.soon == [("FR", [int(NOON // HOUR)])]
    own = Path(jupyter_config_dir()) / "jupyter_costmeter.toml"
    own.write_text(FRANCE)
    assert Costing(None, project).refresh([RUN]) == []  # no source is asked for


# Which day's price


DEARER = (
    tariff_of({"gpu_hour": 1, "currency": "EUR"}, "f.toml:1", None),
    tariff_of({"gpu_hour": 2, "currency": "EUR", "valid_from": date(2026, 10, 1)}, "f.toml:4", None),
)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/Los_Angeles"])
def test_each_hour_has_the_price_of_its_own_day_wherever_one_reads(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel of 30 September: an hour then, and 20 in October, are 1 + 40 EUR."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    began, later = utc(2026, 9, 30, 20), utc(2026, 10, 5, 1)
    first = record(held(1.0), at=began, wall_s=HOUR, id="a")
    second = record(held(20.0), at=later, wall_s=20 * HOUR, id="b")
    (bill,) = costs(Assumptions(tariffs=DEARER), first, second, info=session(at=began)).bills
    monkeypatch.undo()
    time.tzset()
    assert bill.amount == Decimal(41)


def test_a_record_over_midnight_has_both_prices() -> None:
    over = record(held(4.0), at=utc(2026, 9, 30, 23), wall_s=4 * HOUR)
    (bill,) = costs(Assumptions(tariffs=DEARER), over, info=session(at=utc(2026, 9, 30))).bills
    assert bill.amount == Decimal(7)
