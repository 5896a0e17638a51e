"""The NeurIPS Paper Checklist's item 8, "Experiments Compute Resources" (form of 2024; FACTS §1.1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

from .. import money
from ..format import quantity
from ..record import Total
from ..statement import Experiment, Form, Grid, Item, Spent, Statement
from . import hardware, tried
from .wording import (
    PAPER,
    TIMED,
    amount,
    bills,
    day,
    emissions,
    emissions_item,
    emitted,
    empty,
    gpu_hours,
    idle,
    known,
    mark,
    meter,
    per_run,
    prose,
    rest,
    runs,
    share_of,
    times,
    told,
)

SOURCE = "NeurIPS Paper Checklist, form of 2024, https://neurips.cc/public/guides/PaperChecklist"
QUESTION = (
    "For each experiment, does the paper provide sufficient information on the computer resources (type of compute"
    " workers, memory, time of execution) needed to reproduce the experiments?"
)
CHECK = "Yes is true if the tables below are in the paper and every experiment in it was metered; else answer No"
SAY = "say which runs are in the paper: `%cost tag in_paper=yes`, and `in_paper=no` for what is not"


class NeurIPS:
    """Answer, justification of one or two sentences, and the appendix's tables."""

    def form(self, statement: Statement) -> Form:
        items = tuple(_items(statement))
        tables = (hardware.workers(statement), _experiments(statement), _project(statement))
        return Form(
            "neurips",
            "NeurIPS Paper Checklist, item 8: Experiments Compute Resources",
            SOURCE,
            items,
            _text(statement, items),
            tuple(table for table in tables if table.rows),
        )


# Items


def _items(statement: Statement) -> Iterator[Item]:
    yield from _answer(statement)
    yield from _workers(statement)
    yield from _compute(statement)
    yield _disclosure(statement)


def _answer(statement: Statement) -> Iterator[Item]:
    if empty(statement):
        todo = "nothing was metered here: answer Yes, No or NA"
        yield Item("answer", QUESTION, None, "", todo)
        yield Item("justification", "1-2 sentences", None, "", "justify the answer in one or two sentences")
        return
    yield Item("answer", QUESTION, "Yes", "the ledger has the workers, the memory and the time of each run", CHECK)
    todo = "put in where the appendix is"
    yield Item("justification", "1-2 sentences", _justification(statement), "the figures of this form", todo)


def _justification(statement: Statement) -> str:
    """Two sentences; no full stop but at their ends (a digit's is followed by no space)."""
    where = "The appendix lists the compute workers with their memory, and time and energy of each experiment"
    return f"{where}, as metered by jupyter_costmeter. All of it took {_taken(statement.whole)}{_beside(statement)}."


def _taken(spent: Spent) -> str:
    """``12.4 GPU-h ±1.0 % and 20 CPU-h``; hours that are not known are not told as none."""
    hours = [amount(total) for total in (spent.gpu_hours, spent.cpu_hours) if total.value]
    return " and ".join(hours) or f"{quantity(spent.wall_s, 's')} of run time (no GPU- or CPU-hours are known)"


def _beside(statement: Statement) -> str:
    """What of it was preliminary or failed."""
    parts = (("preliminary", statement.preliminary), ("failed", share_of(statement, "failed")))
    said = [f"{_taken(spent)} of {name} runs" for name, spent in parts if spent is not None]
    return f", among it {' and '.join(said)}" if said else ""


def _workers(statement: Statement) -> Iterator[Item]:
    each = hardware.each
    yield told(
        "workers",
        "type of compute workers, CPU or GPU",
        hardware.all_described(statement),
        "by the driver and the system of each machine",
        "name the GPUs and CPUs",
    )
    yield told(
        "memory",
        "relevant memory",
        _memory(statement),
        "the most that any run held; the system's own size",
        "give the memory that the experiments need",
    )
    todo = "give the storage that the experiments need: the size of data, checkpoints and logs"
    disk = each(statement, hardware.storage)
    yield Item("storage", "relevant storage", f"disks of {_and(disk)}" if disk else None, "the disk's size", todo)
    yield told(
        "provider",
        "internal cluster, or cloud provider",
        each(statement, hardware.site),
        "declared, or by the job's environment",
        "say whether it is a cluster of yours or a cloud, and which",
    )


