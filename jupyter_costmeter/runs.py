"""A run while it is metered, and what listeners are told of runs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import inheriting
from .between import Pending
from .meter import Window
from .record import Bucket, CellRecord, Outcome, SessionInfo, Total, Usage
from .tag import METER, tags_of

if TYPE_CHECKING:
    from .reach import Code


#: How the meter's own lines in a cell begin.
WORDS = ("%cost ", "%%cost", "%load_ext jupyter_costmeter", "%reload_ext jupyter_costmeter")


@dataclass(slots=True, eq=False)
class Run:
    """A cell's run (or a ``measure`` block) while it is metered."""

    window: Window
    seq: int
    thread: int
    code: str | None = None
    cell_id: str | None = None
    label: str | None = None
    parent: Run | None = None
    around: str | None = None  # in a child process: the record of its parent's that it lies in, if in no run here
    execution_count: int | None = None
    outcome: Outcome = "ok"
    error_type: str | None = None
    seen: Usage | None = None  # at the last tick
    record: CellRecord | None = None  # once settled
    reach: Code | None = None  # what code ran, where that is not a cell's
    notes: list[str] = field(default_factory=list)  # to be said below it when it ends
    said: dict[str, Any] = field(default_factory=dict)  # what it is: its tags, by their keys
    held: bool = False  # a budget kept it from starting: nothing of it ran


@dataclass(frozen=True, slots=True)
class Event:
    """What listeners are told: what runs now (with its power), and what has just ended."""

    running: tuple[tuple[CellRecord, Total | None], ...]
    closed: tuple[CellRecord, ...]


def code_hash(code: str | None) -> str | None:
    """SHA-256 of a cell's source: what ran, without keeping it."""
    return None if code is None else hashlib.sha256(code.encode("utf-8", "surrogatepass")).hexdigest()


def is_meters(code: str | None) -> bool:
    """Whether a cell holds nothing but the meter's own words, as ``%cost tag hpo``; comments beside."""
    lines = [line.strip() for line in code.splitlines()] if code and "cost" in code else []
    own = [line for line in lines if line and not line.startswith("#")]
    return bool(own) and all(line == "%cost" or line.startswith(WORDS) for line in own)


def clean(text: str | None) -> str | None:
    """A lone surrogate can neither be stored nor sent."""
    return text if text is None else text.encode("utf-8", "backslashreplace").decode()


def record_of(run: Run, usage: Usage, info: SessionInfo, cells_only: bool) -> CellRecord:
    """A run's record, of a session in which (``cells_only``) a block outside of every cell is background work."""
    parent = record_id_of(run.parent, info) if run.parent is not None else run.around
    if parent is None and cells_only and run.code is None:
        parent = f"{info.id}-background"
    record_id, started_at = record_id_of(run, info), run.window.started_at
    said = {**run.said, METER: True} if parent is None and (run.held or is_meters(run.code)) else dict(run.said)
    return CellRecord(
        id=record_id,
        session_id=info.id,
        seq=run.seq,
        started_at=started_at,
        usage=usage,
        outcome=run.outcome,
        notebook=info.notebook,
        project=info.project,
        cell_id=clean(run.cell_id),
        execution_count=run.execution_count,
        code_hash=code_hash(run.code),
        label=clean(run.label),
        error_type=clean(run.error_type),
        parent_id=parent,
        tags=tags_of(record_id, said, started_at, "run", info.user, info.host),
    )


def record_id_of(run: Run, info: SessionInfo) -> str:
    """The id that its record has, or will have."""
    return f"{info.id}-{run.seq}"


def gap_records(found: Iterable[tuple[Bucket, Pending]], info: SessionInfo) -> list[CellRecord]:
    """Of what lay between runs; none in a child process, whose gaps lie in what its parent runs."""
    return [] if inheriting.parent is not None else [gap_record(*each, info) for each in found]


def gap_record(bucket: Bucket, gap: Pending, info: SessionInfo) -> CellRecord:
    """The record of what lay between two cells."""
    return CellRecord(
        id=f"{info.id}-{gap.seq}-{bucket}",
        session_id=info.id,
        seq=gap.seq,
        started_at=gap.started_at,
        usage=gap.usage,
        outcome="ok",
        notebook=info.notebook,
        project=info.project,
        bucket=bucket,
    )
