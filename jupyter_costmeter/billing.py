"""What a cell has others do outside of this process tree (a cluster's workers, a batch job), as records billed to it.

Such a record is its own, in the bucket ``remote``: it lies in no window of this process, so totals add it up. It has
its cell's number, its cell's id begins its own, and more may follow, as the ledger is only added to.
"""

from __future__ import annotations

from dataclasses import replace

from .record import CellRecord, Usage
from .runs import Event, Run, record_id_of, record_of
from .session import Session
from .tag import METER, SCORE, tags_of

#: What is said of a cell and not of its parts: one score is not two.
OWN = (METER, SCORE)


def bill(session: Session, run: Run, number: int | str, started_at: float, usage: Usage) -> CellRecord:
    """Bill to a cell what it used elsewhere, once it is known; the cell itself may have ended long ago.

    Args:
        session: the cell's.
        run: the cell.
        number: which of the cell's remote records it is, from 1 on; of a kind that is not counted, its name.
        started_at: seconds since 1970.
        usage: what was used; its seconds are from the first of it to the last.
    """
    record = remote_record(session, run, number, started_at, usage)
    with session.settling:
        session.tally.add("remote", started_at, usage)
        session.writer.append([record])
    session.tell(Event(session.running(), ()))
    return record


def remote_record(session: Session, run: Run, number: int | str, started_at: float, usage: Usage) -> CellRecord:
    """The record of what a cell used elsewhere: as its cell is called and tagged."""
    info, cell_id = session.info, record_id_of(run, session.info)
    said = {key: value for key, value in run.said.items() if not key.startswith(OWN)}
    record_id = f"{cell_id}-remote-{number}"
    return replace(
        record_of(run, usage, info, session.cells_only),
        id=record_id,
        started_at=started_at,
        parent_id=None,
        bucket="remote",
        tags=tags_of(record_id, said, started_at, "run", info.user, info.host),
    )
