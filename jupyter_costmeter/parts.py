"""What a meter is made of: sensors, late sensors, tracers and models, by their names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from . import guard, plugins
from .plugins import LateSensor, Model, Sensor, Tracer
from .record import Status


@dataclass
class Parts:
    """What a meter is made of. ``more`` loads what is wanted by the first record only."""

    sensors: Sequence[Sensor] = ()
    late: Sequence[LateSensor] = ()
    tracers: Sequence[Tracer] = ()
    models: Sequence[Model] = ()
    problems: list[Status] = field(default_factory=list)
    more: Callable[[], Parts] | None = None


def built_in(names: Sequence[str], tracers: Sequence[str] = ()) -> Parts:
    """Our sensors and tracers of these names, our late sensors and models; a problem for each that there is not."""
    parts = Parts()
    known = plugins.BUILT_IN["sensors"]
    for name in names:
        if name not in known:
            remedy = f"CostMeter.sensors takes {', '.join(known)}"
            parts.problems.append(Status(name, False, f"there is no sensor {name!r}", remedy))
    wanted = [name for name in names if name in known]
    drivers = [name for name in wanted if name in plugins.DRIVERS]
    parts.sensors = list(_loaded("sensors", [name for name in wanted if name not in drivers], parts.problems))
    parts.tracers = list(_loaded("tracers", tracers, parts.problems))
    parts.late = list(_loaded("late", plugins.BUILT_IN["late"], parts.problems))
    parts.more = partial(_more, drivers)
    return parts


def _more(drivers: Sequence[str]) -> Parts:
    parts = Parts()
    parts.sensors = list(_loaded("sensors", drivers, parts.problems))
    parts.models = list(_loaded("models", plugins.BUILT_IN["models"], parts.problems))
    return parts


def _loaded(family: plugins.Family, names: Iterable[str], problems: list[Status]) -> Iterator[Any]:
    for name in names:
        try:
            yield plugins.load(family, name)
        except Exception as error:
            guard.report(f"{family} {name}", error)
            problems.append(Status(name, False, f"{type(error).__name__}: {error}", "install the package again"))
