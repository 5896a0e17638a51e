"""HTML: one file that holds all it needs. The figures are there without any script; charts are drawn by BokehJS."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import IO

from .. import chart_html, statement_charts
from ..form_pages import CODE, LINK, TODO, Section
from ..pages import SHORT
from ..statement import Document, Grid
from ..statement_pages import FIRST_SECTION, sections
from ..tables import printable

#: For both themes, for paper, and for small screens: only the tables scroll, with a shade at the edge behind which
#: there is more. A chart's text can be read on white and on black: a page that is dark is printed as it was drawn.
STYLE = """<style>
body{max-width:1160px} p,li{max-width:62em} h1{font-size:1.6em}
h2{margin-top:2em;border-bottom:1px solid #8886} h3{font-size:1em}
.scroll{overflow-x:auto;background:linear-gradient(to right,Canvas 40%,#0000) 0 0/3em 100% no-repeat local,
linear-gradient(to left,Canvas 40%,#0000) 100% 0/3em 100% no-repeat local,
linear-gradient(to right,#8889,#0000) 0 0/1em 100% no-repeat scroll,
linear-gradient(to left,#8889,#0000) 100% 0/1em 100% no-repeat scroll}
table{border-collapse:collapse;font-size:.9em;margin:.5em 0 1.2em}
th{text-align:left;border-bottom:2px solid #8888} td,th{padding:.25em .6em;vertical-align:top}
.right{text-align:right} .right,.short,caption{white-space:nowrap} caption{text-align:left;font-weight:600}
.chart{color:#7d7d7d;break-inside:avoid;margin:.5em 0}
mark{background:#f6c945;color:#000;padding:0 .2em} pre{overflow-x:auto;border:1px solid #8886;padding:.8em}
.paste{border-left:3px solid #8888;padding-left:1em} .source{opacity:.75;font-size:.9em;overflow-wrap:anywhere}
td{overflow-wrap:break-word;max-width:24em}
@media print{:root{color-scheme:light} body{max-width:none;margin:0;font-size:10px}
.scroll{overflow:visible;background:none} td,th{padding:.2em .4em}
.right,.short{white-space:normal}
h2{break-after:avoid} tr{break-inside:avoid} td{max-width:16em} thead{display:table-header-group}}
</style>"""
CHARTS = "The charts are drawn by a script; the tables have all figures."


class HtmlStatement:
    suffix = "html"
    media_type = "text/html"

    def write(self, out: IO[str], document: Document) -> None:
        title, items = printable(document.statement.title), statement_charts.items(document.statement)
        parts = [STYLE, f"<h1>{_text(title)}</h1>"]
        for section in sections(document):
            parts += _section(section)
            if section.title == FIRST_SECTION:
                parts += (f'<div class="chart">{chart_html.fragment(item, CHARTS)}</div>' for item in items)
        out.write(chart_html.whole(title, "\n".join(parts), bool(items)))


def _section(section: Section) -> Iterator[str]:
    yield f"<section><h2>{_text(section.title)}</h2>"
    if section.source:
        yield f'<p class="source">Source: {_linked(section.source)}</p>'
    yield from (f"<p>{_text(line)}</p>" for line in section.lines)
    yield from (_table(grid) for grid in section.grids if grid.rows)
    if section.todos:
        yield "<h3>Left to you</h3><ul>"
        yield from (f"<li>{_text(f'{TODO} {todo}')}</li>" for todo in section.todos)
        yield "</ul>"
    if section.text:
        yield '<h3>To paste</h3><div class="paste">'
        yield from (f"<p>{_text(line)}</p>" for line in section.text.splitlines() if line.strip())
        yield "</div>"
    if section.code:
        yield f"<h3>To paste, {_text(section.language)}</h3><pre>{html.escape(_lines(section.code))}</pre>"
    yield "</section>"


def _lines(code: str) -> str:
    return "\n".join(map(printable, code.split("\n")))


def _table(grid: Grid) -> str:
    head = "".join(_cell("th", column, column, grid) for column in grid.columns)
    rows = ("".join(_cell("td", *each, grid) for each in zip(row, grid.columns, strict=True)) for row in grid.rows)
    body = "\n".join(f"<tr>{row}</tr>" for row in rows)
    caption = f"<caption>{_text(grid.title)}</caption>" if grid.title else ""
    return f'<div class="scroll"><table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(tag: str, text: str, column: str, grid: Grid) -> str:
    kind = ' class="right"' if column in grid.right else ' class="short"' if len(text) <= SHORT else ""
    return f"<{tag}{kind}>{_text(text)}</{tag}>"


def _text(text: str) -> str:
    """A text that reads as it is; ``TODO`` stands out."""
    marked = re.sub(rf"\b{TODO}\b", f"<mark>{TODO}</mark>", html.escape(printable(text)))
    return CODE.sub(r"<code>\1</code>", marked)


def _linked(source: str) -> str:
    """With its addresses as links."""
    parts = (_text(part) for part in LINK.split(source))
    return "".join(f'<a href="{part}" rel="noreferrer">{part}</a>' if i % 2 else part for i, part in enumerate(parts))
