"""How forms say amounts, how they are known, and what is left to the author: the same words in all norms.

An amount has three digits and its uncertainty two at most, in units chosen as on pages (``format``): hours stay hours,
which is what forms ask for, but for very few of them. Beside it stands how it is known (``how``): method, sources, the
share of it that was measured, and whether it is a lower bound (FACTS §4).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import floor

from .. import money, scales
from ..cost_pages import span
from ..format import MARK, plain, precision_of, quantity, uncertainty
from ..record import COUNTED, LEADING, Total
from ..statement import Experiment, Item, Spent, Statement
from ..tag import Category

#: Sources and reasons that are named before the rest is only counted.
SHOWN = 3
#: Experiments whose time of a run is told in words; a table has all of them.
TOLD = 12
#: How ``times`` are known.
TIMED = "wall time of a run, mean ± sample standard deviation"
#: What counts as a run.
COUNTED_AS = "trials, named runs (each once) and other cells, but those of %cost alone"
UNTAGGED = "not tagged"
PAPER = {True: "in the paper", False: "not in the paper", None: "not said"}
UNPLACED = "say where it ran: `%cost where FR` in a notebook, `jupyter costmeter where FR` in a shell"
TAG = "tag what the runs were: `%cost tag hpo method=ours`, or in the sidebar"


# Amounts


def said(value: float, unit: str) -> str:
    """``12.4 GPU-h``, ``3.2 GPU-s``, ``1.20 MWh``, ``340 gCO2e``, ``2.10 PFLOP``; of none with the unit."""
    return scales.said(value, unit) if value else quantity(0.0, scales.SMALLER.get(unit, (1.0, unit))[1])


def number(value: float) -> str:
    """Three digits, or all before the point: ``0.42``, ``12.4``, ``239942``."""
    return f"{value:.0f}" if abs(value) >= 100 else plain(value, 3)


def amount(total: Total, bare: bool = False) -> str:
    """``≥ ~12.4 GPU-h ±5.0 %``, without the uncertainty if ``bare``; ``—`` where it is not known."""
    if total.value is None:
        return "—"
    mark = ("≥ " if total.incomplete else "") + MARK[total.method]
    return " ".join(filter(None, [mark + said(total.value, total.unit), "" if bare else uncertainty(total)]))


def how(total: Total) -> str:
    """``measured (NVML energy counter), ±5.0 %; all of it measured``; a lower bound says of what it lacks parts."""
    if total.value is None:
        return f"not known: {few(total.reasons) or 'nothing of it was read'}"
    if total.method is None:
        return "there was none"
    source = f" ({few(total.sources)})" if total.sources else ""
    parts = [", ".join(filter(None, [f"{total.method}{source}", uncertainty(total)])), measured(total), bound(total)]
    return "; ".join(filter(None, parts))


def measured(total: Total) -> str:
    """The measured share of it, rounded down: 99.9 % is not all."""
    if total.measured_share is None or not total.value:
        return ""
    percent = floor(100 * total.measured_share)
    return (
        "all of it measured"
        if percent >= 100
        else f"{percent or 'less than 1'} % of it measured"
        if (total.measured_share > 0)
        else "none of it measured"
    )


def bound(total: Total) -> str:
    """Of what a lower bound lacks parts; nothing where it is none."""
    return f"a lower bound: {few(total.reasons) or 'some records lack it'}" if total.incomplete else ""


def few(texts: Sequence[str]) -> str:
    """The first ones, and how many more there are."""
    more = [f"and {len(texts) - SHOWN} more"] if len(texts) > SHOWN else []
    return "; ".join([*texts[:SHOWN], *more])


def emissions(statement: Statement) -> str:
    """Of all of it; a range where it is not known where a machine stands; ``—`` where no energy is known."""
    found = statement.whole.emissions_kg
    if statement.region_g is None or found.value is None:
        return amount(found)
    mark = "≥ " if found.incomplete else ""
    return f"{mark}{span(*statement.region_g)}"


def emissions_how(statement: Statement) -> str:
    """How that is known."""
    found = statement.whole.emissions_kg
    if statement.region_g is None or found.value is None:
        return how(found)
    parts = ["by the countries with the least and the most carbon-intense electricity, since nobody said where it ran"]
    return "; ".join(filter(None, [*parts, measured(found), bound(found)]))


def emitted(statement: Statement, spent: Spent) -> str:
    """A part's emissions: unknown while the place is."""
    return amount(spent.emissions_kg, bare=True) if statement.region_g is None else "—"


def bills(spent: Spent) -> str:
    """By the lab's tariffs, each currency for itself: they are never added."""
    return "; ".join(money.text(bill) for bill in spent.bills) or "—"


