"""Markdown: the totals with how they are known, then one line a record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import IO

from .. import cost_pages, pages
from ..derived import Content
from ..format import in_words
from ..markup import escaped
from ..record import CellRecord, SessionInfo
from ..tag import tagged


class MarkdownExporter:
    suffix = "md"
    media_type = "text/markdown"

    def write(self, out: IO[str], content: Content) -> None:
        page = pages.summary_page(content.title, content.summary, {"energy_j": cost_pages.rows(content.costs)})
        out.write(f"# {escaped(page.title)}\n\n")
        for line in page.headlines:
            out.write(f"{escaped(line)}\n\n")
        for table in page.tables:
            _table(out, table.columns, table.rows)
        for note in (*page.notes, *cost_pages.notes(content.costs, content.problems)):
            out.write(f"{escaped(note)}\n\n")
        if content.costs is not None and content.costs.footprint.applied:
            out.write("## Factors\n\n")
            for table in cost_pages.factors_page("", content.costs).tables:
                _table(out, table.columns, table.rows)
        for info in content.sessions:
            out.write(f"- {escaped(_machine(info))}\n")
        out.write("\n## Cells\n\n")
        names = pages.notebook_names(info.notebook for info in content.sessions)
        several = ("notebook",) if len(names) > 1 else ()
        lines = (_line(r, content, names, several) for r in content.cells())
        _table(out, (*pages.CELL_COLUMNS, "bucket", "tagged", *several), lines)


def _line(record: CellRecord, content: Content, names: dict[str, str], several: Sequence[str]) -> list[str]:
    costs = content.costs_of(record)
    emissions = costs.footprint.total("emissions_g") if costs else None
    notebook = [names.get(record.notebook or "", record.notebook or "—")] if several else []
    said = in_words(tagged(record.tags)) if record.tags else ""
    return [*pages.cell_line(record, emissions), record.bucket, said, *notebook]


def _table(out: IO[str], columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Row by row, since there may be a million."""
    out.write(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}\n")
    for row in rows:
        out.write(f"| {' | '.join(map(escaped, row))} |\n")
    out.write("\n")


def _machine(info: SessionInfo) -> str:
    facts = info.environment
    cpu, cpus, python = (facts.get(name, "unknown") for name in ("cpu", "cpus", "python"))
    return f"session {info.id[:8]} on {cpu}, {cpus} CPUs, Python {python}"
