"""``tag`` and ``score``: say what cells are, and see what is said."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from . import pages, place, spans, tag_changes, tagging
from .context import Context, selection_of, title_of, together, unsaved
from .errors import UsageError
from .format import in_words
from .ledger import Selection
from .pages import Page, Table
from .recent import chosen
from .record import CellRecord
from .tag import Tagged, category_of, tagged
from .words import Parser

#: Of so many newest cells the tagged ones are shown, and so many of those at most.
LOOK, SHOWN = 200, 10
#: A part of ``--cells``: In [3], In [3] to In [7] (3-7), or counted from the newest (-2, -3..-1).
_ONE = re.compile(r"(-?\d+)(?:(?:\.\.|-)(-?\d+))?")


def tag(asked: argparse.Namespace, context: Context, known: Parser) -> Page:
    """Say what cells are; without words, what is said.

    Raises:
        UsageError: the words are wrong, or there are no such cells.
    """
    session = context.session
    if asked.off or not asked.said:
        return _off(asked, context) if asked.off else _present(asked, context)
    said = tagging.said_of(asked.said)
    if session is not None and not _chosen(asked):
        return Page(spans.begin(session, said))
    return _tagged(_which(asked, context), said, context, asked.last)


def score(asked: argparse.Namespace, context: Context, known: Parser) -> Page:
    """Give a score to the cell that runs, or to others.

    Raises:
        UsageError: as ``tag``.
    """
    said = tagging.scores_of(asked.said)
    if not said:
        return Page("No score was noted.")
    if context.session is None or _chosen(asked):
        return _tagged(_which(asked, context), said, context, asked.last)
    for key, value in said.items():
        spans.score(context.session, key, value)
    return Page(f"This cell: {in_words(spans.of_said(said))}.")


def _off(asked: argparse.Namespace, context: Context) -> Page:
    if asked.said or context.session is None:
        why = "ends a span that a kernel began: it goes alone, and in a notebook (%cost tag --off)"
        raise UsageError(f"--off {why}; `method=` and so on take back what was said of cells")
    return Page(spans.end(context.session))


def _tagged(record_ids: Sequence[str], said: Mapping[str, Any], context: Context, last: int | None) -> Page:
    session = context.session
    notes = list(tag_changes.told(record_ids, said, context, last))
    if session is not None:
        spans.of_ended(session, record_ids, said)
        if not session.flush():
            notes.append(f"ledger: {session.ledger.message}.")
    else:
        from .ledger.store import Ledger

        here, ledger = place.session_info(None), context.ledger
        assert isinstance(ledger, Ledger)  # only a kernel has another
        tagging.tag(ledger, record_ids, said, here.user, here.host)
    return Page(f"{pages.counted(len(record_ids))}: {_said(said)}.", notes=notes)


def _said(said: Mapping[str, Any]) -> str:
    """``hpo, method ours; no more said: run``."""
    back = [key.partition(".")[2] or key for key, value in said.items() if value is None]
    gone = f"no more said: {', '.join(back)}" if back else ""
    return "; ".join(filter(None, [in_words(spans.of_said(said)), gone]))


# Which cells


def _scoped(asked: argparse.Namespace) -> bool:
    return asked.all or any(one is not None for one in (asked.session, asked.notebook, asked.project, asked.label))


def _chosen(asked: argparse.Namespace) -> bool:
    """Whether cells that have ended are meant."""
    return bool(asked.last or asked.cells or asked.record) or _scoped(asked)


def _which(asked: argparse.Namespace, context: Context) -> list[str]:
    if not _chosen(asked):
        raise UsageError("which cells? Say --last, --cells 3-7, --notebook PATH, --label NAME or --record ID")
    found = records_of(context, selection_of(asked, context), asked.last, asked.cells, asked.record or ())
    if not found:
        raise UsageError(f"{title_of(selection_of(asked, context))}: there are no cells that this names")
    return found


def records_of(
    context: Context, selection: Selection, last: int | None = None, cells: str | None = None, ids: Sequence[str] = ()
) -> list[str]:
    """The records that are meant, oldest first: of cells that have ended, those inside of others left out.

    Args:
        context: what is read, and from where.
        selection: the scope.
        last: the newest so many.
        cells: In [numbers] of the scope's newest session, as ``3-7``, ``3,5`` or (from the newest) ``-2``.
        ids: instead of all that, ids or their first letters; blocks inside of cells can be meant, too.

    Raises:
        UsageError: there is no such record, or several.
    """
    if ids:
        return [_called(one, context) for one in ids]
    if cells is not None:
        return _numbered(cells, _newest_session(selection, context), context)
    return _cells(selection, context, last)


def _cells(
    selection: Selection, context: Context, count: int | None = None, numbers: tuple[int, int] | None = None
) -> list[str]:
    """From the ledger, and what it could not take yet."""
    found = context.ledger.chosen(selection, count, numbers)
    found = list(dict.fromkeys([*found, *chosen(unsaved(selection, context), count, numbers)]))
    return found if count is None else found[-count:]


def _newest_session(selection: Selection, context: Context) -> Selection:
    if selection.scope == "session":
        return selection
    sessions = context.ledger.sessions(selection)
    return Selection("session", sessions[-1].id, selection.label) if sessions else selection


def _numbered(text: str, selection: Selection, context: Context) -> list[str]:
    found: list[str] = []
    for part in text.split(","):
        first, last = _range(part.strip())
        some = (
            _from_newest(first, last, selection, context)
            if first < 0
            else _cells(selection, context, None, (first, last))
        )
        if not some:
            raise UsageError(f"no cell of {title_of(selection)} that has ended is {part.strip()!r}; `cells` lists them")
        found += some
    return list(dict.fromkeys(found))


def _range(part: str) -> tuple[int, int]:
    match = _ONE.fullmatch(part)
    if match is None:
        raise UsageError(f"--cells {part}: write In [numbers] as 3, 3-7 or 3,5, or from the newest as -2 or -3..-1")
    first, last = int(match[1]), int(match[2] or match[1])
    if last < first or (first < 0) != (last < 0):
        raise UsageError(f"--cells {part}: the first is after the last")
    return first, last


def _from_newest(first: int, last: int, selection: Selection, context: Context) -> list[str]:
    found = _cells(selection, context, -first)
    return found[max(0, len(found) + first) : len(found) + last + 1]


def _called(name: str, context: Context) -> str:
    waiting = [record.id for record in unsaved(Selection("all"), context)]
    found = list(dict.fromkeys([*context.ledger.called(name), *(one for one in waiting if one.startswith(name))]))
    if name in found:
        return name
    if len(found) != 1:
        raise UsageError(
            f"{'several' if found else 'no'} records begin with {name!r}; give more (or other) letters of the id"
        )
    return found[0]


# What is said


def _present(asked: argparse.Namespace, context: Context) -> Page:
    """What cells are said to be from here on, and what was said of the newest."""
    if asked.last or asked.cells or asked.record:
        raise UsageError("say what they are: CATEGORY, method=NAME, run=NAME, in_paper=yes or KEY=VALUE")
    selection = selection_of(asked, context)
    records = together(context.ledger.latest(selection, LOOK), unsaved(selection, context), context)
    rows = [_row(record, said) for record in records if _any(said := tagged(record.tags))][-SHOWN:]
    head = spans.in_force(context.session) if context.session else f"{title_of(selection)}: what cells are said to be"
    notes = [] if rows else ["None of the newest cells there is tagged."]
    return Page(head, [Table(["cell", "started", "category", "what is said", "record"], rows)], notes)


def _any(said: Tagged) -> bool:
    return replace(said, meter=False) != Tagged()


def _row(record: CellRecord, said: Tagged) -> list[str]:
    started = time.strftime("%Y-%m-%d %H:%M", time.localtime(record.started_at))
    session, _, number = record.id.rpartition("-")
    return [
        pages.called(record),
        started,
        category_of(record.outcome, said) or "",
        in_words(said),
        f"{session[:8]}-{number}",
    ]
