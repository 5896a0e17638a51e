"""YAML: the statement's figures and the forms as a mapping."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import IO, Any

from ..form_pages import dumped
from ..statement import Document, Form, Grid, Item
from ..statement_rows import Range, Row, figure_rows


class YamlStatement:
    suffix = "yaml"
    media_type = "application/yaml"

    def write(self, out: IO[str], document: Document) -> None:
        out.write(dumped(_body(document)))


def _body(document: Document) -> dict[str, Any]:
    figures = {row.key: _figure(row) for row in figure_rows(document.statement)}
    return {"statement": figures, "forms": {form.name: _form(form) for form in document.forms}}


def _figure(row: Row) -> dict[str, Any]:
    known = {"from": row.value.low, "to": row.value.high} if isinstance(row.value, Range) else {"value": row.value}
    return {**known, "how": row.how} if row.how else known


def _form(form: Form) -> dict[str, Any]:
    body: dict[str, Any] = {"title": form.title, "source": form.source, "items": _items(form.items)}
    if form.text:
        body["text"] = form.text
    if form.tables:
        body["tables"] = [_table(one) for one in form.tables]
    if form.native is not None:
        body["native"] = form.native
    return body


def _items(items: Iterable[Item]) -> dict[str, Mapping[str, Any]]:
    """By their keys; a key that comes again is numbered."""
    found: dict[str, Mapping[str, Any]] = {}
    for item in items:
        key, again = item.key, 2
        while key in found:
            key, again = f"{item.key} ({again})", again + 1
        found[key] = {"asks": item.asks, "answer": item.answer, "how": item.how, "todo": item.todo}
    return found


def _table(grid: Grid) -> dict[str, Any]:
    return {"title": grid.title, "columns": grid.columns, "rows": grid.rows}
