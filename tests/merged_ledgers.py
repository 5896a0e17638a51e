"""Ledgers that are made to be merged, old ones too, what is said in them, and all that one holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from kernels import ALL

from jupyter_costmeter import bars, merging
from jupyter_costmeter.ledger import open_ledger
from jupyter_costmeter.ledger.migrations import MIGRATIONS
from jupyter_costmeter.pages import Page
from jupyter_costmeter.record import CellRecord, SessionInfo
from jupyter_costmeter.tag import tags_of

#: Of the first record of a session ``aaa1``, which some other ledger may hold.
SAID = tags_of("aaa1-1", {"category": "hpo"}, 1.7e9, "later", "ada", "host", "1#")


def made(path: Path, *parts: tuple[SessionInfo, Iterable[CellRecord]]) -> Path:
    """A ledger of these in that file."""
    ledger = open_ledger(path)
    for info, records in parts:
        ledger.append(info, records)
    ledger.close()
    return path


def held(path: Path) -> dict[str, Any]:
    """All that a ledger holds; sums are of whole numbers, so they do not depend on any order."""
    ledger = open_ledger(path)
    found = {
        "records": {r.id: replace(r, usage=replace(r.usage, figures=tuple(sorted(r.usage.figures, key=repr))))
                    for r in ledger.records(ALL)},
        "sessions": ledger.every_session(),
        "tags": [tag for page in ledger.every_tag() for tag in page],
        "events": ledger.events(),
        "summary": ledger.summary(ALL),
        "check": ledger.check(),
    }  # fmt: skip
    ledger.close()
    return found


def merged(into: Path, *sources: Path) -> Page:
    return merging.merge(into, sources, bars.none)


def older(path: Path, number: int) -> Path:
    """A ledger as an earlier version left it, with one record."""
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE migration (number INTEGER PRIMARY KEY, name TEXT, applied_at FLOAT, version TEXT)"
        )
        for at, (name, apply) in enumerate(MIGRATIONS[:number], 1):
            apply(connection)
            connection.exec_driver_sql("INSERT INTO migration VALUES (?, ?, 0.0, '0.0.1')", (at, name))
        connection.exec_driver_sql("INSERT INTO session VALUES ('old', 1.0, 'host', 'ada', 1, 1.0, NULL, NULL, '{}')")
        connection.exec_driver_sql(
            "INSERT INTO cell (id, session_id, seq, started_at, wall_s, outcome)"
            " VALUES ('old-1', 'old', 1, 1.0, 2.0, 'ok')"
        )
    engine.dispose()
    return path
