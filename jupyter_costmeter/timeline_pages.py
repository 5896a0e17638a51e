"""What ``plot`` answers: the timeline of a scope, drawn in a notebook or a file, and in words everywhere."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from math import inf

from . import chart_files, guard, pages, planning
from .bins import Window
from .budget import Verdict, counts_all, tightest
from .budget_pages import title
from .context import Context, noted, selection_of, title_of
from .costing import Costing
from .format import BUCKETS, quantity, total_text
from .ledger import Selection
from .pages import Page
from .periods import local
from .recent import Reader
from .record import CellRecord
from .timeline import Step, Timeline, timeline
from .timeline_charts import Limit, called, called_run, watts
from .timeline_fewer import STEPS, Looked
from .whereabouts import open_records
from .words import Parser

#: Steps in a cell's output: a notebook is to stay small.
FEW = 600
NOTHING = "Nothing was metered yet."
HOW = (
    "Each record's mean power, which is its energy (by counters where there are some) over its time: nothing was"
    " polled for it."
)


@dataclass(frozen=True, slots=True)
class Along:
    """A scope's timeline, the models of its devices by their names, and an energy budget over it."""

    found: Timeline
    names: dict[str, str]
    limit: Limit | None = None


def read(
    ledger: Reader, selection: Selection, last: int | None = None, looked: Looked | None = None,
    limit: Callable[[Timeline], Limit | None] = lambda _: None, most: int = STEPS,
    own: str | None = None, known: Callable[[Sequence[CellRecord]], Timeline | None] = lambda _: None,
) -> Along:  # fmt: skip
    """The records of a scope as a timeline, with what runs now.

    Args:
        ledger: what to read.
        selection: the scope.
        last: only from the start of the so manieth last cell on.
        looked: the stretch that is told in detail.
        limit: which energy budget is drawn over it.
        most: steps of a device, and bands of a lane, at most.
        own: the session that asks: of what runs in it, only the asking itself is in the ledger.
        known: the whole scope with what runs now, where it is known since an earlier look.

    Raises:
        LedgerError: it cannot be read.
    """
    with ledger.at_once():
        infos = ledger.sessions(selection)
        window = Window(selection, -inf, inf)
        told = [(info, record) for info, record in open_records(ledger, window) if info.id != own]
        running = [one for one in told if one[1].bucket == "cell"]  # a gap that goes on would push the axis on
        now = sorted((record for _, record in running), key=_start)
        found = known(now) if looked is None else None
        if found is None:
            records = merge(ledger.along(selection, last), now, key=_start)
            found = timeline(records, {record.id for record in now}, looked, most)
    names: dict[str, str] = {}
    for info in [*infos, *(info for info, _ in running)]:
        names.update(info.device_names)
    return Along(found, names, limit(found) if found else None)


def _start(record: CellRecord) -> float:
    return record.started_at


def limit_of(verdicts: Sequence[Verdict], costing: Costing, ledger: Reader, selection: Selection) -> Limit | None:
    """The tightest budget of energy in which all of the selection counts.

    ``None`` where there is none, or no way from the machines' energy to it.
    """
    of_all = (one for one in verdicts if counts_all(one.budget, selection.scope, selection.key))
    verdict = tightest(one for one in of_all if one.budget.measure == "kwh")
    if verdict is None or verdict.spent.value is None:
        return None
    costs = costing.of(ledger.uses(selection, **costing.wants))
    whole = costs.footprint.total("electricity_wh") if costs else None
    energy = ledger.summary(selection).total("energy_j")
    if whole is None or not whole.value or energy is None or not energy.value:
        return None
    factor = whole.value * 3600.0 / energy.value
    return Limit(title(verdict.budget), verdict.spent.value, verdict.limit, verdict.start, factor)


# The command


@dataclass(frozen=True, repr=False)
class Plotted(Page):
    """A timeline's page, in a notebook with its chart. Its text is that of every page, so it has no own ``repr``."""

    along: Along | None = None

    def _drawn(self) -> str:
        return self._chart() or ""

    @guard.guarded("charts")
    def _chart(self) -> str:
        from . import chart_html, timeline_charts, timeline_svg

        if self.along is None or not self.along.found:
            return ""
        found, names = self.along.found, self.along.names
        item = timeline_charts.item(found, names, chart_html.INK, self.along.limit)
        still = timeline_svg.picture(found, names, self.title)
        return chart_html.fragment(item, "", still)


