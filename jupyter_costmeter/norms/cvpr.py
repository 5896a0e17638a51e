"""The CVPR 2026 Compute Reporting Form: the names of its fields, the development breakdown by category (FACTS §1.1).

The form's eight categories leave no place for what nobody tagged and for GPUs that were held idle between cells. Both
are shown as such, so that the percentages sum to 100: it is the author's to say what they were.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import floor

from ..amounts import added
from ..record import Total
from ..statement import Form, Grid, Item, Machine, Share, Spent, Statement
from ..tag import Category
from . import hardware, tried
from .wording import (
    TAG,
    UNTAGGED,
    amount,
    asked,
    day,
    empty,
    gpu_hours,
    how,
    idle,
    known,
    mark,
    meter,
    number,
    precisions,
    prose,
    told,
)

SOURCE = "CVPR 2026 Compute Reporting Form, https://cvpr.thecvf.com/Conferences/2026/ComputeReporting"
#: The form's category of each of ours; it has none for preparing data.
CATEGORIES: dict[str, tuple[Category, ...]] = {
    "training": ("train",),
    "finetuning": ("finetune",),
    "distillation": ("distill",),
    "hyper_search": ("hpo",),
    "ablation": ("ablation",),
    "inference_dev": ("inference",),
    "failed": ("failed",),
    "other": ("prep", "other"),
}
WITH_CONFIGS = ("hyper_search", "ablation")
#: Where runs had no parameters: how many configurations they were is not known, and not none.
CONFIGS = "say how many configurations were tried: tag them `%cost tag lr=0.1`, or give parameters to trials"
HELD, BACKGROUND = "held idle between cells", "in the background"
COMPARE = "`%cost compare OURS BASELINE --metric METRIC` says it, of trials tagged with a method"
BREAKDOWN = ("category", "%", "GPU-hours", "CPU-hours", "runs", "configurations")
FLOPS_METHOD = (
    "operators counted by their shapes as they ran, a multiply-add as 2 FLOPs; elementwise ones, normalisation and"
    " softmax count 0, so that it is a lower bound"
)


class CVPR:
    """Sections 1 to 5 as far as the ledger knows."""

    def form(self, statement: Statement) -> Form:
        parts = _parts(statement)
        items = (
            *_hardware(statement),
            *_task(statement),
            *_compute(statement),
            *_development(statement, parts),
            *_verification(statement),
        )
        tables = (_breakdown(parts), hardware.workers(statement))
        return Form(
            "cvpr",
            "CVPR 2026 Compute Reporting Form",
            SOURCE,
            items,
            _text(statement, parts, items),
            tuple(table for table in tables if table.rows),
        )


# Section 1: hardware


def _hardware(statement: Statement) -> Iterator[Item]:
    each, by = hardware.each, "by the driver and the system of each machine"
    machines = statement.machines
    yield told("cpu_model", "CPU model", each(statement, lambda m: m.cpu), by, "name the CPU")
    yield told(
        "cpu_cores",
        "CPU cores",
        each(statement, lambda m: f"{m.cpus} {hardware.CPUS}" if m.cpus else ""),
        f"{by}; cores with hyper-threads count twice",
        "give the cores",
    )
    models = dict.fromkeys(model for machine in machines for model in machine.gpus)
    yield told("gpu_model", "GPU model", "; ".join(models) or _none(statement), by, "name the GPU")
    most = max((sum(machine.gpus.values()) for machine in machines), default=0)
    yield told(
        "num_gpus",
        "number of GPUs",
        str(most) if machines else None,
        f"{by}: the most of one machine",
        "give the number",
    )
    sizes = {model: size for machine in machines for model, size in machine.gpu_bytes.items()}
    answer = "; ".join(number(size / 1e9) for size in dict.fromkeys(sizes.values()))
    yield told(
        "gpu_memory_gb",
        "memory of one GPU, GB",
        answer or _none(statement),
        f"{by}; GB of 10⁹ bytes",
        "give the memory of one GPU",
    )
    yield told("system_ram_gb", "system memory, GB", each(statement, _ram), f"{by}; GB of 10⁹ bytes", "give it")
    yield asked("storage_type", "type of storage", "say whether it is an SSD, a hard disk or a network's")
    yield told(
        "infrastructure_type",
        "lab, cluster or cloud",
        each(statement, hardware.site),
        "declared",
        "say whether it is a cloud, a cluster or a machine of yours: `%cost where FR --kind lab`",
    )
    clouds = {m.kind == "cloud" or bool(hardware.provider(m)) for m in machines}
    providers = each(statement, hardware.provider) or ("none" if clouds == {False} and _sited(statement) else None)
    yield told("cloud_provider", "cloud provider", providers, "by the region that was declared", "name it, or none")
    yield asked("instance_types", "cloud instance types", "name them, or none")


def _sited(statement: Statement) -> bool:
    return all(machine.kind or machine.partition for machine in statement.machines)


def _ram(machine: Machine) -> str:
    return number(machine.memory_bytes / 1e9) if machine.memory_bytes else ""


def _none(statement: Statement) -> str | None:
    """None was found where machines are known and none of them names a GPU; unknown else."""
    return "none" if statement.machines and not any(machine.gpus for machine in statement.machines) else None


# Section 2: task and result; section 3: details


def _task(statement: Statement) -> Iterator[Item]:
    metrics = tried.metrics(statement)
    one = metrics[0] if len(metrics) == 1 else None
    yield asked("task_category", "task category", "choose the form's category")
    yield told(
        "performance_metric",
        "performance metric",
        one,
        "the only score of all trials",
        f"choose one of {', '.join(metrics)}" if metrics else "name it",
    )
    for key in ("method_performance", "baseline_method", "baseline_performance", "percentage_improvement"):
        yield asked(key, key.replace("_", " "), COMPARE)
    yield asked("dataset", "dataset, and sizes of its training and test parts", "name it, with its sizes")
    yield asked("model_params", "number of parameters of the model", "give it")
    yield asked("framework", "framework", "name it with its version")
    precise = precisions(statement)
    yield told(
        "mixed_precision",
        "mixed precision",
        precise,
        "precisions of the FLOPs that were counted",
        "say whether it was used",
    )
    yield asked("distributed", "distributed training", "say on how many GPUs and machines one run was, and how")
    for key, names in (
        ("epochs", ("epochs", "num_epochs", "n_epochs")),
        ("batch", ("batch_size", "batch", "bs")),
        ("steps", ("steps", "max_steps", "num_steps")),
    ):
        yield told(key, key, tried.parameter(statement, *names), "parameters of trials", "give it")


# Section 2: compute


def _compute(statement: Statement) -> Iterator[Item]:
    whole = statement.whole
    metric = None if empty(statement) else "GPU+CPU Hours"
    yield told(
        "compute_metric", "GPU+CPU Hours, or FLOPs", metric, "both are metered; FLOPs are a lower bound", "choose one"
    )
    yield known("gpu_hours", "GPU-hours", gpu_hours(statement))
    yield known("cpu_hours", "CPU-hours", whole.cpu_hours)
    yield asked("flops_per_forward", "FLOPs of one forward pass", "jupyter_costmeter.count_flops(model, x) says it")
    yield asked("flops_per_instance", "FLOPs per instance", "count_flops of one instance says it")
    counted = whole.flops.value is not None
    yield told("flops_tool", "tool that counted FLOPs", meter(statement) if counted else None, "", "name it, if any")
    yield told(
        "flops_method_description",
        "how FLOPs were counted",
        FLOPS_METHOD if counted else None,
        how(whole.flops),
        "describe it, if any",
    )
    yield asked("inference_compute_per_1k", "compute of 1,000 inferences", "measure 1,000 of them in one cell")
    yield asked("efficiency_ratio", "compute per gain over the baseline, and the reasoning", COMPARE)


# Section 3: development


@dataclass(frozen=True)
class Part:
    """A line of the breakdown; ``hours`` is what its percentage is of. ``configs``: ``None`` where not known."""

    name: str
    hours: Total
    gpu_hours: Total
    cpu_hours: Total
    runs: int
    configs: int | None = None


def _parts(statement: Statement) -> tuple[Part, ...]:
    """All of the statement, each hour once: the form's categories, what nobody tagged, what lay between cells."""
    if empty(statement):
        return ()
    shares = {share.category: share for share in statement.shares}
    found = [
        _part(statement, name, [shares[c] for c in categories if c in shares], name in WITH_CONFIGS)
        for name, categories in CATEGORIES.items()
    ]
    if None in shares:
        found.append(_part(statement, UNTAGGED, [shares[None]]))
    held = idle(statement, "gpu_hours" if statement.whole.gpu_hours.value else "cpu_hours")
    between = ((HELD, held), (BACKGROUND, statement.background))
    found += [_between(statement, name, spent) for name, spent in between if spent is not None]
    return tuple(found)


