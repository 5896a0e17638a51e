"""What a door knows when it answers a command, and which records the words of a command select."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from . import config, meter, place, report
from .budget import Budget, Verdict
from .budgets import Plans, plans_of
from .conditions import Book
from .costing import INTENSITIES, Costing, wants
from .derived import Costs
from .errors import CostMeterError, UsageError
from .ledger import LedgerState, Selection, open_ledger
from .pages import Page
from .parts import built_in
from .peaks import Declared
from .recent import Reader, Recent, selected
from .record import CellRecord, Status
from .session import Session
from .spending import Spending
from .tag import Tag, tagged
from .uses import Use


def asked_only(record: CellRecord) -> bool:
    """Whether a cell ran nothing but words of ours, as was noted when it ended."""
    return tagged(record.tags).meter


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
    costing: Costing = field(default_factory=lambda: Costing(None, Path(".")))
    plans: Plans = field(default_factory=Plans)
    spending: Spending = field(default_factory=lambda: Spending(Path("."), lambda: Costing(None, Path("."))))
    asks_only: Callable[[CellRecord], bool] = asked_only  # whether a cell ran nothing but words of ours

    def verdicts(self, budgets: Sequence[Budget], now: float) -> list[Verdict]:
        """Where budgets stand; in a kernel with what it runs and has not written yet."""
        session = self.session
        if session is None:
            return self.spending.verdicts(budgets, now)
        running = [*(record for record, _ in session.running()), *session.unsettled_records()]
        return self.spending.verdicts(budgets, now, session.info, running, session.writer.waiting)

    def close(self) -> None:
        """Let go of the ledger's file."""
        self.ledger.close()
        self.spending.close()

    def uses(self, selection: Selection, book: Book | None = None) -> list[Use]:
        """What each session used in a selection, for the conditions of now (or other ones); of the kernel's own, what
        it remembers.
        """
        if book is not None:
            return self.ledger.uses(selection, **wants(book))
        if self.session is not None and selection == self.selection:
            return self.session.derived.uses()
        return self.ledger.uses(selection, **self.costing.wants)

    def costs_of(self, records: Iterable[CellRecord]) -> dict[str, Costs]:
        """What each of some records cost, by their ids."""
        infos, book = {self.session.info.id: self.session.info} if self.session else {}, self.costing.book
        found = {}
        for record in records:
            if record.session_id not in infos:
                infos.update((s.id, s) for s in self.ledger.sessions(Selection("session", record.session_id)))
            if record.session_id in infos:
                found[record.id] = self.costing.of_record(record, infos[record.session_id], book)
        return found


def of_session(session: Session, flush: bool = True) -> Context:
    """In a kernel: its own session, with what has ended so far in the ledger, unless nobody shall wait for that."""
    if flush:
        session.flush()
    info, path = session.info, session.settings.ledger_file
    return Context(
        open_ledger(path), session.selection, lambda: session.ledger, lambda: session.sensors, session,
        info.notebook, info.project, session.problems, session.settings.peak_flops, session.derived.costing,
        plans_of(session.settings), Spending(path, lambda: session.derived.costing, info.id),
    )  # fmt: skip


def of_folder(ledger_path: str | None = None, folder: str = ".") -> Context:
    """In a shell: the project of the folder."""
    settings, problems = config.load()
    path = Path(os.path.abspath(ledger_path)) if ledger_path else settings.ledger_file
    project = place.project_of(os.path.join(os.path.abspath(folder), "-"), settings.project)
    costing = Costing(project, path.parent / INTENSITIES)
    bad = [Status("setting", False, text, "correct it") for text in problems]
    return Context(
        open_ledger(path), Selection("project", project), lambda: _readable(path),
        lambda: [*_probed(settings), *bad], project=project, problems=bad,
        peak_flops=settings.peak_flops, costing=costing, plans=plans_of(settings),
        spending=Spending(path, lambda: costing),
    )  # fmt: skip


