"""Append to the ledger's file and read from it."""

from __future__ import annotations

import contextlib
import heapq
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from ..budget import BudgetEvent
from ..errors import LedgerTooNew
from ..record import CellRecord, SessionInfo, Stored, Summary
from ..tag import Tag
from ..uses import Use
from ..version import __version__
from . import Selection, events, file, killed, rollup, rows, schema, selecting, tags, usage
from .asking import Asked
from .joined import ADD_SESSION, Joined
from .migrations import MIGRATIONS
from .outbox import Outbox
from .schema import OWN_CELL, cell, figure, open_window, provenance, session, tally
from .selecting import Where

T = TypeVar("T")
#: What of a page's rows is given, one by one.
Make = Callable[[sa.Connection, Sequence[sa.Row[Any]]], Iterator[T]]
#: Rows fetched at a time, so that an export of any length needs constant memory; the least, of several parts each.
PAGE, LEAST = 500, 20
# Built once, for the driver.
ADD_PROVENANCE = file.compiled(insert(provenance).on_conflict_do_nothing())
ADD_CELL = file.compiled(insert(cell))
ADD_FIGURE = file.compiled(insert(figure).on_conflict_do_nothing())
END_JOURNAL = file.compiled(open_window.delete().where(open_window.c.id == sa.bindparam("id")))
_number = schema.migration.c.number
LATEST = file.compiled(sa.select(_number, schema.migration.c.version).order_by(_number.desc()))


