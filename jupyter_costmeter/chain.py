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
from operator import attrgetter, itemgetter
from typing import Any

from .record import FACTS, CellRecord, Provenance, Stored
from .tag import Tag

ALGORITHM = "sha256"
#: The link before the first record.
START = ""
#: From here on not each whole number is a float of its own.
WHOLE = 2.0**53
LARGEST = int(sys.float_info.max)
#: So many kinds of records are kept.
KNOWN = 1000
REST = ("figures", "number", "started_at", "tags", "wall_s")
#: All that is written of a record but its link, in the order of the letters.
WRITTEN = sorted((*FACTS, *REST))
#: A record's canonical JSON with a mark for each value.
LINE = "{" + ",".join(f'"{name}":' + ("[%s]" if name == "figures" else "%s") for name in WRITTEN) + "}"
#: The facts and, behind them, the rest in the order of ``WRITTEN``.
_ordered = itemgetter(*map([*FACTS, *REST].index, WRITTEN))
SAID = [f.name for f in fields(Tag) if f.name != "record_id"]
_quoted = json.encoder.encode_basestring_ascii
_facts = attrgetter(*FACTS)
_text = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


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

    def line(self, record: CellRecord | Stored) -> str:
        """The next record's canonical JSON, with its link before the closing brace."""
        self.count += 1
        facts = record.facts if isinstance(record, Stored) else _facts(record)
        said = _text([_said(tag) for tag in record.tags]) if record.tags else "[]"
        started, wall = _digits(record.started_at), _digits(record.wall_s)
        text = LINE % _ordered((*map(_fact, facts), self._figures(record), self.count, started, said, wall))
        self.head = link(self.head, text)
        return f'{text[:-1]},"hash":"{self.head}"}}'

    def _figures(self, record: CellRecord | Stored) -> str:
        """There are ten of each record, and few records whose differ by more than their values."""
        if isinstance(record, Stored):
            key: Any = record.kind
            digits = _floats(record.values)
        else:
            figures = record.usage.figures
            key = tuple([(f.name, f.device, id(f.provenance)) for f in figures])
            digits = [_digits(f.value) for f in figures]
        kind = self._kinds.get(key)
        if kind is None:
            if len(self._kinds) >= KNOWN:
                self._kinds.clear()
            parts = _parts(record)  # kept, so that no other provenance has the identity of one of these meanwhile
            kind = self._kinds[key] = ",".join([self._figure(*part) for part in parts]), parts
        return kind[0] % tuple(digits)

    def _figure(self, name: str, device: str | None, origin: Provenance) -> str:
        """A figure with a mark for its value."""
        key = provenance_id(origin)
        self.provenances.setdefault(key, asdict(origin))
        text = _text({"device": device, "name": name, "provenance": key}).replace("%", "%%")
        return f'{text[:-1]},"value":%s}}'


def _parts(record: CellRecord | Stored) -> list[tuple[str, str | None, Provenance]]:
    """Of each figure all but its value."""
    if isinstance(record, Stored):
        figures = zip(*record.kind, strict=True)
        return [(name, device or None, record.origins[key]) for name, device, key in figures]
    return [(f.name, f.device, f.provenance) for f in record.usage.figures]


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


def _floats(values: Sequence[float | None]) -> Sequence[str]:
    """The digits of floats, which are most of a long export's time: of all of them at once in two thirds of it."""
    texts = repr([*values])[1:-1]
    if "n" in texts or ".0," in texts or texts.endswith(".0"):  # None, nan, inf; whole ones
        return [_digits(value) for value in values]
    return texts.split(", ") if texts else ()


def _said(tag: Tag) -> dict[str, Any]:
    return {**{name: getattr(tag, name) for name in SAID}, "at": known(tag.at)}


def head_of(records: Iterable[CellRecord | Stored]) -> tuple[str, int]:
    """The head of some records, in the order of their start, and their number: as their file has it."""
    made = Chain()
    for record in records:
        made.line(record)
    return made.head, made.count
