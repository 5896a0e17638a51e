"""A ledger that is changed in one transaction, whatever is asked of it: all of that is in the file, or nothing."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import sqlalchemy as sa

from ..errors import UsageError
from . import file
from .sources import TABLES
from .store import Ledger


class Whole(Ledger):
    """One that can be changed so; others read it as it was meanwhile, and wait with what they write."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._one: sa.Connection | None = None

    @contextmanager
    def in_one(self) -> Iterator[None]:
        """What is written in it is there when it ends, and nothing of it if it fails or is interrupted."""
        new = not self.path.exists()
        if not new:
            _refuse_foreign(self.path)
        try:
            with super()._writing() as connection:
                self._held = self._one = connection
                yield
        except BaseException:
            self.close()  # what it knew of the file is not so
            if new:
                _forget(self.path)
            raise
        finally:
            self._held = self._one = None

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        if self._one is not None:
            yield self._one
            return
        with super()._writing() as connection:
            yield connection


def _refuse_foreign(path: Path) -> None:
    """Somebody else's database gets no tables of ours."""
    try:
        with closing(sqlite3.connect(path, timeout=file.BUSY_S)) as one:
            count, ours = one.execute(TABLES).fetchone()
    except sqlite3.DatabaseError:
        return  # a broken file is another error's
    if count and not ours:
        raise UsageError(f"{path} is an SQLite file, but no ledger")


def _forget(path: Path) -> None:
    """Remove a file that was only begun."""
    try:
        with closing(sqlite3.connect(path, timeout=file.BUSY_S)) as one:
            count, _ = one.execute(TABLES).fetchone()
        if not count:
            for beside in ("-wal", "-shm", ""):
                if os.path.exists(f"{path}{beside}"):
                    os.unlink(f"{path}{beside}")
    except (sqlite3.DatabaseError, OSError):
        return
