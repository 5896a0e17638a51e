"""What runs and rests at one moment, and where its budget stands: what tests of what is going on share."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

import golden

from jupyter_costmeter.budget import Budget, Verdict
from jupyter_costmeter.costing import Costing
from jupyter_costmeter.periods import period_of
from jupyter_costmeter.record import CellRecord
from jupyter_costmeter.running import Resting, Running

NOW = 1_790_000_600.0
HOST = socket.gethostname()


def running(
    record: CellRecord, host: str = HOST, read_at: float = NOW - 0.5, verdict: Verdict | None = None
) -> Running:
    """That record on that machine, whose figures were read then."""
    info = replace(golden.SESSION, host=host)
    costs = Costing(None, Path()).of_record(record, info)
    return Running(info, replace(record, started_at=read_at - record.wall_s), costs, verdict)


def resting(since_s: float = 200.0) -> Resting:
    """A kernel whose last cell ended so long ago."""
    last = replace(golden.FIRST, started_at=NOW - since_s - golden.FIRST.wall_s)
    return Resting(golden.SESSION, last, golden.SUMMARY)


def verdict(share: float) -> Verdict:
    """A quota of 10 GPU-hours a day of which that share is spent."""
    one = Budget("b", "gpu_hours", 10.0, "user", None, period_of("day"), "quota")
    return Verdict(one, 0.0, 1e12, replace(golden.gpu_hours(10.0 * share), method="measured"))
