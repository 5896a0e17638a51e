"""How forms say amounts and how they are known (FACTS §4, §6.15)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter.norms import wording
from jupyter_costmeter.record import Total
from jupyter_costmeter.statement import Experiment, Statement

ENERGY = Total("energy_kwh", "kWh", 2.0, "measured", 1.0, 0, 0.1, ("NVML energy counter",))


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (12.42, "GPU-h", "12.4 GPU-h"),
        (239_942.0, "GPU-h", "239942 GPU-h"),
        (0.009, "GPU-h", "32.4 GPU-s"),
        (0.001, "busy GPU-h", "3.6 busy GPU-s"),
        (0.0, "CPU-h", "0 CPU-h"),
        (0.25, "CPU-h", "0.25 CPU-h"),
        (1.0, "kWh", "1.00 kWh"),
        (0.000277777, "kWh", "278 mWh"),
        (1287.0, "kWh", "1.29 MWh"),
        (0.6, "kgCO2e", "600 gCO2e"),
        (552_100.0, "kgCO2e", "552 tCO2e"),
        (3.1428e23, "FLOP", "314280 EFLOP"),
    ],
)
def test_an_amount_is_in_a_unit_that_can_be_read(value: float, unit: str, said: str) -> None:
    assert wording.said(value, unit) == said


@pytest.mark.parametrize(
    ("total", "amount", "how"),
    [
        (ENERGY, "2.00 kWh ±5.0 %", "measured (NVML energy counter), ±5.0 %; all of it measured"),
        (
            replace(ENERGY, method="modelled", measured_share=0.756, uncertainty=0.4),
            "~2.00 kWh ±20 %",
            "modelled (NVML energy counter), ±20 %; 75 % of it measured",
        ),
        (
            replace(ENERGY, measured_share=0.9999, missing=3, reasons=("the GPU is lost",)),
            "≥ 2.00 kWh ±5.0 %",
            "measured (NVML energy counter), ±5.0 %; 99 % of it measured; a lower bound: the GPU is lost",
        ),
        (
            replace(ENERGY, method="assumed", measured_share=0.0, uncertainty=None, sources=()),
            "~2.00 kWh",
            "assumed; none of it measured",
        ),
        (replace(ENERGY, measured_share=0.001), "2.00 kWh ±5.0 %",
         "measured (NVML energy counter), ±5.0 %; less than 1 % of it measured"),
        (replace(ENERGY, value=None, method=None, reasons=("lost",)), "—", "not known: lost"),
        (replace(ENERGY, value=None, method=None, reasons=()), "—", "not known: nothing of it was read"),
        (replace(ENERGY, value=0.0, method=None), "0 Wh", "there was none"),
    ],
)  # fmt: skip
def test_a_total_is_said_with_how_it_is_known(total: Total, amount: str, how: str) -> None:
    assert wording.amount(total) == amount
    assert wording.how(total) == how


def test_many_sources_are_counted() -> None:
    assert wording.few(["a", "b", "c"]) == "a; b; c"
    assert wording.few(["a", "b", "c", "d", "e"]) == "a; b; c; and 2 more"


@given(st.floats(1e-7, 1e12), st.sampled_from(["GPU-h", "CPU-h", "kWh", "kgCO2e", "FLOP"]))
def test_an_amount_has_one_number_and_no_exponent(value: float, unit: str) -> None:
    said = wording.said(value, unit).removeprefix("< ")
    assert float(said.split(" ")[0]) > 0
    assert "e" not in said.split(" ")[0]


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=5))
def test_what_is_left_and_the_parts_are_the_whole(values: list[float]) -> None:
    parts = [replace(ENERGY, value=value) for value in values]
    left = wording.rest(replace(ENERGY, value=sum(values) + 7.0), parts)
    assert left.value == pytest.approx(7.0, abs=1e-6)
    assert wording.rest(ENERGY, [*parts, replace(ENERGY, value=None)]).value is None
    assert wording.rest(replace(ENERGY, value=None), parts).value is None


def test_emissions_are_a_range_while_the_place_is_not_known(golden: Statement, unplaced: Statement) -> None:
    assert wording.emissions(golden).startswith("~601 gCO2e")
    assert wording.emissions(unplaced) == "0.12 to 8.40 kgCO2e"
    assert "nobody said where it ran" in wording.emissions_how(unplaced)
    assert wording.emitted(unplaced, unplaced.whole) == "—"
    item = wording.emissions_item("key", "asks", unplaced)
    assert (item.answer, item.todo) == ("0.12 to 8.40 kgCO2e", wording.UNPLACED)
    none = replace(unplaced, whole=replace(unplaced.whole, emissions_kg=replace(ENERGY, value=None)))
    assert wording.emissions(none) == "—"
    assert wording.emissions_item("key", "asks", none).answer is None


@pytest.mark.parametrize(
    ("mean", "sd", "said"), [(None, None, "—"), (12.4, None, "12.4 s"), (3780.0, 90.0, "1 h 03 min ± 1 min 30 s")]
)
def test_a_runs_time(mean: float | None, sd: float | None, said: str, golden: Statement) -> None:
    assert wording.per_run(Experiment("x", golden.whole, mean_s=mean, sd_s=sd)) == said


def test_the_times_of_many_experiments_are_told_in_part(golden: Statement) -> None:
    many = tuple(Experiment(f"e{i}", golden.whole, mean_s=1.0) for i in range(20))
    unknown = Experiment("u", golden.whole)
    assert wording.times(replace(golden, experiments=many[:2])) == "e0: 1.00 s; e1: 1.00 s"
    assert (wording.times(replace(golden, experiments=many)) or "").endswith("e11: 1.00 s; and 8 more, in the table")
    assert wording.times(replace(golden, experiments=(unknown,))) is None


def test_a_gap_always_has_something_to_do() -> None:
    gone = wording.known("key", "asks", replace(ENERGY, value=None, reasons=("no energy was read",)))
    assert (gone.answer, gone.todo) == (None, "it is not known: no energy was read; give it if you know it")
    assert wording.prose(["One.", None, "Two."], [gone]) == f"One. Two.\nkey: TODO(author): {gone.todo}"
