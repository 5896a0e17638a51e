"""Statements of small ledgers, and of what a session remembers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from stated import usage

from jupyter_costmeter import tally
from jupyter_costmeter.costing import Costing
from jupyter_costmeter.gathering import gather
from jupyter_costmeter.ledger import Selection, open_ledger
from jupyter_costmeter.recent import Recent
from jupyter_costmeter.record import CellRecord, SessionInfo
from jupyter_costmeter.statement import Experiment, Share, Statement

ALL = Selection("all")


def share(statement: Statement, category: str | None) -> Share:
    return next(one for one in statement.shares if one.category == category)


def experiment(statement: Statement, name: str) -> Experiment:
    return next(one for one in statement.experiments if one.name == name)


def of(tmp_path: Path, info: SessionInfo, *made: CellRecord, later: Iterable[Any] = ()) -> Statement:
    """The statement of some records."""
    ledger = open_ledger(tmp_path / "of.sqlite")
    ledger.append(info, made)
    ledger.tag(later)
    found = gather(ledger, ALL, Costing(None, tmp_path))
    ledger.close()
    return found


PROCESS_CLOCK = next(f for f in usage(1.0).figures if f.name == "cpu_s").provenance


def remembered(made: Sequence[CellRecord], info: SessionInfo) -> Recent:
    """As a kernel remembers them: cells one by one, and what lay between as sums."""
    kept = tally.Tally()
    for one in made:
        if one.bucket == "cell":
            kept.add_cell(one)
        else:
            kept.add(one.bucket, one.started_at, one.usage)
    return Recent(info, kept.cells(), kept.summary(), kept.using, kept.between)
