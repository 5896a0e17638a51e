"""Markdown: headline figures, tables, then each form. What a text holds is a text: no markup, no link, no HTML."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import IO

from .. import markup
from ..form_pages import CODE, LINK, TODO, Section
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
    if section.source:
        yield f"Source: {_linked(section.source)}\n\n"
    for line in section.lines:
        yield f"{coded(line)}\n\n"
    for grid in section.grids:
        if grid.rows:
            yield f"**{escaped(grid.title)}**\n\n" if grid.title else ""
            yield from _table(grid)
    yield from _left(section.todos)
    if section.text:
        yield "### To paste\n\n"
        yield from (f"{coded(line)}\n" for line in section.text.splitlines())
        yield "\n"
    if section.code:
        fence = "`" * max([3, *(len(run) + 1 for run in FENCE.findall(section.code))])
        yield f"{fence}{section.language}\n{section.code}{fence}\n\n"


def _left(todos: Sequence[str]) -> Iterator[str]:
    if todos:
        yield "### Left to you\n\n"
        yield from (f"- [ ] {TODO} {coded(todo)}\n" for todo in todos)
        yield "\n"


def _table(grid: Grid) -> Iterator[str]:
    """Row by row."""
    yield f"| {' | '.join(map(escaped, grid.columns))} |\n"
    yield f"|{'|'.join(' ---: ' if column in grid.right else ' --- ' for column in grid.columns)}|\n"
    for row in grid.rows:
        yield f"| {' | '.join(map(escaped, row))} |\n"
    yield "\n"


def coded(text: str) -> str:
    """With the commands in it as code."""
    parts = CODE.split(text)
    if len(parts) == 1:
        return escaped(text)
    return "".join(f"`{part}`" if i % 2 else _piece(part) for i, part in enumerate(parts))


def _piece(text: str) -> str:
    """What stands beside code, with the blanks at its ends."""
    ends = (" " if text[:1].isspace() else "", " " if text[-1:].isspace() else "")
    return f"{ends[0]}{escaped(text)}{ends[1]}" if text.strip() else ends[0]


def _linked(source: str) -> str:
    """With its addresses as links."""
    return "".join(f"<{part}>" if i % 2 else _piece(part) for i, part in enumerate(LINK.split(source)))


def escaped(text: str) -> str:
    """A text on one line that reads as it is, whatever it holds; ``TODO`` stands out."""
    return re.sub(rf"\b{TODO}\b", f"**{TODO}**", markup.escaped(text))
