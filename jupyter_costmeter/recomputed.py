"""A file's figures once more, from its own records and factors (``differing``: where what it says differs)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from . import bookkeeping, norms, report, verifiable
from .costing import Settled
from .differing import agreed, different
from .ledger import Selection, open_ledger
from .linked import Fault, named
from .plain import plain, revived
from .record import BUCKETS, FACTS, UNITS, CellRecord, Figure, Provenance, SessionInfo, Usage
from .statement import Statement
from .tag import Tag
from .version import __version__

ALL = Selection("all")
#: Records that are put into the ledger at once.
BATCH = 2000
OUTCOMES = ("ok", "error", "interrupted", "killed")
#: No double is larger, and no date is later (seconds since 1970).
LARGEST, DATED = 1.7e308, 253_402_300_800.0


class Recomputed:
    """The records of a file in a ledger of their own, and what follows from them.

    Args:
        folder: for that ledger.
        body: the file without its records.
    """

    def __init__(self, folder: Path, body: Mapping[str, Any]) -> None:
        self._body = body
        self.ledger = open_ledger(folder / "verified.sqlite")
        self.book = bookkeeping.read(body["factors"]) if body.get("factors") else None
        self._infos = {info.id: info for info in (revived(SessionInfo, one) for one in body["sessions"])}
        self._origins = {name: revived(Provenance, one) for name, one in body["provenances"].items()}
        #: By name of figure and method: the sums of the outermost records.
        self.sums: dict[tuple[str, str], float] = {}

    def take(self, records: Iterable[Mapping[str, Any]]) -> Iterator[Fault]:
        """Put all records into the ledger; those that cannot be read are faults."""
        batch: list[CellRecord] = []
        for number, body in enumerate(records, 1):
            try:
                batch.append(self._record(body))
            except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
                yield Fault(named(body if isinstance(body, dict) else {}, number), f"it cannot be read: {error}")
            if len(batch) >= BATCH:
                yield from self._append(batch)
                batch = []
        yield from self._append(batch)

    def _append(self, records: list[CellRecord]) -> Iterator[Fault]:
        there = self.ledger.there(record.id for record in records)
        sessions: dict[str, list[CellRecord]] = {}
        for record in records:
            if record.id in there:
                yield Fault(f"record {record.id}", "its id stands twice")
            there.add(record.id)
            sessions.setdefault(record.session_id, []).append(record)
            self._sum(record)
        for session_id, found in sessions.items():
            self.ledger.append(self._infos[session_id], found)

    def _sum(self, record: CellRecord) -> None:
        for figure in record.usage.figures if record.parent_id is None else ():
            if figure.value is not None and figure.method is not None:
                key = figure.name, figure.method
                self.sums[key] = self.sums.get(key, 0.0) + figure.value

    def _record(self, body: Mapping[str, Any]) -> CellRecord:
        """As it was before it was written."""
        if body["session_id"] not in self._infos:
            raise ValueError(f"there is no session {body['session_id']!r}")
        if body["bucket"] not in BUCKETS or body["outcome"] not in OUTCOMES:
            raise ValueError(f"there is no bucket {body['bucket']!r} or outcome {body['outcome']!r}")
        facts = {name: body[name] for name in FACTS}
        tags = tuple(Tag(record_id=body["id"], **tag) for tag in body["tags"])
        figures = tuple(map(self._figure, body["figures"]))
        return CellRecord(**facts, started_at=_time(body["started_at"]), usage=Usage(_float(body["wall_s"]), figures),
                          tags=tags)  # fmt: skip

    def _figure(self, body: Mapping[str, Any]) -> Figure:
        if body["name"] not in UNITS:
            raise ValueError(f"there is no figure {body['name']!r}")
        value = None if body["value"] is None else _float(body["value"])
        return Figure(body["name"], value, self._origins[body["provenance"]], body["device"])

    # Figures

    def differences(self) -> Iterator[Fault]:
        """Where the file's figures do not follow from its records and factors."""
        costing = None if self.book is None else Settled(self.book)
        made = verifiable.figures_of(report.content_of(self.ledger, ALL, costing))
        texts = self._body["software"]["version"] == __version__
        yield from different("units", self._body.get("units"), UNITS, texts)
        for name in ("summary", "gpu_utilisation", "costs", "statement"):
            yield from different(name, self._body.get(name), made[name], texts)
        if texts and isinstance(self._body["statement"], dict) and made["statement"] is not None:
            yield from different("forms", self._body["forms"], self._forms(made["statement"]), texts)

    def _forms(self, made: Any) -> Any:
        """Those that the file has, of the statement that follows from its records.

        Where that is what the file states it is taken as stated: of the noise of sums no text must be made.
        """
        statement = revived(Statement, agreed("statement", self._body["statement"], made))
        return plain(
            norms.forms(statement, [form["name"] for form in self._body["forms"] if form["name"] in norms.NAMES])
        )


def _float(value: Any) -> float:
    """A number as it was; anything else is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{value!r} is no number")
    if not -LARGEST <= value <= LARGEST:
        raise ValueError("it has a number that no measurement has")
    return float(value)


def _time(value: Any) -> float:
    """Seconds since 1970 that have a date."""
    found = _float(value)
    if abs(found) >= DATED:
        raise ValueError(f"{value!r} is no time")
    return found
