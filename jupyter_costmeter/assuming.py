"""What the words about assumptions answer: where, factors, refresh, rates, sci, what-if."""

from __future__ import annotations

import argparse
import os
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timezone
from pathlib import Path

from . import accounting, assumptions, comparison, cost_pages, pages, placing, sci, supposing, tariffs, toml_files
from .assumptions import ALWAYS, Assumptions, Placed
from .carbon import hints, snapshot
from .conditions import Book
from .context import Context, noted, selection_of, title_of
from .errors import UsageError
from .factors import Intensity, Region
from .format import plain
from .ledger import Selection
from .pages import Page, Table
from .record import Summary
from .tables import printable
from .uses import HOUR_S, Use
from .words import Parser

REGION_COLUMNS = ("region", "name", "g/kWh", "year", "counts", "note")


# Where


def where(asked: argparse.Namespace, context: Context, known: Parser) -> Page:
    """Say, ask or search where a machine stands."""
    if asked.search is not None:
        return regions_page(asked.search)
    host = asked.host or socket.gethostname()
    said = asked.region or asked.kind or asked.pue is not None
    if asked.forget and said:
        raise UsageError("--forget takes no place: it takes the place away (with --from DATE only that move)")
    said = said or asked.since
    if asked.forget:
        gone = placing.forget(asked.host, asked.since)
        what = f"the move on {asked.since}" if asked.since else f"all that it said of {host}"
        nothing = f"says nothing of {host}" + (f" from {asked.since} on" if asked.since else "")
        note = f"Taken out of {placing.own_file()}: {what}." if gone else f"{placing.own_file()} {nothing}."
        return noted(place_page(context.costing.assumptions, host), [note])
    written = _declare(asked, context.costing.assumptions, host) if said else None
    declared = context.costing.assumptions
    return noted(place_page(declared, host), [_effect(written, declared, host)] if written else [])


def _known(declared: Assumptions, host: str) -> Placed:
    """A kind, a PUE or a day alone is of the place that is known."""
    placed = declared.place(host, time.time())
    if placed is None:
        raise UsageError("say the region, too: where FR --kind lab; where --search TEXT lists regions")
    return placed


def _declare(asked: argparse.Namespace, declared: Assumptions, host: str) -> Placed:
    """What is said, and where no region is, of the place that is known."""
    known = None if asked.region else _known(declared, host)
    return placing.declare(asked.region or "", asked.kind or "", asked.host, asked.pue, asked.since, known)


def _effect(written: Placed, declared: Assumptions, host: str) -> str:
    """Where it was written and what that changes: nothing now where another row wins."""
    own, now, start = str(placing.own_file()), time.time(), written.span[0]
    wins = declared.place(host, now) if written.fits(host, now) else None
    file = wins.origin.rpartition(":")[0] if wins else own
    if wins and (file, wins.host.lower(), wins.span) != (own, written.host.lower(), written.span):
        order = {str(path): i for i, path in enumerate(declared.files)}
        how = "nearer" if order.get(file, -1) > order.get(own, -1) else "more exact"
        return f"Written to {own}, but {wins.origin}, which is {how}, says {wins.region}."
    day = "" if start == ALWAYS[0] else f"{datetime.fromtimestamp(start, timezone.utc):%Y-%m-%d}"
    return f"Written to {own}. What was metered before {f'{day} stays as it was' if day else 'counts by it, too'}."