def _hours(statement: Statement, spent: Spent) -> Total:
    """GPU-hours where GPUs were used at all, else CPU-hours: the two are never added."""
    return spent.gpu_hours if statement.whole.gpu_hours.value else spent.cpu_hours


def _part(statement: Statement, name: str, shares: Sequence[Share], with_configs: bool = False) -> Part:
    spents = [share.spent for share in shares]
    configs = _configs(shares) if with_configs else None
    if not spents:
        none = _nothing(_hours(statement, statement.whole))
        gpu, cpu = _nothing(statement.whole.gpu_hours), _nothing(statement.whole.cpu_hours)
        return Part(name, none, gpu, cpu, 0, configs)
    return Part(
        name,
        added([_hours(statement, spent) for spent in spents]),
        added([spent.gpu_hours for spent in spents]),
        added([spent.cpu_hours for spent in spents]),
        sum(spent.runs for spent in spents),
        configs,
    )


def _configs(shares: Sequence[Share]) -> int | None:
    """Runs without parameters were of some configurations, whose number is not known; no runs were of none."""
    found = sum(share.configs for share in shares)
    return None if not found and any(share.spent.runs for share in shares) else found


def _between(statement: Statement, name: str, spent: Spent) -> Part:
    return Part(name, _hours(statement, spent), spent.gpu_hours, spent.cpu_hours, 0)


