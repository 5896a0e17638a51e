"""A batch as JSON, from a user's server to the Hub's service, and back: each mistake in it is said, none is guessed at.

One object: ``version``, ``owner`` (who means to send it), ``provenances`` by their ids, ``sessions``, ``records`` whose
``figures`` are rows of name, value, device and the provenance's id, ``tags``, and the ``events`` of budgets; each has
the fields of its record.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, NoReturn

from ..budget import BudgetEvent
from ..errors import UsageError
from ..ledger import rows
from ..record import CellRecord, Figure, Provenance, SessionInfo, Usage
from ..tag import Tag
from . import decoding
from .store import Batch

VERSION = 1
#: Things in one batch, bytes of one, and seconds of one record: of more the database would have to make hours for ever.
MOST, MOST_BYTES, LONGEST_S = 2000, 8_000_000, 366 * 86_400.0
#: Seconds since 1970 that a clock may show.
LATEST_S = 1e10
PARTS = ("version", "owner", "provenances", "sessions", "records", "tags", "events")


class OtherVersion(UsageError):
    """The sender and the service are of different versions."""


def text_of(batch: Batch, owner: str | None = None) -> bytes:
    """As it is sent."""
    origins = {rows.provenance_id(f.provenance): f.provenance for r in batch.records for f in r.usage.figures}
    body = {
        "version": VERSION,
        "owner": owner,
        "provenances": {key: asdict(origin) for key, origin in origins.items()},
        "sessions": [asdict(info) for info in batch.infos],
        "records": [_record_row(record) for record in batch.records],
        "tags": [asdict(tag) for tag in batch.tags],
        "events": [asdict(event) for event in batch.events],
    }
    return json.dumps(body, separators=(",", ":")).encode()


def _record_row(record: CellRecord) -> dict[str, Any]:
    figures = [[f.name, f.value, f.device, rows.provenance_id(f.provenance)] for f in record.usage.figures]
    facts = {name: getattr(record, name) for name in rows.CELL_COLUMNS}
    return {**facts, "wall_s": record.wall_s, "figures": figures}


def batch_of(text: bytes) -> tuple[str | None, Batch]:
    """Who means to send it, and what.

    Raises:
        UsageError: it is no batch; the text says where.
        OtherVersion: of another version.
    """
    body = _parsed(text)
    if body.get("version") != VERSION:
        raise OtherVersion(f"a batch of version {body.get('version')!r}; this service takes {VERSION}")
    if set(body) - set(PARTS):
        raise UsageError(f"a batch has no {sorted(set(body) - set(PARTS))[0]!r}")
    owner: str | None = decoding.value(str | None, body.get("owner"), "owner")
    named = decoding.an_object(body.get("provenances", {}), "provenances")
    origins = {key: decoding.made(Provenance, one, f"provenances.{key[:40]}") for key, one in named.items()}
    infos = [decoding.made(SessionInfo, one, at) for at, one in _each(body, "sessions")]
    records = [_record(one, origins, at) for at, one in _each(body, "records")]
    tags = [decoding.made(Tag, one, at) for at, one in _each(body, "tags")]
    events = [decoding.made(BudgetEvent, one, at) for at, one in _each(body, "events")]
    return owner, Batch(infos, records, tags, events)


def _parsed(text: bytes) -> Mapping[str, Any]:
    def refused(what: str) -> NoReturn:
        raise UsageError(f"{what} is no number of JSON's")

    try:
        body = json.loads(text, parse_constant=refused)
    except (ValueError, RecursionError):
        raise UsageError("the body is no JSON") from None
    return decoding.an_object(body, "a batch")


def _each(body: Mapping[str, Any], name: str, at: str = "") -> list[tuple[str, Any]]:
    """The rows of a list, each with where it is."""
    found, at = body.get(name, []), at or name
    if not isinstance(found, list):
        raise UsageError(f"{at} wants a list, […]")
    if len(found) > MOST:
        raise UsageError(f"{at} has {len(found)} rows; it takes {MOST}")
    return [(f"{at}[{number}]", one) for number, one in enumerate(found)]


def _record(row: Any, origins: Mapping[str, Provenance], at: str) -> CellRecord:
    row = decoding.an_object(row, at)
    facts = {name: value for name, value in row.items() if name not in ("wall_s", "figures")}
    wall_s = decoding.value(float, row.get("wall_s"), f"{at}.wall_s")
    if not 0 <= wall_s <= LONGEST_S:
        raise UsageError(f"{at}.wall_s is {wall_s:g} s, which no record lasts")
    figures = [_figure(one, origins, where) for where, one in _each(row, "figures", f"{at}.figures")]
    record = decoding.made(CellRecord, facts, at, usage=Usage(wall_s, tuple(figures)), tags=())
    if abs(record.started_at) > LATEST_S:
        raise UsageError(f"{at}.started_at is {record.started_at:g}, which no clock shows")
    return record


def _figure(row: Any, origins: Mapping[str, Provenance], at: str) -> Figure:
    if not isinstance(row, list) or len(row) != 4:
        raise UsageError(f"{at} wants name, value, device and provenance, […]")
    name, value, device = map(decoding.value, (str, float | None, str | None), row, (f"{at}[{n}]" for n in range(3)))
    if not isinstance(row[3], str) or row[3] not in origins:
        raise UsageError(f"{at} names a provenance that is not among them")
    return Figure(name, value, origins[row[3]], device)