def answer(asked: argparse.Namespace, context: Context, known: Parser) -> Page:
    """The timeline of a scope; with a file's name, written there as HTML that needs nothing else."""
    path = None if asked.file is None else chart_files.path_of(asked.file, asked.force, "timeline")
    selection, costing = selection_of(asked, context), context.costing

    def limit(found: Timeline) -> Limit | None:
        budgets = [one for one in planning.here(context) if one.measure == "kwh"]
        verdicts = context.verdicts(budgets, time.time()) if budgets else []
        return limit_of(verdicts, costing, context.ledger, selection) if verdicts else None

    most = FEW if path is None else STEPS
    own = context.session.info.id if context.session else None
    along = read(context.ledger, selection, asked.last, None, limit, most, own)
    page = page_of(along, title_of(selection))
    if path is None:
        return page
    chart_files.write(page, path)
    return noted(page, [f"Wrote {path}."])


def page_of(along: Along, scope: str) -> Plotted:
    """A timeline in words, which draws itself where it can."""
    if not along.found:
        return Plotted(f"{scope}: power over time", notes=[NOTHING])
    heads = [" ".join(sentences(along))]
    return Plotted(f"{scope}: power over time", headlines=heads, notes=[HOW, *_notes(along)], along=along)


def sentences(along: Along) -> Iterator[str]:
    """What the chart shows, in two sentences."""
    found = along.found
    first, last = (local(at, "") for at in (found.start, found.end))
    end = f"{last:%H:%M}" if first.date() == last.date() else f"{last:%d %b %H:%M}"
    told = [f"{first:%d %b %Y %H:%M} to {end}"]
    told += [_cells(found)] if "cell" in found.bands else []
    told += [_between(found)] if len(found.bands) > ("cell" in found.bands) else []
    yield f"{'; '.join(told)}."
    lines = [f"{called(line.device, along.names)} {_highest(line.steps, line.energy.method)}" for line in found.lines]
    if lines:
        yield f"Highest mean power: {', '.join(lines)}."


def _cells(found: Timeline) -> str:
    whole = found.whole["cell"]
    dearest = max(found.bands["cell"], key=lambda band: band.joules)
    failed = f", {whole.failed} of them failed" if whole.failed else ""
    most = f", the dearest {called_run(dearest)}" if whole.runs > 1 and dearest.joules else ""
    power = watts(whole.energy, whole.wall_s)
    energy = total_text(whole.energy) if whole.energy else "—"
    return f"{pages.counted(whole.runs, 'run')} of cells took {energy} at a mean of {power}{failed}{most}"


def _between(found: Timeline) -> str:
    told = [
        f"{total_text(band.energy) if band.energy else '—'} {BUCKETS[bucket]}"
        for bucket, band in found.whole.items()
        if bucket != "cell"
    ]
    return f"between them {' and '.join(told)}"


def _highest(steps: Sequence[Step], method: str | None) -> str:
    """With how long it lasted: where records stand together it is the mean of a longer time, and lower."""
    known = [step for step in steps if step.watts is not None]
    if not known:
        return "—"
    most = max(known, key=lambda step: step.watts or 0.0)
    bound = "≥ " if any(step.reason for step in steps) else ""
    power = f"{bound}{'' if method == 'measured' else '~'}{quantity(most.watts, 'W')}"
    return f"{power} for {quantity(most.end - most.start, 's')}"


def _notes(along: Along) -> Iterator[str]:
    for line in along.found.lines:
        reasons = dict.fromkeys(step.reason for step in line.steps if step.reason)
        if reasons:
            yield f"{called(line.device, along.names)}: not measured everywhere ({'; '.join(filter(None, reasons))})."
    if along.found.more:
        yield "There are more records than a screen can show: short ones stand together, with all their energy."
