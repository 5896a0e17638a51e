"""BoAmps' report is valid against BoAmps' own constraints, and its placeholders are marked."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from jupyter_costmeter.norms.boamps import BoAmps
from jupyter_costmeter.statement import Form, Statement

SCHEMA = json.loads((Path(__file__).parent.parent / "data" / "boamps" / "constraints.json").read_text(encoding="utf-8"))


def report(form: Form) -> dict[str, Any]:
    """As it is read back from the file."""
    found: dict[str, Any] = json.loads(json.dumps(form.native, allow_nan=False))
    jsonschema.Draft4Validator(SCHEMA).validate(found)
    return found


def todos(form: Form) -> set[str]:
    return {item.key for item in form.items if item.answer is None}


@pytest.mark.parametrize("name", ["golden", "no_gpu", "unplaced", "untagged"])
def test_it_is_valid(name: str, request: pytest.FixtureRequest) -> None:
    form = BoAmps().form(request.getfixturevalue(name))
    assert report(form)["header"]["reportStatus"] == "draft"
    assert form.native_suffix == "json"


def test_the_constraints_would_find_a_mistake(golden: Statement) -> None:
    found = report(BoAmps().form(golden))
    for wrong in (
        {**found, "task": {}},
        {**found, "measures": []},
        {**found, "infrastructure": {**found["infrastructure"], "infraType": "TODO"}},
        {**found, "quality": "splendid"},
        {**found, "carbon": 1.0},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.Draft4Validator(SCHEMA).validate(wrong)


def test_the_measure_is_the_machines_own_kwh_and_seconds(golden: Statement) -> None:
    measure = report(BoAmps().form(golden))["measures"][0]
    assert measure["powerConsumption"] == pytest.approx(golden.whole.energy_kwh.value, rel=1e-5)
    assert measure["measurementDuration"] == pytest.approx(golden.whole.wall_s + 3600.0)
    assert measure["measurementDateTime"] == "2026-09-21 14:13:20"
    assert (measure["cpuTrackingMode"], measure["gpuTrackingMode"]) == ("rapl", "nvml")
    assert measure["averageUtilizationGpu"] == pytest.approx(0.85)


def test_what_is_required_and_not_known_is_a_placeholder_with_a_todo(unplaced: Statement) -> None:
    form = BoAmps().form(replace(unplaced, shares=()))
    found = report(form)
    task = found["task"]
    assert (task["taskStage"], task["taskFamily"]) == ("TODO", "TODO")
    assert task["algorithms"] == [{"algorithmName": "TODO"}]
    assert task["dataset"] == [{"dataUsage": "input", "dataType": "other", "shape": "TODO"}]
    assert found["infrastructure"]["infraType"] == "other"
    said = task["taskDescription"]
    assert said.startswith("TODO(author): replace the placeholders in ")
    for name in ("taskStage", "taskFamily", "algorithms", "dataset", "infrastructure.infraType"):
        assert name in said
    placeholders = {f"task.{name}" for name in ("taskStage", "taskFamily", "algorithms", "dataset")}
    assert placeholders | {"infrastructure.infraType"} <= todos(form)


def test_what_is_known_is_no_placeholder(golden: Statement) -> None:
    form = BoAmps().form(golden)
    found = report(form)
    assert found["task"]["taskStage"] == "preprocessing+training+hyperparameterSearch+ablation+inference"
    assert found["infrastructure"]["infraType"] == "onPremise"
    assert found["environment"] == {"country": "France", "powerSourceCarbonIntensity": 56.039}
    assert "infraType" not in found["task"]["taskDescription"]
    kinds = [(part["componentType"], part["nbComponent"]) for part in found["infrastructure"]["components"]]
    assert kinds == [("cpu", 1), ("ram", 1), ("cpu", 1), ("gpu", 2), ("ram", 1)]
    assert not {"task.taskStage", "infrastructure.infraType", "environment.country"} & todos(form)


def test_the_components_are_of_all_machines(golden: Statement) -> None:
    """A host whose memory was changed is twice among them, and still one."""
    node = golden.machines[1]
    bigger = replace(node, memory_bytes=2.0 * (node.memory_bytes or 0.0))
    machines = (node, bigger, replace(node, host="gpu08"))
    found = report(BoAmps().form(replace(golden, machines=machines)))["infrastructure"]["components"]
    assert [(part["componentType"], part["nbComponent"]) for part in found] == [
        ("cpu", 2), ("gpu", 4), ("ram", 2), ("ram", 1)
    ]  # fmt: skip


def test_how_many_cpus_a_machine_has_is_left_to_the_author(golden: Statement) -> None:
    form = BoAmps().form(golden)
    item = next(item for item in form.items if item.key == "infrastructure.components")
    assert "128 logical CPUs" in (item.answer or "")
    assert "number of CPU sockets" in (item.todo or "")
    assert "number of CPU sockets" in report(form)["task"]["taskDescription"]
    bare = replace(golden, machines=tuple(replace(machine, cpu="", cpus=None) for machine in golden.machines))
    assert "sockets" not in report(BoAmps().form(bare))["task"]["taskDescription"]


def test_several_places_are_in_no_one_report(golden: Statement) -> None:
    first, *rest = golden.machines
    form = BoAmps().form(replace(golden, machines=(replace(first, region="SE"), *rest)))
    assert "environment" not in report(form)
    item = next(item for item in form.items if item.key == "environment.country")
    assert (item.todo or "").startswith("one report is of one place")


@pytest.mark.parametrize(
    ("relative", "missing", "grade"),
    [(0.06, 0, "high"), (0.10, 0, "high"), (0.2, 0, "medium"), (0.5, 0, "low"), (0.51, 0, None), (0.06, 1, None)],
)
def test_the_quality_is_by_the_half_width(relative: float, missing: int, grade: str | None, golden: Statement) -> None:
    energy = replace(golden.whole.energy_kwh, value=2.0, uncertainty=2.0 * relative, missing=missing, reasons=("lost",))
    form = BoAmps().form(replace(golden, whole=replace(golden.whole, energy_kwh=energy)))
    assert report(form).get("quality") == grade
    assert ("quality" in todos(form)) == (grade is None)
    assert ("a lower bound: lost" in report(form)["task"]["taskDescription"]) == bool(missing)


def test_without_energy_or_hardware_there_is_no_report(golden: Statement) -> None:
    energy = replace(golden.whole.energy_kwh, value=None)
    assert BoAmps().form(replace(golden, whole=replace(golden.whole, energy_kwh=energy))).native is None
    assert BoAmps().form(replace(golden, machines=())).native is None
