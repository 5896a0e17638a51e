"""A PostgreSQL of the tests' own: on a free port of the loopback, in a temporary folder, stopped by its own process."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from jupyter_costmeter.shared.migrations import MIGRATIONS
from jupyter_costmeter.shared.store import SharedLedger

NUMBERS = itertools.count()
GET_IT = "no PostgreSQL on this machine: `./lab test` installs it (Debian: apt install postgresql)"


@dataclass
class Postgres:
    """A running one."""

    folder: Path
    port: int
    programs: Path

    def address(self, user: str, database: str = "lab") -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def run(
        self, *statements: str, database: str = "postgres", user: str = "head_of_lab"
    ) -> list[sa.Row[tuple[object, ...]]]:
        engine = sa.create_engine(
            self.address(user, database).replace("postgresql", "postgresql+psycopg", 1),
            isolation_level="AUTOCOMMIT",
            poolclass=sa.NullPool,
        )
        with engine.connect() as connection:
            found = [connection.exec_driver_sql(one) for one in statements]
            return list(found[-1]) if found and found[-1].returns_rows else []

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c max_connections=300"
        self._control("start", "-w", "-l", str(self.folder / "log"), "-o", options)

    def stop(self, how: str = "fast") -> None:
        self._control("stop", "-w", "-m", how)

    def _control(self, *words: str) -> None:
        done = _as_nobody_special(str(self.programs / "pg_ctl"), "-D", str(self.folder / "data"), *words)
        assert done.returncode == 0, (self.folder / "log").read_text()


def _as_nobody_special(*command: str) -> subprocess.CompletedProcess[bytes]:
    """PostgreSQL does not run as root."""
    before = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    return subprocess.run(
        [*before, *command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False, cwd="/"
    )


def programs() -> Path:
    """Where its programs are: Debian keeps them out of the path."""
    named = shutil.which("initdb")
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -int(path.parent.name))
    found = [Path(named).parent] if named else [path for path in folders if (path / "initdb").exists()]
    if not found:
        pytest.fail(GET_IT)
    return found[0]


def running() -> Iterator[Postgres]:
    """One of this run's own, empty but for a user who may do everything (``head_of_lab``)."""
    folder = Path(tempfile.mkdtemp(prefix="costmeter-pg-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    made = Postgres(folder, _free_port(), programs())
    init = [str(made.programs / "initdb"), "-D", str(folder / "data"), "-U", "head_of_lab", "-A", "trust", "-N"]
    assert _as_nobody_special(*init, "-E", "UTF8").returncode == 0
    made.start()
    try:
        yield made
    finally:
        made.stop("immediate")
        shutil.rmtree(folder, ignore_errors=True)


def prepared(postgres: Postgres, granted: Mapping[str, str]) -> Iterator[Callable[[str], SharedLedger]]:
    """A fresh, prepared ledger, as each of some people (with their roles) sees it."""
    name, opened = f"lab_of_{next(NUMBERS)}", list[SharedLedger]()
    postgres.run(f"CREATE DATABASE {name}")

    def of(person: str) -> SharedLedger:
        opened.append(SharedLedger(postgres.address(person, name)))
        return opened[-1]

    assert of("head_of_lab").prepare() == len(MIGRATIONS)
    postgres.run(*(f"GRANT {role} TO {person}" for person, role in granted.items()))
    yield of
    for one in opened:
        one.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
