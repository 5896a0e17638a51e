"""CSV: one line a record, a column for each figure and one for how it is known.

The lines without a ``parent_id`` add up to the totals, over all buckets.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from typing import IO, Any

from .. import cost_pages, money
from ..derived import Bill, Content, Costs
from ..record import COUNTED, ENERGY, FLOPS, HIGHEST, LEADING, SUMMED, CellRecord, Figure, Total
from ..spreadsheet import harmless
from ..tag import category_of, tagged

WHAT = (
    "id", "session_id", "seq", "parent_id", "bucket", "notebook", "project", "cell_id", "execution_count", "label",
    "outcome", "error_type", "code_hash",
)  # fmt: skip
#: FLOPs by precision: how they are known is said of their sum.
PRECISIONS = (*COUNTED, *LEADING)
FIGURES = ("energy_j", "flops", *(name for name in SUMMED if name not in PRECISIONS), *HIGHEST)
DERIVED = ("electricity_wh", "emissions_g", "embodied_g", "water_l")
#: Derived when it is written, with the factors of then; an ``_uncertainty`` is an absolute half-width in the same unit.
COSTS = (
    *(column for name in DERIVED for column in (name, f"{name}_how", f"{name}_uncertainty")),
    "intensity_g_per_kwh", "intensity_source", "pue", "factors", "money", "money_amount", "money_currency", "money_how",
    "money_uncertainty", "money_source",
)  # fmt: skip
#: What the record is said to be; parameters and scores are JSON.
SAID = ("category", "method", "run", "in_paper", "params", "scores")
PARTS = {"energy_j": ENERGY, "flops": FLOPS}


class CsvExporter:
    suffix = "csv"
    media_type = "text/csv"

    def write(self, out: IO[str], content: Content) -> None:
        lines = csv.writer(out)
        how = [column for name in FIGURES for column in (name, f"{name}_how")]
        lines.writerow([*WHAT, "started_at", "wall_s", *how, *PRECISIONS, "gpu_share", "gpu_share_how", *COSTS, *SAID])
        for record in content.cells():
            lines.writerow([*_line(record), *_costs(content.costs_of(record)), *_said(record)])


def _line(record: CellRecord) -> list[Any]:
    started = datetime.fromtimestamp(record.started_at, timezone.utc).isoformat()
    line: list[Any] = [*(harmless(getattr(record, name)) for name in WHAT), started, record.wall_s]
    for name in FIGURES:
        parts = PARTS.get(name, (name,))
        figures = [f for f in record.usage.figures if f.name in parts]
        line += _value(name, [f for f in figures if len(parts) == 1 or not f.provenance.absent])
    by_precision = [_value(name, [f for f in record.usage.figures if f.name == name])[0] for name in PRECISIONS]
    return [*line, *by_precision, *_share([f for f in record.usage.figures if f.name == "gpu_share"])]


def _costs(costs: Costs | None) -> Iterator[Any]:
    """For ``COSTS``; of several factors all are named."""
    foot = costs.footprint if costs else None
    for name in DERIVED:
        total = foot.total(name) if foot else None
        yield from _total(total)
        yield total and total.uncertainty
    used = foot.applied if foot else ()
    yield "; ".join(f"{a.value:.6g}" for a in used if a.name == "intensity")
    yield harmless("; ".join(f"{a.intensity.region}: {a.source}" for a in used if a.intensity is not None))
    yield "; ".join(f"{a.value:g}" for a in used if a.name == "pue")
    yield harmless("; ".join(map(cost_pages.said, used)))
    bills = costs.bills if costs else ()
    yield "; ".join(map(money.text, bills))
    yield from _amount(bills)
    yield harmless("; ".join(dict.fromkeys(source for bill in bills for source in bill.sources)))


def _said(record: CellRecord) -> Iterator[Any]:
    """For ``SAID``: of a record inside another only its own; empty where nothing is said."""
    said = tagged(record.tags)
    yield category_of(record.outcome, said) if record.bucket == "cell" else None
    yield harmless(said.method)
    yield harmless(said.run)
    yield None if said.in_paper is None else "yes" if said.in_paper else "no"
    yield json.dumps(said.params, ensure_ascii=False) if said.params else None
    yield json.dumps(said.scores, ensure_ascii=False) if said.scores else None


def _amount(bills: Sequence[Bill]) -> Iterator[Any]:
    """A number to calculate with, exact, where there is one currency: several are never added."""
    known = [bill for bill in bills if bill.amount is not None]
    alone = known[0] if len(known) == 1 else None
    yield None if alone is None else f"{alone.amount:f}"
    yield "; ".join(bill.currency for bill in known or bills)
    yield "; ".join(f"{b.method or 'not known'}{', a lower bound' if b.missing else ''}" for b in known or bills)
    yield None if alone is None or alone.half_width is None else f"{alone.half_width:f}"


def _total(total: Total | None) -> tuple[float | None, str]:
    if total is None:
        return None, "not derived: there is none in this record"
    if total.value is None:
        return None, "not measured: " + "; ".join(total.reasons)
    return total.value, f"{total.method}, a lower bound" if total.missing else str(total.method)


def _share(figures: list[Figure]) -> tuple[float | None, str]:
    """A share of one GPU; those of several do not add up."""
    if len(figures) > 1:
        told = (f"{'—' if f.value is None else round(f.value, 4)} ({f.device}: {f.source})" for f in figures)
        return None, "of several GPUs: " + "; ".join(told)
    value, how = _value("gpu_share", figures)
    return value, f"{how}: {figures[0].source}" if value is not None else how


def _value(name: str, figures: list[Figure]) -> tuple[float | None, str]:
    """Over all devices; empty, with the reason, where nothing was measured (never 0)."""
    there = [f.value for f in figures if f.value is not None]
    value = (max(there) if name in HIGHEST else sum(there)) if there else None
    how = dict.fromkeys(f.method or f"not measured: {f.reason}" for f in figures)
    return value, "; ".join(how) or "not measured: there is none in this record"
