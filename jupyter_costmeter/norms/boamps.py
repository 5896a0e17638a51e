"""BoAmps, Boavizta's report of what an AI task's energy was: JSON, valid against its own schema.

The schema wants what no ledger knows: the task's family, its algorithm and data, how many CPUs a machine has (the
system counts logical ones), and, of a machine that nobody placed, the kind of infrastructure. There the report has
placeholders, each with ``TODO`` beside it: a text where the schema takes any text, one CPU for each machine, else the
enumeration's ``other``, named in ``taskDescription``. It is a draft until they are replaced.
Nothing that is optional and unknown is in it (docs/statements.md says which version of the schema).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from math import isfinite
from typing import Any

from .. import breakdown
from ..format import plain
from ..statement import Form, Item, Machine, Statement
from ..tag import Category
from . import hardware
from .wording import UNPLACED, asked, how, known, mark, meter, prose, share_of, told

SOURCE = "Boavizta BoAmps, report_schema.json, https://github.com/Boavizta/BoAmps (CC BY 4.0)"
SPECIFICATION = "https://github.com/Boavizta/BoAmps/tree/main/model"
TODO = "TODO"
#: The schema's example words for stages of a task.
STAGES: dict[Category, str] = {
    "prep": "preprocessing",
    "train": "training",
    "finetune": "finetuning",
    "distill": "distillation",
    "hpo": "hyperparameterSearch",
    "ablation": "ablation",
    "inference": "inference",
    "other": "other",
}
KINDS = {"laptop": "onPremise", "lab": "onPremise", "cloud": "publicCloud"}
#: Of the measure's relative half-width, as the schema grades it.
QUALITY = ((0.10, "high"), (0.25, "medium"), (0.50, "low"))
DATASET = "dataUsage and dataType of each data set"
SOCKETS = "number of CPU sockets"


class BoAmps:
    """The report of all that was metered as one task; BoAmps would rather have one for each stage."""

    def form(self, statement: Statement) -> Form:
        items = tuple(_items(statement))
        native = _report(statement)
        return Form(
            "boamps",
            "BoAmps energy report",
            SOURCE,
            items,
            _text(statement, items),
            native=native,
            native_suffix="json" if native else None,
        )


def _report(statement: Statement) -> dict[str, Any] | None:
    """``None`` where no energy is known: a report without a measure is none."""
    if statement.whole.energy_kwh.value is None or not _components(statement):
        return None
    found = {
        "header": {
            "formatVersionSpecificationUri": SPECIFICATION,
            "reportDatetime": _at(statement.made_at),
            "reportStatus": "draft",
        },
        "task": _task(statement),
        "measures": [_measure(statement)],
        "system": _system(statement),
        "software": _software(statement),
        "infrastructure": _infrastructure(statement),
        "environment": _environment(statement),
        "quality": _quality(statement),
    }
    return {key: value for key, value in found.items() if value}


def _known(**found: Any) -> dict[str, Any]:
    return {key: value for key, value in found.items() if value is not None}


def _at(when: float | None) -> str | None:
    return None if when is None else time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(when))


def _rounded(value: float) -> float:
    return float(plain(value, 6))


# The task


def _stage(statement: Statement) -> str | None:
    """What was tagged, joined as the schema says; ``None`` where nothing was."""
    return "+".join(stage for category, stage in STAGES.items() if share_of(statement, category)) or None


def _task(statement: Statement) -> dict[str, Any]:
    return {
        "taskStage": _stage(statement) or TODO,
        "taskFamily": TODO,
        "algorithms": [{"algorithmName": TODO}],
        "dataset": [{"dataUsage": "input", "dataType": "other", "shape": TODO}],
        "taskDescription": _description(statement),
    }


def _description(statement: Statement) -> str:
    """Which placeholders there are, and what a reader must know of the measure."""
    placeholders = ["taskFamily", "algorithms", f"dataset ({DATASET})"]
    placeholders += [] if _stage(statement) else ["taskStage"]
    placeholders += [] if _kind(statement) else ["infrastructure.infraType"]
    placeholders += [f"infrastructure.components (nbComponent of cpu: {SOCKETS})"] if _has_cpu(statement) else []
    todo = mark(f"replace the placeholders in {', '.join(placeholders)}")
    return f"{todo}. powerConsumption is {how(statement.whole.energy_kwh)}"


# The measure


def _measure(statement: Statement) -> dict[str, Any]:
    """Energy of CPU, memory and GPUs in kWh, without PUE, of cells and of what lay between them."""
    energy = statement.whole.energy_kwh.value or 0.0
    return _known(
        measurementMethod="jupyter_costmeter",
        version=statement.version,
        cpuTrackingMode=_tracking(statement, "cpu_energy_j"),
        gpuTrackingMode=_tracking(statement, "gpu_energy_j"),
        averageUtilizationGpu=_utilisation(statement),
        powerConsumption=_rounded(energy),
        measurementDuration=_rounded(_seconds(statement)),
        measurementDateTime=_at(statement.first_at),
    )


def _seconds(statement: Statement) -> float:
    """Of cells, and of what GPUs were held idle between them, since their energy is in it."""
    return statement.whole.wall_s + (statement.held_idle.wall_s if statement.held_idle else 0.0)


def _tracking(statement: Statement, name: str) -> str | None:
    """By the sources of a device's energy: ``rapl``, ``nvml``, or the label of a model's."""
    total = statement.summary.total(name)
    if total is None or total.value is None or total.method is None:
        return None
    sources = " ".join(total.sources).lower()
    return next((mode for mode in ("rapl", "nvml", "amdsmi") if mode in sources), total.method)


def _utilisation(statement: Statement) -> float | None:
    """How busy the GPUs were while they were held; ``None`` where it is a bound only."""
    found = breakdown.utilisation(statement.summary)
    return None if found is None or found.share is None or found.bound else _rounded(found.share)


def _quality(statement: Statement) -> str | None:
    """By the energy's half-width; ``None`` where it is wider than the schema grades, or a lower bound."""
    energy = statement.whole.energy_kwh
    if energy.incomplete or not energy.value or energy.uncertainty is None:
        return None
    relative = energy.uncertainty / energy.value
    return next((grade for most, grade in QUALITY if isfinite(relative) and relative <= most), None)


