"""JSON: all raw facts, with each figure's provenance.

The records (``cells``, of all buckets) without a ``parent_id`` add up to the summary's totals.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import IO, Any

from .. import breakdown
from ..record import CellRecord, Content, Summary

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
            "sessions": [asdict(s) for s in content.sessions],
        }
        out.write(json.dumps(head, indent=1)[:-2])
        out.write(',\n "cells": [')
        comma = ""
        for record in content.cells():  # one at a time: there may be a million
            out.write(f"{comma}\n  {json.dumps(_cell(record))}")
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


def _cell(record: CellRecord) -> dict[str, Any]:
    body = asdict(record)
    usage = body.pop("usage")
    figures = [
        {"name": f.name, "device": f.device, "value": f.value, "unit": f.unit, **asdict(f.provenance)}
        for f in record.usage.figures
    ]
    return {**body, "wall_s": usage["wall_s"], "figures": figures}
