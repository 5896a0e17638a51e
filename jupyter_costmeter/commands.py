"""What ``%cost`` and ``jupyter costmeter`` answer to the words of ``words.py``, the same for both."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from . import (
    assuming,
    comparing_pages,
    cost_pages,
    digests,
    held_pages,
    pages,
    place,
    planning,
    report,
    reporting,
    slurm_pages,
    spending_pages,
    tag_pages,
    timeline_pages,
)
from .context import Context, noted, remembered, selection_of, stored, title_of, together, unsaved
from .errors import LedgerError, UsageError
from .format import quantity
from .ledger import Selection
from .ledger.file import Corrupt
from .pages import Page
from .rates import Rates, rates
from .recent import Reader, dearness
from .record import CellRecord, Status, Total
from .session import Session
from .words import NO_PANEL, Parser, check_word, parse, parser, words_of

# The answers


def run(words: Sequence[str], context: Context, known: Parser | None = None) -> Page:
    """What a command answers."""
    known = known or parser("%cost")
    asked = parse(words, known)
    try:
        return _answer(asked, context, known)
    finally:
        context.close()


def _answer(asked: argparse.Namespace, context: Context, known: Parser) -> Page:
    command = COMMANDS[asked.word]
    try:
        return command(asked, context, known)
    except LedgerError as error:
        page = command(asked, _without_ledger(asked, context, error), known)
        what = f"Only what this kernel remembers is shown: {error}." if context.session else f"{error}."
        return noted(page, [what])


def _without_ledger(asked: argparse.Namespace, context: Context, error: LedgerError) -> Context:
    """What can be shown instead: the kernel's own cells; in a shell, the new ledger after a corrupt one.

    Raises:
        LedgerError: nothing (an export of nothing would pass for one that worked).
    """
    session = context.session
    if session is not None:
        return replace(context, ledger=remembered(session))
    if isinstance(error, Corrupt) and asked.word != "export" and not getattr(asked, "output", None):
        return context
    raise error


def _summary(asked: argparse.Namespace, context: Context, known: Parser) -> Page:
    selection = selection_of(asked, context)
    session, costs = context.session, context.costing.of(context.uses(selection))
    inside = {"energy_j": cost_pages.rows(costs)}
    if session is not None and selection == context.selection:
        page = pages.summary_page("This session", session.summary(), inside)
        page = noted(page, [*held_pages.held_notes(session.held()), *_elsewhere(session, None)])
    else:
        page = pages.summary_page(title_of(selection), context.ledger.summary(selection), inside)
        page = _hinted(page, selection, context)
    notes = cost_pages.notes(costs, context.costing.assumptions.problems)
    return noted(page, [*planning.reached(context), *notes, *_in_a_job(selection, context), *_caveats(context)])


def _in_a_job(selection: Selection, context: Context) -> list[str]:
    """What SLURM gave a session's job; of a ledger that cannot be read nothing is known."""
    with suppress(LedgerError, UsageError):
        return slurm_pages.notes(selection, context)
    return []


def _caveats(context: Context) -> list[str]:
    """What is wrong with the settings and, in a kernel, with the ledger."""
    found = [f"{problem.name}: {problem.message}" for problem in context.problems]
    state = context.session.ledger if context.session else None
    if state is not None and state.message:
        found.append(f"ledger: {state.message}.")
    return found


def _hinted(page: Page, selection: Selection, context: Context) -> Page:
    return page if page.tables else noted(page, _hint(selection, context))


def _hint(selection: Selection, context: Context) -> list[str]:
    """Nothing in this scope, but elsewhere: say so."""
    if selection.label is not None:
        return [f"No cell there has the label {selection.label!r}."]
    others = context.ledger.summary(Selection("all")).cells if selection.scope != "all" else 0
    return [f"The ledger has {pages.counted(others)} in all: --all shows them."] if others else []


def _report(asked: argparse.Namespace, context: Context, known: Parser) -> Page:
    if asked.norm or asked.output:
        return reporting.answer(asked, context)
    summary, selection = _summary(asked, context, known), selection_of(asked, context)
    outer = [r for r in unsaved(selection, context) if r.parent_id is None]
    dearest = together(context.ledger.dearest(selection, 10), outer, context)
    if not dearest:
        return summary
    dearest = _weighty(sorted(dearest, key=dearness, reverse=True)[:10])
    table = pages.cells_page("", dearest, _of_several(selection), _emissions(dearest, context))
    return replace(summary, tables=[*summary.tables, *table.tables])


#: A cell that took less than this part of the dearest's energy is none of the dearest (``%cost`` itself, often).
TRIVIAL = 1e-3


def _weighty(dearest: list[CellRecord]) -> list[CellRecord]:
    most, _ = dearness(dearest[0])
    return [record for record in dearest if dearness(record)[0] >= TRIVIAL * most]


