"""Cells, and what lay between them, so long after one moment: what timelines are tested by."""

from __future__ import annotations

from dataclasses import replace

import golden

from jupyter_costmeter.record import CellRecord

AT = 1.79e9
GPU = "GPU-1"


def run(seq: int, at: float, wall_s: float, gpu_j: float | None = 100.0, **more: object) -> CellRecord:
    """A cell that began so long after ``AT``."""
    return replace(golden.record(seq, wall_s, gpu_j), started_at=AT + at, **more)


def gap(seq: int, at: float, wall_s: float, bucket: str = "held_idle", **joules: float) -> CellRecord:
    """What lay after that cell, so long after ``AT``; a GPU that was held at 55 W unless told otherwise."""
    made = golden.between(seq, wall_s, bucket, **(joules or {"gpu_energy_j": 55.0 * wall_s}))  # type: ignore[arg-type]
    return replace(made, started_at=AT + at)
