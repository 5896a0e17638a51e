"""The SCI of a statement: the arithmetic is ``sci``'s, the units are a statement's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jupyter_costmeter.norms.sci_score import SCI
from jupyter_costmeter.statement import Form, Item, Statement


def item(form: Form, key: str) -> Item:
    return next(found for found in form.items if found.key == key)


def test_operational_and_embodied_carbon_over_the_runs(golden: Statement) -> None:
    """(601.3 + 186.4) g over 20 runs (cells), 3 sessions, and all at once."""
    whole = golden.whole
    assert whole.emissions_kg.value is not None
    assert whole.embodied_kg is not None
    assert whole.embodied_kg.value is not None
    grams = 1000 * (whole.emissions_kg.value + whole.embodied_kg.value)
    rows = SCI().form(golden).tables[0].rows
    assert [(row[0], row[1]) for row in rows] == [("run", "20"), ("session", "3"), ("project as metered", "1")]
    for row in rows:
        assert float(row[2].lstrip("~").split(" ")[0]) == pytest.approx(grams / float(row[1]), rel=0.005)
        assert f"gCO2e per {row[0]}" in row[2]


def test_it_says_boundary_unit_and_method(golden: Statement) -> None:
    form = SCI().form(golden)
    assert "Outside of it: disks, network" in (item(form, "boundary").answer or "")
    assert "ISO/IEC 21031:2024" in (item(form, "method").answer or "")
    assert item(form, "R").answer == "one run, of which there were 20"
    assert "choose R" in (item(form, "R").todo or "")
    assert "56 g/kWh" in (item(form, "I").answer or "")


def test_a_cell_with_ten_trials_in_it_is_ten_runs(golden: Statement) -> None:
    whole, summary = replace(golden.whole, runs=10), replace(golden.summary, cells=1)
    form = SCI().form(replace(golden, whole=whole, summary=summary))
    assert form.tables[0].rows[0][1] == "10"
    assert item(form, "R").answer == "one run, of which there were 10"


def test_without_the_hardwares_making_it_is_a_lower_bound(no_gpu: Statement) -> None:
    form = SCI().form(no_gpu)
    assert item(form, "M").answer is None
    assert (item(form, "SCI").answer or "").startswith("≥ ")


def test_no_score_while_the_place_is_not_known(unplaced: Statement) -> None:
    form = SCI().form(unplaced)
    assert item(form, "SCI").answer is None
    assert item(form, "I").answer is None
    assert item(form, "E × I").answer == "0.12 to 8.40 kgCO2e"
    assert form.tables == ()


def test_several_intensities_are_all_said(golden: Statement) -> None:
    one = next(f for f in golden.factors if f.name == "intensity")
    assert one.intensity is not None
    other = replace(one, value=20.0, intensity=replace(one.intensity, region="SE"))
    answer = item(SCI().form(replace(golden, factors=(one, other))), "I").answer or ""
    assert "FR" in answer
    assert "SE" in answer
