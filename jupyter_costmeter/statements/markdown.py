"""Markdown: headline figures, tables, then each form. What a text holds is a text: no markup, no link, no HTML."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import IO

from .. import markup
from ..form_pages import TODO, Section
from ..statement import Document, Grid
from ..statement_pages import sections

FENCE = re.compile("`{3,}")


class MarkdownStatement:
    suffix = "md"
    media_type = "text/markdown"

    def write(self, out: IO[str], document: Document) -> None:
        out.write(f"# {escaped(document.statement.title)}\n\n")
        for section in sections(document):
            out.writelines(_section(section))


def _section(section: Section) -> Iterator[str]:
    yield f"## {escaped(section.title)}\n\n"
    for line in section.lines:
        yield f"{escaped(line)}\n\n"
    for grid in section.grids:
        if grid.rows:
            yield f"**{escaped(grid.title)}**\n\n" if grid.title else ""
            yield from _table(grid)
    yield from _left(section.todos)
    if section.text:
        yield "### To paste\n\n"
        yield from (f"{escaped(line)}\n" for line in section.text.splitlines())
        yield "\n"
    if section.code:
        fence = "`" * max([3, *(len(run) + 1 for run in FENCE.findall(section.code))])
        yield f"{fence}{section.language}\n{section.code}{fence}\n\n"


def _left(todos: Sequence[str]) -> Iterator[str]:
    if todos:
        yield "### Left to you\n\n"
        yield from (f"- [ ] {TODO} {escaped(todo)}\n" for todo in todos)
        yield "\n"


def _table(grid: Grid) -> Iterator[str]:
    """Row by row."""
    yield f"| {' | '.join(map(escaped, grid.columns))} |\n"
    yield f"|{'|'.join(' ---: ' if column in grid.right else ' --- ' for column in grid.columns)}|\n"
    for row in grid.rows:
        yield f"| {' | '.join(map(escaped, row))} |\n"
    yield "\n"


def escaped(text: str) -> str:
    """A text on one line that reads as it is, whatever it holds; ``TODO`` stands out."""
    return re.sub(rf"\b{TODO}\b", f"**{TODO}**", markup.escaped(text))
