"""What waits for the lab's ledger: noted by the file itself, in the transaction that writes a record, a tag or what
came of a budget.

Triggers note each new row from the moment on that sharing begins, whoever writes it (an append, a merge, the record
of a cell that was taken for killed), so that nothing is forgotten; what has been sent leaves the queue.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import fields
from typing import Literal, NamedTuple

import sqlalchemy as sa

from . import Share, file
from .schema import budget_event, cell, outbox, share, tag

Kind = Literal["record", "tag", "event"]


class Waiting(NamedTuple):
    """One thing that waits; the lowest number waits longest."""

    number: int
    kind: Kind
    id: str


class Outbox:
    """The part of ``Ledger`` from which the lab's ledger is filled."""

    def _reading(self) -> AbstractContextManager[sa.Connection | None]:
        """A connection to read by; ``None`` where there is no file yet."""
        raise NotImplementedError

    def _writing(self) -> AbstractContextManager[sa.Connection]:
        """One to write by, in a transaction."""
        raise NotImplementedError

    def share(self) -> Share | None:
        """How the sending goes; ``None`` where nothing is shared."""
        with self._reading() as connection:
            found = connection.execute(sa.select(share)).mappings().first() if connection else None
            if connection is None or found is None:
                return None
            count = connection.execute(sa.select(sa.func.count()).select_from(outbox)).scalar_one()
            return Share(waiting=int(count), **found)

    def shared_with(self, address: str) -> None:
        """Begin to share, or end it where there is no address; nothing where it is so already."""
        if address:
            self.begin_share(address, time.time())
        else:
            self.end_share()

    def begin_share(self, address: str, now: float) -> None:
        """From now on what is written waits for that address; what waited for another goes there, too."""
        there = self.share()
        if there is not None and there.address == address:
            return
        with self._writing() as connection:
            connection.execute(share.delete())
            connection.execute(share.insert(), {"address": address, "since": there.since if there else now})

    def end_share(self) -> None:
        """No longer; what waits stays, and goes when sharing begins again."""
        if self.share() is not None:
            with self._writing() as connection:
                connection.execute(share.delete())

    def queue_all(self) -> int:
        """Let everything wait that the ledger holds, also what was written before sharing began; how much waits."""
        with self._writing() as connection:
            connection.execute(outbox.delete())
            for kind, table in (("record", cell), ("tag", tag), ("event", budget_event)):
                order = table.c.started_at if table is cell else table.c.at
                rows = sa.select(sa.literal(kind), table.c.id).order_by(order, table.c.id)
                connection.execute(outbox.insert().from_select(["kind", "id"], rows))
            return int(connection.execute(sa.select(sa.func.count()).select_from(outbox)).scalar_one())

    def next_out(self, count: int) -> list[Waiting]:
        """Those that wait longest."""
        columns = [outbox.c[field] for field in Waiting._fields]
        with self._reading() as connection:
            query = sa.select(*columns).order_by(outbox.c.number).limit(count)
            return [Waiting(*row) for row in connection.execute(query)] if connection else []

    def newest_out(self) -> int:
        """The highest number that waits; 0 where nothing does."""
        with self._reading() as connection:
            query = sa.select(sa.func.coalesce(sa.func.max(outbox.c.number), 0))
            return int(connection.execute(query).scalar_one()) if connection else 0

    def sent(self, gone: Sequence[Waiting], now: float, behind: Iterable[Waiting] = ()) -> None:
        """They are there, and wait no longer; those of them that are named in ``behind`` wait again, behind all."""
        with self._writing() as connection:
            again = [{"kind": one.kind, "id": one.id} for one in behind]
            if again:
                connection.execute(outbox.insert(), again)
            file.driver(connection).executemany("DELETE FROM outbox WHERE number = ?", [(one.number,) for one in gone])
            connection.execute(share.update().values(sent_at=now, tried_at=now, problem=None))

    def not_sent(self, problem: str, now: float) -> None:
        """Why the lab's ledger took nothing."""
        with self._writing() as connection:
            connection.execute(share.update().values(tried_at=now, problem=problem))

    def reached(self, now: float) -> None:
        """The lab's ledger answers: whatever was in the way is no more."""
        with self._writing() as connection:
            connection.execute(share.update().where(share.c.problem.is_not(None)).values(tried_at=now, problem=None))


_COLUMNS = {field.name for field in fields(Share)} - {"waiting"}
assert {column.name for column in share.c} == _COLUMNS, "what a share is, is in one place"
