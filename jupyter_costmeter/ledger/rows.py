"""Records to rows and back."""

from __future__ import annotations

import functools
import json
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from math import isfinite
from typing import Any

from .. import accounting, chain
from ..record import ENERGY, CellRecord, Figure, Provenance, SessionInfo, Usage
from ..tag import Tag

Row = dict[str, Any]
CELL_COLUMNS = [f.name for f in fields(CellRecord) if f.name not in ("usage", "tags")]
#: The columns in the order of the record's fields.
TAKEN = ["wall_s" if f.name == "usage" else f.name for f in fields(CellRecord) if f.name != "tags"]


def session_row(info: SessionInfo) -> Row:
    """For the table ``session``."""
    return {**asdict(info), "environment": json.dumps(info.environment)}


def session_of(row: Mapping[Any, Any]) -> SessionInfo:
    """From the table ``session``."""
    return SessionInfo(**{**row, "environment": json.loads(row["environment"])})


provenance_id = functools.lru_cache(maxsize=1024)(chain.provenance_id)


def provenance_row(origin: Provenance) -> Row:
    """For the table ``provenance``."""
    return {"id": provenance_id(origin), **asdict(origin)}


def provenance_of(row: Mapping[str, Any]) -> Provenance:
    """From the table ``provenance``; the same object for the same row, as far as it is remembered."""
    return _provenance(row["method"], row["source"], row["uncertainty"], row["reason"], bool(row["absent"]))


_provenance = functools.lru_cache(maxsize=1024)(Provenance)


def cell_row(record: CellRecord) -> Row:
    """For the table ``cell``."""
    known = [f.value for f in record.usage.figures if f.name in ENERGY and f.value is not None]
    derived = {"wall_s": record.wall_s, "energy_j": sum(known) if known else None}
    return {**{name: getattr(record, name) for name in CELL_COLUMNS}, **derived}


def cell_of(row: Mapping[Any, Any], figures: tuple[Figure, ...], tags: tuple[Tag, ...] = ()) -> CellRecord:
    """From the table ``cell``, with its figures and tags."""
    usage = Usage(row["wall_s"], figures)
    return CellRecord(usage=usage, tags=tags, **{name: row[name] for name in CELL_COLUMNS})


def taker(columns: Sequence[str]) -> Callable[[Sequence[Any], tuple[Figure, ...], tuple[Tag, ...]], CellRecord]:
    """The same for rows with these columns: what is looked up once is not looked up for each row."""
    pick = operator.itemgetter(*map(columns.index, TAKEN))

    def take(row: Sequence[Any], figures: tuple[Figure, ...], tags: tuple[Tag, ...]) -> CellRecord:
        record_id, session_id, seq, started_at, wall_s, *rest = pick(row)
        return CellRecord(*(record_id, session_id, seq, started_at, Usage(wall_s, figures), *rest, tags))

    return take


def finite(record: CellRecord) -> CellRecord:
    """The record, in which what is no finite number is a figure that was not measured: no sum survives one."""
    if all(f.value is None or isfinite(f.value) for f in record.usage.figures):
        return record
    return replace(record, usage=Usage(record.wall_s, tuple(map(_finite, record.usage.figures))))


def _finite(figure: Figure) -> Figure:
    if figure.value is None or isfinite(figure.value):
        return figure
    return replace(figure, value=None, provenance=accounting.missing(figure.provenance, "what was read is no number"))


def figure_rows(record: CellRecord) -> list[Row]:
    """For the table ``figure``: one row for each figure and device."""
    return [
        {
            "cell_id": record.id,
            "name": f.name,
            "device": f.device or "",
            "value": f.value,
            "provenance_id": provenance_id(f.provenance),
        }
        for f in record.usage.figures
    ]


def journal_text(record: CellRecord) -> str:
    """An open window as JSON."""
    return json.dumps(asdict(record))


def journal_record(text: str) -> CellRecord:
    """The record of an open window, as of its last tick."""
    body = json.loads(text)
    usage = body.pop("usage")
    figures = tuple(Figure(f["name"], f["value"], Provenance(**f["provenance"]), f["device"]) for f in usage["figures"])
    tags = tuple(Tag(**tag) for tag in body.pop("tags", ()))
    return CellRecord(usage=Usage(usage["wall_s"], figures), tags=tags, **body)
