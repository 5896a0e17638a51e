"""What a cell's run will cost: by its last runs, or by how far its loop is.

The mean of the last complete runs of the same code on the same device, with their sample standard deviation (n - 1) as
half-width; of one run there is no spread. Of a loop, what was used before it began comes once, what was used since is
taken to go on at the same rate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from math import floor, inf, log10
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING

from . import accounting, amounts
from .budget import Budget, Verdict
from .budget_pages import amount_said, per_said, title
from .forecasts import Basis, Forecast, Leaves
from .format import mark, percent, quantity
from .ledger import open_ledger
from .record import CellRecord, SessionInfo, Total, Usage
from .uses import WANTED, Using

if TYPE_CHECKING:
    from .conditions import Book
    from .costing import Costing

#: One run of a cell, with its session.
Run = tuple[SessionInfo, CellRecord]
#: What a record took of a budget, in its unit.
AmountOf = Callable[[Budget, SessionInfo, CellRecord], Total]
#: So many last runs count.
RUNS = 5
#: So many are read, as some failed or ran elsewhere.
READ = 20
#: A loop says nothing before this part of it is done, and so many seconds have gone.
LEAST, LEAST_S = 0.02, 3.0


def pricing(costing: Costing) -> AmountOf:
    """What records take of budgets, under the assumptions of now."""
    found: list[Book] = []

    def of(budget: Budget, info: SessionInfo, record: CellRecord) -> Total:
        from .costing import costs_of

        using = Using(names=WANTED)
        using.add(record.started_at, record.usage)
        if not amounts.needs_costs(budget.measure):
            return amounts.amount(budget.measure, budget.currency, using.uses(info), None)
        if not found:
            found.append(costing.book)
        uses = using.uses(info, record.started_at < found[0].changed_at)
        return amounts.amount(budget.measure, budget.currency, uses, costs_of(uses, found[0], elsewhere=False))

    return of


# By the last runs


def of_runs(
    runs: Sequence[Run],
    code_hash: str | None,
    here: SessionInfo | None,
    verdicts: Sequence[Verdict],
    amount_of: AmountOf,
) -> Forecast | None:
    """What the next run will cost; ``None`` where the cell has never run to its end.

    Args:
        runs: of the cell or its code, newest first.
        code_hash: of the code that will run; others are earlier versions.
        here: the session that it will run in, whose devices count; ``None``: that of the newest run.
        verdicts: on the budgets that it counts in.
        amount_of: what a record takes of a budget.
    """
    complete = [run for run in runs if run[1].outcome == "ok"]
    same = [run for run in complete if run[1].code_hash == code_hash]
    basis: Basis = "same code" if same else "earlier versions"
    chosen, elsewhere = _on_device(same or complete, here)
    if not chosen:
        return None
    energies = [_figure("energy_j", record) for _, record in chosen]
    wall, energy = _mean([_figure("wall_s", record) for _, record in chosen]), _mean(energies)
    left = tuple(
        leaves(v, _coming(_mean([amount_of(v.budget, *run) for run in chosen])), v.spent.value)
        for v in verdicts
        if v.counts
    )
    device = _device(*chosen[0])
    said = f"{_took(len(chosen), basis, energy, wall)} on {device}{elsewhere}{_left_out(energies)}"
    return Forecast("history", len(chosen), basis, device, _coming(wall), _coming(energy), left, _with(said, left))


def _on_device(runs: Sequence[Run], here: SessionInfo | None) -> tuple[list[Run], str]:
    """The last runs on the devices that are here; where there were none, on the newest run's, which is said."""
    if not runs:
        return [], ""
    there = [run for run in runs if here is None or _fits(run, here)][:RUNS]
    if there and here is not None:
        return there, ""
    where = _place(*runs[0])
    return [run for run in runs if _place(*run) == where][:RUNS], "" if here is None else f" of {where[0]}"


def _fits(run: Run, here: SessionInfo) -> bool:
    info, record = run
    return info.host == here.host and _models(info, record) <= set(here.device_names.values())


def _models(info: SessionInfo, record: CellRecord) -> set[str]:
    held = (f.device for f in record.usage.figures if f.name == "gpu_reserved_s" and f.value)
    return {info.device_names.get(device, device) for device in held if device}


