"""Ledgers that are only read, where they lie: as they are at one moment, leaving nothing beside them.

SQLite reads a file that nobody has open as it lies there (``immutable``: it makes no files beside it), and one that
others write to by the files that these have made beside it. Only where it can do neither (a WAL on a read-only mount),
and where an earlier version wrote the ledger, is a copy made, in the folder for temporary files.
"""

from __future__ import annotations

import errno
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa

from ..errors import LedgerError, LedgerUnwritable, UsageError
from ..format import quantity
from . import file
from .migrations import MIGRATIONS
from .store import LATEST, Ledger

TABLES = "SELECT count(*), count(*) FILTER (WHERE name = 'migration') FROM sqlite_master"
#: Pages of a file that are copied in one go.
COPIED = 4096
EARLIER = "is of an earlier version"
#: What SQLite says where it has no room (result code 13).
FULL = "is full"


class Changed(Exception):
    """Somebody began to write to a ledger that was read as it lay there: what was read of it may be wrong."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.path = path


class Source(Ledger):
    """A ledger that is read by this connection, from one state of its file.

    Args:
        path: what it is called in errors.
        driver: to it; nobody else uses it.

    Raises (every method):
        LedgerUnwritable: it cannot be read (any more).
    """

    def __init__(self, path: Path, driver: sqlite3.Connection) -> None:
        super().__init__(path)
        count, ours = driver.execute(TABLES).fetchone()
        if count and not ours:
            raise UsageError(f"{path} is an SQLite file, but no ledger")
        newest = driver.execute(LATEST).fetchone() if ours else None
        self._refuse_newer(newest)
        self.is_earlier = newest is not None and newest[0] < len(MIGRATIONS)
        self._held = _held(driver) if newest else None

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection | None]:
        try:
            yield self._held
        except (sa.exc.DatabaseError, sqlite3.DatabaseError) as error:
            raise _unreadable(self.path, error) from error

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        raise LedgerUnwritable(f"{self.path} is only read")
        yield  # type: ignore[unreachable]

    def close(self) -> None:
        if self._held is not None:
            self._held.close()


def _held(driver: sqlite3.Connection) -> sa.Connection:
    """It, for SQLAlchemy, in a transaction: all is read from one state of the file."""
    made = sa.create_engine("sqlite://", creator=lambda: driver, poolclass=sa.StaticPool).connect()
    if not driver.in_transaction:  # SQLAlchemy has looked at it, and ended the one it found
        driver.execute("BEGIN")
    return made


@contextmanager
def opened(path: Path, still: bool = True) -> Iterator[Source]:
    """A ledger to read from, as it is now.

    Args:
        path: of its file, which is not written.
        still: read it as it lies there, if nobody has it open.

    Raises:
        UsageError: there is no such file, or it is no ledger.
        LedgerTooNew: a later version wrote it.
        LedgerUnwritable: it cannot be read, or there is no room for a copy where one is needed.
        Changed: it was read as it lay there, and somebody wrote to it meanwhile; ``still=False`` reads it all the same.
    """
    if not path.is_file():
        raise UsageError(f"{path} is a folder, not a ledger" if path.exists() else f"there is no {path}")
    before = _state(path)
    still = still and before[1] is None
    with ExitStack() as held:
        try:
            yield _source(path, still, held)
        except (LedgerError, UsageError) as error:
            if still and _state(path) != before:
                raise Changed(path) from error
            raise
        if still and _state(path) != before:
            raise Changed(path)


def _source(path: Path, still: bool, held: ExitStack) -> Source:
    try:
        found = _of(path, _driver(path, still, held), held)
        if found.is_earlier:
            return _of(path, _connected(_up_to_date(found, held), "mode=rw"), held)
        return found
    except (sa.exc.DatabaseError, sqlite3.DatabaseError) as error:
        raise _unreadable(path, error) from error


def _of(path: Path, driver: sqlite3.Connection, held: ExitStack) -> Source:
    found = Source(path, held.enter_context(closing(driver)))
    held.callback(found.close)
    return found


def _driver(path: Path, still: bool, held: ExitStack) -> sqlite3.Connection:
    """In place, if SQLite can."""
    if still:
        return _connected(path, "immutable=1")
    try:
        return _connected(path, "mode=ro")
    except sqlite3.OperationalError as error:
        if any(word in str(error) for word in file.LOCKED):
            raise
        return _connected(_copied(path, held, f"cannot be read in place ({error})"), "mode=rw")


def _connected(path: Path, how: str) -> sqlite3.Connection:
    url = f"file:{quote(str(path.absolute()))}?{how}"
    made = sqlite3.connect(url, uri=True, timeout=file.BUSY_S, isolation_level=None)
    try:
        made.execute(TABLES)
    except BaseException:
        made.close()
        raise
    return made


def _unreadable(path: Path, error: Exception) -> Exception:
    why = getattr(error, "orig", None) or error
    if isinstance(why, sqlite3.OperationalError):
        return LedgerUnwritable(f"{path} cannot be read ({why})")
    return UsageError(f"{path} is no ledger, or broken ({why}); nothing was taken: mend it or leave it out")


# Copies


def _copied(path: Path, held: ExitStack, why: str) -> Path:
    """A copy of the file and its WAL, where SQLite can make what it needs beside it."""
    before = _state(path)
    with _room(path, why, held) as copy:
        for beside in ("", "-wal"):
            if Path(f"{path}{beside}").exists():
                shutil.copyfile(f"{path}{beside}", f"{copy}{beside}")
    if _state(path) != before:
        raise LedgerUnwritable(f"{path} {why}, and is being written to: try again when that has ended")
    return copy


def _up_to_date(source: Source, held: ExitStack) -> Path:
    """A copy of an earlier version's ledger, as this version would have made it."""
    with _room(source.path, EARLIER, held) as copy, source._reading() as connection:
        assert connection is not None
        with closing(sqlite3.connect(copy)) as other:
            file.driver(connection).backup(other, pages=COPIED)
        ledger = Ledger(copy)
        try:
            ledger.running()
        finally:
            ledger.close()
    return copy


@contextmanager
def _room(path: Path, why: str, held: ExitStack) -> Iterator[Path]:
    """Where to copy a ledger to: gone with all else that is held."""
    wanted = sum(part[0] for part in _state(path) if part)
    folder = held.enter_context(tempfile.TemporaryDirectory(prefix="costmeter-merge-"))
    free = shutil.disk_usage(folder).free
    takes, left = quantity(wanted, "B"), quantity(free, "B")
    none = LedgerUnwritable(
        f"{path} {why}, so it is read from a copy, and {Path(folder).parent} has no room for that: it takes"
        f" {takes}, and {left} are free. Set TMPDIR to a folder that has room"
    )
    if free < wanted:
        raise none
    try:
        yield Path(folder) / "ledger.sqlite"
    except (OSError, LedgerError, sqlite3.OperationalError) as error:
        if getattr(error, "errno", None) == errno.ENOSPC or FULL in str(error):
            raise none from error
        raise LedgerUnwritable(f"{path} cannot be copied ({error})") from error


def _state(path: Path) -> tuple[Any, ...]:
    """Of the file, and of its WAL: length, and when it was written; ``None`` where there is none."""
    return tuple(map(_of_file, (path, Path(f"{path}-wal"))))


def _of_file(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_size, found.st_mtime_ns