class Ledger(Asked, Joined, Outbox):
    """One ledger file: append-only but for the journal of open windows.

    Raises (every method):
        LedgerUnwritable: the file cannot be written (read-only, full disk).
        LedgerTooNew: it was written by a later version.
    """

    def __init__(self, path: Path, busy_s: float | None = None) -> None:
        self.path = path
        self._busy_s = busy_s  # that it waits for another process that writes
        self.moved: str | None = None  # where a corrupt file was put aside
        self._engine: sa.Engine | None = None
        self.note: str | None = None  # what a reader of the ledger should know
        self._identity: tuple[int, int] | None = None
        self._still = False  # it is read as it lies there
        self._ready = False
        self._held: sa.Connection | None = None  # what is read is read from this one
        self._known: set[str] = set()  # provenances and sessions that are in the file
        self._tallies: dict[rollup.Place, int] = {}  # their ids there

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
        if self._held is not None:
            yield self._held
            return
        if not os.path.exists(self.path):
            yield None
            return
        with self._guarded():
            if not self._begun():
                yield None
                return
            with self._open().connect() as connection:
                yield connection

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """What this thread reads in it is read from one state of the file, and sooner than one after the other."""
        if self._held is not None:
            yield
            return
        failed: BaseException | None = None
        with self._reading() as connection:
            if connection is not None:
                connection.begin()
            self._held = connection
            try:
                yield
            except (sa.exc.DatabaseError, sqlite3.DatabaseError):
                raise
            except BaseException as error:  # what is done with what was read is no fault of the ledger's file
                failed = error
            finally:
                self._held = None
        if failed is not None:
            raise failed

    def _begun(self) -> bool:
        """Whether it has tables; brings an older one up to date first. A new one may be in the making elsewhere."""
        with self._open().connect() as connection:
            newest = _latest(connection) if self._ready else _newest(connection)
        self._refuse_newer(newest)
        if newest and newest[0] < len(MIGRATIONS):
            with self._writing():
                pass
        return bool(newest)

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except (sa.exc.DatabaseError, sqlite3.DatabaseError) as error:
            if not file.is_corrupt(error):
                raise file.unwritable(self.path, error) from error
            self.moved = self._put_aside() or self.moved
            raise file.Corrupt(self.path, self.moved) from error
        except OSError as error:
            raise file.unwritable(self.path, error) from error

    def _open(self) -> sa.Engine:
        """The engine; a new one where the file is another than the one that was opened (deleted, moved aside)."""
        still = file.is_still(self.path)
        if self._still or still != self._still:  # what SQLite takes for unchanging may have changed since
            self.close()
        if self._engine is not None and file.identity(self.path) != self._identity:
            self.note = f"{self.path} was moved or deleted while it was in use, and a new ledger was begun"
            self.close()
        if self._engine is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._engine, self._still = file.engine(self.path, still, self._busy_s), still
            with self._engine.connect():
                self._identity = file.identity(self.path)  # it is there now
        return self._engine

    def close(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
        self._engine, self._ready, self._still = None, False, False
        self._known.clear()
        self._tallies.clear()

    def _put_aside(self) -> str | None:
        self.close()
        try:
            return file.put_aside(self.path)
        except OSError as error:
            raise file.unwritable(self.path, error) from error

    def _refuse_newer(self, newest: tuple[int, str] | None) -> None:
        if newest and newest[0] > len(MIGRATIONS):
            raise LedgerTooNew(
                f"{self.path} was written by jupyter_costmeter {newest[1]}; this is {__version__}. "
                f"Upgrade it: pip install -U 'jupyter_costmeter>={newest[1]}'"
            )

    def _migrate(self, connection: sa.Connection) -> None:
        newest = _newest(connection)
        self._refuse_newer(newest)
        schema.migration.create(connection, checkfirst=True)
        for number, (name, apply) in enumerate(MIGRATIONS, 1):
            if newest is None or number > newest[0]:
                apply(connection)
                values = {"number": number, "name": name, "applied_at": time.time(), "version": __version__}
                connection.execute(schema.migration.insert(), [values])

    # Writing

    def append(self, info: SessionInfo, records: Iterable[CellRecord]) -> None:
        """Add the records of a session, each once however often it comes, and end their journal.

        A record of a cell that was taken for killed replaces that one.
        """
        found = [rows.finite(record) for record in records]
        with self._writing() as connection:
            driver = file.driver(connection)
            origins = self._add_origins(driver, info, found)
            new = killed.not_there(connection, found)
            driver.executemany(ADD_CELL, [rows.cell_row(record) for record in new])
            driver.executemany(ADD_FIGURE, [row for record in new for row in rows.figure_rows(record)])
            tags.add(driver, (tag for record in found for tag in record.tags))
            tallies = rollup.add(driver, new, self._tallies)
            driver.executemany(END_JOURNAL, [{"id": record.id} for record in found])
        self._known |= origins
        self._tallies.update((place, known) for place, known in tallies.items() if place.label is None)

    def _add_origins(self, driver: sqlite3.Connection, info: SessionInfo, records: list[CellRecord]) -> set[str]:
        """What the records point to: the session, and provenances not seen before."""
        new: set[str] = set()
        if info.id not in self._known:
            driver.execute(ADD_SESSION, rows.session_row(info))
            new.add(info.id)
        origins = {rows.provenance_id(f.provenance): f.provenance for r in records for f in r.usage.figures}
        missing = [rows.provenance_row(o) for key, o in origins.items() if key not in self._known]
        driver.executemany(ADD_PROVENANCE, missing)
        return new | set(origins)

    def journal(self, info: SessionInfo, records: Iterable[CellRecord]) -> None:
        """Note windows that are still open, so that ``kill -9`` loses at most what came since.

        Not those of which the record is there: it may have been written by the time that they come.
        """
        with self._writing() as connection:
            new = self._add_origins(file.driver(connection), info, [])
            for record in records:
                if connection.execute(sa.select(killed.ended(sa.literal(record.id)))).scalar_one():
                    continue
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
        for info, record in self.open_windows():
            found.setdefault(info.id, (info, []))[1].append(record)
        return [(info, records) for info, records in found.values() if not killed.runs(info)]

    def tag(self, said: Iterable[Tag]) -> None:
        """Add what is said of records, each once however often it comes."""
        with self._writing() as connection:
            tags.add(file.driver(connection), said)

    def log(self, event: BudgetEvent, start: float = -inf, by_session: bool = False) -> bool:
        """Note what came of a budget; whether it was noted.

        Not a warning where one of the same budget, threshold and limit (and session) is there since ``start``.
        """
        with self._writing() as connection:
            return events.log(connection, event, start, by_session)

    # Reading

    def summary(self, selection: Selection) -> Summary:
        """The totals of the selected records; those inside another's window are in that one."""
        with self._reading() as connection:
            if connection is None:
                return Summary(0, 0, 0, 0.0, ())
            return rollup.summary(connection, selecting.where(tally, selection))

    def uses(self, selection: Selection, hourly_before: float = -inf, memory: bool = False) -> list[Use]:
        """What each session used; by the hour if it began before that time, and memory over time if wanted."""
        where = selecting.where(tally, selection), selecting.where(cell, selection)
        sessions = self.sessions(selection)
        with self._reading() as connection:
            return usage.uses(connection, sessions, *where, hourly_before, memory) if connection else []

    def sessions(self, selection: Selection) -> list[SessionInfo]:
        """The sessions that the selected records belong to, oldest first."""
        inside = sa.select(tally.c.session_id).where(*selecting.where(tally, selection))
        query = sa.select(session).where(session.c.id.in_(inside)).order_by(session.c.started_at)
        with self._reading() as connection:
            found = connection.execute(query).mappings().all() if connection else []
            return [rows.session_of(dict(row)) for row in found]

    def records(self, selection: Selection) -> Iterator[CellRecord]:
        """The selected records of all buckets in the order of their start, a page at a time.

        With a label also those that lie inside of the labelled ones, which count in these.
        """
        return self._each(selection, selecting.each)

    def stored(self, selection: Selection) -> Iterator[Stored]:
        """The same as their rows have them, in two thirds of the time."""
        return self._each(selection, selecting.stored)

    def _each(self, selection: Selection, make: Make[T]) -> Iterator[T]:
        whole, inside = replace(selection, label=None), selecting.inside(selection)
        parts = self._parts(whole) if selection.scope in ("project", "called") else [selecting.where(cell, whole)]
        size = max(PAGE // max(1, len(parts)), LEAST)
        found = [self._pages([*where, *inside], size, make) for where in parts]
        return found[0] if len(found) == 1 else heapq.merge(*found, key=_start)

    def count(self, selection: Selection) -> int:
        """How many those are."""
        where = (*selecting.cells(replace(selection, label=None)), *selecting.inside(selection))
        with self._reading() as connection:
            query = sa.select(sa.func.count()).select_from(cell).where(*where)
            return int(connection.execute(query).scalar_one()) if connection else 0

    def _pages(self, where: Where, size: int, make: Make[T]) -> Iterator[T]:
        last, page = self._page(where, size, make)
        while last is not None:
            yield from page
            after = sa.tuple_(cell.c.started_at, cell.c.id) > sa.tuple_(*_start(last))
            last, page = self._page([*where, cell.c.started_at >= last.started_at, after], size, make)

    def _page(self, where: Where, size: int, make: Make[T]) -> tuple[sa.Row[Any] | None, Iterator[T]]:
        """The last of a page's rows, and its records."""
        query = sa.select(cell).where(*where).order_by(cell.c.started_at, cell.c.id).limit(size)
        with self._reading() as connection:
            found = connection.execute(query).all() if connection else []
            return (found[-1], make(connection, found)) if connection and found else (None, iter(()))

    def dearest(self, selection: Selection, count: int) -> list[CellRecord]:
        """The cells that took the most energy (then time), dearest first; inner windows left out."""
        order = (cell.c.energy_j.desc(), cell.c.wall_s.desc())  # NULL is the least of all
        return self._first(selection, OWN_CELL, order, _dearness, count)

    def latest(self, selection: Selection, count: int, outer: bool = False) -> list[CellRecord]:
        """The newest cells, oldest of them first; with what ran inside them, unless ``outer``."""
        order = (cell.c.started_at.desc(), cell.c.id.desc())
        which = sa.and_(cell.c.bucket == "cell", *([cell.c.parent_id.is_(None)] if outer else []))
        return self._first(selection, which, order, _start, count)[::-1]

    def _first(
        self,
        selection: Selection,
        which: sa.ColumnElement[bool],
        order: tuple[sa.ColumnElement[Any], ...],
        key: Callable[[Any], Any],
        count: int,
    ) -> list[CellRecord]:
        """The first in that order: of each part of the selection by its index, then of these."""
        found: list[sa.Row[Any]] = []
        for where in self._parts(selection):
            query = sa.select(cell).where(*where, which).order_by(*order).limit(count)
            with self._reading() as connection:
                found += connection.execute(query).all() if connection else ()
        with self._reading() as connection:
            best = heapq.nlargest(count, found, key)
            return selecting.fetched(connection, best) if connection else []

    def _parts(self, selection: Selection) -> list[Where]:
        """The selection as parts that an index holds in order: a project and those inside it, one by one."""
        if selection.scope not in ("project", "called", "all"):
            return [selecting.where(cell, selection)]
        query = sa.select(tally.c.project).where(*selecting.where(tally, selection)).distinct()
        with self._reading() as connection:
            found = connection.execute(query).scalars().all() if connection else []
        labelled = selecting.where(cell, Selection("all", label=selection.label))
        return [[cell.c.project == project, *labelled] for project in found]

    def check(self) -> list[str]:
        """What is wrong with the derived tables, one sentence each; reads the whole ledger."""
        with self._reading() as connection:
            return rollup.check(connection) if connection else []


def _newest(connection: sa.Connection) -> tuple[int, str] | None:
    """Number and writer of the newest migration, ``None`` for an empty file."""
    there = file.driver(connection).execute("SELECT 1 FROM sqlite_master WHERE name = 'migration'").fetchone()
    return _latest(connection) if there else None


def _latest(connection: sa.Connection) -> tuple[int, str] | None:
    row = file.driver(connection).execute(LATEST).fetchone()
    return (row[0], row[1]) if row else None


def _start(record: Any) -> tuple[float, str]:
    return record.started_at, record.id


def _dearness(row: Any) -> tuple[bool, float, float]:
    return row.energy_j is not None, row.energy_j or 0.0, row.wall_s
