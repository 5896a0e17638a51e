"""Which rows are selected, and rows of ``cell`` as records with their figures."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import chain, groupby
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

from ..record import FACTS, CellRecord, Figure, Stored
from . import DEPTH, Selection, file, rollup, rows, tags
from .schema import cell, figure, tally

Where = list[sa.ColumnElement[bool]]
FIGURES = file.compiled(sa.select(*(figure.c[n] for n in ("cell_id", "name", "device", "value", "provenance_id"))))
#: Of a record without figures.
NONE: tuple[tuple[()], ...] = ((),) * 5


def where(table: sa.Table, selection: Selection) -> Where:
    """The selected rows of ``cell``, or the tallies that count them."""
    found: Where = []
    if selection.scope == "project":
        found.append(_in_folder(table.c.project, selection.key or ""))
    elif selection.scope == "called":
        found.append(_called(table.c.project, selection.key or ""))
    elif selection.scope != "all":
        column = {"session": table.c.session_id, "notebook": table.c.notebook}[selection.scope]
        found.append(column == selection.key)
    if selection.label is not None or table is tally:
        found.append(table.c.label == selection.label)
    return found


def cells(selection: Selection) -> Where:
    """The selected rows of ``cell``, so that an index of one project after the other is read in the order of time."""
    if selection.scope not in ("project", "called"):
        return where(cell, selection)
    inside = sa.select(tally.c.project).where(*where(tally, Selection(selection.scope, selection.key))).distinct()
    return [cell.c.project.in_(inside), *where(cell, Selection("all", label=selection.label))]


def inside(selection: Selection) -> Where:
    """For rows of ``cell``: those with the label, and what lies inside of those, whatever it is called."""
    if selection.label is None:
        return []
    return [sa.or_(cell.c.label == selection.label, _in_labelled(cell, selection.label, DEPTH))]


def _in_labelled(inner: Any, label: str, depth: int) -> sa.ColumnElement[bool]:
    outer = cell.alias()
    labelled = outer.c.label == label
    further = sa.or_(labelled, _in_labelled(outer, label, depth - 1)) if depth > 1 else labelled
    return sa.exists().where(outer.c.id == inner.c.parent_id, further)


def _in_folder(column: sa.ColumnElement[Any], folder: str) -> sa.ColumnElement[bool]:
    """A project counts what lies in it, projects inside it too: a range, which an index can find."""
    inside = folder.rstrip(os.sep) + os.sep
    beyond = inside[:-1] + chr(ord(os.sep) + 1)
    return sa.and_(column >= min(folder, inside), column < beyond, sa.or_(column == folder, column >= inside))


def _called(column: sa.ColumnElement[Any], name: str) -> sa.ColumnElement[bool]:
    """Projects whose folder has that name, as ``budget.called`` has it; case counts, so no LIKE."""
    ends = (sa.func.substr(column, -len(name) - 1) == f"{separator}{name}" for separator in "/\\")
    return sa.or_(column == name, *ends)


def fetched(connection: sa.Connection, found: Sequence[sa.Row[Any]]) -> list[CellRecord]:
    """Rows of ``cell`` as records, with their figures and tags."""
    return list(each(connection, found))


def each(connection: sa.Connection, found: Sequence[sa.Row[Any]]) -> Iterator[CellRecord]:
    """The same, each made when it is asked for: what lives short costs less, and a long export has many."""
    if not found:
        return iter(())
    take = rows.taker(found[0]._fields)
    ids = [row.id for row in found]
    figures, said = _figures(connection, ids), tags.of(connection, ids)
    origins = rollup.origins_of(connection, {row[-1] for stored in figures.values() for row in stored})

    def made(stored: list[tuple[Any, ...]]) -> tuple[Figure, ...]:
        return tuple([Figure(name, value, origins[o], device or None) for _, name, device, value, o in stored])

    return (take(row, made(figures.pop(key)), said.get(key, ())) for key, row in zip(ids, found, strict=True))


def stored(connection: sa.Connection, found: Sequence[sa.Row[Any]]) -> Iterator[Stored]:
    """The same without an object for each figure, in two thirds of the time."""
    if not found:
        return iter(())
    columns, ids = found[0]._fields, [row.id for row in found]
    facts, start, wall = itemgetter(*map(columns.index, FACTS)), columns.index("started_at"), columns.index("wall_s")
    said, by_record = tags.of(connection, ids), groupby(_rows(connection, ids), itemgetter(0))
    figures = {key: tuple(zip(*of_it, strict=True)) for key, of_it in by_record}
    origins = rollup.origins_of(connection, set(chain.from_iterable([turned[-1] for turned in figures.values()])))

    def made(row: sa.Row[Any], key: str) -> Stored:
        _, names, devices, values, keys = figures.pop(key, NONE)
        return Stored(facts(row), row[start], row[wall], said.get(key, ()), (names, devices, keys), values, origins)

    return (made(row, key) for key, row in zip(ids, found, strict=True))


def _figures(connection: sa.Connection, ids: list[str]) -> dict[str, list[tuple[Any, ...]]]:
    """The figures' rows by record."""
    found: dict[str, list[tuple[Any, ...]]] = {record_id: [] for record_id in ids}
    for row in _rows(connection, ids):
        found[row[0]].append(row)
    return found


def _rows(connection: sa.Connection, ids: list[str]) -> Iterator[tuple[Any, ...]]:
    """The driver's own, record by record: there are ten of each, and SQLAlchemy's would take thrice as long."""
    return file.among(connection, f"{FIGURES} WHERE cell_id", ids, "ORDER BY cell_id, name, device")
