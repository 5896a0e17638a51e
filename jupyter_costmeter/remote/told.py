"""What workers told of a cell, pure: numbers under their names become figures.

A name is ``costmeter|CELL|WORKER|KIND|TEXT``, where the kinds ``value``, ``width``, ``peak`` and ``missing`` have a
figure's name, device, method, source and reason for a text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..accounting import missing
from ..format import quantity
from ..record import Figure, Provenance

THREADS = Provenance("measured", "clocks of the workers' threads", 0.01)
WORKER = Provenance(None, "Dask workers")
#: A number's name without the cell's: its worker, its kind, its text.
Name = tuple[str, str, str]


@dataclass
class Told:
    """What is known of one cell's tasks: numbers that only grow, unless the scheduler has begun anew."""

    numbers: dict[Name, float] = field(default_factory=dict)
    lost: dict[str, list[int]] = field(default_factory=dict)  # by worker: tasks that it ran, results that it had

    def of(self, kind: str) -> float:
        """The sum of one kind over all workers."""
        return sum(value for (_, what, _), value in self.numbers.items() if what == kind)

    def facts(self, worker: str) -> dict[str, Any]:
        """What a worker says of itself."""
        found = (text for (who, kind, text) in self.numbers if who == worker and kind == "is")
        return dict(json.loads(next(found, "{}")))

    @property
    def workers(self) -> list[str]:
        """Those that ran something for it, outside of the kernel's own process tree."""
        return sorted({worker for worker, kind, _ in self.numbers if kind == "is"})

    def host(self, worker: str) -> str:
        return str(self.facts(worker).get("host") or worker)

    def where(self, worker: str, device: str | None) -> str:
        """What a figure of a worker is of: a GPU's model (all of one are one), else the host.

        A session's own devices are named in its row, which was written before anybody knew of these.
        """
        names = self.facts(worker).get("devices") or {}
        return str(names.get(device, device)) if device else self.host(worker)


def by_cell(numbers: Mapping[str, float]) -> dict[str, dict[Name, float]]:
    """A scheduler's numbers, by the cells that they are about."""
    found: dict[str, dict[Name, float]] = {}
    for name, value in numbers.items():
        _, cell, worker, kind, text = name.split("|", 4)
        found.setdefault(cell, {})[worker, kind, text] = value
    return found


def grown(before: Mapping[Name, float], now: Mapping[Name, float]) -> dict[Name, float]:
    """What has come since: of a scheduler that began anew, all that it has."""
    again = any(value < before.get(name, 0.0) for name, value in now.items())
    more = {name: value if again else value - before.get(name, 0.0) for name, value in now.items()}
    return {name: value for name, value in more.items() if value > 0}


def figures(more: Mapping[Name, float], told: Told, lost: Iterable[str] = ()) -> tuple[Figure, ...]:
    """The figures of what has come, by host or model of GPU.

    Args:
        more: that.
        told: all that is known of the cell.
        lost: workers that were lost since.
    """
    found: dict[tuple[str, str | None, Provenance], Figure] = {}
    for one in (*_sums(more, told), *_peaks(more, told), *_missing(more, told), *map(_lost, lost)):
        key = (one.name, one.device, _placed(one))
        found[key] = _both(found[key], one) if key in found else one
    return tuple(_apart(found.values()))


def _sums(more: Mapping[Name, float], told: Told) -> Iterator[Figure]:
    for (worker, kind, text), value in more.items():
        if kind == "task_s":
            yield Figure("task_s", value, THREADS, told.host(worker))
        elif kind == "value":
            name, device, method, source, _ = json.loads(text)
            width = more.get((worker, "width", text))
            uncertainty = width / value if width is not None else None
            yield Figure(name, value, Provenance(method, source, uncertainty), told.where(worker, device))


