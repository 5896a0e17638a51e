"""A page: what a command answers, as data; shown as text (by tabulate) or as HTML."""

from __future__ import annotations

import html
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal, TextIO

from . import accounting, breakdown, layout, screen, speed
from .format import (
    BUCKETS,
    NAMES,
    gpu_times,
    half_width,
    in_words,
    mark,
    percent,
    quantity,
    shortly,
    total_text,
    uncertainty,
)
from .grouping import Said
from .rates import Rates
from .record import COUNTED, LEADING, CellRecord, Figure, Status, Summary, Total
from .searches import says_how
from .tables import printable
from .tag import category_of, tagged

MARKS = {"ok": "", "error": "✗ error", "interrupted": "■ interrupted", "killed": "✗ killed"}
FAILED: screen.Tones = {MARKS["error"]: "bad", MARKS["killed"]: "bad", MARKS["interrupted"]: "near", "✗": "bad"}

#: A text of up to so many characters stays on one line in HTML.
SHORT = 24


@dataclass(frozen=True)
class Table:
    """Columns and rows of text. ``right`` names the columns of numbers, ``tones`` cells that a terminal may colour."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: frozenset[str] = frozenset()
    tones: screen.Tones = field(default_factory=dict)

    def text(self, width: int | None = None) -> str:
        """In so many columns, if it must be."""
        return layout.table(self.columns, [[*map(printable, row)] for row in self.rows], self.right, width)

    def spelled(self, spell: Callable[[str], str]) -> Table:
        """In other letters."""
        rows, tones = [[*map(spell, row)] for row in self.rows], {spell(cell): one for cell, one in self.tones.items()}
        return replace(self, columns=[*map(spell, self.columns)], rows=rows, right=frozenset(map(spell, self.right)),
                       tones=tones)  # fmt: skip

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


@dataclass(frozen=True)
class Page:
    """A title, headlines below it, some tables, some notes. Shows itself in a terminal and in a notebook.

    Not ``ok``: something that was to be checked is wrong, which in a shell is the exit status.
    """

    title: str
    tables: Sequence[Table] = ()
    notes: Sequence[str] = field(default_factory=list)
    headlines: Sequence[str] = ()
    ok: bool = True

    def text(self, width: int | None = None) -> str:
        heads, notes = (layout.sentences(map(printable, some), width) for some in (self.headlines, self.notes))
        head = "\n".join([*layout.block(self.title, width), *heads])
        tables = (table.text(width) for table in self.tables if table.rows)
        whole = "\n\n".join([head, *tables, *filter(None, ["\n".join(notes)])])
        return "\n".join(map(printable, whole.split("\n")))

    @property
    def tones(self) -> screen.Tones:
        """The cells of its tables that a terminal may colour."""
        return {cell: one for table in self.tables for cell, one in table.tones.items()}

    def spelled(self, encoding: str | None) -> Page:
        """In the letters of an encoding."""
        spell = partial(screen.spelled, encoding=encoding)
        heads, notes = [*map(spell, self.headlines)], [*map(spell, self.notes)]
        tables = [table.spelled(spell) for table in self.tables]
        return replace(self, title=spell(self.title), tables=tables, headlines=heads, notes=notes)

    def shown(self, out: TextIO, width: int | None) -> str:
        """As that stream can show it: in its letters, and in colour where it has any."""
        page = self.spelled(out.encoding)
        return screen.painted(page.text(width), page.tones) if screen.coloured(out) else page.text(width)

    def _repr_html_(self) -> str:
        heads = "".join(f"<div>{html.escape(line)}</div>" for line in self.headlines)
        tables = "".join(table.html() for table in self.tables if table.rows)
        notes = "".join(f"<div><small>{_coded(note)}</small></div>" for note in self.notes)
        title = f"<strong>{html.escape(self.title)}</strong>"
        return f'<div class="jp-Costmeter-page">{title}{heads}{tables}{self._drawn()}{notes}</div>'

    def _drawn(self) -> str:
        """What is drawn below the tables, as HTML."""
        return ""

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        width = screen.width(sys.stdout)  # a notebook keeps the text, whatever colours its server is told to have
        printer.text(self.text() if width is None else self.shown(sys.stdout, width))

    def __repr__(self) -> str:
        return self.text()


def _coded(text: str) -> str:
    """Escaped, with what stands between backticks set as code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", html.escape(text))