def _place(info: SessionInfo, record: CellRecord) -> tuple[str, frozenset[str]]:
    return info.host, frozenset(_models(info, record))


def _device(info: SessionInfo, record: CellRecord) -> str:
    return ", ".join(sorted(_models(info, record))) or info.device_names["CPU"]


def _figure(name: str, record: CellRecord) -> Total:
    if name == "wall_s":
        return Total(name, "s", record.wall_s, "measured", 1.0, 0, 0.0)
    found = next((total for total in accounting.cell_totals(record.usage) if total.name == name), None)
    return found or Total(name, "J", None, None, None, 1, None, (), ("nothing here measures energy",))


def _mean(totals: Sequence[Total]) -> Total:
    """Of those that were read whole, else of what is known; its half-width is their spread."""
    counted = _counted(totals)
    known = [total.value for total in counted if total.value is not None]
    return replace(
        totals[0],
        value=fmean(known) if known else None,
        method=accounting.weakest(*(total.method for total in counted)) if known else None,
        measured_share=None,
        missing=sum(1 for total in totals if total.missing),
        uncertainty=stdev(known) if len(known) > 1 else None,
        sources=("its last runs",),
        reasons=tuple(dict.fromkeys(reason for total in totals for reason in total.reasons)),
    )


def _coming(total: Total) -> Total:
    """What was, as what will be: modelled at best."""
    return replace(total, method=None if total.value is None else accounting.weakest("modelled", total.method))


def _counted(totals: Sequence[Total]) -> Sequence[Total]:
    """A run of which a part could not be read would make the next one look cheaper than it is."""
    return [total for total in totals if total.value is not None and not total.missing] or totals


def _left_out(energies: Sequence[Total]) -> str:
    count = len(energies) - len(_counted(energies))
    return f" ({count} of them left out: not all of it could be read)" if count else ""


def _took(count: int, basis: Basis, energy: Total, wall: Total) -> str:
    """``The last 3 runs took 41 ± 4 kJ``."""
    runs = "last run" if count == 1 else f"last {count} runs"
    of = "" if basis == "same code" else " of earlier versions"
    return f"The {runs}{of} took {spread(energy) if energy.value is not None else spread(wall)}"


def spread(total: Total) -> str:
    """``≥ ~41 ± 4 kJ``: to the digits of the spread's first; without one, as any figure."""
    value, width = total.value, total.uncertainty
    shown = quantity(value, total.unit)
    if value is None:
        return shown
    return f"{mark(total)}{_within(value, width, shown, total.unit) if value and width else shown}"


def _within(value: float, width: float, shown: str, unit_name: str) -> str:
    number, _, unit = shown.partition(" ")
    if " " in unit or not number.replace(".", "").isdecimal():  # minutes and seconds
        return f"{shown} ± {quantity(width, unit_name)}"
    scale = 10.0 ** round(log10(value / float(number)))
    digits = max(0, -floor(log10(width / scale)))
    return f"{value / scale:.{digits}f} ± {width / scale:.{digits}f} {unit}"


# What it leaves


def leaves(verdict: Verdict, amount: Total, spent: float | None, what: str = "this one") -> Leaves:
    """What ``what`` leaves of a budget of which so much is spent before it."""
    budget = verdict.budget
    if amount.value is None or spent is None:
        why = "; ".join(amount.reasons or verdict.spent.reasons) or "it was not measured"
        return Leaves(budget.id, title(budget), amount, None, None, f"what it leaves is not known: {why}")
    after = spent + amount.value
    share = after / verdict.limit if verdict.limit > 0 else (inf if after > 0 else 1.0)
    text = f"{what} {_left(verdict, after, amount.incomplete or verdict.spent.incomplete)}"
    return Leaves(budget.id, title(budget), amount, max(0.0, verdict.limit - after), share, text)


def without(verdict: Verdict, used: Total) -> Verdict:
    """The verdict as if a cell that runs had used nothing yet: a forecast of all of it would count that twice.

    Below nothing where the cell began before the period; with what it still takes it is right again.
    """
    spent = verdict.spent
    value = None if spent.value is None else spent.value - (used.value or 0.0)
    return replace(verdict, spent=replace(spent, value=value))


