"""Cells that were taken for killed: whose process is gone, and what becomes of those that come back."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import replace

import psutil
import sqlalchemy as sa

from .. import between, place
from ..record import CellRecord, SessionInfo
from . import file, rollup, rows
from .schema import cell, figure

#: Seconds by which one process's start may seem to differ (a wall clock, where there is no better).
SAME_S = 2.0 if not os.path.exists("/proc/self/stat") else 0.02
FIND_OUTCOME = file.compiled(sa.select(cell.c.outcome).where(cell.c.id == sa.bindparam("id")))


def not_there(connection: sa.Connection, records: list[CellRecord]) -> list[CellRecord]:
    """Those that are not in the file; a record of a cell that was taken for killed is not."""
    wanted: dict[str, CellRecord] = {}
    for record in records:
        if record.id not in wanted or (wanted[record.id].outcome == "killed" and record.outcome != "killed"):
            wanted[record.id] = record
    driver = file.driver(connection)
    there = {key: driver.execute(FIND_OUTCOME, {"id": key}).fetchone() for key in wanted}
    alive = [key for key, row in there.items() if row and row[0] == "killed" != wanted[key].outcome]
    for key in alive:
        _forget(connection, key)
    return [record for key, record in wanted.items() if not there[key] or key in alive]


def ended(key: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Whether the window with that id has its record; one that was taken for killed, and is noted still, runs."""
    return sa.exists().where(cell.c.id == key, cell.c.outcome != sa.literal_column("'killed'"))


def _forget(connection: sa.Connection, killed: str) -> None:
    """Take a record away that is about to be put right."""
    found = connection.execute(sa.select(cell).where(cell.c.id == killed)).one()
    connection.execute(figure.delete().where(figure.c.cell_id == killed))
    connection.execute(cell.delete().where(cell.c.id == killed))
    rollup.recount(connection, rollup.places(rows.cell_of(found._asdict(), ())))


def held_on(info: SessionInfo, record: CellRecord) -> CellRecord:
    """A record of the journal; what is held idle as of now, if that process is seen to live, on this machine."""
    seconds = time.time() - record.started_at - record.wall_s
    if record.bucket != "held_idle" or seconds <= 0 or info.host != socket.gethostname() or not runs(info):
        return record
    return replace(record, usage=between.prolonged(record.usage, seconds))


def runs(info: SessionInfo) -> bool:
    """Whether the session's process is alive; on another machine we cannot know, so it is."""
    if info.host != socket.gethostname():
        return True
    try:
        process = psutil.Process(info.pid)
        dead = process.status() == psutil.STATUS_ZOMBIE  # killed, and its parent has not noticed
        return not dead and abs(place.process_started(info.pid) - info.pid_started_at) < SAME_S
    except psutil.Error:
        return False