#: More lines to show below a figure, by its name.
Inside = Mapping[str, Sequence[Sequence[str]]]


def summary_page(title: str, summary: Summary, inside: Inside | None = None) -> Page:
    """The totals of a scope, with how they are known and where they went."""
    if not summary.cells and not summary.buckets:
        return Page(title, notes=["Nothing was metered yet."])
    failed = f", {summary.failed} of them failed" if summary.failed else ""
    many = f" in {summary.sessions} sessions" if summary.sessions > 1 else ""
    time_s = quantity(summary.wall_s if summary.cells else None, "s")
    head = f"{title}: {counted(summary.cells)}{many}, {time_s}{failed}"
    of = "cell" if all(b.bucket == "cell" for b in summary.buckets) else "record"
    return Page(head, [totals_table(summary, inside)], list(notes(summary.totals, of)), used_of_held(summary))


def flops_page(summary: Summary, counters: Iterable[Status]) -> Page:
    """The FLOPs so far, and what counts them."""
    flops = summary.total("flops")
    head = "This session's FLOPs: " + (
        " ".join([total_text(flops), *breakdown.precision(summary.totals)]) if flops else "none"
    )
    rows = [["✓" if s.ok else "✗", s.name, s.message, s.remedy or ""] for s in counters]
    tables = [Table(TOTAL_COLUMNS, list(_flops_lines(summary)), frozenset({"value", "±"}))]
    more = "%cost flops audit: the next cell's operators one by one; %cost flops jax: count JAX, too"
    return Page(head, [*tables, Table(["", "counter", "what it says", "what to do"], rows)],
                [*notes([flops] if flops else [], "record"), f"{more}."])  # fmt: skip


def _flops_lines(summary: Summary) -> Iterator[list[str]]:
    for total in summary.totals:
        if total.name == "flops":
            yield line(NAMES["flops"], total)
            yield from _parts(total, summary)


def counted(count: int, of: str = "cell") -> str:
    """``1 cell``, ``2 cells``."""
    return f"1 {of}" if count == 1 else f"{count} {of}s"


def used_of_held(summary: Summary) -> list[str]:
    """``GPU held 1.00 GPU-h, used 0.31 (31 %, measured)``; nothing where no GPU was held."""
    found = breakdown.utilisation(summary)
    if found is None:
        return []
    used_s = found.busy.value if found.busy and found.share is not None else None
    held, used = gpu_times(found.held.value or 0.0, used_s)
    head = f"GPU held {mark(found.held)}{held}"
    if found.busy is None or found.share is None:
        reasons = [*(found.busy.reasons if found.busy else ()), *found.held.reasons]
        why = f" ({'; '.join(reasons)})" if reasons else ""
        return [f"{head}; how much of it was used is not known{why}"]
    bound = f"{found.bound} " if found.bound else ""
    return [f"{head}, used {mark(found.busy)}{used} ({bound}{percent(found.share)}, {found.method})"]


TOTAL_COLUMNS = ("figure", "value", "±", "how", "source")
#: A line that belongs to the one above it.
PART = "· "
DEVICES: dict[str, Literal["cpu", "gpu"]] = {"cpu_energy_j": "cpu", "gpu_energy_j": "gpu"}
#: Parts of other figures, which are shown below those.
INSIDE = ("cpu_idle_energy_j", "gpu_idle_energy_j", "gpu_device_energy_j", *COUNTED, *LEADING)


def totals_table(summary: Summary, inside: Inside | None = None) -> Table:
    """One line for each figure: value, half-width, method, source; below it where it went.

    ``inside`` has more lines to show below a figure, by its name.
    """
    rows: list[Sequence[str]] = []
    for total in summary.totals:
        if total.name not in INSIDE:
            rows += [line(NAMES[total.name], total), *_parts(total, summary), *(inside or {}).get(total.name, ())]
    return Table(TOTAL_COLUMNS, rows, frozenset({"value", "±"}))


