"""Each figure of a statement on a line of its own, for tables that programs read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .record import Total
from .statement import Spent, Statement
from .statement_pages import FIGURES, NOT_TAGGED, PARTS, RANGED, gpus, moment, pairs, range_kg, without_guesses


@dataclass(frozen=True, slots=True)
class Range:
    """What is known to lie between two values, in one unit."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Row:
    """A figure, or a fact; ``value`` is ``None`` where it is not known, and ``how`` says why; it may be a ``Range``."""

    key: str
    what: str
    value: Any
    how: str = ""


def figure_rows(one: Statement) -> Iterator[Row]:
    """Every figure of the statement with its key: ``whole.gpu_hours``, ``category.hpo.energy_kwh``, …"""
    one, ranged = without_guesses(one), _ranged(one)
    yield Row("title", "title", one.title)
    yield Row("scope", "what it is about", one.scope)
    yield Row("made_at", "when it was written", moment(one.made_at))
    yield Row("version", "jupyter_costmeter", one.version)
    yield Row("first_at", "first run", moment(one.first_at))
    yield Row("last_at", "end of the last run", moment(one.last_at))
    yield Row("sessions", "sessions", one.sessions)
    for part in ("whole", *PARTS):
        rows = _figures_of(part, getattr(one, part))
        yield from (ranged if ranged and row.key == ranged.key else row for row in rows)
    for share in one.shares:
        yield from _figures_of(f"category.{share.category or NOT_TAGGED}", share.spent)
    yield from _each(one)
    for i, note in enumerate(one.problems, 1):
        yield Row(f"note.{i}", "what to know", note)


def _ranged(one: Statement) -> Row | None:
    """The emissions of all of it where nobody said where it ran; those of parts are not known then."""
    found, total = range_kg(one), one.whole.emissions_kg
    if found is None:
        return None
    bound = f"; a lower bound: {'; '.join(total.reasons)}" if total.incomplete else ""
    return Row("whole.emissions_kg", FIGURES["emissions_kg"], Range(*found), f"a range, {RANGED}{bound}")


def _each(one: Statement) -> Iterator[Row]:
    """Experiments, trials, machines and factors by their numbers."""
    for i, experiment in enumerate(one.experiments, 1):
        yield from _facts(f"experiment.{i}", experiment, ("name", "category", "method", "in_paper", "mean_s", "sd_s"))
        yield from _figures_of(f"experiment.{i}", experiment.spent)
    for i, trial in enumerate(one.trials, 1):
        yield from _facts(f"trial.{i}", trial, ("method", "run", "category", "outcome", "in_paper"))
        yield Row(f"trial.{i}.params", "parameters", pairs(trial.params))
        yield from (Row(f"trial.{i}.score.{name}", "score", score) for name, score in trial.scores.items())
        yield from _figures_of(f"trial.{i}", trial.spent)
    for i, machine in enumerate(one.machines, 1):
        yield from _facts(f"machine.{i}", machine, ("host", "cpu", "cpus", "memory_bytes", "storage_bytes", "system",
                                                    "python", "partition", "region", "kind", "sessions"))  # fmt: skip
        yield Row(f"machine.{i}.gpus", "GPUs", gpus(machine))
    for i, factor in enumerate(one.factors, 1):
        how = f"{factor.method}: {factor.source}"
        yield Row(f"factor.{i}.{factor.name}", f"{factor.name}, {factor.unit}", factor.value, how)


def _facts(key: str, record: Any, names: tuple[str, ...]) -> Iterator[Row]:
    """Those that are known."""
    for name in names:
        value = getattr(record, name)
        if value not in (None, ""):
            yield Row(f"{key}.{name}", name.replace("_", " "), value)


def _figures_of(key: str, spent: Spent | None) -> Iterator[Row]:
    if spent is None:
        return
    yield Row(f"{key}.runs", "runs", spent.runs)
    yield Row(f"{key}.failed", "failed runs", spent.failed)
    yield Row(f"{key}.wall_s", "time of the runs, s", spent.wall_s)
    for name, what in FIGURES.items():
        if (total := getattr(spent, name)) is not None:
            yield Row(f"{key}.{name}", what, total.value, _how(total))
    for bill in spent.bills:
        how = f"{bill.method or 'not known'}{', a lower bound' if bill.missing else ''}"
        yield Row(f"{key}.money", f"money, {bill.currency}", None if bill.amount is None else float(bill.amount), how)
    for peak in ("peak_rss_bytes", "peak_gpu_bytes"):
        if (value := getattr(spent, peak)) is not None:
            yield Row(f"{key}.{peak}", "highest of any run, bytes", value)


def _how(total: Total) -> str:
    if total.value is None:
        return f"not known: {'; '.join(total.reasons)}"
    if total.method is None:
        return "there was none"
    wide = f" ±{total.uncertainty:.3g}" if total.uncertainty else ""
    bound = f", a lower bound: {'; '.join(total.reasons)}" if total.incomplete else ""
    return f"{total.method}{wide}{bound}; {'; '.join(total.sources)}"
