"""A statement and its forms as sections of sentences and tables: what each of its formats writes.

Each number is written here once, so that it reads alike in every format.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import fsum
from typing import Any

from . import cost_pages, money, scales
from .derived import Costs, Footprint
from .form_pages import Section, form_section
from .format import mark, quantity, uncertainty
from .pages import counted
from .record import Total
from .statement import Document, Experiment, Grid, Machine, Spent, Statement, Trial

NOT_TAGGED = "not tagged"
#: The figures of ``Spent`` in the order of a table, each with what it is.
FIGURES = {
    "gpu_hours": "GPU-hours, reserved",
    "gpu_busy_hours": "GPU-hours, busy",
    "cpu_hours": "CPU-hours",
    "flops": "FLOPs, counted",
    "energy_kwh": "energy of the machines, kWh",
    "electricity_kwh": "electricity with PUE, kWh",
    "emissions_kg": "emissions, kgCO2e",
    "embodied_kg": "embodied in the GPUs, kgCO2e",
}
#: The same where each amount has its unit with it.
AMOUNTS = {
    "gpu_hours": "GPU time, reserved",
    "gpu_busy_hours": "GPU time, busy",
    "cpu_hours": "CPU time",
    "flops": "FLOPs, counted",
    "energy_kwh": "energy of the machines",
    "electricity_kwh": "electricity, with PUE",
    "emissions_kg": "emissions",
    "embodied_kg": "embodied in the GPUs",
}
SHORT = {"gpu_hours": "GPU time", "cpu_hours": "CPU time", "electricity_kwh": "electricity", "emissions_kg": "CO2e"}
SPENT = ("runs", "failed", "time", *SHORT.values(), "money")
OF_ALL = "of the electricity"
#: Of all of it, beside categories, experiments and trials.
PARTS = ("held_idle", "background", "reported", "preliminary")
#: What lay between runs; runs and seconds of runs it has none.
BETWEEN = {"held_idle": "held idle between runs", "background": "in the background, between runs"}
FIRST_SECTION = "What it took"
#: Why emissions are a range, and those of a part not known: the world's average is no answer.
RANGED = "by the countries with the least and the most carbon-intense electricity, since nobody said where it ran"
UNPLACED = "nobody said where it ran; of all of it there is a range"


# Numbers


def amount(total: Total | None) -> str:
    """``~19.5 mWh``, with the marks of how it is known; ``—`` where it is not."""
    if total is None or total.value is None:
        return "—"
    return mark(total) + scales.said(total.value, total.unit.removeprefix("busy "))


def bills(spent: Spent) -> str:
    """``3.12 EUR ±5.0 %; 2 USD``."""
    return "; ".join(map(money.text, spent.bills)) or "—"


def moment(at: float | None) -> str:
    """``2026-09-21 14:13 UTC``."""
    return "—" if at is None else time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))


def said(value: Any) -> str:
    """A parameter or a score: a number shortly, a text as it is, all else as JSON."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def pairs(found: Mapping[str, Any]) -> str:
    """``lr=0.001, batch=32``."""
    return ", ".join(f"{key}={said(value)}" for key, value in found.items())


# Emissions of a place that is not known


def range_kg(one: Statement) -> tuple[float, float] | None:
    """The least and the most that all of it emitted, kgCO2e, while nobody said where it ran; else ``None``."""
    if one.region_g is None or one.whole.emissions_kg.value is None:
        return None
    return one.region_g[0] / 1000.0, one.region_g[1] / 1000.0


def without_guesses(one: Statement) -> Statement:
    """Where nobody said where it ran, without the emissions of parts: they are by the world's average."""
    if one.region_g is None:
        return one
    parts: dict[str, Any] = {name: _unplaced(getattr(one, name)) for name in PARTS}
    for name in ("shares", "experiments", "trials"):
        parts[name] = tuple(replace(each, spent=_unplaced(each.spent)) for each in getattr(one, name))
    return replace(one, **parts)


def _unplaced(spent: Spent | None) -> Spent | None:
    if spent is None:
        return None
    found = spent.emissions_kg
    reasons = (UNPLACED,) if found.value is not None else found.reasons
    bare = replace(found, value=None, method=None, measured_share=None, uncertainty=None, sources=(), reasons=reasons)
    return replace(spent, emissions_kg=bare)


def _emissions(one: Statement) -> str:
    """Of all of it: ``~0.6 gCO2e``, or ``0.25 to 9.59 gCO2e`` where nobody said where it ran."""
    if range_kg(one) is None or one.region_g is None:
        return amount(one.whole.emissions_kg)
    return f"{'≥ ' if one.whole.emissions_kg.incomplete else ''}{cost_pages.span(*one.region_g)}"


# The statement


def sections(document: Document) -> Iterator[Section]:
    """The statement's own, then one for each form."""
    yield from _own(without_guesses(document.statement))
    yield from map(form_section, document.forms)


