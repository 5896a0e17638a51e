"""What ``%cost`` and ``jupyter costmeter`` answer to the words of ``words.py``, the same for both."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from . import config, meter, pages, place, report
from .errors import CostMeterError, LedgerError, UsageError
from .format import quantity
from .ledger import LedgerState, Selection, open_ledger
from .ledger.file import Corrupt
from .pages import Page
from .parts import built_in
from .peaks import Declared
from .rates import Rates, rates
from .recent import Reader, Recent, dearness, selected
from .record import CellRecord, Status
from .session import Session
from .words import Parser, check_word, parse, parser, words_of


@dataclass(frozen=True)
class Context:
    """What a door knows: which ledger, what to select unless told otherwise, and its own metering."""

    ledger: Reader
    selection: Selection
    state: Callable[[], LedgerState]
    statuses: Callable[[], list[Status]]
    session: Session | None = None
    notebook: str | None = None
    project: str | None = None
    problems: Sequence[Status] = ()  # settings that were malformed
    peak_flops: Declared = field(default_factory=dict)


def of_session(session: Session) -> Context:
    """In a kernel: its own session, with what has ended so far in the ledger."""
    session.flush()
    info, path = session.info, session.settings.ledger_file
    return Context(
        open_ledger(path), session.selection, lambda: session.ledger, lambda: session.sensors, session,
        info.notebook, info.project, session.problems, session.settings.peak_flops,
    )  # fmt: skip


def of_folder(ledger_path: str | None = None, folder: str = ".") -> Context:
    """In a shell: the project of the folder."""
    settings, problems = config.load()
    path = Path(os.path.abspath(ledger_path)) if ledger_path else settings.ledger_file
    project = place.project_of(os.path.join(os.path.abspath(folder), "-"), settings.project)
    bad = [Status("setting", False, text, "correct it") for text in problems]
    return Context(
        open_ledger(path), Selection("project", project), lambda: _readable(path),
        lambda: [*_probed(settings), *bad], project=project, problems=bad,
        peak_flops=settings.peak_flops,
    )  # fmt: skip


def _probed(settings: config.CostMeter) -> list[Status]:
    parts = built_in(settings.sensors)
    probed = meter.Meter(parts)
    probed.close()
    return [*probed.states, *parts.problems]


def _readable(path: Path) -> LedgerState:
    try:
        open_ledger(path).latest(Selection("all"), 1)
    except CostMeterError as error:
        return LedgerState(False, str(path), str(error))
    if path.exists():
        return LedgerState(True, str(path))
    there = next(folder for folder in path.absolute().parents if folder.exists())
    if not os.access(there, os.W_OK) or there == Path("/proc"):
        return LedgerState(False, str(path), f"{path} cannot be made: {there} is not writable")
    return LedgerState(True, str(path), f"{path} (nothing was metered yet)")


# The answers


def run(words: Sequence[str], context: Context, known: Parser | None = None) -> Page:
    """What a command answers."""
    known = known or parser("%cost")
    asked = parse(words, known)
    try:
        return _answer(asked, context, known)
    finally:
        context.ledger.close()


def _answer(asked: argparse.Namespace, context: Context, known: Parser) -> Page:
    command = COMMANDS[asked.word]
    try:
        return command(asked, context, known)
    except LedgerError as error:
        page = command(asked, _without_ledger(asked, context, error), known)
        what = f"Only what this kernel remembers is shown: {error}." if context.session else f"{error}."
        return _noted(page, [what])


def _without_ledger(asked: argparse.Namespace, context: Context, error: LedgerError) -> Context:
    """What can be shown instead: the kernel's own cells; in a shell, the new ledger after a corrupt one.

    Raises:
        LedgerError: nothing (an export of nothing would pass for one that worked).
    """
    session = context.session
    if session is not None:
        return replace(context, ledger=_remembered(session))
    if isinstance(error, Corrupt) and asked.word != "export":
        return context
    raise error


def _noted(page: Page, notes: Sequence[str]) -> Page:
    return replace(page, notes=[*page.notes, *notes])


def _selection(asked: argparse.Namespace, context: Context) -> Selection:
    label = asked.label
    if asked.all:
        return Selection("all", None, label)
    if asked.session is not None:
        return Selection("session", _session_id(asked.session, context), label)
    if asked.notebook is not None:
        return Selection("notebook", _path(asked.notebook, context.notebook, "notebook"), label)
    if asked.project is not None:
        return Selection("project", _path(asked.project, context.project, "project"), label)
    return Selection(context.selection.scope, context.selection.key, label)


def _path(given: str, here: str | None, what: str) -> str:
    if given:
        return place.canonical(given)
    if here is None:
        raise UsageError(f"which {what}? Name it: --{what} PATH")
    return here


def _session_id(start: str, context: Context) -> str:
    found = [s.id for s in context.ledger.sessions(Selection("all")) if s.id.startswith(start)]
    if len(found) != 1:
        raise UsageError(f"{len(found) or 'no'} sessions begin with {start!r}; give more (or other) letters of the id")
    return found[0]


def _summary(asked: argparse.Namespace, context: Context, known: Parser) -> Page:
    selection = _selection(asked, context)
    session = context.session
    if session is not None and selection == context.selection:
        page = pages.summary_page("This session", session.summary())
        page = _noted(page, pages.held_notes(session.held()))
    else:
        page = _hinted(pages.summary_page(_title(selection), context.ledger.summary(selection)), selection, context)
    return _noted(page, _caveats(context))


def _caveats(context: Context) -> list[str]:
    """What is wrong with the settings and, in a kernel, with the ledger."""
    found = [f"{problem.name}: {problem.message}" for problem in context.problems]
    state = context.session.ledger if context.session else None
    if state is not None and state.message:
        found.append(f"ledger: {state.message}.")
    return found


def _title(selection: Selection) -> str:
    name = report.name_of(selection)
    return name[0].upper() + name[1:]


def _hinted(page: Page, selection: Selection, context: Context) -> Page:
    return page if page.tables else _noted(page, _hint(selection, context))


def _hint(selection: Selection, context: Context) -> list[str]:
    """Nothing in this scope, but elsewhere: say so."""
    if selection.label is not None:
        return [f"No cell there has the label {selection.label!r}."]
    others = context.ledger.summary(Selection("all")).cells if selection.scope != "all" else 0
    return [f"The ledger has {pages.counted(others)} in all: --all shows them."] if others else []


def _report(asked: argparse.Namespace, context: Context, known: Parser) -> Page:
    summary, selection = _summary(asked, context, known), _selection(asked, context)
    outer = [r for r in _unsaved(selection, context) if r.parent_id is None]
    dearest = _together(context.ledger.dearest(selection, 10), outer)
    if not dearest:
        return summary
    dearest = _weighty(sorted(dearest, key=dearness, reverse=True)[:10])
    table = pages.cells_page("", dearest, _of_several(selection))
    return replace(summary, tables=[*summary.tables, *table.tables])


#: A cell that took less than this part of the dearest's energy is none of the dearest (``%cost`` itself, often).
TRIVIAL = 1e-3


def _weighty(dearest: list[CellRecord]) -> list[CellRecord]:
    most, _ = dearness(dearest[0])
    return [record for record in dearest if dearness(record)[0] >= TRIVIAL * most]


def _of_several(selection: Selection) -> bool:
    """Whether the scope may hold several notebooks."""
    return selection.scope in ("project", "all")


def _last(asked: argparse.Namespace, context: Context, known: Parser) -> Page:
    selection = _selection(asked, context)
    records = _together(context.ledger.latest(selection, 1), _unsaved(selection, context))
    if records:
        return pages.cell_page(records[-1], _speed(records[-1], context))
    return _hinted(Page("The last cell", notes=["Nothing was metered yet."]), selection, context)


def _speed(record: CellRecord, context: Context) -> Rates | None:
    """How fast a cell computed, by its own session's devices and this machine's settings."""
    session = context.session
    infos = context.ledger.sessions(Selection("session", record.session_id))
    names = session.info.device_names if session and session.info.id == record.session_id else {}
    names = names or (infos[0].device_names if infos else {})
    return rates(record.usage, names, context.peak_flops)


def _unsaved(selection: Selection, context: Context) -> list[CellRecord]:
    """The cells that the ledger's file could not take yet."""
    waiting = selected(context.session.writer.waiting, selection) if context.session else ()
    return [record for record in waiting if record.bucket == "cell"]