def _memory(statement: Statement) -> str | None:
    whole = statement.whole
    peaks = [
        f"{quantity(size, 'B')} of {what} at most"
        for size, what in ((whole.peak_rss_bytes, "memory"), (whole.peak_gpu_bytes, "GPU memory"))
        if size
    ]
    sizes = hardware.each(statement, hardware.memory)
    return "; ".join([*peaks, *([f"machines with {_and(sizes)}"] if sizes else [])]) or None


def _and(sizes: str) -> str:
    return sizes.replace("; ", " and ")


def _compute(statement: Statement) -> Iterator[Item]:
    whole = statement.whole
    yield told(
        "per run",
        "amount of compute required for each of the individual experimental runs",
        times(statement),
        TIMED,
        "give the time of one run",
    )
    yield known("total, GPU-hours", "an estimate of the total compute", gpu_hours(statement))
    yield known("total, CPU-hours", "an estimate of the total compute", whole.cpu_hours)
    yield known(
        "total, energy",
        "an estimate of the total compute (electricity with PUE; not asked for by the form)",
        whole.electricity_kwh,
    )
    yield emissions_item("total, emissions", "(not asked for by the form)", statement)


def _disclosure(statement: Statement) -> Item:
    asks = "whether the full research project required more compute than the experiments reported in the paper"
    if statement.reported is None and statement.preliminary is None:
        failed = share_of(statement, "failed")
        answer = f"failed runs took {_taken(failed)}" if failed else None
        return Item("whole project", asks, answer, "failed by their outcome" if failed else "", SAY)
    multiple = tried.multiplied(statement)
    told_of = [f"The whole project took {multiple}" if multiple else "", _beside(statement).removeprefix(", ")]
    left = _left(statement)
    todo = f"of {amount(left, bare=True)} nobody said whether they are in the paper; {SAY}" if left.value else None
    answer = "; ".join(filter(None, told_of)) or "all that was metered is in the paper"
    return Item("whole project", asks, answer, tried.multiplied_how(statement) if multiple else "by tags", todo)


def _left(statement: Statement) -> Total:
    """Of cells, what nobody said whether it is in the paper."""
    return _unsaid(statement, "gpu_hours" if statement.whole.gpu_hours.value else "cpu_hours")


def _unsaid(statement: Statement, name: str) -> Total:
    parts = (statement.reported, statement.preliminary, idle(statement, name), statement.background)
    return rest(getattr(statement.whole, name), [getattr(part, name) for part in parts if part is not None])


# Tables

EXPERIMENT = (
    "experiment",
    "category",
    "in the paper",
    "runs",
    "failed",
    "time per run",
    "GPU-hours",
    "CPU-hours",
    "energy, with PUE",
    "CO2e",
    "peak memory",
    "peak GPU memory",
)
PROJECT = ("part", "runs", "GPU-hours", "CPU-hours", "energy, with PUE", "CO2e", "cost")


def _experiments(statement: Statement) -> Grid:
    rows = tuple(_experiment(one, statement) for one in statement.experiments)
    return Grid("Compute of each experiment", EXPERIMENT, rows, frozenset(EXPERIMENT[3:]))


def _experiment(one: Experiment, statement: Statement) -> tuple[str, ...]:
    spent = one.spent
    totals = (amount(t, bare=True) for t in (spent.gpu_hours, spent.cpu_hours, spent.electricity_kwh))
    peaks = (quantity(size, "B") for size in (spent.peak_rss_bytes, spent.peak_gpu_bytes))
    return (
        one.name,
        one.category or "—",
        PAPER[one.in_paper],
        str(spent.runs),
        str(spent.failed),
        per_run(one),
        *totals,
        emitted(statement, spent),
        *peaks,
    )