def _nothing(like: Total) -> Total:
    """No run was of that category, which is an exact 0."""
    return Total(like.name, like.unit, 0.0, None, None, 0, None)


def percentages(hours: Sequence[float | None]) -> tuple[float | None, ...]:
    """Of each part the percentage with one decimal; they sum to exactly 100.0 (largest remainders).

    What is not known has none, and is in no sum; without any hours there are none at all.
    """
    whole = sum(value or 0.0 for value in hours)
    if not whole:
        return tuple(None for _ in hours)
    exact = [1000.0 * (value or 0.0) / whole for value in hours]
    tenths = [floor(value) for value in exact]
    by_rest = sorted(range(len(exact)), key=lambda i: (tenths[i] - exact[i], i))
    for i in by_rest[: 1000 - sum(tenths)]:
        tenths[i] += 1
    return tuple(None if value is None else tenth / 10.0 for value, tenth in zip(hours, tenths, strict=True))


def _percents(parts: Sequence[Part]) -> tuple[str, ...]:
    return tuple("—" if p is None else f"{p:.1f}" for p in percentages([part.hours.value for part in parts]))


def _breakdown(parts: Sequence[Part]) -> Grid:
    rows = tuple(
        (
            part.name,
            percent,
            amount(part.gpu_hours),
            amount(part.cpu_hours),
            str(part.runs),
            "—" if part.configs is None else str(part.configs),
        )
        for part, percent in zip(parts, _percents(parts), strict=True)
    )
    unit = parts[0].hours.unit if parts else ""
    return Grid(f"Development, % of {unit.replace('-h', '-hours')}", BREAKDOWN, rows, frozenset(BREAKDOWN[1:]))


def _development(statement: Statement, parts: Sequence[Part]) -> Iterator[Item]:
    percents = _percents(parts)
    for part, percent in zip(parts, percents, strict=True):
        yield _category(part, percent)
    whole = _hours(statement, statement.whole)
    yield known("total_dev_compute", "total compute of development", whole)
    yield told(
        "total_dev_multiple",
        "(all of it over what is shown)",
        tried.multiplied(statement),
        tried.multiplied_how(statement),
        "tag the final runs in_paper=yes: what all runs took over them",
    )
    for key, at in (("dev_start_date", statement.first_at), ("dev_end_date", statement.last_at)):
        yield told(key, key.replace("_", " "), day(at), "of the records, UTC", "give the date")
    yield asked("dev_beyond", "(development that was not metered)", "add what was not metered, or say that all was")


def _category(part: Part, percent: str) -> Item:
    asks = f"{part.name}: % and hours" + (", number of configurations" if part.name in WITH_CONFIGS else "")
    if part.hours.value is None:
        return known(part.name, asks, part.hours)
    configs = [] if part.configs is None else [f"{part.configs} configurations"]
    share = [] if percent == "—" else [f"{percent} %"]
    answer = ", ".join([*share, amount(part.hours), *configs])
    return Item(part.name, asks, answer, how(part.hours), _todo(part))


def _todo(part: Part) -> str | None:
    if part.name in WITH_CONFIGS:
        return CONFIGS if part.configs is None else None
    todo = {UNTAGGED: TAG, HELD: "add it to the categories that it belongs to"}.get(part.name)
    return todo if part.hours.value else None


# Section 5: verification


def _verification(statement: Statement) -> Iterator[Item]:
    yield asked(
        "logs",
        "logs are anonymised and were reviewed; consent to their use",
        "`jupyter costmeter report cvpr --anonymous` leaves names out; confirm it yourself",
    )
    yield asked("verification", "the authors confirm that the form is right", "confirm it yourself")


def _text(statement: Statement, parts: Sequence[Part], items: Sequence[Item]) -> str:
    if empty(statement):
        return prose([mark("nothing was metered here; fill in the form")], items)
    whole = statement.whole
    first, last = (day(at) or "—" for at in (statement.first_at, statement.last_at))
    took = (
        f"Development took {amount(whole.gpu_hours)} and {amount(whole.cpu_hours)} between {first} and {last} (UTC),"
        f" as metered by {meter(statement)}."
    )
    shown = [
        f"{part.name} {percent} %"
        for part, percent in zip(parts, _percents(parts), strict=True)
        if percent != "—" and part.hours.value
    ]
    split = f"Of it: {', '.join(shown)}." if shown else None
    tag = next((f"{mark(TAG)}." for part in parts if part.name == UNTAGGED and part.hours.value), None)
    return prose([took, split, tag], items)
