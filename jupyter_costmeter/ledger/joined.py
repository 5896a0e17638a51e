"""What it takes to bring ledgers together: all that one holds, and what another has of the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, fields

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from ..budget import BudgetEvent
from ..record import CellRecord, SessionInfo
from ..tag import Tag
from . import file, killed, rows, selecting, tags
from .schema import budget_event, cell, open_window, session, tag

ADD_SESSION = file.compiled(insert(session).on_conflict_do_nothing())
ADD_EVENT = file.compiled(insert(budget_event).on_conflict_do_nothing())
#: Tags of a page.
PAGE = 500
_TAG = [tag.c[field.name] for field in fields(Tag)]


class Joined:
    """The part of ``Ledger`` that merging asks."""

    def _reading(self) -> AbstractContextManager[sa.Connection | None]:
        """A connection to read by; ``None`` where there is no file yet."""
        raise NotImplementedError

    def _writing(self) -> AbstractContextManager[sa.Connection]:
        """One to write by, in a transaction."""
        raise NotImplementedError

    def every_session(self) -> dict[str, SessionInfo]:
        """All of them by id, also those without a record."""
        with self._reading() as connection:
            found = connection.execute(sa.select(session)).mappings().all() if connection else ()
            return {row["id"]: rows.session_of(dict(row)) for row in found}

    def of_ids(self, ids: Sequence[str]) -> dict[str, CellRecord]:
        """The records with these ids that are there; a thousand at most."""
        with self._reading() as connection:
            if connection is None:
                return {}
            found = connection.execute(sa.select(cell).where(cell.c.id.in_(ids))).all()
            return {record.id: record for record in selecting.each(connection, found)}

    def every_tag(self) -> Iterator[list[Tag]]:
        """All tags, a page at a time; those of no record are there, too."""
        page = self._tags(tag.c.id > "")
        while page:
            yield page
            page = self._tags(tag.c.id > page[-1].id)

    def same_tags(self, ids: Sequence[str]) -> dict[str, Tag]:
        """The tags with these ids that are there; a page's at most."""
        return {one.id: one for one in self._tags(tag.c.id.in_(ids))}

    def _tags(self, where: sa.ColumnElement[bool]) -> list[Tag]:
        with self._reading() as connection:
            query = sa.select(*_TAG).where(where).order_by(tag.c.id).limit(PAGE)
            return [Tag(*row) for row in connection.execute(query)] if connection else []

    def running(self) -> int:
        """How many windows are open in it: not those of which the record is there, which an earlier version left."""
        with self._reading() as connection:
            query = sa.select(sa.func.count()).select_from(open_window).where(~killed.ended(open_window.c.id))
            return int(connection.execute(query).scalar_one()) if connection else 0

    def add(
        self, infos: Iterable[SessionInfo] = (), said: Iterable[Tag] = (), came: Iterable[BudgetEvent] = ()
    ) -> None:
        """Sessions, tags and what came of budgets, each once however often it comes."""
        with self._writing() as connection:
            driver = file.driver(connection)
            driver.executemany(ADD_SESSION, map(rows.session_row, infos))
            tags.add(driver, said)
            driver.executemany(ADD_EVENT, map(asdict, came))