def _emissions(records: list[CellRecord], context: Context) -> dict[str, Total | None]:
    costs = context.costs_of(records)
    return {record_id: found.footprint.total("emissions_g") for record_id, found in costs.items()}


def _of_several(selection: Selection) -> bool:
    """Whether the scope may hold several notebooks."""
    return selection.scope in ("project", "all")


def _last(asked: argparse.Namespace, context: Context, known: Parser) -> Page:
    selection = selection_of(asked, context)
    last = _newest(selection, context)
    if last is None:
        return _hinted(Page("The last cell", notes=["Nothing was metered yet."]), selection, context)
    costs = context.costs_of([last]).get(last.id)
    page = pages.cell_page(last, _speed(last, context), {"energy_j": cost_pages.rows(costs)})
    elsewhere = _elsewhere(context.session, last)
    page = noted(page, [*elsewhere, *cost_pages.notes(costs, context.costing.assumptions.problems)])
    return _with_blocks(page, last, context)


def _elsewhere(session: Session | None, record: CellRecord | None) -> list[str]:
    """What others did for a cell, or for all of them."""
    return [note for notes in session.elsewhere.values() for note in notes(record)] if session else []


#: So many cells that only asked ``%cost …`` may stand behind the last one that ran something.
ASKED = 20


def _newest(selection: Selection, context: Context) -> CellRecord | None:
    """The last cell that ran more than words of ours; of a label, the last cell or block that has it."""
    outer = selection.label is None
    waiting = [record for record in unsaved(selection, context) if not (outer and record.parent_id)]
    found = together(context.ledger.latest(selection, 1 + ASKED, outer), waiting, context)
    return next((one for one in reversed(found) if not context.asks_only(one)), found[-1] if found else None)


#: What ran inside the last cell is shown up to so many.
INSIDE = 10


def _with_blocks(page: Page, last: CellRecord, context: Context) -> Page:
    """With the newest of what ran inside the cell, a line each."""
    session = Selection("session", last.session_id)
    newest = together(context.ledger.latest(session, INSIDE + 1), unsaved(session, context), context)
    began = last.started_at
    found = [one for one in newest if one.parent_id and began <= one.started_at <= began + last.wall_s]
    if not found:
        return page
    shown = found[-INSIDE:]
    tables = pages.cells_page("", shown, emissions=_emissions(shown, context)).tables
    more = [f"Of what ran inside it the {INSIDE} newest are shown; cells shows more."] if len(found) > INSIDE else []
    return noted(replace(page, tables=[*page.tables, *tables]), more)


def _speed(record: CellRecord, context: Context) -> Rates | None:
    """How fast a cell computed, by its own session's devices and this machine's settings."""
    session = context.session
    infos = context.ledger.sessions(Selection("session", record.session_id))
    names = session.info.device_names if session and session.info.id == record.session_id else {}
    names = names or (infos[0].device_names if infos else {})
    return rates(record.usage, names, context.peak_flops)


def _cells(asked: argparse.Namespace, context: Context, known: Parser) -> Page:
    selection = selection_of(asked, context)
    pick = context.ledger.dearest if asked.dearest else context.ledger.latest
    waiting = unsaved(selection, context)
    records = together(pick(selection, asked.n + 1), waiting, context)
    if asked.dearest:
        records = sorted(records, key=dearness, reverse=True)
    shown = records[: asked.n] if asked.dearest else records[-asked.n :]
    name = f"{title_of(selection)}: cells"
    page = pages.cells_page(name, shown, _of_several(selection), _emissions(shown, context))
    if len(records) > len(shown):
        outer = sum(record.parent_id is None for record in waiting)
        inner = any(record.parent_id for record in shown)
        page = noted(page, [_cut(asked, context.ledger.summary(selection).cells + outer, inner)])
    return _hinted(page, selection, context)


def _cut(asked: argparse.Namespace, cells: int, inner: bool) -> str:
    """More than is shown: say so, and how to see it."""
    which, more = "dearest" if asked.dearest else "newest", max(cells, 2 * asked.n)
    of = f"{pages.counted(cells)} in all{' and what ran inside them' if inner else ''}"
    return f"The {asked.n} {which} are shown, of {of}; -n {more} shows more."


def _flops(asked: argparse.Namespace, context: Context, known: Parser) -> Page:
    session = context.session
    assert session is not None  # a shell has no such word
    if not session.settings.flops:
        raise UsageError("FLOPs are switched off (CostMeter.flops)")
    if asked.what == "audit":
        from .audit import ARMED, DISARMED, Audit

        session.audit = Audit() if asked.off is None else None
        return Page("FLOPs audit", notes=[ARMED if session.audit else DISARMED])
    if asked.what == "jax":
        return _jax(session, asked.off is None)
    return pages.flops_page(session.summary(), [s for s in session.sensors if s.name in FLOP_COUNTERS])


