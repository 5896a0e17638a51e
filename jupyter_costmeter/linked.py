"""Whether a file's records are those that its chain was made of; else which were changed, dropped or moved, pure."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from . import chain

LINK = re.compile("[0-9a-f]{64}")
#: Of so many pieces that are out of order it is not worked out which of them were moved.
MANY = 1000


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, and where: a record by its number, id and start, or a figure by its name."""

    where: str
    what: str


@dataclass(slots=True)
class _Run:
    """Records whose numbers follow each other, from the first to the last, as people call them."""

    first: int
    last: int
    first_name: str
    last_name: str


def named(body: Mapping[str, Any], number: int) -> str:
    """``record 17 (8f14e45f-17, 2026-09-21 14:13:20 UTC)``."""
    started = body.get("started_at")
    at = ""
    if isinstance(started, (int, float)) and abs(started) < 1e11:
        at = time.strftime(", %Y-%m-%d %H:%M:%S UTC", time.gmtime(started))
    return f"record {number} ({body.get('id')}{at})"


def _text(body: Mapping[str, Any]) -> str:
    """What is hashed; no record that was written has a number that JSON has not."""
    try:
        return chain.canonical(body)
    except (ValueError, OverflowError):
        return ""


class Links:
    """Takes the records of a file one by one; ``faults`` says what is wrong with all of them.

    ``head`` is what the last record says that its link is, so that each record is looked at by itself; ``made`` is the
    head that the records have as they are.
    """

    def __init__(self) -> None:
        self.count = 0
        self.head = self.made = chain.START
        self._runs: list[_Run] = []
        self._changed: list[Fault] = []

    def add(self, body: Any) -> None:
        """The next record, as it was parsed."""
        self.count += 1
        if not isinstance(body, dict):
            body = {}
        said, number = body.get("hash"), _number(body.get("number"))
        text = _text({key: value for key, value in body.items() if key != "hash"})
        made = chain.link(self.head, text)
        self.made = made if self.made == self.head else chain.link(self.made, text)
        name = named(body, number or self.count)
        in_place = number is not None and self._place(number, name)
        if made != said and (in_place or number is None):
            what = "it was changed, or the hash of the record before it" if self.count > 1 else "it was changed"
            self._changed.append(Fault(name, what))
        self.head = said if isinstance(said, str) and LINK.fullmatch(said) else made

    def _place(self, number: int, name: str) -> bool:
        """Whether that number is the one after the last."""
        last = self._runs[-1] if self._runs else _Run(1, 0, "", "the beginning")
        if number == last.last + 1:
            if self._runs:
                last.last, last.last_name = number, name
            else:
                self._runs.append(_Run(number, number, name, name))
            return True
        self._runs.append(_Run(number, number, name, name))
        return False

    def faults(self, ends: Any) -> Iterator[Fault]:
        """All that is wrong with the records, as far as the chain tells.

        Args:
            ends: what the file says of its chain: the number of records, and the head.
        """
        if not isinstance(ends, dict):
            yield Fault("chain", "the file says nothing of its chain")
            return
        yield from self._changed
        claimed = ends.get("records")
        records = claimed if isinstance(claimed, int) and claimed >= 0 else 0
        yield from self._of_order(records)
        if ends.get("algorithm") != chain.ALGORITHM:
            yield Fault("chain.algorithm", f"it is {ends.get('algorithm')!r}, not {chain.ALGORITHM!r}")
        if claimed != self.count:
            yield Fault("chain.records", f"the file says that it has {claimed!r} records, and has {self.count}")
        if more := set(ends) - {"algorithm", "records", "head", "whole"}:
            yield Fault("chain", f"it has {', '.join(map(repr, sorted(more)))}, which no file has")
        if ends.get("head") != self.head:
            yield Fault("chain.head", "it is not the hash of the last record: that was changed, or the end is missing")

    def _of_order(self, records: int) -> Iterator[Fault]:
        """Numbers that are missing, stand twice, or are not in their place."""
        reached, gaps = _Run(1, 0, "", "the beginning"), []
        for run in sorted(self._runs, key=lambda run: (run.first, run.last)):
            if run.first > reached.last + 1:
                gaps.append((reached.last + 1, run.first - 1))
                yield Fault(_numbers(*gaps[-1]), f"missing, between {reached.last_name} and {run.first_name}")
            elif run.first <= reached.last:
                yield Fault(run.first_name, "a record with that number stands twice: one of them was put in")
            if run.last > reached.last:
                reached = run
        if records > reached.last:
            yield Fault(_numbers(reached.last + 1, records), f"missing, after {reached.last_name}")
        yield from self._moved(gaps)

    def _moved(self, gaps: list[tuple[int, int]]) -> Iterator[Fault]:
        """Those that are not in their place; the others are the most that are in one order."""
        kept = _in_order(self._runs)
        before = _Run(1, 0, "", "the beginning")
        for i, run in enumerate(self._runs):
            jump = (before.last + 1, run.first - 1)
            if run.first != jump[0] and jump not in gaps and i not in kept:
                yield Fault(run.first_name, f"not in its place: it stands after {before.last_name}")
            before = run


def _in_order(runs: list[_Run]) -> set[int]:
    """Which runs are the most records whose numbers rise; of very many runs none, so that all are told."""
    if len(runs) > MANY:
        return set()
    best: list[tuple[int, int]] = []  # so many records up to that run, and the run before it
    for i, run in enumerate(runs):
        before = max(((best[j][0], j) for j in range(i) if runs[j].last < run.first), default=(0, -1))
        best.append((before[0] + run.last - run.first + 1, before[1]))
    found, at = set(), max(range(len(runs)), key=lambda i: best[i][0], default=-1)
    while at >= 0:
        found.add(at)
        at = best[at][1]
    return found


def _number(said: Any) -> int | None:
    """A record's number; ``None`` for what is none."""
    found = chain.number(said) if isinstance(said, (int, float)) and not isinstance(said, bool) else None
    return found if isinstance(found, int) and found > 0 else None


def _numbers(first: int, last: int) -> str:
    return f"record {first}" if first == last else f"records {first} to {last}"
