"""A hash chain over records, pure: each link holds the one before, so none is changed, dropped or moved unnoticed.

link(i) = SHA-256(link(i - 1) + canonical JSON of record i), the first of them after ``START``; the last is the *head*.
Whoever can write the whole file can make a new chain, so a head proves something where it was published before.

Canonical JSON: keys in the order of their code points, no white space, ASCII only, each number as the double that it
is, without a fraction if it is whole (below 2^53): so it is the same after any program has formatted the file anew.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from math import isfinite
from operator import attrgetter
from typing import Any

from .record import CellRecord, Figure, Provenance
from .tag import Tag

ALGORITHM = "sha256"
#: The link before the first record.
START = ""
#: From here on not each whole number is a float of its own.
WHOLE = 2.0**53
LARGEST = int(sys.float_info.max)
#: So many kinds of records are kept.
KNOWN = 1000
FACTS = sorted({f.name for f in fields(CellRecord)} - {"usage", "tags", "started_at"})
SAID = [f.name for f in fields(Tag) if f.name != "record_id"]
_quoted = json.encoder.encode_basestring_ascii
_facts = attrgetter(*FACTS)
_text = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


def _line() -> str:
    """A record's canonical JSON with a mark for each value: its keys are in the order of their letters."""
    marks = {name: f"{{{name}}}" for name in (*FACTS, "number", "started_at", "tags", "wall_s")}
    marks["figures"] = "[{figures}]"
    return "{{" + ",".join(f'"{name}":{marks[name]}' for name in sorted(marks)) + "}}"


LINE = _line()


def canonical(body: Any) -> str:
    """What JSON holds (as it was parsed), in the one form that is hashed.

    Raises:
        ValueError: a number in it is none that JSON has.
    """
    return _text(_plain(body))


def number(value: float | int | None) -> float | int | None:
    """As it is written: 2 for 2.0, 1e+20 for an int of 21 digits; ``None`` stays."""
    if value is None or not -WHOLE < value < WHOLE:
        return float(value) if isinstance(value, int) and -LARGEST <= value <= LARGEST else value
    whole = int(value)
    return whole if whole == value else value


def known(value: float | None) -> float | int | None:
    """The same of a figure; ``None`` for what is no number, which JSON does not have."""
    return number(value) if value is not None and isfinite(value) else None


def _plain(body: Any) -> Any:
    if isinstance(body, (float, int)) and not isinstance(body, bool):
        return number(body)
    if isinstance(body, dict):
        return {key: _plain(value) for key, value in body.items()}
    return [_plain(value) for value in body] if isinstance(body, (list, tuple)) else body


def link(before: str, text: str) -> str:
    """The next link, as hexadecimal digits: of the link before and a record's canonical JSON."""
    return hashlib.sha256(f"{before}{text}".encode("ascii")).hexdigest()


def provenance_id(origin: Provenance) -> str:
    """A digest of it: the same for the same provenance on every machine, so ledgers can be merged."""
    text = json.dumps([origin.method, origin.source, origin.uncertainty, origin.reason, origin.absent])
    return hashlib.sha256(text.encode()).hexdigest()[:20]


class Chain:
    """Makes the lines of records, each with its number (from 1 on) and its link.

    ``provenances`` are those that the lines so far refer to. Their names are digests of them, so the chain holds them,
    too. ``head`` is the last link, ``count`` the number of records.
    """

    def __init__(self) -> None:
        self.provenances: dict[str, dict[str, Any]] = {}
        self.head, self.count = START, 0
        self._kinds: dict[Any, tuple[str, Any]] = {}

    def line(self, record: CellRecord) -> str:
        """The next record's canonical JSON, with its link before the closing brace."""
        self.count += 1
        said = _text([_said(tag) for tag in record.tags]) if record.tags else "[]"
        made = {"figures": self._figures(record.usage.figures), "number": self.count, "tags": said,
                "started_at": _digits(record.started_at), "wall_s": _digits(record.usage.wall_s)}  # fmt: skip
        text = LINE.format(**dict(zip(FACTS, map(_fact, _facts(record)), strict=True)), **made)
        self.head = link(self.head, text)
        return f'{text[:-1]},"hash":"{self.head}"}}'

    def _figures(self, figures: Sequence[Figure]) -> str:
        """There are ten of each record, and few records whose differ by more than their values."""
        key = tuple([(f.name, f.device, id(f.provenance)) for f in figures])
        kind = self._kinds.get(key)
        if kind is None:
            if len(self._kinds) >= KNOWN:
                self._kinds.clear()
            origins = [f.provenance for f in figures]  # kept, so that no other has their identity meanwhile
            kind = self._kinds[key] = ",".join(map(self._figure, figures)), origins
        return kind[0] % tuple([_digits(f.value) for f in figures])

    def _figure(self, figure: Figure) -> str:
        """A figure with a mark for its value."""
        name = provenance_id(figure.provenance)
        self.provenances.setdefault(name, asdict(figure.provenance))
        text = _text({"device": figure.device, "name": figure.name, "provenance": name}).replace("%", "%%")
        return f'{text[:-1]},"value":%s}}'


def _fact(value: Any) -> str:
    """A fact of a record: nearly all are texts."""
    if value is None:
        return "null"
    return _quoted(value) if isinstance(value, str) else str(value) if type(value) is int else _text(value)


def _digits(value: float | None) -> str:
    """The text of what ``known`` says, without its calls for most."""
    if value is not None and -WHOLE < value < WHOLE:
        whole = int(value)
        return repr(whole if whole == value else value)
    other = known(value)
    return "null" if other is None else repr(other)


def _said(tag: Tag) -> dict[str, Any]:
    return {**{name: getattr(tag, name) for name in SAID}, "at": known(tag.at)}


def head_of(records: Iterable[CellRecord]) -> tuple[str, int]:
    """The head of some records, in the order of their start, and their number: as their file has it."""
    made = Chain()
    for record in records:
        made.line(record)
    return made.head, made.count