def _peaks(more: Mapping[Name, float], told: Told) -> Iterator[Figure]:
    """The highest so far, of those that have risen."""
    for worker, kind, text in more:
        if kind == "peak":
            name, device, method, source, _ = json.loads(text)
            highest = told.numbers.get((worker, kind, text), more[worker, kind, text])
            yield Figure(name, highest, Provenance(method, source, 0.05), told.where(worker, device))


def _missing(more: Mapping[Name, float], told: Told) -> Iterator[Figure]:
    for worker, kind, text in more:
        if kind == "missing":
            name, device, _, source, reason = json.loads(text)
            origin = missing(Provenance(None, source or WORKER.source), reason)
            yield Figure(name, None, origin, told.where(worker, device))


def _lost(worker: str) -> Figure:
    why = f"the worker {worker} was lost: what it did last is not known"
    return Figure("cpu_energy_j", None, missing(WORKER, why), worker)


def _placed(figure: Figure) -> Provenance:
    origin = figure.provenance
    return Provenance(origin.method, origin.source, None, origin.reason)


def _both(one: Figure, other: Figure) -> Figure:
    """Of two workers of one host: sums, and the higher of two marks."""
    if one.value is None or other.value is None:
        return one
    if one.name.startswith("peak_"):
        return max(one, other, key=lambda figure: figure.value or 0.0)
    value = one.value + other.value
    widths = [f.value * f.uncertainty for f in (one, other) if f.value and f.uncertainty is not None]
    origin = one.provenance
    width = sum(widths) / value if widths and value else None
    return Figure(one.name, value, Provenance(origin.method, origin.source, width), one.device)


def _apart(found: Iterable[Figure]) -> Iterator[Figure]:
    """A record has each name once for a device: one that comes from several places has several."""
    seen: dict[tuple[str, str | None], int] = {}
    for figure in found:
        count = seen[figure.name, figure.device] = seen.get((figure.name, figure.device), 0) + 1
        device = figure.device if count == 1 else f"{figure.device} ({count})"
        yield Figure(figure.name, figure.value, figure.provenance, device)


def unknown(why: str, where: str) -> Figure:
    """Of a whole cluster nothing (more) is known."""
    return Figure("cpu_energy_j", None, missing(WORKER, why), where)


def notes(cells: Iterable[Told]) -> Iterator[str]:
    """What was done elsewhere, in sentences: by whom, what ran twice or was lost, and what is in the cells already."""
    known = [cell for cell in cells if cell.numbers]
    workers = {worker for cell in known for worker in cell.workers}
    hosts = {cell.host(worker) for cell in known for worker in cell.workers}
    if workers:
        tasks, failed, seconds = (sum(cell.of(kind) for cell in known) for kind in ("done", "failed", "task_s"))
        where = f"{counted(len(workers), 'worker')} on {counted(len(hosts), 'host')}"
        yield f"Elsewhere, for cells: {where} ran {counted(int(tasks + failed), 'task')} in {quantity(seconds, 's')}."
        if failed:
            yield f"Of these, {counted(int(failed), 'run')} of tasks failed, to be tried again or not: in the sums."
    yield from _of_lost(known)
    yield from sorted({f"Not metered: {why}." for cell in known for w in cell.workers if (why := _why(cell, w))})
    if inside := int(sum(cell.of("inside") for cell in known)):
        own = "on workers in this kernel's own process tree: they are in the cells' own figures"
        yield f"{counted(inside, 'task')} ran {own}."


def _of_lost(known: Iterable[Told]) -> Iterator[str]:
    for worker, (ran, had) in sorted({w: counts for cell in known for w, counts in cell.lost.items()}.items()):
        again = f"{counted(ran, 'task')} that it ran and {counted(had, 'result')} that it had were computed again"
        yield f"The worker {worker} was lost: {again}; what it did last is not in the sums."


def _why(cell: Told, worker: str) -> str:
    why = str(cell.facts(worker).get("why") or "")
    return "" if why.startswith("the meter was still starting") else why


def counted(count: int, what: str) -> str:
    """``1 task``, ``10,000 tasks``."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"