def _together(saved: list[CellRecord], unsaved: list[CellRecord]) -> list[CellRecord]:
    """Both, each once, oldest first."""
    return sorted({r.id: r for r in [*saved, *unsaved]}.values(), key=lambda r: (r.started_at, r.seq))


def _cells(asked: argparse.Namespace, context: Context, known: Parser) -> Page:
    selection = _selection(asked, context)
    pick = context.ledger.dearest if asked.dearest else context.ledger.latest
    unsaved = _unsaved(selection, context)
    records = _together(pick(selection, asked.n + 1), unsaved)
    if asked.dearest:
        records = sorted(records, key=dearness, reverse=True)
    shown = records[: asked.n] if asked.dearest else records[-asked.n :]
    page = pages.cells_page(f"{_title(selection)}: cells", shown, _of_several(selection))
    if len(records) > len(shown):
        outer = sum(record.parent_id is None for record in unsaved)
        page = _noted(page, [_cut(asked, context.ledger.summary(selection).cells + outer)])
    return _hinted(page, selection, context)


def _cut(asked: argparse.Namespace, cells: int) -> str:
    """More than is shown: say so, and how to see it."""
    which, more = "dearest" if asked.dearest else "newest", max(cells, 2 * asked.n)
    return f"The {asked.n} {which} are shown, of {pages.counted(cells)} in all; -n {more} shows more."


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


