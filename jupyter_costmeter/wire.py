"""The records as the front end sees them: the one place where the wire's shape is made.

Golden examples in ``tests/data`` are read by pytest (made here) and by node (read by
``labextension/src/api.ts``), so that the two sides cannot drift apart. ``SCHEMA`` counts
up when a field changes its meaning or goes; a new field does not count.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from . import accounting
from .ledger import LedgerState, Share
from .record import CellRecord, Figure, Held, SessionInfo, Status, Summary, Total, Usage
from .tag import Tag, Tagged, category_of, tagged
from .version import __version__

if TYPE_CHECKING:
    from .derived import Costs
    from .progressing import Progress
    from .rates import Rates

SCHEMA = 1
COMM_ID = "jupyter-costmeter"  # well-known: no handshake, any number of front ends may listen
REQUEST, REPLY = "costmeter_request", "costmeter_reply"

Json = dict[str, Any]
Event = Literal["loaded", "running", "closed", "unloaded"]


def figure(one: Figure) -> Json:
    """One figure with its provenance."""
    return {
        "name": one.name,
        "device": one.device,
        "value": one.value,
        "unit": one.unit,
        **asdict(one.provenance),
    }


def total(one: Total) -> Json:
    """A sum with how much of it is known, and how."""
    return {**asdict(one), "sources": list(one.sources), "reasons": list(one.reasons)}


def costs(one: Costs | None, whole: bool = True) -> Json | None:
    """What is derived of a scope's joules, or of a cell's (not ``whole``)."""
    if one is None:
        return None
    from . import cost_wire  # its imports stay off %load_ext's path

    return cost_wire.costs(one, whole)


def summary(one: Summary, cost: Costs | None = None) -> Json:
    """A scope's totals, what of them lies in which bucket, and what they cost.

    A whole device's energy is of its cell only: of kernels that shared one the sum would count it once for each.
    """
    return {
        "costs": costs(cost),
        "cells": one.cells,
        "failed": one.failed,
        "sessions": one.sessions,
        "wall_s": one.wall_s,
        "totals": _ours(one.totals),
        "buckets": [{"bucket": b.bucket, "wall_s": b.wall_s, "totals": _ours(b.totals)} for b in one.buckets],
    }


def _ours(totals: Iterable[Total]) -> list[Json]:
    return [total(one) for one in totals if one.name != "gpu_device_energy_j"]


@dataclass(frozen=True, slots=True)
class Derive:
    """What is derived of a cell, by who knows the devices' names and peaks, and where they stand."""

    rates: Callable[[Usage], Rates | None] = lambda usage: None
    costs: Callable[[CellRecord], Costs | None] = lambda record: None


NOTHING = Derive()


def cells(records: Iterable[CellRecord], derive: Derive = NOTHING) -> list[Json]:
    """Those of the records that are a cell's; what the others took is in the summary's buckets."""
    return [cell(r, derive) for r in records if r.bucket == "cell"]


def cell(record: CellRecord, derive: Derive = NOTHING) -> Json:
    """A cell's run, with its derived totals so that the front end need not calculate."""
    return {
        **_run(record, derive),
        "totals": [total(t) for t in accounting.cell_totals(record.usage)],
        "figures": [figure(f) for f in record.usage.figures],
    }


def run(record: CellRecord, derive: Derive | None = None) -> Json:
    """One of a cell's last runs, without its single figures; of an earlier one (no ``derive``) the energy alone."""
    totals = accounting.cell_totals(record.usage)
    told = [total(t) for t in totals if derive is not None or t.name == "energy_j"]
    return {**_run(record, derive or NOTHING), "totals": told}


def _run(record: CellRecord, derive: Derive) -> Json:
    """All but what it used."""
    rates = derive.rates(record.usage)
    return {
        "rates": rates and asdict(rates),
        "costs": costs(derive.costs(record), whole=False),
        "id": record.id,
        "session_id": record.session_id,
        "seq": record.seq,
        "parent_id": record.parent_id,
        "bucket": record.bucket,
        "cell_id": record.cell_id,
        "execution_count": record.execution_count,
        "label": record.label,
        "notebook": record.notebook,
        "started_at": record.started_at,
        "wall_s": record.wall_s,
        "outcome": record.outcome,
        "error_type": record.error_type,
        "code_hash": record.code_hash,
        **said_of(record.outcome, record.tags),
    }


