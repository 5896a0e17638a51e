"""Append to the ledger's file and read from it."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from .. import accounting, place
from ..accounting import Part
from ..errors import LedgerTooNew
from ..record import ENERGY, HIGHEST, CellRecord, Figure, SessionInfo, Summary
from ..version import __version__
from . import Selection, file, rows, schema
from .schema import cell, figure, open_window, provenance, session

#: Rows fetched at a time, so that an export of any length needs constant memory.
PAGE = 500
#: Seconds by which one process's start may seem to differ (a wall clock, where there is no better).
SAME_S = 2.0 if not os.path.exists("/proc/self/stat") else 0.02
# Built once: SQLAlchemy keeps what it compiled of them.
ADD_SESSION = insert(session).on_conflict_do_nothing()
ADD_PROVENANCE = insert(provenance).on_conflict_do_nothing()
ADD_CELL = insert(cell).on_conflict_do_nothing()
ADD_FIGURE = insert(figure).on_conflict_do_nothing()
END_JOURNAL = open_window.delete().where(open_window.c.id == sa.bindparam("ended"))


class Ledger:
    """One ledger file: append-only but for the journal of open windows.

    Raises (every method):
        LedgerUnwritable: the file cannot be written (read-only, full disk).
        LedgerTooNew: it was written by a later version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.moved: str | None = None  # where a corrupt file was put aside
        self._engine: sa.Engine | None = None
        self.note: str | None = None  # what a reader of the ledger should know
        self._identity: tuple[int, int] | None = None
        self._ready = False
        self._known: set[str] = set()  # provenances and sessions that are in the file

    # Opening

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with self._guarded(), self._open().execution_options(writing=True).begin() as connection:
            if self._ready:
                self._refuse_newer(_latest(connection))  # another process may have migrated it
            else:
                self._migrate(connection)
            yield connection
        self._ready = True  # only now is it committed

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sa.Connection | None]:
        """``None`` where there is no file yet: reading makes none."""
        if not os.path.exists(self.path):
            yield None
            return
        with self._guarded(), self._open().connect() as connection:
            if not self._ready:
                newest = _newest(connection)
                self._refuse_newer(newest)
                if not newest:  # begun by a process that has not finished
                    yield None
                    return
            yield connection

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.DatabaseError as error:
            if not file.is_corrupt(error):
                raise file.unwritable(self.path, error) from error
            self.moved = self._put_aside() or self.moved
            raise file.Corrupt(self.path, self.moved) from error
        except OSError as error:
            raise file.unwritable(self.path, error) from error

    def _open(self) -> sa.Engine:
        """The engine; a new one where the file is another than the one that was opened (deleted, moved aside)."""
        if self._engine is not None and file.identity(self.path) != self._identity:
            self.note = f"{self.path} was moved or deleted while it was in use, and a new ledger was begun"
            self.close()
        if self._engine is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._engine = file.engine(self.path)
            with self._engine.connect():
                self._identity = file.identity(self.path)  # it is there now
        return self._engine

    def close(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
        self._engine, self._ready = None, False
        self._known.clear()

    def _put_aside(self) -> str | None:
        self.close()
        return file.put_aside(self.path)

    def _refuse_newer(self, newest: tuple[int, str] | None) -> None:
        if newest and newest[0] > len(schema.MIGRATIONS):
            raise LedgerTooNew(
                f"{self.path} was written by jupyter_costmeter {newest[1]}; this is {__version__}. "
                f"Upgrade it: pip install -U 'jupyter_costmeter>={newest[1]}'"
            )

    def _migrate(self, connection: sa.Connection) -> None:
        newest = _newest(connection)
        self._refuse_newer(newest)
        schema.migration.create(connection, checkfirst=True)
        for number, (name, apply) in enumerate(schema.MIGRATIONS, 1):
            if newest is None or number > newest[0]:
                apply(connection)
                values = {"number": number, "name": name, "applied_at": time.time(), "version": __version__}
                connection.execute(schema.migration.insert(), [values])

    # Writing

    def append(self, info: SessionInfo, records: Iterable[CellRecord]) -> None:
        """Add the records of a session, each once however often it comes, and end their journal.

        A record of a cell that was taken for killed replaces that one.
        """
        found = list(records)
        with self._writing() as connection:
            new = self._add_origins(connection, info, found)
            if found:
                self._forget_killed(connection, found)
                connection.execute(ADD_CELL, [rows.cell_row(record) for record in found])
                connection.execute(END_JOURNAL, [{"ended": record.id} for record in found])
            figures = [row for record in found for row in rows.figure_rows(record)]
            if figures:
                connection.execute(ADD_FIGURE, figures)
        self._known |= new

    def _forget_killed(self, connection: sa.Connection, records: list[CellRecord]) -> None:
        ids = [record.id for record in records if record.outcome != "killed"]
        query = sa.select(cell.c.id).where(cell.c.id.in_(ids), cell.c.outcome == "killed")
        alive = [row.id for row in connection.execute(query)]
        if alive:
            connection.execute(figure.delete().where(figure.c.cell_id.in_(alive)))
            connection.execute(cell.delete().where(cell.c.id.in_(alive)))

    def _add_origins(self, connection: sa.Connection, info: SessionInfo, records: list[CellRecord]) -> set[str]:
        """What the records point to: the session, and provenances not seen before."""
        new: set[str] = set()
        if info.id not in self._known:
            connection.execute(ADD_SESSION, [rows.session_row(info)])
            new.add(info.id)
        origins = {rows.provenance_id(f.provenance): f.provenance for r in records for f in r.usage.figures}
        missing = [rows.provenance_row(o) for key, o in origins.items() if key not in self._known]
        if missing:
            connection.execute(ADD_PROVENANCE, missing)
        return new | set(origins)

    def journal(self, info: SessionInfo, records: Iterable[CellRecord]) -> None:
        """Note windows that are still open, so that ``kill -9`` loses at most what came since."""
        with self._writing() as connection:
            new = self._add_origins(connection, info, [])
            for record in records:
                body = {"session_id": info.id, "updated_at": time.time(), "record": rows.journal_text(record)}
                add = insert(open_window).values(id=record.id, **body)
                connection.execute(add.on_conflict_do_update(index_elements=["id"], set_=body))
        self._known |= new

    def close_orphans(self) -> int:
        """Turn the journal of processes that are gone into records with the outcome ``killed``."""
        orphans = self._orphans()
        for info, records in orphans:
            self.append(info, [r.closed_as("killed") for r in records])
        return sum(len(records) for _, records in orphans)

    def _orphans(self) -> list[tuple[SessionInfo, list[CellRecord]]]:
        found: dict[str, tuple[SessionInfo, list[CellRecord]]] = {}
        query = sa.select(session, open_window.c.record).join(open_window, open_window.c.session_id == session.c.id)
        with self._reading() as connection:
            for row in connection.execute(query).mappings() if connection else ():
                info = rows.session_of({k: v for k, v in row.items() if k != "record"})
                if not _runs(info):
                    found.setdefault(info.id, (info, []))[1].append(rows.journal_record(row["record"]))
        return list(found.values())

    # Reading

    def summary(self, selection: Selection) -> Summary:
        """The totals of the selected records; those inside another's window are in that one."""
        with self._reading() as connection:
            if connection is None:
                return Summary(0, 0, 0, 0.0, ())
            where = [*_where(selection), cell.c.parent_id.is_(None)]
            cells, failed, sessions, wall_s = connection.execute(
                sa.select(
                    sa.func.count(),
                    sa.func.count().filter(cell.c.outcome != "ok"),
                    sa.func.count(cell.c.session_id.distinct()),
                    sa.func.coalesce(sa.func.sum(cell.c.wall_s), 0.0),
                ).where(*where)
            ).one()
            return Summary(cells, failed, sessions, wall_s, accounting.totals(_parts(connection, where)))

    def sessions(self, selection: Selection) -> list[SessionInfo]:
        """The sessions that the selected records belong to, oldest first."""
        inside = sa.select(cell.c.session_id).where(*_where(selection))
        query = sa.select(session).where(session.c.id.in_(inside)).order_by(session.c.started_at)
        with self._reading() as connection:
            found = connection.execute(query).mappings().all() if connection else []
            return [rows.session_of(dict(row)) for row in found]

    def records(self, selection: Selection) -> Iterator[CellRecord]:
        """The selected records in the order of their start, a page at a time."""
        last: tuple[float, str] | None = None
        while page := self._page(selection, last):
            yield from page
            last = (page[-1].started_at, page[-1].id)

    def _page(self, selection: Selection, after: tuple[float, str] | None) -> list[CellRecord]:
        where = _where(selection)
        if after is not None:
            where.append(sa.tuple_(cell.c.started_at, cell.c.id) > sa.tuple_(*after))
        query = sa.select(cell).where(*where).order_by(cell.c.started_at, cell.c.id).limit(PAGE)
        return self._fetch(query)

    def dearest(self, selection: Selection, count: int) -> list[CellRecord]:
        """The cells that took the most energy (then time), dearest first; inner windows left out."""
        energy = (
            sa.select(sa.func.sum(figure.c.value))
            .where(figure.c.cell_id == cell.c.id, figure.c.name.in_(ENERGY))
            .scalar_subquery()
        )
        where = [*_where(selection), cell.c.parent_id.is_(None)]
        order = (energy.desc().nulls_last(), cell.c.wall_s.desc())
        return self._fetch(sa.select(cell).where(*where).order_by(*order).limit(count))

    def latest(self, selection: Selection, count: int) -> list[CellRecord]:
        """The newest records, oldest of them first."""
        order = (cell.c.started_at.desc(), cell.c.id.desc())
        return self._fetch(sa.select(cell).where(*_where(selection)).order_by(*order).limit(count))[::-1]

    def _fetch(self, query: sa.Select[Any]) -> list[CellRecord]:
        with self._reading() as connection:
            if connection is None:
                return []
            found = connection.execute(query).mappings().all()
            figures = _figures(connection, [row["id"] for row in found])
            return [rows.cell_of(dict(row), tuple(figures.get(row["id"], ()))) for row in found]


def _newest(connection: sa.Connection) -> tuple[int, str] | None:
    """Number and writer of the newest migration, ``None`` for an empty file."""
    if not sa.inspect(connection).has_table("migration"):
        return None
    return _latest(connection)


def _latest(connection: sa.Connection) -> tuple[int, str] | None:
    table = schema.migration
    row = connection.execute(
        sa.select(table.c.number, table.c.version).order_by(table.c.number.desc()).limit(1)
    ).one_or_none()
    return (row[0], row[1]) if row else None


def _where(selection: Selection) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if selection.scope == "project":
        found.append(_in_folder(cell.c.project, selection.key or ""))
    elif selection.scope != "all":
        column = {"session": cell.c.session_id, "notebook": cell.c.notebook}[selection.scope]
        found.append(column == selection.key)
    if selection.label is not None:
        found.append(cell.c.label == selection.label)
    return found


def _in_folder(column: sa.ColumnElement[Any], folder: str) -> sa.ColumnElement[bool]:
    """A project counts what lies in it, projects inside it too."""
    return sa.or_(column == folder, column.startswith(folder.rstrip(os.sep) + os.sep, autoescape=True))


def _parts(connection: sa.Connection, where: list[sa.ColumnElement[bool]]) -> Iterator[Part]:
    highest = figure.c.name.in_(HIGHEST)
    query = (
        sa.select(
            figure.c.name,
            provenance,
            sa.case((highest, sa.func.max(figure.c.value)), else_=sa.func.sum(figure.c.value)).label("value"),
            sa.func.count().label("count"),
            sa.func.count(figure.c.value).label("there"),
        )
        .join(cell, cell.c.id == figure.c.cell_id)
        .join(provenance, provenance.c.id == figure.c.provenance_id)
        .where(*where)
        .group_by(figure.c.name, *provenance.c)
    )
    for row in connection.execute(query).mappings():
        origin = rows.provenance_of(dict(row))
        missing = 0 if origin.absent else row["count"] - row["there"]
        yield Part(row["name"], origin, row["value"], row["count"], missing)


def _figures(connection: sa.Connection, ids: list[str]) -> dict[str, list[Figure]]:
    found: dict[str, list[Figure]] = {}
    query = sa.select(figure, provenance).join(provenance, provenance.c.id == figure.c.provenance_id)
    for row in connection.execute(query.where(figure.c.cell_id.in_(ids))).mappings():
        one = Figure(row["name"], row["value"], rows.provenance_of(dict(row)), row["device"] or None)
        found.setdefault(row["cell_id"], []).append(one)
    return found


def _runs(info: SessionInfo) -> bool:
    """Whether the session's process is alive; on another machine we cannot know, so it is."""
    if info.host != socket.gethostname():
        return True
    try:
        process = psutil.Process(info.pid)
        dead = process.status() == psutil.STATUS_ZOMBIE  # killed, and its parent has not noticed
        return not dead and abs(place.process_started(info.pid) - info.pid_started_at) < SAME_S
    except psutil.Error:
        return False
