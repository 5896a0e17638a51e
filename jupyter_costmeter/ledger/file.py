"""The SQLite file itself: how it is opened, what its errors mean, what becomes of a broken one."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from filelock import FileLock

from ..errors import LedgerError, LedgerUnwritable

#: Seconds that a writer waits for the others; appends take about a millisecond.
BUSY_S = 30
#: What SQLite says of a file that is not, or no longer, a database (sqlite3 result codes 11 and 26).
BROKEN = ("malformed", "not a database", "file is encrypted")


class Corrupt(LedgerError):
    """The file was broken and has been put aside; the next try begins a new one."""

    def __init__(self, path: Path, moved: str | None) -> None:
        self.moved = moved or "by another process"
        to = f"to {moved}" if moved else self.moved
        super().__init__(f"{path} was corrupt: it was moved aside {to}, and a new ledger was begun")


def engine(path: Path) -> sa.Engine:
    """WAL, so readers never wait for writers; durable with each commit; one writer at a time, in turn."""
    url = sa.URL.create("sqlite", database=str(path))  # a path may hold ?, # and %
    made = sa.create_engine(url, connect_args={"timeout": BUSY_S})
    sa.event.listen(made, "connect", _set_up)
    sa.event.listen(made, "begin", _begin)
    return made


def _set_up(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writing") else "BEGIN")


def identity(path: Path) -> tuple[int, int] | None:
    """Which file that is now; ``None`` for none."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def is_corrupt(error: sa.exc.DatabaseError) -> bool:
    """Whether SQLite says that the file itself is broken."""
    return any(word in str(error.orig).lower() for word in BROKEN)


def unwritable(path: Path, error: Exception) -> LedgerUnwritable:
    """What the system says of the file, as an error of ours."""
    why = str(getattr(error, "orig", None) or error)
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
    import sqlite3

    try:
        with sqlite3.connect(path, timeout=BUSY_S) as connection:
            found: bool = connection.execute("PRAGMA quick_check").fetchone()[0] == "ok"
            return found
    except sqlite3.DatabaseError:
        return False