def _own(one: Statement) -> Iterator[Section]:
    yield Section(FIRST_SECTION, tuple(headlines(one)), (_totals(one), _parts(one)))
    if any(share.category is not None for share in one.shares):
        yield Section("By category", grids=(_categories(one),))
    if one.experiments:
        yield Section("By experiment", grids=(_experiments(one.experiments),))
    if one.trials:
        yield Section("Trials", grids=(_trials(one.trials),))
    if one.machines:
        yield Section("Machines", grids=(_machines(one.machines),))
    if one.factors:
        yield Section("Factors, with their sources", grids=(_factors(one),))
    if notes := tuple(_notes(one)):
        yield Section("What to know", notes)


def headlines(one: Statement) -> Iterator[str]:
    """What it is about, and the figures that everybody asks for, as sentences."""
    whole = one.whole
    failed = f", {whole.failed} of them failed" if whole.failed else ""
    runs = f"{counted(whole.runs, 'run')} in {counted(one.sessions, 'session')}{failed}"
    span = f"from {moment(one.first_at)} to {moment(one.last_at)}"
    yield f"{one.scope[:1].upper()}{one.scope[1:]}: {runs}, {quantity(whole.wall_s, 's')} of computing, {span}."
    yield f"{'; '.join(_computed(whole))}."
    where = " (nobody said where it ran)" if range_kg(one) else ""
    carbon = f"Electricity with PUE: {amount(whole.electricity_kwh)}; emissions: {_emissions(one)}{where}"
    yield f"{carbon}.{f' Money: {bills(whole)}.' if whole.bills else ''}"
    yield f"Written by jupyter_costmeter {one.version}, {moment(one.made_at)}."
    yield "Marks: ~ is an estimate, ≥ a lower bound, — not known. GPU time is that reserved, used or not."


def _computed(whole: Spent) -> Iterator[str]:
    """What is known of its hours and FLOPs."""
    if whole.gpu_hours.value == 0:
        yield "No GPU was held"
    else:
        yield f"GPU time: {amount(whole.gpu_hours)} reserved, {amount(whole.gpu_busy_hours)} busy"
    yield f"CPU time: {amount(whole.cpu_hours)}"
    if whole.flops.value:
        yield f"FLOPs: {amount(whole.flops)} counted"


def _totals(one: Statement) -> Grid:
    whole = one.whole
    rows = [_total(what, total) for name, what in AMOUNTS.items() if (total := getattr(whole, name)) is not None]
    if range_kg(one):
        ranged = (AMOUNTS["emissions_kg"], _emissions(one), "", "a range", RANGED)
        rows = [ranged if row[0] == ranged[0] else row for row in rows]
    peaks = (("peak memory", whole.peak_rss_bytes), ("peak GPU memory", whole.peak_gpu_bytes))
    rows += [(what, quantity(value, "B"), "", "", "") for what, value in peaks if value is not None]
    rows += [("money", money.text(bill), "", str(bill.method or "not known"), "; ".join(bill.sources or bill.reasons))
             for bill in whole.bills]  # fmt: skip
    return Grid("Totals", ("figure", "value", "±", "how", "source"), tuple(rows), frozenset({"value", "±"}))


def _total(what: str, total: Total) -> tuple[str, ...]:
    how = str(total.method or ("not known" if total.value is None else "there was none"))
    return what, amount(total), uncertainty(total), how, "; ".join(total.sources or total.reasons)


def spent_row(spent: Spent | None) -> tuple[str, ...]:
    """The cells of ``SPENT``."""
    if spent is None:
        return ("—",) * len(SPENT)
    counts = str(spent.runs), str(spent.failed), quantity(spent.wall_s, "s")
    return (*counts, *(amount(getattr(spent, name)) for name in SHORT), bills(spent))


def _parts(one: Statement) -> Grid:
    parts = {"reported in the paper": one.reported, "preliminary, not in the paper": one.preliminary}
    told = [(name, spent_row(spent)) for name, spent in parts.items() if spent is not None]
    rows = tuple((name, *row) for name, row in [("all of it", spent_row(one.whole)), *_between(one), *told])
    if range_kg(one):
        at = 1 + SPENT.index(SHORT["emissions_kg"])
        rows = ((*rows[0][:at], _emissions(one), *rows[0][at + 1 :]), *rows[1:])
    return _spent_grid("All of it, and parts of it; time is that of runs", ("part",), rows)