#: The tracers that %cost flops tells about.
FLOP_COUNTERS = ("torch_flops", "jax_flops", "gpm")


def _doctor(asked: argparse.Namespace, context: Context, known: Parser) -> Page:
    state = context.state()
    remedy = None if state.ok else "do as it says; what waits in memory is written then"
    ledger = Status("ledger", state.ok, state.message or state.path, remedy)
    session = context.session
    return pages.doctor_page([*context.statuses(), ledger], _own_cost(session) if session else [])


def _own_cost(session: Session) -> list[str]:
    """The tool's own cost, as a sentence."""
    spent = session.overhead
    hooks = f", {quantity(spent.hook_s / spent.hooks, 's')} each" if spent.hooks else ""
    path = f"Metering {spent.hooks} cells took {quantity(spent.hook_s, 's')} of their time{hooks}"
    return [f"{path}, and {quantity(spent.cpu_s, 's')} of CPU in the background."]


def _remembered(session: Session) -> Recent:
    """The session's own cells, from memory."""
    return Recent(session.info, session.cells(), session.summary())


def _hint_of_nothing(ledger: Reader, selection: Selection, context: Context) -> list[str]:
    return [] if ledger.summary(selection).cells else _hint(selection, context)


def _export(asked: argparse.Namespace, context: Context, known: Parser) -> Page:
    selection = _selection(asked, context)
    path = Path(os.path.expanduser(asked.file))
    ledger = context.ledger
    kept = [] if isinstance(ledger, Recent) else _unsaved(selection, context)
    if kept and context.session and not ledger.summary(selection).cells:
        # nothing of it has reached the file: write what memory holds
        ledger, kept = _remembered(context.session), []
    try:
        report.export(ledger, selection, path, asked.force)
    except UsageError as error:
        raise UsageError(". ".join([str(error), *_hint_of_nothing(ledger, selection, context)])) from None
    count = ledger.summary(selection).cells
    notes = [f"Not in it, since the ledger could not take them: {pages.counted(len(kept))}."] if kept else []
    return Page(f"Wrote {path}: {pages.counted(count)} of {report.name_of(selection)}.", notes=notes)


def _help(asked: argparse.Namespace, context: Context, known: Parser) -> Page:
    action = words_of(known)
    if asked.command:
        check_word(asked.command, known)
        return Page(action.choices[asked.command].format_help().rstrip())
    rows = [[_usage(action.choices[c.dest], known.prog), c.help or ""] for c in action._choices_actions]
    notes = ["Scopes: --session ID, --notebook [PATH], --project [FOLDER], --all; --label NAME."]
    if known.prog == "%cost":
        notes.append("Without a word: summary. %%cost LABEL in a cell's first line labels the cell.")
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
    "doctor": _doctor,
    "export": _export,
    "help": _help,
}
