"""What a cell's child processes did, each as a record inside the cell's.

The cell's record has all of it already: its FLOPs are counted in both, its CPU time and energy are seen from outside.
So these are in no total (a record with a parent is not), and tell what each process did by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from . import guard
from .meter import Meter, Window
from .record import COUNTED, LEADING, CellRecord, Figure, Usage

LABEL = "child process"
#: Of one cell so many are kept, those that did most.
MOST = 32
#: CPU seconds from which on a process is told of that counted nothing.
WORTH_S = 1.0


class Part(Protocol):
    """What one child did in a window (``flops.children.Part``)."""

    pid: int
    began_s: float
    ended_s: float | None
    figures: tuple[Figure, ...]


@guard.guarded("the records of child processes")
def inside(meter: Meter, record: CellRecord, window: Window) -> list[CellRecord]:
    """What each child process did in an outermost run, as far as it counted that itself."""
    tracer: Any = meter.tracer("children_flops")
    if tracer is None or record.parent_id is not None:
        return []
    return records_of(record, window, tracer.parts(window.start.marks, (window.end or window.start).marks))


def records_of(record: CellRecord, window: Window, parts: Iterable[Part]) -> list[CellRecord]:
    """The records of the children that did something worth telling in a cell's window, the oldest first."""
    worth = sorted((part for part in parts if _work(part) > (0.0, WORTH_S)), key=_work, reverse=True)[:MOST]
    found = sorted(worth, key=lambda part: part.began_s)
    return [_record(record, window, part, number) for number, part in enumerate(found, 1)]


def _work(part: Part) -> tuple[float, float]:
    """FLOPs, then CPU seconds."""
    return _sum(part.figures, (*COUNTED, *LEADING)), _sum(part.figures, ("cpu_s",))


def _sum(figures: Iterable[Figure], names: Sequence[str]) -> float:
    return sum(f.value or 0.0 for f in figures if f.name in names)


def _record(record: CellRecord, window: Window, part: Part, number: int) -> CellRecord:
    start = window.start.t_s
    began = max(0.0, part.began_s - start)
    ended = record.wall_s if part.ended_s is None else min(record.wall_s, part.ended_s - start)
    return CellRecord(
        id=f"{record.id}-p{number}-{part.pid}",
        session_id=record.session_id,
        seq=record.seq,
        started_at=record.started_at + began,
        usage=Usage(max(0.0, ended - began), part.figures),
        outcome="ok",
        notebook=record.notebook,
        project=record.project,
        label=LABEL,
        parent_id=record.id,
    )
