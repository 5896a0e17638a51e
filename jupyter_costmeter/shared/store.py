"""Write to the lab's ledger, and read what one's own role may see of it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from math import isclose
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from ..budget import BudgetEvent
from ..errors import LedgerError, LedgerTooNew
from ..ledger import rows
from ..record import CellRecord, Provenance, SessionInfo
from ..tag import Tag
from ..version import __version__
from . import acting, secret, tables
from .acting import Acting
from .migrations import MIGRATIONS, pieces
from .monthly import pieces_of_months

#: Seconds that a connection, and then any one statement, may take: behind it somebody may wait.
CONNECT_S, STATEMENT_S = 5, 60
SERVICE = "whoever runs it grants that user costmeter_service, and nothing more"
NO_LETTERS = re.compile("[\x00\ud800-\udfff]")
#: Whose rows these are; read once, so that indexes are used.
ME = sa.select(sa.func.costmeter.me()).scalar_subquery()
NO_JIT = "SET LOCAL jit = off"  # compiling a query takes longer than any of ours
DEFAULTS = {
    "connect_timeout": CONNECT_S,
    "options": f"-c statement_timeout={STATEMENT_S}s -c idle_in_transaction_session_timeout={STATEMENT_S}s",
    "application_name": "jupyter_costmeter",
    # a network that is cut answers nothing: without these we would wait for a quarter of an hour, or for ever
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}


class ShareError(LedgerError):
    """The lab's ledger cannot be used; the text says why and what to do, and holds no secret."""

    rest_s = 0.0  #: Seconds that it wants to be left alone.


class Refused(ShareError):
    """The database is there, and has something against what it was given."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What is sent in one transaction."""

    infos: Sequence[SessionInfo] = ()
    records: Sequence[CellRecord] = ()
    tags: Sequence[Tag] = ()
    events: Sequence[BudgetEvent] = ()


