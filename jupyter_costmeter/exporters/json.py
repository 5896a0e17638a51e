"""JSON: all raw facts, with each figure's provenance.

The records (``cells``, of all buckets) without a ``parent_id`` add up to the summary's totals.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import IO, Any

from .. import breakdown
from ..derived import Content, Costs
from ..record import CellRecord, Summary

SCHEMA = 1


class JsonExporter:
    suffix = "json"
    media_type = "application/json"

    def write(self, out: IO[str], content: Content) -> None:
        head = {
            "schema": SCHEMA,
            "title": content.title,
            "summary": asdict(content.summary),
            "gpu_utilisation": _utilisation(content.summary),
            "costs": content.costs and _costs(content.costs),
            "problems": content.problems,
            "sessions": [asdict(s) for s in content.sessions],
        }
        out.write(json.dumps(head, indent=1, default=str)[:-2])
        out.write(',\n "cells": [')
        comma = ""
        for record in content.cells():  # one at a time: there may be a million
            out.write(f"{comma}\n  {json.dumps(_cell(record, content.costs_of(record)), default=str)}")
            comma = ","
        out.write("\n ]\n}\n")


def _utilisation(summary: Summary) -> dict[str, Any] | None:
    """Seconds held and used, and the used share; ``None`` where no GPU was held."""
    found = breakdown.utilisation(summary)
    if found is None:
        return None
    used_s = found.busy.value if found.busy else None
    return {"held_s": found.held.value, "used_s": used_s, "share": found.share, "bound": found.bound or None,
            "method": found.method}  # fmt: skip


def _costs(costs: Costs) -> dict[str, Any]:
    """All of them; amounts of money are decimal, so texts."""
    found = asdict(costs.footprint)
    return {**found, "bills": [asdict(b) for b in costs.bills], "clouds": [asdict(b) for b in costs.clouds]}


def _of_cell(costs: Costs) -> dict[str, Any]:
    """A cell's totals and amounts, without the factors, which the head has."""
    money = [{"amount": b.amount, "currency": b.currency, "missing": b.missing} for b in costs.bills]
    return {"totals": [asdict(t) for t in costs.footprint.totals], "bills": money}


def _cell(record: CellRecord, costs: Costs | None) -> dict[str, Any]:
    body = asdict(record)
    usage = body.pop("usage")
    figures = [
        {"name": f.name, "device": f.device, "value": f.value, "unit": f.unit, **asdict(f.provenance)}
        for f in record.usage.figures
    ]
    return {**body, "wall_s": usage["wall_s"], "figures": figures, "costs": costs and _of_cell(costs)}