# The machines


def _kind(statement: Statement) -> str | None:
    """One that all machines have."""
    kinds = {_infra(machine) for machine in statement.machines}
    return kinds.pop() if len(kinds) == 1 else None


def _infra(machine: Machine) -> str | None:
    return "publicCloud" if hardware.provider(machine) else KINDS.get(machine.kind or "")


def _infrastructure(statement: Statement) -> dict[str, Any]:
    found = _known(infraType=_kind(statement) or "other", cloudProvider=hardware.each(statement, hardware.provider))
    return {**found, "components": _components(statement)}


def _components(statement: Statement) -> list[dict[str, Any]]:
    """CPUs, GPUs by model, and memory; of those that are alike how many all machines have.

    A host whose memory or CPUs were changed is in a statement twice: of it the most counts, and not the sum.
    """
    found: dict[tuple[tuple[str, Any], ...], dict[str, int]] = {}
    for machine in statement.machines:
        for component, count in _of_machine(machine):
            of_hosts = found.setdefault(tuple(component.items()), {})
            of_hosts[machine.host] = max(count, of_hosts.get(machine.host, 0))
    return [{**dict(kind), "nbComponent": sum(of_hosts.values())} for kind, of_hosts in found.items()]


def _has_cpu(statement: Statement) -> bool:
    return any(component["componentType"] == "cpu" for component in _components(statement))


def _of_machine(machine: Machine) -> Iterator[tuple[dict[str, Any], int]]:
    """Each with its number. No ledger knows a machine's sockets: one, beside which stands a ``TODO``."""
    if machine.cpus or machine.cpu:
        yield _known(componentName=machine.cpu or None, componentType="cpu"), 1
    for model, count in machine.gpus.items():
        size = machine.gpu_bytes.get(model)
        yield _known(componentName=model, componentType="gpu", memorySize=_gigabytes(size)), count
    if machine.memory_bytes:
        yield _known(componentType="ram", memorySize=_gigabytes(machine.memory_bytes)), 1


def _gigabytes(size: float | None) -> int | None:
    return None if not size else round(size / 1e9)


def _system(statement: Statement) -> dict[str, Any] | None:
    """The operating system, if it is one."""
    systems = {machine.system.lower() for machine in statement.machines}
    return {"os": systems.pop()} if len(systems) == 1 and "" not in systems else None


def _software(statement: Statement) -> dict[str, Any]:
    versions = {machine.python for machine in statement.machines}
    return _known(language="python", version=(versions.pop() or None) if len(versions) == 1 else None)


# The place


def _environment(statement: Statement) -> dict[str, Any] | None:
    """Only where all machines stand in one place, whose intensity was one value."""
    if statement.region_g is not None or not hardware.each(statement, hardware.region):
        return None
    places = hardware.regions(statement)
    if len(places) != 1:
        return None
    values = [one.value for one in statement.factors if one.name == "intensity"]
    return _known(country=places[0], powerSourceCarbonIntensity=_rounded(values[0]) if len(values) == 1 else None)


# Items


def _items(statement: Statement) -> Iterator[Item]:
    energy = statement.whole.energy_kwh
    yield told(
        "task.taskStage",
        "stage of the task (required)",
        _stage(statement),
        "by tags",
        "a placeholder stands there; say the stage, or tag the runs",
    )
    yield asked("task.taskFamily", "the family of task (required)", "a placeholder stands there; name the family")
    yield asked(
        "task.algorithms",
        "the main algorithms (required)",
        "a placeholder stands there; name the model, its parameters and framework",
    )
    yield asked(
        "task.dataset",
        "usage and type of the data (required)",
        f"placeholders stand there (input, other); give {DATASET}",
    )
    yield known("measures.powerConsumption", "energy of the task, kWh (required)", energy)
    yield told(
        "infrastructure.infraType",
        "publicCloud, privateCloud, onPremise or other (required)",
        _kind(statement),
        "declared",
        f"a placeholder stands there (other); {UNPLACED}, with --kind",
    )
    yield _hardware(statement)
    place = _environment(statement)
    several = len(hardware.regions(statement)) > 1
    yield told(
        "environment.country",
        "country",
        place["country"] if place else None,
        "declared",
        "one report is of one place; report each machine by itself" if several else UNPLACED,
    )
    yield told(
        "quality",
        "high ±10 %, medium ±25 %, low ±50 %",
        _quality(statement),
        how(energy),
        "it is wider, a lower bound, or not known: grade it yourself",
    )
    yield asked("header.publisher", "name and confidentialityLevel", "left out; say who publishes it, and how")


def _hardware(statement: Statement) -> Item:
    key, asks, found = "infrastructure.components", "hardware (required)", hardware.all_described(statement)
    if not found:
        return asked(key, asks, "describe the hardware")
    todo = f"a placeholder stands there (one CPU for each machine); give the {SOCKETS}" if _has_cpu(statement) else None
    return Item(key, asks, found, "by the driver and the system; machines by their hosts' names", todo)


def _text(statement: Statement, items: tuple[Item, ...]) -> str:
    if _report(statement) is None:
        return prose([mark("no energy was metered here, so there is no report")], items)
    return prose([f"A draft of a BoAmps report of what {meter(statement)} metered."], items)
