"""Made-up trials and statements with round numbers, for the tests of comparisons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from jupyter_costmeter.comparing import MEASURES, Measure
from jupyter_costmeter.record import Method, Summary, Total
from jupyter_costmeter.statement import Spent, Statement, Trial

NVML = "NVML energy counter"
HELD = "wall time with a context on this GPU (NVML process list)"
COUNTED = "torch operators that ran, counted by their shapes"

#: What is compared where a GPU was held.
WITH_GPU: tuple[Measure, ...] = tuple(measure for measure in MEASURES if measure != "cpu_hours")


def total(
    name: str, unit: str, value: float | None, source: str, half: float = 0.0, method: Method = "measured"
) -> Total:
    """A complete total of relative half-width ``half``, or (of no value) one that could not be read."""
    if value is None:
        return Total(name, unit, None, None, None, 1, None, (), ("the GPU is lost",))
    return Total(name, unit, value, method, 1.0, 0, half * value, (source,))


def lower_bound(found: Total, reason: str = "numpy: its arithmetic leaves no trace to count by") -> Total:
    return replace(found, missing=1, reasons=(reason,))


def spent(hours: float | None, kwh: float | None = None, flops: float | None = None, **more: Any) -> Spent:
    """Of one run; kWh and FLOPs follow from the hours unless they are said."""
    kwh = 0.3 * hours if kwh is None and hours is not None else kwh
    flops = 1e15 * hours if flops is None and hours is not None else flops
    energy = total("energy_kwh", "kWh", kwh, NVML, 0.05)
    nothing = total("cpu_hours", "CPU-h", 0.0, "process CPU clock")
    made = Spent(
        1, 0, 3600 * (hours or 1.0), total("gpu_hours", "GPU-h", hours, HELD), nothing, nothing,
        total("flops", "FLOP", flops, COUNTED), energy, energy, energy,
    )  # fmt: skip
    return replace(made, **more)


def trial(
    method: str | None, score: object = None, hours: float | None = 1.0, metric: str = "accuracy", **more: Any
) -> Trial:
    """One run of a method, of so many GPU-hours; its ``params``, ``run``, ``in_paper``, … may be said."""
    made = Trial(
        more.pop("id", f"{method}-{score}-{hours}"), method, None, "train", "ok", None, 1.79e9, {},
        {} if score is None else {metric: score},  # type: ignore[dict-item]
        spent(hours),
    )  # fmt: skip
    return replace(made, **more)


def failed(method: str, hours: float = 1.0, **more: Any) -> Trial:
    return trial(method, hours=hours, category="failed", outcome="error", **more)


def runs(method: str, scores: Sequence[float], hours: float = 1.0, **more: Any) -> list[Trial]:
    """A run for each score, one after the other."""
    return [trial(method, s, hours, id=f"{method}-{at}", run=f"{method} {at}", **more) for at, s in enumerate(scores)]


def with_params(trials: Sequence[Trial], params: Sequence[Mapping[str, Any]]) -> list[Trial]:
    return [replace(one, params=said) for one, said in zip(trials, params, strict=True)]


def statement(*trials: Trial) -> Statement:
    """All that a comparison looks at are its trials."""
    return Statement(
        "Project paper", "project", 1.8e9, "0", None, None, Summary(len(trials), 0, 1, 1.0, ()), (), spent(1.0), None,
        None, (), None, None, (), trials,
    )  # fmt: skip


#: FACTS §6.14
DODGE = (0.70, 0.72, 0.75, 0.80, 0.81)