def rest(whole: Total, parts: Sequence[Total]) -> Total:
    """What is left of a total beside some of its parts; not known where one of them is not."""
    if whole.value is None or any(part.value is None for part in parts):
        return replace(whole, value=None, uncertainty=None, measured_share=None)
    left = max(0.0, whole.value - sum(part.value or 0.0 for part in parts))
    return replace(whole, value=left, uncertainty=None, measured_share=None)


def idle(statement: Statement, name: str) -> Spent | None:
    """What was held idle, if it has that figure at all: who computes between cells does so in the background."""
    held = statement.held_idle
    return None if held is None or (name == "cpu_hours" and held.cpu_hours.value is None) else held


# Runs and times


def per_run(experiment: Experiment) -> str:
    """``1 h 03 min``, of several runs with the sample's standard deviation: ``12.4 s ± 1.20 s``."""
    mean = quantity(experiment.mean_s, "s")
    return mean if experiment.sd_s is None else f"{mean} ± {quantity(experiment.sd_s, 's')}"


def runs(count: int, of: str = "run") -> str:
    """``1 run``, ``12 runs``."""
    return f"{count} {of}" if count == 1 else f"{count} {of}s"


def share_of(statement: Statement, category: Category | None) -> Spent | None:
    """What one category took; ``None``: what nobody tagged."""
    return next((share.spent for share in statement.shares if share.category == category), None)


def day(at: float | None) -> str | None:
    """``2026-09-21``, UTC."""
    return None if at is None else time.strftime("%Y-%m-%d", time.gmtime(at))


def meter(statement: Statement) -> str:
    """What measured, with its version."""
    return f"jupyter_costmeter {statement.version}"


def empty(statement: Statement) -> bool:
    """Whether nothing was metered."""
    return not statement.summary.cells and statement.held_idle is None and statement.background is None


def times(statement: Statement) -> str | None:
    """``ours: hpo: 1 h 00 min ± 40 s; …``: of each experiment how long one run took; ``None`` where none is known."""
    found = [f"{one.name}: {per_run(one)}" for one in statement.experiments if one.mean_s is not None]
    more = [f"and {len(found) - TOLD} more, in the table"] if len(found) > TOLD else []
    return "; ".join([*found[:TOLD], *more]) or None


def gpu_hours(statement: Statement) -> Total:
    """Of all of it. Where nothing was metered they are not known, not even to be none."""
    found = statement.whole.gpu_hours
    return replace(found, value=None, reasons=("nothing was metered",)) if empty(statement) else found


# Items


def mark(todo: str) -> str:
    """What is left to the author, as it stands in prose."""
    return f"TODO(author): {todo}"


def known(key: str, asks: str, total: Total, todo: str | None = None) -> Item:
    """A total as an answer. Where it is not known, ``todo`` or its reasons say what is missing."""
    if total.value is not None:
        return Item(key, asks, amount(total), how(total), todo)
    return Item(key, asks, None, how(total), todo or f"it is {how(total)}; give it if you know it")


def told(key: str, asks: str, answer: str | None, source: str, todo: str) -> Item:
    """An answer that is known in words, or else what the author must fill in."""
    return Item(key, asks, answer, source) if answer else Item(key, asks, None, "", todo)


def emissions_item(key: str, asks: str, statement: Statement) -> Item:
    """The emissions of all of it; a range, and what to say, while the place is not known."""
    found = statement.whole.emissions_kg
    if found.value is None:
        return known(key, asks, found)
    todo = UNPLACED if statement.region_g is not None else None
    return Item(key, asks, emissions(statement), emissions_how(statement), todo)


def asked(key: str, asks: str, todo: str) -> Item:
    """What no ledger can know."""
    return Item(key, asks, None, "", todo)


def prose(sentences: Iterable[str | None], items: Iterable[Item] = ()) -> str:
    """Sentences as a paragraph; below it a ``TODO`` for each item that has no answer."""
    gaps = [f"{item.key}: {mark(item.todo)}" for item in items if item.answer is None and item.todo]
    return "\n".join(filter(None, [" ".join(filter(None, sentences)), *gaps]))


def precisions(statement: Statement) -> str | None:
    """``bf16 (62 %), fp32 (38 %)`` of the counted FLOPs."""
    found: dict[str, float] = {}
    for total in statement.summary.totals:
        if total.name in (*COUNTED, *LEADING) and total.value:
            name = precision_of(total.name).partition(",")[0]
            found[name] = found.get(name, 0.0) + total.value
    whole = sum(found.values())
    most_first = sorted(found.items(), key=lambda pair: -pair[1])
    return ", ".join(f"{name} ({quantity(value / whole, '1')})" for name, value in most_first) or None
