"""What is told of costs, places and regions: as docs/wire.md has it, and always JSON."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import golden
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_costmeter import cost_wire, wire
from jupyter_costmeter.assumptions import Assumptions, place_of
from jupyter_costmeter.carbon import snapshot
from jupyter_costmeter.carbon.hints import hint
from jupyter_costmeter.conditions import Book
from jupyter_costmeter.costing import costs_of
from jupyter_costmeter.derived import Costs
from jupyter_costmeter.record import Summary
from jupyter_costmeter.tariffs import tariff_of
from jupyter_costmeter.uses import of_records

DOCS = (Path(__file__).parent.parent / "docs" / "wire.md").read_text(encoding="utf-8")
LOST = "the GPU is lost"


def named(shape: str) -> set[str]:
    """The fields that docs/wire.md gives a shape."""
    found = re.search(rf"- `{shape}` `\{{(.*?)\}}`", DOCS, re.DOTALL)
    assert found, shape
    text = re.sub(r"\([^()]*\)|\{[^{}]*\}|\[[^\[\]]*\]", "", found[1].replace("`", ""))
    return set(re.findall(r"(?:^|,)\s*(\w+)", text))


def strict(value: object) -> Any:
    """As a browser would read it."""
    return json.loads(json.dumps(value, allow_nan=False))


@pytest.fixture
def placed() -> Costs:
    return golden.costs(golden.LAB, golden.FIRST, golden.SECOND)


def test_costs_have_the_fields_that_the_page_names(placed: Costs) -> None:
    told = strict(cost_wire.costs(placed))
    assert set(told) == named("Costs")
    assert {frozenset(one) for one in told["applied"]} == {frozenset(named("Applied"))}
    assert {frozenset(one) for one in (*told["bills"], *told["clouds"])} == {frozenset(named("Bill"))}
    assert set(strict(cost_wire.region(snapshot.region("FR")))) == named("Region")
    for make in golden.PLACES.values():
        assert set(strict(make())) == named("Place")


def test_totals_say_how_they_are_known(placed: Costs) -> None:
    totals = {t["name"]: t for t in strict(cost_wire.costs(placed))["totals"]}
    assert set(totals) == {"electricity_wh", "emissions_g", "embodied_g"}
    emissions = totals["emissions_g"]
    assert (emissions["unit"], emissions["method"], emissions["missing"]) == ("gCO2e", "declared", 1)
    assert emissions["reasons"] == [LOST]
    joules = 3600 + 14.5 * 4
    assert emissions["value"] == pytest.approx(joules / 3.6e6 * 1.2 * 56.039)
    assert emissions["measured_share"] == pytest.approx(3600 / joules)
    assert "FR: Our World in Data 2023" in emissions["sources"][0]


def test_a_factor_is_told_with_the_sentence_that_says_all(placed: Costs) -> None:
    told = {one["name"]: one for one in strict(cost_wire.costs(placed))["applied"]}
    assert set(told) == {"intensity", "pue", "embodied"}
    text = told["intensity"]["text"]
    for fact in ("56 g/kWh", "FR", "modelled", "Our World in Data 2023", "average", "lifecycle", "±20 %"):
        assert fact in text
    assert (told["pue"]["value"], told["pue"]["method"]) == (1.2, "declared")


def test_money_is_text_since_a_float_is_no_decimal(placed: Costs) -> None:
    (bill,) = strict(cost_wire.costs(placed))["bills"]
    assert isinstance(bill["amount"], str)
    assert bill["currency"] == "EUR"
    assert "e" not in bill["amount"].lower()
    (cloud,) = strict(cost_wire.costs(placed))["clouds"]
    assert (cloud["provider"], cloud["as_of"]) == ("aws", "2023-11-16")
    assert cloud["sources"]


def test_what_has_no_price_is_null_and_says_why() -> None:
    free = Assumptions(tariffs=(tariff_of({"match": {"host": "x"}, "gpu_hour": "1"}, "f.toml:3", "EUR"),))
    (bill,) = strict(cost_wire.costs(golden.costs(free, golden.FIRST)))["bills"]
    assert (bill["amount"], bill["text"]) == (None, "—")
    assert bill["missing"] == 1
    assert bill["reasons"]


def test_of_a_cell_only_what_the_panel_shows(placed: Costs) -> None:
    told, whole = strict(cost_wire.costs(placed, whole=False)), strict(cost_wire.costs(placed))
    assert (told["applied"], told["equivalents"]) == (whole["applied"][:1], [])
    assert "56 g/kWh, FR" in told["applied"][0]["text"]
    assert len(whole["applied"]) == 3
    assert "Of a cell `applied` has the intensity alone, and `equivalents` is empty." in DOCS
    assert {k: v for k, v in told.items() if k not in ("applied", "equivalents")} == {
        k: v for k, v in whole.items() if k not in ("applied", "equivalents")
    }
    assert whole["equivalents"]
    assert "applied" not in str(strict(wire.cell(golden.FIRST))["costs"])


def test_while_nobody_said_where_there_is_a_range(placed: Costs) -> None:
    told = strict(cost_wire.costs(golden.costs(golden.NOWHERE, golden.FIRST)))
    low, high = told["range_g"]
    (emissions,) = [t for t in told["totals"] if t["name"] == "emissions_g"]
    assert low < emissions["value"] < high
    assert emissions["method"] == "assumed"
    assert len(told["range_of"]) == 2
    assert (strict(cost_wire.costs(placed))["range_g"], strict(cost_wire.costs(placed))["range_of"]) == (None, None)


def test_without_costs_null_is_told() -> None:
    empty = Summary(0, 0, 0, 0.0, ())
    assert strict(wire.summary(empty))["costs"] is None
    assert strict(wire.cell(golden.FIRST))["costs"] is None


# Places and regions


def test_a_place_says_by_whom_and_what_it_counts() -> None:
    told = strict(golden.PLACES["placed"]())
    assert (told["region"], told["name"], told["kind"]) == ("FR", "France", "lab")
    assert told["origin"] == "jupyter_costmeter.toml:1"
    assert "lifecycle" in told["text"]
    assert (told["hint"], told["problems"]) == (None, [])


def test_a_suggestion_is_told_beside_what_is_not_known() -> None:
    told = strict(golden.PLACES["unplaced"]())
    assert [told[name] for name in ("region", "name", "kind", "origin")] == [None] * 4
    assert told["hint"]["region"] == "gcp/us-central1"
    assert told["hint"]["name"].startswith("gcp/us-central1, ")
    assert told["problems"] == ["jupyter_costmeter.toml:3: [[where]]: no region"]


def test_a_suggestion_of_a_kind_only_has_no_name() -> None:
    told = strict(cost_wire.place("box", None, hint({"SLURM_CLUSTER_NAME": "pc"}), []))
    assert (told["hint"]["region"], told["hint"]["name"], told["hint"]["kind"]) == ("", "", "lab")


def test_a_region_that_was_refused_says_why() -> None:
    told = {one.id: strict(cost_wire.region(one)) for one in snapshot.regions()}
    refused = [one for one in told.values() if one["g_per_kwh"] is None]
    assert refused
    assert all(one["note"] and one["year"] is None for one in refused)
    assert told["FR"]["aliases"]
    placed = place_of({"region": refused[0]["id"]}, "f.toml:1")
    assert strict(cost_wire.place("box", placed, None, []))["region"] == refused[0]["id"]


def test_what_if_tells_both() -> None:
    now, then = golden.costs(golden.LAB, golden.FIRST), golden.costs(golden.NOWHERE, golden.FIRST)
    told = strict(cost_wire.what_if("session s1", now, then, ["a note"]))
    assert (told["now"], told["then"]) == (strict(cost_wire.costs(now)), strict(cost_wire.costs(then)))
    assert (told["title"], told["notes"], told["schema"]) == ("session s1", ["a note"], wire.SCHEMA)


def test_the_page_says_which_pue_another_place_has() -> None:
    assert "a declared PUE of another site does not move along" in DOCS


# Anything


@settings(max_examples=40)
@given(
    st.none() | st.just(0.0) | st.floats(1e-6, 1e12),
    st.floats(0, 1e6),
    st.none() | st.floats(1, 9),
    st.sampled_from(["FR", "CF", "world", "gcp/us-central1", None]),
)
def test_whatever_was_metered_is_json(
    gpu_j: float | None, wall_s: float, pue: float | None, region: str | None
) -> None:
    places = (place_of({"region": region, **({"pue": pue} if pue else {})}, "f.toml:1"),) if region else ()
    record = replace(golden.FIRST, usage=golden.usage(wall_s, gpu_j))
    book = Book(replace(golden.LAB, places=places))
    for costs in (costs_of(of_records(found, golden.SESSION), book) for found in ([], [record], [record, record])):
        strict(cost_wire.costs(costs))