def _left(verdict: Verdict, after: float, bound: bool) -> str:
    budget = verdict.budget
    if after > verdict.limit:
        by = amount_said(after - verdict.limit, budget)
        return f"would overspend {_which(budget)} by {'at least ' if bound else ''}{by}"
    part = percent(1 - after / verdict.limit) if verdict.limit else "nothing"
    return f"leaves {'at most ' if bound and verdict.limit else ''}{part} of {_which(budget)}"


def _which(budget: Budget) -> str:
    """``GPU quota``, ``the 20 GPU-h per week``."""
    return budget.name or f"the {amount_said(budget.limit, budget)} {per_said(budget.period)}"


def _with(said: str, left: Iterable[Leaves]) -> str:
    """The sentence, with what it leaves of the budget that is the first to be spent."""
    known = [one for one in left if one.share_after is not None]
    tightest = max(known, key=lambda one: one.share_after or 0.0, default=None)
    return f"{said}; {tightest.text}." if tightest else f"{said}."


# By how far it is


def of_progress(
    done: float,
    since: float,
    record: CellRecord,
    before: Usage,
    info: SessionInfo,
    verdicts: Sequence[Verdict],
    amount_of: AmountOf,
) -> Forecast | None:
    """What the whole of a running cell will cost; ``None`` while too little is done to say it.

    What comes after its loop is not known, and not in it.

    Args:
        done: of the loop, 0 to 1, as it is shown.
        since: the part of it that was done in this run.
        record: the cell as of now.
        before: what it had used when its loop began.
        info: its session.
        verdicts: on its budgets, in which the cell counts as of now.
        amount_of: what a record takes of a budget.
    """
    if since < LEAST or record.wall_s - before.wall_s < LEAST_S or done >= 1.0:
        return None
    began = replace(record, usage=before)
    found = {name: _whole(_figure(name, record), _figure(name, began), since) for name in ("wall_s", "energy_j")}
    left = []
    for verdict in verdicts:
        if verdict.counts:
            now, then = amount_of(verdict.budget, info, record), amount_of(verdict.budget, info, began)
            left.append(leaves(verdict, _whole(now, then, since), without(verdict, now).spent.value))
    said = _will_cost(done, found["energy_j"], found["wall_s"], verdicts, left)
    device = _device(info, record)
    return Forecast("progress", 0, "progress", device, found["wall_s"], found["energy_j"], tuple(left), said)


def _whole(now: Total, before: Total, since: float) -> Total:
    """All that it will be."""
    value = now.value
    if value is not None:
        start = min(before.value or 0.0, value)
        value = start + (value - start) / since
    return _coming(replace(now, value=value, measured_share=None, uncertainty=None))


def _will_cost(done: float, energy: Total, wall: Total, verdicts: Sequence[Verdict], left: Sequence[Leaves]) -> str:
    """``34 % done; will cost 3.1 GPU-h in all; now 2.4 GPU-h of GPU quota are left``; that it is too much, if it is."""
    known = [one for one in left if one.share_after is not None]
    first = max(known, key=lambda one: one.share_after or 0.0, default=None)
    if first is None or first.amount.value is None:
        costs = f"{spread(energy)}, " if energy.value is not None else ""
        return f"{percent(done)} done; will take {costs}{spread(wall)} in all"
    verdict = next(v for v in verdicts if v.budget.id == first.id)
    there = amount_said(verdict.left or 0.0, verdict.budget)
    costs = f"{mark(first.amount)}{amount_said(first.amount.value, verdict.budget)}"
    over = f"; {first.text}" if (first.share_after or 0.0) > 1.0 else ""
    return f"{percent(done)} done; will cost {costs} in all; now {there} of {_which(verdict.budget)} are left{over}"


# From the ledger


def foretold(
    path: Path,
    cell_id: str | None,
    code_hash: str | None,
    notebook: str | None,
    project: str | None,
    here: SessionInfo | None,
    verdicts: Sequence[Verdict],
    amount_of: AmountOf,
) -> Forecast | None:
    """What the next run of a cell will cost, by what the ledger in that file has of it.

    Raises:
        LedgerError: it cannot be read.
    """
    ledger = open_ledger(path)
    try:
        runs = ledger.history(cell_id, code_hash, notebook, READ, project)
    finally:
        ledger.close()
    return of_runs(runs, code_hash, here, verdicts, amount_of)