def _project(statement: Statement) -> Grid:
    """What is in the paper, what is not, what lay between cells: their sum is the last line but one."""
    parts = (
        ("in the paper", statement.reported),
        ("preliminary, not in the paper", statement.preliminary),
    )
    held = "GPUs held idle between cells" if statement.whole.gpu_hours.value else "held idle between cells (memory)"
    between = ((held, statement.held_idle), ("in the background", statement.background))
    rows = [_part(name, spent, statement) for name, spent in parts if spent is not None]
    rows += _neither(statement)
    rows += [_part(name, spent, statement, "—") for name, spent in between if spent is not None]
    failed = share_of(statement, "failed")
    rows.append(_part("all of it", statement.whole, statement))
    rows += [_part("among it failed", failed, statement)] if failed else []
    shown = () if empty(statement) else tuple(rows)
    return Grid("Compute of the whole project", PROJECT, shown, frozenset(PROJECT[1:]))


def _part(name: str, spent: Spent, statement: Statement, count: str | None = None) -> tuple[str, ...]:
    """A line; what lay between cells is no run, so its ``count`` is none."""
    totals = (spent.gpu_hours, spent.cpu_hours, spent.electricity_kwh)
    grams = emissions(statement) if spent is statement.whole else emitted(statement, spent)
    return (name, count or str(spent.runs), *(amount(total) for total in totals), grams, bills(spent))


def _neither(statement: Statement) -> Iterator[tuple[str, ...]]:
    """What nobody said; where nothing was said of any, it is all."""
    said = [part.runs for part in (statement.reported, statement.preliminary) if part is not None]
    left = max(0, statement.whole.runs - sum(said))
    totals = [_unsaid(statement, name) for name in ("gpu_hours", "cpu_hours", "electricity_kwh")]
    if left or any(total.value for total in totals):
        grams = "—" if statement.region_g is not None else amount(_unsaid(statement, "emissions_kg"))
        yield ("not said whether in the paper", str(left), *map(amount, totals), grams, _unbilled(statement))


def _unbilled(statement: Statement) -> str:
    """What is left of each currency's bill beside the others' parts of it; not known where one has no price."""
    parts = (statement.reported, statement.preliminary, statement.held_idle, statement.background)
    lines = []
    for bill in statement.whole.bills:
        known = [one.amount for part in parts if part for one in part.bills if one.currency == bill.currency]
        if bill.amount is not None and None not in known:
            left = bill.amount - sum(filter(None, known), Decimal(0))
            lines.append(money.text(replace(bill, amount=max(left, Decimal(0)), half_width=None)))
    return "; ".join(lines) or "—"


# Prose


def _text(statement: Statement, items: Sequence[Item]) -> str:
    if empty(statement):
        return mark("nothing was metered here; describe the compute workers, time of each run, and the total")
    first, last = day(statement.first_at), day(statement.last_at)
    days = f" on {first}" if first == last else f" between {first} and {last}"
    span = f"{days} (UTC)" if first and last else ""
    ran = f"The experiments ran on {hardware.all_described(statement) or mark('name the machines')}."
    whole = statement.whole
    metered = f"{runs(whole.runs)} in {runs(statement.sessions, 'session')}{span} were metered by {meter(statement)}"
    amounts = f"{_taken(whole)}, {amount(whole.electricity_kwh)} of electricity and {emissions(statement)}"
    took = f"{metered}; they took {amounts}."
    disclosure = next(item for item in items if item.key == "whole project")
    said = f"{disclosure.answer[:1].upper()}{disclosure.answer[1:]}." if disclosure.answer else None
    todo = f"{mark(disclosure.todo)}." if disclosure.todo else None
    return prose([ran, took, said, todo], [item for item in items if item is not disclosure])