class SharedLedger:
    """The lab's ledger at an address (``addresses.address_of``), as the database's user there, or as whom it acts for.

    Raises (every method):
        ShareError: it cannot be reached, refuses us, or is not prepared.
        LedgerTooNew: it was prepared by a later version.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._engine: sa.Engine | None = None
        self._acting: Acting | None = None

    def acting(self, whom: Acting) -> SharedLedger:
        """The same, through the same connections, for one of the people for whom a service acts."""
        found = SharedLedger(self.address)
        found._engine, found._acting = self._opened(), whom
        return found

    def close(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    # Preparing it

    def prepare(self) -> int:
        """Make its tables and roles, or bring them up to date; how many steps that took."""
        with self._begun() as connection:
            connection.execute(sa.text("CREATE SCHEMA IF NOT EXISTS costmeter"))
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('costmeter'))"))
            tables.migration.create(connection, checkfirst=True)
            newest = _newest(connection)
            self._refuse_newer(newest)
            for number, (name, statements) in enumerate(MIGRATIONS, 1):
                if number > newest[0]:
                    for statement in statements:
                        connection.exec_driver_sql(statement)
                    values = {"number": number, "name": name, "applied_at": time.time(), "version": __version__}
                    connection.execute(tables.migration.insert(), values)
            return len(MIGRATIONS) - newest[0]

    # Writing

    def take(self, batch: Batch) -> None:
        """All of it or nothing; what is there already, by its id, is left as it is.

        A record of a cell that was taken for killed replaces that one.
        """
        with self._begun() as connection:
            self._check(connection)
            new = _not_there(connection, batch.records)
            self._add(connection, tables.session, map(_session_row, batch.infos))
            self._add(connection, tables.provenance, _origins(new))
            self._add(connection, tables.cell, map(rows.cell_row, new))
            self._add(connection, tables.figure, (row for record in new for row in rows.figure_rows(record)))
            self._add(connection, tables.tag, map(asdict, batch.tags))
            self._add(connection, tables.budget_event, map(asdict, batch.events))

    def _add(self, connection: sa.Connection, table: sa.Table, found: Iterable[Mapping[str, Any]]) -> None:
        """Rows that are not there, of this user or of whom it acts for."""
        owner = {} if self._acting is None else {"owner": self._acting.owner}
        values = [{**owner, **{name: _letters(value) for name, value in row.items()}} for row in found]
        if values:
            # only what returns something goes in statements of many rows, each of which wakes the sums' trigger once
            connection.execute(insert(table).on_conflict_do_nothing().returning(sa.literal_column("1")), values)

    # Reading

    def counts(self) -> dict[str, int]:
        """How many records of each owner this user may see."""
        query = sa.select(tables.cell.c.owner, sa.func.count()).group_by(tables.cell.c.owner)
        with self._begun() as connection:
            self._check(connection)
            return dict(map(tuple, connection.execute(query)))

    def check(self) -> list[str]:
        """Where a rollup differs from what the records say, one sentence each; reads all that this user may see."""
        rollups = (
            (tables.used, 8, pieces("costmeter.figure")),
            (tables.monthly, 5, pieces_of_months("costmeter.used")),
        )
        with self._begun() as connection:
            self._check(connection)
            return [one for table, keys, made in rollups for one in _differing(connection, table, keys, made)]

    # The connection

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection that only reads, all of it as of one moment; the database must be of this version."""
        first = ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY", NO_JIT)
        with self._begun(*first) as connection:
            self._check(connection)
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A connection in a transaction; the database must be of this version."""
        with self._begun() as connection:
            self._check(connection)
            yield connection

    @contextmanager
    def _begun(self, *first: str) -> Iterator[sa.Connection]:
        """A connection in a transaction that begins with these statements."""
        try:
            with self._opened().begin() as connection:
                for statement in first:
                    connection.exec_driver_sql(statement)
                if self._acting is not None and not acting.say(connection, self._acting):
                    raise ShareError(f"the database's user in {self.address} may not act for others: {SERVICE}")
                yield connection
        except sa.exc.DBAPIError as error:
            raise self._told(error) from None  # what it has of the connection is not for a log

    def _opened(self) -> sa.Engine:
        if self._engine is None:
            try:
                import psycopg  # noqa: F401
            except ImportError as error:
                raise ShareError("the lab's ledger needs psycopg: pip install 'jupyter_costmeter[shared]'") from error
            url = sa.make_url(self.address).set(drivername="postgresql+psycopg")
            given = {**DEFAULTS, **url.query, **_password(self.address)}
            self._engine = sa.create_engine(
                url.set(query={}), connect_args=given, pool_pre_ping=True, hide_parameters=True, pool_size=1
            )
        return self._engine

    def _told(self, error: sa.exc.DBAPIError) -> ShareError:
        diagnosis = getattr(error.orig, "diag", None)  # the sentence alone, without the statement around it
        lines = str(getattr(diagnosis, "message_primary", None) or error.orig).splitlines()
        why = "; ".join(filter(None, (" ".join(line.split()) for line in lines)))
        hint = secret.open_to_others() if "password" in why else None
        if "costmeter" in why and ("does not exist" in why or "permission denied for schema" in why):
            hint = "whoever runs it prepares it with `jupyter costmeter sync --init` and grants you costmeter_member"
        kind = Refused if isinstance(error, (sa.exc.DataError, sa.exc.IntegrityError)) else ShareError
        return kind(f"the lab's ledger {self.address} cannot be used ({why})" + (f"; {hint}" if hint else ""))

    def _check(self, connection: sa.Connection) -> None:
        newest = _newest(connection)
        self._refuse_newer(newest)
        if newest[0] < len(MIGRATIONS):
            raise ShareError(
                f"the lab's ledger {self.address} is of an earlier version ({newest[1]}): whoever runs it"
                " brings it up to date with `jupyter costmeter sync --init`"
            )

    def _refuse_newer(self, newest: tuple[int, str]) -> None:
        if newest[0] > len(MIGRATIONS):
            raise LedgerTooNew(
                f"the lab's ledger was prepared by jupyter_costmeter {newest[1]}; this is {__version__}. "
                f"Upgrade it: pip install -U 'jupyter_costmeter>={newest[1]}'"
            )


def _password(address: str) -> dict[str, str]:
    found = secret.kept(address)
    return {} if found is None else {"password": found}


def _newest(connection: sa.Connection) -> tuple[int, str]:
    query = sa.select(tables.migration.c.number, tables.migration.c.version)
    found = connection.execute(query.order_by(tables.migration.c.number.desc()).limit(1)).first()
    return (int(found[0]), str(found[1])) if found else (0, "")


def _not_there(connection: sa.Connection, records: Sequence[CellRecord]) -> list[CellRecord]:
    """Those that are not there; one that was taken for killed gives way."""
    wanted = {record.id: record for record in records}
    mine = tables.cell.c.owner == ME
    query = sa.select(tables.cell.c.id, tables.cell.c.outcome).where(mine, tables.cell.c.id.in_(wanted))
    there: dict[str, str] = dict(map(tuple, connection.execute(query)))
    back = [key for key, outcome in there.items() if outcome == "killed" != wanted[key].outcome]
    if back:
        figures = tables.figure.delete().where(tables.figure.c.owner == ME, tables.figure.c.cell_id.in_(back))
        connection.execute(figures)
        connection.execute(tables.cell.delete().where(mine, tables.cell.c.id.in_(back)))
    return [record for key, record in wanted.items() if key not in there or key in back]


def _letters(value: Any) -> Any:
    """A text without what PostgreSQL has no letters for: zero bytes, and what was no UTF-8 in a file's name."""
    return NO_LETTERS.sub("\ufffd", value) if isinstance(value, str) else value


def _session_row(info: SessionInfo) -> rows.Row:
    row = rows.session_row(info)
    return {name: row[name] for name in row if name in tables.session.c}


def _origins(records: Iterable[CellRecord]) -> list[rows.Row]:
    found: set[Provenance] = {figure.provenance for record in records for figure in record.usage.figures}
    return [rows.provenance_row(origin) for origin in found]


def _differing(connection: sa.Connection, table: sa.Table, keys: int, made: str) -> Iterator[str]:
    """Where a stored rollup, of which so many columns are the key, is not what a query makes of it."""
    both = (connection.execute(query).all() for query in (sa.select(table), sa.text(made)))
    one, other = ({tuple(row[:keys]): row[keys:] for row in found} for found in both)
    for key in sorted(one.keys() | other.keys()):
        if not _alike(one.get(key), other.get(key)):
            yield f"{table.name} {key}: {one.get(key)} is stored, {other.get(key)} is right"


def _alike(one: Sequence[Any] | None, other: Sequence[Any] | None) -> bool:
    if one is None or other is None or one[1:] != other[1:]:
        return False
    if one[0] is None or other[0] is None:
        return one[0] is other[0]
    return isclose(one[0], other[0], rel_tol=1e-9, abs_tol=1e-6)