def _jax(session: Session, on: bool) -> Page:
    """JAX's FLOPs from now on, or no longer."""
    status = session.count_jax(on)
    if not status.ok:
        raise UsageError(". ".join(filter(None, [status.message, status.remedy])))
    return Page("FLOPs of JAX", notes=[status.message])


def _panel(asked: argparse.Namespace, context: Context, known: Parser) -> Page:
    """Where it can be shown, the magic has shown it."""
    raise UsageError(NO_PANEL)


#: The tracers that %cost flops tells about.
FLOP_COUNTERS = ("torch_flops", "jax_flops", "gpm")


def _doctor(asked: argparse.Namespace, context: Context, known: Parser) -> Page:
    state = context.state()
    remedy = None if state.ok else "do as it says; what waits in memory is written then"
    ledger = Status("ledger", state.ok, state.message or state.path, remedy)
    session = context.session
    info = session.info if session else place.session_info(None)
    found = [*context.statuses(), ledger, *_shared(Path(state.path)), *slurm_pages.status(info)]
    return pages.doctor_page(found, _own_cost(session) if session else [])


def _shared(path: Path) -> list[Status]:
    """Whether what is shared with the lab gets there; a ledger that cannot be read has been told of."""
    from . import sharing

    with suppress(LedgerError):
        return sharing.status(path)
    return []


def _own_cost(session: Session) -> list[str]:
    """The tool's own cost, as a sentence."""
    spent = session.overhead
    hooks = f", {quantity(spent.hook_s / spent.hooks, 's')} each" if spent.hooks else ""
    path = f"Metering {spent.hooks} cells took {quantity(spent.hook_s, 's')} of their time{hooks}"
    return [f"{path}, and {quantity(spent.cpu_s, 's')} of CPU in the background."]


def _hint_of_nothing(ledger: Reader, selection: Selection, context: Context) -> list[str]:
    return [] if ledger.summary(selection).cells else _hint(selection, context)


def _lab(asked: argparse.Namespace, context: Context, known: Parser) -> Page:
    """Loaded when it is asked for, since it brings SQL."""
    from . import lab_pages

    return lab_pages.answer(asked, context, known)


def _export(asked: argparse.Namespace, context: Context, known: Parser) -> Page:
    selection = selection_of(asked, context)
    path, (ledger, kept) = Path(os.path.expanduser(asked.file)), stored(selection, context)
    try:
        report.export(ledger, selection, path, asked.force, context.costing, anonymous=asked.anonymous)
    except UsageError as error:
        raise UsageError(". ".join([str(error), *_hint_of_nothing(ledger, selection, context)])) from None
    count = ledger.summary(selection).cells
    notes = digests.notes(path)
    notes += [f"Not in it, since the ledger could not take them: {pages.counted(len(kept))}."] if kept else []
    return Page(f"Wrote {path}: {pages.counted(count)} of {report.name_of(selection)}.", notes=notes)


def _help(asked: argparse.Namespace, context: Context, known: Parser) -> Page:
    action = words_of(known)
    if asked.command:
        check_word(asked.command, known)
        usage, _, rest = action.choices[asked.command].format_help().rstrip().partition("\n\n")
        return Page(f"{' '.join(usage.split())}\n\n{rest}")
    rows = [[_usage(action.choices[c.dest], known.prog), c.help or ""] for c in action._choices_actions]
    notes = ["Scopes: --session ID, --notebook [PATH], --project [FOLDER], --all; --label NAME."]
    if known.prog == "%cost":
        first = "in a cell's first line labels the cell, %%cost tag=hpo tags it"
        notes.append(f"Without a word: summary. %%cost LABEL {first}.")
    return Page(f"{known.prog}: what a notebook's cells cost", [pages.Table(["command", "shows"], rows)], notes)


def _usage(word: argparse.ArgumentParser, prog: str) -> str:
    arguments = [a.metavar for a in word._actions if not a.option_strings and isinstance(a.metavar, str)]
    return " ".join([prog, word.prog.rpartition(" ")[2], *arguments])


Command = Callable[[argparse.Namespace, Context, Parser], Page]
COMMANDS: dict[str, Command] = {
    "summary": _summary,
    "report": _report,
    "last": _last,
    "cells": _cells,
    "flops": _flops,
    "panel": _panel,
    "where": assuming.where,
    "factors": assuming.factors,
    "refresh": assuming.refresh,
    "rates": assuming.rates,
    "sci": assuming.score,
    "what-if": assuming.what_if,
    "budget": planning.budget,
    "lab": _lab,
    "spent": spending_pages.spent,
    "compare": comparing_pages.answer,
    "plot": timeline_pages.answer,
    "forecast": spending_pages.forecast,
    "tag": tag_pages.tag,
    "score": tag_pages.score,
    "doctor": _doctor,
    "slurm": slurm_pages.slurm,
    "export": _export,
    "help": _help,
}
