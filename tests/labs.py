"""A lab for tests: a prepared PostgreSQL, two members and a head, and records of theirs."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import golden
from shared_ledgers import Postgres, running

from jupyter_costmeter.record import CellRecord
from jupyter_costmeter.shared.store import Batch, SharedLedger

PEOPLE = {"ada": "costmeter_member", "ben": "costmeter_member", "cleo": "costmeter_head"}
NUMBERS = itertools.count()


def peopled() -> Iterator[Postgres]:
    """A PostgreSQL with these users."""
    for made in running():
        for name in PEOPLE:
            made.run(f"CREATE USER {name}")
        yield made


def of_hub(*heads: str) -> Iterator[Postgres]:
    """A PostgreSQL with a prepared ledger ``lab``, for a Hub's service (the user ``hub``) and these heads."""
    for made in running():
        made.run("CREATE DATABASE lab", *(f"CREATE USER {name}" for name in ("hub", *heads)))
        with closing(SharedLedger(made.address("head_of_lab"))) as shared:
            shared.prepare()
        made.run("GRANT costmeter_service TO hub", *(f"GRANT costmeter_head TO {name}" for name in heads))
        yield made


class Lab:
    """A fresh, prepared ledger, as each of its people sees it."""

    def __init__(self, postgres: Postgres) -> None:
        self.postgres, self.name, self._opened = postgres, f"lab_{next(NUMBERS)}", list[SharedLedger]()
        postgres.run(f"CREATE DATABASE {self.name}")
        self.of("head_of_lab").prepare()
        postgres.run(*(f"GRANT {role} TO {person}" for person, role in PEOPLE.items()))

    def address(self, person: str) -> str:
        return self.postgres.address(person, self.name)

    def of(self, person: str) -> SharedLedger:
        self._opened.append(SharedLedger(self.address(person)))
        return self._opened[-1]

    def close(self) -> None:
        for one in self._opened:
            one.close()

    def used(self, person: str, gpu_s: float, project: str = "/home/x/paper", at: float | None = None) -> str:
        """One record of so long a GPU was held, sent; the session's id."""
        session = f"{person}{next(NUMBERS)}"
        self.of(person).take(Batch([replace(golden.SESSION, id=session)], [a_record(session, gpu_s, project, at)]))
        return session


def a_record(session: str, gpu_s: float, project: str | None, at: float | None = None) -> CellRecord:
    """It ended well before now, in this hour unless ``at`` says another."""
    made = golden.record(1, gpu_s, 9.0)
    figures = tuple(f for f in made.usage.figures if f.name in ("gpu_reserved_s", "gpu_energy_j", "flops_fp32"))
    return replace(
        made, id=f"{session}-{next(NUMBERS)}", session_id=session, project=project,
        started_at=time.time() // 3600 * 3600 if at is None else at,
        usage=replace(made.usage, wall_s=0.5, figures=figures),
    )  # fmt: skip
