"""A page: what a command answers, as data; shown as text (by tabulate) or as HTML."""

from __future__ import annotations

import html
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from . import accounting
from .format import NAMES, quantity, total_text, uncertainty
from .record import CellRecord, Status, Summary, Total

MARKS = {"ok": "", "error": "✗ error", "interrupted": "■ interrupted", "killed": "✗ killed"}


#: A column is not folded to less.
LEAST = 16
#: A text of up to so many characters stays on one line in HTML.
SHORT = 24


def terminal_width() -> int | None:
    """Of the terminal that is written to; ``None`` where it is a file, a pipe or a notebook."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


@dataclass(frozen=True)
class Table:
    """Columns and rows of text. ``right`` names the columns of numbers."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: frozenset[str] = frozenset()

    def text(self, width: int | None = None) -> str:
        """In so many columns, if it must be."""
        from tabulate import tabulate

        align = ["right" if c in self.right else "left" for c in self.columns]
        folds = self._folds(width) if width else None
        table: str = tabulate(
            self.rows, self.columns, "simple", colalign=align, disable_numparse=True, maxcolwidths=folds
        )
        return table

    def html(self) -> str:
        """Aligned as the text is (JupyterLab alone would right-align all), numbers on one line."""
        head = "".join(self._cell("th", column, column) for column in self.columns)
        rows = ("".join(map(partial(self._cell, "td"), self.columns, row)) for row in self.rows)
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _cell(self, tag: str, column: str, text: str) -> str:
        short = column in self.right or len(text) <= SHORT
        wrap = ";white-space:nowrap" if short else ""
        align = "right" if column in self.right else "left"
        return f'<{tag} style="text-align:{align}{wrap}">{html.escape(text)}</{tag}>'

    def _folds(self, width: int) -> list[int | None]:
        """Only the widest column is folded, to what the others leave of the width."""
        sizes = [max(map(len, column)) for column in zip(self.columns, *self.rows, strict=True)]
        widest = sizes.index(max(sizes))
        left = width - sum(sizes) - 2 * (len(sizes) - 1) + sizes[widest]
        return [max(LEAST, left) if i == widest and left < sizes[i] else None for i in range(len(sizes))]


@dataclass(frozen=True)
class Page:
    """A title, some tables, some notes. Shows itself in a terminal and in a notebook."""

    title: str
    tables: Sequence[Table] = ()
    notes: Sequence[str] = field(default_factory=list)

    def text(self, width: int | None = None) -> str:
        tables = [table.text(width) for table in self.tables if table.rows]
        return "\n\n".join([self.title, *tables, *(["\n".join(self.notes)] if self.notes else [])])

    def _repr_html_(self) -> str:
        tables = "".join(table.html() for table in self.tables if table.rows)
        notes = "".join(f"<div><small>{html.escape(note)}</small></div>" for note in self.notes)
        return f'<div class="jp-Costmeter-page"><strong>{html.escape(self.title)}</strong>{tables}{notes}</div>'

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(self.text(terminal_width()))

    def __repr__(self) -> str:
        return self.text()


def summary_page(title: str, summary: Summary) -> Page:
    """The totals of a scope, with how they are known."""
    if not summary.cells:
        return Page(title, notes=["Nothing was metered yet."])
    failed = f", {summary.failed} of them failed" if summary.failed else ""
    many = f" in {summary.sessions} sessions" if summary.sessions > 1 else ""
    head = f"{title}: {counted(summary.cells)}{many}, {quantity(summary.wall_s, 's')}{failed}"
    return Page(head, [totals_table(summary.totals)], list(notes(summary.totals)))


def counted(cells: int) -> str:
    """``1 cell``, ``2 cells``."""
    return "1 cell" if cells == 1 else f"{cells} cells"


def totals_table(totals: Iterable[Total]) -> Table:
    """One line for each figure: value, half-width, method, source."""
    rows = [
        [NAMES[t.name], total_text(t), uncertainty(t), t.method or "not measured", "; ".join(t.sources or t.reasons)]
        for t in totals
    ]
    return Table(["figure", "value", "±", "how", "source"], rows, frozenset({"value", "±"}))


def notes(totals: Iterable[Total]) -> Iterator[str]:
    """What a reader must know about these totals."""
    for total in totals:
        if total.incomplete and total.value is not None and total.name != "energy_j":
            why = "; ".join(total.reasons)
            yield f"{NAMES[total.name]}: a lower bound, missing in {counted(total.missing)} ({why})."
        if total.name == "energy_j" and total.measured_share is not None and total.measured_share < 1:
            percent = int(100 * total.measured_share)  # not rounded up: 99.9 % is not all of it
            measured = f"{percent} % of the energy was measured, the rest is an estimate."
            yield measured if percent else f"The energy is {total.method}, not measured."


def cell_page(record: CellRecord) -> Page:
    """All that is known of one cell's run."""
    ended = f", {record.outcome}" if record.outcome != "ok" else ""
    ended += f" ({record.error_type})" if record.error_type else ""
    totals = accounting.cell_totals(record.usage)
    return Page(f"{called(record)}: {quantity(record.wall_s, 's')}{ended}", [totals_table(totals)], list(notes(totals)))


def called(record: CellRecord) -> str:
    """A cell's label, else its prompt."""
    if record.label:
        return record.label
    return f"In [{record.execution_count}]" if record.execution_count is not None else f"run {record.seq}"


CELL_COLUMNS = ("cell", "started", "time", "CPU time", "energy", "peak memory", "outcome")


def cells_page(title: str, records: Sequence[CellRecord]) -> Page:
    """One line a cell. Windows inside another are marked ↳."""
    if not records:
        return Page(title, notes=["Nothing was metered yet."])
    right = frozenset({"time", "CPU time", "energy", "peak memory"})
    return Page(title, [Table(CELL_COLUMNS, [cell_line(r) for r in records], right)])


def cell_line(record: CellRecord) -> list[str]:
    """One run, for ``CELL_COLUMNS``."""
    totals = {t.name: t for t in accounting.cell_totals(record.usage)}
    figures = [total_text(totals[n]) if n in totals else "—" for n in ("cpu_s", "energy_j", "peak_rss_bytes")]
    started = time.strftime("%Y-%m-%d %H:%M", time.localtime(record.started_at))
    inner = "↳ " if record.parent_id else ""
    return [inner + called(record), started, quantity(record.wall_s, "s"), *figures, MARKS[record.outcome]]


def doctor_page(statuses: Iterable[Status], cost: Sequence[str] = ()) -> Page:
    """Each part of the tool: ready (✓), not here (–), or why not and what to do (✗)."""
    rows = [["✓" if s.ok else "✗" if s.remedy else "–", s.name, s.message, s.remedy or ""] for s in statuses]
    return Page("jupyter_costmeter's parts", [Table(["", "part", "what it says", "what to do"], rows)], cost)
