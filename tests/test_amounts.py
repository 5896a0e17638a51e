"""How much of a measure something used: known answers, what lacks, and that amounts add up."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from carbon_cases import CLOCK, HOUR, KWH, LOST, NO_GPU, NVML, TDP, held, joules, lab, record, session
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter import amounts
from jupyter_costmeter.assumptions import Assumptions
from jupyter_costmeter.budget import MEASURES, Measure
from jupyter_costmeter.conditions import Book
from jupyter_costmeter.costing import costs_of
from jupyter_costmeter.record import CellRecord, Figure, Provenance, Total
from jupyter_costmeter.tariffs import tariff_of
from jupyter_costmeter.uses import WANTED, Use, Using

RATES = (tariff_of({"gpu_hour": "0.50", "currency": "EUR"}, "rates.toml:3", None),)
NUMPY = Provenance(None, "the cell's code", None, "numpy: its arithmetic leaves no trace to count by")
SUM = Figure("flops_bf16", 6e12, CLOCK)


def uses(*records: CellRecord) -> list[Use]:
    using = Using(names=WANTED)
    for one in records:
        using.add(one.started_at, one.usage)
    return using.uses(session(gpus={"GPU-1": "A100"}))


def total(measure: Measure, *records: CellRecord, rates: tuple = RATES, currency: str | None = None) -> Total:  # type: ignore[type-arg]
    found = uses(*records)
    assumed: Assumptions = replace(lab(100.0, 1.5), tariffs=rates)
    return amounts.amount(measure, currency, found, costs_of(found, Book(assumed), elsewhere=False))


@pytest.mark.parametrize(
    ("measure", "value", "unit", "width"),
    [
        ("gpu_hours", 2.0, "GPU-h", 0.02),
        ("gpu_busy_hours", 1.5, "busy GPU-h", 0.015),
        ("flops", 6e12, "FLOP", 6e10),
        ("kwh", 3.0, "kWh", 0.15),  # 2 kWh with a PUE of 1.5
        ("kgco2e", 0.3, "kgCO2e", 0.015),  # at 100 g/kWh
        ("amount", 1.0, "EUR", 0.01),
    ],
)
def test_of_each_measure_by_hand(measure: Measure, value: float, unit: str, width: float) -> None:
    made = record(joules(2 * KWH), held(2.0), Figure("gpu_busy_s", 1.5 * HOUR, CLOCK, "GPU-1"), SUM)
    found = total(measure, made, currency="EUR" if measure == "amount" else None)
    assert (found.name, found.unit, found.missing) == (measure, unit, 0)
    assert (found.value, found.uncertainty) == (pytest.approx(value), pytest.approx(width))
    assert found.sources


@pytest.mark.parametrize("measure", MEASURES)
def test_nothing_used_is_nothing_and_needs_no_price(measure: Measure) -> None:
    for records in ((), (record(joules(None, NO_GPU), Figure("gpu_reserved_s", None, NO_GPU)),)):
        found = total(measure, *records, rates=(), currency="EUR")
        assert (found.value, found.missing, found.reasons) == (0.0, 0, ())


@pytest.mark.parametrize("measure", MEASURES)
def test_what_could_not_be_read_is_not_nothing(measure: Measure) -> None:
    lost = [
        Figure(name, None, LOST, "GPU-1") for name in ("gpu_energy_j", "gpu_reserved_s", "gpu_busy_s", "flops_bf16")
    ]
    found = total(measure, record(*lost), currency="EUR")
    assert (found.value, found.missing, found.reasons) == (None, 1, ("the GPU is lost",))


def test_some_that_could_not_be_read_makes_a_lower_bound() -> None:
    counted = total("flops", record(SUM), record(Figure("flops_uncounted", None, NUMPY, "numpy")))
    assert (counted.value, counted.missing, counted.reasons) == (6e12, 1, (NUMPY.reason,))
    energy = total("kwh", record(joules(KWH), joules(None, LOST, "cpu_energy_j")))
    assert (energy.value, energy.missing) == (pytest.approx(1.5), 1)


def test_money_without_a_price_is_not_nothing_and_currencies_are_never_added() -> None:
    made = record(held(2.0))
    unpriced = total("amount", made, currency="USD")
    assert (unpriced.value, unpriced.reasons) == (None, ("no [[rates]] row prices this in USD",))
    both = (*RATES, tariff_of({"kwh": "0.20", "currency": "USD"}, "rates.toml:9", None))
    assert total("amount", made, rates=both, currency="EUR").value == 1.0
    # the lab charges kWh in USD, and none was used
    assert total("amount", made, rates=both, currency="USD").value == 0.0


def test_without_costs_what_is_derived_is_not_known() -> None:
    found = amounts.amount("kwh", None, uses(record(joules(KWH))), None)
    assert (found.value, found.missing) == (None, 1)
    assert [m for m in MEASURES if not amounts.needs_costs(m)] == ["gpu_hours", "gpu_busy_hours", "flops"]


# Added up


def one(value: float | None, missing: int = 0, width: float | None = None, **more: object) -> Total:
    base = Total("kwh", "kWh", value, None if value is None else "measured", value and 1.0, missing, width)
    return replace(base, **more)  # type: ignore[arg-type]


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=5))
def test_amounts_add_up_and_their_half_widths_linearly(values: list[float]) -> None:
    found = amounts.added([one(v, n, v / 10) for n, v in enumerate(values)])
    assert found.value == pytest.approx(math.fsum(values))
    assert found.uncertainty == pytest.approx(math.fsum(values) / 10)
    assert found.missing == sum(range(len(values)))


def test_nothing_and_what_was_not_read_is_not_read() -> None:
    lost = one(None, 2, reasons=("the GPU is lost",))
    assert amounts.added([amounts.nothing("kwh"), lost]) == lost
    there = amounts.added([one(3.0), lost])
    assert (there.value, there.missing, there.reasons) == (3.0, 2, ("the GPU is lost",))
    measured_zero = amounts.added([one(0.0), lost])
    assert (measured_zero.value, measured_zero.missing) == (0.0, 2)


def test_a_sum_is_as_weak_as_its_weighty_parts() -> None:
    weak = one(2.0, method="assumed", measured_share=0.0, uncertainty=1.0)
    found = amounts.added([one(8.0, width=0.4), weak])
    assert (found.method, found.measured_share, found.uncertainty) == ("assumed", 0.8, 1.4)
    assert amounts.added([one(99.0), weak]).method == "measured"
    unknown = amounts.added([one(8.0, width=0.4), replace(weak, uncertainty=None)])
    assert unknown.uncertainty is None


@given(st.lists(st.tuples(st.sampled_from([NVML, TDP]), st.floats(0, 1e9) | st.none()), max_size=6), st.integers(0, 6))
def test_in_two_parts_it_is_what_it_is_in_one(made: list[tuple[Provenance, float | None]], cut: int) -> None:
    """The closed part and the running one: the value, and what is missing."""
    records = [record(joules(value, origin if value is not None else LOST)) for origin, value in made]
    whole = total("kwh", *records)
    parted = amounts.added([total("kwh", *records[:cut]), total("kwh", *records[cut:])])
    assert parted.value == pytest.approx(whole.value) if whole.value is not None else parted.value is None
    assert parted.missing == whole.missing
