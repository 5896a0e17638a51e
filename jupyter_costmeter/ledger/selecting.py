"""Which rows are selected, and rows of ``cell`` as records with their figures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from ..record import CellRecord, Figure
from . import Selection, rollup, rows, tags
from .schema import cell, figure, tally

Where = list[sa.ColumnElement[bool]]


def where(table: sa.Table, selection: Selection) -> Where:
    """The selected rows of ``cell``, or the tallies that count them."""
    found: Where = []
    if selection.scope == "project":
        found.append(_in_folder(table.c.project, selection.key or ""))
    elif selection.scope != "all":
        column = {"session": table.c.session_id, "notebook": table.c.notebook}[selection.scope]
        found.append(column == selection.key)
    if selection.label is not None or table is tally:
        found.append(table.c.label == selection.label)
    return found


def cells(selection: Selection) -> Where:
    """The selected rows of ``cell``, so that an index of one project after the other is read in the order of time."""
    if selection.scope != "project":
        return where(cell, selection)
    inside = sa.select(tally.c.project).where(*where(tally, Selection("project", selection.key))).distinct()
    return [cell.c.project.in_(inside), *where(cell, Selection("all", label=selection.label))]


def _in_folder(column: sa.ColumnElement[Any], folder: str) -> sa.ColumnElement[bool]:
    """A project counts what lies in it, projects inside it too: a range, which an index can find."""
    inside = folder.rstrip(os.sep) + os.sep
    beyond = inside[:-1] + chr(ord(os.sep) + 1)
    return sa.and_(column >= min(folder, inside), column < beyond, sa.or_(column == folder, column >= inside))


def fetched(connection: sa.Connection, found: Sequence[sa.Row[Any]]) -> list[CellRecord]:
    """Rows of ``cell`` as records, with their figures and tags."""
    ids = [row.id for row in found]
    figures, said = _figures(connection, ids), tags.of(connection, ids)
    return [rows.cell_of(row._mapping, tuple(figures.get(row.id, ())), said.get(row.id, ())) for row in found]


def _figures(connection: sa.Connection, ids: list[str]) -> dict[str, list[Figure]]:
    found: dict[str, list[Figure]] = {}
    stored = connection.execute(sa.select(figure).where(figure.c.cell_id.in_(ids))).all() if ids else ()
    origins = rollup.origins_of(connection, {row.provenance_id for row in stored})
    for row in stored:
        one = Figure(row.name, row.value, origins[row.provenance_id], row.device or None)
        found.setdefault(row.cell_id, []).append(one)
    return found
