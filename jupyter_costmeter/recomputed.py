"""A file's figures once more, from its own records and factors, and where what it says differs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from math import isclose
from pathlib import Path
from typing import Any

from . import bookkeeping, chain, norms, report, verifiable
from .costing import Settled
from .ledger import Selection, open_ledger
from .linked import Fault, named
from .plain import plain, revived
from .record import BUCKETS, UNITS, CellRecord, Figure, Provenance, SessionInfo, Usage
from .statement import Statement
from .tag import Tag
from .version import __version__

ALL = Selection("all")
#: Records that are put into the ledger at once.
BATCH = 2000
#: Sums of many floats, in another order.
RELATIVE, ABSOLUTE = 1e-9, 1e-9
DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?(E[+-]?[0-9]+)?")
#: What a statement says of itself, not of the records; ``whole`` holds it.
OWN = ("title", "scope", "made_at", "version", "problems")
OUTCOMES = ("ok", "error", "interrupted", "killed")


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
            except (KeyError, TypeError, ValueError, AttributeError) as error:
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
        facts = {name: body[name] for name in chain.FACTS}
        tags = tuple(Tag(record_id=body["id"], **tag) for tag in body["tags"])
        figures = tuple(map(self._figure, body["figures"]))
        return CellRecord(**facts, started_at=float(body["started_at"]), usage=Usage(_float(body["wall_s"]), figures),
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
        if texts and self._body["statement"] is not None:
            yield from different("forms", self._body["forms"], self._forms(), texts)

    def _forms(self) -> Any:
        """Those that the file has, of the statement that it has."""
        statement = revived(Statement, self._body["statement"])
        return plain(norms.forms(statement, [form["name"] for form in self._body["forms"]]))


def _float(value: Any) -> float:
    """A number as it was; anything else is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{value!r} is no number")
    return float(value)


# Comparing


def different(where: str, stated: Any, made: Any, texts: bool = True) -> Iterator[Fault]:
    """Where two bodies of JSON differ; in numbers only, unless ``texts`` count, too.

    Lists are compared in the order of what is in them: a ledger is asked for sets.
    """
    if isinstance(stated, dict) and isinstance(made, dict):
        for key in [*made, *(key for key in stated if key not in made)]:
            if not (where == "statement" and key in OWN):
                yield from _of_key(where, key, stated, made, texts)
    elif isinstance(stated, list) and isinstance(made, list) and (texts or len(stated) == len(made)):
        yield from _of_lists(where, stated, made, texts)
    elif not _alike(stated, made, texts):
        yield Fault(where, f"{_short(stated)} is stated, {_short(made)} follows from the records")


def _of_key(where: str, key: str, stated: Any, made: Any, texts: bool) -> Iterator[Fault]:
    if key not in made or key not in stated:
        if texts:
            yield Fault(f"{where}.{key}", "it does not follow from the records" if key not in made else "it is missing")
    elif key == "sd_s" and _close(stated[key], made[key], 1e-6 * (made.get("mean_s") or 0.0)):
        return  # a difference of squares: of the noise of floats it keeps half the digits
    else:
        yield from different(f"{where}.{key}", stated[key], made[key], texts)


def _of_lists(where: str, stated: list[Any], made: list[Any], texts: bool) -> Iterator[Fault]:
    if len(stated) != len(made):
        yield Fault(where, f"{len(stated)} are stated, {len(made)} follow from the records")
        return
    for one, other in zip(sorted(stated, key=_key), sorted(made, key=_key), strict=True):
        name = other.get("name") or other.get("bucket") or other.get("id") if isinstance(other, dict) else None
        yield from different(f"{where}.{name}" if isinstance(name, str) else where, one, other, texts)


def _key(value: Any) -> tuple[str, str]:
    """The order of a list's elements: by what they are called, before by what they come to."""
    return chain.canonical(_words(value)), chain.canonical(_rounded(value))


def _words(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _words(one) for key, one in value.items()}
    return [_words(one) for one in value] if isinstance(value, list) else value if _is_text(value) else None


def _rounded(value: Any) -> Any:
    """Near numbers are one: they are in the same place in both lists."""
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return f"{value:+.6e}" if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not DECIMAL.fullmatch(value)


def _alike(stated: Any, made: Any, texts: bool) -> bool:
    if isinstance(stated, str) and isinstance(made, str) and not _is_text(stated) and not _is_text(made):
        return isclose(float(stated), float(made), rel_tol=RELATIVE)  # money
    if _close(stated, made):
        return True
    return stated == made and isinstance(stated, bool) == isinstance(made, bool) or (_is_text(stated) and not texts)


def _close(stated: Any, made: Any, absolute: float = 0.0) -> bool:
    numbers = all(isinstance(one, (int, float)) and not isinstance(one, bool) for one in (stated, made))
    return numbers and isclose(stated, made, rel_tol=RELATIVE, abs_tol=max(ABSOLUTE, absolute))


def _short(value: Any) -> str:
    text = f"{value:.10g}" if isinstance(value, float) else repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
