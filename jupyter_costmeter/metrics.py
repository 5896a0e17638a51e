"""What a monitoring system is told: families of metrics, made of the ledger's sums, what runs now, and budgets.

Prometheus and OpenTelemetry are told the same by this one function (docs/monitoring.md). A figure that was not
measured is in no sample and counts in ``costmeter_missing_total``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Literal

from . import accounting
from .accounting import Part
from .budget import Verdict, called
from .budget_pages import title
from .record import COUNTED, ENERGY, LEADING, CellRecord, SessionInfo
from .running import Now

if TYPE_CHECKING:
    from .ledger.metered import Metered

Kind = Literal["counter", "gauge"]
#: What tells samples apart: the values of a family's labels, in their order.
Values = tuple[str, ...]
OWNER = ("project", "user", "host")
PLACED = (*OWNER, "bucket")
BUDGET = ("budget", "measure", "scope", "project", "period")
OUTCOMES = ("ok", "failed")


@dataclass
class Family:
    """Samples of one name. A counter's ends in ``_total``; the unit (joules, seconds, watts) is in the name."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...]
    samples: dict[Values, float] = field(default_factory=dict)

    def add(self, values: Iterable[str | None], amount: float | None) -> None:
        """More of a sample; nothing where it is not known."""
        if amount is not None:
            key = tuple(value or "" for value in values)
            self.samples[key] = self.samples.get(key, 0.0) + amount


def families(held: Sequence[Metered], now: Now, verdicts: Iterable[Verdict]) -> list[Family]:
    """All of them.

    Args:
        held: what has ended.
        now: what runs now.
        verdicts: where budgets stand.
    """
    return [*_ended(held), *_cells(held), *_now(now), *_budgets(verdicts)]


# What has ended: counters


def _ended(held: Iterable[Metered]) -> list[Family]:
    energy = _counter(
        "energy_joules", "Energy of what was metered, of the CPU, memory and GPU.", "device", "model", "method"
    )
    cpu = _counter("cpu_seconds", "CPU time.", "method")
    busy = _counter("gpu_busy_seconds", "Time in which GPUs computed.", "model", "method")
    reserved = _counter("gpu_reserved_seconds", "Time in which GPUs were held.", "model", "method")
    flops = _counter("flops", "Floating-point operations that were counted.", "precision", "method")
    missing = _counter("missing", "Windows in which a figure could not be had.", "figure")
    for one in held:
        owner = (*_owner(one.project, one.user, one.host), one.bucket)
        for part in one.parts:
            method = part.provenance.method
            if part.name in ENERGY:
                energy.add((*owner, *_device(part.name, one), method), part.value)
            elif part.name == "cpu_s":
                cpu.add((*owner, method), part.value)
            elif part.name in ("gpu_busy_s", "gpu_reserved_s"):
                (busy if part.name == "gpu_busy_s" else reserved).add((*owner, _gpu(one), method), part.value)
            elif part.name in (*COUNTED, *LEADING):
                flops.add((*owner, _precision(part.name), method), part.value)
            if part.missing:
                missing.add((*owner, part.name), part.missing)
    return [energy, cpu, busy, reserved, flops, missing]


def _cells(held: Iterable[Metered]) -> list[Family]:
    cells = Family("costmeter_cells_total", "counter", "Cells that have ended.", (*OWNER, "outcome"))
    seconds = Family("costmeter_cell_seconds_total", "counter", "Time in which cells ran.", OWNER)
    for one in held:
        if one.bucket == "cell":
            owner = _owner(one.project, one.user, one.host)
            seconds.add(owner, one.wall_s)
            for outcome, count in zip(OUTCOMES, (one.records - one.failed, one.failed), strict=True):
                cells.add((*owner, outcome), count)
    return [cells, seconds]


def _counter(name: str, text: str, *labels: str) -> Family:
    return Family(f"costmeter_{name}_total", "counter", text, (*PLACED, *labels))


def _owner(project: str | None, user: str, host: str) -> Values:
    """A project is its folder's name: its path is another on each machine."""
    return called(project) if project else "", user, host


