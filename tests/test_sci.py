"""The SCI score: (E · I + M) per R, what it is per, and when there is none (ISO/IEC 21031, FACTS §1.2)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from carbon_cases import A100, CLOCK, KWH, LOST, NO_GPU, amount, costs, held, joules, lab, record, session, total
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter.cost_pages import sci_page
from jupyter_costmeter.derived import Costs
from jupyter_costmeter.embodied import Hardware
from jupyter_costmeter.errors import UsageError
from jupyter_costmeter.record import CellRecord, Figure
from jupyter_costmeter.sci import BOUNDARY, METHOD, NOT_HELD, Unit, making, score, unit_of

#: A GPU of 400 kg that lives 4 years: 11.4155 g an hour.
OWN = Hardware({"*": 400.0}, server_kg=0.0, life_years=4.0, use=1.0, source="our vendor")


def of(*records: CellRecord) -> Costs:
    return costs(lab(60.0, 1.5, hardware=OWN), *records, info=session(gpus={"GPU-1": A100}))


RUN = record(joules(2 * KWH), held(10.0))


# R


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("run", Unit("run")),
        ("  epoch ", Unit("epoch")),
        ("1000 queries", Unit("queries", 1000.0)),
        ("1000-queries", Unit("queries", 1000.0)),
        ("0.5 h", Unit("h", 0.5)),
        ("training run", Unit("training run")),
        ("1 image", Unit("image")),
        ("10 k-fold runs", Unit("k-fold runs", 10.0)),
        ("épocas", Unit("épocas")),
    ],
)
def test_units(text: str, unit: Unit) -> None:
    assert unit_of(text) == unit


@pytest.mark.parametrize(
    "text", ["", " ", "1000", "0 queries", "-3 runs", "1.2.3 runs", ". runs", "3runs", "run!", "9" * 400 + " runs"]
)
def test_what_is_no_unit_is_said_with_what_is(text: str) -> None:
    with pytest.raises(UsageError, match="name what one of is counted, such as run, epoch or '1000 queries'"):
        unit_of(text)


# The score


@pytest.mark.parametrize(
    ("unit", "count", "grams", "printed"),
    [
        (Unit("run"), 1, 294.155, "gCO2e per run"),
        (Unit("epoch"), 20, 14.7078, "gCO2e per epoch"),
        (Unit("queries", 1000.0), 50_000, 5.88311, "gCO2e per 1000 queries"),
        (Unit("queries", 1000.0), 500, 588.311, "gCO2e per 1000 queries"),
    ],
)
def test_by_hand(unit: Unit, count: float, grams: float, printed: str) -> None:
    """2 kWh × 1.5 × 60 g = 180 g of electricity, 10 GPU-h × 11.4155 g = 114.155 g of the GPU's making."""
    found = score(of(RUN).footprint, unit, count)
    assert found.score.value == pytest.approx(grams, rel=1e-5)
    assert found.score.unit == printed
    assert found.carbon.value == pytest.approx(294.155, rel=1e-5)
    assert (found.unit, found.count) == (unit, count)


def test_what_was_held_idle_counts() -> None:
    """E is of all that was reserved."""
    idle = record(joules(KWH), held(5.0), bucket="held_idle")
    assert score(of(RUN, idle).footprint, Unit("run"), 1).score.value == pytest.approx(294.155 * 1.5, rel=1e-5)


@given(st.floats(1e-3, 1e9), st.floats(1e-3, 1e6), st.floats(1e-3, 1e3))
def test_linear_in_one_over_the_count_and_in_the_units_size(count: float, size: float, times: float) -> None:
    foot = of(RUN).footprint
    once = score(foot, Unit("x", size), count).score
    for other in (score(foot, Unit("x", size), count * times), score(foot, Unit("x", size / times), count)):
        assert other.score.value == pytest.approx((once.value or 0.0) / times)
        assert other.score.uncertainty == pytest.approx((once.uncertainty or 0.0) / times)
        assert other.score.measured_share == pytest.approx(once.measured_share)


def test_electricity_and_making_err_apart() -> None:
    """±9 g of 180 by the counter; ×/÷ 2 of 114.155 g of the making, ±1 % of its hours."""
    found = score(of(RUN).footprint, Unit("run"), 1).score
    assert found.uncertainty == pytest.approx((9.0**2 + 114.155**2 + 1.14155**2) ** 0.5, rel=1e-5)
    assert found.measured_share == pytest.approx(180 / 294.155, rel=1e-5)


@pytest.mark.parametrize("figures", [(), (held(None, origin=NO_GPU),), (held(0.0),)])
def test_without_a_gpu_it_is_a_lower_bound_by_the_electricity(figures: tuple[Figure, ...]) -> None:
    found = of(record(joules(KWH), *figures))
    whole = score(found.footprint, Unit("run"), 1).score
    assert whole.value == amount(found, "emissions_g") == pytest.approx(90.0)
    assert (whole.missing, whole.reasons) == (1, (NOT_HELD,))
    assert making(found.footprint).value is None


def test_the_page_says_why_m_is_not_known() -> None:
    found = of(record(joules(KWH)))
    page = sci_page("SCI", score(found.footprint, Unit("run"), 1), found)
    rows = {row[0]: list(row) for row in page.tables[0].rows}
    assert rows["SCI"][1] == "≥ ~90.0 gCO2e per run"
    assert rows["M, embodied"] == ["M, embodied", "—", "", "not measured", NOT_HELD]
    assert page.notes[0] == f"The score is a lower bound: {NOT_HELD}."


def test_a_making_that_is_declared_to_be_none_is_a_zero() -> None:
    none = replace(OWN, gpu_kg={"*": 0.0})
    found = costs(lab(60.0, hardware=none), RUN, info=session(gpus={"GPU-1": A100}))
    whole = score(found.footprint, Unit("run"), 1).score
    assert (whole.missing, making(found.footprint).value) == (0, 0.0)


def test_a_lower_bound_stays_one() -> None:
    lost = record(joules(KWH), joules(None, LOST, "cpu_energy_j"), held(None, origin=LOST))
    found = score(of(lost).footprint, Unit("run"), 2)
    assert (found.score.missing, found.score.reasons) == (2, ("the GPU is lost",))
    assert found.score.incomplete
    assert found.score.value == pytest.approx(45.0)


@pytest.mark.parametrize("figures", [(), (joules(None, LOST),), (held(1.0),), (Figure("cpu_s", 1.0, CLOCK),)])
def test_no_score_without_energy(figures: tuple[Figure, ...]) -> None:
    with pytest.raises(UsageError, match="no energy was metered"):
        score(of(record(*figures)).footprint, Unit("run"), 1)


@pytest.mark.parametrize("count", [0, -1, float("inf"), float("nan")])
def test_no_score_per_nothing(count: float) -> None:
    with pytest.raises(UsageError, match="epoch: a score is per something"):
        score(of(RUN).footprint, Unit("epoch"), count)


def test_zero_is_a_score() -> None:
    found = score(costs(lab(0.0), record(joules(KWH))).footprint, Unit("run"), 1).score
    assert (found.value, found.unit) == (0.0, "gCO2e per run")


def test_boundary_and_method_are_told() -> None:
    assert "Outside of it" in BOUNDARY
    assert all(word in METHOD for word in ("ISO/IEC 21031:2024", "location-based", "not subtracted"))
    assert total(of(RUN), "embodied_g").value is not None