def said(one: Tagged) -> Json:
    """What was said of a record."""
    return {"category": one.category, "method": one.method, "run": one.run, "in_paper": one.in_paper}


def tagged_cell(runs: Sequence[tuple[str, Tagged]]) -> Json:
    """What is said of a cell's newest run, and which of it is not the same of all its runs (the newest first)."""
    told = [said(one) for _, one in runs]
    several = [key for key in told[0] if any(one[key] != told[0][key] for one in told)]
    failed = sum(outcome != "ok" for outcome, _ in runs)
    return {"runs": len(runs), "failed": failed, "said": told[0], "several": several}


def said_of(outcome: str, tags: Iterable[Tag]) -> Json:
    """What a record counts as: what was said of it, and that it failed."""
    found = tagged(tags)
    return {**said(found), "category": category_of(outcome, found)}


def running(
    record: CellRecord,
    power: Total | None,
    derive: Derive = NOTHING,
    progress: Json | None = None,
    forecast: Json | None = None,
) -> Json:
    """A cell that still runs: like ``cell`` as of now, with the power since the last tick; what it will cost."""
    told = {"outcome": None, "power": power and total(power), "progress": progress, "forecast": forecast}
    return {**cell(record, derive), **told}


def progress(one: Progress | None) -> Json | None:
    """How far a running cell is."""
    return None if one is None else {"fraction": one.fraction, "label": one.label, "source": one.source}


def session(info: SessionInfo) -> Json:
    """One run of one process."""
    return asdict(info)


def status(one: Status) -> Json:
    """Whether a part works."""
    return asdict(one)


def message(
    event: Event,
    session_id: str,
    seq: int,
    running: list[Json],
    closed: Iterable[CellRecord],
    totals: Summary,
    held: Iterable[Held],
    ledger: Json,
    derive: Derive = NOTHING,
    cost: Costs | None = None,
    budgets: list[Json] | None = None,
    notices: Iterable[Json] = (),
) -> Json:
    """What a kernel tells whoever listens, while a cell runs and when it has ended.

    ``budgets`` are ``None`` until they were looked at; ``notices`` are those since the last message.
    """
    return {
        "schema": SCHEMA,
        "event": event,
        "session_id": session_id,
        "seq": seq,
        "running": running,
        "closed": cells(closed, derive),
        "summary": summary(totals, cost),
        "held": [asdict(one) for one in held],
        "ledger": ledger,
        "budgets": budgets,
        "notices": list(notices),
    }


def reply(
    info: SessionInfo,
    seq: int,
    running: list[Json],
    known: Iterable[CellRecord],
    totals: Summary,
    held: Iterable[Held],
    sensors: Iterable[Status],
    ledger: Json,
    derive: Derive = NOTHING,
    cost: Costs | None = None,
    budgets: list[Json] | None = None,
) -> Json:
    """A kernel's answer to a front end that has just come, or missed a message."""
    return {
        "status": "ok",
        "schema": SCHEMA,
        "version": __version__,
        "seq": seq,
        "session": session(info),
        "running": running,
        "cells": cells(known, derive),
        "summary": summary(totals, cost),
        "held": [asdict(one) for one in held],
        "sensors": [status(s) for s in sensors],
        "ledger": ledger,
        "project": info.project,
        "budgets": budgets,
        "notices": [],
    }


def scopes(
    notebook: str,
    project: str | None,
    summaries: dict[str, tuple[Summary, Costs | None] | None],
    dearest: dict[str, list[CellRecord]],
    ledger: Json,
    session_cells: int | None = None,
    tags: Mapping[str, tuple[str, Iterable[Tag]]] | None = None,
    share: Share | None = None,
) -> Json:
    """What the server's ledger knows of a notebook and its project; of a session's records their outcomes and tags.

    ``share`` is how sending to the lab's ledger goes, ``None`` where nothing is shared.
    """
    return {
        "schema": SCHEMA,
        "version": __version__,
        "notebook": notebook,
        "project": project,
        "project_name": os.path.basename(project) if project else None,
        "scopes": {name: one and summary(*one) for name, one in summaries.items()},
        "dearest": {name: cells(records) for name, records in dearest.items()},
        "session_cells": session_cells,
        "tagged": {record_id: said_of(*one) for record_id, one in (tags or {}).items()},
        "ledger": ledger,
        "share": share and asdict(share),
    }


def ledger(state: LedgerState) -> Json:
    """Whether records reach the file."""
    return asdict(state)