def _device(name: str, one: Metered) -> Values:
    """``cpu``, ``ram`` or ``gpu``, and its model."""
    device = name.partition("_")[0]
    return device, _gpu(one) if device == "gpu" else _elsewhere(one, one.cpu) if device == "cpu" else ""


def _gpu(one: Metered) -> str:
    return _elsewhere(one, one.gpu)


def _elsewhere(one: Metered, model: str | None) -> str:
    """What others did for a cell, their devices did: the session's own are none of these."""
    return (model or "") if one.bucket != "remote" else ""


def _precision(name: str) -> str:
    return name.removeprefix("flops_").removesuffix("_leading")


# What runs now: gauges


def _now(now: Now) -> list[Family]:
    running = _gauge("cells_running", "Cells that run now.", *OWNER)
    resting = _gauge("kernels_resting", "Kernels that live and run nothing.", *OWNER)
    energy = _gauge("running_energy_joules", "Energy so far of cells that run now; in no counter yet.", *OWNER)
    power = _gauge("running_power_watts", "Mean power so far of cells that run now.", *OWNER)
    seconds = _gauge("running_seconds", "Time so far of cells that run now.", *OWNER)
    for one in now.running:
        owner = _of(one.info, one.record)
        parts = accounting.parts(one.record.usage.figures)
        running.add(owner, 1)
        seconds.add(owner, one.record.wall_s)
        energy.add(owner, _value("energy_j", parts))
        power.add(owner, getattr(accounting.mean_power(one.record.usage), "value", None))
    for rest in now.resting:
        resting.add(_of(rest.info, rest.last), 1)
    return [running, resting, energy, power, seconds]


def _gauge(name: str, text: str, *labels: str) -> Family:
    return Family(f"costmeter_{name}", "gauge", text, labels)


def _of(info: SessionInfo, record: CellRecord) -> Values:
    return _owner(record.project, info.user, info.host)


def _value(name: str, parts: Iterable[Part]) -> float | None:
    total = accounting.total(name, parts)
    return total.value if total else None


# Budgets: gauges


def _budgets(verdicts: Iterable[Verdict]) -> list[Family]:
    ratio = _gauge("budget_spent_ratio", "What of a budget is spent; 1 is all of it.", *BUDGET)
    limit = _gauge("budget_limit", "A budget's limit with its extensions.", *BUDGET, "unit")
    missing = _gauge("budget_missing", "Windows that a budget lacks, so that what is spent is a lower bound.", *BUDGET)
    for one in verdicts:
        budget = one.budget
        project = called(budget.key) if budget.key and budget.scope in ("project", "lab") else ""
        key = (title(budget), budget.measure, budget.scope, project, budget.period.text)
        for family, values, amount in ((ratio, key, one.share), (limit, (*key, budget.unit), one.limit)):
            if amount is not None:  # the last counts of two that look alike: ratios do not add up
                family.samples[values] = amount
        missing.samples[key] = one.spent.missing
    return [ratio, limit, missing]


# Counters never go back


class Marks:
    """The highest that each counter was in this process.

    A cell that was taken for killed may turn out to live, and its record is put right: the sum falls for a moment,
    which a monitoring system would take for a restart and count all of it again.
    """

    def __init__(self) -> None:
        self._of: object = None
        self._highest: dict[tuple[str, Values], float] = {}

    def keep(self, of: object, found: list[Family]) -> list[Family]:
        """The families with their counters at their marks; those of another ledger (``of``) begin anew."""
        if of != self._of:
            self._of, self._highest = of, {}
        for family in found:
            if family.kind == "counter":
                self._raise(family)
        return found

    def _raise(self, family: Family) -> None:
        known = {values: mark for (name, values), mark in self._highest.items() if name == family.name}
        for values in set(chain(known, family.samples)):
            highest = max(known.get(values, 0.0), family.samples.get(values, 0.0))
            family.samples[values] = self._highest[family.name, values] = highest