def _between(one: Statement) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What was used while nothing ran: how long that was is said in its name, since it is no time of runs."""
    for part, name in BETWEEN.items():
        spent: Spent | None = getattr(one, part)
        if spent is not None:
            yield f"{name}, {quantity(spent.wall_s, 's')}", ("—", "—", "—", *spent_row(spent)[3:])


def _spent_grid(title: str, first: Sequence[str], rows: Iterable[tuple[str, ...]], *last: str) -> Grid:
    right = frozenset((*SPENT[:-1], "configurations", OF_ALL))
    return _trimmed(Grid(title, (*first, *SPENT, *last), tuple(rows), right))


def _trimmed(grid: Grid) -> Grid:
    """Without the columns in which there is nothing, such as the GPU time of machines that have none."""
    there = [i for i, name in enumerate(grid.columns) if any(row[i] not in _nothing(name) for row in grid.rows)]
    rows = tuple(tuple(row[i] for i in there) for row in grid.rows)
    return replace(grid, columns=tuple(grid.columns[i] for i in there), rows=rows)


def _nothing(column: str) -> tuple[str, ...]:
    return ("", "—", "0") if column in SHORT.values() else ("", "—")


def _categories(one: Statement) -> Grid:
    """With what lay between runs, so that it is all of the electricity."""
    between = [spent for part in BETWEEN if (spent := getattr(one, part)) is not None]
    rows = [(share.category or NOT_TAGGED, *spent_row(share.spent), str(share.configs or "")) for share in one.shares]
    rows += [(name, *row, "") for name, row in _between(one)]
    used = [spent.electricity_kwh.value for spent in (*(share.spent for share in one.shares), *between)]
    shares = scales.percents(used, _all_electricity(one))
    whole = [(*row, share) for row, share in zip(rows, shares, strict=True)]
    return _spent_grid("", ("category",), whole, "configurations", OF_ALL)


def _all_electricity(one: Statement) -> float:
    """The whole's, or of its parts, where a cell lacks what a trial inside it has: no part is more than all of it."""
    between = [spent for spent in (one.held_idle, one.background) if spent is not None]
    parts = [spent.electricity_kwh.value or 0.0 for spent in (*(share.spent for share in one.shares), *between)]
    return max(one.whole.electricity_kwh.value or 0.0, fsum(parts))


def _experiments(found: Sequence[Experiment]) -> Grid:
    rows = [(one.name, one.category or NOT_TAGGED, _in_paper(one.in_paper), *spent_row(one.spent), _per_run(one))
            for one in found]  # fmt: skip
    return _spent_grid("", ("experiment", "category", "in the paper"), rows, "time of a run")


def _in_paper(said: bool | None) -> str:
    return "not said" if said is None else "yes" if said else "no"


def _per_run(one: Experiment) -> str:
    spread = f" ± {quantity(one.sd_s, 's')}" if one.sd_s is not None else ""
    return f"{quantity(one.mean_s, 's')}{spread}"


def _trials(found: Sequence[Trial]) -> Grid:
    columns = ("started, UTC", "method", "run", "category", "outcome", "in the paper", "parameters", "scores", "time",
               *SHORT.values())  # fmt: skip
    return _trimmed(Grid("", columns, tuple(map(_trial, found)), frozenset({"time", *SHORT.values()})))


def _trial(one: Trial) -> tuple[str, ...]:
    return (
        moment(one.started_at).removesuffix(" UTC"), one.method or "—", one.run or "—", one.category or NOT_TAGGED,
        one.outcome, _in_paper(one.in_paper), pairs(one.params), pairs(one.scores), quantity(one.spent.wall_s, "s"),
        *(amount(getattr(one.spent, name)) for name in SHORT),
    )  # fmt: skip


def _machines(found: Sequence[Machine]) -> Grid:
    columns = ("machine", "CPU", "memory", "GPUs", "storage", "system", "Python", "partition", "region", "kind",
               "sessions")  # fmt: skip
    return _trimmed(Grid("", columns, tuple(map(_machine, found)), frozenset({"sessions"})))


def _machine(one: Machine) -> tuple[str, ...]:
    cpu = f"{one.cpu}, {counted(one.cpus, 'CPU')}" if one.cpus else one.cpu
    memory, storage = (_bytes(value) for value in (one.memory_bytes, one.storage_bytes))
    return (one.host, cpu, memory, gpus(one), storage, one.system, one.python, one.partition, one.region or "—",
            one.kind or "—", str(one.sessions))  # fmt: skip


def _bytes(value: float | None) -> str:
    return quantity(value, "B")


def gpus(one: Machine) -> str:
    """``2 × NVIDIA A100 (80.0 GB)``."""
    return ", ".join(
        f"{count} × {model}" + (f" ({_bytes(one.gpu_bytes[model])})" if model in one.gpu_bytes else "")
        for model, count in one.gpus.items()
    )


def _factors(one: Statement) -> Grid:
    table = cost_pages.factors_page("", Costs(Footprint((), one.factors))).tables[0]
    return Grid("", tuple(table.columns), tuple(map(tuple, table.rows)), table.right)


def _notes(one: Statement) -> Iterator[str]:
    yield from one.problems
    for name, what in AMOUNTS.items():
        total = getattr(one.whole, name)
        if total is not None and total.incomplete:
            bound = "a lower bound" if total.value is not None else "not known"
            yield f"{what}: {bound} ({'; '.join(total.reasons)})."