def place_page(declared: Assumptions, host: str) -> Page:
    """Where a machine stands, by whom, and what follows; else what its environment suggests."""
    placed = declared.place(host, time.time())
    conditions = Book(declared).at(host, int(time.time() // HOUR_S))
    intensity, pue = conditions.intensity, conditions.pue
    lines = [
        ["region", cost_pages.named(placed.region) if placed else "not known", placed.origin if placed else ""],
        ["kind of place", (placed.kind if placed else None) or "not known", ""],
        ["carbon intensity", f"{intensity.g_per_kwh:.3g} g/kWh", cost_pages.described(intensity)],
        ["PUE", f"{pue.value:g}", f"{pue.method}: {pue.source}"],
    ]
    more = [*declared.problems, *([] if placed else [cost_pages.UNPLACED, *_hint()])]
    if placed is not None and placed.span != ALWAYS:
        more.append("This is as of now: the file says other things of other times.")
    more += list(_moves(declared, host))
    if declared.live is not None:
        more.append(f"Hours that the live source {declared.live.source} knows are counted by its own values.")
    return Page(f"Where {host} stands", [Table(("", "", "by"), lines)], more)


def _moves(declared: Assumptions, host: str) -> Iterator[str]:
    """What is said of a time to come."""
    now = time.time()
    later = [row for row in declared.places if now < row.span[0] and row.fits(host, row.span[0])]
    for row in sorted(later, key=lambda row: row.span[0]):
        day = datetime.fromtimestamp(row.span[0], timezone.utc)
        yield f"From {day:%Y-%m-%d} on (UTC): {cost_pages.named(row.region)} ({row.origin})."


def _hint() -> Iterator[str]:
    found = hints.hint(os.environ)
    if found is not None:
        say = f"; `%cost where {found.region}`, or in a shell `jupyter costmeter where {found.region}`, says so"
        yield f"A suggestion, not used before you say so: {found.why}{say if found.region else ''}."


def regions_page(text: str) -> Page:
    """Regions whose name or id fits; all of them for no text."""
    found = snapshot.search(text, len(snapshot.regions())) if text else list(snapshot.regions())
    more = [supposing.NOT_COMPARABLE] if found else [f"No region is called {text!r}; --search alone lists all."]
    table = Table(REGION_COLUMNS, list(map(_region, found)), frozenset({"g/kWh"}))
    return Page(pages.counted(len(found), "region"), [table], more)


def _region(one: Region) -> list[str]:
    i = one.intensity
    figures = [plain(i.g_per_kwh, 3), str(i.year or ""), i.basis] if i else ["—", "", ""]
    return [one.id, one.name, *figures, one.note or ""]


# Factors


def factors(asked: argparse.Namespace, context: Context, known: Parser) -> Page:
    """Every factor and price that was applied in a scope."""
    selection, costing = selection_of(asked, context), context.costing
    costs = costing.of(context.uses(selection))
    live = costing.grid.status() if costing.grid else None
    return cost_pages.factors_page(f"{title_of(selection)}: factors", costs, costing.assumptions.problems, live)


def refresh(asked: argparse.Namespace, context: Context, known: Parser) -> Page:
    """Ask the live source now."""
    costing = context.costing
    if costing.assumptions.live is None:
        raise UsageError(f'no live source is asked for: write [live] source = "uk" into {placing.own_file()}')
    answers = costing.refresh(context.uses(selection_of(asked, context)))
    if not answers:
        raise UsageError("nothing was metered of which it is known where it ran: say it first (where FR)")
    lines = [[region, str(found.count), _newest(found.newest), found.problem or ""] for region, found in answers]
    return Page("Live carbon intensity", [Table(("region", "new values", "newest", "problem"), lines)])


def _newest(found: Intensity | None) -> str:
    return f"{found.g_per_kwh:.3g} g/kWh" if found else "—"


def rates(asked: argparse.Namespace, context: Context, known: Parser) -> Page:
    """Which row of a file prices what was metered, and why."""
    if asked.file and asked.what != "check":
        raise UsageError(f"rates check {asked.file}")
    if asked.what == "check" and not asked.file:
        raise UsageError(f"which file? rates check {toml_files.NAME}")
    declared = assumptions.of_file(Path(asked.file).expanduser()) if asked.file else context.costing.assumptions
    book = Book(declared) if asked.file else None  # days are told apart as that file needs it
    page = rates_page(declared, machines(context.uses(selection_of(asked, context), book)))
    return replace(page, ok=not (asked.what and declared.problems))


def machines(uses: Iterable[Use]) -> list[tuple[str, str, str, date]]:
    """Each host, partition and GPU model that was metered, with its newest day; a host may be called anything."""
    found: dict[tuple[str, str, str], date] = {}
    for use in uses:
        for gpu in dict.fromkeys(model for model, part in use.gpu_s if part.value) or [""]:
            key, day = (printable(use.host), use.partition, gpu), use.day
            found[key] = max(day, found.get(key, day))
    return [(*key, day) for key, day in found.items()]


def rates_page(declared: Assumptions, metered: Sequence[tuple[str, str, str, date]]) -> Page:
    """The rows that match what was metered (nothing yet: this machine), and what is wrong in the file."""
    lines = tariffs.checked(declared.tariffs, metered or [(socket.gethostname(), "", "", date.today())])
    head = f"{pages.counted(len(declared.tariffs), 'rate')}, {pages.counted(len(declared.problems), 'mistake')}"
    more = [*declared.problems]
    if not declared.tariffs and not any("[[rates]]" in problem for problem in declared.problems):
        more.append("There is no [[rates]] row; docs/money.md shows how one is written.")
    used = {line.row for line in lines}
    idle = [row.origin for row in declared.tariffs if row.origin not in used]
    if idle:
        more.append(f"No machine that was metered in this scope is priced by {', '.join(idle)}.")
    table = Table(("machine", "unit", "price", "row", "why"), lines, frozenset({"price"}))
    return Page(head, [table], more)


# Scores and suppositions


def score(asked: argparse.Namespace, context: Context, known: Parser) -> Page:
    """The SCI score of a scope per functional unit."""
    selection, unit = selection_of(asked, context), sci.unit_of(asked.per)
    costs, summary = context.costing.of(context.uses(selection)), context.ledger.summary(selection)
    count = asked.count if asked.count is not None else _count(unit, context, selection, summary)
    page = cost_pages.sci_page(f"{title_of(selection)}: SCI", sci.score(costs.footprint, unit, count), costs)
    return noted(page, [*_measured(summary), *_multiplier(context, selection, summary)])


def _count(unit: sci.Unit, context: Context, selection: Selection, summary: Summary) -> float:
    """How many of the unit there were, where the ledger knows it."""
    name = unit.name.removesuffix("s")
    if name == "run":  # as statements count them
        return float(context.ledger.grouped(selection).whole().runs)
    counts = {"cell": summary.cells, "session": summary.sessions}
    if name not in counts:
        raise UsageError(f"how many {unit.name}? --count N says it; run, cell and session are counted by themselves")
    return float(counts[name])


def _measured(summary: Summary) -> Iterator[str]:
    """How much of the energy behind it was measured."""
    return pages.notes(total for total in summary.totals if total.name == "energy_j")


def _multiplier(context: Context, selection: Selection, summary: Summary) -> Iterator[str]:
    """All runs of a label over the newest one (Strubell et al. 2019, §4.2), where both are known."""
    whole = summary.total("energy_j")
    for record in context.ledger.latest(selection, 1) if selection.label else ():
        own = next((t.value for t in accounting.cell_totals(record.usage) if t.name == "energy_j"), None)
        if own and whole and whole.value:
            yield f"All of it took {comparison.tuning_multiplier(whole.value, own):.3g} times the newest run's energy."


def what_if(asked: argparse.Namespace, context: Context, known: Parser) -> Page:
    """The same records under other assumptions, side by side; a column for each region."""
    others = (asked.pue, asked.gpu, asked.g_per_kwh, asked.kind)
    if not asked.region and all(other is None for other in others):
        raise UsageError("what if what? Name it: --region SE, --pue 1.1, --gpu H100, --g-per-kwh 50, --kind cloud")
    selection, book = selection_of(asked, context), context.costing.book
    uses, found = context.uses(selection), [supposing.supposition(one, *others) for one in asked.region or [None]]
    columns = [("as it is", context.costing.of(uses, book))]
    columns += [(one.name, supposing.costs_if(uses, book, one)) for one in found]
    measured = _measured(context.ledger.summary(selection))
    notes = dict.fromkeys(note for one in found for note in one.notes([costs for _, costs in columns]))
    more = [*measured, *notes, *([] if uses else ["Nothing was metered here."])]
    return cost_pages.what_if_page(f"{title_of(selection)}: what if", columns, more)