def line(name: str, total: Total, bound: str = "") -> list[str]:
    """A total's line of ``TOTAL_COLUMNS``."""
    value = f"{bound} {total_text(total)}" if bound else total_text(total)
    source = "; ".join(total.sources or total.reasons)
    return [name, value, uncertainty(total), total.method or "not measured", source]


def _parts(total: Total, summary: Summary) -> Iterator[list[str]]:
    """Where a figure went, and what idling took of it."""
    if total.name in ("energy_j", "gpu_reserved_s", "gpu_busy_s", "flops"):
        for bucket, part in breakdown.by_bucket(summary, total.name):
            shown = line(PART + BUCKETS[bucket], part)
            yield [*shown[:-1], "" if part.sources else shown[-1]]
    if total.name == "flops":
        for part in breakdown.precisions(summary.totals):
            yield line(f"{PART}{NAMES[part.name]}", part)
    whole = summary.total("gpu_device_energy_j") if total.name == "gpu_energy_j" else None
    if whole is not None and (whole.value or 0.0) >= (total.value or 0.0):  # else it was shared for a part only
        yield line(f"{PART}whole device", whole)
    found = breakdown.above_idle(summary, DEVICES[total.name]) if total.name in DEVICES else None
    if found is not None:
        yield line(f"{PART}above idle", found.total, found.bound)


def notes(totals: Iterable[Total], of: str = "cell") -> Iterator[str]:
    """What a reader must know about these totals, which are ``of`` cells or of other records, too."""
    for total in totals:
        if total.name == "flops" and total.incomplete:
            what = "a lower bound" if total.value is not None else "none were counted"
            yield f"FLOPs: {what}. Not counted: {'; '.join(total.reasons)}."
        elif total.incomplete and total.value is not None and total.name not in ("energy_j", *INSIDE):
            why = "; ".join(total.reasons)
            yield f"{NAMES[total.name]}: a lower bound, missing in {counted(total.missing, of)} ({why})."
        if total.name == "energy_j" and total.measured_share is not None and total.measured_share < 1:
            percent = int(100 * total.measured_share)  # not rounded up: 99.9 % is not all of it
            measured = f"{percent} % of the energy was measured, the rest is an estimate."
            yield measured if percent else f"The energy is {total.method}, not measured."


def cell_page(record: CellRecord, rates: Rates | None = None, inside: Inside | None = None) -> Page:
    """All that is known of one cell's run."""
    ended = f", {record.outcome}" if record.outcome != "ok" else ""
    ended += f" ({record.error_type})" if record.error_type else ""
    totals = accounting.cell_totals(record.usage)
    summary = Summary(1, 0, 1, record.wall_s, totals)
    more: dict[str, Sequence[Sequence[str]]] = {**(inside or {}), "gpu_energy_j": list(_shares(record))}
    more["flops"] = list(speed.lines(rates)) if rates else []
    title = f"{called(record)}: {quantity(record.wall_s, 's')}{ended}"
    heads = [*_said(record), *speed.headline(totals, rates), *used_of_held(summary)]
    return Page(title, [totals_table(summary, more)], list(notes(totals)), heads)


def _said(record: CellRecord) -> Iterator[str]:
    """What it is said to be, and whether it counts as that."""
    said = tagged(record.tags)
    if words := in_words(said):
        failed = said.category and category_of(record.outcome, said) != said.category
        yield f"Tagged {words}{'; it did not end well, so it counts as failed' if failed else ''}."


def _shares(record: CellRecord) -> Iterator[list[str]]:
    """This kernel's part of each GPU that others use too, or may use, and how it was told."""
    shares = [f for f in record.usage.figures if f.name == "gpu_share" and not f.provenance.absent]
    for figure in shares:
        alone = figure.value == 1.0 and record.usage.figure("gpu_device_energy_j", figure.device) is None
        if not alone:
            yield _share(figure, f" of {short(figure.device)}" if len(shares) > 1 and figure.device else "")


def _share(figure: Figure, of: str) -> list[str]:
    wide = half_width(figure.uncertainty) if figure.value and figure.uncertainty is not None else ""
    value, how = quantity(figure.value, figure.unit), figure.method or "not measured"
    why = figure.source if figure.value is not None else figure.reason
    return [f"{PART}this kernel's share{of}", value, wide, how, why or ""]


