"""The SQLite file itself: how it is opened, what its errors mean, what becomes of a broken one."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from filelock import FileLock
from sqlalchemy.dialects import sqlite

from ..errors import LedgerError, LedgerUnwritable

#: Seconds that a writer waits for the others; appends take about a millisecond.
BUSY_S = 30
#: What a WAL that had to be longer (a migration's) is cut to.
WAL_BYTES = 16 * 2**20
#: Ids that one statement asks for: older SQLites take no more than 999.
SOME = 500
#: What SQLite says of a file that is not, or no longer, a database (sqlite3 result codes 11 and 26).
BROKEN = ("malformed", "not a database", "file is encrypted")


#: What it says where another process holds the file (result codes 5, 6 and 15); that passes.
LOCKED = ("is locked", "locking protocol")


class Locked(LedgerUnwritable):
    """Another process has been writing for longer than we wait; the next try may succeed."""

    passes = True


class Corrupt(LedgerError):
    """The file was broken and has been put aside; the next try begins a new one."""

    def __init__(self, path: Path, moved: str | None) -> None:
        self.moved = moved or "by another process"
        to = f"to {moved}" if moved else self.moved
        super().__init__(f"{path} was corrupt: it was moved aside {to}, and a new ledger was begun")


def engine(path: Path, still: bool = False, busy_s: float | None = None) -> sa.Engine:
    """WAL, so readers never wait for writers; durable with each commit; one writer at a time, in turn.

    Args:
        path: of the file, which need not exist.
        still: it is ``is_still``, and read as it lies there; a connection lasts for one use.
        busy_s: seconds that a writer waits for the others; ``BUSY_S`` unless said.
    """
    uri = {"immutable": "1", "uri": "true"} if still else {}
    name = f"file:{quote(str(path))}" if still else str(path)
    url = sa.URL.create("sqlite", database=name, query=uri)  # a path may hold ?, # and %
    made = sa.create_engine(
        url, connect_args={"timeout": BUSY_S if busy_s is None else busy_s}, poolclass=sa.NullPool if still else None
    )
    sa.event.listen(made, "connect", _set_up)
    sa.event.listen(made, "begin", _begin)
    return made


def is_still(path: Path) -> bool:
    """Whether nobody has the file open, in a folder in which we cannot either: SQLite's WAL needs files beside it."""
    return not os.access(path.parent, os.W_OK) and path.exists() and not os.path.exists(f"{path}-wal")


def _set_up(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    _into_wal(connection, time.monotonic() + BUSY_S)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute(f"PRAGMA journal_size_limit={WAL_BYTES}")
    connection.execute("PRAGMA threads=2")  # of a long sort, a third of the time


def _into_wal(connection: Any, until: float) -> None:
    """A new file is turned into WAL by the first who opens it; SQLite does not wait for one who is at it, so we do."""
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.01)


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writing") else "BEGIN")


def compiled(statement: sa.sql.expression.ClauseElement) -> str:
    """A statement as text with named values, for the driver: SQLAlchemy takes 50 µs for each that it hands over."""
    return str(statement.compile(dialect=sqlite.dialect(paramstyle="named")))


def asked(connection: sa.Connection, query: sa.sql.expression.ClauseElement) -> sqlite3.Cursor:
    """The driver's own rows of a query."""
    found = query.compile(dialect=sqlite.dialect(paramstyle="named"))
    return driver(connection).execute(str(found), found.params)


def driver(connection: sa.Connection) -> sqlite3.Connection:
    """The connection under that one, in the same transaction."""
    found = connection.connection.driver_connection
    assert isinstance(found, sqlite3.Connection)
    return found


def among(connection: sa.Connection, query: str, ids: Iterable[str], order: str = "") -> Iterator[Any]:
    """The driver's own rows of a query that ends in a column, where this is one of those ids; ``SOME`` at a time."""
    every = list(ids)
    parts = (every[start : start + SOME] for start in range(0, len(every), SOME))
    asked = ((f"{query} IN ({', '.join('?' * len(part))}) {order}", part) for part in parts)
    return chain.from_iterable(driver(connection).execute(*one) for one in asked)


def identity(path: Path) -> tuple[int, int] | None:
    """Which file that is now; ``None`` for none."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def is_corrupt(error: Exception) -> bool:
    """Whether SQLite says that the file itself is broken."""
    return any(word in str(getattr(error, "orig", None) or error).lower() for word in BROKEN)


def unwritable(path: Path, error: Exception) -> LedgerUnwritable:
    """What the system says of the file, as an error of ours."""
    why = str(getattr(error, "orig", None) or getattr(error, "strerror", None) or error)  # the path is said once
    if any(word in why for word in LOCKED):
        return Locked(f"the ledger {path} is being written to by another process, which has not let go of it ({why})")
    return LedgerUnwritable(f"the ledger {path} cannot be used ({why}); check the folder's permissions and free space")


def put_aside(path: Path) -> str | None:
    """Move a broken ledger (with its WAL) aside, once: another process may have done it already.

    Returns:
        Where it is now, or ``None`` where it was gone or is sound.
    """
    with FileLock(f"{path}.lock", timeout=BUSY_S):
        if not path.exists() or _sound(path):
            return None
        aside = f"{path}.corrupt-{time.strftime('%Y%m%d-%H%M%S')}"
        for suffix in ("-wal", "-shm", ""):
            if os.path.exists(f"{path}{suffix}"):
                os.replace(f"{path}{suffix}", f"{aside}{suffix}")
        return aside


def _sound(path: Path) -> bool:
    try:
        with sqlite3.connect(path, timeout=BUSY_S) as connection:
            found: bool = connection.execute("PRAGMA quick_check").fetchone()[0] == "ok"
            return found
    except sqlite3.DatabaseError:
        return False