def _probed(settings: config.CostMeter) -> list[Status]:
    parts = built_in(settings.sensors)
    probed = meter.Meter(parts)
    probed.close()
    return [*probed.states, *parts.problems]


def _readable(path: Path) -> LedgerState:
    try:
        with closing(open_ledger(path)) as ledger:
            ledger.latest(Selection("all"), 1)
    except CostMeterError as error:
        return LedgerState(False, str(path), str(error))
    if path.exists():
        return LedgerState(True, str(path))
    there = next(folder for folder in path.absolute().parents if folder.exists())
    if not os.access(there, os.W_OK) or there == Path("/proc"):
        return LedgerState(False, str(path), f"{path} cannot be made: {there} is not writable")
    return LedgerState(True, str(path), f"{path} (nothing was metered yet)")


def selection_of(asked: argparse.Namespace, context: Context) -> Selection:
    """The records that the words mean; those of the door's own scope unless they say otherwise."""
    label = asked.label
    if asked.all:
        return Selection("all", None, label)
    if asked.session is not None:
        return Selection("session", _session_id(asked.session, context), label)
    if asked.notebook is not None:
        path = _path(asked.notebook, context.notebook, "notebook")
        return _known(Selection("notebook", path, label), context)
    if asked.project is not None:
        return _known(Selection("project", _path(asked.project, context.project, "project"), label), context)
    return Selection(context.selection.scope, context.selection.key, label)


def _path(given: str, here: str | None, what: str) -> str:
    if given:
        return place.canonical(given)
    if here is None:
        raise UsageError(f"which {what}? Name it: --{what} PATH")
    return here


def _known(selection: Selection, context: Context) -> Selection:
    """What is gone may still be in the ledger; what never was is mistyped."""
    path = selection.key or ""
    if not os.path.exists(path) and not context.ledger.sessions(replace(selection, label=None)):
        raise UsageError(f"there is no {selection.scope} {path}, and nothing was ever metered there")
    return selection


def _session_id(start: str, context: Context) -> str:
    found = [s.id for s in context.ledger.sessions(Selection("all")) if s.id.startswith(start)]
    if len(found) != 1:
        raise UsageError(f"{len(found) or 'no'} sessions begin with {start!r}; give more (or other) letters of the id")
    return found[0]


def unsaved(selection: Selection, context: Context) -> list[CellRecord]:
    """The cells that the ledger's file could not take yet."""
    waiting = selected(context.session.writer.waiting, selection) if context.session else ()
    return [record for record in waiting if record.bucket == "cell"]


def together(saved: list[CellRecord], unsaved: list[CellRecord], context: Context) -> list[CellRecord]:
    """Both, each once, oldest first, with what was said of them and is not in the ledger's file yet."""
    said: dict[str, list[Tag]] = {}
    for one in context.session.writer.said if context.session else ():
        said.setdefault(one.record_id, []).append(one)
    found = sorted({r.id: r for r in [*saved, *unsaved]}.values(), key=lambda r: (r.started_at, r.seq))
    return [replace(r, tags=(*r.tags, *said[r.id])) if r.id in said else r for r in found]


def stored(selection: Selection, context: Context) -> tuple[Reader, list[CellRecord]]:
    """What a file is written from, and the cells that will not be in it, since the ledger could not take them.

    Where nothing of the selection has reached the ledger's file, what this kernel remembers is written.
    """
    ledger, session = context.ledger, context.session
    kept = [] if isinstance(ledger, Recent) else unsaved(selection, context)
    if kept and session and not ledger.summary(selection).cells:
        return remembered(session), []
    return ledger, kept


def title_of(selection: Selection) -> str:
    """``Project paper``."""
    name = report.name_of(selection)
    return name[0].upper() + name[1:]


def remembered(session: Session) -> Recent:
    """The session's own cells, from memory."""
    whole, between = session.derived.using, dict(session.tally.between)
    return Recent(session.info, session.cells(), session.summary(), whole, between)


def noted(page: Page, notes: Sequence[str]) -> Page:
    """The page with more notes below it."""
    return replace(page, notes=[*page.notes, *notes])