def short(device: str) -> str:
    """``GPU-4f2a81c0`` of a longer UUID."""
    return device[:12].rstrip("-")


def called(record: CellRecord) -> str:
    """A cell's label, else its prompt; a block's label, else what its trial tried; between cells, what was before."""
    if record.bucket == "remote":
        return f"elsewhere, for {_prompt(record)}"
    if record.bucket != "cell":
        return f"{BUCKETS[record.bucket]}, after run {record.seq}" if record.seq else BUCKETS[record.bucket]
    if record.label:
        return record.label
    return _prompt(record)


def _prompt(record: CellRecord) -> str:
    return f"In [{record.execution_count}]" if record.execution_count is not None else _block(record)


def _block(record: CellRecord) -> str:
    """``trial lr=0.1``, ``trial seed-3``, of what is no trial ``block 15``."""
    said = tagged(record.tags)
    name = said.run or shortly({key: one for key, one in said.params.items() if not says_how(key, one)})
    if name or said.scores:
        return f"trial {name or record.seq}"
    return f"block {record.seq}"


CELL_COLUMNS = ("cell", "started", "time", "CPU time", "energy", "CO2e", "FLOPs", "peak memory", "outcome")
#: The emissions of records by their ids, as far as they are known.
Emissions = Mapping[str, Total | None]


def cells_page(
    title: str, records: Sequence[CellRecord], notebooks: bool = False, emissions: Emissions | None = None
) -> Page:
    """One line a cell, with its notebook if asked. Windows inside another are marked ↳."""
    if not records:
        return Page(title, notes=["Nothing was metered yet."])
    right = frozenset({"time", "CPU time", "energy", "CO2e", "FLOPs", "peak memory"})
    columns: Sequence[str] = CELL_COLUMNS
    lines = [cell_line(r, (emissions or {}).get(r.id)) for r in records]
    if any(record.tags for record in records):
        columns = (*columns, "category")
        lines = [[*line, category] for line, category in zip(lines, categories(records), strict=True)]
    if notebooks:
        names = notebook_names(r.notebook for r in records)
        columns = (*columns, "notebook")
        lines = [[*line, names.get(r.notebook or "", "—")] for line, r in zip(lines, records, strict=True)]
    return Page(title, [Table(columns, lines, right, FAILED)])


def categories(records: Sequence[CellRecord]) -> list[str]:
    """What each counts as; one inside another that is there as that one, unless it is something itself."""
    said = Said(records)
    return [category_of(record.outcome, said.of(record.id)) or "" for record in records]


def notebook_names(paths: Iterable[str | None]) -> dict[str, str]:
    """Notebooks by their file names; with the folder where two have the same."""
    known = {path for path in paths if path}
    files = [os.path.basename(path) for path in known]
    return {p: n if files.count(n := os.path.basename(p)) == 1 else os.path.join(*p.split(os.sep)[-2:]) for p in known}


def cell_line(record: CellRecord, emissions: Total | None = None) -> list[str]:
    """One run, for ``CELL_COLUMNS``."""
    names = ("cpu_s", "energy_j", "emissions_g", "flops", "peak_rss_bytes")
    totals = {t.name: t for t in accounting.cell_totals(record.usage, names)}
    totals |= {"emissions_g": emissions} if emissions is not None else {}
    figures = [total_text(totals[n]) if n in totals else "—" for n in names]
    started = time.strftime("%Y-%m-%d %H:%M", time.localtime(record.started_at))
    inner = "↳ " if record.parent_id else ""
    return [inner + called(record), started, quantity(record.wall_s, "s"), *figures, MARKS[record.outcome]]


def doctor_page(statuses: Iterable[Status], cost: Sequence[str] = ()) -> Page:
    """Each part of the tool: ready (✓), not here (–), or why not and what to do (✗)."""
    rows = [["✓" if s.ok else "✗" if s.remedy else "–", s.name, s.message, s.remedy or ""] for s in statuses]
    return Page(
        "jupyter_costmeter's parts", [Table(["", "part", "what it says", "what to do"], rows, tones=FAILED)], cost
    )
