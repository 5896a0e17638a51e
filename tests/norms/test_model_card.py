"""The model card's block: its keys, and grams as a number."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jupyter_costmeter.norms.model_card import ModelCard
from jupyter_costmeter.statement import Form, Statement

KEYS = ["emissions", "source", "training_type", "geographical_location", "hardware_used"]


def block(form: Form) -> dict[str, object]:
    assert form.native is not None
    assert list(form.native) == ["co2_eq_emissions"]
    found: dict[str, object] = form.native["co2_eq_emissions"]
    return found


def test_the_keys_are_the_documentations_and_emissions_are_grams(golden: Statement) -> None:
    form = ModelCard().form(golden)
    found = block(form)
    assert list(found) == KEYS
    assert golden.whole.emissions_kg.value is not None
    assert isinstance(found["emissions"], float)
    assert found["emissions"] == pytest.approx(1000 * golden.whole.emissions_kg.value, rel=1e-3)
    assert found["training_type"] == "pre-training"
    assert found["geographical_location"] == "France"
    assert "75 % of it measured" in str(found["source"])
    assert form.native_suffix == "yaml"


def test_a_range_is_no_number_so_there_is_no_block(unplaced: Statement) -> None:
    form = ModelCard().form(unplaced)
    assert form.native is None
    assert form.native_suffix is None
    item = form.items[0]
    assert item.answer is None
    assert "0.12 to 8.40 kgCO2e" in (item.todo or "")
    assert "%cost where" in (item.todo or "")


@pytest.mark.parametrize(
    ("categories", "said"),
    [(("train",), "pre-training"), (("finetune",), "fine-tuning"), (("train", "finetune"), None), (("hpo",), None)],
)
def test_the_type_is_said_only_where_one_was_tagged(
    categories: tuple[str, ...], said: str | None, golden: Statement
) -> None:
    one = golden.shares[0]
    shares = tuple(replace(one, category=category) for category in categories)  # type: ignore[arg-type]
    found = block(ModelCard().form(replace(golden, shares=shares)))
    assert found.get("training_type") == said


def test_a_place_is_said_only_where_all_are_known(golden: Statement) -> None:
    first, *rest = golden.machines
    partly = replace(golden, machines=(replace(first, region=None), *rest))
    assert "geographical_location" not in block(ModelCard().form(partly))
    several = replace(golden, machines=(replace(first, region="SE"), *rest))
    assert block(ModelCard().form(several))["geographical_location"] == "Sweden; France"


def test_the_hardware_of_several_nodes_is_all_of_it(golden: Statement) -> None:
    node = replace(golden.machines[1], gpus={"A100": 2}, gpu_bytes={})
    nodes = replace(golden, machines=(node, replace(node, host="gpu08")))
    assert block(ModelCard().form(nodes))["hardware_used"] == "2 machines, each with 2 × A100"


def test_a_lower_bound_says_so_in_its_source(golden: Statement) -> None:
    emissions = replace(golden.whole.emissions_kg, missing=1, reasons=("the GPU is lost",))
    form = ModelCard().form(replace(golden, whole=replace(golden.whole, emissions_kg=emissions)))
    assert "a lower bound: the GPU is lost" in str(block(form)["source"])
